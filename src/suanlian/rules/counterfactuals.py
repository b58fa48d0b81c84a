"""What could a buyer change, and what would it bring? The same engine asked again, with one change each. Pure.

Changes are proposed where one change could make a place fit, and told only where the engine says that they do. What
protects data is never among them: residency, data level, protection, owners.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.market import NO_MARKET, Market
from suanlian.model.outlook import Change, Effect, Gain, Json
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Candidate, Explanation, Filter
from suanlian.model.quantity import Resources
from suanlian.rules import budget
from suanlian.rules.levers import LEVERS, Proposal, greener, preferring
from suanlian.rules.normalising import Known
from suanlian.rules.placement import explain

MOST_ASKED: Final = 12
MOST_TOLD: Final = 4
MOST_OF_A_FIELD: Final = 2
LEAST_PART: Final = Decimal("0.02")
"""What saves less than this part is not told,"""
LEAST_CNY: Final = Decimal("0.01")
"""nor what saves less than this."""
START: Final = "start"
_PART: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Release:
    """So much of a share is given back at that moment, by estimate."""

    at: datetime
    amount: Resources


@dataclass(frozen=True)
class Asked:
    """One demand, and all that the engine is asked with.

    ``known``: what is known for a spec besides what is published. ``rest``: what is left of its budget, if it has one.
    ``releases``: what running work gives back, in the order of time.
    """

    demand: Demand
    places: Sequence[Place]
    now: datetime
    known: Callable[[JobSpec], Known | None] = lambda _spec: None
    market: Market = NO_MARKET
    rest: Decimal | None = None
    releases: Mapping[ShareId, Sequence[Release]] = field(default_factory=dict)

    def answer(self) -> Explanation:
        """What the engine says of it now."""
        spec = budget.within(self.demand.spec, self.rest)
        demand, known = replace(self.demand, spec=spec), self.known(self.demand.spec)
        return explain(demand, self.places, now=self.now, known=known, market=self.market)

    def changed(self, where: str, to: Json) -> "Asked":
        """The same with one field of the job as given, or at a later moment. Raises ValueError."""
        if where == START:
            return self.at(datetime.fromisoformat(str(to)))
        spec, rest = with_field(self.demand.spec, where, to), self.rest
        if rest is not None and spec.budget is not None and self.demand.spec.budget is not None:
            rest += spec.budget - self.demand.spec.budget
        return replace(self, demand=replace(self.demand, spec=spec), rest=rest)

    def at(self, moment: datetime) -> "Asked":
        """The same at a later moment, when work that runs now has given back what it has."""
        places = [
            replace(place, free=_freed(place.free, self.releases.get(place.share_id, ()), moment))
            for place in self.places
        ]
        return replace(self, places=places, now=moment)


def _freed(free: Resources, releases: Sequence[Release], moment: datetime) -> Resources:
    for release in releases:
        if release.at <= moment:
            free = free.plus(release.amount)
    return free


def with_field(spec: JobSpec, where: str, to: Json) -> JobSpec:
    """The job with one field otherwise. Raises ValueError where the job would be none."""
    written = spec.model_dump(mode="json")
    *path, last = where.split(".")
    inside = written
    for name in path:
        inside = inside[name]
    inside[last] = to
    return JobSpec.model_validate(written)


def changes(asked: Asked, found: Explanation) -> tuple[Change, ...]:
    """The best changes, at most ``MOST_TOLD``: the soonest start, then what saves the most of something."""
    told = [change for proposal in _proposals(asked, found) if (change := _asked(asked, found, proposal)) is not None]
    told.sort(key=_best_first)
    # two ways to one thing: the one that was proposed first
    told = list({_way(change): change for change in reversed(told)}.values())
    told.sort(key=_best_first)
    # what saves more money must not hide what is greener or sooner done: the best of each sort is told
    best = {change.effect.gain: change for change in reversed(told)}
    fields = Counter(change.field for change in best.values())
    kept = list(best.values())
    for change in told:
        if change not in kept and fields[change.field] < MOST_OF_A_FIELD and len(kept) < MOST_TOLD:
            fields[change.field] += 1
            kept.append(change)
    return tuple(sorted(kept, key=_best_first))


def _way(change: Change) -> tuple[object, ...]:
    """What it comes to. Of waiting for one place only the soonest start counts."""
    effect = change.effect
    return effect.gain, effect.share_id, START if change.field == START else effect.starts, effect.part


def soonest(asked: Asked, found: Explanation) -> datetime | None:
    """When a task that waits for room has some, by estimates, if nobody else takes it; None where that is not known."""
    moments = (_room_at(asked, candidate) for candidate in found.candidates)
    return min((moment for moment in moments if moment is not None), default=None)


def _best_first(change: Change) -> tuple[datetime, Decimal, Decimal]:
    effect = change.effect
    billed = Decimal(0) if effect.billed is None else effect.billed
    return effect.starts if effect.gain is Gain.STARTS else _NEVER, -(effect.part or Decimal(0)), billed


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def _proposals(asked: Asked, found: Explanation) -> list[Proposal]:
    """What is worth asking, the nearest first: each once, at most ``MOST_ASKED``."""
    places = {place.share_id: place for place in asked.places}
    every: dict[tuple[str, str], Proposal] = {}
    if found.won is not None:
        every |= {(one.field, str(one.to)): one for one in preferring(asked.demand.spec)}
    for candidate in _worth(found):
        for proposal in _for(asked, candidate, places[candidate.share_id], waits=found.won is None):
            every.setdefault((proposal.field, str(proposal.to)), proposal)
            if len(every) == MOST_ASKED:
                return list(every.values())
    return list(every.values())


def _worth(found: Explanation) -> list[Candidate]:
    """Candidates that a change could lead to: all misses of work that waits; else those with a lower bill or CO2."""
    won = found.won
    if won is None:
        return sorted((c for c in found.candidates if c.failed), key=lambda c: (len(c.failed), _bill(c)))
    return sorted(
        (c for c in found.candidates if c is not won and _may_be_better(won, c)),
        key=lambda c: (bool(c.failed), _bill(c)),
    )


def _may_be_better(won: Candidate, other: Candidate) -> bool:
    unknown = bool(other.failed) and other.billed is None
    return unknown or _saves(won, other) or _spares(won, other) is not None


def _for(asked: Asked, candidate: Candidate, place: Place, *, waits: bool) -> Iterator[Proposal]:
    """Single changes that could make this candidate the winner."""
    if not candidate.failed:
        yield from greener(asked.demand.spec, candidate)
        return
    missed = {miss.filter for miss in candidate.failed}
    moment = _room_at(asked, candidate)
    if moment is not None:
        yield Proposal(START, asked.now.isoformat(), moment.isoformat())
    for lever in LEVERS:
        if missed <= lever.lifts and (waits or lever.saves):
            proposal = lever.propose(asked.demand.spec, place, candidate, asked.rest)
            if proposal is not None:
                yield proposal


def _room_at(asked: Asked, candidate: Candidate) -> datetime | None:
    """When the place has room, by what is given back there; None where something else stands against it, or never."""
    if {miss.filter for miss in candidate.failed} != {Filter.ROOM}:
        return None
    free, wanted = next(p.free for p in asked.places if p.share_id == candidate.share_id), asked.demand.spec.total
    for release in asked.releases.get(candidate.share_id, ()):
        free = free.plus(release.amount)
        if wanted.fits(free):
            return release.at
    return None


def _asked(asked: Asked, found: Explanation, proposal: Proposal) -> Change | None:
    """The change with what it brings, by the engine's answer; None where it brings nothing."""
    try:
        other = asked.changed(proposal.field, proposal.to)
    except ValueError:  # the job would be none
        return None
    won, before = other.answer().won, found.won
    if won is None:
        return None
    if before is None:
        return _told(proposal, other.now, won, None, Gain.STARTS)
    if proposal.aims is not None:
        part = _AIMS[proposal.aims](before, won)
        return None if part is None else _told(proposal, other.now, won, before, proposal.aims, part)
    if _saves(before, won):
        part = 1 - (won.billed or Decimal(0)) / (before.billed or Decimal(1))
        return _told(proposal, other.now, won, before, Gain.CHEAPER, part)
    return None


