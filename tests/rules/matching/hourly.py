"""Small instances by the hour for tests, and their dense definition in numpy, which shares no code with the rules."""

from dataclasses import dataclass, replace

import numpy as np

from suanlian.rules.matching.arrays import Array, Demands, Floats, Pools
from suanlian.rules.matching.hours_arrays import Hours, Plan
from tests.rules.matching import instances

SLOTS = 7
TINY = 1e-9


@dataclass(frozen=True)
class Case:
    """What a plan is made of."""

    demands: Demands
    pools: Pools
    hours: Hours
    earliest: Floats | None


def case(seed: int, *, n: int = 30, m: int = 5, slots: int = SLOTS) -> Case:
    """One to three resources; with and without homes, a contract, factors, earliest starts, and half-hour slots."""
    g = np.random.default_rng(seed + 5000)
    resources = 1 + seed % 3
    pools = instances.pools(seed, m, resources=resources)
    demands = instances.demands(seed, n, resources=resources)
    demands = replace(
        demands,
        green_min=g.choice([0.0, 0.0, 0.2, 0.4], n),
        budget=np.where(g.random(n) < 0.8, np.inf, demands.units * demands.hours * 4.0),
    )
    if seed // 2 % 2:
        demands = instances.with_homes(seed, demands, pools)
    if seed // 5 % 2:
        demands = instances.with_further(seed, demands, pools)
    plain = seed // 4 % 3 == 0
    contract = seed // 3 % 3 == 0
    hours = Hours(
        capacity=np.floor(g.uniform(0, 18, (m, slots, resources)) * (g.random((m, slots, 1)) < 0.9)),
        price_factor=None if plain else g.uniform(0.4, 1.8, (m, slots)),
        carbon=None if plain else g.uniform(0.0, 0.3, (m, slots)),
        green=None if plain else g.uniform(0.0, 1.0, (m, slots)),
        green_kwh=g.uniform(0.0, 6.0, (instances.SITES, slots)) if contract else None,
        power_kw=g.uniform(0.2, 1.0, m) if contract else None,
        length=float(g.choice([0.5, 1.0, 1.0])),
    )
    return Case(demands, pools, hours, g.uniform(0, 3, n) if seed % 2 else None)


def dense(x: Case, free: Floats | None = None) -> tuple[Floats, Array, Floats]:
    """c [N, M, T], infinite where a start is not feasible; the end slot [N, M, T]; hours that run [N, M]."""
    d, p, h = x.demands, x.pools, x.hours
    n, m, slots = len(d), len(p), h.slots
    room = h.capacity if free is None else free
    wide = replace(p, capacity=np.full((m, p.resources), 1e14), green=np.full(m, 9.0))
    loose = replace(d, deadline=None, budget=None, value=np.full(n, 1e12))
    c0, a = instances.dense(loose, wide)
    run = np.where(np.isfinite(c0), a / d.units[:, None], 0.0)
    home = np.full(n, -1) if d.home is None else d.home
    gb = np.where(home[:, None] == np.arange(m)[None], 0.0, (np.zeros(n) if d.data_gb is None else d.data_gb)[:, None])
    at = d.region if d.data_region is None else d.data_region
    ready = gb * p.sites.transfer[:, p.site][at]
    if x.earliest is not None:
        ready = ready + x.earliest[:, None]
    data = gb * p.sites.egress[:, p.site][at]
    needs = np.ones((n, 1)) if d.need is None else np.concatenate([np.ones((n, 1)), d.need], axis=1)
    rent = needs @ p.price.T
    steady = c0 - a * (rent + p.carbon[None]) - data
    factor = np.ones((m, slots)) if h.price_factor is None else h.price_factor
    carbon = np.repeat(p.carbon[:, None], slots, axis=1) if h.carbon is None else h.carbon
    green = np.repeat(p.green[:, None], slots, axis=1) if h.green is None else h.green
    floor = np.zeros(n) if d.green_min is None or h.green_kwh is not None else d.green_min
    cost, end = np.full((n, m, slots), np.inf), np.zeros((n, m, slots), int)
    edge = np.arange(slots + 1) * h.length
    for t in range(slots):
        begin = np.maximum(ready, edge[t])
        over = begin + run
        ok = np.isfinite(c0) & (begin < edge[t + 1] - TINY) & (over <= edge[-1] + TINY)
        ok &= over <= (np.full(n, np.inf) if d.deadline is None else d.deadline)[:, None] + TINY
        end[:, :, t] = np.maximum(np.ceil(over / h.length - TINY), t + 1).astype(int).clip(max=slots)
        part = np.clip(np.minimum(over[..., None], edge[1:]) - np.maximum(begin[..., None], edge[:-1]), 0.0, None)
        billed = d.units[:, None] * rent * (part * factor[None]).sum(axis=2) + data
        with np.errstate(invalid="ignore"):
            total = billed + d.units[:, None] * (part * carbon[None]).sum(axis=2) + steady
        ok &= billed <= (np.full(n, np.inf) if d.budget is None else d.budget)[:, None] + TINY
        ok &= total <= d.value[:, None] + TINY
        held = (np.arange(slots) >= t) & (np.arange(slots) < end[:, :, t, None])
        ok &= ~(held & (green[None] < floor[:, None, None])).any(axis=2)
        for much, left in zip(*amounts(x, room), strict=True):
            ok &= ~(held & (much[:, :, None] > left[None])).any(axis=2)
        cost[:, :, t] = np.where(ok, total, np.inf)
    return cost, end, run


def amounts(x: Case, room: Floats) -> tuple[list[Floats], list[Floats]]:
    """For each resource, then the contract: what a demand holds of it [N, M], and what there is [M, T]."""
    d, h = x.demands, x.hours
    ones = np.ones((1, len(x.pools)))
    much = [d.units[:, None] * ones]
    much += [(d.units * d.need[:, r])[:, None] * ones for r in range(x.pools.resources - 1) if d.need is not None]
    left = [room[:, :, r] for r in range(x.pools.resources)]
    if h.green_kwh is not None and h.power_kw is not None and d.green_min is not None:
        much.append((d.units * d.green_min)[:, None] * h.power_kw[None] * h.length)
        left.append(h.green_kwh[x.pools.site])
    return much, left


def loads(x: Case, made: Plan) -> list[Floats]:
    """For each resource what is held [M, T]; then of the contract [S, T]."""
    _, end, _ = dense(x)
    much, _ = amounts(x, x.hours.capacity)
    out = []
    for r, each in enumerate(much):
        site = r >= x.pools.resources
        table = np.zeros((instances.SITES if site else len(x.pools), x.hours.slots))
        for i in np.flatnonzero(made.pool >= 0):
            j, t = made.pool[i], made.start[i]
            table[x.pools.site[j] if site else j, t : end[i, j, t]] += each[i, j]
        out.append(table)
    return out
