"""What would one job save by starting later? Its cheapest start in each slot, and which of them are worth the wait.

The prices of a plan say what the room that it takes is worth to others; day-ahead prices are in the cost itself.
Nothing is reserved: hand in hours with what a plan has left (``Plan.remaining``) to hear what is still free.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Ints, MatchingError, Pools
from suanlian.rules.matching.compiled import compiled
from suanlian.rules.matching.hours_arrays import Hours, checked_prices, validate
from suanlian.rules.matching.hours_problem import Hourly, at_start, closed_from, first_slot, job, prepare_hours
from suanlian.rules.matching.hours_scan import scarcity
from suanlian.rules.matching.problem import NEVER, Rows
from suanlian.rules.matching.scan import pair, passes

LEAST_PART: Final = 0.02
"""What saves less than this part is not worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByStart:
    """The cheapest start of one demand in each of T slots.

    Args:
        pool: [T] row of the pool, -1 where it may start nowhere.
        cost: [T] CNY, c there; infinite where it may start nowhere.
        price: [T] CNY, c and what the room is worth to others by shadow prices: by this the pool is chosen.
        length: hours in a slot.
    """

    pool: Ints
    cost: Floats
    price: Floats
    length: float


@dataclass(frozen=True, slots=True)
class Later:
    """A later start: slot, hours after the first slot in which it might start, pool, CNY, and what part is saved."""

    start: int
    wait_h: float
    pool: int
    cost: float
    price: float
    part: float


def by_start(
    demands: Demands,
    pools: Pools,
    hours: Hours,
    *,
    row: int = 0,
    earliest: Floats | None = None,
    prices: Floats | None = None,
    green_prices: Floats | None = None,
) -> ByStart:
    """The cheapest start of demand ``row`` in each slot, by shadow prices [M, T, R] and [S, T] of a plan where given.

    Raises:
        MatchingError: the arrays cannot be meant.
    """
    validate(demands, pools, hours, earliest)
    if not 0 <= row < len(demands):
        raise MatchingError("index", f"there is no demand {row} of {len(demands)}")
    shadow = np.zeros(hours.capacity.shape) if prices is None else prices
    checked_prices(pools, hours, shadow, green_prices)
    hourly, _, order = prepare_hours(demands, pools, hours, earliest, hours.capacity)
    sums = np.zeros((len(hourly.capacity), hours.slots + 1))
    cut = len(pools) * pools.resources
    sums[:cut, 1:] = np.cumsum(shadow[order.pools].transpose(0, 2, 1).reshape(cut, hours.slots), axis=1)
    if green_prices is not None:
        sums[cut:, 1:] = np.cumsum(green_prices, axis=1)
    pool = np.full(hours.slots, -1, np.int32)
    cost, price = np.full(hours.slots, NEVER), np.full(hours.slots, NEVER)
    _look(hourly, sums, int(np.flatnonzero(order.demands == row)[0]), pool, cost, price)
    rows = np.where(pool >= 0, order.pools[np.maximum(pool, 0)] if len(pools) else -1, -1)
    return ByStart(pool=rows, cost=cost, price=price, length=hours.length)


@compiled
def _look(h: Hourly, sums: Floats, i: int, pool: Rows, cost: Floats, price: Floats) -> None:
    """Every start on every pool; of equal ones the lower id."""
    slots = h.capacity.shape[1]
    for j in range(len(h.p.pool)):
        if not passes(h.p, i, j) or pair(h.p, i, j)[0] == NEVER:
            continue
        of = job(h, i, j)
        closed = slots
        for t in range(slots - 1, first_slot(h, of) - 1, -1):
            closed = closed_from(h, h.capacity, i, j, t, closed)
            if closed == t:
                continue
            start = at_start(h, i, j, of, t)
            if start.cost == NEVER or start.end > closed:
                continue
            value = start.cost + scarcity(h, sums, i, j, t, start.end)
            if value < price[t]:
                pool[t], cost[t], price[t] = j, start.cost, value


def worth_waiting(by: ByStart, least_part: float = LEAST_PART) -> tuple[Later, ...]:
    """Later starts, each cheaper than every earlier one by ``least_part`` of what the first start costs, soonest first.

    "12 % cheaper if it may start 3 h later" is ``part`` and ``wait_h``. Empty where it may start nowhere, or where
    nothing is saved.
    """
    open_slots = np.flatnonzero(by.pool >= 0)
    if not len(open_slots):
        return ()
    first = int(open_slots[0])
    now, least, out = float(by.price[first]), float(by.price[first]), []
    for t in map(int, open_slots[1:]):
        price = float(by.price[t])
        if now > 0 and least - price >= least_part * now and price < least:
            least = price
            wait_h = (t - first) * by.length
            out.append(Later(t, wait_h, int(by.pool[t]), float(by.cost[t]), price, (now - price) / now))
    return tuple(out)
