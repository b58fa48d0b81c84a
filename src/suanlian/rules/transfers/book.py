"""What is still free on each link in each slot, and how one transfer is best put into it by one route.

Bytes are whole numbers: what is taken of a slot and what is left of it add up exactly.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from suanlian.rules.transfers.grid import GB, HOUR, Floats, Ints
from suanlian.rules.transfers.ready import Job, Ready
from suanlian.rules.transfers.routes import Leg, Route

NEVER: Final = int(np.iinfo(np.int64).max)
_SPLITS: Final = 4
"""So many moments are tried at which a third site has the whole copy."""


class Pieces(NamedTuple):
    """What one leg takes: rows of the room, slots, bytes."""

    rows: Ints
    slots: Ints
    amounts: Ints


@dataclass(frozen=True, slots=True)
class Placed:
    """A transfer by a route. ``left``: bytes that do not arrive in time to be planned. ``ends``: about, microseconds.

    ``key``: by which the better one is known: what is left, then whether it is late, then CNY with all that counts.
    ``money``: egress and links.
    """

    route: int
    pieces: tuple[Pieces, ...]
    left: int
    ends: int
    late: int
    egress: float
    links: float
    value: float

    @property
    def key(self) -> tuple[int, bool, float]:
        """The smaller, the better."""
        return self.left, self.late > 0, self.value

    @property
    def money(self) -> float:
        """CNY."""
        return self.egress + self.links


class Book:
    """Free bytes of each row and slot; ``guide``: [R, S] CNY for a GB that a slot costs besides its price."""

    def __init__(self, ready: Ready) -> None:
        problem, grid, room, _jobs = ready
        weights = problem.weights
        self.grid, self.room, self.weights = grid, room, weights
        self.free = room.free.copy()
        self.hours = grid.starts / HOUR
        self.other = np.where(np.isin(grid.clock, list(weights.preferred_hours)), 0.0, weights.other_hours)
        self.courier = (room.arrive != grid.ends).any(axis=1)
        self.cost = room.price + self.other

    def guided(self, prices: Floats | None) -> None:
        """From now on a slot costs what it is worth to all; None: its price alone."""
        self.cost = self.room.price + self.other if prices is None else self.room.price + self.other + prices

    def take(self, placed: Placed) -> None:
        """Its bytes are no longer free."""
        for one in placed.pieces:
            self.free[one.rows, one.slots] -= one.amounts

    def give(self, placed: Placed) -> None:
        """Its bytes are free again."""
        for one in placed.pieces:
            self.free[one.rows, one.slots] += one.amounts

    def place(self, job: Job, number: int) -> Placed | None:
        """The cheapest way into what is free that is on time; where none is, the soonest. None: it cannot go so."""
        route = job.routes[number]
        if not route.legs or not job.size:
            return self.valued(job, number, (), 0, job.ready)
        if len(route.legs) == 1:
            return self._direct(job, number, route.legs[0])
        return self._over(job, number, route)

    def soonest(self, job: Job, number: int, row: int) -> Placed:
        """By the first slots of a row alone, whatever they cost."""
        pieces, left = self._fill((row,), job.size, (job.ready, NEVER))
        return self.valued(job, number, (pieces,), left, self._end(pieces, job))

    def valued(self, job: Job, number: int, pieces: tuple[Pieces, ...], left: int, ends: int) -> Placed:
        """What such pieces are worth at what slots cost now."""
        route = job.routes[number]
        egress = links = value = 0.0
        for n, one in enumerate(pieces):
            gb = one.amounts / GB
            egress += float(gb.sum()) * route.legs[n].egress
            links += float((gb * self.room.price[one.rows, one.slots]).sum())
            value += float((gb * self.cost[one.rows, one.slots]).sum())
        if pieces:
            arrived = self.hours[pieces[-1].slots]
            value += self.weights.early * job.weight * float((pieces[-1].amounts / GB * arrived).sum())
        late = max(ends - job.due, 0) if not left else max(int(self.grid.ends[-1]) - job.due, 0)
        value += egress + job.weight * self.weights.late * late / HOUR
        return Placed(number, pieces, left, ends, late, egress, links, value)

    def least(self, job: Job) -> list[float]:
        """CNY that it costs by each route at the least, were all links empty."""
        low, gb = int(np.searchsorted(self.grid.starts, job.ready)), job.size / GB
        waits = self.weights.early * job.weight * job.ready / HOUR
        return [
            gb
            * (
                waits
                + sum(
                    leg.egress + min(float(self.cost[row, low:].min(initial=np.inf)) for row in leg.rows)
                    for leg in one.legs
                )
            )
            for one in job.routes
        ]

    def _direct(self, job: Job, number: int, leg: Leg) -> Placed | None:
        pieces, left = self._fill(leg.rows, job.size, (job.ready, job.due), self.weights.early * job.weight)
        if left:
            pieces, left = self._fill(leg.rows, job.size, (job.ready, NEVER))
        if left == job.size:
            return None
        return self.valued(job, number, (pieces,), left, self._end(pieces, job))

    def _over(self, job: Job, number: int, route: Route) -> Placed | None:
        first, second = route.legs
        soon, left = self._fill(first.rows, job.size, (job.ready, NEVER))
        if left:
            return None
        begins = self._end_of_slots(soon)
        best = self._second(job, number, soon, second, begins)
        if best is None or not job.size:
            return best
        until = min(job.due, int(self.grid.ends[-1]))
        for n in range(1, _SPLITS):
            at = begins + (until - begins) * n // (_SPLITS + 1)
            if at <= begins:
                break
            pieces, left = self._fill(first.rows, job.size, (job.ready, at), 0.0)
            other = None if left else self._second(job, number, pieces, second, self._end_of_slots(pieces))
            if other is not None and other.key < best.key:
                best = other
        return best

    def _second(self, job: Job, number: int, first: Pieces, leg: Leg, begins: int) -> Placed | None:
        pieces, left = self._fill(leg.rows, job.size, (begins, job.due), self.weights.early * job.weight)
        if left:
            pieces, left = self._fill(leg.rows, job.size, (begins, NEVER))
        if left == job.size:
            return None
        return self.valued(job, number, (first, pieces), left, self._end(pieces, job))

    def _fill(
        self, rows: tuple[int, ...], size: int, span: tuple[int, int], early: float | None = None
    ) -> tuple[Pieces, int]:
        """Of the slots from one moment that have arrived by another: the cheapest ones, and what is left.

        ``early``: CNY for a GB and each hour; None: the first ones, whatever they cost.
        """
        begins, until = span
        low = int(np.searchsorted(self.grid.starts, begins))
        high = len(self.grid) if until == NEVER else int(np.searchsorted(self.grid.ends, until, side="right"))
        if len(rows) == 1:
            row, part = rows[0], slice(low, max(high, low))
            able, cost = self.free[row, part], self.cost[row, part]
            if self.courier[row]:
                able = np.where(self.room.arrive[row, part] <= until, able, 0)
            at = np.arange(low, max(high, low))
            of = np.full(len(at), row)
        else:
            at = np.tile(np.arange(low, max(high, low)), len(rows))
            of = np.repeat(np.array(rows), max(high, low) - low)
            able, cost = self.free[of, at], self.cost[of, at] - 1e-9 * (of == rows[0])
            able = np.where(self.room.arrive[of, at] <= until, able, 0)
        if early is None:
            order = np.arange(len(at)) if len(rows) == 1 else np.argsort(at, kind="stable")
        else:
            order = np.argsort(cost + early * self.hours[at] if early else cost, kind="stable")
        return self._taken(of[order], at[order], able[order], size)

    @staticmethod
    def _taken(rows: Ints, slots: Ints, able: Ints, size: int) -> tuple[Pieces, int]:
        total = np.cumsum(able)
        last = int(np.searchsorted(total, size))
        amounts = able[: last + 1].copy()
        left = size - (int(total[-1]) if len(total) else 0)
        if last < len(total):
            amounts[last] -= total[last] - size
            left = 0
        some = amounts > 0
        return Pieces(rows[: last + 1][some], slots[: last + 1][some], amounts[some]), left

    def _end_of_slots(self, pieces: Pieces) -> int:
        """When all of it is there for certain."""
        return int(self.room.arrive[pieces.rows, pieces.slots].max(initial=0))

    def _end(self, pieces: Pieces, job: Job) -> int:
        """About when it is there: at the rate of what is free in its last slot."""
        if not len(pieces.slots):
            return job.ready
        last = int(pieces.slots.max())
        ends = self._end_of_slots(pieces)
        if self.courier[pieces.rows].any():
            return ends
        mine = pieces.slots == last
        free = int(self.free[pieces.rows[mine], last].sum())
        part = int(pieces.amounts[mine].sum()) / max(free, 1)
        start = int(self.grid.starts[last])
        return start + int((int(self.grid.ends[last]) - start) * min(part, 1.0))
