"""What brokers do: each demand gets the pool that is cheapest for it alone, first come first served.

Every pool is looked at for every demand, in one compiled thread: its time is G, the measure of other times.
"""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats
from suanlian.rules.matching.compiled import compiled, within
from suanlian.rules.matching.problem import NEVER, Problem, Rows
from suanlian.rules.matching.scan import Prices, pair, passes, quota_row, scarcity


class Placed(NamedTuple):
    """[N] pool or -1, cost, hours; [M, R] and [E] room that is left."""

    pool: Rows
    cost: Floats
    used: Floats
    room: Floats
    quota_room: Floats


@within
def has_room(p: Problem, room: Floats, quota_room: Floats, i: int, j: int, used: float) -> bool:
    """Whether pool j has room for demand i now."""
    if used > room[j, 0]:
        return False
    for r in range(p.need.shape[1]):
        if used * p.need[i, r] > room[j, r + 1]:
            return False
    return bool(p.demand[i].group < 0 or p.demand[i].counts <= quota_room[quota_row(p, i, j)])


@within
def take(p: Problem, room: Floats, quota_room: Floats, i: int, j: int, used: float) -> None:
    """Take the room of demand i at pool j; give it back where ``used`` is negative."""
    room[j, 0] -= used
    for r in range(p.need.shape[1]):
        room[j, r + 1] -= used * p.need[i, r]
    if p.demand[i].group >= 0:
        quota_room[quota_row(p, i, j)] -= p.demand[i].counts if used > 0 else -p.demand[i].counts


@within
def choose(p: Problem, prices: Prices, room: Floats, quota_room: Floats, i: int) -> tuple[int, float, float]:
    """The pool with room that has the least c plus shadow prices, below not serving, with c and a; -1 if none."""
    least, to, cost, used = p.demand[i].outside, -1, p.demand[i].outside, 0.0
    for j in range(len(p.pool)):
        if not passes(p, i, j):
            continue
        c, a = pair(p, i, j)
        if c == NEVER:
            continue
        value = c + scarcity(p, prices, i, j, a)
        if (value < least or (value == least and to < 0)) and has_room(p, room, quota_room, i, j, a):
            least, to, cost, used = value, j, c, a
    return to, cost, used


@compiled
def first_come(p: Problem, prices: Prices) -> Placed:
    """Each demand in turn to the pool that ``choose`` names."""
    n = len(p.demand)
    pool, cost, used = np.empty(n, np.int32), np.empty(n), np.empty(n)
    room, quota_room = p.capacity.copy(), p.quota_limit.copy()
    for i in range(n):
        pool[i], cost[i], used[i] = choose(p, prices, room, quota_room, i)
        if pool[i] >= 0:
            take(p, room, quota_room, i, pool[i], used[i])
    return Placed(pool, cost, used, room, quota_room)


@compiled
def place_one(p: Problem, prices: Prices, room: Floats, quota_room: Floats, i: int) -> tuple[int, float]:
    """Place demand i now: takes the room; the pool or -1, and c or what not serving costs."""
    to, cost, used = choose(p, prices, room, quota_room, i)
    if to >= 0:
        take(p, room, quota_room, i, to, used)
    return to, cost
