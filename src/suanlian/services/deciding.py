"""Which waiting tasks get which place? One look: the queue says who starts now, the comparison of places where.

Writes nothing; what was decided is made true by ``services/placing``.
"""

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from suanlian.data.orderly import orderly
from suanlian.i18n.reasons import reason_line
from suanlian.model.decision import TASKS_PER_JOB, Decision, Ends, Makes, Placed, Waits
from suanlian.model.ids import ShareId
from suanlian.model.job import ENDED, JobSpec, JobState
from suanlian.model.levels import USUAL_LEVELS, LevelRules
from suanlian.model.market import NO_MARKET, Market
from suanlian.model.place import Demand
from suanlian.model.placement import Explanation, Filter
from suanlian.rules import budget
from suanlian.rules.feasibility import asked_of_places
from suanlian.rules.normalising import Known
from suanlian.rules.orderly import order_now
from suanlian.rules.placement import TIME_MENDS, Answers, explain
from suanlian.rules.progress import parse_tally
from suanlian.rules.queueing.line import Starts
from suanlian.rules.retries import NO_PAST, Past, past_of
from suanlian.rules.standing import place_of
from suanlian.services.ports import NO_DATA, DataOf, KnownOf, Turns, nothing_known
from suanlian.store import attempts, jobs, platforms
from suanlian.store.places import Places
from suanlian.store.unit import Row, Unit

