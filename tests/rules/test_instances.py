"""The instances of the matcher are those behind the published figures: bit for bit, whoever makes them again."""

import hashlib

import numpy as np
import pytest

from suanlian.rules.matching.arrays import validate
from suanlian.rules.matching.hours_arrays import validate as validate_hours
from suanlian.testing import instances_hourly
from suanlian.testing.instances import Family, demands_of, dense, make, named, pools_of

# letters of the definition that the figures were made with, in its order, and the names here
NAMES = {
    "lat": "latency_ms", "eg": "egress", "th": "transfer_h", "green": "green", "cont": "continent", "ps": "site",
    "pf": "family", "pt": "tier", "P": "unit_cost", "price": "list_price", "units": "size", "eff": "slowness",
    "k": "kind", "r": "region", "dr": "data_region", "u": "gang", "h": "hours", "gb": "data_gb",
    "lmax": "latency_max_ms", "lw": "latency_weight", "gfl": "green_min", "dl": "deadline_h", "tmask": "tiers",
    "cmask": "jurisdictions", "w": "work", "val": "value", "pwr": "power_kw", "cap": "capacity",
}  # fmt: skip
DIGESTS = {
    ("1k", "fleet", 0): "88ce92816af7af8336ed932e3c71671c9be0d8f2f1d03232d36f99a9569dca69",
    ("1k", "fleet", 1): "1ceddc756dfa3aeaaeaeac27772840c2f6d6d0a0e12fd3b329914fea295eb0c2",
    ("1k", "frag", 0): "e7ffe1d4565da22382be5b849c6c379052b6da6517af54609d29db9ea223f28c",
    ("1k", "frag", 2): "90eb85c55531c93ade07fc4bd74b11f645767a9df61b91b7bd081bbac479a34e",
    ("10k", "fleet", 2): "d5404b0ebc24a9be86583dc5e9f14a3050fc2db69e4bb03f96fc384d782ca0b9",
    ("10k", "frag", 1): "82613fd5fe3d3b7179c0530fd16e71e63f30528b8f6a5d072f332729dee206a5",
    ("100k", "fleet", 0): "845edb4ed502f8446cbeb3bd51b0ebcd7e0f84bce3ba2c2151ea4455135d8e0c",
    ("100k", "frag", 0): "f1b8ced9af094e9397d61d8669071bef86f136131a3bc8c88ef714e415855cab",
}


@pytest.mark.parametrize(("size", "family", "seed"), DIGESTS)
def test_the_same_seed_gives_the_published_arrays(size: str, family: Family, seed: int) -> None:
    instance = named(size, seed, family=family)
    digest = hashlib.sha256()
    for letter, name in NAMES.items():
        array = np.ascontiguousarray(getattr(instance, name))
        digest.update(f"{letter}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    assert digest.hexdigest() == DIGESTS[size, family, seed]


@pytest.mark.parametrize("family", ["fleet", "frag"])
def test_the_arrays_of_the_rules_say_what_the_dense_definition_says(family: Family) -> None:
    instance = make(300, 8, 40, seed=3, family=family)
    pools, demands = pools_of(instance), demands_of(instance)
    validate(demands, pools)
    cost, used = dense(instance, slice(0, 300))
    with np.errstate(divide="ignore"):
        hours = (demands.units * demands.hours)[:, None] / demands.throughput[:, pools.family][demands.kind]
    assert demands.latency_weight is not None
    assert demands.data_gb is not None
    assert demands.data_region is not None
    far = pools.sites.latency[:, pools.site][demands.region]
    again = hours * (pools.price[None, :, 0] + demands.latency_weight[:, None] * np.where(np.isfinite(far), far, 0))
    again += demands.data_gb[:, None] * pools.sites.egress[:, pools.site][demands.data_region]
    fits = np.isfinite(cost)
    assert fits.any()
    np.testing.assert_allclose(hours[fits], used[fits], rtol=1e-5)
    np.testing.assert_allclose(again[fits], cost[fits], rtol=1e-4)


HOURLY_DIGESTS = {
    ("1k", "fleet", 0): "5da40c291ae3198832f95b5c41b112a8ed5d1b489dfed47c7fb830eeeddf1c45",
    ("1k", "frag", 1): "a8f0e53e8ee5858f4d775770596edd946d9e7f12046b89dbfb2fae9e7530515e",
    ("100k", "fleet", 0): "8fe21617a492118f50cedf49894916983832d1d2bb17dbd44065d68361dc98e7",
}


@pytest.mark.parametrize(("size", "family", "seed"), HOURLY_DIGESTS)
def test_the_same_seed_gives_the_published_hours(size: str, family: Family, seed: int) -> None:
    instance = instances_hourly.named(size, seed, family=family)
    digest = hashlib.sha256()
    for name in ("earliest_h", "free", "price_factor", "green", "carbon_g"):
        # rounded: the last bit of a cosine is the machine's
        array = np.round(np.ascontiguousarray(getattr(instance, name)), 9) + 0.0
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    assert digest.hexdigest() == HOURLY_DIGESTS[size, family, seed]


@pytest.mark.parametrize("family", ["fleet", "frag"])
def test_the_hours_are_what_rules_take_and_ask_for_more_than_there_is(family: Family) -> None:
    instance = instances_hourly.make(400, 8, 40, seed=3, family=family)
    demands, pools = instances_hourly.demands_of(instance), instances_hourly.pools_of(instance)
    hours = instances_hourly.hours_of(instance)
    validate_hours(demands, pools, hours, instance.earliest_h)
    assert hours.capacity.shape == (40, instances_hourly.SLOTS, 1)
    assert (hours.capacity == np.floor(hours.capacity)).all()
    assert (demands.units * demands.hours).sum() > 0.5 * hours.capacity.sum()
