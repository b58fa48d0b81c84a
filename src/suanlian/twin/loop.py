"""The event loop of the twin around the hub's queue: arrivals, ends, nodes that fail; the queue decides everything."""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.choose import arrive, down, end, fail, rouse, step, up, wake
from suanlian.rules.queueing.nodes import pop, push, withdraw
from suanlian.rules.queueing.state import NEVER, NOBODY, QUEUED, Floats, Ints, State


@compiled
def _fail(s: State, node: int, pool: int, now: float, lost: Floats, keys: Floats, jobs: Ints, running: int) -> int:
    """A node fails: what runs on it begins anew in the queue. Returns how many still run."""
    while s.gang[node] >= 0 or s.head[node] != NOBODY:
        job = s.gang[node] if s.gang[node] >= 0 else s.head[node]
        lost[job] += now - s.started[job]
        withdraw(keys, jobs, 0, running, job)
        running -= 1
        fail(s, job, now)
    down(s, node, pool)
    return running


@compiled
def run(s: State, duration: Floats, when: Floats, where: Ints, whose: Ints, lost: Floats) -> None:
    """Jobs are rows in order of submission. Failures at ``when``: node ``where`` of pool ``whose``; -1 - node: up.

    ``lost`` (N,) gets the seconds of tries that failed. Afterwards ``status``, ``started`` and ``pool`` tell it.
    """
    count = len(duration)
    keys, jobs, out = np.empty(count), np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    running, at, broken, woken = 0, 0, 0, NEVER
    while at < count or running or broken < len(when):
        now = min(s.submit[at] if at < count else NEVER, woken)
        now = min(now, keys[0] if running else NEVER, when[broken] if broken < len(when) else NEVER)
        while running and keys[0] <= now:
            end(s, pop(keys, jobs, 0, running), now)
            running -= 1
        while broken < len(when) and when[broken] <= now:
            if where[broken] >= 0:
                running = _fail(s, where[broken], whose[broken], now, lost, keys, jobs, running)
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
                push(keys, jobs, 0, running, now + duration[out[n]], out[n])
                running += 1
            woken = wake(s, now)