_TOLD_AT_ONCE: Final = 10
"""So many jobs are told at once that nothing is live: telling a flood of them must not hold up taking them in."""
_TRIED: Final = 8
"""So many times as many jobs as may start are looked at, where the first of them can start nowhere."""
_ROUNDS: Final = 64
"""So often the queue is asked again in one look, where what it let start could not."""
_MENDS: Final = TIME_MENDS | {Filter.WANTED_PLATFORM}
"""What may be otherwise in a while, or for another task of the job (one that was moved has a platform of its own)."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """By what places are compared: rules of levels, what is known of speeds, what is scarce."""

    levels: LevelRules = USUAL_LEVELS
    known_of: KnownOf = nothing_known
    market: Market = NO_MARKET
    data: DataOf = NO_DATA


USUAL: Final = Weighing()


@dataclass(frozen=True, slots=True)
class Decided:
    """What one look decided; ``more``: others are still to be told why they wait."""

    decisions: tuple[Decision, ...]
    more: bool = False


def decide(unit: Unit, ordering: Turns, *, limit: int, weighing: Weighing = USUAL) -> Decided:
    """Decide of up to ``limit`` jobs that may start now, and say of as many others why they wait. Writes nothing."""
    look = _Look(unit, weighing, ordering)
    ordering.look(unit, look.places)
    if not platforms.any_live(unit):
        # with nothing live no job gets a place: some that were never told why they wait are told, the rest later
        return Decided(tuple(look.tell(ordering.to_tell(min(limit, _TOLD_AT_ONCE), untold=True))))
    decisions, seen, placed = list[Decision](), set[str](), set[str]()
    for _ in range(_ROUNDS):
        starts = defaultdict[str, deque[Starts]](deque)
        for start in ordering.step(unit):
            starts[start.job].append(start)
        if not starts:
            break
        # those that turn out to be able to start nowhere must not keep the others from being looked at
        most = min(limit - len(placed), _TRIED * limit - len(seen))
        chosen = list(starts)[: max(0, most)]
        seen.update(starts)
        rows = jobs.waiting_of(unit, chosen)
        for job_id in chosen:
            if job_id in rows:
                found = look.decide(rows[job_id], starts[job_id])
                decisions += found
                placed.update(one.job_id for one in found if isinstance(one, Placed))
    if decisions and not ordering.must_tell(unit):  # those that start first; why others do not is told at the next look
        return Decided(tuple(decisions), more=True)
    decisions += look.tell(ordering.to_tell(limit, but=seen))
    return Decided(tuple(decisions), more=ordering.untold(but=seen))


class _Look:
    """One look at the places: what it gives away it no longer has. Equal questions are answered once."""

    def __init__(self, unit: Unit, weighing: Weighing, ordering: Turns) -> None:
        self._unit = unit
        self._levels = weighing.levels
        self._known_of = weighing.known_of
        self._market = weighing.market
        self._data = weighing.data
        self._ordering = ordering
        self._places = Places(unit)
        self.places = list(self._places.all())
        self._numbers = {place.share_id: n for n, place in enumerate(self.places)}
        self._order = order_now(orderly(), self.places)
        self._known: dict[object, Explanation] = {}
        self._answers = defaultdict[object, Answers](dict)

    def decide(self, row: Row, starts: deque[Starts]) -> list[Decision]:
        """Give places to as many waiting tasks of one job as may start now."""
        spec = JobSpec.model_validate_json(row["spec"])
        waiting = jobs.unplaced_tasks(self._unit, row["id"], limit=TASKS_PER_JOB)
        past = self._past(row["id"], [task["idx"] for task in waiting if task["attempts"]])
        decisions: list[Decision] = []
        known = self._known_of(spec, row["account_id"], row["id"], self.places)
        rest = budget.rest(spec.budget, row["committed"])
        left = deque(waiting)
        while left and starts:
            demand = self._demand(spec, row, left[0], rest, past)
            explanation, moved = self._where(demand, known, starts[0])
            if explanation.won is None:
                mends = any({miss.filter for miss in c.failed} <= _MENDS for c in explanation.candidates)
                self._ordering.refuse(self._unit, list(starts), anywhere=not mends and rest is None)
                starts.clear()
                return decisions + self._waits(row, spec, explanation, rest if not decisions else None)
            alike = _alike(left, past, budget.affords(explanation.won, rest))
            placed = self._give(row, alike, spec, explanation, self._taken(starts, moved, len(alike)))
            decisions.append(placed)
            rest = None if rest is None else rest - placed.estimate * len(placed.numbers)
            for _ in placed.numbers:
                left.popleft()
        if len(waiting) < TASKS_PER_JOB and row["made"] < row["tasks"] and row["rest"] == JobState.QUEUED:
            decisions.append(Makes(row["id"]))
        return decisions

    def tell(self, chosen: Sequence[str]) -> list[Decision]:
        """Say of jobs that do not start why not; whoever was told that there is no room is not told so again."""
        told: list[Decision] = []
        old = {job_id for job_id in chosen if self._ordering.is_old(self._unit, job_id)}
        unsure = [job_id for job_id in chosen if job_id in old or not self._knows(job_id)]
        rows = jobs.waiting_of(self._unit, unsure)
        for job_id in unsure:
            row = rows.get(job_id)
            if row is None:
                continue
            spec = self._ordering.spec(self._unit, job_id)
            waiting = jobs.unplaced_tasks(self._unit, job_id, limit=1)
            if not waiting:
                continue
            past = self._past(job_id, [task["idx"] for task in waiting if task["attempts"]])
            rest = budget.rest(spec.budget, row["committed"])
            demand = self._demand(spec, row, waiting[0], rest, past)
            known = self._known_of(spec, row["account_id"], job_id, self.places)
            explanation = self._explain(demand, known, frozenset())
            # the queue let it start nowhere: where it would fit, what is free is kept for others
            fits = frozenset(candidate.share_id for candidate in explanation.candidates if not candidate.failed)
            explanation = self._explain(demand, known, fits) if fits else explanation
            told += self._waits(row, spec, explanation, rest, again=job_id in old)
        return told

    def _knows(self, job_id: str) -> bool:
        """Whether it was told why it waits, and nothing can have changed of it."""
        if not self._ordering.was_told(job_id):
            return False
        open_places = [p for p in self.places if p.platform_live and p.admitted and p.accepting and p.free.cpu]
        if not open_places:
            return True
        spec = self._ordering.spec(self._unit, job_id)
        return not any(spec.total.fits(place.free) for place in open_places)

    def _demand(self, spec: JobSpec, row: Row, task: Row, rest: Decimal | None, past: Mapping[int, Past]) -> Demand:
        failed, refused = past.get(task["idx"], NO_PAST)
        affordable, moved_from = _aimed(budget.within(spec, rest), task, self._unit.now)
        refused |= moved_from
        moving = self._data.of(spec, self.places)
        return Demand(affordable, row["entity"], failed, self._levels, refused, row["lender"], self._order, moving)

    def _where(self, demand: Demand, known: Known | None, start: Starts) -> tuple[Explanation, int | None]:
        """Where a task goes that may start now, and that place's number if it is another than the queue thought of.

        The place that compares best takes it, unless that would push back somebody who holds a reservation there.
        """
        kept = frozenset[ShareId]()
        while True:
            explanation = self._explain(demand, known, kept, start)
            if explanation.won is None and demand.avoid:
                # A place that failed is better than none, as long as the job has attempts left.
                explanation = self._explain(replace(demand, avoid=frozenset()), known, kept, start)
            if explanation.won is None:
                return explanation, None
            number = self._numbers[explanation.won.share_id]
            if number == place_of(start):
                return explanation, None
            if self._ordering.takes(self._unit, start, number):
                return explanation, number
            kept |= {explanation.won.share_id}

    def _taken(self, starts: deque[Starts], moved: int | None, most: int) -> list[Starts]:
        """As many of those that may start as may start at the place of the first, at most so many."""
        pool, found = starts[0].pool, list[Starts]()
        while starts and len(found) < most and starts[0].pool == pool:
            if moved is not None:
                if not self._ordering.takes(self._unit, starts[0], moved):
                    break
                self._ordering.relocate(self._unit, starts[0], moved)
            found.append(starts.popleft())
        return found

    def _waits(
        self, row: Row, spec: JobSpec, explanation: Explanation, rest: Decimal | None, *, again: bool = False
    ) -> list[Decision]:
        """Why it waits; or that it ends, where its budget is too little and nothing can come back to it."""
        is_idle = row["queued"] == parse_tally(row["tally"]).get(JobState.QUEUED) and not self._lives(row)
        if rest is not None and is_idle and (text := budget.too_little(explanation, spec.wants.max_cost, rest)):
            return [Ends(row["id"], row["committed"], text)]
        return _waits(row, self._told(row["id"], explanation), again=again)

    @staticmethod
    def _lives(row: Row) -> bool:
        """Whether any task has a place now."""
        return any(state not in ENDED and state is not JobState.QUEUED for state in parse_tally(row["tally"]))

    def _told(self, job_id: str, explanation: Explanation) -> Explanation:
        queueing = self._ordering.queueing(self._unit, job_id, self.places)
        return explanation.model_copy(update={"queueing": queueing})

    def _explain(
        self, demand: Demand, known: Known | None, kept: frozenset[ShareId], start: Starts | None = None
    ) -> Explanation:
        seen = None if known is None else known.seen
        first = None if start is None else self.places[place_of(start)].share_id
        asked = (asked_of_places(demand.spec), demand.entity, demand.avoid, demand.refused, demand.lender, seen)
        if (*asked, kept, first) not in self._known:
            places = [replace(p, kept=True) if p.share_id in kept else p for p in self.places] if kept else self.places
            self._known[*asked, kept, first] = explain(
                replace(demand, first=first),
                places,
                now=self._unit.now,
                known=known,
                market=self._market,
                answers=self._answers[asked],
            )
        return self._known[*asked, kept, first]

    def _give(
        self, row: Row, alike: Sequence[Row], spec: JobSpec, explanation: Explanation, taken: Sequence[Starts]
    ) -> Placed:
        """Give the place that won to as many of these tasks as have room there: its cost does not depend on that."""
        won = explanation.candidates[explanation.winner or 0]
        at = self._numbers[won.share_id]
        place = self.places[at]
        count = spec.total.count_in(place.free, min(len(alike), len(taken)))
        if taken[count:]:
            self._ordering.refuse(self._unit, taken[count:])
        self.places[at] = replace(place, free=place.free.minus(spec.total.times(count)))
        self._known.clear()
        return Placed(
            job_id=row["id"],
            numbers={task["idx"]: task["attempts"] + 1 for task in alike[:count]},
            fences=alike[0]["attempt_id"] or "",
            place=place,
            connector_id=self._places.connector_of(won.share_id),
            flavor_id=self._places.flavor_id(won.share_id),
            explanation=self._told(row["id"], explanation),
            levels=self._levels,
            estimate=budget.rent(won) or Decimal(0),
            instead_of=self._ordering.instead_of(row["id"]),
        )

    def _past(self, job_id: str, indices: Sequence[int]) -> dict[int, Past]:
        return past_of(attempts.with_places(self._unit, job_id, indices) if indices else (), indices, self._unit.now)


def _aimed(spec: JobSpec, task: Row, now: datetime) -> tuple[JobSpec, frozenset[ShareId]]:
    """The spec as its owner's move sends it, as long as that holds, and the shares that it left by it."""
    aim = json.loads(task["aim"]) if task["aim"] else {}
    if not aim or datetime.fromisoformat(aim["until"]) <= now:
        return spec, frozenset()
    if aim["platform"]:
        spec = spec.model_copy(update={"wants": spec.wants.model_copy(update={"platform": aim["platform"]})})
    return spec, frozenset(ShareId(share) for share in aim["avoid"])


