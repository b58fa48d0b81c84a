"""Giving waiting tasks a place: what was decided outside of the transaction, under the job's and the share's lock."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from suanlian.model.decision import TASKS_PER_JOB, Decision, Ends, Makes, Waits
from suanlian.model.decision import Placed as Placed  # noqa: PLC0414 - what a round brings
from suanlian.model.demand import Source, SourceKind
from suanlian.model.event import EventType
from suanlian.model.ids import AssignmentId, AttemptId, new_id
from suanlian.model.job import JobSpec, JobState
from suanlian.model.levels import Footing
from suanlian.model.party import Standing
from suanlian.model.platform import PlatformState
from suanlian.model.protocol import Wish
from suanlian.rules import budget
from suanlian.rules.assigning import assignments
from suanlian.rules.capacity import over_committed
from suanlian.rules.levels import footing, is_bound, unfit_at
from suanlian.rules.owner import level_admits
from suanlian.rules.placement import shortened
from suanlian.rules.progress import Progress, parse_tally
from suanlian.store import attempts, capacity, jobs, loads, lost, parties, platforms
from suanlian.store.gates import standing_of
from suanlian.store.passed import MissingError
from suanlian.store.passed import text as passed_text
from suanlian.store.places import closing_of, site_now
from suanlian.store.unit import Row, Unit

_MAKES: Final = 1000
"""So many tasks of a large array get their rows in one unit."""
Handed = Callable[[Unit, Row, int], tuple[Source, ...]]
"""What a task of a job is handed besides its inputs. Raises MissingError where something of it is not there."""


Brings = Callable[[Unit, Placed, JobSpec, Sequence[str]], str | None]
"""Lets the data of a job come to where these attempts go: what their rows keep of it. May give the whole unit up."""


def no_data(_unit: Unit, _decision: Placed, _spec: JobSpec, _attempts: Sequence[str]) -> str | None:
    """Nothing comes."""
    return None


def nothing(_unit: Unit, _row: Row, _index: int) -> tuple[Source, ...]:
    """Nothing is handed to anybody."""
    return ()


@dataclass(frozen=True, slots=True)
class Besides:
    """What comes to a task besides its inputs: what it is handed, and its datasets."""

    handed: Handed = nothing
    brings: Brings = no_data


NOTHING: Final = Besides()


def apply(unit: Unit, decision: Decision, besides: Besides = NOTHING) -> bool:
    """Make a decision true, if it still fits what is true now; False when it no longer does.

    Raises what ``besides.brings`` raises.
    """
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
    is_placed = _place(unit, row, decision, besides)
    other = locked.get(passed_over)
    if is_placed and other is not None:
        jobs.trade_turns(unit, row, other)
    return is_placed


def _make(unit: Unit, row: Row) -> bool:
    """Give further tasks their rows, unless enough have theirs meanwhile."""
    enough = len(jobs.unplaced_tasks(unit, row["id"], limit=TASKS_PER_JOB)) == TASKS_PER_JOB
    if enough or row["made"] == row["tasks"] or row["rest"] != JobState.QUEUED:
        return False
    jobs.make_tasks(unit, row, _MAKES)
    return True


def _place(unit: Unit, row: Row, decision: Placed, besides: Besides) -> bool:
    if decision.fences:
        return _give_another(unit, row, decision, besides)
    tasks = jobs.tasks_at(unit, row["id"], decision.numbers)
    still = {index: tasks[index] for index, number in decision.numbers.items() if _waits_for(tasks.get(index), number)}
    sources, ended = dict[int, tuple[Source, ...]](), False
    for index, task in still.items():
        try:
            sources[index] = besides.handed(unit, row, index)
        except MissingError as error:
            row, ended = _end_task(unit, row, task, str(error)), True
    return bool(sources and _give_place(unit, row, decision, Ready(still, sources, besides.brings))) or ended


def _waits_for(task: Row | None, number: int) -> bool:
    """Whether the task still waits for a place, and for the attempt of this number."""
    if task is None or task["attempt_id"] is not None or task["state"] != JobState.QUEUED:
        return False
    return bool(task["attempts"] + 1 == number)


def _give_another(unit: Unit, row: Row, decision: Placed, besides: Besides) -> bool:
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
        ready = Ready({index: task}, {index: besides.handed(unit, row, index)}, besides.brings)
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
    brings: Brings = no_data


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
    shared |= {"data": ready.brings(unit, decision, spec, list(ids.values()))}
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
    # what is said of tasks that wait on stays said until it is looked at again
    told = {} if progress.queued else {"waiting": None}
    jobs.change(unit, row["id"], {**progress.columns(unit.now), **told, **paid})
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
