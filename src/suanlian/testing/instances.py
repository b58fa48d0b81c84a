"""Synthetic demand and supply for the matcher: two families, named sizes, and the dense definition of cost.

They are the instances behind the figures in docs/notes/matching.md. The order of the draws is part of the definition:
the same seed gives the same arrays, bit for bit, which a test holds by their digest. Everything is made up; no figure
is of a real platform. ``fleet``: pools of 64 to 4,096 accelerators, gangs of 1 to 64. ``frag``: pools of 8 to 8,192,
most of them tiny, gangs of 1 to 512. Demand is 1.3 times capacity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from suanlian.rules.matching.arrays import Demands, Pools, Sites

FAMILIES: Final = 8
REGIONS: Final = 16
KINDS: Final = 24
CONTINENTS: Final = 4
HORIZON_H: Final = 24.0
SIZES: Final[Mapping[str, tuple[int, int, int]]] = {
    "1k": (1_000, 8, 100),
    "10k": (10_000, 32, 400),
    "100k": (100_000, 80, 1_000),
    "1M": (1_000_000, 100, 2_000),
}
"""Demands, sites and pools of each named size."""

_PRICES: Final = np.array([0.35, 0.7, 1.1, 1.9, 3.2, 4.1, 2.9, 1.5])  # money an accelerator-hour
_POWER_KW: Final = np.array([0.07, 0.08, 0.3, 0.4, 0.7, 0.75, 0.75, 0.35])
_SPEED: Final = np.array([0.15, 0.3, 0.5, 1.0, 2.1, 2.6, 2.0, 0.8])  # of the reference accelerator, family 3
_TIERS: Final = np.array([1.0, 0.38, 0.7])  # on demand, preemptible, reserved
_CENTRES: Final = np.array([[0.0, 0], [70, 10], [130, -10], [60, -60]])
_REFERENCE: Final = 3
_CARBON_PRICE: Final = 0.10  # money a kg of CO2
_POWER_PRICE: Final = 0.06  # money a kWh
_NEAR: Final = 6  # so far apart, data moves for nothing
_ACCEPTED: Final = 0.72
_AT_HOME: Final = 0.7
_TOLERANT: Final = 0.6
_PREEMPTIBLE: Final = 0.5
_BOUND: Final = 0.3

Family = Literal["fleet", "frag"]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
_Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Demands (N), pools (M), sites (S) and what lies between them, as arrays.

    Between places: latency_ms, egress (money a GB) and transfer_h (hours a GB), each (REGIONS, S). Sites: green share,
    continent, grams of CO2 a kWh. Pools: site, family, tier, unit_cost (money an accelerator-hour with power and
    carbon), list_price, size (accelerators), capacity (free accelerator-hours of the window), power_kw with overhead.
    ``slowness`` (KINDS, FAMILIES): accelerator-hours for one of the reference's; inf where a kind does not run.
    Demands: kind, region, data_region, gang, hours (on the reference), data_gb, latency_max_ms, latency_weight (money
    a ms and accelerator-hour), green_min, deadline_h, tiers and jurisdictions (bit masks), value (what it is worth at
    most).
    """

    latency_ms: Floats
    egress: Floats
    transfer_h: Floats
    green: Floats
    continent: Ints
    carbon_g: Doubles
    site: Ints
    family: Ints
    tier: Ints
    unit_cost: Floats
    list_price: Floats
    size: Floats
    capacity: Doubles
    power_kw: Doubles
    slowness: Floats
    kind: Ints
    region: Ints
    data_region: Ints
    gang: Floats
    hours: Floats
    data_gb: Floats
    latency_max_ms: Floats
    latency_weight: Floats
    green_min: Floats
    deadline_h: Floats
    tiers: Ints
    jurisdictions: Ints
    value: Floats

    @property
    def demands(self) -> int:
        """N."""
        return len(self.kind)

    @property
    def pools(self) -> int:
        """M."""
        return len(self.site)

    @property
    def work(self) -> Floats:
        """Reference accelerator-hours of each demand (N)."""
        return (self.gang * self.hours).astype(np.float32)


