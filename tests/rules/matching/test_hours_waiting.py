"""Laws of waiting: the cheapest start of each slot is the cheapest there is, and only what saves is told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.rules.matching import hours
from suanlian.rules.matching.arrays import MatchingError
from suanlian.rules.matching.hours_arrays import Hours
from suanlian.rules.matching.hours_waiting import LEAST_PART, by_start, worth_waiting
from tests.rules.matching import hourly
from tests.rules.matching.hourly import case
from tests.rules.matching.test_hours import dense_reduced, one_job, planned, some_prices

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet
SEEDS = st.integers(0, 10**6)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_each_slot_has_its_cheapest_start_by_the_prices_of_a_plan(seed: int) -> None:
    x = case(seed, n=6)
    free, green = some_prices(x, seed, 0.2)
    c, _, _ = hourly.dense(x)
    reduced = dense_reduced(x, free, green)
    for row in range(len(x.demands)):
        by = by_start(
            x.demands, x.pools, x.hours, row=row, earliest=x.earliest, prices=free,
            green_prices=green if len(green) else None,
        )  # fmt: skip
        np.testing.assert_allclose(by.price, reduced[row].min(axis=0), rtol=1e-9)
        served = by.pool >= 0
        np.testing.assert_array_equal(served, np.isfinite(by.price))
        np.testing.assert_allclose(by.cost[served], c[row, by.pool[served], np.flatnonzero(served)], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_what_is_told_is_cheaper_than_every_earlier_start(seed: int) -> None:
    x = case(seed, n=6)
    for row in range(len(x.demands)):
        by = by_start(x.demands, x.pools, x.hours, row=row, earliest=x.earliest)
        told = worth_waiting(by)
        first = by.price[by.pool >= 0][:1]
        assert all((later.price < by.price[: later.start]).all() for later in told)
        assert all(later.part >= LEAST_PART * (1 - 1e-9) for later in told)
        assert all(later.part == pytest.approx(1 - later.price / first[0]) for later in told)
        if len(first) and by.price.min() < first[0] * (1 - LEAST_PART):
            assert told
            assert told[-1].price <= by.price.min() + LEAST_PART * first[0]


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_where_a_plan_put_it_no_other_start_that_is_left_is_cheaper(seed: int) -> None:
    x = case(seed, n=20)
    made = planned(x)
    for row in np.flatnonzero(made.pool >= 0)[:5]:
        left = replace(x.hours, capacity=np.maximum(made.remaining - 1e-9, 0.0))
        if x.hours.green_kwh is not None:
            left = replace(left, green_kwh=np.maximum(made.green_remaining - 1e-9, 0.0))
        by = by_start(x.demands, x.pools, left, row=int(row), earliest=x.earliest)
        assert by.cost.min() >= made.cost[row] - 1e-7


def test_twelve_percent_cheaper_three_hours_later() -> None:
    d, p = one_job(1.0)
    day = Hours(capacity=np.full((1, 6, 1), 4.0), price_factor=np.array([[1.0, 1.1, 0.99, 0.88, 0.87, 0.5]]))
    told = worth_waiting(by_start(d, p, day))
    assert [(later.start, later.wait_h) for later in told] == [(3, 3.0), (5, 5.0)]
    assert [later.part for later in told] == pytest.approx([0.12, 0.5])
    scarce = np.zeros((1, 6, 1))
    scarce[0, 5, 0] = 0.6
    by = by_start(d, p, day, prices=scarce)
    assert (by.cost[5], by.price[5]) == (pytest.approx(2.0), pytest.approx(4.4))
    assert [later.start for later in worth_waiting(by)] == [3]


def test_what_starts_nowhere_has_nothing_to_wait_for() -> None:
    d, p = one_job(9.0)
    by = by_start(d, p, Hours(capacity=np.full((1, 6, 1), 4.0)))
    assert (by.pool == -1).all()
    assert worth_waiting(by) == ()
    assert hours.plan(d, p, Hours(capacity=np.full((1, 6, 1), 4.0))).pool[0] == -1


def test_a_row_that_is_not_there_is_named() -> None:
    d, p = one_job()
    with pytest.raises(MatchingError) as caught:
        by_start(d, p, Hours(capacity=np.full((1, 6, 1), 4.0)), row=1)
    assert caught.value.code == "index"
