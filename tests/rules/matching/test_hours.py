"""Laws of planning by the hour: what is planned fits in every slot, the bound holds, nothing but the arrays decides."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import coo_array

from suanlian.rules.matching import hours
from suanlian.rules.matching.arrays import CODES, Array, Demands, Floats, MatchingError, Pools, Quotas
from suanlian.rules.matching.hours_arrays import Hours, Plan
from suanlian.rules.matching.hours_problem import prepare_hours
from suanlian.rules.matching.hours_scan import best_starts
from tests.rules.matching import hourly, instances
from tests.rules.matching.hourly import Case, case

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet
SEEDS = st.integers(0, 10**6)
CLOSE = 1e-9


def planned(x: Case, **options: Any) -> Plan:  # noqa: ANN401 - options of plan
    return hours.plan(x.demands, x.pools, x.hours, earliest=x.earliest, **options)


def check_fits(x: Case, made: Plan, free: Floats | None = None) -> None:
    """Everything about a plan, re-derived from the dense definition."""
    c, _, run = hourly.dense(x, free)
    at = np.flatnonzero(made.pool >= 0)
    assert ((made.start >= 0) == (made.pool >= 0)).all()
    assert np.isfinite(c[at, made.pool[at], made.start[at]]).all()
    np.testing.assert_allclose(made.cost[at], c[at, made.pool[at], made.start[at]], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(made.used[at], x.demands.units[at] * run[at, made.pool[at]], rtol=CLOSE)
    away = made.pool < 0
    np.testing.assert_allclose(made.cost[away], instances.outside(x.demands)[away], rtol=CLOSE)
    room = x.hours.capacity if free is None else free
    held = hourly.loads(x, made)
    for r in range(x.pools.resources):
        assert (held[r] <= room[:, :, r] + CLOSE).all()
        np.testing.assert_allclose(made.remaining[:, :, r], room[:, :, r] - held[r], atol=1e-9)
    if x.hours.green_kwh is not None:
        assert (held[-1] <= x.hours.green_kwh + CLOSE).all()
        np.testing.assert_allclose(made.green_remaining, x.hours.green_kwh - held[-1], atol=1e-9)
    assert made.total == pytest.approx(made.cost.sum())


def cheaper_with_room(x: Case, made: Plan) -> int:
    """How many demands have a cheaper start that has room for them, what they hold themselves counted as free."""
    c, end, _ = hourly.dense(x)
    much, _ = hourly.amounts(x, x.hours.capacity)
    left = [made.remaining[:, :, r] for r in range(x.pools.resources)]
    left += [made.green_remaining[x.pools.site]] if x.hours.green_kwh is not None else []
    found = 0
    for i in range(len(made.pool)):
        own = [np.zeros_like(table) for table in left]
        if made.pool[i] >= 0:
            j, t = made.pool[i], made.start[i]
            for r, table in enumerate(own):
                there = x.pools.site == x.pools.site[j] if r >= x.pools.resources else np.arange(len(x.pools)) == j
                table[there, t : end[i, j, t]] += much[r][i, j]
        for j, t in zip(*np.nonzero(c[i] < made.cost[i] - 1e-7), strict=True):
            window = slice(t, end[i, j, t])
            found += all(
                (much[r][i, j] <= left[r][j, window] + own[r][j, window] - 1e-9).all() for r in range(len(left))
            )
    return found


def optimum(x: Case) -> float:
    """The least total cost, by a solver of mixed integer programs over all starts."""
    c, end, _ = hourly.dense(x)
    i, j, t = np.nonzero(np.isfinite(c))
    out = instances.outside(x.demands)
    if not len(i):
        return float(out.sum())
    much, _ = hourly.amounts(x, x.hours.capacity)
    slots, m = x.hours.slots, len(x.pools)
    line, column, value = [i], [np.arange(len(i))], [np.ones(len(i))]
    top = [np.ones(len(out))]
    first = len(out)
    for r, each in enumerate(much):
        site = r >= x.pools.resources
        place = x.pools.site[j] if site else j
        for n in range(len(i)):
            window = np.arange(t[n], end[i[n], j[n], t[n]])
            line.append(first + place[n] * slots + window)
            column.append(np.full(len(window), n))
            value.append(np.full(len(window), each[i[n], j[n]]))
        table = x.hours.green_kwh if site else x.hours.capacity[:, :, r]
        assert table is not None
        top.append(table.ravel())
        first += (instances.SITES if site else m) * slots
    matrix = coo_array((np.concatenate(value), (np.concatenate(line), np.concatenate(column))), (first, len(i)))
    solved = milp(
        c[i, j, t] - out[i],
        integrality=np.ones(len(i)),
        bounds=(0, 1),
        constraints=LinearConstraint(matrix.tocsr(), ub=np.concatenate(top)),
    )
    assert solved.success
    return float(solved.fun + out.sum())


def some_prices(x: Case, seed: int, size: float) -> tuple[Floats, Floats]:
    g = np.random.default_rng(seed)
    sites = 0 if x.hours.green_kwh is None else instances.SITES
    return g.exponential(size, x.hours.capacity.shape), g.exponential(size, (sites, x.hours.slots))


def bound_at(x: Case, prices: tuple[Floats, Floats]) -> float:
    return hours.bound(x.demands, x.pools, x.hours, prices[0], earliest=x.earliest, green_prices=prices[1])


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_all_that_is_planned_fits_in_every_slot_and_nobody_has_a_cheaper_start_with_room(seed: int) -> None:
    x = case(seed)
    made = planned(x)
    check_fits(x, made)
    assert made.bound <= made.total * (1 + CLOSE)
    assert cheaper_with_room(x, made) == 0


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_best_that_is_possible_lies_between_bound_and_total(seed: int) -> None:
    x = case(seed, n=10, m=3)
    made = planned(x)
    best = optimum(x)
    assert made.bound <= best + 1e-6
    assert best <= made.total + 1e-6


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.001, 5))
def test_the_bound_holds_for_any_prices(seed: int, size: float) -> None:
    x = case(seed, n=10, m=3)
    assert bound_at(x, some_prices(x, seed, size)) <= optimum(x) + 1e-6


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_the_pruned_look_finds_what_the_whole_look_finds(seed: int, kept: int) -> None:
    x = case(seed)
    ready = prepare_hours(x.demands, x.pools, x.hours, x.earliest, x.hours.capacity)
    free, green = some_prices(x, seed, 0.3)
    rows = np.concatenate([free.transpose(0, 2, 1).reshape(-1, x.hours.slots), green])
    h, everybody = ready.hourly, np.arange(len(x.demands))
    lines, least, _ = best_starts(h, ready.classes, rows, h.capacity, everybody, kept)
    reduced = dense_reduced(x, free, green)
    flat = reduced.reshape(len(reduced), -1)
    for n, outside in enumerate(instances.outside(x.demands)):
        good = np.flatnonzero(flat[n] <= outside)
        wanted = np.sort(flat[n][good])[:kept]
        got = lines.pool[n] >= 0
        np.testing.assert_allclose(reduced[n, lines.pool[n][got], lines.start[n][got]], wanted, rtol=1e-9)
        assert least[n] == pytest.approx(min(flat[n].min(), outside))


def dense_reduced(x: Case, free: Floats, green: Floats) -> Floats:
    """Costs with shadow prices, [N, M, T]."""
    c, end, _ = hourly.dense(x)
    much, _ = hourly.amounts(x, x.hours.capacity)
    tables = [free[:, :, r] for r in range(x.pools.resources)]
    tables += [green[x.pools.site]] if x.hours.green_kwh is not None else []
    out = c.copy()
    for each, table in zip(much, tables, strict=True):
        until = np.concatenate([np.zeros((len(table), 1)), np.cumsum(table, axis=1)], axis=1)
        window = np.take_along_axis(until[None], end, axis=2) - until[None, :, :-1]
        out += each[:, :, None] * window
    return out


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_result_is_the_same_again_and_warm_prices_keep_it_right(seed: int) -> None:
    x = case(seed)
    one, other = planned(x), planned(x)
    for name in ("pool", "start", "cost", "prices", "green_prices", "remaining"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.bound == other.bound
    warm = planned(x, prices=one.prices, green_prices=one.green_prices)
    check_fits(x, warm)
    assert warm.bound <= one.total * (1 + CLOSE)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(0.01, 2))
def test_more_capacity_a_wider_window_and_more_green_power_never_raise_the_bound(seed: int, size: float) -> None:
    x = case(seed)
    prices = some_prices(x, seed, size)
    tight = bound_at(x, prices) + CLOSE
    more = replace(
        x.hours,
        capacity=x.hours.capacity + 2,
        green=None if x.hours.green is None else np.minimum(x.hours.green + 0.3, 1.0),
        green_kwh=None if x.hours.green_kwh is None else x.hours.green_kwh + 1,
    )
    assert bound_at(replace(x, hours=more), prices) <= tight
    if x.hours.green_kwh is None or x.earliest is None:
        late = replace(x.demands, deadline=None, budget=None)
        assert bound_at(replace(x, demands=late), prices) <= tight


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([0.125, 8.0]))
def test_money_in_another_unit_changes_no_place(seed: int, times: float) -> None:
    x = case(seed)
    d, p, h = x.demands, x.pools, x.hours
    other = Case(
        replace(
            d, value=d.value * times, budget=None if d.budget is None else d.budget * times,
            latency_weight=None if d.latency_weight is None else d.latency_weight * times,
            moving=None if d.moving is None else d.moving * times,
            further=None if d.further is None else d.further * times,
        ),
        replace(
            p, price=p.price * times, carbon=p.carbon * times,
            sites=replace(p.sites, egress=p.sites.egress * times),
        ),
        replace(h, carbon=None if h.carbon is None else h.carbon * times),
        x.earliest,
    )  # fmt: skip
    one, two = planned(x), planned(other)
    assert two.total == pytest.approx(times * one.total, rel=1e-6)
    assert two.bound == pytest.approx(times * one.bound, rel=1e-6, abs=1e-6)
    np.testing.assert_array_equal(one.pool, two.pool)
    np.testing.assert_array_equal(one.start, two.start)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_one_endless_slot_with_room_for_all_gives_each_its_cheapest_pool(seed: int) -> None:
    resources = 1 + seed % 3
    p = replace(instances.pools(seed, 8, resources=resources), capacity=np.full((8, resources), 1e9))
    d = instances.demands(seed, 40, resources=resources)
    made = hours.plan(d, p, Hours(capacity=np.full((8, 1, resources), 1e9), length=1e6))
    c, _ = instances.dense(d, p)
    np.testing.assert_allclose(made.cost, np.minimum(c.min(axis=1), instances.outside(d)), rtol=1e-9)
    assert made.gap < CLOSE


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_order_of_rows_does_not_matter_where_there_are_ids(seed: int) -> None:
    x = case(seed - seed // 2 % 2 * 2)
    g = np.random.default_rng(seed)
    by, to = g.permutation(len(x.demands)), g.permutation(len(x.pools))
    d, p = replace(x.demands, ids=np.arange(len(x.demands))), replace(x.pools, ids=np.arange(len(x.pools)))
    one = planned(Case(d, p, x.hours, x.earliest))
    two = planned(
        Case(rows_of(d, by), pools_of(p, to), hours_of(x.hours, to), None if x.earliest is None else x.earliest[by])
    )
    served = two.pool >= 0
    assert (to[two.pool] == one.pool[by])[served].all()
    np.testing.assert_array_equal(two.start, one.start[by])
    np.testing.assert_array_equal(two.prices, one.prices[to])


def rows_of(d: Demands, by: Array) -> Demands:
    names = [n for n in d.__slots__ if n not in {"throughput", "quotas", "further"} and getattr(d, n) is not None]
    return replace(d, **{n: getattr(d, n)[by] for n in names})


def pools_of(p: Pools, by: Array) -> Pools:
    return replace(p, **{n: getattr(p, n)[by] for n in p.__slots__ if n != "sites" and getattr(p, n) is not None})


def hours_of(h: Hours, by: Array) -> Hours:
    names = ("capacity", "price_factor", "carbon", "green", "power_kw")
    return replace(h, **{n: getattr(h, n)[by] for n in names if getattr(h, n) is not None})


def one_job(hours_long: float = 2.0, **options: Any) -> tuple[Demands, Pools]:  # noqa: ANN401 - fields of a demand
    """A gang of four on the only pool there is, at one CNY for a unit and hour."""
    p = replace(
        instances.pools(0, 1), site=np.zeros(1, int), family=np.zeros(1, int), size=np.full(1, 8.0),
        price=np.ones((1, 1)), carbon=np.zeros(1), green=np.ones(1),
    )  # fmt: skip
    d = Demands(
        throughput=np.ones((1, instances.FAMILIES)), kind=np.array([0]), region=np.array([0]), units=np.full(1, 4.0),
        hours=np.full(1, hours_long), value=np.full(1, 100.0), **options,
    )  # fmt: skip
    return d, p


def test_it_waits_for_the_cheap_hours_no_longer_than_its_deadline() -> None:
    d, p = one_job()
    day = Hours(capacity=np.full((1, 6, 1), 4.0), price_factor=np.array([[3.0, 2.0, 2.0, 1.0, 0.5, 0.5]]))
    made = hours.plan(d, p, day)
    assert (made.start[0], made.cost[0]) == (4, pytest.approx(4 * (0.5 + 0.5)))
    soon = hours.plan(replace(d, deadline=np.full(1, 4.5)), p, day)
    assert (soon.start[0], soon.cost[0]) == (2, pytest.approx(4 * (2.0 + 1.0)))
    late = hours.plan(d, p, day, earliest=np.full(1, 4.25))
    assert late.pool[0] == -1
    short = hours.plan(replace(d, hours=np.full(1, 1.0)), p, day, earliest=np.full(1, 3.25))
    assert (short.start[0], short.cost[0]) == (4, pytest.approx(4 * 0.5))


def test_a_green_floor_waits_for_a_window_in_which_it_holds_throughout() -> None:
    d, p = one_job(green_min=np.full(1, 0.5))
    share = np.array([[0.9, 0.4, 0.6, 0.3, 0.5, 0.7]])
    made = hours.plan(d, p, Hours(capacity=np.full((1, 6, 1), 4.0), green=share))
    assert made.start[0] == 4
    kwh = np.array([[4.0, 1.0, 2.0, 2.0, 0.0, 9.0]]) * np.ones((instances.SITES, 1))
    bought = hours.plan(d, p, Hours(capacity=np.full((1, 6, 1), 4.0), green_kwh=kwh, power_kw=np.ones(1)))
    assert bought.start[0] == 2
    np.testing.assert_allclose(bought.green_remaining[0], [4.0, 1.0, 0.0, 0.0, 0.0, 9.0])


def test_a_gang_is_not_broken_and_units_held_for_contracts_stay_free() -> None:
    d, p = one_job()
    day = Hours(capacity=np.array([[[4.0], [3.0], [4.0], [4.0], [3.0], [4.0]]]))
    assert hours.plan(d, p, day).start[0] == 2
    held = np.zeros((1, 6, 1))
    held[0, 3, 0] = 1.0
    assert hours.plan(d, p, day, reserved=held).pool[0] == -1


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_first_come_keeps_to_the_room_and_never_beats_the_bound(seed: int) -> None:
    x = case(seed)
    made = hours.first_come_plan(x.demands, x.pools, x.hours, earliest=x.earliest)
    check_fits(x, made)
    assert planned(x).bound <= made.total * (1 + CLOSE)


def test_what_fits_nowhere_is_not_served() -> None:
    x = case(4)
    d = x.demands
    late = replace(d, deadline=np.where(np.arange(len(d)) % 2 == 0, -1.0, np.inf))
    assert (planned(replace(x, demands=late)).pool[::2] == -1).all()
    huge = replace(d, units=d.units * 1e9, value=d.value * 1e12, budget=None)
    assert (planned(replace(x, demands=huge)).pool == -1).all()
    assert (planned(replace(x, hours=replace(x.hours, capacity=x.hours.capacity * 0))).pool == -1).all()
    assert (planned(replace(x, earliest=np.full(len(d), np.inf))).pool == -1).all()
    none = planned(replace(x, demands=rows_of(d, np.arange(0)), earliest=None))
    assert (len(none.pool), none.total, none.gap) == (0, 0.0, 0.0)


X = case(13)
SHAPE = X.hours.capacity.shape


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("too_large", {"memory_gib": 1e-6}),
        ("option_invalid", {"effort": "endless"}),
        ("price_invalid", {"prices": np.full(SHAPE, -1.0)}),
        ("price_invalid", {"prices": np.full(SHAPE, np.nan)}),
        ("shape", {"prices": np.zeros((7, 1))}),
        ("shape", {"prices": np.zeros(SHAPE), "green_prices": np.zeros((1, 1))}),
        ("capacity_absurd", {"reserved": np.full(SHAPE, -1.0)}),
        ("shape", {"reserved": np.zeros((1, 1, 1))}),
        ("window_invalid", {"earliest": np.full(len(X.demands), np.nan)}),
        ("window_invalid", {"earliest": np.full(len(X.demands), -1.0)}),
        ("shape", {"earliest": np.zeros(3)}),
    ],
)
def test_arguments_that_cannot_be_meant_are_named(code: str, options: dict[str, Any]) -> None:
    with pytest.raises(MatchingError) as caught:
        hours.plan(X.demands, X.pools, X.hours, **{"earliest": X.earliest, **options})
    assert caught.value.code == code
    assert code in CODES


FLAT = np.ones(SHAPE[:2])


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("window_invalid", {"capacity": np.zeros((SHAPE[0], 0, SHAPE[2]))}),
        ("window_invalid", {"capacity": np.zeros((SHAPE[0], 1025, SHAPE[2]))}),
        ("window_invalid", {"capacity": FLAT}),
        ("window_invalid", {"length": 0.0}),
        ("window_invalid", {"length": float("nan")}),
        ("capacity_absurd", {"capacity": np.full(SHAPE, -1.0)}),
        ("capacity_absurd", {"capacity": np.full(SHAPE, np.nan)}),
        ("capacity_absurd", {"capacity": np.full(SHAPE, np.inf)}),
        ("shape", {"capacity": np.ones((SHAPE[0] + 1, *SHAPE[1:]))}),
        ("price_invalid", {"price_factor": FLAT * np.nan}),
        ("price_invalid", {"price_factor": -FLAT}),
        ("price_invalid", {"carbon": -FLAT}),
        ("demand_invalid", {"green": -FLAT}),
        ("shape", {"green": FLAT[:, :-1]}),
        ("shape", {"green_kwh": np.ones((instances.SITES, SHAPE[1])), "power_kw": None}),
        ("shape", {"green_kwh": FLAT[:1], "power_kw": np.ones(SHAPE[0])}),
        ("capacity_absurd", {"green_kwh": -np.ones((instances.SITES, SHAPE[1])), "power_kw": np.ones(SHAPE[0])}),
        ("capacity_absurd", {"green_kwh": np.ones((instances.SITES, SHAPE[1])), "power_kw": -np.ones(SHAPE[0])}),
    ],
)
def test_hours_that_cannot_be_meant_are_named(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(MatchingError) as caught:
        planned(replace(X, hours=replace(X.hours, **change)))
    assert caught.value.code == code


def test_quotas_are_refused_by_name() -> None:
    quotas = Quotas(scope=np.array([0]), measure=np.array([0]), limit=np.array([1.0]))
    with pytest.raises(MatchingError) as caught:
        planned(replace(X, demands=replace(X.demands, group=np.zeros(len(X.demands), int), quotas=quotas)))
    assert caught.value.code == "quota_invalid"


SCRIPT = """
import json, sys
sys.modules["numba"] = None
from suanlian.rules.matching import compiled
from tests.rules.matching.test_hours import placed
assert not compiled.COMPILED
print(json.dumps(placed()))
"""


def placed() -> list[list[list[int]]]:
    small = [case(s, n=12, m=3, slots=5) for s in range(4)]
    return [[made.pool.tolist(), made.start.tolist()] for made in map(planned, small)]


def test_without_a_compiler_the_places_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, timeout=600)
    assert json.loads(done.stdout) == placed()