def named(size: str, seed: int = 0, *, family: Family = "frag") -> Instance:
    """The instance of a named size. Raises KeyError for another name."""
    demands, sites, pools = SIZES[size]
    return make(demands, sites, pools, seed=seed, family=family)


def make(  # noqa: PLR0913 - sizes and what is drawn
    demands: int, sites: int, pools: int, *, seed: int = 0, load: float = 1.3, family: Family = "frag"
) -> Instance:
    """An instance of any size; ``load`` is demand, at the median accepted speed, over capacity."""
    draw = np.random.default_rng(seed)
    site_continent, region_continent, fields = _places(draw, sites)
    fields |= _pools(draw, sites, pools, fields, family)
    fields["slowness"] = _slowness(draw)
    fields |= _demands(draw, demands, region_continent, family)
    fields["continent"] = site_continent.astype(np.int32)
    return Instance(capacity=_capacity(draw, fields, load), **fields)


def churned(
    instance: Instance, seed: int = 1, *, family: Family = "frag", share: float = 0.05, drift: float = 0.04
) -> Instance:
    """A tick later: ``share`` of the demands are others, capacities differ by up to ``drift``; all else is the same."""
    draw = np.random.default_rng((seed, instance.demands))
    gone = draw.random(instance.demands) < share
    others = _demands(draw, instance.demands, np.arange(REGIONS) % CONTINENTS, family)
    demands = {name: np.where(gone, other, getattr(instance, name)) for name, other in others.items()}
    capacity = instance.capacity * draw.uniform(1 - drift, 1 + drift, instance.pools)
    return replace(instance, capacity=capacity, **demands)


def _places(draw: np.random.Generator, sites: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], _Fields]:
    """Sites and regions on a plane with continents, and what lies between them."""
    site_continent = draw.integers(0, CONTINENTS, sites)
    site_at = _CENTRES[site_continent] + draw.normal(0, 9, (sites, 2))
    region_continent = np.arange(REGIONS) % CONTINENTS
    region_at = _CENTRES[region_continent] + draw.normal(0, 9, (REGIONS, 2))
    apart = np.linalg.norm(region_at[:, None] - site_at[None], axis=2)
    same = region_continent[:, None] == site_continent[None]
    green = draw.beta(1.2, 1.2, sites).astype(np.float32)
    fields: _Fields = {
        "latency_ms": (3 + 1.6 * apart).astype(np.float32),
        "egress": np.where(same, np.where(apart < _NEAR, 0.0, 0.02), 0.07).astype(np.float32),
        "transfer_h": (np.where(same, 1 / 1.0, 1 / 0.3) / 3600).astype(np.float32),
        "green": green,
        "carbon_g": 30 + 650 * (1 - green) * draw.uniform(0.6, 1.1, sites),
    }
    return site_continent, region_continent, fields


def _pools(draw: np.random.Generator, sites: int, pools: int, places: _Fields, family: Family) -> _Fields:
    overhead = draw.uniform(1.08, 1.6, sites)
    dear = np.exp(draw.normal(0, 0.15, sites))
    tiers = 3 if pools > sites * FAMILIES * 2 else 2
    every = np.array([(s, f, t) for s in range(sites) for f in range(FAMILIES) for t in range(tiers)])
    site, chip, tier = every[np.sort(draw.choice(len(every), pools, replace=False))].T.astype(np.int32)
    price = _PRICES[chip] * dear[site] * _TIERS[tier] * np.exp(draw.normal(0, 0.08, pools))
    carbon = _POWER_KW[chip] * overhead[site] * places["carbon_g"][site] / 1000 * _CARBON_PRICE
    power = _POWER_KW[chip] * overhead[site] * _POWER_PRICE
    # drawn for both families, so that what follows has the same draws
    size = np.maximum(8, 8 * np.round(draw.pareto(1.1, pools) * 12 + 2)).clip(8, 8192).astype(np.float32)
    if family == "fleet":
        lognormal = np.exp(draw.normal(np.log(24), 0.8, pools))
        size = (8 * np.round(lognormal)).clip(64, 4096).astype(np.float32)
    return {
        "site": site,
        "family": chip,
        "tier": tier,
        "unit_cost": (price + carbon + power).astype(np.float32),
        "list_price": price.astype(np.float32),
        "size": size,
        "power_kw": _POWER_KW[chip] * overhead[site],
    }


