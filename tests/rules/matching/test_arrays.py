"""Arrays that cannot be meant are named errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from suanlian.rules.matching.arrays import CODES, Array, MatchingError, Quotas, validate
from tests.rules.matching import instances

POOLS = instances.pools(1, 6, resources=2)
DEMANDS = instances.with_further(1, instances.with_quotas(1, instances.demands(1, 9, resources=2)), POOLS)
NAN = float("nan")


def spoilt(array: Array | None, value: float) -> Array:
    assert array is not None
    out = array.copy()
    out.flat[3] = value
    return out


def test_what_the_generator_makes_is_well() -> None:
    validate(DEMANDS, POOLS)
    validate(
        replace(DEMANDS, ids=np.arange(9)[::-1], quotas=None, group=None), replace(POOLS, ids=np.array(list("fbacde")))
    )


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("capacity_absurd", {"capacity": spoilt(POOLS.capacity, -1.0)}),
        ("capacity_absurd", {"capacity": spoilt(POOLS.capacity, 1e16)}),
        ("capacity_absurd", {"size": spoilt(POOLS.size, NAN)}),
        ("price_invalid", {"price": spoilt(POOLS.price, NAN)}),
        ("price_invalid", {"price": spoilt(POOLS.price, -0.1)}),
        ("price_invalid", {"carbon": spoilt(POOLS.carbon, np.inf)}),
        ("distance_negative", {"sites": replace(POOLS.sites, latency=spoilt(POOLS.sites.latency, -3.0))}),
        ("distance_negative", {"sites": replace(POOLS.sites, transfer=spoilt(POOLS.sites.transfer, NAN))}),
        ("distance_negative", {"sites": replace(POOLS.sites, egress=spoilt(POOLS.sites.egress, -0.01))}),
        ("index", {"site": spoilt(POOLS.site, instances.SITES)}),
        ("index", {"tier": spoilt(POOLS.tier, 62)}),
        ("index", {"owner": POOLS.owner.astype(float)}),
        ("shape", {"green": POOLS.green[:-1]}),
        ("shape", {"capacity": POOLS.capacity[:, 0]}),
        ("ids_twice", {"ids": np.array(list("abcdea"))}),
    ],
)
def test_bad_pools_are_named(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(MatchingError) as caught:
        validate(DEMANDS, replace(POOLS, **change))
    assert caught.value.code == code
    assert code in CODES


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("throughput_missing", {"kind": spoilt(DEMANDS.kind, instances.KINDS)}),
        ("throughput_missing", {"throughput": DEMANDS.throughput * 0}),
        ("throughput_missing", {"throughput": DEMANDS.throughput[:0]}),
        ("throughput_invalid", {"throughput": spoilt(DEMANDS.throughput, NAN)}),
        ("demand_invalid", {"units": spoilt(DEMANDS.units, 0.0)}),
        ("demand_invalid", {"hours": spoilt(DEMANDS.hours, NAN)}),
        ("demand_invalid", {"need": spoilt(DEMANDS.need, -1.0)}),
        ("demand_invalid", {"deadline": spoilt(DEMANDS.deadline, NAN)}),
        ("distance_negative", {"data_gb": spoilt(DEMANDS.data_gb, -1.0)}),
        ("value_invalid", {"value": spoilt(DEMANDS.value, NAN)}),
        ("value_invalid", {"weight": spoilt(DEMANDS.weight, -1.0)}),
        ("shape", {"need": None}),
        ("shape", {"region": DEMANDS.region[:-1]}),
        ("shape", {"owners": np.zeros((9, 0), np.uint64)}),
        ("index", {"region": spoilt(DEMANDS.region, -1)}),
        ("index", {"group": spoilt(DEMANDS.group, 3)}),
        ("index", {"home": np.full(9, 6)}),
        ("index", {"further_row": np.full(9, 2)}),
        ("shape", {"further": None}),
        ("shape", {"further": spoilt(DEMANDS.further, 1.0)[:, :-1]}),
        ("price_invalid", {"further": spoilt(DEMANDS.further, -1.0)}),
        ("price_invalid", {"further_times": spoilt(DEMANDS.further_times, NAN)}),
        ("quota_invalid", {"quotas": Quotas(scope=np.array([3]), measure=np.array([0]), limit=np.array([1.0]))}),
        ("quota_invalid", {"quotas": Quotas(scope=np.array([0]), measure=np.array([0]), limit=np.array([NAN]))}),
        ("ids_twice", {"ids": np.array([1, 2, 3, 4, 5, 6, 7, 8, 1])}),
    ],
)
def test_bad_demands_are_named(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(MatchingError) as caught:
        validate(replace(DEMANDS, **change), POOLS)
    assert caught.value.code == code
