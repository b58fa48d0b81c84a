"""All that waits matched at once: what the matcher is asked, what it found, and by which prices places are compared."""

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from statistics import median
from typing import Final
from weakref import WeakValueDictionary

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.data.orderly import orderly
from suanlian.model.energy import Energy
from suanlian.model.ids import ShareId, new_id
from suanlian.model.job import EndCause, JobSpec
from suanlian.model.levels import LevelRules
from suanlian.model.market import (
    DWELL,
    FRESH,
    LASTING,
    MOST_WAITING,
    MOVES,
    WINDOW,
    Market,
    MarketNow,
    MoveProposal,
    ScarcePrice,
    Tick,
    TickState,
)
from suanlian.model.offer import NewOffer, Tier
from suanlian.model.orderly import Order
from suanlian.model.owner import JoinLevel
from suanlian.model.party import Caller, Role
from suanlian.model.place import Demand, Place
from suanlian.model.placement import MarketView
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind
from suanlian.rules.admitting import Admissions
from suanlian.rules.compiling import Compiled, Running, Waiting, compiled, room_now
from suanlian.rules.energy import energy_of
from suanlian.rules.matching.arrays import Floats
from suanlian.rules.matching.moves import Move
from suanlian.rules.normalising import Known
from suanlian.rules.orderly import order_now
from suanlian.rules.preferring import most_dearer
from suanlian.rules.pricing import expected_rent
from suanlian.services.ports import NO_DATA, DataOf, KnownOf, nothing_known
from suanlian.store import attempts, jobs, market, policies, published
from suanlian.store.market import Asker
from suanlian.store.places import Places
from suanlian.store.unit import Row, Unit

KEPT: Final = timedelta(days=7)
"""Ticks are kept for so long."""
AGAIN: Final = timedelta(seconds=60)
"""A tick that found what the one before it found is kept only so often."""
MOST_RUNNING: Final = 1000
"""So much running work is looked at, the oldest first,"""
_MOST_READ: Final = 5000
"""of so many attempts."""
START_S: Final = 120.0
"""A move costs the rent of so long, for saving and starting anew: our own estimate,"""
TRANSFER_BYTES_S: Final = 50e6
"""and for bringing its checkpoint there at so many bytes a second, which goes through the hub: likewise."""
_STAYS: Final = 4.0
"""Not going on with what runs weighs so many times what it is worth: only where it runs is asked, not whether."""
_NOTHING: Final[Mapping[tuple[str, str], int]] = {}
_SPECS: Final = 50_000
_SHOWN: Final = 50
_OLD: Final = 2
_LINE: Final = 200
_HOUR_S: Final = 3600


