"""What brokers do by the hour: each demand gets the cheapest start for it alone, first come first served.

Every pool is looked at for every demand, and every start on it, in one compiled thread: its time measures other times.
"""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats
from suanlian.rules.matching.compiled import compiled
from suanlian.rules.matching.hours_problem import Hourly, take
from suanlian.rules.matching.hours_scan import Windows, cheapest_start
from suanlian.rules.matching.problem import NEVER, Rows
from suanlian.rules.matching.scan import pair, passes


class Begun(NamedTuple):
    """[N] pool or -1, slots from start to end, cost; [rows, T] room that is left."""

    pool: Rows
    start: Rows
    end: Rows
    cost: Floats
    room: Floats


def nowhere(h: Hourly) -> Begun:
    """Nobody is anywhere."""
    n = len(h.p.demand)
    at = np.full((3, n), -1, np.int32)
    return Begun(at[0], at[1], at[2], h.p.demand["outside"].astype(np.float64), h.capacity.copy())


@compiled
def first_come_starts(h: Hourly, now: Begun) -> None:
    """Each demand in turn to the start with room that has the least c, below not serving."""
    rows, slots = h.capacity.shape
    m = len(h.p.pool)
    free = Windows(np.zeros((rows, slots + 1)), np.zeros((m, slots + 1, slots)), np.zeros(m), np.zeros(rows))
    for i in range(len(now.pool)):
        least = h.p.demand[i].outside
        for j in range(m):
            if not passes(h.p, i, j) or pair(h.p, i, j)[0] == NEVER:
                continue
            to, end, cost, _ = cheapest_start(h, free, now.room, i, j, least)
            if to >= 0:
                least = cost
                now.pool[i], now.start[i], now.end[i], now.cost[i] = j, to, end, cost
        if now.pool[i] >= 0:
            take(h, now.room, i, now.pool[i], now.start[i], now.end[i], 1.0)
