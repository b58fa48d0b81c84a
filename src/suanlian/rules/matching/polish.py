"""Better and better: one demand goes where it costs less, and another makes room for it. Never worse than before."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from suanlian.rules.matching.arrays import Floats, Ints
from suanlian.rules.matching.compiled import compiled, inner, within
from suanlian.rules.matching.firstcome import Placed, has_room, take
from suanlian.rules.matching.problem import NEVER, Classes, Problem, Rows
from suanlian.rules.matching.rounding import Held, reduced_costs
from suanlian.rules.matching.scan import Best, Lists, Prices, lists, pair, passes, quota_row

Flags = npt.NDArray[np.bool_]
TINY: Final = 1e-12
"""Less than this share of a cost is no gain but rounding."""


class Members(NamedTuple):
    """Who is at each pool, as chains: [M] first, [N] next and previous; -1 ends."""

    first: Rows
    following: Rows
    previous: Rows


@inner
def members(best: Best, held: Held, pools: int) -> Members:
    """The chains, lower rows first."""
    n = len(held.at)
    out = Members(np.full(pools, -1, np.int32), np.full(n, -1, np.int32), np.full(n, -1, np.int32))
    for i in range(n - 1, -1, -1):
        if held.at[i] >= 0:
            _join(out, i, best.pool[i, held.at[i]])
    return out


@within
def _join(m: Members, i: int, j: int) -> None:
    m.following[i] = m.first[j]
    m.previous[i] = -1
    if m.first[j] >= 0:
        m.previous[m.first[j]] = i
    m.first[j] = i


@within
def _leave(m: Members, i: int, j: int) -> None:
    if m.previous[i] >= 0:
        m.following[m.previous[i]] = m.following[i]
    else:
        m.first[j] = m.following[i]
    if m.following[i] >= 0:
        m.previous[m.following[i]] = m.previous[i]


@within
def _price(p: Problem, best: Best, held: Held, i: int) -> float:
    return float(best.cost[i, held.at[i]] if held.at[i] >= 0 else p.demand[i].outside)


@within
def _move(p: Problem, best: Best, held: Held, m: Members, i: int, to: int) -> None:
    """Demand i to position ``to`` of its list; -1 is nowhere."""
    at = held.at[i]
    if at >= 0:
        take(p, held.room, held.quota_room, i, best.pool[i, at], -best.used[i, at])
        _leave(m, i, best.pool[i, at])
    if to >= 0:
        take(p, held.room, held.quota_room, i, best.pool[i, to], best.used[i, to])
        _join(m, i, best.pool[i, to])
    held.at[i] = to


@within
def _cheapest(p: Problem, best: Best, held: Held, i: int, but: int) -> tuple[int, float]:
    """The cheapest pool of demand i with room, except pool ``but``; -1 and what not serving costs if there is none."""
    to, least = -1, p.demand[i].outside
    for at in range(best.pool.shape[1]):
        j = best.pool[i, at]
        if j < 0:
            break
        if j != but and best.cost[i, at] < least and has_room(p, held.room, held.quota_room, i, j, best.used[i, at]):
            to, least = at, best.cost[i, at]
    return to, least


@inner
def descend(p: Problem, best: Best, held: Held, m: Members, order: Ints) -> int:
    """Each demand in order to a cheaper pool with room; how many moved."""
    moved = 0
    for i in order:
        now = _price(p, best, held, i)
        at = held.at[i]
        to, cost = _cheapest(p, best, held, i, best.pool[i, at] if at >= 0 else -1)
        if to >= 0 and cost < now:
            _move(p, best, held, m, i, to)
            moved += 1
    return moved


@within
def _holds_instead(p: Problem, best: Best, held: Held, i: int, at: int, k: int) -> bool:
    """Whether the pool at position ``at`` of demand i's list has room for i once k has left it."""
    j, used, freed = best.pool[i, at], best.used[i, at], best.used[k, held.at[k]]
    if used > held.room[j, 0] + freed:
        return False
    for r in range(p.need.shape[1]):
        if used * p.need[i, r] > held.room[j, r + 1] + freed * p.need[k, r]:
            return False
    return True


