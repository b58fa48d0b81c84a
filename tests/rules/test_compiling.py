from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.model.demand import Prefer
from suanlian.model.ids import ShareId, new_id
from suanlian.model.job import Wants
from suanlian.model.market import PRICE_STEP, Market
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Architecture, Grade
from suanlian.model.place import Demand, Moving, Place
from suanlian.model.placement import Filter
from suanlian.model.platform import Chip, Latency, Site
from suanlian.model.quantity import ResourceKind
from suanlian.rules.admitting import Admissions
from suanlian.rules.compiling import ORDER, PIECES, Compiled, Running, Waiting, compiled, left_of, quantised
from suanlian.rules.energy import energy_of, weight
from suanlian.rules.matching.arrays import Floats, validate
from suanlian.rules.placement import explain
from suanlian.rules.preferring import PRESETS
from tests.rules.test_admitting import SHANGHAI, demands, places
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec, variant

FREE = dict.fromkeys(ResourceKind, 24.0)
MAY_WAIT = {Filter.ROOM, Filter.ELSEWHERE, Filter.OWNER_REFUSED, Filter.MAX_COST}
ENERGY = energy_of(chips(), grid())
STEP_CNY = float(weight(Decimal("0.001"), ENERGY, PRESETS[Prefer.GREEN].carbon))
"""Grams of CO2 are rounded where each task is looked at by itself."""


def put_together(waiting: Sequence[Waiting], where: Sequence[Place]) -> Compiled:
    hours: Mapping[ShareId, Mapping[ResourceKind, float]] = {one.share_id: FREE for one in where}
    made = compiled(waiting, where, hours, Admissions(), NOW, ENERGY)
    validate(made.demands, made.pools)
    return made


def waits(one: Demand, count: int = 1, name: str = "job") -> Waiting:
    return Waiting(name, one, count)


def costs(made: Compiled) -> Floats:
    """[N, M] by the formula of the arrays; infinite where a demand may not go."""
    d, p = made.demands, made.pools
    assert d.need is not None
    used = (d.units * d.hours)[:, None] / d.throughput[d.kind][:, p.family]
    assert d.further is not None
    assert d.further_times is not None
    further = d.further_times[:, None] * d.further[d.further_row][:, p.site]
    each = p.price[:, 0] + d.need @ p.price[:, 1:].T
    return np.where(allowed(made), used * each + further, np.inf)


