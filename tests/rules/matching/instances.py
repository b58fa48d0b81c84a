"""Small instances for tests, drawn from a seed; their dense definition in numpy shares no code with the rules."""

from dataclasses import replace
from typing import Any

import numpy as np

from suanlian.rules.matching.arrays import Array, Demands, Floats, Pools, Quotas, Sites

FAMILIES = 3
REGIONS = 4
SITES = 5
OWNERS = 3
KINDS = 4


def pools(seed: int, m: int, *, resources: int = 1, capacity: float = 60.0) -> Pools:
    """m pools of some sites, owners and families."""
    g = np.random.default_rng(seed)
    site = g.integers(0, SITES, m)
    return Pools(
        site=site,
        owner=site % OWNERS,
        family=g.integers(0, FAMILIES, m),
        tier=g.integers(0, 3, m),
        jurisdiction=site % 2,
        size=g.choice([4.0, 16.0, 64.0], m),
        capacity=g.uniform(0.2, 1.0, (m, resources)) * capacity,
        price=g.uniform(0.5, 4.0, (m, resources)) / np.arange(1, resources + 1) ** 2,
        carbon=g.uniform(0.0, 0.2, m),
        green=g.uniform(0.0, 1.0, m),
        sites=Sites(
            latency=g.uniform(1, 80, (REGIONS, SITES)),
            egress=g.choice([0.0, 0.02, 0.07], (REGIONS, SITES)),
            transfer=g.uniform(0.0, 0.002, (REGIONS, SITES)),
        ),
    )


def demands(seed: int, n: int, *, resources: int = 1) -> Demands:
    """n demands that use every field but quotas and a home."""
    g = np.random.default_rng(seed + 1000)
    throughput = g.uniform(0.3, 2.5, (KINDS, FAMILIES)) * (g.random((KINDS, FAMILIES)) < 0.7)
    throughput[:, 0] = 1.0
    units = g.choice([1.0, 2.0, 4.0, 8.0], n)
    hours = g.uniform(0.2, 4.0, n)
    return Demands(
        throughput=throughput,
        kind=g.integers(0, KINDS, n),
        region=g.integers(0, REGIONS, n),
        data_region=g.integers(0, REGIONS, n),
        data_gb=g.uniform(0.1, 100.0, n),
        units=units,
        hours=hours,
        value=units * hours * g.uniform(1.0, 8.0, n) + 1.0,
        weight=g.choice([1.0, 1.0, 2.0], n),
        need=g.uniform(0.0, 2.0, (n, resources - 1)),
        latency_max=np.where(g.random(n) < 0.6, np.inf, g.uniform(20, 100, n)),
        latency_weight=np.where(g.random(n) < 0.6, 0.0, 0.002),
        green_min=g.choice([0.0, 0.0, 0.3, 0.5], n),
        deadline=hours * g.uniform(0.8, 8.0, n) + 0.2,
        budget=np.where(g.random(n) < 0.8, np.inf, units * hours * 3.0),
        tiers=np.where(g.random(n) < 0.5, 7, 5),
        jurisdictions=np.where(g.random(n) < 0.8, 3, 1),
        owners=g.choice(np.array([7, 7, 5], np.uint64), (n, 1)),
    )


def with_quotas(seed: int, d: Demands, groups: int = 3) -> Demands:
    """The demands in groups of every scope and both measures."""
    g = np.random.default_rng(seed + 2000)
    work = float((d.units * d.hours).sum()) / groups
    measure = np.arange(groups) // 2 % 2
    limit = np.where(measure == 0, g.integers(1, 4, groups), 0.4 * work)
    quotas = Quotas(scope=np.arange(groups) % 3, measure=measure, limit=limit.astype(float))
    return replace(d, group=g.integers(-1, groups, len(d)), quotas=quotas)


