"""Place one order now, by the prices of the last match: nearly as good as matching all at once, in microseconds."""

from typing import NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Ints, Pools, validate
from suanlian.rules.matching.firstcome import place_one
from suanlian.rules.matching.problem import Order, Problem, prepare
from suanlian.rules.matching.scan import Prices, checked_prices


class Orders(NamedTuple):
    """Orders made ready for a desk: ``rows`` [N] is where each of the caller's rows stands."""

    problem: Problem
    order: Order
    rows: Ints
    prices: Prices
    quota_room: Floats


class Desk:
    """What is free at one moment, less what was placed since. Not for several threads at once: give it a lock.

    Args:
        pools: what is free now.
        prices: [M, R] shadow prices of the last match; None: each order gets what is cheapest for it alone.
    """

    def __init__(self, pools: Pools, prices: Floats | None = None) -> None:
        self._pools = pools
        self._prices = np.zeros(pools.capacity.shape) if prices is None else prices
        order = np.arange(len(pools)) if pools.ids is None else np.argsort(pools.ids, kind="stable")
        self._room = np.ascontiguousarray(pools.capacity[order], np.float64)
        self._by_id = order

    def orders(self, demands: Demands) -> Orders:
        """Make orders ready: checks and copies them, some 0.3 ms and more for many. Quotas count within them alone.

        Raises:
            MatchingError: the arrays cannot be meant.
        """
        validate(demands, self._pools)
        problem, _, order = prepare(demands, self._pools)
        rows = np.empty(len(demands), np.int64)
        rows[order.demands] = np.arange(len(demands))
        prices = checked_prices(problem, order, self._prices, None)
        return Orders(problem, order, rows, prices, problem.quota_limit.copy())

    def place(self, orders: Orders, row: int = 0) -> tuple[int, float]:
        """Place one: takes its room. The row of the pool and c; or -1 and what not serving costs."""
        to, cost = place_one(orders.problem, orders.prices, self._room, orders.quota_room, int(orders.rows[row]))
        return (int(self._by_id[to]) if to >= 0 else -1), float(cost)

    def give_back(self, pool: int, hours: Floats) -> None:
        """Hours [R] of a pool are free again."""
        self._room[int(np.flatnonzero(self._by_id == pool)[0])] += hours

    @property
    def remaining(self) -> Floats:
        """[M, R] hours left."""
        out = np.empty(self._room.shape)
        out[self._by_id] = self._room
        return out
