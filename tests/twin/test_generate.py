from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.twin.generate import Recipe, arrivals, generate, week, with_data, with_estimates, with_portable
from suanlian.twin.request import Estimates
from suanlian.twin.trace import COLUMNS, TraceError

RECIPES = st.builds(
    Recipe,
    jobs=st.integers(1, 400),
    platforms=st.integers(1, 12),
    rho=st.floats(0.1, 1.5),
    seed=st.integers(0, 10_000),
    node_units=st.sampled_from([1, 2, 4, 6, 8]),
    nodes_median=st.floats(1, 64),
    portable=st.floats(0, 1),
    accounts=st.integers(1, 20),
)


@settings(max_examples=60, deadline=None)
@given(recipe=RECIPES)
def test_what_is_generated_can_be_simulated_loads_as_said_and_is_the_same_again(recipe: Recipe) -> None:
    world, demand = generate(recipe)
    world.validate()
    demand.trace.validate(recipe.platforms)
    trace = demand.trace
    assert np.all(trace.units <= world.units[trace.home])
    assert np.all(trace.units & (trace.units - 1) == 0), "gangs are powers of two"
    # the load: work over capacity and the span in which it is submitted
    span = float(np.sum(trace.duration * trace.units)) / (recipe.rho * float(world.units.sum()))
    assert trace.submit[-1] <= span
    again = generate(recipe)[1].trace
    assert all(np.array_equal(getattr(trace, name), getattr(again, name)) for name in COLUMNS)


def test_another_seed_gives_another_demand() -> None:
    one, other = (generate(Recipe(jobs=200, seed=seed))[1].trace for seed in (1, 2))
    assert not np.array_equal(one.duration, other.duration)


def test_arrivals_follow_the_week() -> None:
    moments = arrivals(200_000, 10 * 168 * 3600.0, 0.5, np.random.default_rng(0))
    assert np.all(np.diff(moments) >= 0)
    seen = np.bincount((moments // 3600).astype(np.int64) % 168, minlength=168) / 200_000
    wanted = week(0.5) / week(0.5).sum()
    assert np.allclose(seen, wanted, atol=4 * np.sqrt(wanted.max() / 200_000))


def test_durations_and_gangs_are_drawn_from_what_is_stated() -> None:
    _world, demand = generate(Recipe(jobs=100_000, nodes_median=400, nodes_sigma=0.1, gang_decay=1.0))
    hours = demand.trace.duration / 3600
    assert abs(float(np.median(hours)) - 1.5) < 0.05
    assert abs(float(np.std(np.log(hours))) - 1.6) < 0.1
    counts = np.array([np.count_nonzero(demand.trace.units == 2**k) for k in range(7)])
    assert np.allclose(counts[:-1] / counts[1:], 2.0, rtol=0.15)


@settings(max_examples=40, deadline=None)
@given(less=st.floats(0, 1), more=st.floats(0, 1))
def test_a_larger_share_of_portable_jobs_holds_the_smaller(less: float, more: float) -> None:
    trace = generate(Recipe(jobs=500, platforms=2))[1].trace
    low, high = sorted((less, more))
    few, many = with_portable(trace, low).movable, with_portable(trace, high).movable
    assert not np.any(few & ~many)


def test_the_share_is_that_of_the_reference_replay() -> None:
    trace = generate(Recipe(jobs=2_000, platforms=1))[1].trace
    hashed = [(int(job) * 2654435761 % 2**32) / 2**32 < 0.25 for job in trace.job]
    assert with_portable(trace, 0.25).movable.tolist() == hashed
    assert with_portable(trace, 1.0).movable.all()
    assert not with_portable(trace, 0.0).movable.any()


def test_what_cannot_move_in_the_trace_stays_so() -> None:
    trace = generate(Recipe(jobs=50, platforms=1))[1].trace
    bound = replace(trace, movable=np.zeros(50, dtype=np.bool_))
    assert not with_portable(bound, 1.0).movable.any()


def test_estimates_are_exact_double_or_off_by_a_factor() -> None:
    trace = generate(Recipe(jobs=20_000, platforms=1))[1].trace
    assert np.array_equal(with_estimates(trace, Estimates.EXACT, 0).estimate, trace.duration)
    assert np.array_equal(with_estimates(trace, Estimates.DOUBLE, 0).estimate, 2 * trace.duration)
    factor = np.log(with_estimates(trace, Estimates.LOGNORMAL, 0).estimate / trace.duration)
    assert abs(float(factor.mean())) < 0.03
    assert abs(float(factor.std()) - 0.7) < 0.03


def test_data_is_lognormal_about_its_median() -> None:
    trace = with_data(generate(Recipe(jobs=20_000, platforms=1))[1].trace, 200.0, 0)
    assert abs(float(np.median(trace.data_gb)) - 200) < 10


@pytest.mark.parametrize(
    "wrong", [{"jobs": 0}, {"platforms": 0}, {"rho": 0.0}, {"portable": 1.5}, {"owners": 9, "platforms": 3}]
)
def test_a_recipe_that_cannot_be_meant_is_named(wrong: dict[str, int]) -> None:
    with pytest.raises(TraceError, match=next(iter(wrong))) as found:
        generate(Recipe(**wrong))  # type: ignore[arg-type]
    assert found.value.code == "recipe"