def _told(  # noqa: PLR0913, PLR0917 - what is told of a change
    proposal: Proposal,
    starts: datetime,
    won: Candidate,
    before: Candidate | None,
    gain: Gain,
    part: Decimal | None = None,
) -> Change:
    more = None if before is None or before.billed is None or won.billed is None else won.billed - before.billed
    effect = Effect(
        gain=gain,
        share_id=won.share_id,
        platform=won.platform,
        share=won.share,
        simulated=won.simulated,
        starts=starts,
        billed=won.billed,
        more=more,
        part=None if part is None else part.quantize(_PART),
        g_co2=won.g_co2,
        takes_s=None if won.expected is None else won.expected.seconds,
    )
    return Change(field=proposal.field, was=proposal.was, to=proposal.to, effect=effect)


def _saves(before: Candidate, other: Candidate) -> bool:
    """Whether its bill is so much less that it is worth telling."""
    if before.billed is None or other.billed is None:
        return False
    saved = before.billed - other.billed
    return saved >= LEAST_CNY and saved >= LEAST_PART * before.billed


def _spares(before: Candidate, other: Candidate) -> Decimal | None:
    """The part of its CO2 that the other spares, where that is worth telling."""
    if not before.g_co2 or other.g_co2 is None:
        return None
    part = 1 - other.g_co2 / before.g_co2
    return part if part >= LEAST_PART else None


def _hastens(before: Candidate, other: Candidate) -> Decimal | None:
    """The part of its time that the other spares, where that is worth telling; None where no times are known."""
    if before.expected is None or other.expected is None:
        return None
    part = 1 - other.expected.seconds / before.expected.seconds
    return part if part >= LEAST_PART else None


_AIMS: Final[Mapping[Gain, Callable[[Candidate, Candidate], Decimal | None]]] = {
    Gain.GREENER: _spares,
    Gain.FASTER: _hastens,
}
"""What is looked at of a change that aims at something else than money."""


def _bill(candidate: Candidate) -> Decimal:
    return Decimal("Infinity") if candidate.billed is None else candidate.billed
