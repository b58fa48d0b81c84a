"""Plan the next hours: where and when each demand runs, all weighed together, by prices of pools and slots.

The third use of the engine: ``place`` decides one order now, ``match`` all that waits for one window, ``plan`` when in
the next slots it should begin. What is minimised stands in ``hours_arrays``. The way is that of ``matching``: prices
from samples of the demands, the hot phase first, or warm from the last plan; Newton on all demands; whole decisions lot
by lot; nobody is left who has a cheaper start with room; an exact look that proves the bound. Prices are right whatever
they are: they only decide how near the total comes to the bound

    sum_i min(outside_i, min_jt c_ijt + sum_{s in w_ijt} lambda_js units_i ...) - sum lambda * capacity.

Every count is fixed and every order of adding too: the result depends on nothing but the arrays and the seed.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, MatchingError, Pools
from suanlian.rules.matching.dual import Sample
from suanlian.rules.matching.hours_arrays import Hours, Plan, after_contracts, checked_prices, validate
from suanlian.rules.matching.hours_dual import ascend_hours
from suanlian.rules.matching.hours_firstcome import Begun, first_come_starts, nowhere
from suanlian.rules.matching.hours_polish import by_loss, eject_starts
from suanlian.rules.matching.hours_problem import ReadyHours, prepare_hours
from suanlian.rules.matching.hours_rounding import decide_starts, exhaust_starts, refill
from suanlian.rules.matching.hours_scan import best_starts, bound_of
from suanlian.rules.matching.matching import MEMORY_GIB, Cooling, Effort, drawn
from suanlian.rules.matching.rounding import Lot

__all__ = ["Hours", "Plan", "bound", "first_come_plan", "plan"]


class Course(NamedTuple):
    """What an effort does.

    ``full``: temperatures of Newton on all demands, each with its steps. ``kept``: starts in a list, half as many in
    those of a lot. ``rounds`` of the polish look at ``looks`` others for each demand.
    """

    cold: tuple[Cooling, ...]
    full: tuple[tuple[float, int], ...]
    kept: int
    lots: tuple[Lot, ...]
    rounds: int
    looks: int


_HOT: Final = (
    Cooling(4000, (0.8, 0.4, 0.2, 0.1, 0.05), 4, 128),
    Cooling(16000, (0.05, 0.025, 0.012), 3, 128),
)
_FEW: Final = (Lot(0.5, 0.012, 0), Lot(1.0, 0.012, 2))
_LOTS: Final = tuple(Lot(until, 0.012, 2) for until in (0.15, 0.3, 0.45, 0.6, 0.72, 0.83, 0.92, 1.0))
_MANY: Final = tuple(Lot(until / 14, 0.012, 3) for until in range(1, 15))
COURSES: Final[Mapping[Effort, Course]] = {
    "fast": Course(_HOT[:1], ((0.012, 3),), 24, _FEW, 0, 0),
    "balanced": Course(_HOT, ((0.012, 3), (0.006, 3)), 32, _LOTS, 1, 200),
    "best": Course(_HOT, ((0.025, 3), (0.012, 3), (0.006, 4), (0.003, 4)), 64, _MANY, 3, 400),
}


def plan(
    demands: Demands,
    pools: Pools,
    hours: Hours,
    *,
    earliest: Floats | None = None,
    prices: Floats | None = None,
    green_prices: Floats | None = None,
    reserved: Floats | None = None,
    effort: Effort = "balanced",
    certify: bool = True,
    seed: int = 0,
    memory_gib: float = MEMORY_GIB,
) -> Plan:
    """Give the demands places and starts at nearly the least total cost.

    Args:
        demands: what waits; ``deadline`` is the latest end.
        pools: where it may go; their ``capacity`` is not asked.
        hours: what is free in the slots, what it costs then, and how green it is.
        earliest: [N] hours from now, no earlier start; None: now.
        prices: [M, T, R] shadow prices of the last plan (``Plan.prices``), moved on by the slots that have passed;
            None: found from nothing.
        green_prices: [S, T] those of the contract for green power.
        reserved: [M, T, R] units held free for contracts.
        effort: how long to look.
        certify: whether the bound is wanted.
        seed: draws the samples of a cold start.
        memory_gib: refuse what needs more.

    Raises:
        MatchingError: the arrays cannot be meant, or are too many.
    """
    validate(demands, pools, hours, earliest)
    if effort not in COURSES:
        raise MatchingError("option_invalid", f"effort is one of {', '.join(COURSES)}, not {effort}")
    course = COURSES[effort]
    _refuse_if_large(len(demands), hours, course.kept, memory_gib)
    ready = prepare_hours(demands, pools, hours, earliest, after_contracts(hours, reserved))
    if not len(demands) or not len(pools):
        out = nowhere(ready.hourly)
        return _out(ready, out, np.zeros(out.room.shape), float(out.cost.sum()))
    found, scale = _prices(ready, pools, hours, course, prices, green_prices, seed)
    h, rows = ready.hourly, np.arange(len(demands))
    now = nowhere(h)
    last = decide_starts(h, ready.classes, found, now, course.lots, course.kept // 2, scale)
    worth = h.p.demand["outside"] / h.p.demand["work"]
    refill(h, ready.classes, last, now, np.argsort(-worth, kind="stable"))
    lines, least, _ = best_starts(h, ready.classes, found, h.capacity, rows, course.kept)
    for _ in range(course.rounds):
        eject_starts(h, lines, now, by_loss(h, found, least, now), course.looks * len(rows))
    exhaust_starts(h, ready.classes, now)
    return _out(ready, now, found, bound_of(h, found, least) if certify else -np.inf)


def bound(
    demands: Demands,
    pools: Pools,
    hours: Hours,
    prices: Floats,
    *,
    earliest: Floats | None = None,
    green_prices: Floats | None = None,
    reserved: Floats | None = None,
) -> float:
    """No plan costs less than this, for any prices [M, T, R] and [S, T] that are not negative. CNY."""
    validate(demands, pools, hours, earliest)
    ready = prepare_hours(demands, pools, hours, earliest, after_contracts(hours, reserved))
    at = _inside(ready, pools, hours, prices, green_prices)
    if not len(demands) or not len(pools):
        return float(ready.hourly.p.demand["outside"].sum())
    _, least, _ = best_starts(ready.hourly, ready.classes, at, ready.hourly.capacity, np.arange(len(demands)), 1)
    return bound_of(ready.hourly, at, least)


def first_come_plan(demands: Demands, pools: Pools, hours: Hours, *, earliest: Floats | None = None) -> Plan:
    """What brokers do: each demand in turn to the start that is cheapest for it alone."""
    validate(demands, pools, hours, earliest)
    ready = prepare_hours(demands, pools, hours, earliest, hours.capacity)
    now = nowhere(ready.hourly)
    first_come_starts(ready.hourly, now)
    return _out(ready, now, np.zeros(now.room.shape), -np.inf)


def _refuse_if_large(demands: int, hours: Hours, kept: int, limit_gib: float) -> None:
    """Lists of starts with their shares, and tables of windows, are what memory is needed for."""
    m, slots, resources = hours.capacity.shape
    rows = m * resources + (0 if hours.green_kwh is None else len(hours.green_kwh))
    gib = (demands * (kept * 72 + 600) + m * slots * (slots + 1) * 8 + rows * slots * 8 * 30) / 2**30
    if gib > limit_gib:
        raise MatchingError(
            "too_large",
            f"{demands} demands in {slots} slots of {m} pools need about {gib:.1f} GiB, allowed are {limit_gib:g};"
            " hand in fewer at once, longer slots, or ask for less effort",
        )


def _prices(
    ready: ReadyHours,
    pools: Pools,
    hours: Hours,
    course: Course,
    prices: Floats | None,
    green_prices: Floats | None,
    seed: int,
) -> tuple[Floats, float]:
    """Prices by row and slot, and the mean price per reference hour that temperatures are shares of."""
    h = ready.hourly
    if prices is None:
        found = np.zeros(h.capacity.shape)
        scale = _scale(ready, found, course.cold[0].sample, seed)
        for cooling in course.cold:
            sample = drawn(h.p, cooling.sample, seed)
            for tau in cooling.taus:
                found = _newton(ready, found, sample, tau * scale, cooling.steps, cooling.kept)
            if len(sample.rows) == len(h.p.demand):
                break
    else:
        found = _inside(ready, pools, hours, prices, green_prices)
        scale = _scale(ready, found, course.cold[0].sample, seed)
    rows = np.arange(len(h.p.demand))
    for tau, steps in course.full:
        found = _newton(ready, found, Sample(rows, rows, np.ones(len(rows))), tau * scale, steps, course.kept)
    return found, scale


def _newton(ready: ReadyHours, prices: Floats, sample: Sample, tau: float, steps: int, kept: int) -> Floats:
    h = ready.hourly
    lines, _, _ = best_starts(h, ready.classes, prices, h.capacity, sample.rows, kept)
    return ascend_hours(h, prices, lines, sample, h.capacity, tau, steps)[0]


def _scale(ready: ReadyHours, prices: Floats, count: int, seed: int) -> float:
    h = ready.hourly
    sample = drawn(h.p, count, seed)
    _, least, _ = best_starts(h, ready.classes, prices, h.capacity, sample.rows, 1)
    mean = float((least * sample.times).sum() / (h.p.demand["work"][sample.rows] * sample.times).sum())
    return mean if mean > 0 else 1.0


def _inside(ready: ReadyHours, pools: Pools, hours: Hours, prices: Floats, green_prices: Floats | None) -> Floats:
    """Shadow prices as rows by slots. Raises MatchingError where they cannot be meant."""
    checked_prices(pools, hours, prices, green_prices)
    out = np.zeros(ready.hourly.capacity.shape)
    cut = len(pools) * pools.resources
    out[:cut] = prices[ready.order.pools].transpose(0, 2, 1).reshape(cut, hours.slots)
    if green_prices is not None:
        out[cut:] = green_prices
    return out


def _out(ready: ReadyHours, now: Begun, prices: Floats, least: float) -> Plan:
    """Rows of the problem back to the caller's."""
    h, order = ready.hourly, ready.order
    (m, resources), slots = h.base.shape, h.capacity.shape[1]
    n, cut = len(now.pool), m * resources
    pool, start = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    cost, used = np.empty(n), np.zeros(n)
    served = np.flatnonzero(now.pool >= 0)
    pool[order.demands[served]] = order.pools[now.pool[served]]
    start[order.demands[served]] = now.start[served]
    cost[order.demands] = now.cost
    d, q = h.p.demand[served], h.p.pool[now.pool[served]]
    home = np.where(d["home"] == now.pool[served], d["home_share"], 1.0)
    used[order.demands[served]] = d["work"] * h.p.eff[d["kind"], q["family"]] * home
    tables = np.empty((2, m, slots, resources))
    for table, rows in zip(tables, (now.room, prices), strict=True):
        table[order.pools] = rows[:cut].reshape(m, resources, slots).transpose(0, 2, 1)
    return Plan(
        pool=pool, start=start, cost=cost, used=used, remaining=tables[0], green_remaining=now.room[cut:],
        prices=tables[1], green_prices=prices[cut:].copy(), bound=least, total=float(cost.sum()),
    )  # fmt: skip
