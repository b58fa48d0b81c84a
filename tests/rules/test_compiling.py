from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.model.ids import ShareId
from suanlian.model.market import PRICE_STEP
from suanlian.model.performance import Architecture
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Filter
from suanlian.model.quantity import ResourceKind
from suanlian.rules.admitting import Admissions
from suanlian.rules.compiling import ORDER, PIECES, Compiled, Waiting, compiled, quantised
from suanlian.rules.matching.arrays import Floats, validate
from suanlian.rules.placement import explain
from tests.rules.test_admitting import demands, places
from tests.rules.worlds import NOW, demand, offer, place, spec, variant

FREE = dict.fromkeys(ResourceKind, 24.0)
MAY_WAIT = {Filter.ROOM, Filter.ELSEWHERE, Filter.OWNER_REFUSED, Filter.MAX_COST}


def put_together(waiting: Sequence[Waiting], where: Sequence[Place]) -> Compiled:
    hours: Mapping[ShareId, Mapping[ResourceKind, float]] = {one.share_id: FREE for one in where}
    made = compiled(waiting, where, hours, Admissions(), NOW)
    validate(made.demands, made.pools)
    return made


def waits(one: Demand, count: int = 1, name: str = "job") -> Waiting:
    return Waiting(name, one, count)


def costs(made: Compiled) -> Floats:
    """[N, M] by the formula of the arrays; infinite where a demand may not go."""
    d, p = made.demands, made.pools
    assert d.need is not None
    assert d.latency_weight is not None
    used = (d.units * d.hours)[:, None] / d.throughput[d.kind][:, p.family]
    latency = p.sites.latency[d.region][:, p.site]
    each = p.price[:, 0] + d.need @ p.price[:, 1:].T + p.carbon + d.latency_weight[:, None] * latency
    return np.where(allowed(made), used * each, np.inf)


def allowed(made: Compiled) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    words = made.demands.owners
    assert words is not None
    bits = words[:, made.pools.owner // 64] >> (made.pools.owner % 64).astype(np.uint64)
    return (bits & np.uint64(1)).astype(bool)


@settings(max_examples=60)
@given(st.lists(demands(), min_size=1, max_size=5), st.lists(places(), max_size=70, unique_by=lambda p: p.share_id))
def test_arrays_say_what_explanations_say(asked: list[Demand], where: list[Place]) -> None:
    """Where a job may go, and what it costs there, but for what is only a matter of time or of its limit."""
    waiting = [waits(one, name=f"job{n}") for n, one in enumerate(asked)]
    made = put_together(waiting, where)
    dense = costs(made)
    rows = {int(job): n for n, job in enumerate(made.job)}
    for n, one in enumerate(asked):
        explanation = explain(one, where, now=NOW)
        fit = [not {miss.filter for miss in c.failed} - MAY_WAIT for c in explanation.candidates]
        assert (n in made.nowhere) == (not any(fit))
        if n in made.nowhere:
            continue
        for m, candidate in enumerate(explanation.candidates):
            assert bool(np.isfinite(dense[rows[n], m])) == fit[m]
            if fit[m] and candidate.cost is not None:
                assert dense[rows[n], m] == pytest.approx(float(candidate.cost), rel=1e-9, abs=1e-11)


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
