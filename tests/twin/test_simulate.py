"""The simulator: laws that any schedule keeps, a slow simulator beside it, and the figures that others published."""

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.rules.queueing.policy import EASY, Policy
from suanlian.twin.metrics import fairness_by_owner, lateness
from suanlian.twin.replay import itp4, itp4_world, portable
from suanlian.twin.results import Ints, Results
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace, TraceError
from suanlian.twin.world import Outage, World, sized
from tests.twin.oracle import Place, Row, by_hash, easy, first_come, lowest

# the first test compiles the loops, where they are not kept from an earlier run
pytestmark = pytest.mark.timeout(900)

PLATFORMS = 3
JOB = st.tuples(
    st.integers(0, 400),
    st.integers(1, 200),
    st.sampled_from([1, 1, 1, 2, 3, 4, 5, 8, 12]),
    st.integers(0, 2),
    st.booleans(),
)
JOBS = st.lists(JOB, min_size=1, max_size=40)
WORLD = sized(("a", "b", "c"), [2, 3, 1], node_units=4, move_s=30.0)


def trace_of(jobs: Sequence[tuple[int, int, int, int, bool]]) -> Trace:
    rows = np.array(jobs, dtype=np.int64)
    trace = Trace.of(
        job=np.arange(len(jobs)),
        home=rows[:, 3],
        submit=rows[:, 0].astype(np.float64),
        duration=rows[:, 1].astype(np.float64),
        units=rows[:, 2],
        accounts=("a", "b", "c"),
    )
    return replace(trace, movable=rows[:, 4] == 1).ordered()


def rows_of(trace: Trace, chosen: Ints) -> list[Row]:
    return [Row(float(trace.submit[n]), float(trace.duration[n]), int(trace.units[n])) for n in chosen]


