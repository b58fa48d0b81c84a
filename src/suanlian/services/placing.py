"""Giving waiting tasks a place. Load, decide outside of the transaction, apply under the job's and the share's lock."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from suanlian.i18n.reasons import reason_line
from suanlian.model.demand import Source
from suanlian.model.event import EventType
from suanlian.model.ids import AssignmentId, AttemptId, ShareId, new_id
from suanlian.model.job import ENDED, EndCause, JobSpec, JobState
from suanlian.model.levels import USUAL_LEVELS, Footing, LevelRules
from suanlian.model.owner import JoinLevel
from suanlian.model.party import Caller, Standing
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Assignment, Candidate, Explanation, Filter
from suanlian.model.platform import PlatformState
from suanlian.model.protocol import Wish
from suanlian.model.version import Subject
from suanlian.rules import budget
from suanlian.rules.capacity import over_committed
from suanlian.rules.feasibility import asked_of_places
from suanlian.rules.levels import footing, is_bound, unfit_at
from suanlian.rules.normalising import Known
from suanlian.rules.owner import level_admits, rests
from suanlian.rules.placement import explain, shortened
from suanlian.rules.progress import Progress, parse_tally
from suanlian.store import attempts, capacity, jobs, loads, lost, parties, platforms, turns
from suanlian.store.gates import standing_of
from suanlian.store.passed import MissingError
from suanlian.store.passed import text as passed_text
from suanlian.store.places import Places, site_now
from suanlian.store.turns import Turn as Turn  # noqa: PLC0414 - a round begins with a turn
from suanlian.store.unit import Row, Unit

_TOLD_AT_ONCE: Final = 10
"""So many jobs are told at once that nothing is live: telling a flood of them must not hold up taking them in."""
_TASKS_PER_JOB: Final = 64
"""At most this many tasks of one job are placed in one round, so that a large array does not hold up the others."""
_FAILED: Final = frozenset({EndCause.PLATFORM, EndCause.IMAGE, EndCause.LOST, EndCause.REQUEST})
"""Causes for which another place is tried first."""


_MAKES: Final = 1000
"""So many tasks of a large array get their rows in one unit."""
_PATIENCE: Final = timedelta(seconds=120)
"""A gang that waits longer keeps a share free for itself."""
Handed = Callable[[Unit, Row, int], tuple[Source, ...]]
"""What a task of a job is handed besides its inputs. Raises MissingError where something of it is not there."""
KnownOf = Callable[[JobSpec, str, str, Sequence[Place]], Known | None]
"""What is known of a job of this account and id at these places, besides what is published (``throughput``)."""


def nothing_known(*_asked: object) -> None:
    """Places are compared by what they publish alone."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A task that got a place. ``estimate`` is what it is to cost there, without what nobody is billed."""

    job_id: str
    index: int
    number: int
    place: Place
    connector_id: str
    flavor_id: str
    explanation: Explanation
    levels: LevelRules
    estimate: Decimal
    instead_of: str = ""
    """The job of the same account whose turn it took by its priority."""
    fences: str = ""
    """The attempt that counts no longer then: its place is lost."""


@dataclass(frozen=True, slots=True)
class Makes:
    """A large array of which further tasks are to get their rows: most that have rows have places."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Ends:
    """A job whose waiting tasks end, because what is left of its budget is not enough for one of them anywhere."""

    job_id: str
    committed: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A job of which tasks wait on; why, in a line and whole."""

    job_id: str
    text: str
    explanation: Explanation


