"""Reservations: the oldest jobs of a pool hold a place and a time, which others may not push back by the estimates.

Each reservation is found anew beside those of the others whenever something changed at its pool. Its old place still
fits unless work took longer than estimated, so a reservation never moves back otherwise.
"""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.nodes import enter, fits_span, needed, next_end, used_at, withdrawn
from suanlian.rules.queueing.state import (
    DEADLINE,
    NEVER,
    NOBODY,
    PROMISE,
    QUEUED,
    RESERVATIONS,
    WAITING,
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
    """The first time after ``after`` at which something on a node ends, running or reserved by others than ``me``."""
    least, owner = NEVER, s.gang[node]
    if owner >= 0 and after < s.ends[owner] < least:
        least = s.ends[owner]
    least = min(least, next_end(s, node, after))
    for n in range(s.held[node]):
        if s.held_by[node, n] != me and after < s.held_until[node, n] < least:
            least = s.held_until[node, n]
    return least


@compiled
def _earliest(s: State, node: int, size: int, units: int, begin: float, job: int) -> float:
    """When a node could first take a job from ``begin`` on; NEVER if it cannot, or holds all it may hold."""
    if s.held[node] == s.held_from.shape[1]:
        return NEVER
    while begin < NEVER and not fits_span(s, node, size, units, begin, begin + s.estimate[job], job):
        begin = _next_end(s, node, begin, job)
    return begin


@compiled
def _hold_small(s: State, job: int, begin: float) -> float:
    """Reserve on the node that takes the job first; among those, where least stays free."""
    pool, units = s.home[job], s.units[job]
    size = s.size[pool]
    best, first, least = NOBODY, NEVER, 0
    for node in range(s.first[pool], s.first[pool + 1]):
        at = _earliest(s, node, size, units, begin, job)
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
            times[n] = _earliest(s, low + n, size, size, max(times[n], at), job)
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
def _reserve(s: State, job: int, now: float) -> None:
    by = due(s, job)
    begin = now if by == NEVER else max(by, now)
    drop(s, job)
    small = s.units[job] <= s.size[s.home[job]]
    s.reserved[job] = _hold_small(s, job, begin) if small else _hold_whole(s, job, begin)


@compiled
def plan(s: State, pool: int, now: float) -> None:
    """Renew the reservations of a pool: the owner's own jobs by arrival, then guests that queue there."""
    _overruns(s, pool, now)
    left = int(s.policy[RESERVATIONS])
    for guests in range(2):
        for n in range(s.counters[QUEUED]):
            job = s.queue[n]
            if s.home[job] == pool and s.status[job] == WAITING and s.guest[job] == (guests == 1):
                if s.cost.shape[0] > 0 and s.cost[job, pool] >= NEVER:
                    drop(s, job)  # it may not run there now: nothing is held for it
                    continue
                if left > 0:
                    _reserve(s, job, now)
                left -= 1
    s.crowded[pool] = left < 0
