"""Shadow prices: Newton on the smoothed dual, where each demand spreads over its best pools instead of taking one.

With temperature tau each demand weighs pools by exp(-reduced cost / (tau * its work)); the loads that follow are smooth
in the prices, and Newton finds the prices at which every pool is filled and none overfilled. The Hessian is never
formed: it is a sum over demands that have not decided, and conjugate gradients need only its product with a vector.
Lower temperatures give sharper prices. All in float64: in float32 the last steps are lost in rounding.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.firstcome import has_room
from suanlian.rules.matching.problem import NEVER, Problem, Rows
from suanlian.rules.matching.scan import Best, Prices, quota_row, scarcity

FAR: Final = 18.0
"""A pool so many temperatures above the best has no share."""
DECIDED: Final = 1e-3
"""A demand with less than this elsewhere than at its best pool does not bend the dual."""
LITTLE: Final = 1e-4
"""A share below this bends nothing."""
REACH: Final = 300.0
"""A row without undecided demands moves by so many temperatures at most for a load of twice its room."""
CLIP: Final = 10.0
"""No price moves further than so many temperatures in one step: the smoothed dual is known only near by."""
LENGTHS: Final = (1.0, 0.3, 0.09, 0.03)
"""Parts of a step that are tried until the dual rises."""
EMPTY: Final = 1e-9
SOLVE: Final = 12
"""Conjugate gradients take so many steps at most."""
CLOSE: Final = 0.02
"""Conjugate gradients stop at this share of the first residual."""


class Sample(NamedTuple):
    """Demands that stand for all: rows, the row of each in the lists, and how many each stands for."""

    rows: Ints
    lists: Ints
    times: Floats


class Room(NamedTuple):
    """What is left: [M, R] hours of pools, [E] of quotas."""

    pools: Floats
    quotas: Floats


class Spread(NamedTuple):
    """Undecided demands with their shares: demand n has entries start[n]:start[n + 1]; bend is times / temperature."""

    row: Ints
    start: Ints
    bend: Floats
    pool: Rows
    quota: Rows
    share: Floats
    used: Floats


@within
def _share_out(
    p: Problem, prices: Prices, best: Best, room: Room, i: int, n: int, tau: float, share: Floats
) -> tuple[float, int]:
    """Shares of the pools of list n in ``share``; returns the smoothed least cost and how many pools the list has."""
    outside = p.demand[i].outside
    least = outside
    count = 0
    for at in range(best.pool.shape[1]):
        j = best.pool[n, at]
        if j < 0:
            break
        count += 1
        share[n, at] = NEVER
        if has_room(p, room.pools, room.quotas, i, j, best.used[n, at]):
            share[n, at] = best.cost[n, at] + scarcity(p, prices, i, j, best.used[n, at])
            least = min(least, share[n, at])
    total = math.exp((least - outside) / tau) if outside - least < FAR * tau else 0.0
    for at in range(count):
        above = (share[n, at] - least) / tau
        share[n, at] = math.exp(-above) if above < FAR else 0.0
        total += share[n, at]
    for at in range(count):
        share[n, at] /= total
    return least - tau * math.log(total), count


@within
def add(p: Problem, load: Floats, i: int, j: int, used: float, times: float) -> None:
    """Add ``times`` a demand at a pool to the loads of rows: M * R of pools, then those of quotas."""
    resources = p.capacity.shape[1]
    load[j * resources] += times * used
    for r in range(resources - 1):
        load[j * resources + 1 + r] += times * used * p.need[i, r]
    if p.demand[i].group >= 0:
        load[p.capacity.size + quota_row(p, i, j)] += times * p.demand[i].counts


@inner
def loads(
    p: Problem, prices: Prices, best: Best, sample: Sample, room: Room, tau: float, share: Floats
) -> tuple[float, Floats, int]:
    """The smoothed dual but for the value of the room, loads of rows, and the number of undecided entries.

    Writes ``share`` [lists, kept]; a share of -1 follows those of a demand that has decided.
    """
    load = np.zeros(p.capacity.size + len(p.quota_limit))
    value, entries = 0.0, 0
    for row in range(len(sample.rows)):
        i, n, times = sample.rows[row], sample.lists[row], sample.times[row]
        smooth, count = _share_out(p, prices, best, room, i, n, tau * p.demand[i].work, share)
        value += times * smooth
        for at in range(count):
            if share[n, at] > 0.0:
                add(p, load, i, best.pool[n, at], best.used[n, at], times * share[n, at])
                entries += 1
    return value, load, entries


@inner
def spread(p: Problem, best: Best, sample: Sample, share: Floats, entries: int, tau: float) -> Spread:
    """What bends the dual, packed: demands with less than all at one pool."""
    n, kept = len(sample.rows), best.pool.shape[1]
    row, start, bend = np.empty(n, np.int64), np.zeros(n + 1, np.int64), np.empty(n)
    pool, quota = np.empty(entries, np.int32), np.full(entries, -1, np.int32)
    part, used = np.empty(entries), np.empty(entries)
    count, end = 0, 0
    for n_i in range(n):
        i, line = sample.rows[n_i], sample.lists[n_i]
        for at in range(kept):
            if best.pool[line, at] < 0 or share[line, at] > 1.0 - DECIDED:
                break
            if share[line, at] > LITTLE:
                pool[end], used[end], part[end] = best.pool[line, at], best.used[line, at], share[line, at]
                if p.demand[i].group >= 0:
                    quota[end] = p.capacity.size + quota_row(p, i, best.pool[line, at])
                end += 1
        if end > start[count]:
            row[count], bend[count] = i, sample.times[n_i] / (tau * p.demand[i].work)
            count += 1
            start[count] = end
    return Spread(row[:count], start[: count + 1], bend[:count], pool, quota, part, used)


@within
def _along(p: Problem, s: Spread, i: int, at: int, x: Floats) -> float:
    """How much dearer an entry gets along x."""
    resources = p.capacity.shape[1]
    row = s.pool[at] * resources
    unit = x[row]
    for r in range(resources - 1):
        unit += p.need[i, r] * x[row + 1 + r]
    rise = s.used[at] * unit
    if s.quota[at] >= 0:
        rise += p.demand[i].counts * x[s.quota[at]]
    return float(rise)


@inner
def product(p: Problem, s: Spread, x: Floats) -> Floats:
    """The Hessian, its sign turned, times x."""
    out = np.zeros(len(x))
    resources = p.capacity.shape[1]
    for n in range(len(s.row)):
        i = s.row[n]
        mean = 0.0
        for at in range(s.start[n], s.start[n + 1]):
            mean += s.share[at] * _along(p, s, i, at, x)
        for at in range(s.start[n], s.start[n + 1]):
            g = s.bend[n] * s.share[at] * (_along(p, s, i, at, x) - mean)
            row = s.pool[at] * resources
            out[row] += g * s.used[at]
            for r in range(resources - 1):
                out[row + 1 + r] += g * s.used[at] * p.need[i, r]
            if s.quota[at] >= 0:
                out[s.quota[at]] += g * p.demand[i].counts
    return out


@inner
def diagonal(p: Problem, s: Spread, rows: int) -> Floats:
    """The diagonal of the Hessian, its sign turned."""
    out = np.zeros(rows)
    resources = p.capacity.shape[1]
    for n in range(len(s.row)):
        i = s.row[n]
        for at in range(s.start[n], s.start[n + 1]):
            g = s.bend[n] * s.share[at] * (1.0 - s.share[at])
            row = s.pool[at] * resources
            out[row] += g * s.used[at] ** 2
            for r in range(resources - 1):
                out[row + 1 + r] += g * (s.used[at] * p.need[i, r]) ** 2
            if s.quota[at] >= 0:
                out[s.quota[at]] += g * p.demand[i].counts ** 2
    return out


@inner
def direction(p: Problem, s: Spread, rise: Floats, free: Floats, ridge: Floats) -> Floats:
    """Conjugate gradients for (Hessian + ridge) * x = rise on the rows where ``free`` is 1."""
    inverse = free / (diagonal(p, s, len(rise)) + ridge)
    x = np.zeros(len(rise))
    residual = rise * free
    z = inverse * residual
    conjugate, energy = z, dot(residual, z)
    until = CLOSE**2 * energy
    for _ in range(SOLVE):
        if energy <= until:
            break
        turned = free * (product(p, s, conjugate) + ridge * conjugate)
        length = energy / dot(conjugate, turned)
        x = x + length * conjugate
        residual = residual - length * turned
        z = inverse * residual
        before, energy = energy, dot(residual, z)
        conjugate = z + (energy / before) * conjugate
    return x


@inner
def dot(x: Floats, y: Floats) -> float:
    """One order of adding, whatever the linear algebra of the machine does."""
    total = 0.0
    for n in range(len(x)):
        total += x[n] * y[n]
    return total


@compiled
def ascend(
    p: Problem, prices: Prices, best: Best, sample: Sample, room: Room, tau: float, steps: int
) -> tuple[Prices, Floats, Floats, Floats]:
    """Prices after ``steps`` Newton steps on the smoothed dual at temperature tau (CNY per reference hour).

    ``room`` is what is left for the demands of the sample: all there is, or what those decided before them leave.
    Returns too, at these prices, the shares [lists, kept], how much more than its room each row expects, and how much
    its load falls for a unit of its price.
    """
    left = _rows(room.pools, room.quotas)
    share = np.zeros(best.pool.shape)
    at = _rows(prices.pools, prices.quotas)
    value, load, entries = loads(p, prices, best, sample, room, tau, share)
    rise = excess_of(load, left)
    value -= worth_of(at, left)
    for _ in range(steps):
        bent = spread(p, best, sample, share, entries, tau)
        step = direction(p, bent, rise, movable(at, rise), resistance(load, left, REACH * tau))
        to, new = at, value
        for length in LENGTHS:
            to = toward(at, step, length, CLIP * tau)
            new, load, entries = loads(p, _unpacked(p, to), best, sample, room, tau, share)
            new -= worth_of(to, left)
            if new >= value:
                break
        at, value, rise = to, new, excess_of(load, left)
    slope = diagonal(p, spread(p, best, sample, share, entries, tau), len(at))
    return _unpacked(p, at), share, rise, slope


@inner
def _rows(pools: Floats, quotas: Floats) -> Floats:
    """One vector of rows: those of pools, then those of quotas."""
    out = np.empty(pools.size + len(quotas))
    out[: pools.size] = pools.flatten()
    out[pools.size :] = quotas
    return out


@inner
def movable(at: Floats, rise: Floats) -> Floats:
    """1 for rows that may move: a price of zero stays where there is room."""
    out = np.zeros(len(at))
    for n in range(len(at)):
        if at[n] > 0.0 or rise[n] > 0.0:
            out[n] = 1.0
    return out


@inner
def toward(at: Floats, step: Floats, length: float, most: float) -> Floats:
    """Prices after a part of a step that is cut at ``most``; none is negative."""
    out = np.empty(len(at))
    for n in range(len(at)):
        out[n] = max(at[n] + length * min(max(step[n], -most), most), 0.0)
    return out


@inner
def excess_of(load: Floats, left: Floats) -> Floats:
    """How much more than its room each row expects; a row without end expects less."""
    out = np.empty(len(load))
    for n in range(len(load)):
        out[n] = load[n] - left[n] if left[n] < NEVER else -1.0
    return out


@inner
def worth_of(at: Floats, left: Floats) -> float:
    """What the room is worth at these prices."""
    total = 0.0
    for n in range(len(at)):
        if at[n] > 0.0:
            total += at[n] * left[n]
    return total


@inner
def resistance(load: Floats, left: Floats, reach: float) -> Floats:
    """So much every row resists: a load of twice the room moves the price by ``reach`` at most."""
    out = np.empty(len(load))
    for n in range(len(load)):
        out[n] = (load[n] + (left[n] if left[n] < NEVER else 0.0) + EMPTY) / reach
    return out


@inner
def _unpacked(p: Problem, rows: Floats) -> Prices:
    """Prices out of one vector of rows."""
    cut = p.capacity.size
    return Prices(rows[:cut].reshape(p.capacity.shape).copy(), rows[cut:].copy())