Decision = Placed | Waits | Makes | Ends


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at some waiting jobs decided; ``turn`` is where to go on, None when all were seen."""

    decisions: tuple[Decision, ...]
    turn: Turn | None


def decide(
    unit: Unit, turn: Turn, *, limit: int, levels: LevelRules = USUAL_LEVELS, known_of: KnownOf = nothing_known
) -> Round:
    """Look at up to ``limit`` waiting jobs in their turn; those that fit pass those that do not. Writes nothing."""
    is_open = platforms.any_live(unit)
    # with nothing live no job gets a place: some that were never told why they wait are told, the rest at later looks
    most = limit if is_open else min(limit, _TOLD_AT_ONCE)
    rows, following = turns.rows(unit, turn, limit=most, untold=not is_open)
    if not rows:
        return Round((), following)
    look = _Look(unit, levels, turn.kept, known_of)
    decisions = tuple(decision for row in rows for decision in look.decide(row))
    return Round(decisions, None if following is None else replace(following, kept=look.kept))


class _Look:
    """One look at the places: what it gives away it no longer has. Equal questions are answered once."""

    def __init__(self, unit: Unit, levels: LevelRules, kept: frozenset[ShareId], known_of: KnownOf) -> None:
        self._unit = unit
        self._levels = levels
        self._known_of = known_of
        self._places = Places(unit)
        self._free = [replace(place, kept=place.share_id in kept) for place in self._places.all()]
        self._known: dict[object, Explanation] = {}
        self.kept = kept

    def decide(self, row: Row) -> list[Decision]:
        """What to do with the waiting tasks of one job."""
        if row["waiting"] and not self._any_room:
            return []
        spec = JobSpec.model_validate_json(row["spec"])
        if row["waiting"] and self._is_full_for(spec) and not self._keeps(spec, row):
            return []
        waiting = jobs.unplaced_tasks(self._unit, row["id"], limit=_TASKS_PER_JOB)
        past = self._past(row["id"], [task["idx"] for task in waiting if task["attempts"]])
        decisions: list[Decision] = []
        known = self._known_of(spec, row["account_id"], row["id"], self._free)
        rest = budget.rest(spec.budget, row["committed"])
        for task in waiting:
            affordable = _within(spec, rest)
            failed, refused = past.get(task["idx"], (frozenset(), frozenset()))
            demand = Demand(affordable, row["entity"], failed, self._levels, refused, row["lender"])
            explanation = self._explain(demand, known)
            if explanation.won is None and failed:
                # A place that failed is better than none, as long as the job has attempts left.
                again = Demand(affordable, row["entity"], levels=self._levels, refused=refused, lender=row["lender"])
                explanation = self._explain(again, known)
            if explanation.won is None:
                self._keep(spec, row, explanation)
                return decisions + self._waits(row, spec, explanation, rest if not decisions else None)
            placed = self._give(task, spec, explanation, explanation.won)
            decisions.append(replace(placed, instead_of=row["instead_of"]))
            rest = None if rest is None else rest - placed.estimate
        if len(waiting) < _TASKS_PER_JOB and row["made"] < row["tasks"] and row["rest"] == JobState.QUEUED:
            decisions.append(Makes(row["id"]))
        return decisions

    def _keeps(self, spec: JobSpec, row: Row) -> bool:
        """Whether a share is kept free for the job, as it needs several nodes at once and has waited long for them."""
        return spec.nodes > 1 and self._unit.now - row["created_at"] > _PATIENCE

    def _keep(self, spec: JobSpec, row: Row, explanation: Explanation) -> None:
        nearest = None if explanation.nearest is None else explanation.candidates[explanation.nearest]
        if nearest is None or not self._keeps(spec, row) or {miss.filter for miss in nearest.failed} != {Filter.ROOM}:
            return
        self.kept |= {nearest.share_id}
        self._free = [replace(place, kept=place.share_id in self.kept) for place in self._free]
        self._known.clear()

    def _waits(self, row: Row, spec: JobSpec, explanation: Explanation, rest: Decimal | None) -> list[Decision]:
        """Why it waits; or that it ends, where its budget is too little and nothing can come back to it."""
        is_idle = row["queued"] == parse_tally(row["tally"]).get(JobState.QUEUED) and not self._lives(row)
        if rest is not None and is_idle and (text := budget.too_little(explanation, spec.wants.max_cost, rest)):
            return [Ends(row["id"], row["committed"], text)]
        return _waits(row, explanation)

    @staticmethod
    def _lives(row: Row) -> bool:
        """Whether any task has a place now."""
        return any(state not in ENDED and state is not JobState.QUEUED for state in parse_tally(row["tally"]))

    @property
    def _any_room(self) -> bool:
        return any(
            place.platform_live and place.admitted and place.accepting and place.free.cpu for place in self._free
        )

    def _is_full_for(self, spec: JobSpec) -> bool:
        """Whether no open place has room; a job that was told why it waits then keeps that reason, with its time."""
        open_places = (p for p in self._free if p.platform_live and p.admitted and p.accepting)
        return not any(spec.total.fits(place.free) for place in open_places)

    def _explain(self, demand: Demand, known: Known | None) -> Explanation:
        seen = None if known is None else known.seen
        asked = (asked_of_places(demand.spec), demand.entity, demand.avoid, demand.refused, demand.lender, seen)
        if asked not in self._known:
            self._known[asked] = explain(demand, self._free, now=self._unit.now, known=known)
        return self._known[asked]

    def _give(self, task: Row, spec: JobSpec, explanation: Explanation, won: Candidate) -> Placed:
        at = next(n for n, place in enumerate(self._free) if place.share_id == won.share_id)
        place = self._free[at]
        self._free[at] = replace(place, free=place.free.minus(spec.total))
        self._known.clear()
        return Placed(
            job_id=task["job_id"],
            index=task["idx"],
            number=task["attempts"] + 1,
            fences=task["attempt_id"] or "",
            place=place,
            connector_id=self._places.connector_of(won.share_id),
            flavor_id=self._places.flavor_id(won.share_id),
            explanation=explanation,
            levels=self._levels,
            estimate=budget.rent(won) or Decimal(0),
        )

    def _past(self, job_id: str, indices: Sequence[int]) -> dict[int, tuple[frozenset[ShareId], frozenset[ShareId]]]:
        """Where earlier attempts of these tasks failed by the platform's fault, and where owners refuse them now."""
        failed, refused = defaultdict[int, set[ShareId]](set), defaultdict[tuple[int, ShareId], list[datetime]](list)
        for attempt in attempts.with_places(self._unit, job_id, indices) if indices else ():
            share = ShareId(attempt["share_id"])
            if attempt["cause"] in _FAILED:
                failed[attempt["idx"]].add(share)
            elif attempt["cause"] == EndCause.REFUSED:
                refused[attempt["idx"], share].append(attempt["ended_at"])
        resting = {key for key, moments in refused.items() if rests(moments, self._unit.now)}
        return {
            index: (frozenset(failed[index]), frozenset(share for at, share in resting if at == index))
            for index in indices
        }


