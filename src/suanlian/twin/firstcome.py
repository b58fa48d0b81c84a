"""First come, first served: each platform alone, federated with strict queues, federated with a plain first fit.

These are what Suanlian is compared with, so they decide by themselves; a platform is a range of nodes.
"""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.nodes import best_fit, give_whole, needed, pop, push, take_whole, whole, withdraw
from suanlian.rules.queueing.state import DOWN, NEVER, NOBODY
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
    done: Bools


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
        done=np.zeros(count, dtype=np.bool_),
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


class Line(NamedTuple):
    """Who waits: for strict queues a list for each home, for first fit one row of all, by arrival."""

    head: Ints  # (P,)
    tail: Ints
    behind: Ints  # (N,)
    queue: Ints
    counts: Ints  # how many are in ``queue``, how many run


WAITING, RUNNING = 0, 1


@compiled
def _join(f: Floor, line: Line, job: int) -> None:
    home = f.home[job]
    line.behind[job] = NOBODY
    if line.head[home] == NOBODY:
        line.head[home] = job
    else:
        line.behind[line.tail[home]] = job
    line.tail[home] = job
    line.queue[line.counts[WAITING]] = job
    line.counts[WAITING] += 1
    f.touched[home] = True


@compiled
def _fail(f: Floor, line: Line, node: int, pool: int, now: float, lost: Floats, keys: Floats, jobs: Ints) -> None:
    """A node fails: what runs on it begins anew, at the end of its queue."""
    for job in range(len(f.home)):
        if f.pool[job] == pool and not f.done[job] and (f.node[job] == node or f.gang[node] == job):
            _finish(f, job)
            withdraw(keys, jobs, 0, line.counts[RUNNING], job)
            line.counts[RUNNING] -= 1
            lost[job] += now - f.start[job]
            f.pool[job], f.node[job], f.start[job] = NOBODY, NOBODY, np.nan
            _join(f, line, job)
    f.free[node] = -f.size[pool]
    f.gang[node] = DOWN
    _count(f, pool)


@compiled
def _repair(f: Floor, node: int, pool: int) -> None:
    f.free[node] = f.size[pool]
    f.gang[node] = NOBODY
    _count(f, pool)


@compiled
def run(
    f: Floor, submit: Floats, duration: Floats, when: Floats, where: Ints, whose: Ints, lost: Floats, skip: int
) -> None:
    """All jobs to their end. Failures as in ``loop.run``; ``skip``: whoever fits starts, or else queues are strict."""
    pools, count = len(f.size), len(f.home)
    line = Line(
        np.full(pools, NOBODY, np.int64),
        np.full(pools, NOBODY, np.int64),
        np.full(count, NOBODY, np.int64),
        np.empty(count, np.int64),
        np.zeros(2, np.int64),
    )
    keys, jobs, at, broken = np.empty(count), np.empty(count, np.int64), 0, 0
    while at < count or line.counts[RUNNING] or broken < len(when):
        now = min(submit[at] if at < count else NEVER, keys[0] if line.counts[RUNNING] else NEVER)
        now = min(now, when[broken] if broken < len(when) else NEVER)
        while line.counts[RUNNING] and keys[0] <= now:
            job = pop(keys, jobs, 0, line.counts[RUNNING])
            line.counts[RUNNING] -= 1
            _finish(f, job)
            f.done[job] = True
        while broken < len(when) and when[broken] <= now:
            if where[broken] >= 0:
                _fail(f, line, where[broken], whose[broken], now, lost, keys, jobs)
            else:
                _repair(f, -1 - where[broken], whose[broken])
            broken += 1
        while at < count and submit[at] <= now:
            _join(f, line, at)
            at += 1
        if skip:
            _skip_now(f, line, now, duration, keys, jobs)
        else:
            _strict_now(f, line, now, duration, keys, jobs)
        f.touched[:] = False


@compiled
def _start(f: Floor, line: Line, job: int, pool: int, now: float, duration: Floats, keys: Floats, jobs: Ints) -> None:
    _begin(f, job, pool, now)
    push(keys, jobs, 0, line.counts[RUNNING], now + duration[job], job)
    line.counts[RUNNING] += 1


@compiled
def _strict_now(f: Floor, line: Line, now: float, duration: Floats, keys: Floats, jobs: Ints) -> None:
    """The first of each queue starts at home, or else elsewhere if it may; nobody passes it."""
    head, again = line.head, True
    while again:
        again = False
        for home in range(len(head)):
            while f.touched[home] and head[home] != NOBODY and _fits(f, head[home], home):
                _start(f, line, head[home], home, now, duration, keys, jobs)
                head[home] = line.behind[head[home]]
        for home in range(len(head)):
            job = head[home]
            pool = _tightest(f, job) if job != NOBODY and f.movable[job] else NOBODY
            if pool != NOBODY:
                _start(f, line, job, pool, now, duration, keys, jobs)
                head[home] = line.behind[job]
                f.touched[home] = True
                again = True
                break
    line.counts[WAITING] = 0


@compiled
def _most(f: Floor) -> int:
    """The largest gang that would fit where something changed."""
    most = 0
    for pool in range(len(f.size)):
        if f.touched[pool]:
            most = max(most, f.most[pool], f.wholes[pool] * f.size[pool])
    return most


@compiled
def _skip_now(f: Floor, line: Line, now: float, duration: Floats, keys: Floats, jobs: Ints) -> None:
    """Whoever fits starts, in order of arrival: at home where there is room, then elsewhere, home by home."""
    queue = line.queue[: line.counts[WAITING]]
    for job in queue:
        if f.touched[f.home[job]] and _fits(f, job, f.home[job]):
            _start(f, line, job, f.home[job], now, duration, keys, jobs)
    most, able = _most(f), np.empty(len(queue), np.int64)
    count = 0
    for job in queue:
        if f.pool[job] == NOBODY and f.movable[job] and (f.touched[f.home[job]] or f.units[job] <= most):
            able[count] = job
            count += 1
    able = able[:count]
    for n in np.argsort(f.home[able], kind="mergesort"):
        pool = _emptiest(f, able[n])
        if pool != NOBODY:
            _start(f, line, able[n], pool, now, duration, keys, jobs)
    kept = 0
    for job in queue:
        if f.pool[job] == NOBODY:
            line.queue[kept] = job
            kept += 1
    line.counts[WAITING] = kept
