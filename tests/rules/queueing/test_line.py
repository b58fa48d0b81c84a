"""A line kept in step by looks decides as the queue does by events, and undoes what did not come true."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suanlian.rules.queueing.line import Carried, Line, Room, Runs, Seen, Stands, Waits
from suanlian.rules.queueing.policy import Policy
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace
from suanlian.twin.world import sized

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet

SIZES = (8, 5, 12)
MOVE_S = 20.0
POLICY = Policy(age=1.0, headroom=0, move_s=MOVE_S)
JOB = st.tuples(st.integers(0, 60), st.integers(1, 90), st.integers(1, 5), st.sampled_from([0, 1, 2]), st.booleans())
JOBS = st.lists(JOB, min_size=1, max_size=30)
"""Submission, duration, units, home, whether it may run elsewhere."""


def cost(home: int, *, movable: bool) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.full(len(SIZES), MOVE_S if movable else np.inf)
    found[home] = 0.0
    return found


@dataclass
class Site:
    """A hub and its platforms without a database: what waits, what runs, what is free, who started when and where."""

    jobs: Sequence[tuple[int, int, int, int, bool]]
    line: Line = field(init=False)
    waiting: dict[str, int] = field(default_factory=dict)
    running: dict[str, tuple[str, int, float]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    starts: dict[int, tuple[float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.line = Line(self.rooms(), POLICY, Carried(), 0.0)

    def rooms(self) -> list[Room]:
        used = [0] * len(SIZES)
        for name, pool, _ in self.running.values():
            used[pool] += self.jobs[int(name)][2]
        return [Room(n, size, size - taken) for n, (size, taken) in enumerate(zip(SIZES, used, strict=True))]

    def stands(self, name: str) -> Stands:
        _, duration, units, home, movable = self.jobs[int(name)]
        return Stands(str(home), units, float(duration), cost(home, movable=movable), home)

    def runs(self, attempt: str) -> Runs:
        name, pool, began = self.running[attempt]
        _, duration, units, home, _ = self.jobs[int(name)]
        return Runs(name, str(home), ((pool, units),), began, float(duration), own=pool == home)

    def ended(self, gone: Sequence[str]) -> Mapping[str, float]:
        return {attempt: self.ends[attempt] for attempt in gone}

    def look(self, now: float) -> None:
        waiting = [Waits(name, 1, float(at)) for name, at in self.waiting.items()]
        self.line.see(now, Seen(self.rooms(), waiting, list(self.running), self.stands, self.runs, self.ended))

    def start(self, name: str, pool: int, now: float) -> None:
        del self.waiting[name]
        self.running[f"a{name}"] = (name, pool, now)
        self.starts[int(name)] = (now, pool)
        assert min(room.free for room in self.rooms()) >= 0

    def end(self, attempt: str, now: float) -> None:
        self.ends[attempt] = now
        del self.running[attempt]


def driven(jobs: Sequence[tuple[int, int, int, int, bool]]) -> Site:
    """All jobs by looks: one at each arrival, end and reservation that begins."""
    site, ends, at, wake = Site(jobs), list[tuple[float, str]](), 0, float("inf")
    while at < len(jobs) or ends:
        now = min(jobs[at][0] if at < len(jobs) else float("inf"), ends[0][0] if ends else float("inf"), wake)
        while ends and ends[0][0] <= now:
            site.end(heapq.heappop(ends)[1], now)
        while at < len(jobs) and jobs[at][0] <= now:
            site.waiting[str(at)] = jobs[at][0]
            at += 1
        site.look(now)
        for start in site.line.step(now):
            site.start(start.job, start.pool, now)
            heapq.heappush(ends, (now + jobs[int(start.job)][1], f"a{start.job}"))
        found = site.line.next_wake(now)
        wake = float("inf") if found is None else found
    return site


def in_order(jobs: list[tuple[int, int, int, int, bool]]) -> list[tuple[int, int, int, int, bool]]:
    return sorted(jobs, key=lambda job: job[0])


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_looks_decide_as_the_twin_does(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    wanted = in_order(jobs)
    site = driven(wanted)
    trace = Trace.of(
        job=np.arange(len(wanted)),
        home=np.array([job[3] for job in wanted]),
        submit=np.array([float(job[0]) for job in wanted]),
        duration=np.array([float(job[1]) for job in wanted]),
        units=np.array([job[2] for job in wanted]),
        account=np.array([job[3] for job in wanted]),
        accounts=("0", "1", "2"),
    )
    trace.movable[:] = [job[4] for job in wanted]
    world = sized(("0", "1", "2"), [1, 1, 1], move_s=MOVE_S)
    world.node_units[:] = SIZES
    results = simulate(world, trace, Strategy.SUANLIAN, policy=POLICY)
    assert [site.starts[job][0] for job in range(len(wanted))] == results.start.tolist()
    assert [site.starts[job][1] for job in range(len(wanted))] == results.ran_at.tolist()


@settings(max_examples=60, deadline=None)
@given(JOBS, st.lists(st.booleans(), min_size=60, max_size=60))
def test_what_does_not_come_true_is_decided_again(
    jobs: list[tuple[int, int, int, int, bool]], kept: list[bool]
) -> None:
    """Some decisions fall through; in the end everything has run once, and never more than there is room for."""
    site, now = Site(in_order(jobs)), 0.0
    site.waiting = {str(n): job[0] for n, job in enumerate(site.jobs)}
    fates = iter(kept)
    while site.waiting or site.running:
        site.look(now)
        for start in site.line.step(now, all_pools=True):
            if next(fates, True):
                site.start(start.job, start.pool, now)
        for attempt, (name, _, began) in list(site.running.items()):
            if now - began >= site.jobs[int(name)][1]:
                site.end(attempt, now)
        now += 1.0
        assert now < 10_000
    assert sorted(site.starts) == list(range(len(jobs)))


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_a_look_at_what_has_not_changed_decides_nothing(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    site = Site(in_order(jobs))
    site.waiting = {str(n): job[0] for n, job in enumerate(site.jobs)}
    site.look(60.0)
    for start in site.line.step(60.0):
        site.start(start.job, start.pool, 60.0)
    held = {name: site.line.reserved(name) for name in site.waiting}
    site.look(60.0)
    assert site.line.step(60.0, all_pools=True) == ()
    assert {name: site.line.reserved(name) for name in site.waiting} == held


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_where_it_cannot_start_it_is_left_out_for_a_while(jobs: list[tuple[int, int, int, int, bool]]) -> None:
    """Nothing can really start at pool 0: nobody is led there twice at once, and who may goes elsewhere."""
    site = Site(in_order(jobs))
    site.waiting = {str(n): job[0] for n, job in enumerate(site.jobs)}
    site.look(60.0)
    refused = set[str]()
    for _ in range(len(jobs) + 1):
        starts = site.line.step(60.0)
        for start in starts:
            if start.pool == 0:
                assert start.job not in refused
                refused.add(start.job)
                site.line.refuse([start], 60.0)
            else:
                site.start(start.job, start.pool, 60.0)
        if not starts:
            break
    site.look(60.0)
    assert not [start for start in site.line.step(60.0, all_pools=True) if start.pool == 0]


def test_turns_decide_who_is_first_and_usage_counts_once() -> None:
    line = Line([Room(0, 1, 0)], POLICY, Carried(used={"b": 100.0}), 0.0)
    stands = {name: Stands(name, 1, 10.0, np.zeros(1)) for name in "ab"}
    running = {"x": Runs("c", "a", ((0, 1),), 0.0, 100.0)}
    seen = Seen(
        [Room(0, 1, 0)],
        [Waits("b", 1, 0.0), Waits("a", 1, 0.0)],
        ["x"],
        stands.get,
        running.__getitem__,
        lambda _gone: {},
    )
    line.see(0.0, seen)
    assert line.step(0.0) == ()
    assert line.of_fair_share("a", 0.0) == line.of_fair_share("b", 0.0) == 1
    later = Line([Room(0, 1, 0)], POLICY, line.carried(0.0), 0.0)
    later.see(0.0, seen)
    assert later.of_fair_share("a", 0.0) == 1
    free = replace(seen, rooms=[Room(0, 1, 1)], running=[], ended=lambda gone: dict.fromkeys(gone, 50.0))
    later.see(50.0, free)
    assert [start.job for start in later.step(50.0)] == ["b"]
    assert later.of_fair_share("a", 50.0) < 1


def test_where_something_else_is_lacking_a_job_does_not_start_until_it_is_there() -> None:
    rooms = [Room(0, 2, 2), Room(1, 2, 2)]
    line = Line(rooms, POLICY, Carried(), 0.0)
    barred: tuple[int, ...] = (0,)
    waits = [Waits("a", 2, 0.0)]
    seen = Seen(
        rooms,
        waits,
        [],
        lambda _job: Stands("a", 2, 10.0, np.zeros(2)),
        lambda _attempt: Runs("a", "a", (), 0.0, 1.0),
        lambda _gone: {},
        lambda _job: barred,
    )
    line.see(0.0, seen)
    assert [start.pool for start in line.step(0.0, all_pools=True)] == [1]
    barred = ()
    line.see(1.0, seen)
    assert sorted(start.pool for start in line.step(1.0, all_pools=True)) == [0, 1]


def test_a_line_that_goes_on_for_long_needs_no_more_rows() -> None:
    """Owners' jobs that end before they were promised to start leave shadows: their rows are used again."""
    line, now = Line([Room(0, 2, 2)], POLICY, Carried(), 0.0), 0.0
    stands = Stands("a", 1, 100.0, np.zeros(1), 0)
    for number in range(1500):
        name = str(number)
        line.see(now, Seen([Room(0, 2, 2)], [Waits(name, 1, now)], [], {name: stands}.get, _none, _nowhere))
        (start,) = line.step(now)
        running = {name: Runs(name, "a", ((0, 1),), now, 100.0, own=True)}
        line.see(now, Seen([Room(0, 2, 1)], [], [name], _nowhere_at_all, running.__getitem__, _nowhere))
        now += 40.0
        line.see(now, Seen([Room(0, 2, 2)], [], [], _nowhere_at_all, _none, _nowhere))
        assert start.job == name
    assert len(line._queue.state.status) <= 512  # noqa: SLF001 - what it keeps