def estimate(
    unit: Unit, caller: Caller, spec: JobSpec, levels: LevelRules, known_of: KnownOf = nothing_known
) -> Explanation:
    """Where a task would go now and what it would cost, with every candidate; places nothing."""
    row = parties.entity_of(unit, caller.entity_id)
    entity = "" if row is None else str(row["name"])
    places = Places(unit).all()
    known = known_of(spec, caller.account_id, "", places)
    return explain(Demand(spec, entity, levels=levels), places, now=unit.now, known=known)


def _within(spec: JobSpec, rest: Decimal | None) -> JobSpec:
    """The spec that costs at most what is left of the budget."""
    if rest is None:
        return spec
    most = rest if spec.wants.max_cost is None else min(rest, spec.wants.max_cost)
    return spec.model_copy(update={"wants": spec.wants.model_copy(update={"max_cost": most})})


def _waits(row: Row, explanation: Explanation) -> list[Decision]:
    text = reason_line(explanation)
    before = json.loads(row["waiting"])["text"] if row["waiting"] else None
    return [] if text == before else [Waits(row["id"], text, explanation)]


def nothing(_unit: Unit, _row: Row, _index: int) -> tuple[Source, ...]:
    """Nothing is handed to anybody."""
    return ()


def apply(unit: Unit, decision: Decision, handed: Handed = nothing) -> bool:
    """Make a decision true, if it still fits what is true now; False when it no longer does."""
    passed_over = decision.instead_of if isinstance(decision, Placed) else ""
    locked = {ref: jobs.lock(unit, ref) for ref in sorted({decision.job_id, passed_over} - {""})}
    row = locked[decision.job_id]
    if row is None or row["canceling"] or row["blocked"] or row["ended_at"] is not None:
        return False
    if isinstance(decision, Makes):
        return _make(unit, row)
    if isinstance(decision, Ends):
        return row["committed"] == decision.committed and _end_waiting(unit, row, decision.reason)
    if isinstance(decision, Waits):
        body = {"text": decision.text, "explanation": shortened(decision.explanation).model_dump(mode="json")}
        jobs.change(unit, row["id"], {"waiting": json.dumps(body)})
        return True
    is_placed = _place(unit, row, decision, handed)
    other = locked.get(passed_over)
    if is_placed and other is not None:
        jobs.trade_turns(unit, row, other)
    return is_placed