def _slowness(draw: np.random.Generator) -> Floats:
    """Accelerator-hours on a family for one of the reference's; inf where the kind is not accepted."""
    speed = _SPEED[None] ** draw.uniform(0.5, 1.25, (KINDS, 1)) * np.exp(draw.normal(0, 0.25, (KINDS, FAMILIES)))
    speed /= speed[:, _REFERENCE : _REFERENCE + 1]
    accepted = draw.random((KINDS, FAMILIES)) < _ACCEPTED
    accepted[:, _REFERENCE] = True
    accepted[np.arange(KINDS), draw.integers(4, 7, KINDS)] = True
    return np.where(accepted, 1 / speed, np.inf).astype(np.float32)


def _demands(
    draw: np.random.Generator, demands: int, region_continent: npt.NDArray[np.int64], family: Family
) -> _Fields:
    frag = family == "frag"
    kind_odds = 1 / np.arange(1, KINDS + 1) ** 0.8
    kind = draw.choice(KINDS, demands, p=kind_odds / kind_odds.sum()).astype(np.int32)
    region_odds = 1 / np.arange(1, REGIONS + 1) ** 0.7
    region = draw.choice(REGIONS, demands, p=region_odds / region_odds.sum()).astype(np.int32)
    at_home = draw.random(demands) < _AT_HOME
    data_region = np.where(at_home, region, draw.integers(0, REGIONS, demands)).astype(np.int32)
    gangs = 2.0 ** np.arange(0, 10 if frag else 7)
    gang_odds = gangs**-1.05
    gang = draw.choice(gangs, demands, p=gang_odds / gang_odds.sum()).astype(np.float32)
    drawn_hours = np.exp(draw.normal(np.log(1.5), 1.1 if frag else 0.9, demands))
    hours = drawn_hours.clip(0.05, 20 if frag else 12).astype(np.float32)
    drawn_gb = np.exp(draw.normal(np.log(20), 1.7, demands)) * np.sqrt(gang)
    data_gb = drawn_gb.clip(0.1, 2e4).astype(np.float32)
    tolerant = draw.random(demands) < _TOLERANT
    reach = draw.choice([20.0, 40, 80, 150], demands, p=[0.15, 0.3, 0.35, 0.2])
    green_min = draw.choice([0, 0.3, 0.5, 0.8], demands, p=[0.8, 0.08, 0.08, 0.04]).astype(np.float32)
    slack = np.exp(draw.uniform(np.log(1.5), np.log(12), demands))
    preemptible = draw.random(demands) < _PREEMPTIBLE
    bound = draw.random(demands) < _BOUND
    home = 1 << region_continent[region]
    work = (gang * hours).astype(np.float32)
    worth = work * 2.4 * np.exp(draw.normal(np.log(2.0), 0.45, demands)) + data_gb * 0.03 + 0.05
    return {
        "kind": kind,
        "region": region,
        "data_region": data_region,
        "gang": gang,
        "hours": hours,
        "data_gb": data_gb,
        "latency_max_ms": np.where(tolerant, 1e9, reach).astype(np.float32),
        "latency_weight": np.where(tolerant, 0, 0.002).astype(np.float32),
        "green_min": green_min,
        "deadline_h": (hours * slack + 0.2).astype(np.float32),
        "tiers": np.where(preemptible, 7, 5).astype(np.int32),
        "jurisdictions": np.where(bound, home, (1 << CONTINENTS) - 1).astype(np.int32),
        "value": worth.astype(np.float32),
    }


