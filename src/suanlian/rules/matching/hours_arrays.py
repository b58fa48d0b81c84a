"""What is planned over the next hours: what is free slot by slot, what it costs then, and what comes out.

Time is cut into T slots of equal length from now on. Letters and units beside those of ``arrays``: t a slot, money CNY,
time hours from now, capacity in units (not hours) that are free for the whole slot.

    d_ij  = hours_i / throughput[kind_i, family_j]                       hours that demand i runs on pool j
    r_ij  = earliest_i + data_gb_i * transfer[data_region_i, site_j]     when its data are there
    b_ijt = max(r_ij, t * length), in slot t                             when it begins if its start is slot t
    e_ijt = b_ijt + d_ij                                                 when it ends: by its deadline, within T slots
    c_ijt = units_i * sum_r need_ir * price_jr * (integral of factor_j from b to e)
            + units_i * (integral of carbon_j from b to e)
            + units_i * d_ij * latency_weight_i * latency + data_gb_i * egress + moving_i
            + further_times_i * further[further_row_i, site_j]
    w_ijt = {t, ..., ceil(e_ijt / length) - 1}                           the slots it holds, without a break

    min  sum c_ijt x_ijt + sum outside_i y_i
    s.t. sum_jt x_ijt + y_i = 1                                                            for each demand
         sum_{i, t: s in w_ijt} units_i * need_ir * x_ijt <= capacity_jsr                  for each pool, slot, resource
         sum_{i, j at k, t: s in w_ijt} units_i * green_min_i * power_j * length * x_ijt <= green_kwh_ks
                                                                   for each site and slot, where a contract is given

need_i0 is 1. What is billed is what runs, to the minute; what is held are whole slots, because a gang must not be
broken. A start is feasible where the masks, the budget and the value let it pass as in ``arrays``, where the green
floor holds in every slot that it holds (with a contract, the contract carries that share of its energy instead), and
where e_ijt is in time.
Work that does not end within the slots is not served by this plan and stays for a later one.
Ties go to the lower id of pools, then to the earlier start.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from suanlian.rules.matching import arrays
from suanlian.rules.matching.arrays import ABSURD_CAPACITY, ABSURD_PRICE, Demands, Floats, Ints, MatchingError, Pools

MOST_SLOTS: Final = 1024
"""Two days in steps of three minutes; tables grow with the square of the slots."""
ABSURD_FACTOR: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The next T slots. What is None: nothing changes from slot to slot.

    Args:
        capacity: [M, T, R] units that are free for the whole slot, running work taken off.
        price_factor: [M, T] day-ahead prices as a factor on ``Pools.price``, all resources alike. None: 1.
        carbon: [M, T] CNY per hour and unit for what the grid emits then. None: ``Pools.carbon``.
        green: [M, T] share of green power. None: ``Pools.green``.
        green_kwh: [S, T] energy by contract in a slot; with it a green floor is carried by the contract alone. None: no
            contract.
        power_kw: [M] of a unit, overhead of the site included. For ``green_kwh``.
        length: hours in a slot.
    """

    capacity: Floats
    price_factor: Floats | None = None
    carbon: Floats | None = None
    green: Floats | None = None
    green_kwh: Floats | None = None
    power_kw: Floats | None = None
    length: float = 1.0

    @property
    def slots(self) -> int:
        """The number of slots, T."""
        return int(self.capacity.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who goes where and when.

    Args:
        pool: [N] row of the pool, -1 not served.
        start: [N] slot, -1 not served.
        cost: [N] CNY, c of pool and start, or what not serving costs.
        used: [N] hours of the primary resource that run, 0 where not served.
        remaining: [M, T, R] units left.
        green_remaining: [S, T] kWh left of the contract; [0, T] without one.
        prices: [M, T, R] shadow prices, CNY per unit and slot above the list price: what a further unit would save.
        green_prices: [S, T] CNY per kWh of the contract; [0, T] without one.
        bound: no plan can cost less; -inf where it was not asked for.
        total: the sum of cost.
    """

    pool: Ints
    start: Ints
    cost: Floats
    used: Floats
    remaining: Floats
    green_remaining: Floats
    prices: Floats
    green_prices: Floats
    bound: float
    total: float

    @property
    def gap(self) -> float:
        """How far the total may be above the best that is possible, as a share of the bound; infinite if unknown."""
        if self.total <= self.bound:
            return 0.0
        return (self.total - self.bound) / self.bound if self.bound > 0 else float("inf")


def validate(demands: Demands, pools: Pools, hours: Hours, earliest: Floats | None) -> None:
    """Raise MatchingError where the arrays cannot be meant; what merely fits nowhere is no error.

    Stated behaviours: as ``arrays.validate``; an earliest start after the last slot or the deadline is not served.
    """
    arrays.validate(demands, pools)
    if demands.quotas is not None and len(demands.quotas.limit):
        raise MatchingError("quota_invalid", "a plan over hours counts no quotas; hand in demands without groups")
    _capacity(pools, hours)
    _factors(pools, hours)
    _contract(pools, hours)
    if earliest is not None:
        arrays.shaped("earliest", earliest, (len(demands),))
        arrays.at_least_zero("window_invalid", "earliest", earliest, infinite=True)


def _capacity(pools: Pools, hours: Hours) -> None:
    if hours.capacity.ndim != 3 or not 1 <= hours.slots <= MOST_SLOTS:  # noqa: PLR2004 - pool, slot, resource
        raise MatchingError(
            "window_invalid", f"hours.capacity is {hours.capacity.shape}, not [M, T, R] with T from 1 to {MOST_SLOTS}"
        )
    arrays.shaped("hours.capacity", hours.capacity, (len(pools), hours.slots, pools.resources))
    arrays.at_least_zero("capacity_absurd", "hours.capacity", hours.capacity, below=ABSURD_CAPACITY)
    if not 0 < hours.length < np.inf:
        raise MatchingError("window_invalid", f"hours.length is {hours.length}")


def _factors(pools: Pools, hours: Hours) -> None:
    tops = {"price_factor": ABSURD_FACTOR, "carbon": ABSURD_PRICE, "green": np.inf}
    for name, below in tops.items():
        table = getattr(hours, name)
        if table is not None:
            arrays.shaped(f"hours.{name}", table, (len(pools), hours.slots))
            code = "demand_invalid" if name == "green" else "price_invalid"
            arrays.at_least_zero(code, f"hours.{name}", table, below=below)


def _contract(pools: Pools, hours: Hours) -> None:
    if hours.green_kwh is None:
        return
    if hours.power_kw is None:
        raise MatchingError("shape", "hours.green_kwh is given, and hours.power_kw says not what pools draw")
    arrays.shaped("hours.green_kwh", hours.green_kwh, (pools.sites.latency.shape[1], hours.slots))
    arrays.at_least_zero("capacity_absurd", "hours.green_kwh", hours.green_kwh, below=ABSURD_CAPACITY)
    arrays.shaped("hours.power_kw", hours.power_kw, (len(pools),))
    arrays.at_least_zero("capacity_absurd", "hours.power_kw", hours.power_kw)


def checked_prices(pools: Pools, hours: Hours, prices: Floats, green_prices: Floats | None) -> None:
    """Raise MatchingError where shadow prices [M, T, R] and [S, T] cannot be meant."""
    arrays.shaped("prices", prices, (len(pools), hours.slots, pools.resources))
    arrays.at_least_zero("price_invalid", "prices", prices, below=ABSURD_PRICE)
    if green_prices is not None:
        wanted = (0, hours.slots) if hours.green_kwh is None else hours.green_kwh.shape
        arrays.shaped("green_prices", green_prices, wanted)
        arrays.at_least_zero("price_invalid", "green_prices", green_prices, below=ABSURD_PRICE)


def after_contracts(hours: Hours, reserved: Floats | None) -> Floats:
    """[M, T, R] units that are left once ``reserved`` ones are held free. Raises MatchingError for an absurd one."""
    if reserved is None:
        return hours.capacity
    arrays.shaped("reserved", reserved, hours.capacity.shape)
    arrays.at_least_zero("capacity_absurd", "reserved", reserved, infinite=True)
    return np.maximum(hours.capacity - reserved, 0.0)
