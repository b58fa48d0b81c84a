"""Laws of matching: what is placed fits, the bound holds, and the result depends on the arrays alone."""

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from suanlian.rules.matching import matching
from suanlian.rules.matching.arrays import (
    AT_OWNER,
    MEMBERS,
    Array,
    Demands,
    Floats,
    Match,
    MatchingError,
    Pools,
    Quotas,
)
from tests.rules.matching import instances

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet
SEEDS = st.integers(0, 10**6)
CLOSE = 1e-9


def drawn(seed: int, *, n: int = 40, m: int = 8) -> tuple[Demands, Pools]:
    """An instance with one to three resources, with and without quotas and homes."""
    resources = 1 + seed % 3
    pools = instances.pools(seed, m, resources=resources)
    demands = instances.demands(seed, n, resources=resources)
    if seed % 2:
        demands = instances.with_quotas(seed, demands)
    if seed // 2 % 2:
        demands = instances.with_homes(seed, demands, pools)
    if seed // 4 % 2:
        demands = instances.with_further(seed, demands, pools)
    return demands, pools


def quota_use(d: Demands, p: Pools, pool: Array) -> list[Array]:
    """For each group how much of it is at each place of its scope."""
    if d.quotas is None or d.group is None:
        return []
    place = (p.site, p.owner, np.arange(len(p)))
    out = []
    for g, (scope, measure) in enumerate(zip(d.quotas.scope, d.quotas.measure, strict=True)):
        there = (d.group == g) & (pool >= 0)
        counts = np.ones(len(d)) if measure == MEMBERS else d.units * d.hours
        out.append(np.bincount(place[scope][pool[there]], counts[there], minlength=1))
    return out


def check_fits(d: Demands, p: Pools, made: Match, free: Floats | None = None) -> None:
    """Everything about a match, re-derived from the dense definition."""
    c, a = instances.dense(d, p)
    at = np.flatnonzero(made.pool >= 0)
    assert np.isfinite(c[at, made.pool[at]]).all()
    np.testing.assert_allclose(made.cost[at], c[at, made.pool[at]], rtol=CLOSE)
    np.testing.assert_allclose(made.used[at], a[at, made.pool[at]], rtol=CLOSE)
    away = made.pool < 0
    np.testing.assert_allclose(made.cost[away], instances.outside(d)[away], rtol=CLOSE)
    need = np.ones((len(d), 1)) if d.need is None else np.concatenate([np.ones((len(d), 1)), d.need], axis=1)
    load = np.zeros(p.capacity.shape)
    np.add.at(load, made.pool[at], made.used[at, None] * need[at])
    room = p.capacity if free is None else free
    assert (load <= room * (1 + CLOSE)).all()
    np.testing.assert_allclose(made.remaining, room - load, atol=1e-6)
    for use, limit in zip(quota_use(d, p, made.pool), d.quotas.limit if d.quotas else (), strict=False):
        assert (use <= limit * (1 + CLOSE)).all()
    assert made.total == pytest.approx(made.cost.sum())


def cheaper_with_room(d: Demands, p: Pools, made: Match) -> int:
    """How many demands without a group have a cheaper pool that has room for them."""
    c, a = instances.dense(d, p)
    need = np.ones((len(d), 1)) if d.need is None else np.concatenate([np.ones((len(d), 1)), d.need], axis=1)
    fits = (a[:, :, None] * need[:, None, :] <= made.remaining[None] - 1e-9).all(axis=2)
    alone = np.ones(len(d), bool) if d.group is None else d.group < 0
    return int(((c < made.cost[:, None] - 1e-9) & fits)[alone].any(axis=1).sum())


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_all_that_is_placed_fits_and_nobody_has_a_cheaper_pool_with_room(seed: int) -> None:
    d, p = drawn(seed)
    made = matching.match(d, p)
    check_fits(d, p, made)
    assert made.bound <= made.total * (1 + CLOSE)
    assert cheaper_with_room(d, p, made) == 0


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_best_that_is_possible_lies_between_bound_and_total(seed: int) -> None:
    d, p = drawn(seed, n=12, m=4)
    made = matching.match(d, p)
    best = optimum(d, p)
    assert made.bound <= best + 1e-6
    assert best <= made.total + 1e-6


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0, 5))
def test_the_bound_holds_for_any_prices(seed: int, size: float) -> None:
    d, p = drawn(seed, n=12, m=4)
    prices = np.random.default_rng(seed).exponential(size + 1e-9, p.capacity.shape)
    assert matching.bound(d, p, prices) <= optimum(d, p) + 1e-6


