"""Should running work go elsewhere, or make way? The same matching, with what it costs to move inside.

Running demands have a ``home``. Elsewhere lost work is done again (``home_share`` of the consumption is left at home)
and ``moving`` is paid; not going on costs ``weight * value``. Hysteresis is part of the objective: whoever stays is
cheaper by a share of what home costs, so a proposal stands only where it gains more than that: nothing goes to and fro.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from suanlian.rules.matching.arrays import Array, Demands, Floats, Ints, Match, MatchingError, Pools, validate
from suanlian.rules.matching.compiled import compiled
from suanlian.rules.matching.matching import Effort, match
from suanlian.rules.matching.problem import NEVER, Problem, prepare
from suanlian.rules.matching.scan import Prices, checked_prices, pair, passes, scarcity

THRESHOLD: Final = 0.05
"""A move has to gain this share of what going on at home costs."""


class Kind(StrEnum):
    """What is proposed for running work."""

    MOVE = "move"
    PREEMPT = "preempt"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Rows of demand and pools (``target`` -1: it stops). CNY: ``cost`` of lost work and transfer, ``gain`` after it.

    The gain counts room at its shadow price, so it is what all together save. A drain is no choice: its gain may be
    negative, and NaN where the work could not go on at home anyway.
    """

    kind: Kind
    demand: int
    source: int
    target: int
    gain: float
    cost: float


def propose(
    demands: Demands,
    pools: Pools,
    *,
    threshold: float = THRESHOLD,
    drained: Array | None = None,
    prices: Floats | None = None,
    effort: Effort = "balanced",
    seed: int = 0,
) -> tuple[Match, tuple[Proposal, ...]]:
    """Match waiting and running work together; what running work should do differently, the largest gain first.

    Args:
        demands: those that run have a home. ``capacity`` of the pools counts what they use as free.
        pools: where all of it may be.
        threshold: hysteresis, a share of the cost at home.
        drained: [M] pools that have to be empty.
        prices: as for ``match``.
        effort: as for ``match``.
        seed: as for ``match``.

    Raises:
        MatchingError: the arrays cannot be meant.
    """
    validate(demands, pools)
    if not threshold >= 0:
        raise MatchingError("option_invalid", f"threshold is not negative, but {threshold}")
    empty = np.zeros(len(pools), bool) if drained is None else np.asarray(drained, bool)
    if empty.shape != (len(pools),):
        raise MatchingError("shape", f"drained is {empty.shape}, not ({len(pools)},)")
    home = np.full(len(demands), -1) if demands.home is None else demands.home
    running = np.flatnonzero(home >= 0)
    at_home, _ = costs_at(demands, pools, running, home[running], np.zeros(pools.capacity.shape))
    steady = _steadied(demands, running, threshold * np.where(np.isfinite(at_home), at_home, 0.0))
    open_pools = replace(pools, size=np.where(empty, 0.0, pools.size))
    made = match(steady, open_pools, prices=prices, effort=effort, seed=seed)
    made = _told(made, demands, pools)
    return made, _proposals(made, demands, pools, running, empty)


def _steadied(demands: Demands, running: Ints, more: Floats) -> Demands:
    """Going away costs so much more, and so does stopping."""
    n = len(demands)
    moving = np.zeros(n) if demands.moving is None else demands.moving.copy()
    weight = np.ones(n) if demands.weight is None else demands.weight.copy()
    moving[running] += more
    worth = demands.value[running]
    weight[running] += np.divide(more, worth, out=np.zeros(len(more)), where=worth > 0)
    return replace(demands, moving=moving, weight=weight)


def _told(made: Match, demands: Demands, pools: Pools) -> Match:
    """The match with what it really costs, without hysteresis; the bound is that of the steadied problem."""
    at = np.flatnonzero(made.pool >= 0)
    cost = demands.value * (1.0 if demands.weight is None else demands.weight)
    cost[at], _ = costs_at(demands, pools, at, made.pool[at], made.prices)
    return replace(made, cost=cost, total=float(cost.sum()))


def _proposals(made: Match, demands: Demands, pools: Pools, running: Ints, empty: Array) -> tuple[Proposal, ...]:
    if demands.home is None:
        return ()
    going = running[made.pool[running] != demands.home[running]]
    source, target = demands.home[going], made.pool[going]
    c_home, room_home = costs_at(demands, pools, going, source, made.prices)
    _, room = costs_at(demands, pools, going, np.maximum(target, 0), made.prices)
    now = made.cost[going] + np.where(target >= 0, room, 0.0)
    gain = np.where(np.isfinite(c_home), c_home + room_home - now, np.nan)
    moving = np.zeros(len(demands)) if demands.moving is None else demands.moving
    paid = np.where(target >= 0, moving[going], 0.0)
    out = [
        Proposal(_kind(bool(empty[s]), int(t)), int(i), int(s), int(t), float(g), float(c))
        for i, s, t, g, c in zip(going, source, target, gain, paid, strict=True)
    ]
    return tuple(sorted(out, key=lambda p: (-p.gain if p.gain == p.gain else np.inf, p.demand)))


def _kind(drained: bool, target: int) -> Kind:
    if drained:
        return Kind.DRAIN
    return Kind.MOVE if target >= 0 else Kind.PREEMPT


def costs_at(demands: Demands, pools: Pools, rows: Ints, at: Ints, prices: Floats) -> tuple[Floats, Floats]:
    """C of demands at pools, infinite where they may not be; and what their room there is worth by shadow prices."""
    problem, _, order = prepare(replace(demands, ids=None), replace(pools, ids=None))
    return _pairs(problem, checked_prices(problem, order, prices, None), rows, at.astype(np.int64))


@compiled
def _pairs(p: Problem, prices: Prices, rows: Ints, at: Ints) -> tuple[Floats, Floats]:
    cost, room = np.empty(len(rows)), np.zeros(len(rows))
    for n in range(len(rows)):
        cost[n], used = pair(p, rows[n], at[n])
        if not passes(p, rows[n], at[n]):
            cost[n] = NEVER
        if cost[n] < NEVER:
            room[n] = scarcity(p, prices, rows[n], at[n], used)
    return cost, room
