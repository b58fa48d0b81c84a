"""Match all that waits at once: prices of scarce pools, whole decisions by them, and a proof of how good they are.

Cold, prices come from samples of the demands, the hot phase first; warm, from the last tick. Then Newton on all
demands, an exact look at every demand's best pools (which proves the bound), decisions lot by lot, and a polish. Every
count is fixed and every order of adding too: the result depends on nothing but the arrays and the seed.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Match, MatchingError, Pools, validate
from suanlian.rules.matching.dual import Room, Sample, ascend
from suanlian.rules.matching.firstcome import Placed, first_come
from suanlian.rules.matching.polish import exhaust, placed, polish
from suanlian.rules.matching.problem import Order, Problem, Ready, prepare, refuse_if_large
from suanlian.rules.matching.rounding import Lot, decide
from suanlian.rules.matching.scan import Prices, best, bound_of, checked_prices

Effort = Literal["fast", "balanced", "best"]


class Cooling(NamedTuple):
    """Newton on ``sample`` demands (0: on all), ``steps`` at each of ``taus`` (shares of the mean price)."""

    sample: int
    taus: tuple[float, ...]
    steps: int
    kept: int


class Plan(NamedTuple):
    """What an effort does. ``full``: Newton on all demands, temperatures and steps, with lists anew for each row."""

    cold: tuple[Cooling, ...]
    full: tuple[tuple[tuple[float, int], ...], ...]
    kept: int
    kept_small: int
    lots: tuple[Lot, ...]
    rounds: int
    looks: int


_HOT: Final = (
    Cooling(4000, (0.2, 0.1, 0.05, 0.025, 0.012, 0.006), 4, 64),
    Cooling(16000, (0.05, 0.025, 0.012, 0.006), 3, 64),
)
PLANS: Final[Mapping[Effort, Plan]] = {
    "fast": Plan(
        cold=(_HOT[0],), full=(((0.006, 2),),), kept=16, kept_small=32,
        lots=(Lot(0.4, 0.006, 0), Lot(0.75, 0.01, 2), Lot(1.0, 0.01, 2, density=True)), rounds=0, looks=0,
    ),
    "balanced": Plan(
        cold=_HOT, full=(((0.006, 2), (0.003, 3)),), kept=32, kept_small=48,
        lots=(Lot(0.4, 0.006, 0), Lot(0.7, 0.006, 1), Lot(1.0, 0.006, 1, density=True)),
        rounds=1, looks=40,
    ),
    "best": Plan(
        cold=_HOT, full=(((0.006, 3),), ((0.003, 4),), ((0.0015, 5),)), kept=48, kept_small=64,
        lots=(
            Lot(0.2, 0.006, 0), Lot(0.35, 0.006, 4), Lot(0.5, 0.006, 4),
            Lot(0.7, 0.006, 4), Lot(0.85, 0.006, 4), Lot(0.95, 0.006, 4),
            Lot(1.0, 0.006, 4, density=True),
        ),
        rounds=3, looks=120,
    ),
}  # fmt: skip
"""Efforts. ``looks`` is the budget of the polish, members looked at for each demand."""
FEW: Final = 8
"""A list has so many pools of a demand whatever they cost, ..."""
WIDTH: Final = 0.1
"""... and more where they cost little more than the best, in shares of the mean price: where many pools are nearly
alike, a price moves on what those say who have it far down their lists."""
SPREAD: Final = 1000
"""Samples are for so many pools: of more pools, as much larger ones are drawn."""
MANY: Final = 250_000
"""Beyond so many demands, Newton sees so many of them, drawn by their work; what is proved is proved over all."""
SMALL: Final = 20_000
"""Up to so many demands lists are longer."""
MEMORY_GIB: Final = 4.0
"""So much memory a call may need, unless it is told otherwise."""


def match(
    demands: Demands,
    pools: Pools,
    *,
    prices: Floats | None = None,
    quota_prices: Floats | None = None,
    reserved: Floats | None = None,
    effort: Effort = "balanced",
    certify: bool = True,
    seed: int = 0,
    memory_gib: float = MEMORY_GIB,
) -> Match:
    """Match the demands to the pools at nearly the least total cost.

    Args:
        demands: what waits.
        pools: where it may go.
        prices: [M, R] shadow prices of the last tick (``Match.prices``); None: found from nothing. Any prices that are
            not negative are right, good ones are quick.
        quota_prices: [E] those of quotas (``Match.quota_prices``).
        reserved: [M, R] hours held free for contracts.
        effort: how long to look.
        certify: whether the bound is wanted.
        seed: draws the samples of a cold start.
        memory_gib: refuse what needs more.

    Raises:
        MatchingError: the arrays cannot be meant, or are too many.
    """
    validate(demands, pools)
    plan = _plan(effort)
    kept = min(plan.kept_small if len(demands) <= SMALL else plan.kept, max(len(pools), 1))
    refuse_if_large(len(demands), kept, memory_gib)
    ready = prepare(demands, pools, _reserved(pools, reserved))
    problem, classes, order = ready
    if not len(demands) or not len(pools):
        return _unserved(ready)
    rows = np.arange(len(demands))
    if prices is None:
        found, scale = _cold(ready, plan, seed)
    else:
        found = checked_prices(problem, order, prices, quota_prices)
        scale = _scale(ready, found, plan.cold[0].sample, seed)
    found = _full(ready, found, plan, kept, scale, seed)
    lines, least, _ = best(problem, classes, found, rows, kept, min(FEW, kept), WIDTH * scale)
    held = decide(problem, found, lines, plan.lots, scale)
    polish(problem, found, lines, held, plan.rounds, plan.looks * len(rows))
    out = placed(problem, lines, held)
    exhaust(problem, classes, out)
    return _out(out, found, order, bound_of(problem, found, least) if certify else -np.inf)


def bound(
    demands: Demands,
    pools: Pools,
    prices: Floats,
    *,
    quota_prices: Floats | None = None,
    reserved: Floats | None = None,
) -> float:
    """No matching costs less than this, for any prices [M, R] that are not negative. CNY."""
    validate(demands, pools)
    problem, classes, order = prepare(demands, pools, _reserved(pools, reserved))
    at = checked_prices(problem, order, prices, quota_prices)
    if not len(demands) or not len(pools):
        return float(problem.demand["outside"].sum())
    _, least, _ = best(problem, classes, at, np.arange(len(demands)), 1)
    return bound_of(problem, at, least)


def first_come_match(demands: Demands, pools: Pools, prices: Floats | None = None) -> Match:
    """What brokers do: each demand in turn to the pool that is best for it alone, by ``prices`` too where given."""
    validate(demands, pools)
    problem, _, order = prepare(demands, pools)
    at = checked_prices(problem, order, np.zeros(pools.capacity.shape) if prices is None else prices, None)
    return _out(first_come(problem, at), at, order, -np.inf)


def _plan(effort: Effort) -> Plan:
    if effort not in PLANS:
        raise MatchingError("option_invalid", f"effort is one of {', '.join(PLANS)}, not {effort}")
    return PLANS[effort]


def _reserved(pools: Pools, reserved: Floats | None) -> Floats | None:
    if reserved is not None and (reserved.shape != pools.capacity.shape or not (reserved >= 0).all()):
        raise MatchingError("capacity_absurd", f"reserved is [M, R] = {pools.capacity.shape} and not negative")
    return reserved


def _cold(ready: Ready, plan: Plan, seed: int) -> tuple[Prices, float]:
    """Prices from nothing, and the mean price per reference hour that temperatures are shares of."""
    p = ready.problem
    prices = Prices(np.zeros(p.capacity.shape), np.zeros(len(p.quota_limit)))
    scale = _scale(ready, prices, plan.cold[0].sample, seed)
    for cooling in plan.cold:
        sample = drawn(p, cooling.sample * max(1, len(p.pool) // SPREAD), seed)
        for tau in cooling.taus:
            kept = min(cooling.kept, len(p.pool))
            lines, _, _ = best(p, ready.classes, prices, sample.rows, kept)
            prices, *_ = ascend(p, prices, lines, sample, _all(p), tau * scale, cooling.steps)
        if len(sample.rows) == len(p.demand):
            break
    return prices, scale


def _full(ready: Ready, prices: Prices, plan: Plan, kept: int, scale: float, seed: int) -> Prices:
    p = ready.problem
    sample, wide = drawn(p, MANY, seed), min(kept * max(1, len(p.pool) // SPREAD), len(p.pool))
    for turn in plan.full:
        lines, _, _ = best(p, ready.classes, prices, sample.rows, wide, min(FEW, wide), WIDTH * scale)
        for tau, steps in turn:
            prices, *_ = ascend(p, prices, lines, sample, _all(p), tau * scale, steps)
    return prices


def drawn(p: Problem, count: int, seed: int) -> Sample:
    """Demands by their work: one at each of ``count`` equal parts of all work; all of them where they are not more."""
    n, work = len(p.demand), p.demand["work"]
    if n <= count:
        return Sample(np.arange(n), np.arange(n), np.ones(n))
    until = np.cumsum(work)
    part = until[-1] / count
    at = (np.arange(count) + np.random.default_rng(seed).random()) * part
    rows, times = np.unique(np.minimum(np.searchsorted(until, at, side="right"), n - 1), return_counts=True)
    return Sample(rows, np.arange(len(rows)), times * part / work[rows])


def _scale(ready: Ready, prices: Prices, count: int, seed: int) -> float:
    sample = drawn(ready.problem, count, seed)
    _, least, _ = best(ready.problem, ready.classes, prices, sample.rows, 1)
    mean = float((least * sample.times).sum() / (ready.problem.demand["work"][sample.rows] * sample.times).sum())
    return mean if mean > 0 else 1.0


def _all(p: Problem) -> Room:
    return Room(p.capacity, p.quota_limit)


def _unserved(ready: Ready) -> Match:
    p = ready.problem
    outside = p.demand["outside"].astype(np.float64)
    nowhere = Placed(np.full(len(outside), -1, np.int32), outside, np.zeros(len(outside)), p.capacity, p.quota_limit)
    free = Prices(np.zeros(p.capacity.shape), np.zeros(len(p.quota_limit)))
    return _out(nowhere, free, ready.order, float(outside.sum()))


def _out(out: Placed, prices: Prices, order: Order, least: float) -> Match:
    """Rows of the problem back to the caller's."""
    n, m = len(out.pool), len(out.room)
    pool, cost, used = np.full(n, -1, np.int64), np.empty(n), np.empty(n)
    remaining, shadow = np.empty(out.room.shape), np.empty(out.room.shape)
    pool[order.demands] = np.where(out.pool >= 0, order.pools[np.maximum(out.pool, 0)] if m else -1, -1)
    cost[order.demands], used[order.demands] = out.cost, out.used
    remaining[order.pools], shadow[order.pools] = out.room, prices.pools
    return Match(
        pool=pool, cost=cost, used=used, remaining=remaining, prices=shadow, quota_prices=prices.quotas, bound=least,
        total=float(cost.sum()),
    )  # fmt: skip
