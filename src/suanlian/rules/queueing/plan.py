"""Reservations: the oldest jobs of a pool hold a place and a time, which others may not push back by the estimates.

Each reservation is found anew beside those of the others whenever something changed at its pool. Its old place still
fits unless work took longer than estimated, so a reservation never moves back otherwise.
"""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.nodes import enter, fits_span, needed, next_end, stands_before, used_at, withdrawn
from suanlian.rules.queueing.rise import rise
from suanlian.rules.queueing.state import (
    BRIEF,
    DEADLINE,
    HEADROOM,
    NEVER,
    NOBODY,
    PROMISE,
    QUEUED,
    RESERVATIONS,
    RISE,
    WAITING,
    Ints,
    State,
)

LEAST_OVERRUN = 60.0
OVERRUN = 0.25
"""Work that takes longer than estimated is thought to take this much of its estimate more, each time."""


@compiled
def drop(s: State, job: int) -> None:
    """Take a job's reservation away."""
    pool = s.home[job]
    if s.reserved[job] >= NEVER:
        return
    s.reserved[job] = NEVER
    for node in range(s.first[pool], s.first[pool + 1]):
        kept = 0
        for n in range(s.held[node]):
            if s.held_by[node, n] != job:
                s.held_from[node, kept] = s.held_from[node, n]
                s.held_until[node, kept] = s.held_until[node, n]
                s.held_units[node, kept] = s.held_units[node, n]
                s.held_by[node, kept] = s.held_by[node, n]
                kept += 1
        s.held[node] = kept


@compiled
def _hold(s: State, job: int, node: int, units: int, begin: float) -> None:
    n = s.held[node]
    s.held_from[node, n], s.held_until[node, n] = begin, begin + s.estimate[job]
    s.held_units[node, n], s.held_by[node, n] = units, job
    s.held[node] = n + 1


@compiled
def _overruns(s: State, pool: int, now: float) -> None:
    for node in range(s.first[pool], s.first[pool + 1]):
        owner = s.gang[node]
        if owner >= 0 and s.ends[owner] <= now:
            s.ends[owner] = now + max(LEAST_OVERRUN, OVERRUN * s.estimate[owner])
        job = s.head[node]
        while job != NOBODY:
            if s.ends[job] <= now:
                withdrawn(s, node, s.ends[job], s.units[job])
                s.ends[job] = now + max(LEAST_OVERRUN, OVERRUN * s.estimate[job])
                enter(s, node, s.ends[job], s.units[job])
            job = s.after[job]


@compiled
def _next_end(s: State, node: int, after: float, me: int) -> float:
    """The first time after ``after`` at which something on a node ends, running or held for those before ``me``."""
    least, owner = NEVER, s.gang[node]
    if owner >= 0 and after < s.ends[owner] < least:
        least = s.ends[owner]
    least = min(least, next_end(s, node, after))
    for n in range(s.held[node]):
        if after < s.held_until[node, n] < least and stands_before(s, s.held_by[node, n], me):
            least = s.held_until[node, n]
    return least


@compiled
def _earliest(s: State, node: int, size: int, units: int, begin: float, job: int, left: float) -> float:
    """When a node could first take a job from ``begin`` on, with so much ``left`` free when it starts.

    NEVER if it cannot, or holds all it may hold.
    """
    if s.held[node] == s.held_from.shape[1]:
        return NEVER
    while begin < NEVER and (
        (left > 0.0 and used_at(s, node, size, begin, job) + units + left > size)
        or not fits_span(s, node, size, units, begin, begin + s.estimate[job], job)
    ):
        begin = _next_end(s, node, begin, job)
    return begin


@compiled
def _hold_small(s: State, job: int, begin: float, now: float) -> float:
    """Reserve on the node that takes the job first; among those, where least stays free."""
    pool, units = s.home[job], s.units[job]
    size, low = s.size[pool], s.first[pool]
    # of several nodes it is asked when it is to start whether enough of them stay free
    room = headroom(s, job, pool, now) if s.guest[job] and s.first[pool + 1] - low == 1 else 0.0
    best, first, least = NOBODY, NEVER, 0
    for node in range(low, s.first[pool + 1]):
        at = _earliest(s, node, size, units, begin, job, room)
        if at < NEVER and at <= first:
            left = size - used_at(s, node, size, at, job)
            if at < first or left < least:
                best, first, least = node, at, left
    if best != NOBODY:
        _hold(s, job, best, units, first)
    return first


@compiled
def _hold_whole(s: State, job: int, begin: float) -> float:
    """Reserve whole nodes, as soon as so many are free at once; those that are busiest now come first."""
    pool = s.home[job]
    low, high, size = s.first[pool], s.first[pool + 1], s.size[pool]
    wanted = needed(s.units[job], size)
    if wanted > high - low:
        return NEVER
    times, at, found = np.full(high - low, begin), begin, NEVER
    while found != at:
        at = begin if found == NEVER else found
        for n in range(high - low):
            times[n] = _earliest(s, low + n, size, size, max(times[n], at), job, 0.0)
        found = float(np.sort(times)[wanted - 1])
        if found >= NEVER:
            return NEVER
    for n in np.argsort(s.free[low:high], kind="mergesort"):
        if wanted and times[n] == at:
            _hold(s, job, low + n, size, at)
            wanted -= 1
    return float(at)


@compiled
def due(s: State, job: int) -> float:
    """When a job was promised to start: as at a home alone, or before its deadline; NEVER without a promise."""
    by = s.promise[job] if s.policy[PROMISE] else NEVER
    return float(min(by, s.deadline[job] - s.estimate[job] - s.policy[DEADLINE]))


@compiled
def headroom(s: State, job: int, pool: int, now: float) -> float:
    """So many units a guest must leave its owner free in one piece when it starts: none if it is short, or due."""
    if s.policy[HEADROOM] == 0 or s.estimate[job] <= s.policy[BRIEF] or due(s, job) <= now:
        return 0.0
    return float(s.policy[HEADROOM] * s.whole[pool] + s.policy[RISE] * rise(s, pool, s.estimate[job], now))


@compiled
def _reserve(s: State, job: int, now: float) -> None:
    by = due(s, job)
    begin = now if by == NEVER else max(by, now)
    drop(s, job)
    small = s.units[job] <= s.size[s.home[job]]
    s.reserved[job] = _hold_small(s, job, begin, now) if small else _hold_whole(s, job, begin)


@compiled
def _in_line(s: State, pool: int, most: int) -> Ints:
    """The first ``most`` that queue at a pool: its owner's jobs by turns, then guests. For others nothing is held."""
    found, count = np.empty(most, dtype=np.int64), 0
    s.crowded[pool] = False
    for guests in range(2):
        for n in range(s.counters[QUEUED]):
            job = s.queue[n]
            if s.home[job] != pool or s.status[job] != WAITING or s.guest[job] != (guests == 1):
                continue
            if s.cost.shape[0] > 0 and s.cost[job, pool] >= NEVER:
                drop(s, job)  # it may not run there now
            elif count < most:
                found[count] = job
                count += 1
            else:
                drop(s, job)
                s.crowded[pool] = True
    return found[:count]


@compiled
def plan(s: State, pool: int, now: float) -> None:
    """Renew the reservations of a pool: its owner's own jobs by turns, then guests that queue there."""
    _overruns(s, pool, now)
    for job in _in_line(s, pool, int(s.policy[RESERVATIONS])):
        _reserve(s, job, now)
