"""Giving waiting tasks a place. Load, decide outside of the transaction, apply under the job's and the share's lock."""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, Final

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.data.orderly import orderly
from suanlian.i18n.reasons import reason_line
from suanlian.model.decision import Decision, Ends, Makes, Waits
from suanlian.model.decision import Placed as Placed  # noqa: PLC0414 - what a round brings
from suanlian.model.demand import Source, SourceKind
from suanlian.model.energy import Energy
from suanlian.model.event import EventType
from suanlian.model.ids import AssignmentId, AttemptId, ShareId, new_id
from suanlian.model.job import ENDED, EndCause, JobSpec, JobState
from suanlian.model.levels import USUAL_LEVELS, Footing, LevelRules
from suanlian.model.market import NO_MARKET, Market
from suanlian.model.party import Standing
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Explanation, Filter
from suanlian.model.platform import PlatformState
from suanlian.model.protocol import Wish
from suanlian.rules import budget
from suanlian.rules.assigning import assignments
from suanlian.rules.capacity import over_committed
from suanlian.rules.energy import energy_of
from suanlian.rules.feasibility import asked_of_places
from suanlian.rules.levels import footing, is_bound, unfit_at
from suanlian.rules.normalising import Known
from suanlian.rules.orderly import order_now
from suanlian.rules.owner import level_admits, rests
from suanlian.rules.placement import explain, shortened
from suanlian.rules.progress import Progress, parse_tally
from suanlian.store import attempts, capacity, jobs, loads, lost, parties, platforms, turns
from suanlian.store.gates import standing_of
from suanlian.store.passed import MissingError
from suanlian.store.passed import text as passed_text
from suanlian.store.places import Places, closing_of, site_now
from suanlian.store.turns import Turn as Turn  # noqa: PLC0414 - a round begins with a turn
from suanlian.store.unit import Row, Unit

_TOLD_AT_ONCE: Final = 10
"""So many jobs are told at once that nothing is live: telling a flood of them must not hold up taking them in."""
_TASKS_PER_JOB: Final = 256
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
class Weighing:
    """By what places are compared: rules of levels, what is known of speeds, what is scarce."""

    levels: LevelRules = USUAL_LEVELS
    known_of: KnownOf = nothing_known
    market: Market = NO_MARKET


