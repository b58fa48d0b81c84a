"""Better plans: one demand makes room for another where both together cost less, then nobody has a cheaper start."""

from typing import Final

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, within
from suanlian.rules.matching.hours_firstcome import Begun
from suanlian.rules.matching.hours_problem import Hourly, amount, has_room, row, take
from suanlian.rules.matching.hours_scan import Starts
from suanlian.rules.matching.problem import NEVER

TINY: Final = 1e-9
"""Less than this share of a cost is no gain but rounding."""


@within
def _cheapest_listed(h: Hourly, best: Starts, now: Begun, k: int) -> tuple[int, float]:
    """The cheapest start of demand k's list with room; -1 and what not serving costs if there is none."""
    to, least = -1, h.p.demand[k].outside
    for at in range(best.pool.shape[1]):
        j = best.pool[k, at]
        if j < 0:
            break
        if best.cost[k, at] < least and has_room(h, now.room, k, j, best.start[k, at], best.end[k, at]):
            to, least = at, best.cost[k, at]
    return to, least


@within
def _short(h: Hourly, now: Begun, i: int, j: int, start: int, end: int) -> tuple[int, int]:
    """The first and the last slot in which the primary resource has no room for demand i; end and start - 1 if none."""
    first, last = end, start - 1
    at, much = row(h, j, 0), amount(h, i, j, 0)
    for t in range(start, end):
        if much > now.room[at, t]:
            first, last = min(first, t), t
    return first, last


@within
def _gain(h: Hourly, best: Starts, now: Begun, i: int, at: int, k: int) -> float:
    """What both save if demand i, which holds nothing, takes its start ``at``, and k leaves that pool for it."""
    j, start, end = best.pool[i, at], best.start[i, at], best.end[i, at]
    take(h, now.room, k, j, now.start[k], now.end[k], -1.0)
    gain = -NEVER
    if has_room(h, now.room, i, j, start, end):
        take(h, now.room, i, j, start, end, 1.0)
        _, cost = _cheapest_listed(h, best, now, k)
        gain = now.cost[i] - best.cost[i, at] + now.cost[k] - cost
        take(h, now.room, i, j, start, end, -1.0)
    take(h, now.room, k, j, now.start[k], now.end[k], 1.0)
    return float(gain)


@within
def _put(h: Hourly, best: Starts, now: Begun, i: int, at: int) -> None:
    """Demand i, which holds nothing, to a start of its list; -1: it is not served."""
    now.pool[i], now.start[i], now.end[i], now.cost[i] = -1, -1, -1, h.p.demand[i].outside
    if at >= 0:
        now.pool[i], now.start[i] = best.pool[i, at], best.start[i, at]
        now.end[i], now.cost[i] = best.end[i, at], best.cost[i, at]
        take(h, now.room, i, now.pool[i], now.start[i], now.end[i], 1.0)


@compiled
def eject_starts(h: Hourly, best: Starts, now: Begun, order: Ints, budget: int) -> float:
    """Each demand in order to a start of its list out of which at most one other goes, where both together cost less.

    Looks at ``budget`` others at most. Returns what was saved.
    """
    by_pool = np.argsort(now.pool, kind="mergesort")
    first = np.searchsorted(now.pool[by_pool], np.arange(len(h.p.pool) + 1))
    saved = 0.0
    for i in order:
        if budget <= 0:
            break
        was, start, end = now.pool[i], now.start[i], now.end[i]
        if was >= 0:
            take(h, now.room, i, was, start, end, -1.0)
        gain, to, out = TINY * now.cost[i], -1, -1
        for at in range(best.pool.shape[1]):
            j = best.pool[i, at]
            if j < 0 or budget <= 0:
                break
            if now.cost[i] - best.cost[i, at] <= gain:
                continue
            low, high = _short(h, now, i, j, best.start[i, at], best.end[i, at])
            for n in range(first[j], first[j + 1]):
                k = by_pool[n]
                budget -= 1
                if k != i and now.pool[k] == j and now.start[k] <= low and now.end[k] > high:
                    better = _gain(h, best, now, i, at, k)
                    if better > gain:
                        gain, to, out = better, at, k
        if to >= 0:
            take(h, now.room, out, now.pool[out], now.start[out], now.end[out], -1.0)
            _put(h, best, now, i, to)
            _put(h, best, now, out, _cheapest_listed(h, best, now, out)[0])
            saved += gain
        elif was >= 0:
            take(h, now.room, i, was, start, end, 1.0)
    return saved


def by_loss(h: Hourly, prices: Floats, least: Floats, now: Begun) -> Ints:
    """Demands that lose by where they are, the largest loss first; ``least``: what each costs at least, with scarcity.

    The primary resource counts with its shadow prices, others do not: it is an order, no more.
    """
    primary = prices[np.maximum(now.pool, 0) * h.base.shape[1]]
    until = np.concatenate([np.zeros((len(primary), 1)), np.cumsum(primary, axis=1)], axis=1)
    rows = np.arange(len(until))
    window = until[rows, np.maximum(now.end, 0)] - until[rows, np.maximum(now.start, 0)]
    loss = now.cost + np.where(now.pool >= 0, h.p.demand["units"] * window, 0.0) - least
    order = np.argsort(-loss, kind="stable")
    losing: Ints = order[loss[order] > 0.0]
    return losing