def optimum(d: Demands, p: Pools) -> float:
    """The least total cost, by a solver of mixed integer programs."""
    c, a = instances.dense(d, p)
    need = np.ones((len(d), 1)) if d.need is None else np.concatenate([np.ones((len(d), 1)), d.need], axis=1)
    i, j = np.nonzero(np.isfinite(c))
    out = instances.outside(d)
    rows = [(i == n).astype(float) for n in range(len(d))]
    top = [1.0] * len(d)
    for m in range(len(p)):
        for r in range(p.resources):
            rows.append(np.where(j == m, a[i, j] * need[i, r], 0.0))
            top.append(float(p.capacity[m, r]))
    if d.quotas is not None and d.group is not None:
        place = (p.site, p.owner, np.arange(len(p)))
        for g, limit in enumerate(d.quotas.limit):
            at = place[d.quotas.scope[g]]
            counts = np.ones(len(d)) if d.quotas.measure[g] == MEMBERS else d.units * d.hours
            for e in range(int(at.max()) + 1):
                rows.append(np.where((d.group[i] == g) & (at[j] == e), counts[i], 0.0))
                top.append(float(limit))
    if not len(i):
        return float(out.sum())
    solved = milp(
        c[i, j] - out[i],
        integrality=np.ones(len(i)),
        bounds=(0, 1),
        constraints=LinearConstraint(np.array(rows), ub=top),
    )
    assert solved.success
    return float(solved.fun + out.sum())


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_result_is_the_same_again_and_warm_prices_keep_it_right(seed: int) -> None:
    d, p = drawn(seed, n=60)
    first, second = matching.match(d, p), matching.match(d, p)
    assert first.pool.tobytes() == second.pool.tobytes()
    assert first.prices.tobytes() == second.prices.tobytes()
    warm = matching.match(d, p, prices=first.prices, quota_prices=first.quota_prices)
    check_fits(d, p, warm)
    assert warm.bound <= first.total * (1 + CLOSE)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([0.125, 8.0, 1024.0]))
def test_money_in_other_units_gives_the_same_places(seed: int, by: float) -> None:
    d, p = drawn(seed)
    rich = replace(p, price=p.price * by, carbon=p.carbon * by, sites=replace(p.sites, egress=p.sites.egress * by))
    dear = replace(d, value=d.value * by)
    for name in ("latency_weight", "budget", "moving", "further"):
        if getattr(d, name) is not None:
            dear = replace(dear, **{name: getattr(d, name) * by})
    one, other = matching.match(d, p), matching.match(dear, rich)
    assert (one.pool == other.pool).all()
    assert other.total == pytest.approx(one.total * by)
    assert other.bound == pytest.approx(one.bound * by)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_with_endless_capacity_each_gets_its_own_best_and_the_gap_is_nothing(seed: int) -> None:
    d, p = drawn(seed - seed % 2)
    p = replace(p, capacity=np.full(p.capacity.shape, 1e12))
    made = matching.match(d, p)
    c, _ = instances.dense(d, p)
    np.testing.assert_allclose(made.cost, np.minimum(c.min(axis=1), instances.outside(d)), rtol=CLOSE)
    assert made.gap < CLOSE


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(0, 2))
def test_more_capacity_and_wider_masks_never_raise_the_bound(seed: int, size: float) -> None:
    d, p = drawn(seed)
    prices = np.random.default_rng(seed).exponential(size + 1e-9, p.capacity.shape)
    tight = matching.bound(d, p, prices)
    assert matching.bound(d, replace(p, capacity=p.capacity * 1.5), prices) <= tight + CLOSE
    wide = replace(d, tiers=None, jurisdictions=None, owners=None, green_min=None, latency_max=None, deadline=None)
    assert matching.bound(wide, p, prices) <= tight + CLOSE


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_order_of_rows_does_not_matter_where_there_are_ids(seed: int) -> None:
    d, p = drawn(seed - seed % 4)
    g = np.random.default_rng(seed)
    by, to = g.permutation(len(d)), g.permutation(len(p))
    d, p = replace(d, ids=np.arange(len(d))), replace(p, ids=np.arange(len(p)))
    one, other = matching.match(d, p), matching.match(rows_of(d, by), pools_of(p, to))
    assert (to[other.pool] == one.pool[by])[other.pool >= 0].all()
    assert ((other.pool < 0) == (one.pool[by] < 0)).all()
    np.testing.assert_array_equal(other.prices, one.prices[to])