@dataclass(slots=True)
class Memory:
    """What is kept between batches, so that only what is new is read and asked. For one thread."""

    levels: LevelRules
    admissions: Admissions = field(default_factory=Admissions)
    data: DataOf = NO_DATA
    """As of the look that is being made."""
    specs: OrderedDict[str, JobSpec] = field(default_factory=OrderedDict)
    askers: dict[str, Asker] = field(default_factory=dict)
    texts: WeakValueDictionary[str, JobSpec] = field(default_factory=WeakValueDictionary)
    """Equal specs are one value, so that what is asked of it is asked once."""

    def know(self, unit: Unit, job_ids: Sequence[str]) -> Mapping[str, Asker]:
        """Who asks by each of these jobs; all that is new is read at once, specs too. Others are forgotten in time."""
        new = [job_id for job_id in job_ids if job_id not in self.askers]
        if new:
            self.askers |= market.askers(unit, new)
            for job_id, text in market.specs(unit, [name for name in new if name not in self.specs]).items():
                self._keep(job_id, text)
        if len(self.askers) > _OLD * len(job_ids) + _SHOWN:
            self.askers = {job_id: self.askers[job_id] for job_id in job_ids}
        return self.askers

    def spec(self, unit: Unit, job_id: str) -> JobSpec:
        """The spec of a job, which never changes."""
        known = self.specs.get(job_id)
        if known is None:
            known = self._keep(job_id, jobs.spec_of(unit, job_id))
        return known

    def _keep(self, job_id: str, text: str) -> JobSpec:
        found = self.texts.get(text)
        if found is None:
            found = self.texts[text] = JobSpec.model_validate_json(text)
        self.specs[job_id] = found
        if len(self.specs) > _SPECS:
            self.specs.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be matched now, and of what it was made."""

    problem: Compiled
    jobs: int


def gather(
    unit: Unit, memory: Memory, known_of: KnownOf = nothing_known, rest: Callable[[], None] = nothing_known
) -> Batch | None:
    """All that waits with all places, as arrays; None where nothing waits.

    ``rest`` is called every now and then: others that wait for this processor may go first.
    """
    rows = market.waiting(unit, limit=MOST_WAITING)
    if not rows:
        return None
    places = Places(unit).all()
    asks = _Asks(unit, memory, order_now(orderly(), places), partial(_known, known_of, places), places)
    waiting = asks.all(rows, rest)
    hours = _hours(unit, memory, places)
    return Batch(compiled(waiting, places, hours, memory.admissions, unit.now, _energy(), rest), len(rows))


@cache
def _energy() -> Energy:
    return energy_of(chips(), grid())


def _known(known_of: KnownOf, places: Sequence[Place], spec: JobSpec, account_id: str, job_id: str) -> Known | None:
    return known_of(spec, account_id, job_id, places)


@dataclass(frozen=True, slots=True)
class _Asks:
    """Jobs as the matcher is told of them; those that ask alike have one demand."""

    unit: Unit
    memory: Memory
    order: Order
    known_of: Callable[[JobSpec, str, str], Known | None]
    places: Sequence[Place]
    demands: dict[tuple[int, str, str], Demand] = field(default_factory=dict)

    def all(self, rows: Sequence[Row], rest: Callable[[], None]) -> list[Waiting]:
        """What waits, as it was read."""
        askers, found = self.memory.know(self.unit, [row["id"] for row in rows]), list[Waiting]()
        for row in rows:
            found.append(self.waiting(row["id"], askers[row["id"]], row["queued"]))
            rest()
        return found

    def waiting(self, job_id: str, asker: Asker, count: int) -> Waiting:
        """So many tasks of a job."""
        spec = self.memory.spec(self.unit, job_id)
        alike = id(spec), asker.entity, asker.lender
        demand = self.demands.get(alike)
        if demand is None:
            moving = self.memory.data.of(spec, self.places)
            demand = Demand(
                spec, asker.entity, levels=self.memory.levels, lender=asker.lender, order=self.order, moving=moving
            )
            self.demands[alike] = demand
        return Waiting(job_id, demand, count, known=self.known_of(spec, asker.account_id, job_id))


def _hours(
    unit: Unit, memory: Memory, places: Sequence[Place], moving: Mapping[tuple[str, str], int] = _NOTHING
) -> dict[ShareId, dict[ResourceKind, float]]:
    """Of each share what is free within the window: what is free now, and what running work gives back by its limit.

    ``moving``: of a job and share so many attempts count as free altogether.
    """
    window = WINDOW.total_seconds()
    free = {place.share_id: {k: amount * window for k, amount in place.free.base().items()} for place in places}
    for row in market.running(unit):
        share = free.get(ShareId(row["share_id"]))
        if share is None:
            continue
        spec = memory.spec(unit, row["job_id"])
        left = max(0.0, spec.wall_time_s - (unit.now - row["began"]).total_seconds())
        going = min(row["attempts"], moving.get((row["job_id"], row["share_id"]), 0))
        for kind, amount in spec.total.base().items():
            share[kind] += amount * (row["attempts"] - going) * max(0.0, window - left)
            share[kind] += amount * going * window
    return {
        share: {kind: seconds / BASE_PER_UNIT[kind] / _HOUR_S for kind, seconds in kinds.items()}
        for share, kinds in free.items()
    }


@dataclass(frozen=True, slots=True)
class Going:
    """What running work is asked about: the problem, the room there is now, and which attempt each running row is.

    ``room`` [M, R] units; ``dearer`` [N]; ``runs``: rows of ``movable`` behind those that wait.
    """

    problem: Compiled
    room: Floats
    dearer: tuple[float, ...]
    waiting: int
    runs: tuple[Row, ...]
    places: tuple[Place, ...]


def going(
    unit: Unit, memory: Memory, known_of: KnownOf = nothing_known, rest: Callable[[], None] = nothing_known
) -> Going | None:
    """Running work that may be moved, with all that waits; None where there is none. ``rest``: as of ``gather``."""
    places = Places(unit).all()
    at = {place.share_id: place for place in places}
    order = order_now(orderly(), places)
    rows = [row for row in market.movable(unit, limit=_MOST_READ) if row["share_id"] in at]
    able = [row for row in rows if _may_move(unit, row, memory.spec(unit, row["job_id"]))]
    runs = [row for row in able if _costs_as_now(unit, row, at[ShareId(row["share_id"])])][:MOST_RUNNING]
    if not runs:
        return None
    known = partial(_known, known_of, places)
    waiting = _Asks(unit, memory, order, known, places).all(market.waiting(unit, limit=MOST_WAITING), rest)
    counted = Counter((row["job_id"], row["share_id"]) for row in runs)
    moving = [_running(unit, row, memory, order, at[ShareId(row["share_id"])], known) for row in runs]
    hours = _hours(unit, memory, places, counted)
    made = compiled([*waiting, *moving], places, hours, memory.admissions, unit.now, _energy(), rest)
    wants = [one.demand.spec.wants for one in (*waiting, *moving)]
    detour = policies.newest(unit).policy.detour
    dearer = tuple(float(most_dearer(wants[n], detour)) for n in made.job)
    return Going(made, room_now(places), dearer, len(waiting), tuple(runs), tuple(places))


def _may_move(unit: Unit, row: Row, spec: JobSpec) -> bool:
    """Whether it can be saved or takes preemptible terms, is alone, and was not moved a short while ago."""
    able = spec.checkpoint is not None or Tier.PREEMPTIBLE in spec.wants.tiers
    aim = json.loads(row["aim"]) if row["aim"] else None
    is_sent = aim is not None and datetime.fromisoformat(aim["until"]) > unit.now
    is_new_here = row["number"] > 1 and unit.now - row["created_at"] < DWELL
    return able and spec.nodes == 1 and not is_sent and not is_new_here and "preempt" in json.loads(row["knows"])


def _costs_as_now(unit: Unit, row: Row, place: Place) -> bool:
    """Whether what it is charged by is what its place asks now: a price holds for an attempt until its end."""
    if row["offer_id"] is None or place.level is JoinLevel.RUN:
        return row["offer_id"] is None and place.level is JoinLevel.RUN
    if any((ref.id, ref.version) == (row["offer_id"], row["offer_version"]) for ref in place.versions):
        return True
    sold = published.version(unit, row["offer_id"], row["offer_version"])
    return (
        sold is not None
        and place.offer is not None
        and (set(NewOffer.model_validate_json(sold["body"]).rates) == set(place.offer.rates))
    )


def _running(  # noqa: PLR0913, PLR0917 - a row, and all by which it becomes a demand
    unit: Unit, row: Row, memory: Memory, order: Order, place: Place, known_of: Callable[..., Known | None]
) -> Waiting:
    spec = memory.spec(unit, row["job_id"])
    ran = (unit.now - row["started_at"]).total_seconds()
    lost = lost_s(row, unit.now)
    pause_s = START_S + (row["size"] or 0) / TRANSFER_BYTES_S
    rent = expected_rent(spec, spec.variants[row["variant"]], place.offer) if place.offer is not None else Decimal(0)
    moving = float(rent) / spec.expected_s * pause_s
    demand = Demand(spec, row["entity"], _failed_at(unit, row), memory.levels, lender=row["lender"], order=order)
    running = Running(place.share_id, row["variant"], max(0.0, ran), max(0.0, lost), moving)
    return Waiting(row["job_id"], demand, 1, _STAYS, known_of(spec, row["account_id"], row["job_id"]), running=running)


def _failed_at(unit: Unit, row: Row) -> frozenset[ShareId]:
    """Where earlier attempts of the task ended by themselves: placing would keep it away from there."""
    before = attempts.with_places(unit, row["job_id"], [row["idx"]]) if row["number"] > 1 else ()
    return frozenset(
        ShareId(one["share_id"]) for one in before if one["ended_at"] is not None and one["cause"] != EndCause.PREEMPTED
    )


def lost_s(row: Row, now: datetime) -> float:
    """How long ago it was saved last, or began: so much would be done again."""
    saved = row["whole_at"]
    since = row["started_at"] if saved is None else max(saved, row["started_at"])
    return float((now - since).total_seconds())


def proposed(unit: Unit, asked: Going, moves: Sequence[Move]) -> tuple[MoveProposal, ...]:
    """What came out, in names."""
    found = []
    for move in moves:
        row = asked.runs[int(asked.problem.job[move.demand]) - asked.waiting]
        source, target = asked.places[move.source], asked.places[move.target]
        found.append(
            MoveProposal(
                job=row["job_id"],
                index=row["idx"],
                attempt=row["id"],
                from_platform=source.platform,
                from_share=source.share.name,
                to_platform=target.platform,
                to_share=target.share.name,
                share_id=target.share_id,
                home=move.home,
                there=move.there,
                moving=move.moving,
                gain=move.gain,
                lost_s=max(0, int(lost_s(row, unit.now))),
            )
        )
    return tuple(found)


Scarcity = Mapping[ShareId, Mapping[ResourceKind, Decimal]]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a batch, or of there being none."""

    state: TickState
    why: str = ""
    demands: int = 0
    jobs: int = 0
    places: int = 0
    unserved: int = 0
    total: float = 0.0
    bound: float | None = None
    took_ms: int = 0
    scarcity: Scarcity = field(default_factory=dict)
    moves: tuple[MoveProposal, ...] | None = None
    """None where running work was not looked at."""