def _make(unit: Unit, row: Row) -> bool:
    """Give further tasks their rows, unless enough have theirs meanwhile."""
    enough = len(jobs.unplaced_tasks(unit, row["id"], limit=_TASKS_PER_JOB)) == _TASKS_PER_JOB
    if enough or row["made"] == row["tasks"] or row["rest"] != JobState.QUEUED:
        return False
    jobs.make_tasks(unit, row, _MAKES)
    return True


def _place(unit: Unit, row: Row, decision: Placed, handed: Handed) -> bool:
    task = jobs.task(unit, decision.job_id, decision.index)
    if task is None or task["attempts"] + 1 != decision.number or (task["attempt_id"] or "") != decision.fences:
        return False
    if decision.fences:
        return _give_another(unit, row, task, decision, handed)
    if task["state"] != JobState.QUEUED:
        return False
    try:
        sources = handed(unit, row, decision.index)
    except MissingError as error:
        return _end_task(unit, row, task, str(error))
    return _give_place(unit, row, task, decision, sources)


def _give_another(unit: Unit, row: Row, task: Row, decision: Placed, handed: Handed) -> bool:
    """Give a place to a task whose own is lost; only now, with the new one at hand, does the old attempt end.

    A connector that came back since the decision keeps it.
    """
    old = attempts.lock(unit, decision.fences)
    if old is None or old["ended_at"] is not None or task["rerun"] != "yes":
        return False
    since = lost.lost_connector(unit, old["connector_id"])
    try:
        sources = handed(unit, row, decision.index)
    except MissingError:
        return False
    if row["committed"] is not None and old["estimate"] is not None:  # it is not paid
        row = {**row, "committed": row["committed"] - old["estimate"]}
    if since is None or not _give_place(unit, row, task, decision, sources):
        return False
    reason = f"lost: its place was not heard of from {since.isoformat(timespec='seconds')} on; it runs elsewhere"
    lost.fence(unit, old, JobState.SYSTEM_ERROR, reason)
    ended = {"job": row["id"], "state": JobState.SYSTEM_ERROR.value, "before": old["state"], "fenced": True}
    unit.record(EventType.ATTEMPT_ENDED, old["id"], account_id=row["account_id"], **ended)
    return True


def _end_waiting(unit: Unit, row: Row, reason: str) -> bool:
    ended = jobs.end_waiting(unit, row, JobState.CANCELED.value)
    progress = Progress(parse_tally(row["tally"]), row["queued"])
    progress = progress.move(JobState.QUEUED, JobState.CANCELED, ended).wait(-ended)
    jobs.progressed(unit, row, {**progress.columns(unit.now), "reason": reason})
    return ended > 0


def _end_task(unit: Unit, row: Row, task: Row, reason: str) -> bool:
    jobs.change_task(unit, row["id"], task["idx"], {"state": JobState.CANCELED.value})
    progress = Progress(parse_tally(row["tally"]), row["queued"]).move(JobState.QUEUED, JobState.CANCELED).wait(-1)
    jobs.progressed(unit, row, {**progress.columns(unit.now), "reason": reason})
    return True


def _give_place(unit: Unit, row: Row, task: Row, decision: Placed, sources: tuple[Source, ...]) -> bool:
    if not _is_open(unit, decision) or not _level_holds(unit, row, decision):
        return False
    spec = JobSpec.model_validate_json(row["spec"])
    rest = budget.rest(spec.budget, row["committed"])
    if rest is not None and decision.estimate > rest:
        return False
    relied = _relied(unit, decision, spec)
    if relied is not None and unfit_at(relied, spec.wants, decision.levels):
        return False
    attempt_id = AttemptId(new_id())
    taking = capacity.Taking(
        share_id=decision.place.share_id,
        amount=spec.total,
        start=unit.now,
        end=None,
        holder_kind="attempt",
        holder_id=attempt_id,
        token=decision.number,
    )
    has = partial(loads.room_of, unit, taking.share_id)  # asked under the share's lock
    if not capacity.change(unit, taking, lambda rows: over_committed(has(), rows, taking.amount, taking.start)):
        return False
    attempt = _attempt_row(unit, row, decision, attempt_id)
    attempt["relied"] = None if relied is None else relied.model_dump_json()
    attempt["passed"] = passed_text(sources)
    attempt["estimate"] = None if rest is None else decision.estimate
    paid = {} if rest is None else {"committed": (row["committed"] or Decimal(0)) + decision.estimate}
    attempts.add(unit, attempt, _assignment_row(decision, spec, attempt_id))
    given = {"attempt_id": attempt_id, "attempts": decision.number, "state": JobState.QUEUED.value}
    jobs.change_task(unit, row["id"], decision.index, given | {"rerun": "", "not_before": None})
    progress = Progress(parse_tally(row["tally"]), row["queued"]).wait(-1)
    progress = progress.move(JobState(task["state"]), JobState.QUEUED)
    jobs.change(unit, row["id"], {**progress.columns(unit.now), "waiting": None, **paid})
    place = {"platform": decision.place.platform, "share": decision.place.share.name, "index": decision.index}
    unit.record(EventType.ATTEMPT_PLACED, attempt_id, account_id=row["account_id"], job=row["id"], **place)
    return True


