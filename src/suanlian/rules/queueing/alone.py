"""When would this job have started, had its home been alone? A shadow of each pool with its owner's own jobs only.

Strictly first come, first served, so a job's start depends on earlier ones alone and is known when it comes: by the
true run time of what has ended meanwhile, by estimate of the rest. It is the promise that the queue tries to keep.
"""

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.nodes import best_fit, give_whole, needed, pop, push, take_whole, whole, withdraw
from suanlian.rules.queueing.state import NEVER, NOBODY, State


@compiled
def _give_back(s: State, pool: int, until: float) -> None:
    base = s.alone_first[pool]
    while s.alone_count[pool] and s.alone_end[base] <= until:
        job = pop(s.alone_end, s.alone_job, base, s.alone_count[pool])
        s.alone_count[pool] -= 1
        node = s.alone_node[job]
        if node == NOBODY:
            give_whole(s.alone_free, s.alone_gang, s.first[pool], s.first[pool + 1], s.size[pool], job)
        else:
            s.alone_free[node] += s.units[job]


@compiled
def _take(s: State, pool: int, job: int) -> bool:
    low, high, size, units = s.first[pool], s.first[pool + 1], s.size[pool], s.units[job]
    if units <= size:
        node = best_fit(s.alone_free, low, high, units)
        if node == NOBODY:
            return False
        s.alone_free[node] -= units
        s.alone_node[job] = node
        return True
    wanted = needed(units, size)
    if whole(s.alone_free, low, high, size) < wanted:
        return False
    take_whole(s.alone_free, s.alone_gang, low, high, size, job, wanted)
    s.alone_node[job] = NOBODY
    return True


@compiled
def promise(s: State, job: int) -> float:
    """The time (s) at which a job would have started at a home that is alone.

    NEVER where it cannot run there, or too many do.
    """
    pool = s.home[job]
    base = s.alone_first[pool]
    if needed(s.units[job], s.size[pool]) > s.first[pool + 1] - s.first[pool]:
        return NEVER
    time = max(s.alone_time[pool], s.submit[job])
    _give_back(s, pool, time)
    if base + s.alone_count[pool] == s.alone_first[pool + 1]:  # more run there than are followed
        return NEVER
    while not _take(s, pool, job):
        time = s.alone_end[base]
        _give_back(s, pool, time)
    s.alone_time[pool] = time
    push(s.alone_end, s.alone_job, base, s.alone_count[pool], time + s.estimate[job], job)
    s.alone_count[pool] += 1
    return float(time)


@compiled
def correct(s: State, job: int) -> None:
    """A job has ended: where its shadow still runs, it runs as long as the job did."""
    pool = s.home[job]
    base, count = s.alone_first[pool], s.alone_count[pool]
    if withdraw(s.alone_end, s.alone_job, base, count, job):
        length = s.ends[job] - s.started[job]
        push(s.alone_end, s.alone_job, base, count - 1, s.promise[job] + length, job)
