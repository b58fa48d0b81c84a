"""The queue as the hub uses it: the same decisions as the twin's compiled loop, promises kept, reasons told."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.rules.queueing.nodes import enter, next_end, used_at, withdrawn
from suanlian.rules.queueing.policy import EASY, Policy, QueueingError
from suanlian.rules.queueing.queue import Hold, Job, Queue
from suanlian.rules.queueing.rise import rise
from suanlian.rules.queueing.state import NEVER
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace
from suanlian.twin.world import sized

# the first test compiles the loops, where they are not kept from an earlier run
pytestmark = pytest.mark.timeout(900)

NODES, SIZE = [2, 3, 1], 4
MOVE_S = 30.0
JOB = st.tuples(
    st.integers(0, 400),
    st.integers(1, 200),
    st.sampled_from([1, 1, 1, 2, 3, 4, 5, 8]),
    st.sampled_from([0, 1, 1]),
    st.booleans(),
)
JOBS = st.lists(JOB, min_size=1, max_size=40)


def queue(
    policy: Policy | None = None, nodes: Sequence[int] = NODES, size: int = SIZE, *, costs: bool = False
) -> Queue:
    counts = np.array(nodes, dtype=np.int64)
    weights = [1.0, 1.0, 1.0]
    return Queue(counts, np.full_like(counts, size), policy or Policy(move_s=MOVE_S), weights, costs=costs)


@dataclass
class Driven:
    """Drives a queue as a hub does: events in order, a step after each, and looks when a reservation begins."""

    queue: Queue
    starts: dict[int, tuple[float, int]] = field(default_factory=dict)
    promised: dict[int, float] = field(default_factory=dict)
    pushed: list[int] = field(default_factory=list)

    def run(self, jobs: Sequence[tuple[float, float, Job]]) -> None:
        """Jobs as (submit, duration, job), in order."""
        rows: dict[int, int] = {}
        ends: list[tuple[float, int]] = []
        at, wake = 0, float("inf")
        while at < len(jobs) or ends:
            now = min(jobs[at][0] if at < len(jobs) else float("inf"), ends[0][0] if ends else float("inf"), wake)
            while ends and ends[0][0] <= now:
                self.queue.end(heapq.heappop(ends)[1], now)
            while at < len(jobs) and jobs[at][0] <= now:
                rows[self.queue.arrive(jobs[at][2])] = at
                at += 1
            step = self.queue.step(now)
            for start in step.starts:
                job = rows[start.row]
                self.starts[job] = (now, start.pool)
                heapq.heappush(ends, (now + jobs[job][1], start.row))
                if now > self.promised.get(job, float("inf")):
                    self.pushed.append(job)
            for held in step.reservations:
                job = rows[held.row]
                if held.at > self.promised.get(job, float("inf")):
                    self.pushed.append(job)
                self.promised[job] = held.at
            found = self.queue.next_wake(now)
            wake = float("inf") if found is None else found


def asked(jobs: list[tuple[int, int, int, int, bool]]) -> list[tuple[float, float, Job]]:
    return [
        (float(s), float(d), Job(home=h, units=u, estimate=float(d), submit=float(s), account=h, movable=m))
        for s, d, u, h, m in sorted(jobs, key=lambda job: job[0])
    ]


@settings(max_examples=50, deadline=None)
@given(JOBS)
def test_the_hub_decides_as_the_twin_does(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    driven = Driven(queue())
    wanted = asked(jobs)
    driven.run(wanted)
    trace = Trace.of(
        job=np.arange(len(wanted)),
        home=np.array([job.home for _, _, job in wanted]),
        submit=np.array([submit for submit, _, _ in wanted]),
        duration=np.array([duration for _, duration, _ in wanted]),
        units=np.array([job.units for _, _, job in wanted]),
        accounts=("a", "b", "c"),
    )
    trace.movable[:] = [job.movable for _, _, job in wanted]
    world = sized(("a", "b", "c"), NODES, node_units=SIZE, move_s=MOVE_S)
    results = simulate(world, trace, Strategy.SUANLIAN)
    ours = [driven.starts[job] for job in range(len(wanted))]
    assert [start for start, _ in ours] == results.start.tolist()
    assert [pool for _, pool in ours] == results.ran_at.tolist()


@settings(max_examples=50, deadline=None)
@given(JOBS, st.sampled_from([Policy(move_s=MOVE_S), Policy(move_s=MOVE_S, reservations=3, headroom=0), EASY]))
def test_nobody_pushes_a_reservation_back_when_estimates_hold(
    jobs: list[tuple[int, int, int, int, bool]], policy: Policy
) -> None:
    driven = Driven(queue(policy))
    driven.run(asked(jobs))
    assert driven.pushed == []
    assert len(driven.starts) == len(jobs)


@settings(max_examples=50, deadline=None)
@given(JOBS)
def test_an_owner_alone_is_never_later_than_first_come_first_served(
    jobs: list[tuple[int, int, int, int, bool]],
) -> None:
    driven = Driven(queue(nodes=[1], size=12))
    wanted = [(s, d, Job(home=0, units=job.units, estimate=d, submit=s)) for s, d, job in asked(jobs)]
    driven.run(wanted)
    trace = Trace.of(
        job=np.arange(len(wanted)),
        home=np.zeros(len(wanted), dtype=np.int64),
        submit=np.array([submit for submit, _, _ in wanted]),
        duration=np.array([duration for _, duration, _ in wanted]),
        units=np.array([job.units for _, _, job in wanted]),
    )
    alone = simulate(sized(("a",), [1], node_units=12), trace, Strategy.ALONE)
    assert all(driven.starts[job][0] <= alone.start[job] for job in range(len(wanted)))


def test_an_account_above_its_share_comes_after_one_below() -> None:
    fair = queue(Policy(short=0.0, age=1.0, fair=1e6, reservations=0, promise=False, headroom=0), nodes=[1])
    first = fair.arrive(Job(home=0, units=4, estimate=100.0, submit=0.0, account=0))
    assert [start.row for start in fair.step(0.0).starts] == [first]
    again = fair.arrive(Job(home=0, units=4, estimate=100.0, submit=1.0, account=0))
    other = fair.arrive(Job(home=0, units=4, estimate=100.0, submit=2.0, account=1))
    fair.end(first, 100.0)
    assert [start.row for start in fair.step(100.0).starts] == [other]
    assert fair.why(again, 100.0) in {Hold.NO_ROOM, Hold.FULL_EVERYWHERE}


def test_priority_age_and_deadline_weigh_what_they_say() -> None:
    policy = Policy(short=0.0, age=1.0, priority=100.0, reservations=0, promise=False, deadline_s=10.0, headroom=0)
    one = queue(policy, nodes=[1])
    runs = one.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    one.step(0.0)
    old = one.arrive(Job(home=0, units=4, estimate=50.0, submit=1.0))
    prior = one.arrive(Job(home=0, units=4, estimate=50.0, submit=20.0, priority=1))
    urgent = one.arrive(Job(home=0, units=4, estimate=50.0, submit=40.0, deadline=105.0))
    order = []
    for row, now in ((runs, 50.0), (urgent, 100.0), (prior, 150.0)):
        one.end(row, now)
        order += [start.row for start in one.step(now).starts]
    assert order == [urgent, prior, old]


def test_a_job_moves_only_where_it_would_wait_longer_at_home_than_moving_costs() -> None:
    pools = queue(Policy(move_s=60.0, headroom=0), nodes=[1, 1])
    pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    pools.step(0.0)
    short = pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    assert pools.step(0.0).starts == ()
    assert pools.why(short, 0.0) is Hold.STAYS
    long = pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    assert [(start.row, start.pool) for start in pools.step(0.0).starts] == [(long, 1)]


def test_a_guest_leaves_the_owner_its_headroom() -> None:
    pools = queue(Policy(move_s=0.0, headroom=4, brief_s=0.0), nodes=[1, 2])
    for pool in (0, 1):
        pools.occupy(Job(home=pool, units=4, estimate=1000.0, submit=0.0, guest=True), pool, 0.0)
    guest = pools.arrive(Job(home=0, units=4, estimate=500.0, submit=0.0, guest=True))
    assert pools.step(0.0).starts == ()
    assert pools.why(guest, 0.0) is Hold.FULL_EVERYWHERE
    own = pools.arrive(Job(home=1, units=4, estimate=500.0, submit=0.0))
    assert [(start.row, start.pool) for start in pools.step(0.0).starts] == [(own, 1)]


@given(st.floats(60.0, 1e6), st.floats(60.0, 1e6), st.integers(1, 8), st.integers(1, 8), st.sampled_from([0, 1]))
@settings(max_examples=50, deadline=None)
def test_the_longer_a_guest_stays_and_the_more_came_at_once_the_more_it_must_leave(
    shorter: float, longer: float, first: int, second: int, may_move: int
) -> None:
    movable = bool(may_move)
    shorter, longer = sorted((shorter, longer))
    calm, busy = (queue(Policy(), nodes=[4, 1]) for _turn in range(2))
    for units in (first, second):
        busy.arrive(Job(home=0, units=units, estimate=50.0, submit=0.0, movable=movable))
    stuck, free = (rise_of(one, longer) for one in (busy, calm))
    assert free == 0.0
    assert 0.0 < rise_of(busy, shorter) <= stuck
    alone = queue(Policy(), nodes=[4, 1])
    alone.arrive(Job(home=0, units=first + second, estimate=50.0, submit=0.0, movable=movable))
    assert stuck == pytest.approx(rise_of(alone, longer)), "what comes together counts together"
    if movable:
        fixed = queue(Policy(), nodes=[4, 1])
        fixed.arrive(Job(home=0, units=first + second, estimate=50.0, submit=0.0, movable=False))
        assert stuck == pytest.approx(Policy().elsewhere * rise_of(fixed, longer))


def rise_of(pools: Queue, length: float) -> float:
    return float(rise(pools.state, 0, length, 0.0))


def test_work_that_would_have_waited_alone_is_no_rise_and_guests_are_none() -> None:
    pools = queue(Policy(), nodes=[1])
    pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0, guest=True))
    assert rise_of(pools, 3600.0) == 0.0
    pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    seen = rise_of(pools, 3600.0)
    pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0))
    assert rise_of(pools, 3600.0) == seen > 0.0


def test_a_long_guest_stays_away_from_an_owner_whose_work_comes_in_bursts() -> None:
    policy = Policy(move_s=0.0, headroom=1, brief_s=60.0, rise=1.0, half_life_s=3600.0)
    for length, there in ((120.0, True), (40_000.0, False)):
        pools = queue(policy, nodes=[1, 3])
        own = [pools.arrive(Job(home=1, units=4, estimate=10.0, submit=0.0, movable=False)) for _turn in range(3)]
        pools.step(0.0)
        for row in own:
            pools.end(row, 10.0)
        pools.occupy(Job(home=0, units=4, estimate=1e6, submit=0.0), 0, 10.0)
        guest = pools.arrive(Job(home=0, units=4, estimate=length, submit=10.0, guest=True))
        assert [start.row for start in pools.step(10.0).starts] == [guest] * there


def test_costs_for_each_pool_say_where_a_job_may_go() -> None:
    pools = queue(Policy(headroom=0), nodes=[1, 1, 1], costs=True)
    cost = np.array([0.0, np.inf, 5.0])
    rows = [pools.arrive(Job(home=0, units=4, estimate=50.0, submit=0.0, cost=cost)) for _ in range(3)]
    assert [(start.row, start.pool) for start in pools.step(0.0).starts] == [(rows[0], 0), (rows[1], 2)]


def test_rows_are_used_again_and_grow() -> None:
    many = queue(nodes=[300])
    rows = [many.arrive(Job(home=0, units=1, estimate=10.0, submit=float(n))) for n in range(700)]
    assert len(set(rows)) == len(rows)
    assert len(many.step(700.0).starts) == len(rows)
    for row in rows:
        many.end(row, 800.0)
    later = [many.arrive(Job(home=0, units=1, estimate=10.0, submit=801.0)) for _ in range(1300)]
    assert len(many.step(801.0).starts) == 1200
    many.leave(later[-1])
    with pytest.raises(QueueingError, match="waits"):
        many.leave(later[-1])


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (Job(home=9, units=1, estimate=1.0, submit=0.0), "job_home"),
        (Job(home=0, units=1, estimate=1.0, submit=0.0, account=9), "job_home"),
        (Job(home=0, units=0, estimate=1.0, submit=0.0), "job_number"),
        (Job(home=0, units=1, estimate=0.0, submit=0.0), "job_number"),
        (Job(home=0, units=1, estimate=1.0, submit=float("nan")), "job_number"),
        (Job(home=0, units=1, estimate=1.0, submit=0.0, cost=np.zeros(3)), "job_cost"),
    ],
)
def test_what_cannot_be_meant_is_refused(job: Job, code: str) -> None:
    with pytest.raises(QueueingError) as caught:
        queue().arrive(job)
    assert caught.value.code == code


def test_a_policy_that_cannot_be_meant_is_refused() -> None:
    for policy in (Policy(short=-1.0), Policy(age=float("nan")), Policy(half_life_s=0.0), Policy(reservations=1000)):
        with pytest.raises(QueueingError):
            queue(policy)
    with pytest.raises(QueueingError):
        queue(nodes=[])


def test_a_job_larger_than_its_home_that_may_not_move_waits_for_ever() -> None:
    small = queue(nodes=[1])
    row = small.arrive(Job(home=0, units=9, estimate=1.0, submit=0.0, movable=False))
    assert small.step(0.0).starts == ()
    assert small.why(row, 0.0) is Hold.TOO_LARGE
    assert small.due(row) is None


def test_an_account_that_asks_for_twice_what_it_needs_is_not_taken_at_its_word_for_ever() -> None:
    pool = queue(Policy(learn=0.1, headroom=0), nodes=[1])
    now = 0.0
    for _ in range(60):
        row = pool.arrive(Job(home=0, units=4, estimate=200.0, submit=now))
        pool.step(now)
        pool.end(row, now + 100.0)
        now += 100.0
    row = pool.arrive(Job(home=0, units=4, estimate=200.0, submit=now))
    other = pool.arrive(Job(home=0, units=4, estimate=200.0, submit=now, account=1))
    assert pool.state.estimate[row] == pytest.approx(100.0, rel=0.01)
    assert pool.state.estimate[other] == 200.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.booleans()), max_size=40), st.integers(2, 20))
def test_what_ends_when_is_what_runs(steps: list[tuple[int, int, bool]], most: int) -> None:
    """Entries say what runs after any time; where there are too many, never less than that."""
    state = queue(nodes=[1], size=most).state
    running = list[tuple[float, int]]()
    exact = True
    for end, units, begins in steps:
        if begins or not running:
            enter(state, 0, float(end), units)
            running.append((float(end), units))
            exact = exact and len({at for at, _ in running}) <= most
        else:
            gone = running.pop(end % len(running))
            withdrawn(state, 0, *gone)
        for time in range(-1, 8):
            until = next_end(state, 0, float(time))
            after = [at for at, _ in running if at > time]
            left = sum(amount for at, amount in running if at > time)
            found = used_at(state, 0, most, float(time), -1)
            if exact:
                assert (found, until) == (left, min(after, default=NEVER))
            else:
                assert found >= 0
    for gone in running:
        withdrawn(state, 0, *gone)
    assert state.entries[0] == 0