def _relied(unit: Unit, decision: Placed, spec: JobSpec) -> Footing | None:
    """What is known of the site now: a check may have run out, or a site moved, since the decision."""
    if not is_bound(spec.wants, decision.levels):
        return None
    platform = platforms.find(unit, decision.place.platform)
    found = None if platform is None else site_now(unit, platform, decision.place.site.name)
    return Footing() if found is None else footing(*found, unit.now)


def _attempt_row(unit: Unit, row: Row, decision: Placed, attempt_id: AttemptId) -> dict[str, Any]:
    task = jobs.task(unit, row["id"], decision.index)
    won = decision.explanation.won
    return {
        "id": attempt_id,
        "job_id": row["id"],
        "idx": decision.index,
        "number": decision.number,
        "token": decision.number,
        "account_id": row["account_id"],
        "platform_id": _platform_id(unit, decision.place.platform),
        "connector_id": decision.connector_id,
        "share_id": decision.place.share_id,
        "flavor_id": decision.flavor_id,
        "variant": 0 if won is None else won.variant,
        "state": JobState.QUEUED.value,
        "wish": Wish.RUN.value,
        "wish_version": 1,
        "revision": platforms.next_revision(unit, decision.connector_id),
        "report_version": 0,
        "granted": JobSpec.model_validate_json(row["spec"]).total.model_dump_json(),
        "simulated": decision.place.simulated,
        "created_at": unit.now,
        "queued_at": unit.now if task is None else task["queued_at"],
        "started_at": None,
        "ended_at": None,
        "outcome": "{}",
    }


def _is_open(unit: Unit, decision: Placed) -> bool:
    """Whether the place still is: it may have been suspended, or its owner refused, since the decision."""
    row = platforms.hold(unit, decision.place.platform)
    connector = platforms.find_connector(unit, decision.connector_id)
    if row is None or connector is None or connector["admitted_at"] is None or row["state"] != PlatformState.LIVE:
        return False
    return standing_of(unit, parties.entity_of(unit, row["entity_id"])) is Standing.CHECKED


def _level_holds(unit: Unit, row: Row, decision: Placed) -> bool:
    """Whether the owner has joined as far as the decision rests on, and still admits whose job it is."""
    connector, entity = platforms.find_connector(unit, decision.connector_id), parties.entity_of(unit, row["entity_id"])
    if connector is None or entity is None or connector["level"] != decision.place.level:
        return False
    return level_admits(decision.place.level, entity["name"], decision.place.entity, json.loads(connector["partners"]))


def _platform_id(unit: Unit, name: str) -> str:
    row = platforms.find(unit, name)
    return "" if row is None else str(row["id"])


def _assignment_row(decision: Placed, spec: JobSpec, attempt_id: AttemptId) -> Row:
    priced = decision.place.level is JoinLevel.TRADE
    versions = tuple(ref for ref in decision.place.versions if priced or ref.subject is not Subject.OFFER)
    offer = next((ref for ref in versions if ref.subject is Subject.OFFER), None)
    assignment = Assignment(
        id=AssignmentId(new_id()),
        attempt_id=attempt_id,
        share_id=decision.place.share_id,
        granted=spec.total,
        versions=versions,
        explanation=shortened(decision.explanation),
    )
    return {
        "id": assignment.id,
        "attempt_id": attempt_id,
        "share_id": decision.place.share_id,
        "offer_id": None if offer is None else offer.id,
        "offer_version": None if offer is None else offer.version,
        "body": assignment.model_dump_json(),
    }
