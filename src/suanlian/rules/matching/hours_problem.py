"""What a start of a demand on a pool costs and holds, slot by slot: the tables that make it quick, and the arithmetic.

Costs of time are integrals kept up to each slot: a window costs a difference of two entries, however long it is.
Shadow prices are kept summed up too. What limits is a table of rows by slots: a row for each pool and resource
(j * R + r), and where there is a contract for green power one for each site after them.
"""

import math
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from suanlian.rules.matching.arrays import Demands, Floats, Pools
from suanlian.rules.matching.compiled import within
from suanlian.rules.matching.hours_arrays import Hours
from suanlian.rules.matching.problem import NEVER, Classes, Order, Problem, prepare
from suanlian.rules.matching.scan import SHADE

EPS: Final = 1e-9
"""Less than this part of a slot is rounding: it begins no slot of its own."""


class Hourly(NamedTuple):
    """The problem by slots.

    p: demands and pools at the least that any slot asks, so that what it says of a pair is a lower bound. base: [M, R]
    list prices. factor, carbon: [M, T], and factors, carbons: [M, T + 1] their integrals from now. green: [M, T].
    capacity: [rows, T]. draw: [M] kWh that a unit draws in a slot, empty without a contract. earliest: [N].
    """

    p: Problem
    base: Floats
    factor: Floats
    factors: Floats
    carbon: Floats
    carbons: Floats
    green: Floats
    capacity: Floats
    draw: Floats
    earliest: Floats
    length: float


class ReadyHours(NamedTuple):
    """What loops work on."""

    hourly: Hourly
    classes: Classes
    order: Order


class Job(NamedTuple):
    """A demand on a pool, whenever it starts.

    Hours that it runs, CNY per unit and hour at factor 1, CNY for moving data, CNY for what time does not change, and
    when its data are there.
    """

    hours: float
    rent: float
    data: float
    steady: float
    ready: float


class Start(NamedTuple):
    """The first slot after those that are held; c; the rent and data in it. Infinite cost where it may not start."""

    end: int
    cost: float
    billed: float


def prepare_hours(demands: Demands, pools: Pools, hours: Hours, earliest: Floats | None, free: Floats) -> ReadyHours:
    """The problem with ``free`` [M, T, R] units. Arrays are taken to be valid."""
    m, slots = len(pools), hours.slots
    factor = np.ones((m, slots)) if hours.price_factor is None else hours.price_factor
    carbon = np.broadcast_to(pools.carbon[:, None], (m, slots)) if hours.carbon is None else hours.carbon
    green = np.broadcast_to(pools.green[:, None], (m, slots)) if hours.green is None else hours.green
    if hours.green_kwh is not None:
        green = np.full((m, slots), NEVER)
    least = replace(
        pools,
        price=pools.price * factor.min(axis=1)[:, None] * SHADE,
        carbon=carbon.min(axis=1) * SHADE,
        green=green.max(axis=1),
        capacity=free.sum(axis=1) * hours.length * (1 + EPS),
    )
    problem, classes, order = prepare(demands, least)
    by = order.pools
    ready = np.zeros(len(demands)) if earliest is None else earliest
    rows = free[by].transpose(0, 2, 1).reshape(m * pools.resources, slots)
    draw = np.zeros(0)
    if hours.green_kwh is not None and hours.power_kw is not None:
        rows = np.concatenate([rows, hours.green_kwh])
        draw = _doubles(hours.power_kw[by] * hours.length)
    hourly = Hourly(
        p=problem,
        base=_doubles(pools.price[by]),
        factor=_doubles(factor[by]),
        factors=_until(factor[by] * hours.length),
        carbon=_doubles(carbon[by]),
        carbons=_until(carbon[by] * hours.length),
        green=_doubles(green[by]),
        capacity=_doubles(rows),
        draw=draw,
        earliest=_doubles(ready[order.demands]),
        length=float(hours.length),
    )
    return ReadyHours(hourly, classes, order)


def _doubles(array: Any) -> Floats:  # noqa: ANN401 - any array
    return np.ascontiguousarray(array, np.float64)


def _until(table: Floats) -> Floats:
    """Sums of the columns before each."""
    out = np.zeros((table.shape[0], table.shape[1] + 1))
    np.cumsum(table, axis=1, out=out[:, 1:])
    return out