@within
def _elsewhere(p: Problem, best: Best, held: Held, i: int, k: int, but: int) -> tuple[int, float]:
    """As ``_cheapest`` for demand k out of pool ``but``, where what demand i leaves is room too."""
    to, least = _cheapest(p, best, held, k, but)
    if held.at[i] < 0 or p.demand[k].group >= 0:
        return to, least
    left = best.pool[i, held.at[i]]
    for at in range(best.pool.shape[1]):
        if best.pool[k, at] == left and best.cost[k, at] < least and _holds_instead(p, best, held, k, at, i):
            to, least = at, best.cost[k, at]
    return to, least


@inner
def eject(p: Problem, best: Best, held: Held, m: Members, order: Ints, budget: int) -> float:
    """Each demand in order to a cheaper pool out of which one other goes elsewhere, where both together cost less.

    Looks at ``budget`` members at most. Returns what was saved.
    """
    saved = 0.0
    for i in order:
        now = _price(p, best, held, i)
        gain, to, out, out_to = TINY * now, -1, -1, -1
        for at in range(best.pool.shape[1]):
            j = best.pool[i, at]
            if j < 0 or budget <= 0:
                break
            room = now - best.cost[i, at]
            if at == held.at[i] or room <= gain or not _quota_open(p, held, i, j):
                continue
            k = m.first[j]
            while k >= 0:
                budget -= 1
                if _holds_instead(p, best, held, i, at, k):
                    there, cost = _elsewhere(p, best, held, i, k, j)
                    better = room - (cost - _price(p, best, held, k))
                    if better > gain and (there < 0 or not _same_quota(p, i, k)):
                        gain, to, out, out_to = better, at, k, there
                k = m.following[k]
        if to >= 0:
            _move(p, best, held, m, out, -1)
            _move(p, best, held, m, i, to)
            _move(p, best, held, m, out, out_to)
            saved += gain
    return saved


@within
def _quota_open(p: Problem, held: Held, i: int, j: int) -> bool:
    if p.demand[i].group < 0:
        return True
    return bool(p.demand[i].counts <= held.quota_room[quota_row(p, i, j)])


@within
def _same_quota(p: Problem, i: int, k: int) -> bool:
    """Two of one group may count on the same row where they go: they do not move together."""
    return bool(p.demand[i].group >= 0 and p.demand[i].group == p.demand[k].group)


@inner
def losses(p: Problem, reduced: Floats, held: Held) -> Floats:
    """[N] how much more each costs by shadow prices than the best of its list, in which not serving counts."""
    out = np.empty(len(held.at))
    for i in range(len(held.at)):
        least = p.demand[i].outside
        now = reduced[i, held.at[i]] if held.at[i] >= 0 else least
        out[i] = now - min(least, reduced[i].min())
    return out


@compiled
def polish(p: Problem, prices: Prices, best: Best, held: Held, rounds: int, budget: int) -> None:
    """Descend, then eject and descend again so many rounds, each with its budget of members looked at."""
    chains = members(best, held, len(p.pool))
    reduced = reduced_costs(p, prices, best, np.arange(len(p.demand)))
    descend(p, best, held, chains, np.argsort(-losses(p, reduced, held), kind="mergesort"))
    for _ in range(rounds):
        loss = losses(p, reduced, held)
        order = np.argsort(-loss, kind="mergesort")
        order = order[loss[order] > 0.0]
        eject(p, best, held, chains, order, budget)
        descend(p, best, held, chains, order)


