"""The event loop of the twin around the hub's queue: arrivals, ends, nodes that fail; the queue decides everything."""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.choose import arrive, down, end, rouse, step, up, wake
from suanlian.rules.queueing.nodes import pop, push
from suanlian.rules.queueing.state import NEVER, NOBODY, QUEUED, RUNNING, Floats, Ints, State


@compiled
def _fail(s: State, node: int, pool: int, now: float, lost: Floats, dead: Ints) -> None:  # noqa: PLR0913, PLR0917
    """A node fails: what runs on it begins anew in the queue."""
    while s.gang[node] >= 0 or s.head[node] != NOBODY:
        job = s.gang[node] if s.gang[node] >= 0 else s.head[node]
        lost[job] += now - s.started[job]
        dead[job] += 1
        end(s, job, now)
        s.pool[job] = NOBODY
        arrive(s, job)
    down(s, node, pool)


@compiled
def run(s: State, duration: Floats, when: Floats, where: Ints, whose: Ints, lost: Floats) -> None:  # noqa: PLR0913, PLR0917
    """Jobs are rows in order of submission. Failures at ``when``: node ``where`` of pool ``whose``; -1 - node: up.

    ``lost`` (N,) gets the seconds of tries that failed. Afterwards ``started``, ``pool`` and ``ends`` tell the outcome;
    ``pool`` stays NOBODY for what never started.
    """
    count = len(duration)
    keys, jobs, running, at, broken = np.empty(count), np.empty(count, dtype=np.int64), 0, 0, 0
    out, dead = np.empty(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    woken = NEVER
    while at < count or running or broken < len(when):
        now = min(s.submit[at] if at < count else NEVER, woken)
        now = min(now, keys[0] if running else NEVER, when[broken] if broken < len(when) else NEVER)
        while running and keys[0] <= now:
            job = pop(keys, jobs, 0, running)
            running -= 1
            # a job that failed has an end in the heap that is no longer its own
            if s.status[job] == RUNNING and s.started[job] + duration[job] <= now:
                end(s, job, now)
        while broken < len(when) and when[broken] <= now:
            if where[broken] >= 0:
                _fail(s, where[broken], whose[broken], now, lost, dead)
            else:
                up(s, -1 - where[broken], whose[broken])
            broken += 1
        while at < count and s.submit[at] <= now:
            arrive(s, at)
            at += 1
        if now == woken:
            rouse(s, now)
        woken = NEVER
        if s.counters[QUEUED]:
            for n in range(step(s, now, out)):
                job = out[n]
                push(keys, jobs, 0, running, now + duration[job], job)
                running += 1
            woken = wake(s, now)