def rows_of(d: Demands, by: Array) -> Demands:
    names = [n for n in d.__slots__ if n not in {"throughput", "quotas", "further"} and getattr(d, n) is not None]
    return replace(d, **{n: getattr(d, n)[by] for n in names})


def pools_of(p: Pools, by: Array) -> Pools:
    return replace(p, **{n: getattr(p, n)[by] for n in p.__slots__ if n != "sites" and getattr(p, n) is not None})


def test_equal_costs_go_to_the_lower_id() -> None:
    p = instances.pools(5, 4)
    same = replace(
        p, site=p.site * 0, owner=p.owner * 0, family=p.family * 0, tier=p.tier * 0, jurisdiction=p.jurisdiction * 0,
        price=p.price * 0 + 1.0, carbon=p.carbon * 0, green=p.green * 0 + 1, size=p.size * 0 + 64,
        capacity=p.capacity * 0 + 1e6, ids=np.array(["d", "b", "a", "c"]),
    )  # fmt: skip
    d = instances.demands(5, 20)
    free = Demands(
        throughput=d.throughput, kind=d.kind, region=d.region, units=d.units, hours=d.hours, value=d.value * 10
    )
    assert set(matching.match(free, same).pool.tolist()) == {2}


def test_what_fits_nowhere_is_not_served() -> None:
    d, p = drawn(4)
    c, _ = instances.dense(d, p)
    late = replace(d, deadline=np.where(np.arange(len(d)) % 2 == 0, -1.0, np.inf))
    made = matching.match(late, p)
    assert (made.pool[::2] == -1).all()
    huge = replace(d, units=d.units * 1e9, value=d.value * 1e12)
    assert (matching.match(huge, p).pool == -1).all()
    assert (matching.match(d, replace(p, capacity=p.capacity * 0)).pool == -1).all()
    assert (matching.match(replace(d, value=d.value * 0), p).pool[c.min(axis=1) > 0] == -1).all()


def test_one_demand_larger_than_everything_keeps_no_other_from_its_place() -> None:
    d, p = drawn(4)
    first = np.arange(len(d)) == 0
    huge = replace(d, units=np.where(first, 1e9, d.units), value=np.where(first, 1e12, d.value))
    made = matching.match(huge, p)
    check_fits(huge, p, made)
    assert made.pool[0] == -1
    assert np.array_equal(made.pool[1:] < 0, matching.match(rows_of(d, np.arange(1, len(d))), p).pool < 0)


@pytest.mark.parametrize(
    "change",
    [
        {"jurisdictions": np.full(40, 4)},
        {"green_min": np.full(40, 1.5)},
        {"latency_max": np.zeros(40)},
        {"budget": np.zeros(40), "data_gb": np.ones(40)},
        {"owners": np.zeros((40, 1), np.uint64)},
    ],
)
def test_where_no_pool_may_take_anything_nobody_is_served_and_the_bound_says_so(change: dict[str, Array]) -> None:
    d, p = drawn(4)
    nowhere = replace(d, **change)  # type: ignore[arg-type]
    for made in (matching.match(nowhere, p), matching.match(nowhere, p, prices=np.ones(p.capacity.shape))):
        assert (made.pool == -1).all()
        assert made.total == pytest.approx(instances.outside(d).sum())
    assert matching.match(nowhere, p).gap < CLOSE
    assert (matching.first_come_match(nowhere, p).pool == -1).all()