def _capacity(draw: np.random.Generator, fields: _Fields, load: float) -> Doubles:
    """Free accelerator-hours of the window; how large a gang fits is a pool's size and has nothing to do with it."""
    slowness: Floats = fields["slowness"]
    median = np.nanmedian(np.where(np.isinf(slowness), np.nan, slowness), axis=1)
    work = (fields["gang"] * fields["hours"]).astype(np.float32)
    asked = (work * median[fields["kind"]]).sum()
    free = fields["size"] * HORIZON_H * draw.uniform(0.3, 1, len(fields["site"]))
    capacity: Doubles = (free * (asked / load / free.sum())).astype(np.float64)
    return capacity


def dense(instance: Instance, rows: slice) -> tuple[Floats, Floats]:
    """Cost (inf where infeasible) and accelerator-hours (0 there) of some demands at every pool: two (n, M) arrays."""
    at, gb = instance.site, instance.data_gb[rows, None]
    region, data_region = instance.region[rows], instance.data_region[rows]
    slow = instance.slowness[:, instance.family][instance.kind[rows]]
    latency = instance.latency_ms[:, at][region]
    used = (instance.work[rows, None] * slow).astype(np.float32)
    with np.errstate(invalid="ignore"):
        cost = used * (instance.unit_cost[None] + instance.latency_weight[rows, None] * latency)
        cost = (cost + gb * instance.egress[:, at][data_region]).astype(np.float32)
        takes = instance.hours[rows, None] * slow + gb * instance.transfer_h[:, at][data_region]
        fits = np.isfinite(slow) & (latency <= instance.latency_max_ms[rows, None])
        fits &= instance.green[at][None] >= instance.green_min[rows, None]
        fits &= ((instance.tiers[rows, None] >> instance.tier[None]) & 1).astype(bool)
        fits &= ((instance.jurisdictions[rows, None] >> instance.continent[at][None]) & 1).astype(bool)
        fits &= instance.gang[rows, None] <= instance.size[None]
        fits &= takes <= instance.deadline_h[rows, None]
        fits &= (cost <= instance.value[rows, None]) & (used <= instance.capacity.astype(np.float32)[None])
    cost[~fits] = np.inf
    used[~fits] = 0
    return cost, used


def pools_of(instance: Instance) -> Pools:
    """The pools as the matcher takes them; carbon and power are in the price, as the instance's own cost has them."""
    return Pools(
        site=instance.site.astype(np.int64),
        owner=instance.site.astype(np.int64),
        family=instance.family.astype(np.int64),
        tier=instance.tier.astype(np.int64),
        jurisdiction=instance.continent[instance.site].astype(np.int64),
        size=instance.size.astype(np.float64),
        capacity=instance.capacity[:, None].copy(),
        price=instance.unit_cost[:, None].astype(np.float64),
        carbon=np.zeros(instance.pools),
        green=instance.green[instance.site].astype(np.float64),
        sites=Sites(
            latency=instance.latency_ms.astype(np.float64),
            egress=instance.egress.astype(np.float64),
            transfer=instance.transfer_h.astype(np.float64),
        ),
    )


def demands_of(instance: Instance) -> Demands:
    """The demands as the matcher takes them."""
    return Demands(
        throughput=1.0 / instance.slowness.astype(np.float64),
        kind=instance.kind.astype(np.int64),
        region=instance.region.astype(np.int64),
        data_region=instance.data_region.astype(np.int64),
        units=instance.gang.astype(np.float64),
        hours=instance.hours.astype(np.float64),
        value=instance.value.astype(np.float64),
        data_gb=instance.data_gb.astype(np.float64),
        latency_max=instance.latency_max_ms.astype(np.float64),
        latency_weight=instance.latency_weight.astype(np.float64),
        green_min=instance.green_min.astype(np.float64),
        deadline=instance.deadline_h.astype(np.float64),
        tiers=instance.tiers.astype(np.int64),
        jurisdictions=instance.jurisdictions.astype(np.int64),
    )