def _like(task: Row, past: Mapping[int, Past]) -> object:
    """What makes a task another than the one before: its past, a place that is lost, where it was sent."""
    return past.get(task["idx"], NO_PAST), task["attempt_id"], task["aim"]


def _alike(left: Iterable[Row], past: Mapping[int, Past], most: int | None) -> list[Row]:
    """The first of these tasks and those behind it that would get the same answer, at most so many."""
    found: list[Row] = []
    for task in left:
        is_same = not found or _like(task, past) == _like(found[0], past)
        if not is_same or (most is not None and len(found) >= max(most, 1)):
            break
        found.append(task)
    return found


def _waits(row: Row, explanation: Explanation, *, again: bool) -> list[Decision]:
    """What it is told, where that says anything new; ``again``: how it stands counts too."""
    text, before = reason_line(explanation), {} if row["waiting"] is None else json.loads(row["waiting"])
    queueing = None if explanation.queueing is None else explanation.queueing.model_dump(mode="json")
    told = before.get("explanation", {}).get("queueing")
    is_same = text == before.get("text") and not (again and _standing(told) != _standing(queueing))
    return [] if is_same else [Waits(row["id"], text, explanation)]


def _standing(queueing: Mapping[str, object] | None) -> object:
    """What of how a job stands is told anew when it changes."""
    return None if queueing is None else [queueing.get(name) for name in ("place", "reserved", "reserved_at")]
