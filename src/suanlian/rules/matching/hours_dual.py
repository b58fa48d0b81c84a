"""Shadow prices by the hour: Newton on the smoothed dual, as in ``dual``, over starts instead of pools.

A start holds all slots of a window alike: loads are kept as changes from slot to slot and summed up at the end, and
what a direction costs along a window is a difference of its sums. Rows and slots are one vector, row after row.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.dual import (
    CLIP,
    CLOSE,
    DECIDED,
    FAR,
    LENGTHS,
    LITTLE,
    REACH,
    Sample,
    dot,
    excess_of,
    movable,
    resistance,
    toward,
    worth_of,
)
from suanlian.rules.matching.hours_problem import Hourly, amount, has_room, parts, row
from suanlian.rules.matching.hours_scan import Starts, scarcity
from suanlian.rules.matching.problem import NEVER, Rows

SOLVE: Final = 25
"""Conjugate gradients take so many steps at most."""


class SpreadStarts(NamedTuple):
    """Undecided demands with their shares: demand n has entries first[n]:first[n + 1]; bend is times / temperature."""

    demand: Ints
    first: Ints
    bend: Floats
    pool: Rows
    start: Rows
    end: Rows
    share: Floats


@inner
def sums_of(table: Floats) -> Floats:
    """[rows, T + 1] what stands before each slot."""
    rows, slots = table.shape
    out = np.zeros((rows, slots + 1))
    for at in range(rows):
        for t in range(slots):
            out[at, t + 1] = out[at, t] + table[at, t]
    return out


@inner
def summed_changes(changes: Floats) -> Floats:
    """A vector of rows by slots out of the changes [rows, T + 1] from slot to slot."""
    rows, slots = changes.shape[0], changes.shape[1] - 1
    out = np.empty(rows * slots)
    for at in range(rows):
        total = 0.0
        for t in range(slots):
            total += changes[at, t]
            out[at * slots + t] = total
    return out


@within
def change(h: Hourly, changes: Floats, i: int, j: int, start: int, end: int, times: float) -> None:
    """Add ``times`` a demand in these slots to the changes."""
    for r in range(parts(h, i)):
        at, much = row(h, j, r), times * amount(h, i, j, r)
        changes[at, start] += much
        changes[at, end] -= much


@within
def _share_out(
    h: Hourly, sums: Floats, best: Starts, room: Floats, i: int, n: int, tau: float, share: Floats
) -> tuple[float, int]:
    """Shares of the starts of list n in ``share``; the smoothed least cost and how many starts the list has."""
    outside = h.p.demand[i].outside
    least, count = outside, 0
    for at in range(best.pool.shape[1]):
        j = best.pool[n, at]
        if j < 0:
            break
        count += 1
        share[n, at] = NEVER
        if has_room(h, room, i, j, best.start[n, at], best.end[n, at]):
            share[n, at] = best.cost[n, at] + scarcity(h, sums, i, j, best.start[n, at], best.end[n, at])
            least = min(least, share[n, at])
    total = math.exp((least - outside) / tau) if outside - least < FAR * tau else 0.0
    for at in range(count):
        above = (share[n, at] - least) / tau
        share[n, at] = math.exp(-above) if above < FAR else 0.0
        total += share[n, at]
    for at in range(count):
        share[n, at] /= total
    return least - tau * math.log(total), count


@inner
def _loads(
    h: Hourly, at: Floats, best: Starts, sample: Sample, room: Floats, tau: float, share: Floats
) -> tuple[float, Floats, int]:
    """The smoothed dual but for the value of the room, loads, and how many entries have a share. Writes ``share``."""
    rows, slots = h.capacity.shape
    sums = sums_of(at.reshape(rows, slots))
    changes = np.zeros((rows, slots + 1))
    value, entries = 0.0, 0
    for n_i in range(len(sample.rows)):
        i, n, times = sample.rows[n_i], sample.lists[n_i], sample.times[n_i]
        smooth, count = _share_out(h, sums, best, room, i, n, tau * h.p.demand[i].work, share)
        value += times * smooth
        for e in range(count):
            if share[n, e] > 0.0:
                change(h, changes, i, best.pool[n, e], best.start[n, e], best.end[n, e], times * share[n, e])
                entries += 1
    return value, summed_changes(changes), entries


@inner
def _spread(h: Hourly, best: Starts, sample: Sample, share: Floats, entries: int, tau: float) -> SpreadStarts:
    """What bends the dual, packed: demands with less than all at one start."""
    n, kept = len(sample.rows), best.pool.shape[1]
    demand, first, bend = np.empty(n, np.int64), np.zeros(n + 1, np.int64), np.empty(n)
    pool, start, end = np.empty(entries, np.int32), np.empty(entries, np.int32), np.empty(entries, np.int32)
    part = np.empty(entries)
    count, top = 0, 0
    for n_i in range(n):
        i, line = sample.rows[n_i], sample.lists[n_i]
        for at in range(kept):
            if best.pool[line, at] < 0 or share[line, at] > 1.0 - DECIDED:
                break
            if share[line, at] > LITTLE:
                pool[top], part[top] = best.pool[line, at], share[line, at]
                start[top], end[top] = best.start[line, at], best.end[line, at]
                top += 1
        if top > first[count]:
            demand[count], bend[count] = i, sample.times[n_i] / (tau * h.p.demand[i].work)
            count += 1
            first[count] = top
    return SpreadStarts(demand[:count], first[: count + 1], bend[:count], pool, start, end, part)


@inner
def _product(h: Hourly, s: SpreadStarts, x: Floats) -> Floats:
    """The Hessian, its sign turned, times x."""
    rows, slots = h.capacity.shape
    sums = sums_of(x.reshape(rows, slots))
    changes = np.zeros((rows, slots + 1))
    along = np.empty(64)
    for n in range(len(s.demand)):
        i, first, end = s.demand[n], s.first[n], s.first[n + 1]
        if end - first > len(along):
            along = np.empty(end - first)
        mean = 0.0
        for e in range(first, end):
            along[e - first] = scarcity(h, sums, i, s.pool[e], s.start[e], s.end[e])
            mean += s.share[e] * along[e - first]
        for e in range(first, end):
            g = s.bend[n] * s.share[e] * (along[e - first] - mean)
            change(h, changes, i, s.pool[e], s.start[e], s.end[e], g)
    return summed_changes(changes)


@inner
def _diagonal(h: Hourly, s: SpreadStarts) -> Floats:
    """The diagonal of the Hessian, its sign turned, as if starts on one pool were independent."""
    changes = np.zeros((h.capacity.shape[0], h.capacity.shape[1] + 1))
    for n in range(len(s.demand)):
        i = s.demand[n]
        for e in range(s.first[n], s.first[n + 1]):
            g = s.bend[n] * s.share[e] * (1.0 - s.share[e])
            for r in range(parts(h, i)):
                at, much = row(h, s.pool[e], r), amount(h, i, s.pool[e], r)
                changes[at, s.start[e]] += g * much * much
                changes[at, s.end[e]] -= g * much * much
    diagonal: Floats = np.maximum(summed_changes(changes), 0.0)
    return diagonal


@inner
def _direction(h: Hourly, s: SpreadStarts, rise: Floats, free: Floats, ridge: Floats, steps: int) -> Floats:
    """Conjugate gradients for (Hessian + ridge) * x = rise where ``free`` is 1."""
    inverse = free / (_diagonal(h, s) + ridge)
    x = np.zeros(len(rise))
    residual = rise * free
    z = inverse * residual
    conjugate, energy = z, dot(residual, z)
    until = CLOSE**2 * energy
    for _ in range(steps):
        if energy <= until:
            break
        turned = free * (_product(h, s, conjugate) + ridge * conjugate)
        length = energy / dot(conjugate, turned)
        x = x + length * conjugate
        residual = residual - length * turned
        z = inverse * residual
        before, energy = energy, dot(residual, z)
        conjugate = z + (energy / before) * conjugate
    return x


@compiled
def ascend_hours(
    h: Hourly, prices: Floats, best: Starts, sample: Sample, room: Floats, tau: float, steps: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Prices [rows, T] after ``steps`` Newton steps on the smoothed dual at temperature tau (CNY per reference hour).

    ``room`` is what is left for the demands of the sample. Returns too, at these prices, the shares [lists, kept], and
    by row and slot, as one vector, how much more than the room is expected and how much of it a unit of price drives
    away.
    """
    left = room.flatten()
    share = np.zeros(best.pool.shape)
    at = prices.flatten()
    value, load, entries = _loads(h, at, best, sample, room, tau, share)
    rise = excess_of(load, left)
    value -= worth_of(at, left)
    for _ in range(steps):
        bent = _spread(h, best, sample, share, entries, tau)
        step = _direction(h, bent, rise, movable(at, rise), resistance(load, left, REACH * tau), SOLVE)
        to, new = at, value
        for length in LENGTHS:
            to = toward(at, step, length, CLIP * tau)
            new, load, entries = _loads(h, to, best, sample, room, tau, share)
            new -= worth_of(to, left)
            if new >= value:
                break
        at, value, rise = to, new, excess_of(load, left)
    slope = _diagonal(h, _spread(h, best, sample, share, entries, tau))
    return at.reshape(prices.shape).copy(), share, rise, slope