def test_of_equal_demands_those_with_lower_ids_are_served() -> None:
    d, p = drawn(0, n=12)
    same = replace(
        p, site=p.site * 0, owner=p.owner * 0, family=p.family * 0, tier=p.tier * 0, jurisdiction=p.jurisdiction * 0,
        price=p.price * 0 + 1.0, carbon=p.carbon * 0, green=p.green * 0 + 1, size=p.size * 0 + 64,
        capacity=p.capacity * 0 + 1.0,
    )  # fmt: skip
    ids = np.array([7, 3, 11, 0, 5, 9, 1, 8, 2, 10, 4, 6])
    equal = Demands(
        throughput=np.ones_like(d.throughput), kind=d.kind * 0, region=d.region * 0, units=np.ones(12),
        hours=np.ones(12), value=np.full(12, 9.0), ids=ids,
    )  # fmt: skip
    made = matching.match(equal, same)
    assert sorted(ids[made.pool >= 0].tolist()) == list(range(8))
    by_id = made.pool[np.argsort(ids)]
    again = matching.match(rows_of(equal, np.argsort(ids)), same)
    assert np.array_equal(again.pool, by_id)


def test_a_million_demands_on_a_small_memory_are_refused_before_anything_is_made() -> None:
    d, p = drawn(0)
    many = rows_of(d, np.arange(10**6) % len(d))
    tracemalloc.start()
    try:
        with pytest.raises(MatchingError, match=r"1000000 demands need about \d+\.\d GiB, allowed are 0\.5") as caught:
            matching.match(many, p, memory_gib=0.5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_large"
    assert peak < 0.1 * 2**30


def test_nothing_waits_or_no_pool_is_there() -> None:
    d, p = drawn(0)
    none = matching.match(rows_of(d, np.arange(0)), p)
    assert (len(none.pool), none.total, none.gap) == (0, 0.0, 0.0)
    alone = matching.match(d, pools_of(p, np.arange(0)))
    assert (alone.pool == -1).all()
    assert alone.total == pytest.approx(instances.outside(d).sum())


def test_hours_held_for_contracts_stay_free() -> None:
    d, p = drawn(8)
    held = 0.5 * p.capacity
    made = matching.match(d, p, reserved=held)
    check_fits(d, p, made, free=p.capacity - held)
    assert made.total >= matching.match(d, p).bound


def test_no_owner_gets_more_of_a_group_than_its_share() -> None:
    d, p = drawn(6, n=60)
    quotas = Quotas(
        scope=np.array([AT_OWNER]), measure=np.array([1]), limit=np.array([0.4 * (d.units * d.hours).sum()])
    )
    grouped = replace(d, group=np.zeros(len(d), int), quotas=quotas)
    made = matching.match(grouped, p)
    check_fits(grouped, p, made)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("too_large", {"memory_gib": 1e-6}),
        ("option_invalid", {"effort": "endless"}),
        ("price_invalid", {"prices": np.full((8, 1), -1.0)}),
        ("price_invalid", {"prices": np.full((8, 1), np.nan)}),
        ("shape", {"prices": np.zeros((7, 1))}),
        ("capacity_absurd", {"reserved": np.full((8, 1), -1.0)}),
    ],
)
def test_arguments_that_cannot_be_meant_are_named(code: str, options: dict[str, object]) -> None:
    d, p = drawn(0)
    with pytest.raises(MatchingError) as caught:
        matching.match(d, p, **options)  # type: ignore[arg-type]
    assert caught.value.code == code


SCRIPT = """
import json, sys
if sys.argv[1] == "plain":
    sys.modules["numba"] = None
from suanlian.rules.matching import compiled, matching
from tests.rules.matching.test_matching import drawn
assert compiled.COMPILED == (sys.argv[1] != "plain")
print(json.dumps([matching.match(*drawn(s, n=20, m=5)).pool.tolist() for s in range(4)]))
"""


def test_without_a_compiler_and_with_one_or_two_threads_the_places_are_the_same() -> None:
    here = [matching.match(*drawn(s, n=20, m=5)).pool.tolist() for s in range(4)]
    for how, threads in (("plain", "1"), ("compiled", "1"), ("compiled", "2")):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        run = [sys.executable, "-c", SCRIPT, how]
        done = subprocess.run(run, check=True, capture_output=True, text=True, env=environment, timeout=600)
        assert json.loads(done.stdout) == here
