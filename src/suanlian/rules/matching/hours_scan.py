"""For each demand the starts that cost least under given shadow prices, exactly, without looking at all of them.

Pools stand in the order of the least that an hour costs there in any slot, as in ``scan``. A pool that is looked at has
a second bound: the cheapest window of as many slots as the demand holds, out of those that end in time.
"""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.hours_problem import (
    EPS,
    Hourly,
    Job,
    amount,
    at_start,
    closed_from,
    first_slot,
    job,
    last_slot,
    parts,
    row,
)
from suanlian.rules.matching.problem import NEVER, Classes, Rows
from suanlian.rules.matching.scan import SHADE, Lists, Prices, lists, pair, passes


class Windows(NamedTuple):
    """Shadow prices made ready.

    sums: [rows, T + 1] summed up to each slot. least: [M, T + 1, T] what a unit of the primary resource costs at least
    where so many slots are held from a start up to that one, the last of them for no time. rate: [M] the least price.
    further: [rows] the least shadow price.
    """

    sums: Floats
    least: Floats
    rate: Floats
    further: Floats


class Starts(NamedTuple):
    """[N, kept] starts by reduced cost: pool, -1 where there are no more, slots from start to end, and c."""

    pool: Rows
    start: Rows
    end: Rows
    cost: Floats


@inner
def windows(h: Hourly, prices: Floats) -> Windows:
    """Tables of shadow prices [rows, T]."""
    rows, slots = prices.shape
    m, resources = h.base.shape
    sums, further = np.zeros((rows, slots + 1)), np.empty(rows)
    for at in range(rows):
        for t in range(slots):
            sums[at, t + 1] = sums[at, t] + prices[at, t]
        further[at] = prices[at].min()
    least, rate = np.full((m, slots + 1, slots), NEVER), np.empty(m)
    worth = np.zeros(slots + 1)
    for j in range(m):
        rate[j] = NEVER
        for t in range(slots):
            unit = h.base[j, 0] * h.factor[j, t] + h.carbon[j, t]
            rate[j] = min(rate[j], unit)
            worth[t + 1] = worth[t] + unit * h.length + prices[j * resources, t]
        for held in range(1, slots + 1):
            low = NEVER
            for t in range(slots):
                last = t + held - 1
                if last < slots:
                    low = min(low, worth[last] - worth[t] + prices[j * resources, last])
                least[j, held, t] = low
    return Windows(sums, least, rate, further)


@inner
def hourly_lists(h: Hourly, of: Classes, prices: Floats) -> Lists:
    """Pools by the least that an hour costs there."""
    m, resources = h.base.shape
    low = np.empty((m, resources))
    for j in range(m):
        for r in range(resources):
            low[j, r] = prices[j * resources + r].min() / h.length * (1.0 - 2.0 * EPS)
    return lists(h.p, of, Prices(low, np.zeros(0)))


@within
def scarcity(h: Hourly, sums: Floats, i: int, j: int, start: int, end: int) -> float:
    """What the room that demand i holds costs by shadow prices."""
    out = 0.0
    for r in range(parts(h, i)):
        at = row(h, j, r)
        out += amount(h, i, j, r) * (sums[at, end] - sums[at, start])
    return out


@within
def least_there(h: Hourly, w: Windows, i: int, j: int, of: Job, first: int, last: int) -> float:
    """Demand i costs no less on pool j, whichever of these slots it starts in."""
    d = h.p.demand[i]
    held = max(int(np.ceil(of.hours / h.length - EPS)), 1)
    if held > h.capacity.shape[1]:
        return NEVER
    unit = w.least[j, held, last] + (of.hours - (held - 1) * h.length) * w.rate[j]
    for r in range(1, h.base.shape[1]):
        unit += h.p.need[i, r - 1] * w.further[row(h, j, r)] * held
    whole = (d.units * unit + of.data + of.steady) * SHADE
    if of.ready <= first * h.length:
        return float(whole)
    start = at_start(h, i, j, of, first)
    if start.cost == NEVER:
        return float(whole)
    return float(min(whole, start.cost + scarcity(h, w.sums, i, j, first, start.end) * SHADE))


