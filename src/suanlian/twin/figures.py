"""Results as figures: waits, use, work moved, money, carbon, and who is worse off than alone."""

from dataclasses import replace
from typing import Final

import numpy as np

from suanlian.twin.document import Fairness, Part, Run, Site, Spent, Spread
from suanlian.twin.metrics import GRACE_S
from suanlian.twin.results import Bools, Floats, Ints, Results
from suanlian.twin.world import World

POOLED: Final = "pooled"
_HOUR: Final = 3600.0


def spread(values: Floats) -> Spread:
    """Of finite values; those that never came are left out, and counted elsewhere."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Spread(mean=0, p50=0, p95=0, p99=0, most=0)
    middle, high, higher = (float(q) for q in np.quantile(known, (0.5, 0.95, 0.99)))
    return Spread(mean=float(known.mean()), p50=middle, p95=high, p99=higher, most=float(known.max()))


def run_of(results: Results, world: World, hours: Floats, alone: Results | None, pooled: Results | None) -> Run:
    """One strategy's figures; held against ``alone`` and ``pooled`` where they are there.

    ``hours`` are the ends of equal intervals (s) at which use is told. Pooled work runs at no platform in particular:
    its use is told of all.
    """
    span = float(hours[-1])
    if results.strategy == POOLED:
        # it is nobody's move: what it costs and emits is told as if each job had run at home
        at_home = np.where(results.ran, results.home, -1)
        results = replace(results, ran_at=at_home, moved=np.zeros(len(at_home), dtype=np.bool_))
    moved = results.moved & results.ran
    return Run(
        strategy=str(results.strategy),
        total=_part(results, world, None, span),
        platforms=tuple(_part(results, world, place, span) for place in range(len(world.names))),
        moved=int(moved.sum()),
        moved_work=_work(results, moved),
        work=_work(results, results.ran),
        lost=float(np.sum(results.lost * results.units)) / _HOUR,
        spent=spent(results, world),
        fairness=() if alone is None else fairness(results, alone, world),
        gap_closed=None if alone is None or pooled is None else gap_closed(results, alone, pooled),
        busy=()
        if results.strategy == POOLED
        else tuple(_use(results, world, place, hours) for place in range(len(world.names))),
        notes=tuple(results.notes),
    )


def sites(world: World) -> tuple[Site, ...]:
    """The platforms of a world."""
    return tuple(
        Site(
            name=name,
            owner=world.owners[world.owner[place]],
            nodes=int(world.nodes[place]),
            units=int(world.units[place]),
            price=_mean(world.price, place),
            carbon=_mean(world.carbon, place),
            green=_mean(world.green, place),
        )
        for place, name in enumerate(world.names)
    )


def lateness(results: Results, alone: Results) -> Floats:
    """How much later each job ends than alone (s), below zero: earlier. One that no longer ends: inf; never did: 0."""
    with np.errstate(invalid="ignore"):
        later = results.completion - alone.completion
    later = np.where(alone.ran & ~results.ran, np.inf, later)
    late: Floats = np.where(alone.ran, later, np.where(results.ran, -np.inf, 0.0))
    return late


def fairness(results: Results, alone: Results, world: World) -> tuple[Fairness, ...]:
    """Owner by owner, of the jobs submitted at their platforms."""
    by = lateness(results, alone)
    is_later = by > world.move_s + GRACE_S
    return tuple(
        _fairness(owner, by[results.owner == number], is_later[results.owner == number])
        for number, owner in enumerate(world.owners)
    )


def _fairness(owner: str, by: Floats, is_later: Bools) -> Fairness:
    late = by[is_later & np.isfinite(by)]
    known = by[np.isfinite(by)]
    return Fairness(
        owner=owner,
        jobs=len(by),
        later=int(is_later.sum()),
        later_most=float(late.max(initial=0.0)),
        later_mean=float(late.mean()) if late.size else 0.0,
        mean_change=float(known.mean()) if known.size else 0.0,
    )


def gap_closed(results: Results, alone: Results, pooled: Results) -> float | None:
    """How much of the mean wait between alone and pooled is gone; None where there is less than a minute between."""
    most, least, this = (float(np.nanmean(one.wait)) if one.ran.any() else 0.0 for one in (alone, pooled, results))
    return (most - this) / (most - least) if most - least >= GRACE_S else None


def spent(results: Results, world: World) -> Spent | None:
    """Money, energy and carbon of the work; None where the world does not say prices, factors and draw."""
    if world.price is None or world.carbon is None or world.green is None or world.watts is None:
        return None
    ran = results.ran
    place, start, end, units = results.ran_at[ran], results.start[ran], results.end[ran], results.units[ran]
    hours = (end - start) / _HOUR * units
    kwh = hours * world.watts[place] / 1000.0
    power = units * world.watts[place] / 1000.0
    total = float(kwh.sum())
    after = _integral(_product(world.carbon, 1 - world.green), place, start, end)
    carbon = _integral(world.carbon, place, start, end)
    green = _integral(world.green, place, start, end)
    return Spent(
        cost=float((_integral(world.price, place, start, end) * units).sum()),
        kwh=total,
        carbon_kg=float((carbon * power).sum()),
        carbon_after_green_kg=float((after * power).sum()),
        green_share=float((green * power).sum()) / total if total else 0.0,
    )


def _product(one: Floats, other: Floats) -> Floats:
    """The product of two tables (P, H) that repeat, over as many hours as both fit in."""
    hours = int(np.lcm(one.shape[1], other.shape[1]))
    return np.tile(one, hours // one.shape[1]) * np.tile(other, hours // other.shape[1])


def _integral(table: Floats, place: Ints, start: Floats, end: Floats) -> Floats:
    """The integral over hours of a table (P, H) that repeats, from start to end (s), shape (N,)."""
    width = table.shape[1]
    sums = np.concatenate((np.zeros((len(table), 1)), np.cumsum(table, axis=1)), axis=1)

    def until(moment: Floats) -> Floats:
        hours = moment / _HOUR
        turns, rest = np.divmod(hours, width)
        whole = np.minimum(rest.astype(np.int64), width - 1)
        reached: Floats = turns * sums[place, width] + sums[place, whole] + (rest - whole) * table[place, whole]
        return reached

    return until(end) - until(start)


def _part(results: Results, world: World, place: int | None, span: float) -> Part:
    everywhere = np.ones(len(results.job), dtype=np.bool_)
    of_home = everywhere if place is None else results.home == place
    ran_here = results.ran & (everywhere if place is None else results.ran_at == place)
    is_told_whole = results.strategy == POOLED and place is not None
    units = float(world.units.sum() if place is None else world.units[place])
    busy = float(_busy(results, ran_here, np.array([span]))[0])
    return Part(
        name="" if place is None else world.names[place],
        jobs=int(of_home.sum()),
        ended=int((of_home & results.ran).sum()),
        wait=spread(results.wait[of_home]),
        completion=spread(results.completion[of_home]),
        utilisation=None if is_told_whole else busy / (units * span) if units and span else 0.0,
        work_in=_work(results, ran_here & results.moved & ~of_home),
        work_out=0.0 if place is None else _work(results, of_home & results.moved & results.ran),
    )


def _work(results: Results, rows: Bools) -> float:
    return float(np.sum((results.end[rows] - results.start[rows]) * results.units[rows])) / _HOUR


def _use(results: Results, world: World, place: int, ends: Floats) -> tuple[float, ...]:
    rows = results.ran & (results.ran_at == place)
    busy = np.diff(_busy(results, rows, ends), prepend=0.0)
    most = float(world.units[place]) * np.diff(ends, prepend=0.0)
    return tuple(round(float(use), 4) for use in np.divide(busy, most, out=np.zeros_like(busy), where=most > 0))


def _busy(results: Results, rows: Bools, until: Floats) -> Floats:
    """Accelerator-seconds of some jobs' work up to each moment."""
    return _ramp(results.start[rows], results.units[rows], until) - _ramp(results.end[rows], results.units[rows], until)


def _ramp(at: Floats, units: Ints, until: Floats) -> Floats:
    order = np.argsort(at, kind="stable")
    weight = np.concatenate(([0.0], np.cumsum(units[order])))
    moment = np.concatenate(([0.0], np.cumsum(units[order] * at[order])))
    count = np.searchsorted(at[order], until)
    return until * weight[count] - moment[count]


def _mean(table: Floats | None, place: int) -> float | None:
    return None if table is None else float(table[place].mean())
