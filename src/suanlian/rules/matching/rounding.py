"""From prices to whole decisions: the largest first, and after each lot the prices of what is left are found anew.

In a lot, who would lose most by not getting the best pool chooses first, and leaves room for what the others are
expected to take. A large demand is lumpy: once it is placed, the room that is left and its prices are other ones.
"""

from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.dual import Room, Sample, add, ascend
from suanlian.rules.matching.firstcome import has_room, take
from suanlian.rules.matching.problem import NEVER, Problem, Rows
from suanlian.rules.matching.scan import Best, Prices, quota_row, scarcity

STIFF: Final = 3.0
"""How much a pool that expects too much adds to its price, in units of what its undecided demands answer to."""
GIVE: Final = 0.03
"""A pool where nobody is undecided that expects twice its room adds this share of the mean price, times STIFF."""

NOTHING: Final = 1e-9


class Held(NamedTuple):
    """Who is where: [N] position in the demand's list, -1 not served; [M, R] and [E] room that is left."""

    at: Rows
    room: Floats
    quota_room: Floats


class Lot(NamedTuple):
    """A part of all work, the largest demands first: ``until`` is the share of all reference work that ends it.

    ``steps`` Newton steps at temperature ``tau`` (a share of the mean price) come before it; ``density`` says whether
    demands choose by what they would lose, or by that per reference hour.
    """

    until: float
    tau: float
    steps: int
    density: bool = False


@inner
def reduced_costs(p: Problem, prices: Prices, best: Best, rows: Ints) -> Floats:
    """[rows, kept] reduced costs of the lists of some demands."""
    kept = best.pool.shape[1]
    out = np.full((len(rows), kept), NEVER)
    for row in range(len(rows)):
        i = rows[row]
        for at in range(kept):
            if best.pool[i, at] < 0:
                break
            out[row, at] = best.cost[i, at] + scarcity(p, prices, i, best.pool[i, at], best.used[i, at])
    return out


@inner
def regrets(p: Problem, reduced: Floats, rows: Ints, density: bool) -> Floats:
    """[rows] what a demand loses without its best pool, per reference hour if ``density``; -inf: it has none."""
    out = np.empty(len(rows))
    for row in range(len(rows)):
        i = rows[row]
        first, second = NEVER, p.demand[i].outside
        for value in reduced[row]:
            if value == NEVER:
                break
            if value < first:
                first, second = value, min(first, second)
            elif value < second:
                second = value
        out[row] = second - first if first < NEVER else -NEVER
        if density:
            out[row] /= p.demand[i].work
    return out


@inner
def settle(
    p: Problem,
    prices: Prices,
    best: Best,
    reduced: Floats,
    rows: Ints,
    order: Ints,
    held: Held,
    share: Floats,
    excess: Floats,
    stiff: Floats,
) -> None:
    """Each demand in order to the pool of its list with room that has the least reduced cost, leaving room for others.

    ``order`` is of rows of ``rows`` and ``reduced``.
    ``excess`` [rows] is how much more than its room a row expects, of those decided and of the shares of those who are
    not; ``stiff`` what a unit of it adds to the price. Both follow each decision.
    """
    kept = best.pool.shape[1]
    for row in order:
        i = rows[row]
        for at in range(kept):
            if best.pool[i, at] < 0:
                break
            if share[i, at] > 0.0:
                add(p, excess, i, best.pool[i, at], best.used[i, at], -share[i, at])
        least, to = p.demand[i].outside, -1
        for at in range(kept):
            j, used = best.pool[i, at], best.used[i, at]
            if j < 0:
                break
            if not has_room(p, held.room, held.quota_room, i, j, used):
                continue
            value = reduced[row, at] + _crowding(p, prices, excess, stiff, i, j, used)
            if value < least:
                least, to = value, at
        if to >= 0:
            held.at[i] = to
            take(p, held.room, held.quota_room, i, best.pool[i, to], best.used[i, to])
            add(p, excess, i, best.pool[i, to], best.used[i, to], 1.0)


@within
def _crowding(p: Problem, prices: Prices, excess: Floats, stiff: Floats, i: int, j: int, used: float) -> float:
    """How much dearer than the shadow prices say the room at pool j is, by what is expected there; or how much less."""
    resources = p.capacity.shape[1]
    row = j * resources
    out = _dearer(prices.pools[j, 0], excess[row], stiff[row], used)
    for r in range(resources - 1):
        out += _dearer(prices.pools[j, r + 1], excess[row + 1 + r], stiff[row + 1 + r], used * p.need[i, r])
    if p.demand[i].group >= 0:
        quota = quota_row(p, i, j)
        row = p.capacity.size + quota
        out += _dearer(prices.quotas[quota], excess[row], stiff[row], p.demand[i].counts)
    return float(out)


@within
def _dearer(price: float, excess: float, stiff: float, used: float) -> float:
    """No room is cheaper than free."""
    return used * max(stiff * (excess + 0.5 * used), -price)


def empty(p: Problem) -> Held:
    """Nobody is anywhere."""
    return Held(np.full(len(p.demand), -1, np.int32), p.capacity.copy(), p.quota_limit.copy())


def decide(p: Problem, prices: Prices, best: Best, lots: tuple[Lot, ...], scale: float) -> Held:
    """Place all demands, lot by lot. ``scale`` is the mean price in CNY per reference hour."""
    held = empty(p)
    work = p.demand["work"]
    by_size = np.argsort(-work, kind="stable")
    done = np.cumsum(work[by_size])
    first = 0
    for lot in lots:
        end = len(work) if lot.until >= 1 else int(np.searchsorted(done, lot.until * done[-1]))
        if end <= first:
            continue
        rows = np.sort(by_size[first:])
        sample, room = Sample(rows, rows, np.ones(len(rows))), Room(held.room, held.quota_room)
        prices, share, excess, slope = ascend(p, prices, best, sample, room, lot.tau * scale, lot.steps)
        stiff = _stiff(excess, slope, room, scale)
        settle_lot(p, prices, best, by_size[first:end], held, share, excess, stiff, lot.density)
        first = end
    return held


def _stiff(excess: Floats, slope: Floats, room: Room, scale: float) -> Floats:
    left = np.concatenate([room.pools.ravel(), room.quotas])
    left = np.where(np.isfinite(left), left, 0.0)
    stiff: Floats = STIFF / (slope + (excess + 2 * left + NOTHING) / (scale * GIVE))
    return stiff


@compiled
def settle_lot(
    p: Problem,
    prices: Prices,
    best: Best,
    members: Ints,
    held: Held,
    share: Floats,
    excess: Floats,
    stiff: Floats,
    density: bool,
) -> None:
    """``settle`` for the demands of a lot, in the order of their regret."""
    reduced = reduced_costs(p, prices, best, members)
    order = np.argsort(-regrets(p, reduced, members, density), kind="mergesort")
    settle(p, prices, best, reduced, members, order, held, share, excess, stiff)
