"""First come, first served: each platform alone, federated with strict queues, federated with a plain first fit.

These are what Suanlian is compared with, so they decide by themselves; a platform is a range of nodes.
"""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.nodes import best_fit, give_whole, needed, pop, push, take_whole, whole
from suanlian.rules.queueing.state import NOBODY
from suanlian.twin.results import Bools, Floats, Ints


class Floor(NamedTuple):
    """Platforms, jobs in order of submission, and how things stand; NaN and NOBODY for what has not started."""

    first: Ints
    size: Ints
    free: Ints
    gang: Ints
    most: Ints  # (P,) units free on the emptiest node
    wholes: Ints  # (P,) nodes wholly free
    spare: Ints  # (P,) units free
    touched: Bools
    home: Ints
    units: Ints
    movable: Bools
    start: Floats
    pool: Ints
    node: Ints


def make_floor(nodes: Ints, size: Ints, home: Ints, units: Ints, movable: Bools) -> Floor:
    """All free, nothing started."""
    pools, count = len(nodes), len(home)
    return Floor(
        first=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(nodes)]),
        size=size,
        free=np.repeat(size, nodes),
        gang=np.full(int(nodes.sum()), NOBODY, dtype=np.int64),
        most=np.where(nodes > 0, size, 0),
        wholes=nodes.copy(),
        spare=nodes * size,
        touched=np.zeros(pools, dtype=np.bool_),
        home=home,
        units=units,
        movable=movable,
        start=np.full(count, np.nan),
        pool=np.full(count, NOBODY, dtype=np.int64),
        node=np.full(count, NOBODY, dtype=np.int64),
    )


@compiled
def _count(f: Floor, pool: int) -> None:
    low, high = f.first[pool], f.first[pool + 1]
    f.most[pool] = f.free[low:high].max() if high > low else 0
    f.wholes[pool] = whole(f.free, low, high, f.size[pool])
    f.spare[pool] = f.free[low:high].sum()
    f.touched[pool] = True


@compiled
def _fits(f: Floor, job: int, pool: int) -> bool:
    if f.units[job] <= f.size[pool]:
        return bool(f.units[job] <= f.most[pool])
    return bool(needed(f.units[job], f.size[pool]) <= f.wholes[pool])


@compiled
def _begin(f: Floor, job: int, pool: int, now: float) -> None:
    low, high, size, units = f.first[pool], f.first[pool + 1], f.size[pool], f.units[job]
    if units <= size:
        node = best_fit(f.free, low, high, units)
        f.free[node] -= units
        f.node[job] = node
    else:
        take_whole(f.free, f.gang, low, high, size, job, needed(units, size))
    f.start[job], f.pool[job] = now, pool
    _count(f, pool)


@compiled
def _finish(f: Floor, job: int) -> None:
    pool, node = f.pool[job], f.node[job]
    if node == NOBODY:
        give_whole(f.free, f.gang, f.first[pool], f.first[pool + 1], f.size[pool], job)
    else:
        f.free[node] += f.units[job]
    _count(f, pool)


@compiled
def _tightest(f: Floor, job: int) -> int:
    """Elsewhere, where the node that fits best leaves least."""
    best, least, home = NOBODY, 0, f.home[job]
    for pool in range(len(f.size)):
        if pool == home or not (f.touched[pool] or f.touched[home]) or not _fits(f, job, pool):
            continue
        left = 0
        if f.units[job] <= f.size[pool]:
            left = f.free[best_fit(f.free, f.first[pool], f.first[pool + 1], f.units[job])]
        if best == NOBODY or left < least:
            best, least = pool, left
    return best


@compiled
def _emptiest(f: Floor, job: int) -> int:
    """Elsewhere, where most is free."""
    best, home = NOBODY, f.home[job]
    for pool in range(len(f.size)):
        if pool == home or not (f.touched[pool] or f.touched[home]) or not _fits(f, job, pool):
            continue
        if best == NOBODY or f.spare[pool] > f.spare[best]:
            best = pool
    return best