def allowed(made: Compiled) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    words = made.demands.owners
    assert words is not None
    bits = words[:, made.pools.owner // 64] >> (made.pools.owner % 64).astype(np.uint64)
    return (bits & np.uint64(1)).astype(bool)


def powered_by_name(model: str) -> Place:
    node = resources(8000, 8192, accelerator=8)
    card = Chip(family="nvidia", model=model, grade=Grade.CLAIMED)
    return place(
        "p",
        share_id=ShareId(new_id()),
        flavor=flavor().model_copy(update={"node": node, "chip": card}),
        share=place().share.model_copy(update={"capacity": node}),
        free=node,
        offer=offer(cpu="0.05", accelerator="2"),
    )


@st.composite
def powered(draw: st.DrawFn) -> Place:
    """A place that takes most jobs; of what is in it the power is known or not."""
    site = Site(
        name="site",
        region=draw(st.sampled_from(["510100", "540100", "640500"])),
        pue=draw(st.sampled_from([None, Decimal("1.3")])),
        latencies=(Latency(region=SHANGHAI, one_way_ms=Decimal(draw(st.integers(1, 9))), grade=Grade.CLAIMED),),
    )
    return replace(
        powered_by_name(draw(st.sampled_from(["NVIDIA A100", "of nobody"]))),
        site=site,
        offer=offer(cpu="0.05", accelerator=draw(st.sampled_from(["0", "2", "7.5"]))),
        level=draw(st.sampled_from([JoinLevel.TRADE, JoinLevel.TRADE, JoinLevel.RUN])),
        entity="buyer",
    )


@st.composite
def weighed(draw: st.DrawFn) -> Demand:
    """One that may ask for cards, be bound in its CO2, be in a hurry, have a way that is faster, or a deadline."""
    wants = Wants(
        prefer=draw(st.sampled_from(Prefer)),
        max_g_co2=draw(st.sampled_from([None, None, Decimal(800)])),
        user_region=SHANGHAI,
        max_latency_ms=draw(st.sampled_from([None, None, Decimal(9)])),
    )
    slow = variant(throughput=draw(st.sampled_from([None, "1"])))
    fast = variant(throughput="3").model_copy(update={"command": ("another",), "chip_family": "nvidia"})
    changes = {
        "resources": resources(draw(st.integers(1, 2000)), 256, accelerator=draw(st.integers(0, 8))),
        "wall_time_s": draw(st.integers(60, 20_000)),
        "deadline": draw(st.sampled_from([None, None, NOW - timedelta(hours=1), NOW + timedelta(hours=1)])),
    }
    ways = draw(st.sampled_from([(slow,), (fast,), (slow, fast)]))
    return demand(spec(*ways, wants=wants).model_copy(update=changes))


def check(asked: Sequence[Demand], where: Sequence[Place]) -> None:
    """Where a job may go, and what it costs there, but for what is only a matter of time or of its limit."""
    waiting = [waits(one, name=f"job{n}") for n, one in enumerate(asked)]
    made = put_together(waiting, where)
    dense = costs(made)
    rows = {int(job): n for n, job in enumerate(made.job)}
    for n, one in enumerate(asked):
        explanation = explain(one, where, now=NOW, market=Market(energy=ENERGY))
        fit = [not {miss.filter for miss in c.failed} - MAY_WAIT for c in explanation.candidates]
        assert (n in made.nowhere) == (not any(fit))
        if n in made.nowhere:
            continue
        for m, candidate in enumerate(explanation.candidates):
            assert bool(np.isfinite(dense[rows[n], m])) == fit[m]
            if fit[m] and candidate.cost is not None:
                assert dense[rows[n], m] == pytest.approx(float(candidate.cost), rel=1e-9, abs=STEP_CNY)
                assert made.demands.value[rows[n]] >= dense[rows[n], m] - float(candidate.billed or 0)


@settings(max_examples=60)
@given(st.lists(demands(), min_size=1, max_size=5), st.lists(places(), max_size=70, unique_by=lambda p: p.share_id))
def test_arrays_let_through_what_explanations_let_through(asked: list[Demand], where: list[Place]) -> None:
    check(asked, where)


@settings(max_examples=150)
@given(st.lists(weighed(), min_size=1, max_size=4), st.lists(powered(), min_size=1, max_size=5))
def test_arrays_weigh_what_explanations_weigh(asked: list[Demand], where: list[Place]) -> None:
    check(asked, where)


@settings(max_examples=100)
@given(weighed(), st.lists(powered(), min_size=1, max_size=5), st.data())
def test_arrays_weigh_what_bringing_data_costs(one: Demand, where: list[Place], drawn: st.DataObject) -> None:
    ways = st.builds(
        Moving,
        gb=st.integers(0, 100).map(Decimal),
        cny_per_gb=st.integers(0, 100).map(lambda n: Decimal(n) / 100),
        hours=st.integers(0, 20).map(lambda n: Decimal(n) / 10),
        wrong=st.sampled_from(["", "", "no whole copy is reachable now"]),
    )
    moving = drawn.draw(st.dictionaries(st.sampled_from([p.share_id for p in where]), ways))
    check([replace(one, moving=moving)], where)


@settings(max_examples=100)
@given(
    weighed(), st.lists(powered(), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 30_000), st.floats(0, 9)
)
def test_what_runs_costs_what_is_left_of_it_and_elsewhere_what_is_lost_as_well(
    one: Demand, where: list[Place], at: int, ran: int, moving: float
) -> None:
    home, ways = at % len(where), one.spec.variants[:1]
    one = replace(one, spec=one.spec.model_copy(update={"variants": ways}))
    runs = Running(where[home].share_id, 0, ran, ran / 3, moving)
    made = put_together([Waiting("job", one, 1, running=runs)], where)
    d = made.demands
    assert d.home is not None
    assert d.home_share is not None
    assert d.moving is not None
    assert (d.home.tolist(), d.moving.tolist()) == ([home], [moving])
    left = left_of(one.spec, runs, 1.0, home)
    assert 0 < d.home_share[0] <= 1
    assert d.home_share[0] == pytest.approx(left.share)
    # the bound on CO2 is for a whole task, which is asked of the spec as it is
    asked = replace(one, spec=left.spec.model_copy(update={"wants": one.spec.wants.model_copy(update=UNBOUND)}))
    there = explain(asked, where, now=NOW, market=Market(energy=ENERGY)).candidates
    dense = costs(made)[0]
    assert np.isfinite(dense[home])
    for m, candidate in enumerate(there):
        if np.isfinite(dense[m]) and candidate.cost is not None:
            assert dense[m] == pytest.approx(float(candidate.cost), rel=1e-9, abs=STEP_CNY)
    assert d.value[0] >= dense[home] * d.home_share[0]


UNBOUND = {"max_g_co2": None}


def test_the_longer_it_ran_the_less_is_left_and_never_less_than_a_minute() -> None:
    job = spec().model_copy(update={"wall_time_s": 3600})
    shares = [left_of(job, Running(place().share_id, 0, ran, 0, 0), 1.0, 0).spec.expected_s for ran in (0, 1800, 9999)]
    assert shares == [3600, 1800, 60]
    half = left_of(job, Running(place().share_id, 0, 1800, 1800, 0), 1.0, 0)
    assert (half.spec.expected_s, half.share) == (3600, 0.5)


def test_jobs_that_differ_in_size_alone_share_what_is_weighed() -> None:
    sizes = [spec().model_copy(update={"resources": resources(1, 1, accelerator=n)}) for n in range(9)]
    where = [powered_by_name("NVIDIA A100"), powered_by_name("of nobody")]
    made = put_together([waits(demand(one), name=str(n)) for n, one in enumerate(sizes)], where)
    assert made.demands.further is not None
    assert made.demands.further_times is not None
    assert len(made.demands.further) == 2
    assert made.demands.further_times == pytest.approx(np.arange(9.0))


def test_a_faster_place_takes_less() -> None:
    """By the best variant that may run there, not by one that may not."""
    faster = {"environment": "fortran", "throughput": Decimal(9)}
    ways = (variant(throughput="2"), variant().model_copy(update=faster), variant(Architecture.WASM32, "1"))
    made = put_together([waits(demand(spec(*ways)))], [place()])
    assert made.demands.throughput[made.demands.kind[0], 0] == pytest.approx(2)


@given(st.integers(1, 100_000))
def test_an_array_is_a_few_pieces_that_are_all_of_it(count: int) -> None:
    made = put_together([waits(demand(), count), waits(demand(), 1, "other")], [place()])
    mine = made.tasks[made.job == 0]
    assert mine.sum() == count
    assert 0 < len(mine) <= PIECES
    assert (np.diff(mine) <= 0).all()
    assert made.demands.hours[:-1] / mine == pytest.approx(made.demands.hours[-1])


def test_a_limit_of_cost_holds_for_each_task() -> None:
    limited = demand(spec(wants=spec().wants.model_copy(update={"max_cost": Decimal("0.02")})))
    made = put_together([waits(limited, 10), waits(demand(), 1, "free")], [place()])
    budget = made.demands.budget
    assert budget is not None
    assert budget[made.job == 0] == pytest.approx(0.02 * made.tasks[made.job == 0])
    assert np.isinf(budget[-1])


def test_work_that_costs_nothing_is_still_worth_something() -> None:
    given_away = replace(place(), offer=offer(cpu="0"))
    assert (put_together([waits(demand())], [given_away]).demands.value > 0).all()


def test_there_may_be_nothing() -> None:
    assert len(put_together([], []).demands) == 0
    made = put_together([waits(demand())], [])
    assert (len(made.demands), made.nowhere) == (0, (0,))


@given(st.lists(st.lists(st.floats(-1, 1e6), min_size=4, max_size=4), max_size=5))
def test_prices_are_rounded_before_anybody_uses_them(prices: list[list[float]]) -> None:
    found = quantised(np.array(prices).reshape(-1, len(ORDER)))
    for row, said in zip(prices, found, strict=True):
        for kind, price in zip(ORDER, row, strict=True):
            had = said.get(kind, Decimal(0))
            assert had % PRICE_STEP == 0
            assert abs(float(had) - max(price, 0)) <= float(PRICE_STEP)
            assert kind not in said or had > 0