def keep(unit: Unit, found: Found) -> bool:
    """Keep it as a tick, unless it says what the one before it said a moment ago; whether it was kept."""
    prices = _text(found.scarcity)
    digest = hashlib.sha256(prices.encode()).hexdigest()[:32]
    before = market.newest(unit)
    why = found.why[:_LINE]
    if before is None and not (why or found.demands or found.moves):
        return False
    is_same = found.moves is None or _told(found.moves) == _told(moves_since(unit, unit.now - LASTING))
    if (
        before is not None
        and is_same
        and (before["state"], before["why"], before["prices_hash"]) == (found.state, why, digest)
    ):
        is_idle = not found.demands and not before["demands"]
        if is_idle or unit.now - before["at"] < AGAIN:
            return False
    market.add(
        unit,
        {
            **{name: getattr(found, name) for name in _COUNTED},
            "id": new_id(),
            "at": unit.now,
            "state": found.state.value,
            "why": why,
            "prices_hash": digest,
            "prices": prices,
            "moves": None if found.moves is None else MOVES.dump_json(found.moves).decode(),
        },
    )
    market.forget(unit, unit.now - KEPT)
    return True


def moves_since(unit: Unit, since: datetime) -> tuple[MoveProposal, ...]:
    """What was proposed when running work was last looked at, if that was not before."""
    said = market.newest_moves(unit, since)
    return () if said is None else MOVES.validate_json(said)