USUAL: Final = Weighing()
Past = tuple[frozenset[ShareId], frozenset[ShareId]]
"""Shares at fault in earlier attempts of a task, and those of which the owner refuses it now."""
_NEVER: Final[Past] = (frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at some waiting jobs decided; ``turn`` is where to go on, None when all were seen."""

    decisions: tuple[Decision, ...]
    turn: Turn | None


def decide(unit: Unit, turn: Turn, *, limit: int, weighing: Weighing = USUAL) -> Round:
    """Look at up to ``limit`` waiting jobs in their turn; those that fit pass those that do not. Writes nothing."""
    is_open = platforms.any_live(unit)
    # with nothing live no job gets a place: some that were never told why they wait are told, the rest at later looks
    most = limit if is_open else min(limit, _TOLD_AT_ONCE)
    rows, following = turns.rows(unit, turn, limit=most, untold=not is_open)
    if not rows:
        return Round((), following)
    look = _Look(unit, weighing, turn.kept)
    decisions = tuple(decision for row in rows for decision in look.decide(row))
    return Round(decisions, None if following is None else replace(following, kept=look.kept))


class _Look:
    """One look at the places: what it gives away it no longer has. Equal questions are answered once."""

    def __init__(self, unit: Unit, weighing: Weighing, kept: frozenset[ShareId]) -> None:
        self._unit = unit
        self._levels = weighing.levels
        self._known_of = weighing.known_of
        self._market = replace(weighing.market, energy=_energy())
        self._places = Places(unit)
        self._free = [replace(place, kept=place.share_id in kept) for place in self._places.all()]
        self._order = order_now(orderly(), self._free)
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
        left = deque(waiting)
        while left:
            failed, refused = past.get(left[0]["idx"], _NEVER)
            affordable, moved_from = _aimed(budget.within(spec, rest), left[0], self._unit.now)
            refused |= moved_from
            demand = Demand(affordable, row["entity"], failed, self._levels, refused, row["lender"], self._order)
            explanation = self._explain(demand, known)
            if explanation.won is None and failed:
                # A place that failed is better than none, as long as the job has attempts left.
                again = replace(demand, avoid=frozenset())
                explanation = self._explain(again, known)
            if explanation.won is None:
                self._keep(spec, row, explanation)
                return decisions + self._waits(row, spec, explanation, rest if not decisions else None)
            alike = _alike(left, past, budget.affords(explanation.won, rest))
            placed = self._give(row, alike, spec, explanation)
            decisions.append(placed)
            rest = None if rest is None else rest - placed.estimate * len(placed.numbers)
            for _ in placed.numbers:
                left.popleft()
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
            self._known[asked] = explain(demand, self._free, now=self._unit.now, known=known, market=self._market)
        return self._known[asked]

    def _give(self, row: Row, alike: Sequence[Row], spec: JobSpec, explanation: Explanation) -> Placed:
        """Give the place that won to as many of these tasks as have room there: its cost does not depend on that."""
        won = explanation.candidates[explanation.winner or 0]
        at = next(n for n, place in enumerate(self._free) if place.share_id == won.share_id)
        place = self._free[at]
        count = spec.total.count_in(place.free, len(alike))
        self._free[at] = replace(place, free=place.free.minus(spec.total.times(count)))
        self._known.clear()
        return Placed(
            job_id=row["id"],
            numbers={task["idx"]: task["attempts"] + 1 for task in alike[:count]},
            fences=alike[0]["attempt_id"] or "",
            place=place,
            connector_id=self._places.connector_of(won.share_id),
            flavor_id=self._places.flavor_id(won.share_id),
            explanation=explanation,
            levels=self._levels,
            estimate=budget.rent(won) or Decimal(0),
            instead_of=row["instead_of"],
        )

    def _past(self, job_id: str, indices: Sequence[int]) -> dict[int, Past]:
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


@cache
def _energy() -> Energy:
    return energy_of(chips(), grid())


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
    return past.get(task["idx"], _NEVER), task["attempt_id"], task["aim"]


def _alike(left: Iterable[Row], past: Mapping[int, Past], most: int | None) -> list[Row]:
    """The first of these tasks and those behind it that would get the same answer, at most so many."""
    found: list[Row] = []
    for task in left:
        is_same = not found or _like(task, past) == _like(found[0], past)
        if not is_same or (most is not None and len(found) >= max(most, 1)):
            break
        found.append(task)
    return found


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
    if decision.fences:
        return _give_another(unit, row, decision, handed)
    tasks = jobs.tasks_at(unit, row["id"], decision.numbers)
    still = {index: tasks[index] for index, number in decision.numbers.items() if _waits_for(tasks.get(index), number)}
    sources, ended = dict[int, tuple[Source, ...]](), False
    for index, task in still.items():
        try:
            sources[index] = handed(unit, row, index)
        except MissingError as error:
            row, ended = _end_task(unit, row, task, str(error)), True
    return bool(sources and _give_place(unit, row, decision, Ready(still, sources))) or ended


def _waits_for(task: Row | None, number: int) -> bool:
    """Whether the task still waits for a place, and for the attempt of this number."""
    if task is None or task["attempt_id"] is not None or task["state"] != JobState.QUEUED:
        return False
    return bool(task["attempts"] + 1 == number)


def _give_another(unit: Unit, row: Row, decision: Placed, handed: Handed) -> bool:
    """Give a place to a task whose own is lost; only now, with the new one at hand, does the old attempt end.

    A connector that came back since the decision keeps it.
    """
    ((index, number),) = decision.numbers.items()
    task, old = jobs.task(unit, row["id"], index), attempts.lock(unit, decision.fences)
    if task is None or task["attempt_id"] != decision.fences or task["attempts"] + 1 != number:
        return False
    if old is None or old["ended_at"] is not None or task["rerun"] != "yes":
        return False
    since = lost.lost_connector(unit, old["connector_id"])
    try:
        ready = Ready({index: task}, {index: handed(unit, row, index)})
    except MissingError:
        return False
    if row["committed"] is not None and old["estimate"] is not None:  # it is not paid
        row = {**row, "committed": row["committed"] - old["estimate"]}
    if since is None or not _give_place(unit, row, decision, ready):
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


def _end_task(unit: Unit, row: Row, task: Row, reason: str) -> Row:
    """End one task that waits; the job's row as it is then."""
    jobs.change_task(unit, row["id"], task["idx"], {"state": JobState.CANCELED.value})
    progress = Progress(parse_tally(row["tally"]), row["queued"]).move(JobState.QUEUED, JobState.CANCELED).wait(-1)
    columns = {**progress.columns(unit.now), "reason": reason}
    jobs.progressed(unit, row, columns)
    return {**row, **columns}


@dataclass(frozen=True, slots=True)
class Ready:
    """Tasks that can begin, by index: their rows, and what each is handed."""

    tasks: Mapping[int, Row]
    sources: Mapping[int, tuple[Source, ...]]


def _give_place(unit: Unit, row: Row, decision: Placed, ready: Ready) -> bool:
    platform, connector = (
        platforms.hold(unit, decision.place.platform),
        platforms.find_connector(unit, decision.connector_id),
    )
    if platform is None or connector is None or not _is_open(unit, platform, connector):
        return False
    if not _level_holds(unit, row, decision, connector):
        return False
    spec, count = JobSpec.model_validate_json(row["spec"]), len(ready.sources)
    rest = budget.rest(spec.budget, row["committed"])
    if rest is not None and decision.estimate * count > rest:
        return False
    relied = _relied(unit, decision, spec)
    if relied is not None and unfit_at(relied, spec.wants, decision.levels):
        return False
    ids = {index: AttemptId(new_id()) for index in ready.sources}
    if not _take(unit, decision, spec, ids):
        return False
    shared = _shared_columns(unit, row, decision, spec) | {"platform_id": platform["id"]}
    shared |= {"relied": None if relied is None else relied.model_dump_json()}
    shared |= {"estimate": None if rest is None else decision.estimate, "first_told_at": None}
    last = platforms.next_revision(unit, decision.connector_id, count)
    rows = [
        {**shared, **_own_columns(ready, index, attempt_id, decision.numbers[index]), "revision": last - count + 1 + n}
        for n, (index, attempt_id) in enumerate(ids.items())
    ]
    pairs = [(AssignmentId(new_id()), attempt_id) for attempt_id in ids.values()]
    attempts.add_many(unit, rows, assignments(decision.place, decision.explanation, spec.total, pairs))
    jobs.assign(unit, row["id"], {index: (ids[index], decision.numbers[index]) for index in ids})
    paid = {} if rest is None else {"committed": (row["committed"] or Decimal(0)) + decision.estimate * count}
    progress = Progress(parse_tally(row["tally"]), row["queued"]).wait(-count)
    for state, moved in Counter(ready.tasks[index]["state"] for index in ids).items():
        progress = progress.move(JobState(state), JobState.QUEUED, moved)
    jobs.change(unit, row["id"], {**progress.columns(unit.now), "waiting": None, **paid})
    place = {"job": row["id"], "platform": decision.place.platform, "share": decision.place.share.name}
    happened = [(attempt_id, {**place, "index": index}) for index, attempt_id in ids.items()]
    unit.record_many(EventType.ATTEMPT_PLACED, happened, account_id=row["account_id"])
    unit.wake(f"job:{row['id']}")
    return True


def _take(unit: Unit, decision: Placed, spec: JobSpec, ids: Mapping[int, AttemptId]) -> bool:
    """Hold what these attempts take, all of it or nothing."""
    wishes = [
        capacity.Taking(
            share_id=decision.place.share_id,
            amount=spec.total,
            start=unit.now,
            end=None,
            holder_kind="attempt",
            holder_id=attempt_id,
            token=decision.numbers[index],
        )
        for index, attempt_id in ids.items()
    ]
    has = partial(loads.room_of, unit, decision.place.share_id)  # asked under the share's lock
    return capacity.take_all(unit, wishes, lambda rows, all_: over_committed(has(), rows, all_, unit.now))


def _relied(unit: Unit, decision: Placed, spec: JobSpec) -> Footing | None:
    """What is known of the site now: a check may have run out, or a site moved, since the decision."""
    if not is_bound(spec.wants, decision.levels):
        return None
    platform = platforms.find(unit, decision.place.platform)
    found = None if platform is None else site_now(unit, platform, decision.place.site.name)
    return Footing() if found is None else footing(*found, unit.now)


def _own_columns(ready: Ready, index: int, attempt_id: AttemptId, number: int) -> dict[str, Any]:
    """What is different in the attempt of each task."""
    return {
        "id": attempt_id,
        "idx": index,
        "number": number,
        "token": number,
        "queued_at": ready.tasks[index]["queued_at"],
        "passed": passed_text(ready.sources[index]),
        "restored": any(source.kind is SourceKind.CHECKPOINT for source in ready.sources[index]),
    }


def _shared_columns(unit: Unit, row: Row, decision: Placed, spec: JobSpec) -> dict[str, Any]:
    won = decision.explanation.won
    return {
        "job_id": row["id"],
        "account_id": row["account_id"],
        "connector_id": decision.connector_id,
        "share_id": decision.place.share_id,
        "flavor_id": decision.flavor_id,
        "variant": 0 if won is None else won.variant,
        "state": JobState.QUEUED.value,
        "wish": Wish.RUN.value,
        "wish_version": 1,
        "report_version": 0,
        "granted": spec.total.model_dump_json(),
        "simulated": decision.place.simulated,
        "created_at": unit.now,
        "started_at": None,
        "ended_at": None,
        "outcome": "{}",
    }


def _is_open(unit: Unit, platform: Row, connector: Row) -> bool:
    """Whether the place still is: it may have been suspended, or its owner refused, since the decision."""
    if connector["admitted_at"] is None or platform["state"] != PlatformState.LIVE:
        return False
    if closing_of(platform, connector, unit.now).closed:
        return False
    return standing_of(unit, parties.entity_of(unit, platform["entity_id"])) is Standing.CHECKED


def _level_holds(unit: Unit, row: Row, decision: Placed, connector: Row) -> bool:
    """Whether the owner has joined as far as the decision rests on, and still admits whose job it is."""
    entity = parties.entity_of(unit, row["entity_id"])
    if entity is None or connector["level"] != decision.place.level:
        return False
    return level_admits(decision.place.level, entity["name"], decision.place.entity, json.loads(connector["partners"]))
