"""Who starts next, and where would it wait least? The queue of all that waits, kept from look to look in one process.

What a job is to the queue says ``rules/standing``; the queue itself is ``rules/queueing``.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from suanlian.data.orderly import orderly
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.market import MOST_WAITING
from suanlian.model.market_policy import MarketPolicy
from suanlian.model.orderly import NO_ORDER, Order
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Queueing
from suanlian.model.quantity import Resources
from suanlian.rules.admitting import kind_of, stamp_of
from suanlian.rules.orderly import order_now
from suanlian.rules.queueing.line import Carried, Line, Runs, Seen, Stands, Starts, Waits
from suanlian.rules.queueing.policy import Policy
from suanlian.rules.standing import (
    Standing,
    alike,
    estimate_of,
    numbers_of,
    place_of_pool,
    pool_at,
    rooms_of,
    takes_of,
    worth_of,
)
from suanlian.rules.weights import queue_policy
from suanlian.services.ports import Memory
from suanlian.store import jobs, market, policies, running
from suanlian.store.market import Asker
from suanlian.store.unit import Row, Unit

USUAL: Final = queue_policy(MarketPolicy())
"""How a hub orders what waits, where no operator said otherwise.

Shorter work goes first, but nobody is passed by what came later than the difference in length. An account that used all
there was of late is passed by what came six hours later by one that used nothing. Priorities act within an account, by
turns. Guests need not leave an owner headroom: how much is for guests is what a share says.
"""
_HALF_LIVES: Final = 2
"""What was used longer ago than so many half lives is not read again."""
_MOST_READ: Final = 20_000
_MOST_KINDS: Final = 20_000
_TOLD_S: Final = 60.0
_SILENT_S: Final = 5.0
_RETOLD: Final = 64
"""So many jobs at most are told anew at a look how they stand."""
_KINDS_AT_ONCE: Final = 8
"""Of so many kinds are jobs that are told something at a look: for each, every place is looked at."""
_OFTEN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class InLine:
    """A job that waits, as it was read; ``asker``: what never changes of it (``Memory.know``).

    ``stood``: how many of its tasks rest, and of the turn that it takes, when that began (s) and whose it was instead.
    """

    row: Row
    asker: Asker
    stood: tuple[int, float, str]
    waits: Waits

    @property
    def told(self) -> bool:
        """Whether it was told why it waits."""
        return bool(self.row["told"])


@dataclass(slots=True)
class Ordering:
    """See the module. Not shared between threads.

    ``policy``: until an operator sets one, from then on it is the newest version. ``often``: every pool is looked at
    again after so long though nothing happened there.
    """

    memory: Memory
    policy: Policy = USUAL
    often: timedelta = _OFTEN
    waiting: dict[str, InLine] = field(default_factory=dict)
    """All that waits, in the order of turns, as of the last look."""
    numbers: Iterator[int] = field(default_factory=count)
    _numbers: dict[str, int] = field(default_factory=dict)
    _never: list[str] = field(default_factory=list)
    _tried: set[str] = field(default_factory=set)
    _told_at: dict[str, float] = field(default_factory=dict)
    _told_last: int = -2
    _now: float = 0.0
    _tells_at: float = float("-inf")
    _line: Line | None = None
    _version: int = 0
    _shape: Hashable = None
    _stamps: Hashable = None
    keys: dict[str, int] = field(default_factory=dict)
    """Of each job the number of its kind: those of a kind are answered alike."""
    kinds: dict[Hashable, int] = field(default_factory=dict)
    by_spec: dict[Hashable, tuple[JobSpec, int]] = field(default_factory=dict)
    """The same by the identity of the spec, which is kept with it."""
    examples: dict[int, str] = field(default_factory=dict)
    known: dict[int, Stands | None] = field(default_factory=dict)
    bars: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _full_at: float = float("-inf")

    def look(self, unit: Unit, places: Sequence[Place]) -> None:
        """Bring the queue in step with what waits, runs and is free."""
        self._follow(unit)
        now, order = unit.now.timestamp(), order_now(orderly(), places)
        self._read(unit, now)
        rooms = rooms_of(places)
        standing = Standing(places, self.memory.admissions, unit.now, self.policy.move_s)
        look = _Look(unit, self, order, standing, places)
        shape = tuple((room.key, room.size) for room in rooms)
        if self._line is None or shape != self._shape:
            carried = _used_of_late(unit, self.policy) if self._line is None else self._line.carried(now)
            self._line, self._shape, self._full_at = Line(rooms, self.policy, carried, now), shape, float("-inf")
        kinds = [self.memory.spec(unit, name) for name in self.examples.values() if name in self.waiting]
        stamped = tuple((stamp_of(place, unit.now), place.closing) for place in places)
        stamps = (shape, stamped, order, self.memory.data.stamp(kinds))
        if stamps != self._stamps:
            self._stamps, before = stamps, dict(self.known)
            self.known.clear()
            # of what nobody waits for any more that was asked, it is asked anew
            gone = {key for key in set(self.keys.values()) if self.examples.get(key) not in self.waiting}
            changed = gone | {key for key in before if not alike(before[key], look.answer(key))}
            self._line.look_again()
            self._line.again(name for name in self.waiting if self.keys.get(name) in changed)
        live, at = running.live_ids(unit), numbers_of(places)
        new = running.of_attempts(unit, [attempt for attempt in live if not self._line.knows(attempt)])
        seen = Seen(
            rooms=rooms,
            waiting=[one.waits for one in self.waiting.values()],
            running=live,
            stands=look.stands,
            runs=lambda attempt: look.runs(new[attempt], at, places),
            ended=lambda gone: {name: at.timestamp() for name, at in running.ended_at(unit, gone).items()},
            barred=look.barred,
        )
        self._line.see(now, seen)

    def _read(self, unit: Unit, now: float) -> None:
        """What waits, in the order of turns; of what is as it was nothing is made anew."""
        rows = market.waiting(unit, limit=MOST_WAITING)
        names = [row["id"] for row in rows]
        askers = self.memory.know(unit, names)
        taken = _turns([(name, row, askers[name]) for name, row in zip(names, rows, strict=True)])
        resting, before = jobs.resting_of_all(unit), self.waiting
        self.waiting = {}
        for name, row, asker, turn, instead in taken:
            known, rests, since = before.get(name), resting.get(name, 0), min(turn.created, now)
            if known is None or known.row is not row or known.stood != (rests, since, instead):
                waits = Waits(name, row["queued"] - rests, since)
                same = known is not None and known.waits == waits
                known = InLine(row, asker, (rests, since, instead), known.waits if known and same else waits)
            self.waiting[name] = known
        self._now = now
        self._numbers = dict(zip(self.waiting, count(1)))
        self._never = [name for name, one in self.waiting.items() if not one.told]

    def _follow(self, unit: Unit) -> None:
        """Go on by the operator's newest weights: with a line anew, which keeps what was promised and used."""
        if policies.newest_number(unit) != self._version:
            held = policies.newest(unit)
            self._version, self.policy = held.version, queue_policy(held.policy)
            self._shape = self._stamps = None

    def forget(self) -> None:
        """Begin anew at the next look: what is remembered may not fit what is there."""
        self._line = None

    def step(self, unit: Unit) -> tuple[Starts, ...]:
        """Who starts now, in their order."""
        now = unit.now.timestamp()
        every = now - self._full_at >= self.often.total_seconds()
        if every:
            self._full_at = now
            self._tried.clear()
            self.keys = {name: key for name, key in self.keys.items() if name in self.waiting}
            self._forget_kinds()
            self._told_at = {name: at for name, at in self._told_at.items() if name in self.waiting}
        return self._here.step(now, all_pools=every)

    def takes(self, unit: Unit, start: Starts, place: int) -> bool:
        """Whether one that is to start may start at this place (by its number) instead, pushing nobody back."""
        return self._here.takes(start, pool_at(start, place), unit.now.timestamp())

    def relocate(self, unit: Unit, start: Starts, place: int) -> None:
        """One that is to start starts there instead."""
        self._here.relocate(start, pool_at(start, place), unit.now.timestamp())

    def next_wake(self, now: datetime) -> datetime | None:
        """When a reservation begins next, so that a look is due though nothing happens."""
        at = self._here.next_wake(now.timestamp())
        return None if at is None else now + timedelta(seconds=at - now.timestamp())

    def refuse(self, unit: Unit, starts: Sequence[Starts], *, anywhere: bool = False) -> None:
        """One that was to start cannot, there."""
        self._here.refuse(starts, unit.now.timestamp(), anywhere=anywhere)

    def to_tell(self, most: int, *, but: Collection[str] = (), untold: bool = False) -> list[str]:
        """Jobs that are to be told why they wait: those that never were, or where there are none others.

        They are of few kinds at once, for each kind is compared with every place. Of the others the kinds take turns,
        and those of a kind that were told longest ago come first.
        """
        self._tells_at = self._now
        never = [name for name in self._never if name not in self._tried and name not in but]
        if never or untold:
            chosen = self._of_few_kinds(never, most)
            self._tried.update(chosen)
            return chosen
        return self._others(min(most, _RETOLD), but)

    def _of_few_kinds(self, names: Sequence[str], most: int) -> list[str]:
        kinds, chosen = set[int](), list[str]()
        for name in names:
            key = self.keys.get(name, -1)
            if len(kinds) < _KINDS_AT_ONCE or key in kinds:
                kinds.add(key)
                chosen.append(name)
            if len(chosen) == most:
                break
        return chosen

    def _others(self, most: int, but: Collection[str]) -> list[str]:
        of_kind = defaultdict[int, list[str]](list)
        for name, one in self.waiting.items():
            if one.told and name not in but:
                of_kind[self.keys.get(name, -1)].append(name)
        kinds = sorted(of_kind)
        start = bisect_right(kinds, self._told_last)
        chosen = list[str]()
        for key in (kinds[start:] + kinds[:start])[:_KINDS_AT_ONCE]:
            longest = sorted(of_kind[key], key=lambda name: self._told_at.get(name, float("-inf")))
            chosen += longest[: most - len(chosen)]
            self._told_last = key
            if len(chosen) == most:
                break
        return chosen

    def must_tell(self, unit: Unit) -> bool:
        """Whether nobody was told anything for so long that it is not to wait for a look at which nobody starts."""
        return abs(unit.now.timestamp() - self._tells_at) >= _SILENT_S

    def is_old(self, unit: Unit, name: str) -> bool:
        """Whether what a job was told of how it stands is old; from now on it is not."""
        now = unit.now.timestamp()
        if now - self._told_at.get(name, float("-inf")) < _TOLD_S:
            return False
        self._told_at[name] = now
        return True

    def was_told(self, name: str) -> bool:
        """Whether a job that waits was told why."""
        return self.waiting[name].told

    def instead_of(self, name: str) -> str:
        """The job of the same account whose turn it takes by its priority; empty where it takes its own."""
        return self.waiting[name].stood[2]

    def spec(self, unit: Unit, name: str) -> JobSpec:
        """The spec of a job."""
        return self.memory.spec(unit, name)

    def untold(self, *, but: Collection[str] = ()) -> bool:
        """Whether any job was not yet to be told why it waits."""
        return any(name not in self._tried and name not in but for name in self._never)

    def queueing(self, unit: Unit, job_id: str, places: Sequence[Place]) -> Queueing | None:
        """How a job stands among those that wait."""
        found = self.waiting.get(job_id)
        if found is None:
            return None
        held = self._here.reserved(job_id)
        place = None if held is None else places[place_of_pool(held[0])]
        now = unit.now.timestamp()
        return Queueing(
            place=self._numbers[job_id],
            of=len(self.waiting),
            waited_s=max(0, int(now - found.asker.created)),
            fair=self._here.of_fair_share(found.asker.account_id, now),
            reserved=None if place is None else f"{place.platform}/{place.share.name}",
            reserved_at=None if held is None else unit.now + timedelta(seconds=max(0.0, held[1] - now)),
        )

    def _forget_kinds(self) -> None:
        """Of which nobody waits."""
        there = set(self.keys.values())
        self.kinds = {asked: key for asked, key in self.kinds.items() if key in there}
        self.by_spec = {same: known for same, known in self.by_spec.items() if known[1] in there}
        self.examples = {key: name for name, key in self.keys.items()}
        self.known = {key: found for key, found in self.known.items() if key in there}
        self.bars = {key: found for key, found in self.bars.items() if key in there}

    @property
    def _here(self) -> Line:
        if self._line is None:
            raise RuntimeError("nothing was looked at yet")
        return self._line


