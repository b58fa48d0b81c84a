"""How near the best the matcher comes, at sizes that a test can bear: bars with margin, against bounds that are proven.

At 1,000 demands the bound is that of HiGHS on the whole linear program, which is loose there by itself: ten demands a
pool do not divide. At 10,000 it is the matcher's own certificate, which says too much of the excess if anything.
docs/notes/matching.md has the figures of the large instances.
"""

import statistics

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from suanlian.rules.matching.arrays import Demands, Match, Pools
from suanlian.rules.matching.matching import first_come_match, match
from suanlian.testing.instances import Family, churned, demands_of, dense, named, pools_of

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet
FAMILIES: tuple[Family, ...] = ("fleet", "frag")
CASES = [(family, seed) for family in FAMILIES for seed in range(3)]


def arrays(size: str, family: Family, seed: int, *, later: bool = False) -> tuple[Demands, Pools]:
    instance = named(size, seed, family=family)
    if later:
        instance = churned(instance, seed, family=family)
    return demands_of(instance), pools_of(instance)


def part(made: Match, g: Match, bound: float) -> float:
    """The excess over a bound, as a part of that of first come first served."""
    return (made.total - bound) / (g.total - bound)


def relaxed(family: Family, seed: int) -> float:
    """The least cost where demands may be divided, by HiGHS."""
    instance = named("1k", seed, family=family)
    cost, used = (array.astype(float) for array in dense(instance, slice(0, instance.demands)))
    i, j = np.nonzero(np.isfinite(cost))
    value = instance.value.astype(float)
    columns = np.arange(len(i))
    rows = csr_matrix(
        (
            np.concatenate([np.ones(len(i)), used[i, j]]),
            (np.concatenate([i, instance.demands + j]), np.tile(columns, 2)),
        )
    )
    top = np.concatenate([np.ones(instance.demands), instance.capacity])
    solved = linprog(cost[i, j] - value[i], A_ub=rows, b_ub=top[: rows.shape[0]], method="highs")
    assert solved.success
    return float(solved.fun + value.sum())


def test_a_thousand_demands_come_near_the_linear_program() -> None:
    parts = []
    for family, seed in CASES:
        demands, pools = arrays("1k", family, seed)
        least = relaxed(family, seed)
        made = match(demands, pools)
        assert made.bound <= least * (1 + 1e-5)
        assert made.bound >= least * (1 - 0.012)
        parts.append(part(made, first_come_match(demands, pools), least))
    assert max(parts) <= 1 / 4
    assert statistics.median(parts) <= 1 / 8


def test_ten_thousand_demands_cold_and_a_tick_later() -> None:
    cold, warm = [], []
    for family, seed in CASES:
        made = match(*arrays("10k", family, seed))
        g = first_come_match(*arrays("10k", family, seed))
        now = arrays("10k", family, seed, later=True)
        later = match(*now, prices=made.prices)
        cold.append((part(made, g, made.bound), made.gap))
        warm.append((part(later, first_come_match(*now), later.bound), later.gap))
    for measured in (cold, warm):
        parts, gaps = zip(*measured, strict=True)
        assert max(parts) <= 1 / 15
        assert statistics.median(parts) <= 1 / 30
        assert max(gaps) <= 0.01
        assert statistics.median(gaps) <= 0.006


def test_more_effort_is_better_on_the_whole() -> None:
    """Each step of effort costs time; over all cases it has to pay."""
    gaps = {
        effort: statistics.mean(match(*arrays("10k", *case), effort=effort).gap for case in CASES[::3])
        for effort in ("fast", "balanced", "best")
    }
    assert gaps["best"] < gaps["balanced"] < gaps["fast"]
    assert gaps["fast"] <= 0.02


def test_last_ticks_prices_make_first_come_nearly_as_good() -> None:
    """What placing does between two ticks: the prices carry most of the gain."""
    for family in FAMILIES:
        made = match(*arrays("10k", family, 0))
        now = arrays("10k", family, 0, later=True)
        by_prices = first_come_match(*now, prices=made.prices)
        assert part(by_prices, first_come_match(*now), match(*now).bound) <= 1 / 3


def test_a_tick_later_is_another_instance_and_the_same_again() -> None:
    one = named("1k", 0)
    first, second = churned(one, 3), churned(one, 3)
    assert np.array_equal(first.value, second.value)
    assert np.array_equal(first.capacity, second.capacity)
    others = first.value != one.value
    assert 0.02 < others.mean() < 0.08
    assert np.array_equal(first.hours[~others], one.hours[~others])
    assert np.abs(first.capacity / one.capacity - 1).max() <= 0.04
