"""Synthetic demand and supply by hour: what is free, what it costs and how green it is in each hour of a day.

They are the instances behind the figures in docs/notes/planning.md, drawn on top of those without hours
(``instances``; the same seed gives the same demands and pools). The order of the draws is part of the definition: the
same seed gives the same arrays, which a test holds by their digest. Everything is made up; no figure is of a real
platform.

What is free grows as running work ends and shrinks by day, when owners use their own; prices peak in the evening and
fall when the sun shines; a third of the demands are ready only later. Demand, in whole hours, is 1.3 times what is
free.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from suanlian.rules.matching.arrays import Demands, Pools
from suanlian.rules.matching.hours_arrays import Hours
from suanlian.testing import instances
from suanlian.testing.instances import Family, Instance

SLOTS: Final = 24
SIZES: Final[Mapping[str, tuple[int, int, int]]] = {
    "1k": (1_000, 8, 60),
    "4k": (4_000, 8, 60),
    "10k": (10_000, 16, 120),
    "100k": (100_000, 40, 400),
}
"""Demands, sites and pools of each named size."""

_LATER: Final = 0.35
_LATEST_H: Final = 10.0
_CARBON_PRICE: Final = 0.10  # money a kg of CO2
_OTHER_GRID_G: Final = 550.0  # grams of CO2 a kWh of what is not green
_GREEN_GRID_G: Final = 30.0
_LEAST_FREE: Final = 0.03
_LEAST_PRICE: Final = 0.3

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyInstance:
    """An instance and its hours (H).

    earliest_h (N) from now, units free (M, H), and by site (S, H) the factor on prices, the green share and the carbon
    of the grid in grams a kWh.
    """

    base: Instance
    earliest_h: Doubles
    free: Doubles
    price_factor: Doubles
    green: Doubles
    carbon_g: Doubles


def named(size: str, seed: int = 0, *, family: Family = "fleet") -> HourlyInstance:
    """The instance of a named size. Raises KeyError for another name."""
    demands, sites, pools = SIZES[size]
    return make(demands, sites, pools, seed=seed, family=family)


def make(  # noqa: PLR0913 - sizes and what is drawn
    demands: int,
    sites: int,
    pools: int,
    *,
    slots: int = SLOTS,
    seed: int = 0,
    load: float = 1.3,
    family: Family = "fleet",
) -> HourlyInstance:
    """An instance of any size; ``load`` is demand in whole hours, at the median accepted speed, over what is free."""
    base = instances.make(demands, sites, pools, seed=seed, load=load, family=family)
    draw = np.random.default_rng((seed, 24))
    at = np.arange(slots)
    noon = (12 + 6.0 * base.continent + draw.normal(0, 1, sites)) % 24
    by_day = np.cos((at[None] - noon[:, None]) * (2 * np.pi / 24))
    sun = np.maximum(by_day, 0.0)
    evening = np.maximum(np.cos((at[None] - noon[:, None] - 7.5) * (2 * np.pi / 24)), 0.0) ** 2
    noise = np.exp(draw.normal(0, 0.04, (sites, slots)))
    swing = draw.uniform(0.1, 0.45, (2, sites, 1))
    price = np.maximum((1.0 + swing[0] * evening - swing[1] * sun) * noise, _LEAST_PRICE)
    solar = draw.uniform(0.0, 1.0, (sites, 1))
    mix = base.green[:, None].astype(np.float64) * (1 - solar + solar * 2.2 * sun)
    green = np.clip(mix * np.exp(draw.normal(0, 0.08, (sites, slots))), 0.0, 1.0)
    later = draw.random(demands) < _LATER
    earliest = np.where(later, draw.uniform(0.0, _LATEST_H, demands), 0.0)
    return HourlyInstance(
        base=base,
        earliest_h=np.minimum(earliest, 0.5 * slots),
        free=_free(draw, base, by_day, load),
        price_factor=price,
        green=green,
        carbon_g=_GREEN_GRID_G * green + _OTHER_GRID_G * (1.0 - green),
    )


def _free(draw: np.random.Generator, base: Instance, by_day: Doubles, load: float) -> Doubles:
    """Whole units that are free: more as running work ends, fewer while owners work by day."""
    pools, slots = base.pools, by_day.shape[1]
    first, last = draw.uniform(0.15, 0.6, (pools, 1)), draw.uniform(0.5, 1.0, (pools, 1))
    ends_h = draw.uniform(2.0, 10.0, (pools, 1))
    own = draw.uniform(0.1, 0.5, (pools, 1))
    grown = first + (last - first) * (1.0 - np.exp(-np.arange(slots)[None] / ends_h))
    share = np.maximum(grown * (1.0 - own * np.maximum(by_day, 0.0)[base.site]), _LEAST_FREE)
    slow = np.nanmedian(np.where(np.isinf(base.slowness), np.nan, base.slowness), axis=1)
    asked = float((base.gang * np.ceil(base.hours * slow[base.kind])).sum(dtype=np.float64))
    units = base.size[:, None] * share
    free: Doubles = np.floor(units * (asked / load / units.sum()))
    return free


def pools_of(instance: HourlyInstance) -> Pools:
    """The pools as the planner takes them; rent and power are in the price, carbon apart."""
    base = instance.base
    power = base.power_kw * _CARBON_PRICE / 1000
    price = base.unit_cost.astype(np.float64) - power * base.carbon_g[base.site]
    return replace(
        instances.pools_of(base),
        price=np.maximum(price, 0.0)[:, None],
        carbon=power * instance.carbon_g.mean(axis=1)[base.site],
        capacity=instance.free.sum(axis=1)[:, None],
    )


def demands_of(instance: HourlyInstance) -> Demands:
    """The demands as the planner takes them; who is ready later may end later."""
    demands = instances.demands_of(instance.base)
    return replace(demands, deadline=instance.base.deadline_h.astype(np.float64) + instance.earliest_h)


def hours_of(instance: HourlyInstance) -> Hours:
    """The hours as the planner takes them."""
    base = instance.base
    power = base.power_kw * _CARBON_PRICE / 1000
    return Hours(
        capacity=instance.free[:, :, None],
        price_factor=instance.price_factor[base.site],
        carbon=power[:, None] * instance.carbon_g[base.site],
        green=instance.green[base.site],
    )
