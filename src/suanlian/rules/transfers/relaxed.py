"""The flow over (route, hour) with bytes that can be parted at will: what each link is worth in each hour, and to whom.

A column is so many GB of a transfer by a route in an hour; over a third site it takes both links in the same hour, from
when its first leg can be whole at the earliest. Rows: each transfer arrives or is missed, no link carries more than
passes. Solved by the dual simplex of HiGHS (scipy). The relaxation only guides: its prices are what scarce hours cost,
its flows say which route is tried first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from suanlian.rules.transfers.grid import GB, HOUR, Floats, Grid, Ints, Room
from suanlian.rules.transfers.problem import Weights
from suanlian.rules.transfers.ready import Job, Ready
from suanlian.rules.transfers.routes import Route, least_hour

MAX_COLUMNS: Final = 200_000
"""With more columns several hours become one, so that the time that it takes stays bounded."""
LEAST_GB: Final = 0.001
"""What is smaller than that takes no part: it fits anywhere."""
_SURE: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Relaxed:
    """``flows``: GB of each route of each job. ``prices``: [R, S] CNY for a GB in each slot. ``columns``: how many."""

    flows: tuple[Floats, ...]
    prices: Floats
    total: float
    columns: int
    solved: bool


class _Periods(NamedTuple):
    """Hours, or several of them as one. ``of``: [S] of each slot. GB, CNY for a GB, hours from now: [R, P] or [P]."""

    of: Ints
    of_hour: Ints
    room: Floats
    price: Floats
    middle: Floats
    ends: Floats
    lag: Floats


class _Columns(NamedTuple):
    job: list[Ints]
    route: list[Ints]
    rows: list[tuple[int, ...]]
    period: list[Ints]
    cost: list[Floats]


def relax(ready: Ready, *, most: int | None = MAX_COLUMNS) -> Relaxed:
    """Solve it. ``most``: columns, about; None: each hour is its own, however many there are."""
    _problem, grid, room, jobs = ready
    weights = ready.problem.weights
    some = [job for job in jobs if job.size >= LEAST_GB * GB and job.routes and job.routes[0].legs]
    hours = len(grid.hour_starts)
    guess = sum(len(job.routes) for job in some) * hours
    merged = 1 if most is None else max(1, -(-guess // most))
    at = _periods(grid, room, weights, merged)
    columns = _columns(some, ready, at)
    return _solve(ready, some, at, columns)


def _periods(grid: Grid, room: Room, weights: Weights, merged: int) -> _Periods:
    of_hour = np.arange(len(grid.hour_starts), dtype=np.int64) // merged
    count, of = int(of_hour[-1]) + 1, of_hour[grid.hour]
    rows = len(room.free)
    carried, paid, worth = np.zeros((rows, count)), np.zeros((rows, count)), np.zeros((rows, count))
    other = _other_hours(grid, weights)
    for row in range(rows):
        carried[row] = np.bincount(of, room.free[row] / GB, count)
        paid[row] = np.bincount(of, room.free[row] / GB * (room.price[row] + other), count)
    np.divide(paid, carried, out=worth, where=carried > 0)
    starts = np.minimum.reduceat(grid.hour_starts, np.arange(0, len(of_hour), merged)) / HOUR
    ends = np.maximum.reduceat(grid.hour_ends, np.arange(0, len(of_hour), merged)) / HOUR
    lag = np.maximum((room.arrive - grid.ends).max(axis=1), 0) / HOUR
    return _Periods(of, of_hour, carried, worth, (starts + ends) / 2, ends, lag)


def _other_hours(grid: Grid, weights: Weights) -> Floats:
    return np.where(np.isin(grid.clock, list(weights.preferred_hours)), 0.0, weights.other_hours)


def _columns(jobs: Sequence[Job], ready: Ready, at: _Periods) -> _Columns:
    weights = ready.problem.weights
    made = _Columns([], [], [], [], [])
    dearest = 2.0 * float(at.price.max(initial=0.0)) + 1.0
    for n, job in enumerate(jobs):
        cheapest = min(_cheapest(at, route) for route in job.routes)
        for m, route in enumerate(job.routes):
            first = at.of_hour[min(least_hour(route, ready.room, ready.grid, job), len(at.of_hour) - 1)]
            change = 0.0 if route.going or not job.routes[0].going else weights.hysteresis * cheapest
            egress = sum(leg.egress for leg in route.legs) + change
            for rows in product(*(leg.rows for leg in route.legs)):
                able = np.flatnonzero(at.room[list(rows)].min(axis=0) > 0)
                able = able[able >= first]
                when = at.middle[able] + at.lag[list(rows)].sum()
                late = np.maximum(when - job.due / HOUR, 0.0)
                late_cost = np.where(late > 0, dearest + job.weight * weights.late * late / (job.size / GB), 0.0)
                cost = egress + at.price[list(rows)][:, able].sum(axis=0)
                made.cost.append(cost + late_cost)
                made.job.append(np.full(len(able), n))
                made.route.append(np.full(len(able), m))
                made.rows.append(rows)
                made.period.append(able)
    return made


def _cheapest(at: _Periods, route: Route) -> float:
    """CNY for a GB, links at their cheapest hours."""
    return sum(leg.egress + float(at.price[leg.link].min()) for leg in route.legs)


def _solve(ready: Ready, some: Sequence[Job], at: _Periods, made: _Columns) -> Relaxed:
    none = tuple(np.zeros(len(job.routes)) for job in ready.jobs)
    nothing = Relaxed(none, np.zeros(ready.room.free.shape), 0.0, 0, solved=True)
    if not some:
        return nothing
    count = [len(one) for one in made.period]
    cost, job = np.concatenate(made.cost), np.concatenate(made.job)
    columns, periods = len(cost), at.room.shape[1]
    size = np.array([one.size / GB for one in some])
    key, owner = _uses(made, count, periods)
    load = np.zeros(at.room.size)
    pairs = np.unique(np.stack([key, job[owner]]), axis=1)
    np.add.at(load, pairs[0], size[pairs[1]])
    tight = load > at.room.ravel()
    numbers = np.cumsum(tight) - 1
    inside = tight[key]
    limits = coo_array(
        (np.ones(int(inside.sum())), (numbers[key[inside]], owner[inside])),
        shape=(int(tight.sum()), columns + len(some)),
    ).tocsc()
    missed = (float(cost.max(initial=0.0)) + 1.0) * 2
    arrives = coo_array(
        (np.ones(columns + len(some)), (np.concatenate([job, np.arange(len(some))]), np.arange(columns + len(some)))),
        shape=(len(some), columns + len(some)),
    ).tocsc()
    found = linprog(
        np.concatenate([cost, np.full(len(some), missed)]),
        A_ub=limits if tight.any() else None,
        b_ub=at.room.ravel()[tight] if tight.any() else None,
        A_eq=arrives,
        b_eq=size,
        method="highs-ds",
    )
    if found.x is None:
        return Relaxed(nothing.flows, nothing.prices, 0.0, columns, solved=False)
    prices = np.zeros(at.room.size)
    if tight.any():
        prices[tight] = np.maximum(-found.ineqlin.marginals, 0.0)
    # where nothing else would carry it, the price of an hour is that of missing a transfer: as a guide it stops before
    prices = np.minimum(prices.reshape(at.room.shape), missed / 2)
    flows = _flows(ready.jobs, some, made, found.x[:columns])
    return Relaxed(flows, prices[:, at.of], float(found.fun), columns, solved=bool(found.status == 0))


def _uses(made: _Columns, count: Sequence[int], periods: int) -> tuple[Ints, Ints]:
    """Of each use of a row in a period by a column: the (row, period), and the column."""
    begins = np.concatenate([[0], np.cumsum(count)])
    keys, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for n, rows in enumerate(made.rows):
        for row in rows:
            keys.append(row * periods + made.period[n])
            owners.append(np.arange(begins[n], begins[n + 1]))
    return np.concatenate(keys), np.concatenate(owners)


def _flows(jobs: Sequence[Job], some: Sequence[Job], made: _Columns, x: Floats) -> tuple[Floats, ...]:
    by_number = {job.number: np.zeros(len(job.routes)) for job in jobs}
    job, route = np.concatenate(made.job), np.concatenate(made.route)
    for column in np.flatnonzero(x > _SURE):
        by_number[some[job[column]].number][route[column]] += x[column]
    return tuple(by_number[one.number] for one in jobs)