def _told(moves: Sequence[MoveProposal]) -> list[tuple[str, str, bool]]:
    """What a proposal says but for its figures, which are others a moment later."""
    return [(one.attempt, one.share_id, one.told) for one in moves]


_COUNTED: Final = ("demands", "jobs", "places", "unserved", "total", "bound", "took_ms")


def _text(scarcity: Scarcity) -> str:
    plain = {share: {kind.value: str(price) for kind, price in of.items()} for share, of in scarcity.items() if of}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def current(unit: Unit) -> Market:
    """By which prices places are compared now; those of a tick that is too old rank nothing."""
    row, held = market.newest_good(unit, unit.now - LASTING), policies.newest(unit)
    if row is None:
        view = MarketView(policy=held.version) if held.version else None
        return Market(detour=held.policy.detour, energy=_energy(), view=view)
    view = MarketView(tick=row["id"], at=row["at"], prices_hash=row["prices_hash"], policy=held.version)
    return Market(_scarcity(row), detour=held.policy.detour, energy=_energy(), view=view)


def _scarcity(row: Row) -> dict[ShareId, dict[ResourceKind, Decimal]]:
    return {
        ShareId(share): {ResourceKind(kind): Decimal(price) for kind, price in of.items()}
        for share, of in json.loads(row["prices"]).items()
    }


def warm(unit: Unit) -> Scarcity:
    """The last prices that were found, from which a new batch begins."""
    row = market.newest_good(unit, unit.now - KEPT)
    return {} if row is None else _scarcity(row)


def now(unit: Unit, caller: Caller) -> MarketNow:
    """What the matcher says of the market, for operators and those who supervise; whose work moves for operators."""
    row = market.newest(unit)
    good = market.newest_good(unit, unit.now - LASTING)
    ticks = market.since(unit, unit.now - timedelta(hours=24))
    gaps = [gap for tick in ticks if (gap := _gap(tick)) is not None]
    return MarketNow(
        newest=None if row is None else _tick(row),
        fresh=good is not None and good["at"] >= unit.now - FRESH,
        scarce=() if good is None else _scarce(unit, _scarcity(good)),
        gap_median=median(gaps) if gaps else None,
        gap_max=max(gaps, default=None),
        ticks=len(ticks),
        failed=sum(tick["state"] != TickState.OK for tick in ticks),
        moves=moves_since(unit, unit.now - LASTING) if caller.role is Role.OPERATOR else (),
    )


def _scarce(unit: Unit, scarcity: Scarcity) -> tuple[ScarcePrice, ...]:
    named = {place.share_id: place for place in Places(unit).all()}
    found = [
        ScarcePrice(platform=named[share].platform, share=named[share].share.name, kind=kind, price=price)
        for share, of in scarcity.items()
        if share in named
        for kind, price in of.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.price, one.platform, one.share, one.kind))[:_SHOWN])


def _tick(row: Row) -> Tick:
    return Tick(
        id=row["id"],
        at=row["at"],
        state=TickState(row["state"]),
        why=row["why"],
        gap=_gap(row),
        prices_hash=row["prices_hash"],
        **{name: row[name] for name in _COUNTED},
    )


def _gap(row: Row) -> float | None:
    """None where there is no bound, or none that says anything."""
    bound = row["bound"]
    if row["state"] != TickState.OK or bound is None or bound <= 0:
        return None
    return float(max(0.0, row["total"] - bound) / bound)
