"""Time in slots and links in bytes of each slot: the arrays of a plan, made here and nowhere else.

A slot is short soon and an hour long later; each deadline ends a slot, as does each full hour. All is counted in whole
microseconds from the moment and whole bytes, so that nothing is lost or sent twice by rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from suanlian.model.link import Hours
from suanlian.model.party import CHINA
from suanlian.rules.transfers.problem import Link, Problem

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MINUTE: Final = 60 * 10**6
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
GB: Final = 1e9
STEPS: Final = ((2 * HOUR, 5 * MINUTE), (12 * HOUR, 15 * MINUTE))
"""Until so long from now slots are so short; later they are an hour long."""
MAX_MARKS: Final = 500
"""With more different deadlines than this, each counts as the full five minutes before it."""
_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """``starts``, ``ends``: [S] of each slot. ``hour``: [S] row of its hour; ``clock``: [S] hour of the day in China.

    ``hour_starts``, ``hour_ends``: [H] those of the hours.
    """

    moment: datetime
    starts: Ints
    ends: Ints
    hour: Ints
    clock: Ints
    hour_starts: Ints
    hour_ends: Ints
    coarse: bool

    def __len__(self) -> int:
        """Slots."""
        return len(self.starts)

    def at(self, when: datetime) -> int:
        """Microseconds from the moment."""
        return (when - self.moment) // timedelta(microseconds=1)

    def due(self, deadline: datetime | None) -> int:
        """Until when it is to be there; a deadline that no slot ends at counts from the mark before."""
        if deadline is None:
            return int(np.iinfo(np.int64).max)
        at = self.at(deadline)
        return at // (5 * MINUTE) * (5 * MINUTE) if self.coarse else at

    def ready(self, begins: datetime | None) -> int:
        """From when on it may go."""
        at = 0 if begins is None else max(self.at(begins), 0)
        return -(-at // (5 * MINUTE)) * (5 * MINUTE) if self.coarse else at


@dataclass(frozen=True, slots=True)
class Room:
    """What each row holds: a row for each link, then one for each (link, account) with a reservation.

    ``free``: [R, S] bytes that pass in a slot. ``arrive``: [R, S] when what is sent in a slot is there at the latest.
    ``price``: [R, S] CNY for a GB. ``lanes``: the row of a link that an account holds something of.
    """

    free: Ints
    arrive: Ints
    price: Floats
    lanes: dict[tuple[int, str], int]


def make_grid(problem: Problem) -> Grid:
    """The slots of a plan."""
    moment, end = problem.moment, problem.horizon // timedelta(microseconds=1)
    into = (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    first = HOUR - into % HOUR
    marks = {0, end, *range(first, end, HOUR)}
    begin = 0
    for until, step in STEPS:
        marks |= set(range(begin, min(until, end), step))
        begin = until
    own = {(at - moment) // timedelta(microseconds=1) for one in problem.transfers for at in _moments(one.deadline)}
    late = {-((moment - at) // timedelta(microseconds=1)) for one in problem.transfers for at in _moments(one.begins)}
    coarse = len(own | late) > MAX_MARKS
    if coarse:
        own = {at // (5 * MINUTE) * (5 * MINUTE) for at in own}
        late = {-(-at // (5 * MINUTE)) * (5 * MINUTE) for at in late}
    bounds = np.array(sorted(marks | {at for at in own | late if 0 < at < end}), np.int64)
    starts, ends = bounds[:-1], bounds[1:]
    hour = (starts + into) // HOUR - into // HOUR
    clock = ((starts + into) // HOUR + 8) % 24
    hours = int(hour[-1]) + 1
    edges = np.minimum(np.maximum(np.arange(hours + 1, dtype=np.int64) * HOUR - into % HOUR, 0), end)
    return Grid(moment, starts, ends, hour, clock, edges[:-1], edges[1:], coarse)


def _moments(at: datetime | None) -> Sequence[datetime]:
    return () if at is None else (at,)


def make_room(problem: Problem, grid: Grid) -> Room:
    """What passes in each slot: nothing in one that is not open throughout; what is reserved only for its account."""
    rows = {link.name: n for n, link in enumerate(problem.links)}
    lanes: dict[tuple[int, str], int] = {}
    for one in problem.reserved:
        lanes.setdefault((rows[one.link], one.account), len(rows) + len(lanes))
    links, slots = len(rows), len(grid)
    free = np.zeros((links + len(lanes), slots), np.int64)
    arrive = np.tile(grid.ends, (links + len(lanes), 1))
    price = np.zeros((links + len(lanes), slots))
    opened: dict[tuple[Hours, ...], Bools] = {}
    for n, link in enumerate(problem.links):
        if link.hours and link.hours not in opened:
            opened[link.hours] = open_slots(grid, link.hours)
        _fill(grid, link, free[n], arrive[n], opened.get(link.hours))
        price[n] = link.cny_per_gb * (np.array(link.factors)[grid.clock] if link.factors else 1.0)
    _hold(problem, grid, free, lanes)
    return Room(free, arrive, price, lanes)


def _hold(problem: Problem, grid: Grid, free: Ints, lanes: dict[tuple[int, str], int]) -> None:
    """Put what is reserved into rows of its own; where a link has less than is reserved, each has its part of that."""
    rows = {link.name: n for n, link in enumerate(problem.links)}
    length = grid.ends - grid.starts
    taken = np.zeros((len(rows), len(grid)))
    kept = [one for one in problem.reserved if problem.links[rows[one.link]].courier is None]
    for one in kept:
        taken[rows[one.link], (grid.starts < grid.at(one.end)) & (grid.ends > grid.at(one.start))] += one.mbps
    for one in kept:
        n = rows[one.link]
        inside = (grid.starts >= grid.at(one.start)) & (grid.ends <= grid.at(one.end)) & (free[n] > 0)
        part = np.minimum(problem.links[n].mbps / np.maximum(taken[n, inside], 1e-9), 1.0)
        free[lanes[n, one.account], inside] += _bytes(one.mbps * part, length[inside])
    for n in map(int, np.flatnonzero(taken.any(axis=1))):
        free[n] = np.minimum(free[n], _bytes(np.maximum(problem.links[n].mbps - taken[n], 0.0), length))


def _bytes(mbps: float | Floats, length: Ints) -> Ints:
    return np.asarray(mbps * length / _BITS).astype(np.int64)


def _fill(grid: Grid, link: Link, free: Ints, arrive: Ints, is_open: Bools | None) -> None:
    """A wire carries all the time; a courier leaves at the beginning of a slot, once a tour."""
    may = np.ones(len(grid), np.bool_) if is_open is None else is_open
    if link.courier is None:
        free[:] = np.where(may, _bytes(link.mbps, grid.ends - grid.starts), 0)
        return
    tour, ready = round(link.courier.hours * HOUR), 0
    starts = grid.starts.tolist()
    arrive[:] = grid.starts + tour
    for slot in map(int, np.flatnonzero(may)):
        if starts[slot] >= ready:
            free[slot] = link.courier.bytes
            ready = starts[slot] + tour


def open_slots(grid: Grid, hours: Iterable[Hours]) -> Bools:
    """[S] Whether a slot lies wholly within such hours of a day in China; hours that meet are one."""
    midnight = grid.moment.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    base = grid.at(midnight)
    days = int(grid.ends[-1] - base) // DAY + 2
    spans: list[list[int]] = []
    for begin, end in sorted(
        (base + day * DAY + _of_day(one.start), base + day * DAY + _of_day(one.end) + (one.end < one.start) * DAY)
        for one in hours
        for day in range(-1, days)
    ):
        if spans and begin <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([begin, end])
    inside = np.zeros(len(grid), np.bool_)
    for begin, end in spans:
        inside |= (grid.starts >= begin) & (grid.ends <= end)
    return inside


def _of_day(at: object) -> int:
    hour, minute, second = (int(getattr(at, name)) for name in ("hour", "minute", "second"))
    return hour * HOUR + minute * MINUTE + second * 10**6