def _none(name: str) -> Runs:
    raise KeyError(name)


def _nowhere(_gone: Sequence[str]) -> dict[str, float]:
    return {}


def _nowhere_at_all(_name: str) -> None:
    return None


def test_a_large_share_needs_little() -> None:
    """A share of a million cores, counted in thousandths, and more of an owner's jobs than are followed."""
    size = 1_000_000_000
    line = Line([Room(0, size, size)], POLICY, Carried(), 0.0)
    stands = Stands("a", 1000, 100.0, np.zeros(1), 0)
    waiting = [Waits(str(n), 256, 0.0) for n in range(20)]
    line.see(0.0, Seen([Room(0, size, size)], waiting, [], lambda _name: stands, _none, _nowhere))
    assert len(line.step(0.0)) == 20 * 256
    assert sum(array.nbytes for array in line._queue.state) < 20_000_000  # noqa: SLF001 - what it keeps


@dataclass
class Guests:
    """Guests alone, who want so many ``units`` for 10 s each, over rooms of these ``sizes``."""

    sizes: Sequence[int]
    units: Mapping[str, int]
    line: Line = field(init=False)
    running: dict[str, Runs] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = Line([Room(n, size, size) for n, size in enumerate(self.sizes)], POLICY, Carried(), 0.0)

    def free(self) -> list[int]:
        taken = [0] * len(self.sizes)
        for run in self.running.values():
            taken[run.takes[0][0]] += run.takes[0][1]
        return [size - used for size, used in zip(self.sizes, taken, strict=True)]

    def look(self, now: float, waiting: dict[str, Waits]) -> None:
        """End what is over and start what is to start; who started waits no more."""
        for name in [name for name, run in self.running.items() if run.began + 10.0 <= now]:
            self.ends[name] = now
            del self.running[name]
        rooms = [Room(n, size, left) for n, (size, left) in enumerate(zip(self.sizes, self.free(), strict=True))]
        here = [one for one in waiting.values() if one.since <= now]
        stands = {name: Stands("a", units, 10.0, np.zeros(len(self.sizes))) for name, units in self.units.items()}
        running, ends = self.running, self.ends
        self.line.see(now, Seen(rooms, here, list(running), stands.get, running.__getitem__, lambda _gone: ends))
        for start in self.line.step(now):
            self.order.append(start.job)
            self.running[f"{len(self.order)}"] = Runs(start.job, "a", ((start.pool, self.units[start.job]),), now, 10.0)
            left = waiting[start.job]
            waiting[start.job] = replace(left, count=left.count - 1)
            if left.count == 1:
                del waiting[start.job]


