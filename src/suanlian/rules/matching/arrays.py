"""What is matched: pools and demands as arrays, one entry a row, and what comes out.

Units, everywhere in this room: money CNY, work in hours of the primary resource (an accelerator, or a core where a
pool has none), data GB, latency ms (one way or round trip, as long as both sides mean the same), time hours from now.
Letters in shapes: N demands, M pools, S sites, Q user regions, K kinds of work, F chip families, R resources (0 is the
primary one), G groups. Money is an estimate that things are compared by; what is charged is counted elsewhere, exactly.

    a_ij = units_i * hours_i / throughput[kind_i, family_j]                        hours of the primary resource
    c_ij = a_ij * (price_j0 + sum_r need_ir * price_jr + carbon_j + latency_weight_i * latency[region_i, site_j])
           + data_gb_i * egress[data_region_i, site_j]
           + further_times_i * further[further_row_i, site_j]                       CNY

Where ids are given, ties go to the lower id; else to the lower row.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Array = npt.NDArray[Any]

AT_SITE: Final = 0
"""A quota of a group counts its members at one site."""
AT_OWNER: Final = 1
"""A quota of a group counts its members at one owner."""
AT_POOL: Final = 2
"""A quota of a group counts its members on one pool."""
MEMBERS: Final = 0
"""A quota counts demands."""
WORK: Final = 1
"""A quota counts reference work, units times hours."""
BITS: Final = 62
"""Tiers and jurisdictions are bits of a signed word: so many of each at most."""

ABSURD_CAPACITY: Final = 1e15
"""No federation has so many hours of anything; beyond it sums lose what a small demand asks."""
ABSURD_PRICE: Final = 1e9
"""No hour of anything costs so much."""

CODES: Final = {
    "shape": "An array has another length or number of axes than the others.",
    "index": "A row points beyond the table that it points into.",
    "ids_twice": "Two rows have the same id.",
    "capacity_absurd": "A capacity or a size is negative, no number, or beyond belief.",
    "price_invalid": "A price, a carbon cost or a shadow price is negative, no number, or beyond belief.",
    "distance_negative": "A latency, a price of data or a time of transfer is negative or no number.",
    "throughput_missing": "A kind of work that is asked for runs on no chip family at all.",
    "throughput_invalid": "A throughput is negative or no number.",
    "demand_invalid": "Units, hours, data or needs are not above zero, or no number.",
    "value_invalid": "The value of a demand is negative or no number.",
    "quota_invalid": "A quota is negative, no number, or counts something unknown.",
    "too_large": "More demands than the memory that was allowed can hold.",
    "option_invalid": "An argument has a value that cannot be meant.",
    "window_invalid": "Slots or earliest starts are none, too many, negative or no number.",
}
"""Codes of a MatchingError, and what each means."""


class MatchingError(ValueError):
    """Arrays that cannot be meant. ``code`` is one of CODES; the message says which array and which row."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """How far sites are from users' regions. Infinite means: not reachable.

    Args:
        latency: [Q, S] ms.
        egress: [Q, S] CNY per GB from data in a region to a site.
        transfer: [Q, S] hours per GB.
    """

    latency: Floats
    egress: Floats
    transfer: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What may be used in the window.

    Args:
        site, owner, family, tier, jurisdiction: [M] rows of S, any, F; tier and jurisdiction below BITS.
        size: [M] the largest gang, in units.
        capacity: [M, R] hours that are free in the window; zero is a pool that takes nothing.
        price: [M, R] CNY per hour.
        carbon: [M] CNY per hour of the primary resource for what the grid emits.
        green: [M] share of green power, 0 to 1.
        sites: distances.
        ids: [M] anything that sorts; None means the row.
    """

    site: Ints
    owner: Ints
    family: Ints
    tier: Ints
    jurisdiction: Ints
    size: Floats
    capacity: Floats
    price: Floats
    carbon: Floats
    green: Floats
    sites: Sites
    ids: Array | None = None

    def __len__(self) -> int:
        """The number of pools, M."""
        return len(self.site)

    @property
    def resources(self) -> int:
        """The number of resources, R."""
        return int(self.capacity.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """At most so much of a group at one place (anti-affinity, at most x % at one owner, a quota on a share).

    Args:
        scope: [G] AT_SITE, AT_OWNER or AT_POOL.
        measure: [G] MEMBERS or WORK.
        limit: [G] at most so many members, or so much reference work, at each place of the scope.
    """

    scope: Ints
    measure: Ints
    limit: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What waits for a place. What is None asks for nothing.

    Args:
        throughput: [K, F] normalised; 0 means that the kind cannot run on the family.
        kind, region, data_region: [N] rows of K, Q, Q; data_region None: where the user is.
        units: [N] gang size. hours: [N] at throughput 1.
        value: [N] CNY, the most that it is worth, all terms of c together; dearer pools are not feasible.
        weight: [N] priority and fair share: not serving it costs weight * value. None: 1.
        need: [N, R - 1] units of each further resource per unit of the gang.
        data_gb: [N]. latency_max: [N] ms. latency_weight: [N] CNY per ms and hour of the primary resource.
        green_min: [N] share. deadline: [N] hours from now, transfer included; one in the past fits nowhere.
        budget: [N] CNY, the most that may be billed (rent and data; neither carbon nor latency).
        tiers, jurisdictions: [N] bits of the tiers and jurisdictions that are allowed.
        owners: [N, W] bits of owners that are allowed, 64 a word.
        group: [N] row of quotas, -1 none. quotas: the groups.
        further: [V, S] CNY that count besides and are billed to nobody. further_row: [N] row of V.
        further_times: [N] so many times that row.
        home: [N] row of the pool where it runs now, -1 none: no transfer and no ``moving`` there.
        home_share: [N] how much of the consumption, and of what is further, is left at home: elsewhere lost work is
            done again. None: 1.
        moving: [N] CNY, what it costs to go anywhere else but home.
        ids: [N] anything that sorts; None means the row.
    """

    throughput: Floats
    kind: Ints
    region: Ints
    units: Floats
    hours: Floats
    value: Floats
    weight: Floats | None = None
    need: Floats | None = None
    data_region: Ints | None = None
    data_gb: Floats | None = None
    latency_max: Floats | None = None
    latency_weight: Floats | None = None
    green_min: Floats | None = None
    deadline: Floats | None = None
    budget: Floats | None = None
    tiers: Ints | None = None
    jurisdictions: Ints | None = None
    owners: Words | None = None
    group: Ints | None = None
    quotas: Quotas | None = None
    further: Floats | None = None
    further_row: Ints | None = None
    further_times: Floats | None = None
    home: Ints | None = None
    home_share: Floats | None = None
    moving: Floats | None = None
    ids: Array | None = None

    def __len__(self) -> int:
        """The number of demands, N."""
        return len(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Who goes where.

    Args:
        pool: [N] row of the pool, -1 not served.
        cost: [N] CNY, c of the pool, or what not serving costs.
        used: [N] hours of the primary resource, 0 where not served.
        remaining: [M, R] hours left.
        prices: [M, R] shadow prices in CNY per hour above the list price: what a further hour would save.
        quota_prices: [E] shadow prices of quotas: group after group, a price for each place of its scope.
        bound: no matching can cost less; -inf where it was not asked for.
        total: the sum of cost.
    """

    pool: Ints
    cost: Floats
    used: Floats
    remaining: Floats
    prices: Floats
    bound: float
    total: float
    quota_prices: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def gap(self) -> float:
        """How far the total may be above the best that is possible, as a share of the bound; infinite if unknown."""
        if self.total <= self.bound:
            return 0.0
        return (self.total - self.bound) / self.bound if self.bound > 0 else float("inf")


def validate(demands: Demands, pools: Pools) -> None:
    """Raise MatchingError where the arrays cannot be meant; what merely fits nowhere is no error.

    Stated behaviours: zero capacity takes nothing; a deadline in the past, a value of zero or one demand larger than
    everything is not served (pool -1); equal costs go to the lower id.
    """
    _pools(pools)
    _demands(demands, pools)
    if demands.quotas is not None:
        _quotas(demands, demands.quotas)
    _ids("pools", pools.ids, len(pools))
    _ids("demands", demands.ids, len(demands))


def _pools(pools: Pools) -> None:
    m = len(pools)
    for name in ("site", "owner", "family", "tier", "jurisdiction", "size", "carbon", "green"):
        shaped(f"pools.{name}", getattr(pools, name), (m,))
    resources = pools.capacity.shape[1] if pools.capacity.ndim == 2 else 0  # noqa: PLR2004 - a table
    if resources < 1:
        raise MatchingError("shape", "pools.capacity is a table [M, R] with at least one resource")
    shaped("pools.capacity", pools.capacity, (m, resources))
    shaped("pools.price", pools.price, (m, resources))
    regions_sites = pools.sites.latency.shape
    for name in ("latency", "egress", "transfer"):
        table = getattr(pools.sites, name)
        shaped(f"sites.{name}", table, regions_sites)
        at_least_zero("distance_negative", f"sites.{name}", table, infinite=True)
    at_least_zero("capacity_absurd", "pools.size", pools.size)
    at_least_zero("capacity_absurd", "pools.capacity", pools.capacity, below=ABSURD_CAPACITY)
    at_least_zero("price_invalid", "pools.price", pools.price, below=ABSURD_PRICE)
    at_least_zero("price_invalid", "pools.carbon", pools.carbon, below=ABSURD_PRICE)
    at_least_zero("demand_invalid", "pools.green", pools.green)
    _rows("pools.site", pools.site, regions_sites[1] if len(regions_sites) > 1 else 0)
    _rows("pools.tier", pools.tier, BITS)
    _rows("pools.jurisdiction", pools.jurisdiction, BITS)
    _rows("pools.owner", pools.owner, None)


_VECTORS: Final = (
    "kind", "region", "units", "hours", "value", "weight", "data_region", "data_gb", "latency_max", "latency_weight",
    "green_min", "deadline", "budget", "tiers", "jurisdictions", "group", "home", "home_share", "moving",
    "further_row", "further_times",
)  # fmt: skip
_NOT_NEGATIVE: Final = {
    "value": "value_invalid", "weight": "value_invalid", "budget": "value_invalid", "data_gb": "distance_negative",
    "latency_max": "distance_negative", "latency_weight": "price_invalid", "green_min": "demand_invalid",
    "moving": "price_invalid", "home_share": "demand_invalid", "further_times": "price_invalid",
}  # fmt: skip
_MAY_BE_INFINITE: Final = frozenset({"latency_max", "budget"})


def _demands(demands: Demands, pools: Pools) -> None:
    n, m = len(demands), len(pools)
    for name in _VECTORS:
        vector = getattr(demands, name)
        if vector is not None:
            shaped(f"demands.{name}", vector, (n,))
            if name in _NOT_NEGATIVE:
                at_least_zero(_NOT_NEGATIVE[name], f"demands.{name}", vector, infinite=name in _MAY_BE_INFINITE)
    for name in ("units", "hours"):
        vector = getattr(demands, name)
        at_least_zero("demand_invalid", f"demands.{name}", vector)
        if not (vector > 0).all():
            raise MatchingError("demand_invalid", f"demands.{name}[{int(np.argmin(vector))}] is zero")
    if demands.deadline is not None and np.isnan(demands.deadline).any():
        raise MatchingError("demand_invalid", "a deadline is no number")
    _needs(demands, pools)
    _throughput(demands, pools)
    regions = pools.sites.latency.shape[0]
    _rows("demands.region", demands.region, regions)
    if demands.data_region is not None:
        _rows("demands.data_region", demands.data_region, regions)
    if demands.home is not None:
        _rows("demands.home", demands.home, m, least=-1)
    _further(demands, pools)


def _further(demands: Demands, pools: Pools) -> None:
    table, rows = demands.further, demands.further_row
    if (table is None) != (rows is None) or (table is None) != (demands.further_times is None):
        raise MatchingError(
            "shape", "of demands.further, further_row and further_times one is there without the others"
        )
    if table is not None and rows is not None:
        shaped("demands.further", table, (len(table), pools.sites.latency.shape[1]))
        at_least_zero("price_invalid", "demands.further", table)
        _rows("demands.further_row", rows, len(table))


def _needs(demands: Demands, pools: Pools) -> None:
    n = len(demands)
    if demands.need is None and pools.resources > 1:
        raise MatchingError("shape", "pools have further resources, and demands.need says nothing of them")
    if demands.need is not None:
        shaped("demands.need", demands.need, (n, pools.resources - 1))
        at_least_zero("demand_invalid", "demands.need", demands.need)
    if demands.owners is not None:
        words = int(pools.owner.max(initial=0)) // 64 + 1
        if demands.owners.ndim != 2 or demands.owners.shape[0] != n or demands.owners.shape[1] < words:  # noqa: PLR2004
            raise MatchingError("shape", f"demands.owners is {demands.owners.shape}; [{n}, {words}] words are needed")


def _throughput(demands: Demands, pools: Pools) -> None:
    table = demands.throughput
    if table.ndim != 2:  # noqa: PLR2004 - a table
        raise MatchingError("shape", "demands.throughput is a table [K, F]")
    at_least_zero("throughput_invalid", "demands.throughput", table)
    if len(demands) and int(demands.kind.max()) >= table.shape[0]:
        raise MatchingError("throughput_missing", f"kind {int(demands.kind.max())} has no row of throughput")
    _rows("demands.kind", demands.kind, table.shape[0])
    _rows("pools.family", pools.family, table.shape[1])
    asked = np.unique(demands.kind)
    empty = asked[~(table[asked] > 0).any(axis=1)]
    if len(empty):
        raise MatchingError("throughput_missing", f"kind {int(empty[0])} runs on no family")


def _quotas(demands: Demands, quotas: Quotas) -> None:
    groups = len(quotas.limit)
    for name in ("scope", "measure", "limit"):
        shaped(f"quotas.{name}", getattr(quotas, name), (groups,))
    at_least_zero("quota_invalid", "quotas.limit", quotas.limit, infinite=True)
    if not (
        np.isin(quotas.scope, (AT_SITE, AT_OWNER, AT_POOL)).all() and np.isin(quotas.measure, (MEMBERS, WORK)).all()
    ):
        raise MatchingError("quota_invalid", "a quota's scope or measure is unknown")
    if demands.group is not None:
        _rows("demands.group", demands.group, groups, least=-1)


def shaped(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise MatchingError unless the array has this shape."""
    if array.shape != shape:
        raise MatchingError("shape", f"{name} is {array.shape}, not {shape}")


def at_least_zero(code: str, name: str, array: Array, *, infinite: bool = False, below: float = np.inf) -> None:
    """Raise MatchingError where an entry is negative, NaN, from ``below`` on, or infinite without ``infinite``."""
    well = array >= 0 if infinite else (array >= 0) & (array < below)
    if not well.all():
        at = np.unravel_index(int(np.argmin(well)), array.shape)
        raise MatchingError(code, f"{name}{[int(n) for n in at]} is {array[at]}")


def _rows(name: str, array: Array, end: int | None, *, least: int = 0) -> None:
    if not np.issubdtype(array.dtype, np.integer):
        raise MatchingError("index", f"{name} holds {array.dtype}, not whole numbers")
    if len(array) and (int(array.min()) < least or (end is not None and int(array.max()) >= end)):
        raise MatchingError("index", f"{name} points to {int(array.min())}..{int(array.max())} of {end}")


def _ids(name: str, ids: Array | None, rows: int) -> None:
    if ids is None:
        return
    shaped(f"{name}.ids", ids, (rows,))
    ordered = np.sort(ids)
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise MatchingError("ids_twice", f"{name}: {ordered[int(twice[0])]} stands twice")