Asks = tuple[str, Row, Asker]


def _turns(waits: Sequence[Asks]) -> Iterator[tuple[str, Row, Asker, Asker, str]]:
    """Jobs in the order of their turns, with whose turn each takes.

    Within an account the first turns are taken by what it wants first: then it goes instead of the job that is named.
    """
    preferring = {asker.account_id for _, _, asker in waits if asker.priority}
    ours = defaultdict[str, list[Asks]](list)
    for one in waits if preferring else ():
        ours[one[2].account_id].append(one)
    takers = {account: iter(sorted(ours[account], key=lambda one: -one[2].priority)) for account in preferring}
    for name, row, turn in waits:
        if turn.account_id in takers:
            taker, its, asker = next(takers[turn.account_id])
            yield taker, its, asker, turn, "" if taker == name else name
        else:
            yield name, row, turn, turn, ""


def _used_of_late(unit: Unit, policy: Policy) -> Carried:
    """What accounts have used of late, where nothing is remembered."""
    half_life, used = policy.half_life_s, defaultdict[str, float](float)
    for row in running.ended_since(unit, unit.now - timedelta(seconds=_HALF_LIVES * half_life), limit=_MOST_READ):
        seconds = (row["ended_at"] - row["started_at"]).total_seconds()
        age = (unit.now - row["ended_at"]).total_seconds()
        worth = worth_of(Resources.model_validate_json(row["granted"]))
        used[row["account_id"]] += worth * seconds * 0.5 ** (age / half_life)
    return Carried(used=used)