GUESTS = st.lists(st.tuples(st.integers(0, 25), st.integers(1, 3)), min_size=1, max_size=25)
"""When a job came, and so many tasks, or units."""


@settings(max_examples=100, deadline=None)
@given(GUESTS, st.lists(st.integers(1, 6), min_size=1, max_size=3))
@example([(5, 2), (8, 1), (8, 2), (8, 2)], [2, 2, 6])
@example([(0, 1), (1, 3), (5, 3), (8, 2), (8, 3)], [1, 2, 1])
def test_guests_who_want_the_same_start_as_they_came(jobs: list[tuple[int, int]], sizes: list[int]) -> None:
    """Where a guest happens to queue gets it nowhere sooner: an array is not passed by what came later."""
    waiting = {str(n): Waits(str(n), count, float(at)) for n, (at, count) in enumerate(sorted(jobs))}
    guests, now = Guests(sizes, dict.fromkeys(waiting, 1)), 0.0
    while waiting or guests.running:
        guests.look(now, waiting)
        now += 1.0
    assert guests.order == sorted(guests.order, key=int)


@settings(max_examples=100, deadline=None)
@given(GUESTS, st.lists(st.integers(3, 6), min_size=1, max_size=3))
@example([(0, 3), (5, 1), (5, 3)], [3, 3, 6])
def test_guests_go_on_as_long_as_there_is_room(jobs: list[tuple[int, int]], sizes: list[int]) -> None:
    """What is held for guests is kept from those behind them alone: the first in line starts where it fits."""
    waiting = {str(n): Waits(str(n), 1, float(at)) for n, (at, _) in enumerate(sorted(jobs))}
    guests, now = Guests(sizes, {str(n): units for n, (_, units) in enumerate(sorted(jobs))}), 0.0
    while waiting or guests.running:
        guests.look(now, waiting)
        first = next((name for name, one in waiting.items() if one.since <= now), None)
        assert first is None or guests.units[first] > max(guests.free())
        now += 1.0