@within
def job(h: Hourly, i: int, j: int) -> Job:
    """What demand i is on pool j. ``pair`` has said that they go together."""
    d, q = h.p.demand[i], h.p.pool[j]
    slow = h.p.eff[d.kind, q.family]
    gb, extra, times = d.data_gb, d.moving, d.further_times
    if d.home == j:
        slow *= d.home_share
        times *= d.home_share
        gb, extra = 0.0, 0.0
    hours = d.hours * slow
    rent = h.base[j, 0]
    for r in range(h.p.need.shape[1]):
        rent += h.p.need[i, r] * h.base[j, r + 1]
    ready, data = h.earliest[i], 0.0
    if gb > 0.0:
        ready += gb * h.p.maps[2, d.data_region, q.site]
        data = gb * h.p.maps[1, d.data_region, q.site]
    if times > 0.0:
        extra += times * h.p.further[d.further_row, q.site]
    steady = d.units * hours * d.latency_weight * h.p.maps[0, d.region, q.site] + extra
    return Job(hours, rent, data, steady, ready)


@within
def first_slot(h: Hourly, of: Job) -> int:
    """The slot in which the data are there; the number of slots if that is later."""
    slots = h.capacity.shape[1]
    return int(of.ready / h.length + EPS) if of.ready < slots * h.length else slots


@within
def last_slot(h: Hourly, i: int, of: Job) -> int:
    """No later start is in time; below the first slot where none is."""
    last = (min(h.p.demand[i].deadline, h.capacity.shape[1] * h.length) - of.hours) / h.length + EPS
    return int(math.floor(max(last, -1.0)))  # noqa: RUF046 - records have no types


@within
def _since(sums: Floats, table: Floats, j: int, length: float, time: float) -> float:
    """The integral from now to a time."""
    slots = table.shape[1]
    at = min(int(time / length), slots - 1)
    return float(sums[j, at] + (time - at * length) * table[j, at])


@within
def at_start(h: Hourly, i: int, j: int, of: Job, t: int) -> Start:
    """What the start in slot t costs and holds; room and the green floor are not asked."""
    d = h.p.demand[i]
    slots = h.capacity.shape[1]
    begin = t * h.length
    rent, carbon = h.factors[j, t], h.carbons[j, t]
    if of.ready > begin:
        begin = of.ready
        rent = _since(h.factors, h.factor, j, h.length, begin)
        carbon = _since(h.carbons, h.carbon, j, h.length, begin)
    finish = begin + of.hours
    end = max(math.ceil(finish / h.length - EPS), t + 1)
    if end > slots or finish > d.deadline + EPS * h.length:
        return Start(slots, NEVER, 0.0)
    rent = _since(h.factors, h.factor, j, h.length, finish) - rent
    carbon = _since(h.carbons, h.carbon, j, h.length, finish) - carbon
    billed = d.units * of.rent * rent + of.data
    cost = billed + d.units * carbon + of.steady
    if billed > d.budget or cost > d.limit:
        return Start(end, NEVER, billed)
    return Start(end, cost, billed)


@within
def parts(h: Hourly, i: int) -> int:
    """On how many rows demand i counts: those of its pool, and that of a contract if it has a green floor."""
    green = len(h.draw) > 0 and h.p.demand[i].green_min > 0.0
    return int(h.base.shape[1] + (1 if green else 0))


@within
def row(h: Hourly, j: int, r: int) -> int:
    """The row of part r at pool j."""
    resources = h.base.shape[1]
    if r < resources:
        return int(j * resources + r)
    return int(len(h.p.pool) * resources + h.p.pool[j].site)


@within
def amount(h: Hourly, i: int, j: int, r: int) -> float:
    """How much of that row demand i holds in each slot."""
    units = h.p.demand[i].units
    if r == 0:
        return float(units)
    if r < h.base.shape[1]:
        return float(units * h.p.need[i, r - 1])
    return float(units * h.p.demand[i].green_min * h.draw[j])


@within
def has_room(h: Hourly, room: Floats, i: int, j: int, start: int, end: int) -> bool:
    """Whether demand i has room at pool j in these slots."""
    for r in range(parts(h, i)):
        at, much = row(h, j, r), amount(h, i, j, r)
        for t in range(start, end):
            if much > room[at, t]:
                return False
    return True


@within
def take(h: Hourly, room: Floats, i: int, j: int, start: int, end: int, times: float) -> None:
    """Take the room of demand i; give it back where ``times`` is -1."""
    for r in range(parts(h, i)):
        at, much = row(h, j, r), times * amount(h, i, j, r)
        for t in range(start, end):
            room[at, t] -= much


@within
def closed_from(h: Hourly, room: Floats, i: int, j: int, t: int, closed: int) -> int:
    """The first slot from t on in which demand i may not be at pool j, where ``closed`` is that from t + 1 on."""
    if h.green[j, t] < h.p.demand[i].green_min:
        return t
    for r in range(parts(h, i)):
        if amount(h, i, j, r) > room[row(h, j, r), t]:
            return t
    return closed