@compiled
def strict(f: Floor, submit: Floats, duration: Floats) -> None:
    """Strict queues: the first of each starts at home, or else elsewhere if it may; nobody passes it."""
    pools, count = len(f.size), len(f.home)
    behind = np.full(count, NOBODY, dtype=np.int64)
    head, tail = np.full(pools, NOBODY, dtype=np.int64), np.full(pools, NOBODY, dtype=np.int64)
    keys, jobs, running, at = np.empty(count), np.empty(count, dtype=np.int64), 0, 0
    while at < count or running:
        now = submit[at] if at < count and (running == 0 or submit[at] < keys[0]) else keys[0]
        while running and keys[0] <= now:
            _finish(f, pop(keys, jobs, 0, running))
            running -= 1
        while at < count and submit[at] <= now:
            home = f.home[at]
            if head[home] == NOBODY:
                head[home] = at
            else:
                behind[tail[home]] = at
            tail[home] = at
            f.touched[home] = True
            at += 1
        running = _strict_now(f, now, head, behind, duration, keys, jobs, running)


@compiled
def _strict_now(  # noqa: PLR0913, PLR0917 - a loop's variables
    f: Floor, now: float, head: Ints, behind: Ints, duration: Floats, keys: Floats, jobs: Ints, running: int
) -> int:
    again = True
    while again:
        again = False
        for home in range(len(head)):
            while f.touched[home] and head[home] != NOBODY and _fits(f, head[home], home):
                job = head[home]
                _begin(f, job, home, now)
                push(keys, jobs, 0, running, now + duration[job], job)
                running += 1
                head[home] = behind[job]
        for home in range(len(head)):
            job = head[home]
            pool = _tightest(f, job) if job != NOBODY and f.movable[job] else NOBODY
            if pool != NOBODY:
                _begin(f, job, pool, now)
                push(keys, jobs, 0, running, now + duration[job], job)
                running += 1
                head[home] = behind[job]
                f.touched[home] = True
                again = True
                break
    f.touched[:] = False
    return running


@compiled
def skipping(f: Floor, submit: Floats, duration: Floats) -> None:
    """First fit: whoever fits starts, in order of arrival, at home if there is room, or else elsewhere."""
    count = len(f.home)
    queue, waiting = np.empty(count, dtype=np.int64), 0
    keys, jobs, running, at = np.empty(count), np.empty(count, dtype=np.int64), 0, 0
    while at < count or running:
        now = submit[at] if at < count and (running == 0 or submit[at] < keys[0]) else keys[0]
        while running and keys[0] <= now:
            _finish(f, pop(keys, jobs, 0, running))
            running -= 1
        while at < count and submit[at] <= now:
            queue[waiting] = at
            f.touched[f.home[at]] = True
            waiting += 1
            at += 1
        for job in _skip_now(f, now, queue[:waiting]):
            push(keys, jobs, 0, running, now + duration[job], job)
            running += 1
        kept = 0
        for n in range(waiting):
            if f.pool[queue[n]] == NOBODY:
                queue[kept] = queue[n]
                kept += 1
        waiting = kept
        f.touched[:] = False


@compiled
def _skip_now(f: Floor, now: float, queue: Ints) -> Ints:
    begun, count = np.empty(len(queue), dtype=np.int64), 0
    for job in queue:
        if f.touched[f.home[job]] and _fits(f, job, f.home[job]):
            _begin(f, job, f.home[job], now)
            begun[count] = job
            count += 1
    most = 0
    for pool in range(len(f.size)):
        if f.touched[pool]:
            most = max(most, f.most[pool], f.wholes[pool] * f.size[pool])
    for home in range(len(f.size)):
        for job in queue:
            if f.home[job] != home or f.pool[job] != NOBODY or not f.movable[job]:
                continue
            pool = _emptiest(f, job) if f.touched[home] or f.units[job] <= most else NOBODY
            if pool != NOBODY:
                _begin(f, job, pool, now)
                begun[count] = job
                count += 1
    return begun[:count]