def seen_of(rooms: Sequence[Room], stands: Mapping[str, Stands], *waiting: Waits) -> Seen:
    return Seen(rooms, waiting, [], stands.get, _none, _nowhere)


def test_an_owner_comes_first_on_what_is_its_own() -> None:
    """A guest that stands there longer, for whom that room is held, does not keep the owner's own job waiting."""
    room = Room(0, 4, 0)
    line = Line([room], POLICY, Carried(), 0.0)
    running = {"x": Runs("x", "a", ((0, 4),), 0.0, 10.0)}
    stands = {"guest": Stands("a", 4, 100.0, np.zeros(1)), "own": Stands("b", 4, 100.0, np.zeros(1), 0)}
    waiting = [Waits("guest", 1, 0.0)]
    seen = Seen([room], waiting, ["x"], stands.get, running.__getitem__, lambda gone: dict.fromkeys(gone, 10.0))
    line.see(0.0, seen)
    assert line.step(0.0) == ()
    assert line.reserved("guest") == (0, 10.0)
    both = [*waiting, Waits("own", 1, 5.0)]
    line.see(5.0, replace(seen, waiting=both))
    assert line.step(5.0) == ()
    assert line.reserved("own") == (0, 10.0)
    assert line.reserved("guest") == (0, 110.0)
    line.see(10.0, replace(seen, waiting=both, running=[], rooms=[Room(0, 4, 4)]))
    assert [start.job for start in line.step(10.0)] == ["own"]