def with_homes(seed: int, d: Demands, p: Pools) -> Demands:
    """The demands, half of them running somewhere already."""
    g = np.random.default_rng(seed + 3000)
    return replace(
        d,
        home=np.where(g.random(len(d)) < 0.5, g.integers(0, len(p), len(d)), -1),
        home_share=g.uniform(0.5, 1.0, len(d)),
        moving=g.uniform(0.0, 1.0, len(d)),
    )


def with_further(seed: int, d: Demands, p: Pools) -> Demands:
    """The demands, most of which have costs besides that nobody is billed."""
    g = np.random.default_rng(seed + 4000)
    rows = 1 + seed % 3
    return replace(
        d,
        further=g.exponential(1.0, (rows, p.sites.latency.shape[1])),
        further_row=g.integers(0, rows, len(d)),
        further_times=np.where(g.random(len(d)) < 0.8, g.uniform(0.0, 4.0, len(d)), 0.0),
    )


def dense(d: Demands, p: Pools) -> tuple[Floats, Floats]:
    """c and a, [N, M]: infinite and zero where a demand may not go there."""
    n, m = len(d), len(p)
    home = _or(d.home, np.full(n, -1))[:, None] == np.arange(m)[None]
    theta = d.throughput[:, p.family][d.kind]
    with np.errstate(divide="ignore"):
        slow = np.where(theta > 0, 1.0 / theta, np.inf)
    share = np.where(home, _or(d.home_share, np.ones(n))[:, None], 1.0)
    a = (d.units * d.hours)[:, None] * slow * share
    at = _or(d.data_region, d.region)
    gb = np.where(home, 0.0, _or(d.data_gb, np.zeros(n))[:, None])
    latency = p.sites.latency[:, p.site][d.region]
    need = np.concatenate([np.ones((n, 1)), _or(d.need, np.zeros((n, 0)))], axis=1)
    further = np.zeros((n, m))
    if d.further is not None and d.further_row is not None:
        further = share * _or(d.further_times, np.zeros(n))[:, None] * d.further[:, p.site][d.further_row]
    with np.errstate(invalid="ignore"):
        rent = a * (need @ p.price.T) + gb * p.sites.egress[:, p.site][at]
        c = rent + a * (p.carbon[None] + _or(d.latency_weight, np.zeros(n))[:, None] * latency)
        c = c + further + np.where(home, 0.0, _or(d.moving, np.zeros(n))[:, None])
        ok = np.isfinite(a) & (latency <= _or(d.latency_max, np.full(n, np.inf))[:, None])
        ok &= p.green[None] >= _or(d.green_min, np.zeros(n))[:, None]
        ok &= (_or(d.tiers, np.full(n, -1))[:, None] >> p.tier[None]) & 1 == 1
        ok &= (_or(d.jurisdictions, np.full(n, -1))[:, None] >> p.jurisdiction[None]) & 1 == 1
        ok &= d.units[:, None] <= p.size[None]
        time = d.hours[:, None] * slow * share + gb * p.sites.transfer[:, p.site][at]
        ok &= time <= _or(d.deadline, np.full(n, np.inf))[:, None]
        ok &= (rent <= _or(d.budget, np.full(n, np.inf))[:, None]) & (c <= d.value[:, None])
        for r in range(p.resources):
            ok &= a * need[:, r : r + 1] <= p.capacity[None, :, r]
    if d.owners is not None:
        ok &= _owned(d.owners, p)
    c[~ok] = np.inf
    a[~ok] = 0.0
    return c, a


def outside(d: Demands) -> Floats:
    """What not serving each costs."""
    worth: Floats = d.value * _or(d.weight, np.ones(len(d)))
    return worth


def _owned(owners: Array, p: Pools) -> Array:
    word = owners[:, p.owner // 64]
    allowed: Array = (word >> (p.owner % 64).astype(np.uint64)[None]) & np.uint64(1) == 1
    return allowed


def _or(array: Array | None, otherwise: Array) -> Any:  # noqa: ANN401 - any of the arrays above
    return otherwise if array is None else array