def check_schedule(world: World, trace: Trace, results: Results) -> None:
    """What no schedule may break, by platform and unit; nodes are held by the law of packing below."""
    ran = np.flatnonzero(results.ran)
    assert np.all(results.start[ran] >= trace.submit[ran])
    assert np.array_equal(results.end[ran], results.start[ran] + trace.duration[ran])
    assert np.all(trace.movable[ran] | (results.ran_at[ran] == trace.home[ran]))
    for platform in range(len(world.names)):
        here = ran[results.ran_at[ran] == platform]
        size = int(world.node_units[platform])
        # a gang above a node holds whole nodes
        held = np.where(trace.units[here] > size, -(-trace.units[here] // size) * size, trace.units[here])
        for time in results.start[here]:
            live = (results.start[here] <= time) & (results.end[here] > time)
            assert held[live].sum() <= world.units[platform]
            assert (trace.units[here][live] * 2 > size).sum() <= world.nodes[platform]


@settings(max_examples=60, deadline=None)
@given(JOBS, st.sampled_from([Strategy.ALONE, Strategy.FIFO, Strategy.SKIP, Strategy.SUANLIAN]))
def test_every_schedule_keeps_the_laws_and_repeats(
    jobs: list[tuple[int, int, int, int, bool]], strategy: Strategy
) -> None:
    trace = trace_of(jobs)
    results = simulate(WORLD, trace, strategy)
    check_schedule(WORLD, trace, results)
    most = np.where(trace.movable & (strategy is not Strategy.ALONE), WORLD.units.max(), WORLD.units[trace.home])
    assert np.array_equal(results.ran, trace.units <= most)
    assert results.unit_seconds == pytest.approx(float((trace.duration * trace.units)[results.ran].sum()))
    again = simulate(WORLD, trace, strategy)
    assert np.array_equal(results.start, again.start, equal_nan=True)
    assert np.array_equal(results.ran_at, again.ran_at)


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_first_come_is_that_of_the_slow_simulator(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    trace = trace_of(jobs)
    trace = trace.take(trace.units <= WORLD.units[trace.home])
    alone = simulate(WORLD, trace, Strategy.ALONE)
    still = simulate(WORLD, replace(trace, movable=np.zeros_like(trace.movable)), Strategy.SKIP)
    for platform in range(PLATFORMS):
        here = np.flatnonzero(trace.home == platform)
        nodes, size = int(WORLD.nodes[platform]), int(WORLD.node_units[platform])
        assert alone.start[here].tolist() == first_come(nodes, size, rows_of(trace, here))
        assert still.start[here].tolist() == first_come(nodes, size, rows_of(trace, here), skip=True)


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_nodes_of_two_sizes_are_pooled_as_by_the_slow_simulator(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    world = replace(WORLD, node_units=np.array([4, 2, 4]))
    trace = trace_of(jobs)
    pooled = simulate(world, trace, Strategy.POOLED)
    small, large = Place(3, 2, lowest), Place(3, 4, lowest)
    assert pooled.ran.tolist() == (trace.units <= 12).tolist()
    assert not np.any(pooled.delay)
    ends: list[tuple[float, int, Place, list[tuple[int, int]]]] = []
    now = 0.0
    for row in np.flatnonzero(pooled.ran):
        now, units = max(now, float(trace.submit[row])), int(trace.units[row])
        while True:
            while ends and ends[0][0] <= now:
                _end, _row, place, taken = heapq.heappop(ends)
                place.give(taken)
            fits = [place for place in (small, large) if place.fits(units)]
            if fits:
                break
            now = ends[0][0]
        assert pooled.start[row] == now
        heapq.heappush(ends, (now + float(trace.duration[row]), int(row), fits[0], fits[0].take(units)))


@settings(max_examples=40, deadline=None)
@given(JOBS, st.integers(0, 300), st.integers(1, 300), st.integers(-1, 1))
def test_a_failure_among_nodes_of_two_sizes_counts_those_that_fail(
    jobs: list[tuple[int, int, int, int, bool]], at: int, length: int, node: int
) -> None:
    trace = replace(trace_of(jobs), units=np.full(len(jobs), 4))
    outage = Outage(platform=0, at=float(at), until=float(at + length), node=node)
    world = replace(WORLD, nodes=np.array([2, 3, 0]), node_units=np.array([4, 2, 4]), outages=(outage,))
    pooled = simulate(world, trace, Strategy.POOLED)
    assert pooled.ran.all()
    # a gang of four takes one of the larger nodes, or two of the three smaller ones
    most = 2 if node >= 0 else 1
    for time in pooled.start[(pooled.start >= at) & (pooled.start < at + length)]:
        assert ((pooled.start <= time) & (pooled.end > time)).sum() <= most


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_one_owner_with_one_reservation_is_easy_backfilling(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    world = sized(("a",), [1], node_units=12)
    trace = replace(trace_of(jobs), home=np.zeros(len(jobs), dtype=np.int64))
    results = simulate(world, trace, Strategy.SUANLIAN, policy=EASY)
    assert results.start.tolist() == easy(12, rows_of(trace, np.arange(len(trace))))


@settings(max_examples=40, deadline=None)
@given(JOBS, st.integers(0, 300), st.integers(1, 300), st.sampled_from(list(Strategy)))
def test_nothing_runs_on_what_is_down_and_all_comes_to_an_end(
    jobs: list[tuple[int, int, int, int, bool]], at: int, length: int, strategy: Strategy
) -> None:
    trace = trace_of(jobs)
    world = replace(WORLD, outages=(Outage(platform=1, at=float(at), until=float(at + length)),))
    results, whole = simulate(world, trace, strategy), simulate(WORLD, trace, strategy)
    assert np.array_equal(results.ran, whole.ran)
    assert np.all(results.lost >= 0)
    if strategy is not Strategy.POOLED:
        check_schedule(world, trace, results)
        there = results.ran_at == 1
        assert not np.any(there & (results.start < at + length) & (results.end > at))


def test_fewer_jobs_are_late_than_by_first_fit() -> None:
    trace = itp4().take(np.arange(4000))
    world = itp4_world(0.7)
    alone = simulate(world, trace, Strategy.ALONE)
    late = lateness(simulate(world, trace, Strategy.SUANLIAN), alone)
    skipped = lateness(simulate(world, trace, Strategy.SKIP), alone)
    assert np.mean(late > 660) <= np.mean(skipped > 660)


ALONE = {0.5: 6_826, 0.6: 19_761, 0.7: 49_088, 0.8: 90_959}
POOLED = {0.5: 65, 0.6: 248, 0.7: 744, 0.8: 4_831}


@pytest.mark.parametrize("rho", [0.6, 0.7])
def test_the_published_waits_alone_come_out_to_the_second_with_their_rule_for_equal_nodes(rho: float) -> None:
    trace, world = itp4(), itp4_world(rho)
    waits = np.empty(len(trace))
    for platform in range(4):
        here = np.flatnonzero(trace.home == platform)
        starts = first_come(int(world.nodes[platform]), 8, rows_of(trace, here), by_hash)
        waits[here] = np.array(starts) - trace.submit[here]
    assert round(float(waits.mean())) == pytest.approx(ALONE[rho], abs=1)


@pytest.mark.parametrize("rho", [0.5, 0.7])
def test_the_published_waits_alone_come_out_within_one_percent(rho: float) -> None:
    results = simulate(itp4_world(rho), itp4(), Strategy.ALONE)
    assert float(results.wait.mean()) == pytest.approx(ALONE[rho], rel=0.01)


@pytest.mark.parametrize("rho", [0.5, 0.7, 0.8])
def test_the_published_waits_pooled_come_out_within_one_percent(rho: float) -> None:
    results = simulate(itp4_world(rho), itp4(), Strategy.POOLED)
    assert float(results.wait.mean()) == pytest.approx(POOLED[rho], rel=0.01)


def test_each_platform_alone_is_the_slow_simulator_on_the_recorded_demand() -> None:
    trace, world = itp4(), itp4_world(0.7)
    results = simulate(world, trace, Strategy.ALONE)
    here = np.flatnonzero(trace.home == 1)
    assert results.start[here].tolist() == first_come(int(world.nodes[1]), 8, rows_of(trace, here))
    waits = [float(results.wait[trace.home == platform].mean()) for platform in range(4)]
    assert waits == pytest.approx([1_382, 4_187, 226_034, 186_030], rel=0.02)


@pytest.mark.parametrize(("share", "published"), [(1.0, 603), (0.5, 15_569), (0.25, 30_302)])
def test_federated_strict_queues_wait_about_as_published(share: float, published: float) -> None:
    results = simulate(itp4_world(0.7), portable(itp4(), share), Strategy.FIFO)
    assert float(results.wait.mean()) == pytest.approx(published, rel=0.05)


def test_the_policy_is_quicker_and_fairer_than_first_fit_and_loses_no_work() -> None:
    trace, world = portable(itp4(), 0.25), itp4_world(0.7)
    alone, skip, ours = (simulate(world, trace, s) for s in (Strategy.ALONE, Strategy.SKIP, Strategy.SUANLIAN))
    assert float(ours.wait.mean()) <= 1.02 * float(skip.wait.mean())
    assert ours.unit_seconds == alone.unit_seconds == skip.unit_seconds
    for mine, theirs in zip(fairness_by_owner(ours, alone, world), fairness_by_owner(skip, alone, world), strict=True):
        assert mine.wait <= mine.alone
        assert mine.worst <= max(theirs.worst, 660)
        assert mine.late <= theirs.late


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("duration", 0.0, "trace_duration"),
        ("duration", -1.0, "trace_duration"),
        ("submit", np.nan, "trace_time"),
        ("submit", 500.0, "trace_unsorted"),
        ("estimate", 0.0, "trace_estimate"),
        ("units", 0, "trace_units"),
        ("home", 7, "trace_home"),
        ("account", 9, "trace_account"),
        ("data_gb", -1.0, "trace_data"),
        ("deadline", np.nan, "trace_deadline"),
        ("job", 1, "trace_twice"),
    ],
)
def test_a_bad_row_is_named(column: str, value: float, code: str) -> None:
    trace = trace_of([(0, 10, 1, 0, True), (1, 10, 1, 1, True), (2, 10, 1, 2, True)])
    broken = getattr(trace, column).copy()
    broken[0] = value
    with pytest.raises(TraceError) as caught:
        simulate(WORLD, replace(trace, **{column: broken}), Strategy.SKIP)
    assert caught.value.code == code


def test_a_demand_larger_than_everything_never_runs_and_is_told() -> None:
    trace = trace_of([(0, 10, 1, 0, True), (1, 10, 100, 1, True)])
    for strategy in Strategy:
        results = simulate(WORLD, trace, strategy, policy=Policy())
        assert results.ran.tolist() == [True, False]
        assert len(results.notes) == 1