@dataclass(frozen=True, slots=True)
class _Look:
    """What jobs and attempts that are new at this look are to the queue."""

    unit: Unit
    ordering: Ordering
    order: Order
    standing: Standing
    places: Sequence[Place]
    bars: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def stands(self, job_id: str) -> Stands | None:
        """What it takes, where it may run and what that costs it; answered once for all that ask alike."""
        here = self.ordering
        if job_id not in here.keys:
            demand, spec = self._demand(job_id), here.memory.spec(self.unit, job_id)
            account = here.waiting[job_id].asker.account_id
            same = (id(spec), account, demand.entity, demand.lender)
            if same not in here.by_spec:
                sizes = (spec.resources, spec.nodes, spec.wall_time_s, spec.expected_s)
                asked = (kind_of(replace(demand, order=NO_ORDER)), sizes, account)
                here.by_spec[same] = spec, here.kinds.setdefault(asked, next(here.numbers))
            here.keys[job_id] = key = here.by_spec[same][1]
            here.examples.setdefault(key, job_id)
        key = here.keys[job_id]
        if key not in here.known:
            here.known[key] = self._of(job_id)
        return here.known[key]

    def barred(self, job_id: str) -> tuple[int, ...]:
        """Where it lacks something else than what it queues for, now; answered once for all that ask alike."""
        here, key = self.ordering, self.ordering.keys[job_id]
        if key not in self.bars:
            now = self.standing.barred(here.memory.spec(self.unit, job_id), here.known.get(key))
            before = here.bars.get(key, ())
            here.bars[key] = self.bars[key] = before if before == now else now
        return self.bars[key]

    def answer(self, key: int) -> Stands | None:
        """As ``stands`` for the kind of this number, where one of it still waits."""
        example = self.ordering.examples.get(key)
        if example not in self.ordering.waiting:
            return None
        return self.stands(example)

    def _of(self, job_id: str) -> Stands | None:
        return self.standing.of(self._demand(job_id), self.ordering.waiting[job_id].asker.account_id)

    def _demand(self, job_id: str) -> Demand:
        memory, asker = self.ordering.memory, self.ordering.waiting[job_id].asker
        spec = memory.spec(self.unit, job_id)
        moving = memory.data.of(spec, self.places)
        return Demand(spec, asker.entity, levels=memory.levels, lender=asker.lender, order=self.order, moving=moving)

    def runs(self, row: Row, numbers: Mapping[ShareId, int], places: Sequence[Place]) -> Runs:
        """An attempt that holds something of a place."""
        at, spec = numbers.get(row["share_id"], -1), self.ordering.memory.spec(self.unit, row["job_id"])
        began = row["started_at"] or row["created_at"]
        return Runs(
            job=row["job_id"],
            account=row["account_id"],
            takes=takes_of(spec, Resources.model_validate_json(row["granted"]), at),
            began=began.timestamp(),
            estimate=estimate_of(spec),
            own=at >= 0 and places[at].entity == row["entity"],
        )
