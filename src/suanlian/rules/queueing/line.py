"""The queue kept in step with what is seen: jobs that wait, by number of tasks, and attempts that run, by name.

Who looks tells all that waits and runs; the line finds what is new and what is gone, and has the queue decide. Nothing
here reads a clock or a database. What was decided and did not come true is undone at the next look.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np

from suanlian.rules.queueing.policy import Policy
from suanlian.rules.queueing.queue import Job, Queue
from suanlian.rules.queueing.state import NEVER, Floats

MOST_ROWS: Final = 20_000
"""So many tasks stand in line at most, shared out among the jobs; the others follow as these start."""
MOST_OF_A_JOB: Final = 256
_NEVER_ROOM: Final = 1e30
_STEP: Final = Decimal("0.001")
SHUNNED_S: Final = 10.0
"""A pool where a job was to start and could not is left out for so long."""
MOST_SHUNNED_S: Final = 600.0
"""So long is everything left out for a job that could start nowhere."""


@dataclass(frozen=True, slots=True)
class Room:
    """A pool as it is seen: one kind of resource of a share.

    ``worth``: what a unit weighs in fair share; ``whole``: so many units are a core, or a card.
    """

    key: Hashable
    size: int
    free: int
    worth: float = 1.0
    whole: int = 1


@dataclass(frozen=True, slots=True)
class Stands:
    """What is new of a job that waits. ``cost`` (P,): what each pool costs it (s), inf where it may not run.

    ``home``: the pool where it queues; None: a guest, who queues where least waits for its size.
    """

    account: str
    units: int
    estimate: float
    cost: Floats
    home: int | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """A job that waits now: so many tasks, and when its turn began (s)."""

    job: str
    count: int
    since: float


@dataclass(frozen=True, slots=True)
class Runs:
    """What runs: the units that it takes of each pool, the one that it was decided for first; ``own``: the owner's."""

    job: str
    account: str
    takes: tuple[tuple[int, int], ...]
    began: float
    estimate: float
    own: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. ``waiting``: in the order of turns. ``running``: names of attempts.

    Asked of what is new or gone alone: ``stands`` of a job, None where it could run nowhere; ``runs`` of an attempt;
    ``ended`` of attempts that run no more, when they ended (s). ``barred``: pools where a job cannot start now for want
    of something that the line does not count; the very same value as long as nothing changed.
    """

    rooms: Sequence[Room]
    waiting: Sequence[Waits]
    running: Sequence[str]
    stands: Callable[[str], Stands | None]
    runs: Callable[[str], Runs]
    ended: Callable[[Sequence[str]], Mapping[str, float]]
    barred: Callable[[str], tuple[int, ...]] = lambda _job: ()


@dataclass(frozen=True, slots=True)
class Starts:
    """One task of a job is to start now at a pool."""

    job: str
    pool: int
    row: int


@dataclass(frozen=True, slots=True)
class Carried:
    """What is remembered beyond the rooms of a line.

    ``used``: by account, unit-seconds by what a unit weighs, decayed; ``charged``: running attempts that are in it
    whole, by their estimates. ``promised``: what waiting tasks were promised (s), by job.
    """

    used: Mapping[str, float] = field(default_factory=dict)
    promised: Mapping[str, Sequence[float]] = field(default_factory=dict)
    charged: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Job:
    """Rows of a job: those that wait, and those that were to start of which no attempt is seen yet."""

    name: str
    stands: Stands
    home: int
    since: float
    waiting: list[int] = field(default_factory=list)
    decided: list[int] = field(default_factory=list)
    shunned: dict[int, float] = field(default_factory=dict)
    """Pools that are left out, and until when (s)."""
    seen: Waits | None = None
    """As it was told last."""
    barred: tuple[int, ...] = ()


class Line:
    """See the module. ``rooms`` stay as they are but for what is free; for others begin a new line. One thread."""

    def __init__(self, rooms: Sequence[Room], policy: Policy, carried: Carried, now: float) -> None:
        """Nothing waits and nothing runs; ``carried`` is from a line before it, or read anew."""
        sizes = np.array([room.size for room in rooms], dtype=np.int64)
        self._queue = Queue(
            np.where(sizes > 0, 1, 0),
            np.maximum(sizes, 1),
            policy,
            costs=True,
            worth=np.array([room.worth for room in rooms], dtype=np.float64),
            whole=np.array([room.whole for room in rooms], dtype=np.float64),
        )
        self._accounts: dict[str, int] = {}
        self._jobs: dict[str, _Job] = {}
        self._whose: dict[int, str] = {}
        self._owing: dict[str, None] = {}
        self._asked_anew: dict[str, None] = {}
        self._running: dict[str, list[int]] = {}
        self._nowhere: set[str] = set()
        self._promised = {name: list(at) for name, at in carried.promised.items()}
        self._kept: dict[str, list[float]] = {}
        self._charged = carried.charged
        for account, amount in carried.used.items():
            self._queue.charge(self._number(account), now, amount)
        self._backlog = np.zeros(len(rooms))
        self._sizes = np.maximum(sizes, 1)
        self._exists = sizes > 0
        self._worth = np.array([room.worth for room in rooms], dtype=np.float64)

    def carried(self, now: float) -> "Carried":
        """What a line over other rooms goes on with; what was decided and has not come true waits again."""
        self._undo_what_did_not_start(now)
        s = self._queue.state
        return Carried(
            used={account: self._queue.used(number, now) for account, number in self._accounts.items()},
            promised={name: [float(s.promise[row]) for row in job.waiting] for name, job in self._jobs.items()},
            charged=frozenset(attempt for attempt, rows in self._running.items() if rows),
        )

    def see(self, now: float, seen: Seen) -> None:
        """Bring the line in step with a look."""
        self._see_running(now, seen)
        self._undo_what_did_not_start(now)
        self._begin_anew(seen.stands)
        self._see_waiting(now, seen)
        for pool, room in enumerate(seen.rooms):
            if room.size > 0:
                self._queue.room(pool, room.free)

    def again(self, jobs: Iterable[str]) -> None:
        """Ask anew where these jobs may run and what it costs them, at the next look; promises stay."""
        self._asked_anew.update(dict.fromkeys(jobs))

    def look_again(self) -> None:
        """Places are other than they were: nothing is left out any more because a job could not start there."""
        for job in self._jobs.values():
            if job.shunned:
                job.shunned.clear()
                self._cost(job)

    def knows(self, attempt: str) -> bool:
        """Whether an attempt that runs was seen before."""
        return attempt in self._running

    def step(self, now: float, *, all_pools: bool = False) -> tuple[Starts, ...]:
        """Who starts now, in their order."""
        found = []
        for start in self._queue.step(now, all_pools=all_pools).starts:
            name = self._whose[start.row]
            job = self._jobs[name]
            job.waiting.remove(start.row)
            job.decided.append(start.row)
            self._owing[name] = None
            self._owe(job, -1)
            found.append(Starts(name, start.pool, start.row))
        return tuple(found)

    def takes(self, start: Starts, pool: int, now: float) -> bool:
        """Whether one that is to start would push back nobody at another pool either."""
        return self._queue.takes(start.row, pool, now)

    def relocate(self, start: Starts, pool: int, now: float) -> None:
        """One that is to start starts at this pool instead."""
        self._queue.relocate(start.row, pool, now)

    def refuse(self, starts: Sequence[Starts], now: float, *, anywhere: bool = False) -> None:
        """Tasks of one job that were to start cannot, where they were: they wait again, and look elsewhere for a while.

        ``anywhere``: no other place would take them as things are, so they look for long at nothing: they must not keep
        those behind them from being looked at.
        """
        job = self._jobs[starts[0].job]
        found = {int(self._queue.state.pool[start.row]) for start in starts}
        pools = range(len(self._sizes)) if anywhere else found
        for start in starts:
            job.decided.remove(start.row)
            self._queue.undo(start.row, now)
            job.waiting.append(start.row)
            self._owe(job, 1)
        for pool in pools:
            job.shunned[pool] = now + (MOST_SHUNNED_S if anywhere else SHUNNED_S)
        self._cost(job)

    def reserved(self, job: str) -> tuple[int, float] | None:
        """The pool and time (s) that the first of a job's waiting tasks has for sure, if the estimates hold."""
        known = self._jobs.get(job)
        at = [float(self._queue.state.reserved[row]) for row in known.waiting] if known is not None else []
        return None if known is None or not at or min(at) >= NEVER else (known.home, min(at))

    def of_fair_share(self, account: str, now: float) -> Decimal:
        """What an account used of its fair share of late; 1 is all of it."""
        number = self._number(account)
        count = len(self._accounts)
        return max(Decimal(0), Decimal(round(1 + self._queue.above(number, now) * count, 3)).quantize(_STEP))

    def next_wake(self, now: float) -> float | None:
        """When a step is due though nothing happens."""
        return self._queue.next_wake(now)

    def _number(self, account: str) -> int:
        number = self._accounts.setdefault(account, len(self._accounts))
        self._queue.accounts(number + 1)
        return number

    def _owe(self, job: _Job, tasks: int) -> None:
        self._backlog[job.home] += tasks * job.stands.units * job.stands.estimate

    def _see_running(self, now: float, seen: Seen) -> None:
        there = set(seen.running)
        gone = [attempt for attempt in self._running if attempt not in there]
        times = seen.ended(gone) if gone else {}
        for attempt in gone:
            for row in self._running.pop(attempt):
                self._queue.end(row, min(times.get(attempt, now), now))
        for attempt in seen.running:
            if attempt not in self._running:
                self._running[attempt] = self._rows_of(now, attempt, seen.runs(attempt))

    def _rows_of(self, now: float, attempt: str, one: Runs) -> list[int]:
        """Its rows: the one that was to start, if it was this line that decided it, and what it takes elsewhere."""
        takes = [taken for taken in one.takes if self._exists[taken[0]]]
        if not takes:  # its share is published no more, or has nothing of the kind any more
            return []
        job = self._jobs.get(one.job)
        at = self._queue.state.pool
        pool = takes[0][0]
        decided = None if job is None else next((row for row in job.decided if at[row] == pool), None)
        if job is None or decided is None:
            return self._occupied(now, attempt, one, takes)
        job.decided.remove(decided)
        return [decided, *self._occupied(now, attempt, one, takes[1:])]

    def _occupied(self, now: float, attempt: str, one: Runs, takes: Sequence[tuple[int, int]]) -> list[int]:
        """Rows of what it takes, charged for its whole estimate as all that starts is, if it was not before."""
        rows, account = list[int](), self._number(one.account)
        for pool, wanted in takes:
            units = max(1, min(wanted, int(self._sizes[pool])))
            runs = Job(
                home=pool,
                units=units,
                estimate=one.estimate,
                submit=one.began,
                account=account,
                guest=not one.own,
                cost=np.zeros(len(self._sizes)),
            )
            rows.append(self._queue.occupy(runs, pool, one.began, known=True))
            if attempt not in self._charged:
                self._queue.charge(account, now, float(self._worth[pool] * units * one.estimate))
        return rows

    def _undo_what_did_not_start(self, now: float) -> None:
        for job in (self._jobs[name] for name in self._owing if name in self._jobs):
            for row in job.decided:
                self._queue.undo(row, now)
                job.waiting.append(row)
                self._owe(job, 1)
            job.decided.clear()
        self._owing.clear()

    def _begin_anew(self, stands: Callable[[str], Stands | None]) -> None:
        """Jobs of which it is to be asked anew where they may run."""
        for name in self._asked_anew:
            self._nowhere.discard(name)
            job = self._jobs.get(name)
            if job is None:
                continue
            now = stands(name)
            if now is not None and now.home == job.stands.home and np.isfinite(now.cost[job.home]):
                job.stands = now  # it queues where it did
                self._cost(job)
                continue
            del self._jobs[name]
            promised = self._queue.state.promise
            self._kept[name] = [float(promised[row]) for row in job.waiting]
            self._fit(job, 0)
        self._asked_anew.clear()

    def _see_waiting(self, now: float, seen: Seen) -> None:
        there = {one.job for one in seen.waiting}
        for name in [name for name in self._jobs if name not in there]:
            self._fit(self._jobs.pop(name), 0)
        self._nowhere &= there
        most = max(1, min(MOST_OF_A_JOB, MOST_ROWS // max(1, len(seen.waiting))))
        rows = list[int]()
        for one in seen.waiting:
            job = self._jobs.get(one.job) or self._begun(one, seen.stands)
            if job is None:
                continue
            barred = seen.barred(one.job)
            if barred is not job.barred:
                job.barred = barred
                self._cost(job)
            if job.seen is not one or job.shunned or len(job.waiting) != min(one.count, most):
                job.seen = one
                self._look_again(job, now)
                self._since(job, one.since)
                self._fit(job, min(one.count, most))
            rows += job.waiting
        self._kept.clear()
        self._queue.sort(rows, now)

    def _begun(self, one: Waits, stands: Callable[[str], Stands | None]) -> _Job | None:
        found = None if one.job in self._nowhere else stands(one.job)
        if found is None:
            self._nowhere.add(one.job)
            return None
        home = self._nearest(found) if found.home is None else found.home
        made = self._jobs[one.job] = _Job(one.job, found, home, one.since)
        return made

    def _nearest(self, found: Stands) -> int:
        """Where least waits for its size, then where it costs least, then the first."""
        # what others take for good is no room for it
        s = self._queue.state
        nodes = np.minimum(s.first[:-1], max(len(s.away) - 1, 0))
        left = self._sizes - (s.away[nodes] if len(s.away) else 0)
        fits = np.where(left >= found.units, self._backlog / self._sizes, _NEVER_ROOM)
        waits = np.where(np.isfinite(found.cost), fits, np.inf)
        return int(np.lexsort((found.cost, waits))[0])

    def _look_again(self, job: _Job, now: float) -> None:
        # a clock that went back must not leave it out for days
        over = [pool for pool, until in job.shunned.items() if not now < until <= now + MOST_SHUNNED_S]
        for pool in over:
            del job.shunned[pool]
        if over:
            self._cost(job)

    def _cost(self, job: _Job) -> None:
        cost = _without(job)
        for row in job.waiting:
            self._queue.cost(row, cost)

    def _since(self, job: _Job, since: float) -> None:
        if since != job.since:
            job.since = since
            for row in job.waiting:
                self._queue.submitted(row, since)

    def _fit(self, job: _Job, count: int) -> None:
        """So many of its tasks stand in line."""
        while len(job.waiting) > count:
            self._queue.leave(job.waiting.pop())
            self._owe(job, -1)
        while len(job.waiting) < count:
            job.waiting.append(self._arrived(job))
            self._owe(job, 1)

    def _arrived(self, job: _Job) -> int:
        stands, kept = job.stands, self._kept.get(job.name)
        one = Job(
            home=job.home,
            units=stands.units,
            estimate=stands.estimate,
            submit=job.since,
            account=self._number(stands.account),
            guest=stands.home is None,
            promise=kept.pop(0) if kept else None,
            cost=_without(job),
        )
        row, promised = self._queue.arrive(one), self._promised.get(job.name)
        self._whose[row] = job.name
        if promised:
            self._queue.promise(row, promised.pop(0))
        return row


def _without(job: _Job) -> Floats:
    """What pools cost a job, without those that are left out."""
    if not job.shunned and not job.barred:
        return job.stands.cost
    cost = job.stands.cost.copy()
    cost[[*job.shunned, *job.barred]] = np.inf
    return cost
