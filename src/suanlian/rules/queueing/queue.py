"""The queue as an object: jobs arrive, end and leave; a step says who starts where, who is promised when, and why not.

The hub feeds it what it sees, the twin runs the same functions in a compiled loop (`twin/loop.py`). Nothing here reads
a clock or knows how long work will really take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from suanlian.rules.queueing import alone, choose
from suanlian.rules.queueing.nodes import needed
from suanlian.rules.queueing.plan import due
from suanlian.rules.queueing.policy import Policy, QueueingError
from suanlian.rules.queueing.state import (
    ABSENT,
    ARRIVED,
    HALF_LIFE,
    NEVER,
    NOBODY,
    QUEUED,
    RUNNING,
    WAITING,
    Floats,
    Ints,
    State,
    make_state,
)

_ROWS: Final = 256
_BY_ROW: Final = (
    "status", "home", "submit", "estimate", "units", "movable", "guest", "account", "priority", "deadline", "promise",
    "reserved", "started", "ends", "pool", "node", "after", "cost", "queue", "rank", "alone_node",
)  # fmt: skip
_BY_ACCOUNT: Final = ("usage", "stamp", "weight", "learned")


class Hold(StrEnum):
    """Why a job waits. The first that applies."""

    TOO_LARGE = "too_large"
    """It is larger than its home, and may not or cannot go elsewhere."""
    PASSED_BY_PLAN = "passed_by_plan"
    """There is room at home now, but it would push back a reservation of others."""
    NO_ROOM = "no_room"
    """There is no room at home, and it may not go elsewhere."""
    STAYS = "stays"
    """It would wait less at home than a move costs."""
    FULL_EVERYWHERE = "full_everywhere"
    """There is no room anywhere that it may use, or none without pushing back others or an owner's headroom."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the queue is told of a job. Times are seconds on the caller's clock.

    ``home`` is the pool where it queues: its owner's own, or, for a ``guest`` there, the one that the matcher found
    best. ``cost`` (P,) is what each pool costs it in seconds, inf where it may not run; without it a ``movable`` job
    may run anywhere at ``Policy.move_s``. ``promise`` is what an earlier look promised it; None lets the queue find it.
    """

    home: int
    units: int
    estimate: float
    submit: float
    account: int = 0
    movable: bool = True
    guest: bool = False
    priority: int = 0
    deadline: float = float("inf")
    promise: float | None = None
    cost: Floats | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A job starts now at a pool; ``node`` is its node within the pool, or None for a gang of whole nodes."""

    row: int
    pool: int
    node: int | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A waiting job starts at its home at this time at the latest, if the estimates hold."""

    row: int
    pool: int
    at: float


@dataclass(frozen=True, slots=True)
class Step:
    """One moment's decisions: starts in order, and the reservations that stand afterwards by row."""

    starts: tuple[Start, ...]
    reservations: tuple[Reservation, ...]