def test_places_that_changed_are_looked_at_again() -> None:
    rooms = [Room(0, 2, 2)]
    line, stands, waits = (
        Line(rooms, POLICY, Carried(), 0.0),
        {"a": Stands("a", 2, 10.0, np.zeros(1))},
        Waits("a", 1, 0.0),
    )
    line.see(0.0, seen_of(rooms, stands, waits))
    line.refuse(line.step(0.0), 0.0, anywhere=True)
    line.see(60.0, seen_of(rooms, stands, waits))
    assert line.step(60.0, all_pools=True) == ()
    line.look_again()
    line.see(61.0, seen_of(rooms, stands, waits))
    assert [start.job for start in line.step(61.0)] == ["a"]


@pytest.mark.parametrize("whole", [1, 1000])
def test_headroom_is_counted_in_cores_and_holds_for_every_guest(whole: int) -> None:
    """At the pool where a guest queues as well; one for whom there will never be enough keeps nobody waiting."""
    rooms = [Room(0, 16 * whole, 12 * whole, 1.0, whole)]
    line = Line(rooms, replace(POLICY, headroom=4, brief_s=60.0), Carried(), 0.0)
    cost = np.zeros(1)
    stands = {
        "large": Stands("a", 13 * whole, 500.0, cost),
        "fits": Stands("a", 8 * whole, 500.0, cost),
        "long": Stands("a", whole, 500.0, cost),
        "brief": Stands("a", 2 * whole, 60.0, cost),
        "own": Stands("b", 2 * whole, 500.0, cost, 0),
    }
    first = [Waits(name, 1, float(n)) for n, name in enumerate(["large", "fits", "long"])]
    line.see(500.0, seen_of(rooms, stands, *first))
    assert [start.job for start in line.step(500.0)] == ["fits"]
    assert line.reserved("large") is None
    runs = {"x": Runs("fits", "a", ((0, 8 * whole),), 500.0, 500.0)}
    left = [first[0], first[2], Waits("brief", 1, 500.0), Waits("own", 1, 500.0)]
    rooms = [replace(rooms[0], free=4 * whole)]
    line.see(500.0, replace(seen_of(rooms, stands, *left), running=["x"], runs=runs.__getitem__))
    assert {start.job for start in line.step(500.0)} == {"brief", "own"}


def test_what_runs_where_nothing_of_its_kind_is_left_counts_nowhere() -> None:
    rooms = [Room(0, 4, 4), Room(1, 0, 0)]
    line = Line(rooms, POLICY, Carried(), 0.0)
    running = {"x": Runs("a", "a", ((1, 2), (0, 1)), 0.0, 10.0), "y": Runs("b", "a", ((1, 2),), 0.0, 10.0)}
    seen = Seen(rooms, [], list(running), _nowhere_at_all, running.__getitem__, _nowhere)
    line.see(0.0, seen)
    line.see(1.0, replace(seen, running=[]))
    assert line.step(1.0) == ()


def test_usage_is_never_below_nothing_and_estimates_are_not_forgotten() -> None:
    """A card job that ends early gives back what it was charged, of cards and cores; what it teaches has a bound."""
    rooms = [Room(0, 64, 64, 1.0), Room(1, 8, 8, 32.0)]
    line = Line(rooms, POLICY, Carried(), 0.0)
    running = {str(n): Runs("j", "a", ((1, 1), (0, 8)), 0.0, 86_400.0) for n in range(8)}
    seen = Seen(rooms, [], list(running), _nowhere_at_all, running.__getitem__, _nowhere)
    line.see(0.0, seen)
    for _ in range(200):
        line.see(600.0, replace(seen, running=[], ended=lambda gone: dict.fromkeys(gone, 600.0)))
        line.see(600.0, seen)
    line.see(1200.0, replace(seen, running=[]))
    state = line._queue.state  # noqa: SLF001 - what it keeps
    assert state.usage.min() >= 0.0
    assert abs(state.learned).max() <= 2.0
    assert state.away[0] == 0
    assert state.free.tolist() == [64, 8]
