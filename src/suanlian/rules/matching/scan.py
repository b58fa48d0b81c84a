"""For each demand the pools that cost least under given shadow prices, exactly, without looking at all of them.

Pools stand in the order of their price per reference hour, a list for each class of demands. What a pair costs besides
(data, latency, moving, quotas, what is further) is never negative: a list ends as soon as its next price alone exceeds
what was found.
"""

from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import ABSURD_PRICE, Floats, Ints, MatchingError
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.problem import NEVER, Classes, Order, Problem, Rows

SHADE: Final = 1.0 - 1e-12
"""Rounding may put the bound of a list above the cost that it bounds: it is lowered by this much."""


class Prices(NamedTuple):
    """Shadow prices: [M, R] of pools, [E] of quota rows."""

    pools: Floats
    quotas: Floats


class Lists(NamedTuple):
    """Pools by price: those of class k are pool[start[k]:start[k + 1]], with a bound on the cost per reference hour."""

    start: Ints
    pool: Rows
    least: Floats


class Best(NamedTuple):
    """[N, kept] pools by reduced cost, -1 where there are no more; their c and a."""

    pool: Rows
    cost: Floats
    used: Floats


@within
def passes(p: Problem, i: int, j: int) -> bool:
    """Whether the masks of demand i let pool j through."""
    d, q = p.demand[i], p.pool[j]
    if not (d.tiers >> q.tier) & 1 or not (d.jurisdictions >> q.jurisdiction) & 1 or q.green < d.green_min:
        return False
    if p.owners.shape[1]:
        word = p.owners[i, q.owner // 64]
        return bool(((word >> np.uint64(q.owner % 64)) & np.uint64(1)) == 1)
    return True


@within
def pair(p: Problem, i: int, j: int) -> tuple[float, float]:
    """Cost c and hours a of demand i on an empty pool j, masks not asked; infinite cost where it may not go there."""
    d, q = p.demand[i], p.pool[j]
    slow = p.eff[d.kind, q.family]
    latency = p.maps[0, d.region, q.site]
    data, extra, times = d.data_gb, d.moving, d.further_times
    if d.home == j:
        slow *= d.home_share
        times *= d.home_share
        data, extra = 0.0, 0.0
    used = d.work * slow
    if latency > d.latency_max or d.units > q.largest or used > q.room:
        return NEVER, 0.0
    unit = q.price
    for r in range(p.need.shape[1]):
        if used * p.need[i, r] > p.capacity[j, r + 1]:
            return NEVER, 0.0
        unit += p.need[i, r] * p.price[j, r + 1]
    time, rent = d.hours * slow, used * unit
    if data > 0.0:
        time += data * p.maps[2, d.data_region, q.site]
        rent += data * p.maps[1, d.data_region, q.site]
    if times > 0.0:
        extra += times * p.further[d.further_row, q.site]
    cost = rent + used * (q.carbon + d.latency_weight * latency) + extra
    if time <= d.deadline and rent <= d.budget and cost <= d.limit:
        return cost, used
    return NEVER, 0.0


@within
def quota_row(p: Problem, i: int, j: int) -> int:
    """The row of quotas that demand i counts on at pool j. Only for demands of a group."""
    group = p.demand[i].group
    return int(p.groups[0, group] + p.place[p.groups[1, group], j])


@within
def scarcity(p: Problem, prices: Prices, i: int, j: int, used: float) -> float:
    """What the room that demand i takes at pool j costs by shadow prices."""
    unit = prices.pools[j, 0]
    for r in range(p.need.shape[1]):
        unit += p.need[i, r] * prices.pools[j, r + 1]
    cost = used * unit
    if p.demand[i].group >= 0:
        cost += p.demand[i].counts * prices.quotas[quota_row(p, i, j)]
    return float(cost)


@inner
def lists(p: Problem, of: Classes, prices: Prices) -> Lists:
    """The lists of all classes."""
    m, classes = len(p.pool), len(of.example)
    keys, orders = _ordered(p, of, prices)
    start = np.zeros(classes + 1, np.int64)
    pool = np.empty(classes * m, np.int32)
    least = np.empty(classes * m)
    at = 0
    for k in range(classes):
        base, i = of.base[k], of.example[k]
        for n in range(m):
            j = orders[base, n]
            if not keys[base, j] < NEVER:
                break
            if not of.masked or passes(p, i, j):
                pool[at] = j
                least[at] = keys[base, j]
                at += 1
        start[k + 1] = at
    return Lists(start, pool[:at], least[:at])


@inner
def _ordered(p: Problem, of: Classes, prices: Prices) -> tuple[Floats, Rows]:
    """For each base the price of a reference hour at each pool, and pools by it."""
    m, bases = len(p.pool), len(of.kind)
    keys = np.empty((bases, m))
    orders = np.empty((bases, m), np.int32)
    for b in range(bases):
        for j in range(m):
            unit = p.pool[j].price + p.pool[j].carbon + prices.pools[j, 0]
            for r in range(p.need.shape[1]):
                unit += of.least_need[b, r] * (p.price[j, r + 1] + prices.pools[j, r + 1])
            keys[b, j] = p.eff[of.kind[b], p.pool[j].family] * unit * SHADE
        orders[b] = np.argsort(keys[b], kind="mergesort")
    return keys, orders


@compiled
def best(
    p: Problem, of: Classes, prices: Prices, rows: Ints, kept: int, few: int = 0, width: float = NEVER
) -> tuple[Best, Floats, int]:
    """The ``kept`` best pools of each of the demands ``rows``, the least reduced cost of each, and how many were seen.

    Pools that cost more than not serving are left out, and beyond the first ``few`` those that cost more than the best
    by over ``width`` (CNY per reference hour). The least reduced cost includes not serving.
    """
    by = lists(p, of, prices)
    n = len(rows)
    pool = np.full((n, kept), -1, np.int32)
    cost = np.full((n, kept), NEVER)
    used = np.zeros((n, kept))
    least = np.empty(n)
    reduced = np.empty(kept)
    seen = 0
    for row in range(n):
        i = rows[row]
        d = p.demand[i]
        reach = width * d.work
        reduced[:] = NEVER
        if d.home >= 0 and passes(p, i, d.home):
            _offer(p, prices, i, d.home, reduced, pool, cost, used, row)
        for at in range(by.start[d.klass], by.start[d.klass + 1]):
            limit = min(reduced[kept - 1], d.outside)
            if few > 0:
                limit = min(limit, max(reduced[few - 1], reduced[0] + reach))
            if by.least[at] * d.work + d.moving > limit:
                break
            seen += 1
            j = by.pool[at]
            if j != d.home and (of.masked or passes(p, i, j)):
                _offer(p, prices, i, j, reduced, pool, cost, used, row)
        least[row] = min(reduced[0], d.outside)
        for at in range(few if few > 0 else kept, kept):
            if reduced[at] > reduced[0] + reach:
                pool[row, at], cost[row, at], used[row, at] = -1, NEVER, 0.0
    return Best(pool, cost, used), least, seen


@within
def _offer(
    p: Problem, prices: Prices, i: int, j: int, reduced: Floats, pool: Rows, cost: Floats, used: Floats, row: int
) -> None:
    """Put pool j into the list of demand i where it belongs; of equal ones the lower row comes first."""
    c, a = pair(p, i, j)
    if c == NEVER:
        return
    value = c + scarcity(p, prices, i, j, a)
    at = len(reduced) - 1
    if value > p.demand[i].outside or value > reduced[at] or (value == reduced[at] and j > pool[row, at]):
        return
    while at > 0 and (value < reduced[at - 1] or (value == reduced[at - 1] and j < pool[row, at - 1])):
        reduced[at] = reduced[at - 1]
        pool[row, at] = pool[row, at - 1]
        cost[row, at] = cost[row, at - 1]
        used[row, at] = used[row, at - 1]
        at -= 1
    reduced[at] = value
    pool[row, at] = j
    cost[row, at] = c
    used[row, at] = a


def bound_of(p: Problem, prices: Prices, least: Floats) -> float:
    """The dual bound: no matching costs less than this, whatever the prices are."""
    room = float((prices.pools * p.capacity).sum())
    quotas = float((prices.quotas * p.quota_limit)[prices.quotas > 0].sum())
    return float(least.sum()) - room - quotas


def checked_prices(p: Problem, order: Order, prices: Floats, quota_prices: Floats | None) -> Prices:
    """Shadow prices in the order of the problem. Raises MatchingError where they cannot be meant."""
    quotas = np.zeros(len(p.quota_limit)) if quota_prices is None or not quota_prices.size else quota_prices.ravel()
    if prices.shape != p.capacity.shape or len(quotas) != len(p.quota_limit):
        raise MatchingError("shape", f"prices are {prices.shape} and {quotas.shape}, not {p.capacity.shape}")
    for array in (prices, quotas):
        if not ((array >= 0) & (array < ABSURD_PRICE)).all():
            raise MatchingError("price_invalid", "a shadow price is negative, no number, or beyond belief")
    return Prices(np.ascontiguousarray(prices[order.pools], np.float64), quotas.astype(np.float64))
