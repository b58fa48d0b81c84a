"""Which running work should really go elsewhere now? Of what is proposed a set that is worth it, fits, and never flaps.

A proposal gains by prices that all together made; taken alone, or half of them, it may lose. So each one kept here has
to pay for itself: its own cost falls by more than the threshold of what going on at home costs, with the lost work and
the move inside, prices of scarce room counted and not counted. It needs room that is free now: what moves away gives
its own back only later. And all together with what waits must cost less than if nothing moved, matched the same way.

Of a cost that falls by a share with each move, and a total that falls with each round, it follows that nothing returns
to where it was while nothing else changes, and that this ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Ints, Match, MatchingError, Pools
from suanlian.rules.matching.matching import match
from suanlian.rules.matching.proposals import THRESHOLD, Kind, Proposal, costs_at, propose

_SURE: Final = 1e-9
"""A total that falls by less than this share of itself falls by rounding alone."""


@dataclass(frozen=True, slots=True)
class Move:
    """Rows of demand and pools. CNY: what going on costs at home, and there with the lost work; ``moving`` besides.

    ``gain``: what all together save by it, room at its shadow price.
    """

    demand: int
    source: int
    target: int
    home: float
    there: float
    moving: float
    gain: float

    @property
    def saved(self) -> float:
        """What the work itself saves."""
        return self.home - self.there - self.moving


def moves(
    demands: Demands,
    pools: Pools,
    room: Floats,
    *,
    dearer: Floats | None = None,
    threshold: float = THRESHOLD,
    prices: Floats | None = None,
) -> tuple[Match, tuple[Move, ...]]:
    """Match waiting and running work together; the moves that are worth making now, the largest gain first.

    Args:
        demands: those that run have a home. ``capacity`` of the pools counts what they use as free.
        pools: where all of it may be.
        room: [M, R] units that are free now, with nothing of what runs in them.
        dearer: [N] so far above the bill at home it may lead, as a share; None: however far.
        threshold: hysteresis, a share of the cost at home.
        prices: as for ``match``.

    Raises:
        MatchingError: the arrays cannot be meant.
    """
    if room.shape != pools.capacity.shape:
        raise MatchingError("shape", f"room is {room.shape}, not {pools.capacity.shape}")
    made, proposals = propose(demands, pools, threshold=threshold, prices=prices)
    # the gain of what could not go on at home anyway is no number
    able = [one for one in proposals if one.kind is Kind.MOVE and np.isfinite(one.gain)]
    if not able or demands.home is None:
        return made, ()
    worth = _worth(demands, pools, able, threshold, dearer)
    kept = _with_room(demands, room, worth)
    before = total(demands, pools)
    while kept and total(moved(demands, kept), pools) + sum(one.moving for one in kept) >= before * (1 - _SURE):
        kept = kept[: len(kept) // 2]
    return made, tuple(kept)


def moved(demands: Demands, done: Sequence[Move]) -> Demands:
    """The demands after these moves: each is at home where it went, with the work that it has to do again."""
    if demands.home is None or not done:
        return demands
    rows = [one.demand for one in done]
    home = demands.home.copy()
    share = np.ones(len(demands)) if demands.home_share is None else demands.home_share.copy()
    home[rows] = [one.target for one in done]
    share[rows] = 1.0
    return replace(demands, home=home, home_share=share)


def total(demands: Demands, pools: Pools) -> float:
    """CNY: what runs goes on where it is, what waits is matched to the rest. No move is paid.

    What runs where it may not be costs the same whatever is done; quotas count among what waits.
    """
    home = np.full(len(demands), -1) if demands.home is None else demands.home
    running, waiting = np.flatnonzero(home >= 0), np.flatnonzero(home < 0)
    cost, used = _at(demands, pools, running, home[running])
    left = pools.capacity.copy()
    used = np.where(np.isfinite(cost), used, 0.0)
    np.subtract.at(left, home[running], used[:, None] * _needs(demands)[running])
    rest = match(_only(demands, waiting), replace(pools, capacity=np.maximum(left, 0.0)), effort="fast", certify=False)
    return float(cost[np.isfinite(cost)].sum()) + rest.total


def _worth(
    demands: Demands, pools: Pools, able: Sequence[Proposal], threshold: float, dearer: Floats | None
) -> list[Move]:
    """Those that pay for themselves and do not make the bill dearer than their job allows."""
    rows = np.array([one.demand for one in able])
    source, target = np.array([one.source for one in able]), np.array([one.target for one in able])
    home, _used = _at(demands, pools, rows, source)
    paid, _used = _at(demands, pools, rows, target)
    moving = np.zeros(len(demands)) if demands.moving is None else demands.moving
    most = np.full(len(rows), np.inf) if dearer is None else dearer[rows]
    cheap = _bills(demands, pools, rows, target) <= _bills(demands, pools, rows, source) * (1 + most)
    least = threshold * home
    well = (home - paid > least) & (np.array([one.gain for one in able]) > least) & cheap
    return [
        Move(one.demand, one.source, one.target, float(home[n]), float(paid[n] - moving[i]), float(moving[i]), one.gain)
        for n, (i, one) in enumerate(zip(rows, able, strict=True))
        if well[n]
    ]


def _with_room(demands: Demands, room: Floats, worth: Sequence[Move]) -> list[Move]:
    """Those that fit side by side into what is free now, in their order."""
    free, amounts, kept = room.copy(), demands.units[:, None] * _needs(demands), list[Move]()
    for one in worth:
        if (amounts[one.demand] <= free[one.target] + _SURE).all():
            free[one.target] -= amounts[one.demand]
            kept.append(one)
    return kept


def _needs(demands: Demands) -> Floats:
    """[N, R] units of each resource for a unit of the primary one."""
    one = np.ones((len(demands), 1))
    return one if demands.need is None else np.concatenate([one, demands.need], axis=1)


def _used(demands: Demands, pools: Pools, rows: Ints, at: Ints) -> Floats:
    """Hours of the primary resource; less at home, where nothing is done again."""
    speed = demands.throughput[demands.kind[rows], pools.family[at]]
    share = np.ones(len(rows))
    if demands.home is not None and demands.home_share is not None:
        share = np.where(demands.home[rows] == at, demands.home_share[rows], 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(demands.units[rows] * demands.hours[rows] * share / speed)


def _at(demands: Demands, pools: Pools, rows: Ints, at: Ints) -> tuple[Floats, Floats]:
    """What going on there costs, moving inside, infinite where it may not; and the hours that it uses."""
    cost, _room = costs_at(demands, pools, rows, at, np.zeros(pools.capacity.shape))
    return cost, _used(demands, pools, rows, at)


def _bills(demands: Demands, pools: Pools, rows: Ints, at: Ints) -> Floats:
    """The rent alone."""
    return np.asarray(_used(demands, pools, rows, at) * (_needs(demands)[rows] * pools.price[at]).sum(axis=1))


_ROWS: Final = frozenset({"throughput", "quotas", "further"})
"""Tables that rows point into."""


def _only(demands: Demands, rows: Ints) -> Demands:
    """These rows alone, none of which runs."""
    names = [name for name in demands.__slots__ if name not in _ROWS and getattr(demands, name) is not None]
    return replace(demands, **{name: getattr(demands, name)[rows] for name in names})