@within
def cheapest_start(h: Hourly, w: Windows, room: Floats, i: int, j: int, below: float) -> tuple[int, int, float, float]:
    """The start of demand i on pool j with room that costs least, if less than ``below``: slots, c, c and scarcity.

    -1 where there is none; of equal ones the earliest. ``pair`` has said that they go together.
    """
    of = job(h, i, j)
    first, last = first_slot(h, of), last_slot(h, i, of)
    to, until, cost, value = -1, -1, NEVER, NEVER
    if last < first or least_there(h, w, i, j, of, first, last) > below:
        return to, until, cost, value
    slots = h.capacity.shape[1]
    closed = slots
    for t in range(slots - 1, first - 1, -1):
        closed = closed_from(h, room, i, j, t, closed)
        if t > last or closed == t:
            continue
        start = at_start(h, i, j, of, t)
        if start.cost == NEVER or start.end > closed:
            continue
        reduced = start.cost + scarcity(h, w.sums, i, j, t, start.end)
        if reduced < below or reduced == value:
            below, to, until, cost, value = reduced, t, start.end, start.cost, reduced
    return to, until, cost, value


@compiled
def best_starts(
    h: Hourly, of: Classes, prices: Floats, room: Floats, rows: Ints, kept: int
) -> tuple[Starts, Floats, int]:
    """The ``kept`` best starts of each of the demands ``rows``, the least reduced cost of each, and how many were seen.

    Starts without ``room`` [rows, T], and those that cost more than not serving, are left out. The least reduced cost
    includes not serving.
    """
    by, w = hourly_lists(h, of, prices), windows(h, prices)
    n = len(rows)
    out = empty_lists(n, kept)
    least = np.empty(n)
    reduced = np.empty(kept)
    seen = 0
    for at_row in range(n):
        i = rows[at_row]
        d = h.p.demand[i]
        reduced[:] = NEVER
        if d.home >= 0 and passes(h.p, i, d.home):
            _offer(h, w, room, i, d.home, reduced, out, at_row)
        for at in range(by.start[d.klass], by.start[d.klass + 1]):
            if by.least[at] * d.work + d.moving > min(reduced[kept - 1], d.outside):
                break
            j = by.pool[at]
            if j != d.home and (of.masked or passes(h.p, i, j)):
                seen += 1
                _offer(h, w, room, i, j, reduced, out, at_row)
        least[at_row] = min(reduced[0], d.outside)
    return out, least, seen


@within
def _offer(h: Hourly, w: Windows, room: Floats, i: int, j: int, reduced: Floats, out: Starts, at_row: int) -> None:
    """Put the starts on pool j into the list of demand i where they belong."""
    most = min(reduced[len(reduced) - 1], h.p.demand[i].outside)
    least, _ = pair(h.p, i, j)
    if least > most or least == NEVER:
        return
    of = job(h, i, j)
    first, last = first_slot(h, of), last_slot(h, i, of)
    if last < first or least_there(h, w, i, j, of, first, last) > most:
        return
    slots = h.capacity.shape[1]
    closed = slots
    for t in range(slots - 1, first - 1, -1):
        closed = closed_from(h, room, i, j, t, closed)
        if t > last or closed == t:
            continue
        start = at_start(h, i, j, of, t)
        if start.cost == NEVER or start.end > closed:
            continue
        value = start.cost + scarcity(h, w.sums, i, j, t, start.end)
        if value <= h.p.demand[i].outside:
            _insert(reduced, out, at_row, value, j, t, start.end, start.cost)


@within
def _insert(reduced: Floats, out: Starts, at_row: int, value: float, j: int, t: int, end: int, cost: float) -> None:
    """Of equal values the lower pool comes first, then the earlier start."""
    at = len(reduced) - 1
    if not _before(reduced, out, at_row, at, value, j, t):
        return
    while at > 0 and _before(reduced, out, at_row, at - 1, value, j, t):
        reduced[at] = reduced[at - 1]
        out.pool[at_row, at], out.cost[at_row, at] = out.pool[at_row, at - 1], out.cost[at_row, at - 1]
        out.start[at_row, at], out.end[at_row, at] = out.start[at_row, at - 1], out.end[at_row, at - 1]
        at -= 1
    reduced[at] = value
    out.pool[at_row, at], out.cost[at_row, at] = j, cost
    out.start[at_row, at], out.end[at_row, at] = t, end


@within
def _before(reduced: Floats, out: Starts, at_row: int, at: int, value: float, j: int, t: int) -> bool:
    if value != reduced[at]:
        return bool(value < reduced[at])
    if j != out.pool[at_row, at]:
        return bool(j < out.pool[at_row, at])
    return bool(t < out.start[at_row, at])


@inner
def empty_lists(rows: int, kept: int) -> Starts:
    """Lists without entries."""
    start = np.zeros((rows, kept), np.int32)
    return Starts(np.full((rows, kept), -1, np.int32), start, start.copy(), np.full((rows, kept), NEVER))


def bound_of(h: Hourly, prices: Floats, least: Floats) -> float:
    """The dual bound: no plan costs less than this, whatever the prices are."""
    return float(least.sum()) - float((prices * h.capacity).sum())
