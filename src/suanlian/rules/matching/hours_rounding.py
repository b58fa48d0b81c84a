"""From prices by the hour to whole decisions: lot by lot, the largest first, as in ``rounding``.

Whom no start of its list has room for gets the best start anywhere that has, as long as there is one.
"""

from typing import Final

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.dual import Sample
from suanlian.rules.matching.hours_dual import ascend_hours, sums_of
from suanlian.rules.matching.hours_firstcome import Begun
from suanlian.rules.matching.hours_problem import Hourly, amount, has_room, parts, row, take
from suanlian.rules.matching.hours_scan import (
    Starts,
    Windows,
    best_starts,
    cheapest_start,
    hourly_lists,
    scarcity,
    windows,
)
from suanlian.rules.matching.problem import NEVER, Classes
from suanlian.rules.matching.rounding import GIVE, NOTHING, Lot
from suanlian.rules.matching.scan import Lists, pair, passes

STIFF: Final = 4.0
"""How much a slot that expects too much adds to its price, in units of what its undecided demands answer to."""


@inner
def reduced_starts(h: Hourly, prices: Floats, best: Starts, rows: Ints) -> Floats:
    """[N, kept] reduced costs of the lists, which are of the demands ``rows``."""
    sums = sums_of(prices)
    out = np.full(best.pool.shape, NEVER)
    for n in range(len(rows)):
        for at in range(best.pool.shape[1]):
            j = best.pool[n, at]
            if j < 0:
                break
            out[n, at] = best.cost[n, at] + scarcity(h, sums, rows[n], j, best.start[n, at], best.end[n, at])
    return out


@inner
def _regrets(h: Hourly, reduced: Floats, rows: Ints, density: bool) -> Floats:
    """[N] what a demand loses that does not get its best start, per reference hour if ``density``."""
    n, kept = reduced.shape
    out = np.empty(n)
    for i in range(n):
        first, second = NEVER, h.p.demand[rows[i]].outside
        for at in range(kept):
            value = reduced[i, at]
            if value < first:
                first, second = value, min(first, second)
            elif value < second:
                second = value
        out[i] = second - first if first < NEVER else -NEVER
        if density:
            out[i] /= h.p.demand[rows[i]].work
    return out


@within
def _expect(h: Hourly, excess: Floats, i: int, best: Starts, n: int, at: int, times: float) -> None:
    """Add ``times`` the demand at that start of its list to what rows expect."""
    j = best.pool[n, at]
    for r in range(parts(h, i)):
        line, much = row(h, j, r), times * amount(h, i, j, r)
        for t in range(best.start[n, at], best.end[n, at]):
            excess[line, t] += much


@within
def _crowding(h: Hourly, prices: Floats, excess: Floats, stiff: Floats, i: int, best: Starts, n: int, at: int) -> float:
    """How much dearer than the shadow prices the room is, by what is expected there; no room is cheaper than free."""
    out = 0.0
    j = best.pool[n, at]
    for r in range(parts(h, i)):
        line, much = row(h, j, r), amount(h, i, j, r)
        for t in range(best.start[n, at], best.end[n, at]):
            out += much * max(stiff[line, t] * (excess[line, t] + 0.5 * much), -prices[line, t])
    return out


@compiled
def settle_starts(
    h: Hourly, prices: Floats, best: Starts, rows: Ints, members: Ints, now: Begun, share: Floats, excess: Floats,
    stiff: Floats, density: bool,
) -> None:  # fmt: skip
    """Each of the members, in the order of regret, to the start of its list with room that costs least.

    Lists are of the demands ``rows``, members are rows of lists. ``excess`` [rows, T] is how much more than its room a
    row expects, of those decided and of the shares of those who are not; ``stiff`` what a unit of it adds to the price.
    Both follow each decision.
    """
    reduced = reduced_starts(h, prices, best, rows)
    regret = _regrets(h, reduced, rows, density)
    for n in members[np.argsort(-regret[members], kind="mergesort")]:
        i = rows[n]
        least, to = h.p.demand[i].outside, -1
        for at in range(best.pool.shape[1]):
            if best.pool[n, at] < 0:
                break
            if share[n, at] > 0.0:
                _expect(h, excess, i, best, n, at, -share[n, at])
        for at in range(best.pool.shape[1]):
            j = best.pool[n, at]
            if j < 0:
                break
            if has_room(h, now.room, i, j, best.start[n, at], best.end[n, at]):
                value = reduced[n, at] + _crowding(h, prices, excess, stiff, i, best, n, at)
                if value < least:
                    least, to = value, at
        if to >= 0:
            now.pool[i], now.cost[i] = best.pool[n, to], best.cost[n, to]
            now.start[i], now.end[i] = best.start[n, to], best.end[n, to]
            take(h, now.room, i, now.pool[i], now.start[i], now.end[i], 1.0)
            _expect(h, excess, i, best, n, to, 1.0)