class Queue:
    """Waiting work over P pools of ``nodes`` (P,) nodes with ``size`` (P,) units each; one node where none are known.

    ``weights`` are the fair shares of accounts. ``costs``: jobs bring a cost for each pool. Raises ``QueueingError``.
    """

    def __init__(
        self,
        nodes: Ints,
        size: Ints,
        policy: Policy,
        weights: Sequence[float] = (1.0,),
        *,
        costs: bool = False,
        worth: Floats | None = None,
        whole: Floats | None = None,
    ) -> None:
        """All is free and nothing waits. ``worth`` (P,): what a unit of each pool weighs in fair share, 1 each.

        ``whole`` (P,): so many units of each pool are one of what headroom counts, 1 each.
        """
        if nodes.shape != size.shape or nodes.ndim != 1 or not nodes.size or np.any(nodes < 0) or np.any(size < 1):
            raise QueueingError("pool_size", "pools are counted by nodes and by units of a node, of equal length")
        shares = np.array(weights, dtype=np.float64)
        if not shares.size or not np.all(np.isfinite(shares)) or np.any(shares < 0) or shares.sum() <= 0:
            raise QueueingError("account_weight", "weights of accounts must not be below zero, nor all zero")
        self._state = make_state(policy.row(), nodes, size, shares, _ROWS, _ROWS if costs else 0)
        if worth is not None:
            self._state.worth[:] = worth
        if whole is not None:
            self._state.whole[:] = whole
        self._rows = 0
        self._spare: list[int] = []
        self._shadows: list[int] = []

    @property
    def state(self) -> State:
        """The arrays behind it, for reading."""
        return self._state

    def arrive(self, job: Job) -> int:
        """A job comes to wait. Returns its row, by which it is known until it has ended or left."""
        row = self._fill(job)
        choose.arrive(self._state, row)
        return row

    def occupy(self, job: Job, pool: int, started: float, *, known: bool = False) -> int:
        """Work that runs already at a pool, whoever started it; pool_full where it does not fit.

        ``known``: that it runs there, a pool of one node, is a fact, whether it fits or not; nobody is charged for it.
        """
        if known and self._state.first[pool] == self._state.first[pool + 1]:
            raise QueueingError("pool_size", f"pool {pool} has no node")
        row = self._fill(job)
        s = self._state
        node = int(s.first[pool]) if known else choose.fit(s, row, pool, started)
        if node == NOBODY:
            self._free(row)
            raise QueueingError("pool_full", f"pool {pool} has no room for {job.units} units in one piece")
        if known and not job.guest:
            s.promise[row] = alone.promise(s, row)  # alone it would run as well
        used, stamp = s.usage[job.account], s.stamp[job.account]
        choose.start(s, row, pool, node, started)
        if known:
            s.usage[job.account], s.stamp[job.account] = used, stamp
        s.touched[pool] = True
        return row

    def undo(self, row: int, now: float) -> None:
        """A job that was to start did not: it waits again, behind those that wait, with its promise."""
        self._expect(row, RUNNING)
        self._state.started[row] = now  # it has used nothing
        choose.fail(self._state, row, now)

    def takes(self, row: int, pool: int, now: float) -> bool:
        """Whether a job that was to start would push back nobody at another pool either."""
        self._expect(row, RUNNING)
        s = self._state
        return bool(choose.toll(s, row, pool) < NEVER and choose.fit(s, row, pool, now) != NOBODY)

    def relocate(self, row: int, pool: int, now: float) -> None:
        """A job that was to start starts at this pool instead. Raises ``QueueingError`` (pool_full)."""
        self._expect(row, RUNNING)
        s = self._state
        node = choose.fit(s, row, pool, now)
        if node == NOBODY:
            raise QueueingError("pool_full", f"pool {pool} has no room for it, or it would push back others")
        choose.relocate(s, row, pool, node, now)

    def end(self, row: int, now: float) -> None:
        """A running job has ended."""
        self._expect(row, RUNNING)
        choose.end(self._state, row, now)
        self._free(row)

    def leave(self, row: int) -> None:
        """A waiting job is taken back."""
        self._expect(row, WAITING)
        choose.leave(self._state, row)
        self._free(row)

    def cost(self, row: int, cost: Floats) -> None:
        """What each pool costs a waiting job (s) is another now."""
        self._expect(row, WAITING)
        self._state.cost[row] = cost
        self._state.touched[self._state.home[row]] = True

    def submitted(self, row: int, submit: float) -> None:
        """A waiting job waits since another time."""
        self._expect(row, WAITING)
        self._state.submit[row] = submit

    def promise(self, row: int, at: float) -> None:
        """A waiting job was promised before to start by then."""
        self._expect(row, WAITING)
        self._state.promise[row] = min(self._state.promise[row], at)

    def sort(self, rows: Sequence[int], now: float) -> None:
        """Those who wait, all of them, in the order of their turns: reservations go by it, and ties.

        Guests stand as the policy weighs them now; the owners' own jobs have promises, and stand by turns.
        """
        s = self._state
        if len(rows) != s.counters[QUEUED]:
            raise QueueingError("job_state", f"{len(rows)} rows are put in order, {s.counters[QUEUED]} wait")
        given = np.array(rows, dtype=np.int64)
        guests = given[s.guest[given]]
        weighed = guests[np.argsort(choose.keys(s, guests, now), kind="stable")]
        s.queue[: len(rows)] = np.concatenate([given[~s.guest[given]], weighed])
        s.rank[s.queue[: len(rows)]] = np.arange(len(rows))
        s.counters[ARRIVED] = len(rows)

    def room(self, pool: int, free: int) -> None:
        """So much is free at a pool of one node now; what the queue cannot account for is used by others."""
        s = self._state
        node = int(s.first[pool])
        if free == s.free[node]:
            return
        s.touched[pool] |= free > s.free[node]
        s.away[node] += s.free[node] - free
        s.free[node] = free

    def accounts(self, count: int) -> None:
        """There are so many accounts at least; new ones have used nothing and weigh 1."""
        s, more = self._state, count - len(self._state.weight)
        if more > 0:
            wider = {name: np.concatenate([getattr(s, name), np.zeros(more)]) for name in _BY_ACCOUNT}
            wider["weight"][-more:] = 1.0
            self._state = s._replace(**wider)

    def charge(self, account: int, now: float, amount: float) -> None:
        """An account has used so much (unit-seconds, by what a unit weighs)."""
        choose.charge(self._state, account, now, amount)

    def used(self, account: int, now: float) -> float:
        """What an account has used (unit-seconds), decayed."""
        s = self._state
        return float(s.usage[account] * 0.5 ** ((now - s.stamp[account]) / s.policy[HALF_LIFE]))

    def above(self, account: int, now: float) -> float:
        """How far an account is above its fair share of what was used of late, -1..1."""
        return float(choose.excess(self._state, now)[account])

    def next_wake(self, now: float) -> float | None:
        """When a step is due though nothing happens, because a reservation begins; None if no such time is known."""
        at = float(choose.wake(self._state, now))
        return at if at < NEVER else None

    def step(self, now: float, *, all_pools: bool = False) -> Step:
        """Decide. ``all_pools``: look at every pool anew, as after time went by without an event."""
        s = self._state
        choose.rouse(s, now)
        if all_pools:
            s.touched[:] = True
        out = np.empty(max(int(s.counters[QUEUED]), 1), dtype=np.int64)
        count = int(choose.step(s, now, out))
        starts = tuple(self._start(int(row)) for row in out[:count])
        waiting = np.sort(s.queue[: s.counters[QUEUED]])
        held = tuple(
            Reservation(row, int(s.home[row]), float(s.reserved[row]))
            for row in waiting[s.reserved[waiting] < NEVER].tolist()
        )
        return Step(starts, held)

    def why(self, row: int, now: float) -> Hold:
        """Why a job waits, as of the last step."""
        self._expect(row, WAITING)
        s, home = self._state, int(self._state.home[row])
        others = [pool for pool in range(len(s.size)) if pool != home and choose.toll(s, row, pool) < NEVER]
        size = int(s.size[home])
        units = int(s.units[row])
        low, high = int(s.first[home]), int(s.first[home + 1])
        at_home = units <= size * (high - low) if units > size else high > low
        if not at_home and not others:
            return Hold.TOO_LARGE
        if units <= size:
            free = bool(np.any(s.free[low:high] >= units))
        else:
            free = int(np.sum(s.free[low:high] == size)) >= needed(units, size)
        if free:
            return Hold.PASSED_BY_PLAN
        if not others:
            return Hold.NO_ROOM
        gain = float(s.reserved[row]) - now
        return Hold.STAYS if gain <= min(choose.toll(s, row, pool) for pool in others) else Hold.FULL_EVERYWHERE

    def due(self, row: int) -> float | None:
        """When a job was promised to start: as at a home of its own alone, or before its deadline; None without one."""
        by = float(due(self._state, row))
        return by if by < NEVER else None

    def _start(self, row: int) -> Start:
        s = self._state
        pool, node = int(s.pool[row]), int(s.node[row])
        return Start(row, pool, None if node == NOBODY else node - int(s.first[pool]))

    def _expect(self, row: int, status: int) -> None:
        if not 0 <= row < self._rows or self._state.status[row] != status:
            raise QueueingError("job_state", f"row {row} is no job that {'runs' if status == RUNNING else 'waits'}")

    def _fill(self, job: Job) -> int:
        s = self._state
        if not 0 <= job.home < len(s.size) or not 0 <= job.account < len(s.weight):
            raise QueueingError("job_home", "the job queues at no pool, or has no account")
        if job.units < 1 or not 0 < job.estimate < NEVER or not np.isfinite(job.submit):
            raise QueueingError("job_number", "a job takes at least one unit, for a time above zero")
        if (job.cost is not None) != bool(s.cost.size):
            raise QueueingError("job_cost", "either all jobs bring a cost for each pool, or none does")
        row = self._spare.pop() if self._spare or self._reclaim() else self._new_row()
        s = self._state
        s.home[row], s.submit[row], s.estimate[row], s.units[row] = job.home, job.submit, job.estimate, job.units
        s.movable[row], s.guest[row], s.account[row] = job.movable, job.guest, job.account
        s.priority[row], s.deadline[row], s.rank[row] = job.priority, job.deadline, s.counters[ARRIVED]
        s.promise[row] = NEVER if job.promise is None else job.promise
        s.reserved[row], s.pool[row], s.node[row], s.after[row] = NEVER, NOBODY, NOBODY, NOBODY
        if job.cost is not None:
            s.cost[row] = job.cost
        return row

    def _free(self, row: int) -> None:
        # a shadow of the job may still run at a home alone: its row is used again only when it does not
        s = self._state
        s.status[row] = ABSENT
        home = int(s.home[row])
        base = int(s.alone_first[home])
        if row in s.alone_job[base : base + int(s.alone_count[home])]:
            self._shadows.append(row)
        else:
            self._spare.append(row)

    def _reclaim(self) -> bool:
        """Find rows whose shadows have ended meanwhile; whether there are any."""
        if self._rows < len(self._state.status):
            return False
        held, self._shadows = self._shadows, []
        for row in held:
            self._free(row)
        return bool(self._spare)

    def _new_row(self) -> int:
        if self._rows == len(self._state.status):
            wider: dict[str, object] = {}
            for name in _BY_ROW:
                old = getattr(self._state, name)
                wider[name] = np.concatenate([old, np.zeros_like(old)])
            self._state = self._state._replace(**wider)  # type: ignore[arg-type]  # each is as wide as the old one, twice
        self._rows += 1
        return self._rows - 1
