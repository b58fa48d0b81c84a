"""The arrays as the loops want them: rows in the order of ids, defaults filled in, demands of one class told apart."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from suanlian.rules.matching.arrays import MEMBERS, Array, Demands, Floats, Ints, MatchingError, Pools, Quotas, Words
from suanlian.rules.matching.compiled import COMPILED, compiled

NEVER: Final = np.inf
MOST_CLASSES: Final = 4096
"""Demands that agree in all that a mask can say share one list of pools. More kinds of demands than this share lists by
kind of work alone, and each pair is looked at."""
LEVELS: Final = 3
"""Needs of a further resource are told apart by so many levels where pools are put in order."""

Rows = npt.NDArray[np.int32]

_WHOLE: Final = ("kind", "region", "data_region", "further_row", "home", "group", "klass")
_BITS: Final = ("tiers", "jurisdictions")
_REAL: Final = (
    "work", "units", "hours", "limit", "outside", "data_gb", "latency_max", "latency_weight", "green_min", "deadline",
    "budget", "home_share", "moving", "counts", "further_times",
)  # fmt: skip
DEMAND: Final = np.dtype(
    [(name, "f8") for name in _REAL] + [(name, "i8") for name in _BITS] + [(name, "i4") for name in _WHOLE], align=True
)
"""A demand as a record: ``limit`` is its value, ``outside`` what not serving costs, ``counts`` what a quota counts."""

_POOL_WHOLE: Final = ("site", "owner", "family", "tier", "jurisdiction")
_POOL_REAL: Final = ("largest", "room", "price", "carbon", "green")
POOL: Final = np.dtype([(name, "f8") for name in _POOL_REAL] + [(name, "i4") for name in _POOL_WHOLE], align=True)
"""A pool as a record: its largest gang; ``room`` and ``price`` are those of the primary resource."""


class Problem(NamedTuple):
    """Records of demands and pools, and tables. A record is one line of memory: a pair touches two.

    eff: [K, F] 1 / throughput. maps: [3, Q, S] latency, egress, transfer. capacity, price: [M, R]. need: [N, R - 1].
    further: [V, S]. owners: [N, W]. groups: [2, G] the first row of quotas of a group, and its scope; quota_limit: [E]
    of each row; place: [3, M] a pool's place by scope.
    """

    demand: Any
    pool: Any
    eff: Floats
    maps: Floats
    capacity: Floats
    price: Floats
    need: Floats
    further: Floats
    owners: Words
    groups: Rows
    quota_limit: Floats
    place: Rows


class Classes(NamedTuple):
    """Demands of a class share a list of pools, one example stands for it; classes of a base differ in masks alone.

    example, base: by class. kind, least_need: by base. masked: whether all demands of a class have the same masks.
    """

    example: Rows
    base: Rows
    kind: Rows
    least_need: Floats
    masked: bool


class Order(NamedTuple):
    """Rows of the caller by rows of the problem."""

    pools: Ints
    demands: Ints


class Ready(NamedTuple):
    """What loops work on."""

    problem: Problem
    classes: Classes
    order: Order


def prepare(demands: Demands, pools: Pools, reserved: Floats | None = None) -> Ready:
    """The problem, with ``reserved`` [M, R] hours held free for contracts. Arrays are taken to be valid."""
    order = Order(_by_id(pools.ids, len(pools)), _by_id(demands.ids, len(demands)))
    free = pools.capacity if reserved is None else np.maximum(pools.capacity - reserved, 0.0)
    capacity, price = _float64(free, order.pools), _float64(pools.price, order.pools)
    demand = _demand(demands, order)
    need = np.zeros((len(demands), pools.resources - 1)) if demands.need is None else demands.need
    need = _float64(need, order.demands)
    owners = np.zeros((len(demands), 0), np.uint64) if demands.owners is None else demands.owners
    owners = np.ascontiguousarray(owners[order.demands], np.uint64)
    quotas = _quotas(demands, pools, order, demand)
    classes = _classes(demand, need, owners)
    with np.errstate(divide="ignore"):
        eff = np.where(demands.throughput > 0, 1.0 / demands.throughput, NEVER)
    problem = Problem(
        demand=_records(demand),
        pool=_records(_pool(pools, capacity, price, order.pools)),
        eff=eff,
        maps=np.stack([pools.sites.latency, pools.sites.egress, pools.sites.transfer]).astype(np.float64),
        capacity=capacity,
        price=price,
        need=need,
        further=np.zeros((1, 1)) if demands.further is None else np.ascontiguousarray(demands.further, np.float64),
        owners=owners,
        **quotas,
    )
    return Ready(problem, classes, order)


def _records(array: Array) -> Array:
    """Plain Python reaches the fields of a record by name in a recarray alone."""
    return array if COMPILED else array.view(np.recarray)


def _by_id(ids: Array | None, rows: int) -> Ints:
    if ids is None or bool((ids[1:] > ids[:-1]).all()):
        return np.arange(rows)
    return np.argsort(ids, kind="stable")


def _pool(pools: Pools, capacity: Floats, price: Floats, order: Ints) -> Array:
    out = np.zeros(len(pools), POOL)
    for name in (*_POOL_WHOLE, "carbon", "green"):
        out[name] = getattr(pools, name)[order]
    out["largest"] = pools.size[order]
    out["room"] = capacity[:, 0]
    out["price"] = price[:, 0]
    return out


_DEFAULTS: Final[Mapping[str, float]] = {
    "data_gb": 0.0, "latency_max": NEVER, "latency_weight": 0.0, "green_min": 0.0, "deadline": NEVER, "budget": NEVER,
    "home_share": 1.0, "moving": 0.0, "tiers": -1, "jurisdictions": -1, "units": 1.0, "hours": 1.0, "kind": 0,
    "region": 0, "further_row": 0, "further_times": 0.0,
}  # fmt: skip


def _demand(demands: Demands, order: Order) -> Array:
    by = order.demands
    out = np.zeros(len(demands), DEMAND)
    for name, otherwise in _DEFAULTS.items():
        vector = getattr(demands, name)
        out[name] = otherwise if vector is None else vector[by]
    out["data_region"] = out["region"] if demands.data_region is None else demands.data_region[by]
    out["work"] = out["units"] * out["hours"]
    out["limit"] = demands.value[by]
    out["outside"] = out["limit"] if demands.weight is None else out["limit"] * demands.weight[by]
    out["home"] = -1
    if demands.home is not None:
        place = np.full(len(order.pools) + 1, -1)
        place[order.pools] = np.arange(len(order.pools))
        out["home"] = place[demands.home[by]]
    return out


def _quotas(demands: Demands, pools: Pools, order: Order, demand: Array) -> dict[str, Any]:
    """The rows of quotas; writes ``group`` and ``counts`` of the demands."""
    m = len(pools)
    place = np.ascontiguousarray(np.stack([pools.site, pools.owner, np.arange(m)])[:, order.pools], np.int32)
    quotas = demands.quotas or Quotas(scope=np.zeros(0, int), measure=np.zeros(0, int), limit=np.zeros(0))
    widths = place.max(axis=1, initial=-1)[quotas.scope] + 1
    demand["group"] = -1
    if demands.group is not None and len(quotas.limit):
        group = demands.group[order.demands]
        demand["group"] = group
        demand["counts"] = np.where(group < 0, 0.0, np.where(quotas.measure[group] == MEMBERS, 1.0, demand["work"]))
    return {
        "place": place,
        "groups": np.stack([np.cumsum(widths) - widths, quotas.scope]).astype(np.int32),
        "quota_limit": np.repeat(quotas.limit.astype(np.float64), widths),
    }


def _classes(demand: Array, need: Floats, owners: Words) -> Classes:
    """Number the classes; writes ``klass`` of the demands."""
    base = _numbered([demand["kind"], *(_level(need[:, r]) for r in range(need.shape[1]))])
    klass = _numbered([base, demand["tiers"], demand["jurisdictions"], demand["green_min"], *owners.T])
    masked = int(klass.max(initial=0)) < max(64, min(MOST_CLASSES, len(klass) // 8))
    if not masked:
        klass = base
    demand["klass"] = klass
    example = _examples(klass)
    least = np.full((int(base.max(initial=-1)) + 1, need.shape[1]), NEVER)
    _least(base, need, least)
    kinds = np.ascontiguousarray(demand["kind"][_examples(base)])
    return Classes(example, base[example], kinds, least, masked)


def _examples(number: Rows) -> Rows:
    first = np.zeros(int(number.max(initial=-1)) + 1, np.int32)
    first[number[::-1]] = np.arange(len(number), dtype=np.int32)[::-1]
    return first


def _level(need: Floats) -> Ints:
    cuts = np.unique(np.quantile(need, np.arange(1, LEVELS) / LEVELS)) if len(need) else np.zeros(0)
    return np.searchsorted(cuts, need, side="right")


def _numbered(columns: list[Array]) -> Rows:
    """Rows that agree in every column get the same number."""
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        kept, inverse = _known(column)
        if kept > 1:
            number = _known(number * kept + inverse)[1]
    return number.astype(np.int32)


def _known(column: Array) -> tuple[int, Array]:
    """How many values there are, and for each row which. Small whole numbers need no sorting."""
    if np.issubdtype(column.dtype, np.integer) and len(column):
        least, most = int(column.min()), int(column.max())
        if most - least < 4 * len(column) + 1024:
            there = np.zeros(most - least + 1, bool)
            there[column - least] = True
            return int(there.sum()), (np.cumsum(there) - 1)[column - least]
    kept, inverse = np.unique(column, return_inverse=True)
    return len(kept), inverse


@compiled
def _least(klass: Rows, need: Floats, least: Floats) -> None:
    for i in range(len(klass)):
        for r in range(need.shape[1]):
            least[klass[i], r] = min(least[klass[i], r], need[i, r])


def _float64(array: Array, order: Ints) -> Floats:
    return np.ascontiguousarray(array[order], np.float64)


def refuse_if_large(demands: int, kept: int, limit_gib: float) -> None:
    """Raise MatchingError where the lists of ``kept`` pools for so many demands need more than ``limit_gib``."""
    gib = demands * (kept * 36 + 400) / 2**30
    if gib > limit_gib:
        raise MatchingError(
            "too_large",
            f"{demands} demands need about {gib:.1f} GiB, allowed are {limit_gib:g}; hand in fewer at once, or ask for"
            " less effort",
        )