def decide_starts(
    h: Hourly, of: Classes, prices: Floats, now: Begun, lots: tuple[Lot, ...], kept: int, scale: float
) -> Floats:
    """Place all demands, lot by lot. ``scale`` is the mean price in CNY per reference hour. Returns the last prices."""
    work = h.p.demand["work"]
    by_size = np.argsort(-work, kind="stable")
    done = np.cumsum(work[by_size])
    first, shape = 0, h.capacity.shape
    for lot in lots:
        end = len(work) if lot.until >= 1 else int(np.searchsorted(done, lot.until * done[-1]))
        if end <= first:
            continue
        rows = by_size[first:]
        best, _, _ = best_starts(h, of, prices, now.room, rows, kept)
        sample = Sample(rows, np.arange(len(rows)), np.ones(len(rows)))
        prices, share, excess, slope = ascend_hours(h, prices, best, sample, now.room, lot.tau * scale, lot.steps)
        stiff = STIFF / (slope + (excess + 2 * now.room.ravel() + NOTHING) / (scale * GIVE))
        settle_starts(
            h, prices, best, rows, np.arange(end - first), now, share, excess.reshape(shape), stiff.reshape(shape),
            lot.density,
        )  # fmt: skip
        first = end
    return prices


@within
def _anywhere(
    h: Hourly, of: Classes, by: Lists, w: Windows, now: Begun, i: int, below: float
) -> tuple[int, int, int, float]:
    """The start with room that costs least by the prices of ``w``, below so much: pool, slots and c; -1 if none."""
    d = h.p.demand[i]
    to, start, end, cost = -1, -1, -1, NEVER
    if d.home >= 0 and passes(h.p, i, d.home) and pair(h.p, i, d.home)[0] < below:
        t, until, c, value = cheapest_start(h, w, now.room, i, d.home, below)
        if t >= 0:
            to, start, end, cost, below = d.home, t, until, c, value
    for at in range(by.start[d.klass], by.start[d.klass + 1]):
        if by.least[at] * d.work + d.moving >= below:
            break
        j = by.pool[at]
        if j != d.home and (of.masked or passes(h.p, i, j)) and pair(h.p, i, j)[0] < below:
            t, until, c, value = cheapest_start(h, w, now.room, i, j, below)
            if t >= 0:
                to, start, end, cost, below = j, t, until, c, value
    return to, start, end, cost


@compiled
def refill(h: Hourly, of: Classes, prices: Floats, now: Begun, order: Ints) -> int:
    """Each unserved demand in order to the best start anywhere that has room; how many found one."""
    by, w = hourly_lists(h, of, prices), windows(h, prices)
    found = 0
    for i in order:
        if now.pool[i] >= 0:
            continue
        to, start, end, cost = _anywhere(h, of, by, w, now, i, h.p.demand[i].outside)
        if to >= 0:
            now.pool[i], now.start[i], now.end[i], now.cost[i] = to, start, end, cost
            take(h, now.room, i, to, start, end, 1.0)
            found += 1
    return found


@compiled
def exhaust_starts(h: Hourly, of: Classes, now: Begun) -> int:
    """Until nobody has a cheaper start with room, in the lists or not; how many moved."""
    free = np.zeros(h.capacity.shape)
    by, w = hourly_lists(h, of, free), windows(h, free)
    moved = 0
    again = True
    while again:
        again = False
        for i in range(len(now.pool)):
            at, start, end = now.pool[i], now.start[i], now.end[i]
            if at >= 0:
                take(h, now.room, i, at, start, end, -1.0)
            to, t, until, cost = _anywhere(h, of, by, w, now, i, now.cost[i])
            if to >= 0:
                at, start, end = to, t, until
                now.pool[i], now.start[i], now.end[i], now.cost[i] = to, t, until, cost
                again = True
                moved += 1
            if at >= 0:
                take(h, now.room, i, at, start, end, 1.0)
    return moved