def placed(p: Problem, best: Best, held: Held) -> Placed:
    """The same without lists."""
    rows, at = np.arange(len(held.at)), np.maximum(held.at, 0)
    served = held.at >= 0
    pool = np.where(served, best.pool[rows, at], -1).astype(np.int32)
    cost = np.where(served, best.cost[rows, at], p.demand["outside"])
    used = np.where(served, best.used[rows, at], 0.0)
    return Placed(pool, cost, used, held.room, held.quota_room)


@compiled
def exhaust(p: Problem, of: Classes, now: Placed) -> int:
    """Until nobody has a cheaper pool with room, in the lists or not; how many passes it took."""
    by = lists(p, of, Prices(np.zeros(p.capacity.shape), np.zeros(len(p.quota_limit))))
    little = _least_work(p, of)
    open_pools = np.ones(len(p.pool), np.bool_)
    turns = 0
    while open_pools.any():
        freed = np.zeros(len(p.pool), np.bool_)
        _anywhere(p, of, _still_open(p, of, by, now, open_pools, little), now, open_pools, freed)
        open_pools = freed
        turns += 1
    return turns


@inner
def _least_work(p: Problem, of: Classes) -> Floats:
    """The work of the smallest demand of each class."""
    out = np.full(len(of.example), NEVER)
    for i in range(len(p.demand)):
        out[p.demand[i].klass] = min(out[p.demand[i].klass], p.demand[i].work)
    return out


@inner
def _still_open(p: Problem, of: Classes, by: Lists, now: Placed, open_pools: Flags, little: Floats) -> Lists:
    """The lists with none but open pools that have room for the smallest demand of the class.

    Whoever leaves a pool opens it for the next pass.
    """
    start, pool, least = np.zeros(len(by.start), np.int64), by.pool.copy(), by.least.copy()
    end = 0
    for k in range(len(of.example)):
        kind = of.kind[of.base[k]]
        for at in range(by.start[k], by.start[k + 1]):
            j = by.pool[at]
            if open_pools[j] and little[k] * p.eff[kind, p.pool[j].family] <= now.room[j, 0]:
                pool[end], least[end] = j, by.least[at]
                end += 1
        start[k + 1] = end
    return Lists(start, pool, least)


@inner
def _anywhere(p: Problem, of: Classes, by: Lists, now: Placed, open_pools: Flags, freed: Flags) -> int:
    """Each demand to the cheapest of the open pools with room, if that is cheaper; marks pools that others left."""
    moved = 0
    for i in range(len(now.pool)):
        to, cost, used = _cheaper(p, of, by, now, open_pools, i)
        if to < 0:
            continue
        if now.pool[i] >= 0:
            take(p, now.room, now.quota_room, i, now.pool[i], -now.used[i])
            freed[now.pool[i]] = True
            if p.demand[i].group >= 0:
                freed[:] = True
        take(p, now.room, now.quota_room, i, to, used)
        now.pool[i], now.cost[i], now.used[i] = to, cost, used
        moved += 1
    return moved


@within
def _cheaper(p: Problem, of: Classes, by: Lists, now: Placed, open_pools: Flags, i: int) -> tuple[int, float, float]:
    """The cheapest open pool with room that costs less than where demand i is, with c and a; -1 if there is none."""
    d = p.demand[i]
    least, to, used = now.cost[i], -1, 0.0
    if d.home >= 0 and d.home != now.pool[i] and open_pools[d.home] and passes(p, i, d.home):
        c, a = pair(p, i, d.home)
        if c < least and has_room(p, now.room, now.quota_room, i, d.home, a):
            least, to, used = c, d.home, a
    for at in range(by.start[d.klass], by.start[d.klass + 1]):
        if by.least[at] * d.work + d.moving >= least:
            break
        j = by.pool[at]
        if j != d.home and j != now.pool[i] and (of.masked or passes(p, i, j)):
            c, a = pair(p, i, j)
            if c < least and has_room(p, now.room, now.quota_room, i, j, a):
                least, to, used = c, j, a
    return to, least, used
