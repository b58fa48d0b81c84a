"""Who starts next, and where it would wait least? The queue of all that waits, kept from look to look in one process.

The queue (``rules.queueing``) counts one kind of resource of each share: cards for jobs that want cards, else cores.
That is what its reservations are made of. Whether all of a job fits is asked when it is to start.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from suanlian.data.orderly import orderly
from suanlian.model.job import JobSpec
from suanlian.model.levels import LevelRules
from suanlian.model.orderly import NO_ORDER, Order
from suanlian.model.owner import JoinLevel
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Queueing
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind, Resources
from suanlian.rules.admitting import Sizes, closes_too_soon, kind_of, stamp_of
from suanlian.rules.orderly import order_now
from suanlian.rules.queueing.line import Carried, Line, Room, Runs, Seen, Stands, Starts, Waits
from suanlian.rules.queueing.policy import Policy
from suanlian.services.market import MOST_JOBS, Memory
from suanlian.store import jobs, market, running
from suanlian.store.unit import Row, Unit

USUAL: Final = Policy(age=1.0, priority=0.0, fair=21_600.0, headroom=0)
"""How a hub orders what waits.

Shorter work goes first, but nobody is passed by what came later than the difference in length. An account that used all
there was of late is passed by what came six hours later by one that used nothing. Priorities act within an account, by
turns. Guests need not leave an owner headroom: how much is for guests is what a share says.
"""
CARD_WORTH: Final = 32.0
"""In fair share a card-hour counts as so many core-hours."""
KINDS: Final = (ResourceKind.CPU, ResourceKind.ACCELERATOR)
"""The pools of each share, in this order."""
_TIES: Final = 0.5
"""What the dearest pool costs a job more than a free one (s): it tells pools apart, and makes nobody wait."""
_REMEMBERED: Final = timedelta(days=14)
_MOST_READ: Final = 20_000
_MOST_KINDS: Final = 20_000
_TOLD_S: Final = 60.0
_OFTEN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class InLine:
    """A job that waits, as it was read: ``since`` and ``instead_of`` are those of the turn that it takes."""

    row: Row
    since: float
    instead_of: str = ""


@dataclass(slots=True)
class Ordering:
    """See the module. Not shared between threads.

    ``often``: every pool is looked at again after so long though nothing happened there.
    """

    levels: LevelRules
    policy: Policy = USUAL
    often: timedelta = _OFTEN
    memory: Memory = field(init=False)
    waiting: dict[str, InLine] = field(default_factory=dict)
    """All that waits, in the order of turns, as of the last look."""
    _numbers: dict[str, int] = field(default_factory=dict)
    _tried: set[str] = field(default_factory=set)
    _told_at: dict[str, float] = field(default_factory=dict)
    _told_last: int = 0
    _line: Line | None = None
    _rooms: Hashable = None
    _standing: Hashable = None
    _keys: dict[str, Hashable] = field(default_factory=dict)
    _known: dict[Hashable, Stands | None] = field(default_factory=dict)
    _full_at: float = float("-inf")

    def __post_init__(self) -> None:
        """Nothing was seen yet."""
        self.memory = Memory(self.levels)

    def look(self, unit: Unit, places: Sequence[Place]) -> None:
        """Bring the queue in step with what waits, runs and is free."""
        now, order = unit.now.timestamp(), order_now(orderly(), places)
        resting = jobs.resting_of_all(unit)
        self.waiting = _turns(market.waiting(unit, limit=MOST_JOBS), now)
        self._numbers = {name: n for n, name in enumerate(self.waiting, start=1)}
        rooms = _rooms(places)
        look = _Look(
            unit,
            self.memory,
            places,
            order,
            self.policy.move_s,
            self._known,
            self._keys,
            self.waiting,
            Sizes.of(places),
        )
        self._catch_up(look, rooms, now)
        live = {row["id"]: row for row in running.live(unit)}
        self._here.see(
            now,
            Seen(
                rooms=rooms,
                waiting=[
                    Waits(name, one.row["queued"] - resting.get(name, 0), one.since)
                    for name, one in self.waiting.items()
                ],
                running=list(live),
                stands=look.stands,
                runs=lambda attempt: look.runs(live[attempt]),
                ended=lambda gone: {name: at.timestamp() for name, at in running.ended_at(unit, gone).items()},
            ),
        )

    def _catch_up(self, look: "_Look", rooms: Sequence[Room], now: float) -> None:
        """A line over other rooms where these are others; what is known of jobs is asked anew where places changed."""
        shape = tuple((room.key, room.size) for room in rooms)
        if self._line is None or shape != self._rooms:
            carried = _read(look.unit) if self._line is None else self._line.carried(now)
            self._line, self._rooms, self._full_at = Line(rooms, self.policy, carried, now), shape, float("-inf")
        standing = (shape, tuple((stamp_of(p, look.unit.now), p.closing) for p in look.places), look.order)
        if standing != self._standing:
            self._standing, before = standing, dict(self._known)
            self._known.clear()
            self._line.again(name for name in self.waiting if not _same(before.get(look.key(name)), look.stands(name)))

    def step(self, unit: Unit) -> tuple[Starts, ...]:
        """Who starts now, in their order."""
        now = unit.now.timestamp()
        every = now - self._full_at >= self.often.total_seconds()
        if every:
            self._full_at = now
            self._tried.clear()
            self._keys = {name: key for name, key in self._keys.items() if name in self.waiting}
            self._told_at = {name: at for name, at in self._told_at.items() if name in self.waiting}
        return self._here.step(now, all_pools=every)

    def takes(self, unit: Unit, start: Starts, place: int) -> bool:
        """Whether one that is to start may start at this place (by its number) instead, pushing nobody back."""
        return self._here.takes(start, place * len(KINDS) + start.pool % len(KINDS), unit.now.timestamp())

    def relocate(self, unit: Unit, start: Starts, place: int) -> None:
        """One that is to start starts there instead."""
        self._here.relocate(start, place * len(KINDS) + start.pool % len(KINDS), unit.now.timestamp())

    def next_wake(self, now: datetime) -> datetime | None:
        """When a reservation begins next, so that a look is due though nothing happens."""
        at = self._here.next_wake(now.timestamp())
        return None if at is None else now + timedelta(seconds=at - now.timestamp())

    def refuse(self, unit: Unit, start: Starts) -> None:
        """One that was to start cannot, there."""
        self._here.refuse(start, unit.now.timestamp())

    def to_tell(self, most: int, *, but: Collection[str] = (), untold: bool = False) -> list[str]:
        """Jobs that are to be told why they wait: those that never were, then others by turns."""
        never = [name for name, one in self.waiting.items() if self._is_untold(name, one, but)][:most]
        self._tried.update(never)
        others = [name for name, one in self.waiting.items() if one.row["told"] and name not in but]
        count = 0 if untold else min(most - len(never), len(others))
        start = self._told_last % len(others) if others else 0
        self._told_last = start + count
        return never + (others[start:] + others[:start])[:count]

    def is_old(self, unit: Unit, name: str) -> bool:
        """Whether what a job was told of how it stands is old; from now on it is not."""
        now = unit.now.timestamp()
        if now - self._told_at.get(name, float("-inf")) < _TOLD_S:
            return False
        self._told_at[name] = now
        return True

    def untold(self, *, but: Collection[str] = ()) -> bool:
        """Whether any job was not yet to be told why it waits."""
        return any(self._is_untold(name, one, but) for name, one in self.waiting.items())

    def _is_untold(self, name: str, one: InLine, but: Collection[str]) -> bool:
        return not one.row["told"] and name not in self._tried and name not in but

    def queueing(self, unit: Unit, job_id: str, places: Sequence[Place]) -> Queueing | None:
        """How a job stands among those that wait."""
        found = self.waiting.get(job_id)
        if found is None:
            return None
        held = self._here.reserved(job_id)
        place = None if held is None else places[held[0] // len(KINDS)]
        now = unit.now.timestamp()
        return Queueing(
            place=self._numbers[job_id],
            of=len(self.waiting),
            waited_s=max(0, int(now - found.row["created_at"].timestamp())),
            fair=self._here.of_fair_share(found.row["account_id"], now),
            reserved=None if place is None else f"{place.platform}/{place.share.name}",
            reserved_at=None if held is None else unit.now + timedelta(seconds=max(0.0, held[1] - now)),
        )

    @property
    def _here(self) -> Line:
        if self._line is None:
            raise RuntimeError("nothing was looked at yet")
        return self._line


def _same(one: Stands | None, other: Stands | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.home == other.home and bool(np.array_equal(one.cost, other.cost))


def place_of(start: Starts) -> int:
    """The number of the place where it is to start."""
    return start.pool // len(KINDS)


def _turns(rows: Sequence[Row], now: float) -> dict[str, InLine]:
    """Jobs in the order of their turns: within an account the first turns are taken by what it wants first."""
    preferring = {row["account_id"] for row in rows if row["priority"]}
    ours = defaultdict[str, list[Row]](list)
    for row in rows:
        if row["account_id"] in preferring:
            ours[row["account_id"]].append(row)
    takers = {account: iter(sorted(of, key=lambda row: -row["priority"])) for account, of in ours.items()}
    found = {}
    for row in rows:
        taker = next(takers[row["account_id"]]) if row["account_id"] in takers else row
        instead = "" if taker["id"] == row["id"] else row["id"]
        found[taker["id"]] = InLine(taker, min(row["created_at"].timestamp(), now), instead)
    return found


def _rooms(places: Sequence[Place]) -> list[Room]:
    """Two pools for each place: its cores and its cards."""
    worth = {ResourceKind.CPU: 1.0 / BASE_PER_UNIT[ResourceKind.CPU], ResourceKind.ACCELERATOR: CARD_WORTH}
    found = []
    for place in places:
        size, free = place.share.capacity.base(), place.free.base()
        found += [
            Room(
                (place.share_id, kind),
                size.get(kind, 0),
                max(0, min(free.get(kind, 0), size.get(kind, 0))),
                worth[kind],
            )
            for kind in KINDS
        ]
    return found or [Room((), 0, 0)]


def _read(unit: Unit) -> Carried:
    """What accounts have used of late, where nothing is remembered."""
    half_life, used = USUAL.half_life_s, defaultdict[str, float](float)
    for row in running.ended_since(unit, unit.now - _REMEMBERED, limit=_MOST_READ):
        seconds = (row["ended_at"] - row["started_at"]).total_seconds()
        age = (unit.now - row["ended_at"]).total_seconds()
        used[row["account_id"]] += (
            _worth(Resources.model_validate_json(row["granted"])) * seconds * 0.5 ** (age / half_life)
        )
    return Carried(used=used)


def _worth(taken: Resources) -> float:
    """What is counted of it, as the queue does: its cards where it has some, else its cores."""
    base = taken.base()
    cards = base.get(ResourceKind.ACCELERATOR, 0)
    return cards * CARD_WORTH if cards else base.get(ResourceKind.CPU, 0) / BASE_PER_UNIT[ResourceKind.CPU]


@dataclass(frozen=True, slots=True)
class _Look:
    """What jobs and attempts that are new at this look are to the queue."""

    unit: Unit
    memory: Memory
    places: Sequence[Place]
    order: Order
    move_s: float
    known: dict[Hashable, Stands | None]
    keys: dict[str, Hashable]
    waiting: Mapping[str, InLine]
    sizes: Sizes

    def key(self, job_id: str) -> Hashable:
        """All of a job that bears on how it stands: equal ones are answered alike."""
        if job_id not in self.keys:
            demand, spec = self._demand(job_id), self.memory.spec(self.unit, job_id)
            asked = (kind_of(replace(demand, order=NO_ORDER)), spec.resources, spec.nodes)
            self.keys[job_id] = (*asked, spec.wall_time_s, spec.expected_s, self.waiting[job_id].row["account_id"])
        return self.keys[job_id]

    def stands(self, job_id: str) -> Stands | None:
        """What it takes, where it may run and what that costs it; answered once for all that ask alike."""
        key = self.key(job_id)
        if key not in self.known:
            if len(self.known) > _MOST_KINDS:
                self.known.clear()
            self.known[key] = self._stands(self._demand(job_id), self.waiting[job_id].row["account_id"])
        return self.known[key]

    def _demand(self, job_id: str) -> Demand:
        row, spec = self.waiting[job_id].row, self.memory.spec(self.unit, job_id)
        return Demand(spec, row["entity"], levels=self.memory.levels, lender=row["lender"], order=self.order)

    def runs(self, row: Row) -> Runs:
        """An attempt that holds something: of its cards and of its cores."""
        granted, at = Resources.model_validate_json(row["granted"]).base(), self._number(row["share_id"])
        spec = self.memory.spec(self.unit, row["job_id"])
        first = _kind(spec)
        kinds = sorted(KINDS, key=lambda kind: kind is not first)
        takes = (
            tuple((at * len(KINDS) + KINDS.index(kind), granted[kind]) for kind in kinds if granted.get(kind))
            if at >= 0
            else ()
        )
        return Runs(
            job=row["job_id"],
            account=row["account_id"],
            takes=takes,
            began=(row["started_at"] or row["created_at"]).timestamp(),
            estimate=float(spec.expected_s),
            own=at >= 0 and self.places[at].entity == row["entity"],
        )

    def _number(self, share: str) -> int:
        return next((n for n, place in enumerate(self.places) if place.share_id == share), -1)

    def _stands(self, demand: Demand, account: str) -> Stands | None:
        spec, kind = demand.spec, _kind(demand.spec)
        may = (self.memory.admissions.of([demand], self.places, self.unit.now)[0] != 0) & Sizes.of(self.places).hold(
            spec
        )
        may[closes_too_soon(demand, self.places, self.unit.now)] = False
        if not may.any():
            return None
        rent = np.array([_rent(place, spec) for place in self.places])
        at = KINDS.index(kind)
        cost = np.full(len(self.places) * len(KINDS), np.inf)
        cost[at :: len(KINDS)] = np.where(may, _TIES * (rent - rent[may].min()) / max(rent[may].max(), 1e-9), np.inf)
        own = [n for n in np.flatnonzero(may).tolist() if self.places[n].entity == demand.entity]
        home = max(own, key=lambda n: (self.places[n].share.capacity.base().get(kind, 0), -n), default=None)
        if home is not None:
            away = np.ones(len(cost), dtype=np.bool_)
            away[[n * len(KINDS) + at for n in own]] = False
            cost[away] += self.move_s
            cost[home * len(KINDS) + at] = 0.0
        return Stands(
            account=account,
            units=max(1, spec.total.base().get(kind, 0)),
            estimate=float(spec.expected_s),
            cost=cost,
            home=None if home is None else home * len(KINDS) + at,
        )


def _kind(spec: JobSpec) -> ResourceKind:
    """Which kind of a share's resources the job queues for."""
    return ResourceKind.ACCELERATOR if spec.total.base().get(ResourceKind.ACCELERATOR, 0) else ResourceKind.CPU


def _rent(place: Place, spec: JobSpec) -> float:
    """About what it costs there an hour (CNY)."""
    offer = place.offer if place.level is JoinLevel.TRADE else None
    wanted = spec.total.base()
    rates = () if offer is None else offer.rates
    return sum(float(rate.per_unit_hour) * wanted.get(rate.kind, 0) / BASE_PER_UNIT[rate.kind] for rate in rates)
