"""What connectors are told and what they report: the wished state since a revision, the true state of attempts."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from suanlian.model.data import LOCAL
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId, JobId
from suanlian.model.job import ENDED, EndCause, JobSpec, JobState, Outcome, Wants
from suanlian.model.levels import Footing
from suanlian.model.offer import NewOffer
from suanlian.model.placement import Assignment
from suanlian.model.probe import PROBE_TASK, Purpose
from suanlian.model.protocol import (
    MAX_WISHED_BYTES,
    MAX_WISHES,
    WITH_SPEC,
    AttemptReport,
    Instruction,
    ItemAnswer,
    PollCall,
    ReportCall,
    SpecOfJob,
    Verdict,
    Wish,
)
from suanlian.model.quantity import Resources
from suanlian.model.throughput import Expected
from suanlian.rules.budget import spent
from suanlian.rules.jobstate import moves
from suanlian.rules.progress import Progress, parse_tally
from suanlian.rules.retries import Next, cause_of, next_try
from suanlian.store import attempts, capacity, jobs, lost, passed, platforms
from suanlian.store.unit import Row, Unit

_OF_THE_HUB: Final[Mapping[str, object]] = {
    name: JobSpec.model_fields[name].get_default(call_default_factory=True, validated_data={})
    for name in ("deadline", "budget", "after", "retries", "webhook", "tags", "estimate_s")
}
_WANTS_OF_THE_HUB: Final[Mapping[str, object]] = {
    name: Wants.model_fields[name].default
    for name in ("near", "west", "owners", "tiers", "detour", "max_g_co2", "prefer")
}
_SKEW: Final = timedelta(seconds=60)
"""So far a connector's clock may be off."""

Times = tuple[datetime | None, datetime | None]


def wished(
    unit: Unit, connector_id: str, revision: int, *, shares: bool = False
) -> tuple[int, bool, tuple[Instruction, ...]]:
    """What changed for this connector since ``revision``: the next revision, whether there is more, instructions.

    A revision that lies ahead of ours was given before this store was restored: then all is told, as from 0.
    """
    row = platforms.find_connector(unit, connector_id)
    newest = 0 if row is None else int(row["revision"])
    is_old = row is None or not lost.knows(row)
    rows = attempts.wished_since(unit, connector_id, revision if revision <= newest else 0, MAX_WISHES + 1)
    specs = attempts.specs_of(unit, {row["job_id"] for row in rows if row["wish"] in WITH_SPEC})
    most = _that_fit(rows, specs, shares=shares)
    meant = {row["job_id"] for row in rows[:most]} & set(specs)
    parsed = {job_id: _spec_for(specs[job_id], is_old=is_old) for job_id in meant}
    told = tuple(_instruction(row, parsed) for row in rows[:most])
    if most == len(rows):
        # the same state of the store gave both, so nothing lies between the last row and the newest revision
        return newest, False, told
    return int(rows[most - 1]["revision"]), True, told


def shared(instructions: Sequence[Instruction]) -> tuple[tuple[Instruction, ...], tuple[SpecOfJob, ...]]:
    """The same instructions without their specs, and each spec once."""
    specs = {said.job_id: said.spec for said in instructions if said.spec is not None}
    told = tuple(said.model_copy(update={"spec": None}) for said in instructions)
    return told, tuple(SpecOfJob(job_id=job_id, spec=spec) for job_id, spec in specs.items())


def _that_fit(rows: Sequence[Row], specs: Mapping[str, str], *, shares: bool) -> int:
    """How many of these one answer brings: at least one, up to a count and up to so many bytes.

    ``shares``: the spec of a job is brought, and counted, once.
    """
    held, seen = 0, set[str]()
    for number, row in enumerate(rows):
        is_run = row["wish"] in WITH_SPEC and not (shares and row["job_id"] in seen)
        held += len(row["passed"] or "") + len(row["data"] or "") + (len(specs[row["job_id"]]) if is_run else 0)
        seen.add(row["job_id"])
        if number and (number == MAX_WISHES or held > MAX_WISHED_BYTES):
            return number
    return len(rows)


def _instruction(row: Row, specs: Mapping[str, JobSpec]) -> Instruction:
    wish = Wish(row["wish"])
    return Instruction(
        attempt_id=AttemptId(row["id"]),
        token=row["token"],
        version=row["wish_version"],
        wish=wish,
        job_id=JobId(row["job_id"]),
        public_id=row["public_id"],
        task_index=row["idx"],
        share=row["share"],
        flavor=row["flavor"],
        variant=row["variant"],
        granted=Resources.model_validate_json(row["granted"]),
        entity=row["entity"],
        probe=Purpose(row["purpose"]) if row["purpose"] else None,
        rates=NewOffer.model_validate_json(row["offer_body"]).rates if row["offer_body"] else (),
        relied=Footing.model_validate_json(row["relied"]) if row["relied"] else None,
        task=PROBE_TASK.validate_json(row["probe"]) if row["probe"] else None,
        spec=specs[row["job_id"]] if wish in WITH_SPEC else None,
        passed=tuple(source.passed for source in passed.of_row(row)) if wish in WITH_SPEC else (),
        data=LOCAL.validate_json(row["data"]) if row["data"] and wish in WITH_SPEC else (),
        number=row["number"],
        restored=row["restored"],
        fenced=row["fenced_at"] is not None,
        reported=row["report_version"],
    )


def _spec_for(text: str, *, is_old: bool) -> JobSpec:
    """The job as its connector needs it: what concerns the hub and the buyer alone stays here.

    A connector of an earlier release would refuse a field that it does not know, and with it all that it is told.
    """
    spec = JobSpec.model_validate_json(text)
    left_out = {"stands_for": (), **({"stack": None} if is_old else {})}
    variants = tuple(variant.model_copy(update=left_out) for variant in spec.variants)
    older = {"priority": 0, "job_class": None} if is_old else {}
    wants = spec.wants.model_copy(update=_WANTS_OF_THE_HUB)
    return spec.model_copy(update={**_OF_THE_HUB, **older, "variants": variants, "wants": wants})


def untold(unit: Unit, instructions: Sequence[Instruction]) -> list[AttemptId]:
    """Of these, the probes that are to be run and whose connector was told nothing of them yet."""
    told = [said.attempt_id for said in instructions if said.probe is not None and said.wish is Wish.RUN]
    return [AttemptId(found) for found in attempts.untold(unit, told)] if told else []


def tell(unit: Unit, untold: Sequence[AttemptId]) -> None:
    """They are about to be told: from now on their time counts. Told again, it counts from the first time."""
    attempts.mark_told(unit, untold)


def heard(unit: Unit, connector_id: str, call: PollCall) -> None:
    """The connector called just now; it knows this much, and was told all up to the revision that it has."""
    platforms.seen(unit, connector_id)
    platforms.change_connector(unit, connector_id, {"knows": json.dumps(sorted(call.knows))})
    if "gone" not in call.knows and lost.owes(unit, connector_id):
        lost.acknowledge_until(unit, connector_id, call.revision)


def ran_at(unit: Unit, platform_id: str, *, before: str, limit: int) -> list[dict[str, Any]]:
    """What ran on a platform, newest first: places and times, nothing of what the jobs are."""
    columns = ("id", "number", "state", "share_id", "connector_id", "created_at", "started_at", "ended_at", "simulated")
    rows = attempts.of_platform(unit, platform_id, before=before, limit=limit)
    return [{name: row[name] for name in columns} | {"granted": json.loads(row["granted"])} for row in rows]


class Reports:
    """Attempts of one connector with their tasks and jobs, as they are after what was taken so far.

    All are locked at once, jobs before attempts, each in the order of ids, so that units of several replicas take
    their locks in one order. Nothing is written before ``write``.
    """

    def __init__(self, unit: Unit, connector_id: str, attempt_ids: Collection[str]) -> None:
        """Lock and read. What is not there is passed over."""
        self._unit, self._connector_id = unit, connector_id
        self._jobs = jobs.lock_many(unit, attempts.jobs_of(unit, attempt_ids))
        self.rows: dict[str, dict[Any, Any]] = {row["id"]: dict(row) for row in attempts.lock_many(unit, attempt_ids)}
        self._tasks = {row["attempt_id"]: dict(row) for row in jobs.tasks_with(unit, self.rows)}
        self._progress = {
            job_id: Progress(parse_tally(row["tally"]), row["queued"]) for job_id, row in self._jobs.items()
        }
        self._committed = {job_id: row["committed"] for job_id, row in self._jobs.items()}
        self._specs: dict[str, JobSpec] = {}
        # what is to be written: in the order in which it was reported
        self._reported: dict[str, dict[Any, Any]] = {}
        self._ended: list[dict[Any, Any]] = []
        self._moved: list[dict[Any, Any]] = []
        self._progressed: dict[str, Row] = {}

    def take(self, item: AttemptReport) -> ItemAnswer:
        """Take one report. One that comes twice, late or from another changes nothing."""
        row = self.rows.get(item.attempt_id)
        if row is None or not attempts.is_current(row, self._connector_id, item.token):
            return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.STALE, reason="another attempt is current")
        if item.version <= row["report_version"]:
            return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.KNOWN)
        old = JobState(row["state"])
        if old in ENDED:
            verdict = Verdict.KNOWN if old is item.state else Verdict.STALE
            return ItemAnswer(attempt_id=item.attempt_id, verdict=verdict, reason=f"it ended {old.value}")
        wrong = _contradiction(self._unit.now, row, item)
        if wrong:
            return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.REFUSED, reason=wrong)
        self._change(row, item)
        return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.TAKEN)

    def move_task(self, row: Row, outcome: Outcome, new: JobState, times: Times | None) -> None:
        """What follows for task and job from the attempt's new state; ``row`` is the attempt as it was before.

        ``times``: from when until when it is paid, None where it is not.
        """
        job, task = self._jobs.get(row["job_id"]), self._tasks.get(row["id"])
        if job is None or task is None:
            return
        after = self._next(job, row, outcome, new)
        progress = self._progress[job["id"]].move(JobState(task["state"]), after.state)
        task["state"] = after.state.value
        if task["rerun"]:  # its place is heard again: it looks for no other
            progress = progress.wait(-1) if task["rerun"] == "yes" else progress
            task["rerun"] = ""
        if after.state is JobState.QUEUED and new in ENDED:
            due = self._unit.now + timedelta(seconds=after.wait_s) if after.wait_s else None
            task |= {"attempt_id": None, "queued_at": self._unit.now, "not_before": due}
            del self._tasks[row["id"]]
            progress = progress.wait(1)
            self._unit.record(EventType.TASK_REQUEUED, job["id"], account_id=row["account_id"], index=row["idx"])
        self._moved.append(task)
        if new in ENDED:
            ended = {"job": row["job_id"], "state": new.value, "before": row["state"], "after": new.value}
            self._unit.record(EventType.ATTEMPT_ENDED, row["id"], account_id=row["account_id"], **ended)
            self._pay(job, row, times)
        self._progress[job["id"]] = progress
        self._progressed[job["id"]] = job

    def write(self) -> None:
        """Write what follows from all that was taken."""
        unit = self._unit
        if self._ended:
            last = platforms.next_revision(unit, self._connector_id, len(self._ended))
            for number, row in enumerate(self._ended, last - len(self._ended) + 1):
                row["revision"] = number
            capacity.release_all(unit, "attempt", [row["id"] for row in self._ended], unit.now)
        attempts.reported(unit, list(self._reported.values()))
        jobs.move_tasks(unit, {(task["job_id"], task["idx"]): task for task in self._moved}.values())
        for job_id, job in self._progressed.items():
            committed = self._committed[job_id]
            paid = {} if committed is None else {"committed": committed}
            jobs.progressed(unit, job, {**self._progress[job_id].columns(unit.now), **paid})

    def _change(self, row: dict[Any, Any], item: AttemptReport) -> None:
        old = JobState(row["state"])
        # A cancellation may be on its way while the connector still reports what it was doing: it stays CANCELING.
        new = old if old is JobState.CANCELING and item.state not in ENDED else item.state
        values: dict[str, Any] = {
            "state": new.value,
            "report_version": item.version,
            "started_at": item.started_at or row["started_at"],
            "outcome": item.outcome.model_dump_json(),
        }
        if item.started_at and row["started_at"] is None:
            self._unit.record(EventType.ATTEMPT_STARTED, row["id"], account_id=row["account_id"], job=row["job_id"])
        if new in ENDED:
            cause = cause_of(new, item.outcome)
            told = item.outcome.model_copy(update={"cause": cause})
            values |= {"cause": "" if cause is None else cause.value, "outcome": told.model_dump_json()}
            values |= {"ended_at": item.ended_at}
            values |= {"wish": Wish.FORGET.value, "wish_version": row["wish_version"] + 1}
            self._ended.append(row)
        self._unit.wake(f"attempt:{row['id']}")
        if new is not old:
            self.move_task(row, item.outcome, new, (values["started_at"], item.ended_at))
        row |= values
        self._reported[row["id"]] = row

    def _pay(self, job: Row, row: Row, times: Times | None) -> None:
        """What the job's attempts cost, now that the time of one of them is known; nothing where there is no budget."""
        committed = self._committed[job["id"]]
        if committed is None or row["estimate"] is None:
            return
        cost = Decimal(0)
        if times is not None:
            spec = self._spec(job)
            cost = spent(row["estimate"], spec, spec.variants[row["variant"]], times, _expected(self._unit, row["id"]))
        self._committed[job["id"]] = committed - row["estimate"] + cost

    def _next(self, job: Row, row: Row, outcome: Outcome, new: JobState) -> Next:
        if new not in ENDED or (cause := cause_of(new, outcome)) is None:
            return Next(new)
        if job["purpose"]:
            # a probe asks about this place alone: it is tried nowhere else
            return Next(JobState.SYSTEM_ERROR if new is JobState.PREEMPTED else new)
        if cause is EndCause.PREEMPTED and row["wish"] == Wish.PREEMPT and not job["canceling"]:
            return Next(JobState.QUEUED)  # as it was told to: that counts for nothing
        before = lost.causes(self._unit, row["job_id"], row["idx"], besides=row["id"])
        return next_try(new, outcome, before=before, spec=self._spec(job), canceling=bool(job["canceling"]))

    def _spec(self, job: Row) -> JobSpec:
        if job["id"] not in self._specs:
            self._specs[job["id"]] = JobSpec.model_validate_json(job["spec"])
        return self._specs[job["id"]]


def _expected(unit: Unit, attempt_id: str) -> Expected | None:
    """How long it was expected to take when it got its place, where places were told apart by speed."""
    row = attempts.assignment_of(unit, attempt_id)
    won = None if row is None else Assignment.model_validate_json(row["body"]).explanation.won
    return None if won is None else won.expected


def _contradiction(now: datetime, row: Row, item: AttemptReport) -> str:
    old = JobState(row["state"])
    is_behind = old is JobState.CANCELING and item.state not in ENDED
    if item.state is not old and not is_behind and not moves(old, item.state):
        return f"an attempt does not go from {old.value} to {item.state.value}"
    if item.state is JobState.CANCELED and old is not JobState.CANCELING and row["wish"] != Wish.CANCEL:
        return "nobody cancelled it: report PREEMPTED to give it back, SYSTEM_ERROR when it failed here"
    return _wrong_times(now, row, item)


def _wrong_times(now: datetime, row: Row, item: AttemptReport) -> str:
    if item.state in ENDED and item.ended_at is None:
        return "an ended attempt has an ended_at"
    if item.started_at and item.ended_at and item.ended_at < item.started_at:
        return "it ended before it started"
    if item.ended_at is not None and item.ended_at - now > _SKEW:
        return "its end lies ahead: set the connector's clock"
    if item.started_at is not None and not row["created_at"] - _SKEW <= item.started_at <= now + _SKEW:
        return "it started before it was placed, or will only start: set the connector's clock"
    return ""


def report(unit: Unit, connector_id: str, call: ReportCall) -> tuple[ItemAnswer, ...]:
    """Take what a connector says is true. A report that comes twice, late or from another changes nothing."""
    before = platforms.find_connector(unit, connector_id)
    taken = Reports(unit, connector_id, [item.attempt_id for item in call.attempts])
    answers = tuple(taken.take(item) for item in call.attempts)
    taken.write()
    platforms.seen(unit, connector_id, accepting=call.accepting)
    if call.gone:
        _gone(unit, connector_id, call.gone)
    if before is not None and bool(before["accepting"]) != call.accepting:
        old, new = bool(before["accepting"]), call.accepting
        unit.record(EventType.CONNECTOR_ACCEPTING, connector_id, accepting=new, before=old, after=new)
    return answers


def _gone(unit: Unit, connector_id: str, attempt_ids: Sequence[AttemptId]) -> None:
    lost.acknowledge(unit, connector_id, attempt_ids)
    if not lost.owes(unit, connector_id):  # its shares are open again
        unit.record(EventType.CONNECTOR_ACCEPTING, connector_id, cleared=len(attempt_ids))


def end_unheard(unit: Unit, attempt_id: str, before: datetime) -> bool:
    """End an attempt that was cancelled while its connector is lost since ``before``; False where that is no longer so.

    Whether it still runs there is not known: when the connector comes back it is told to end it.
    """
    follows = Reports(unit, "", [attempt_id])
    row = follows.rows.get(attempt_id)
    if row is None or row["ended_at"] is not None or row["wish"] != Wish.CANCEL:
        return False
    since = lost.lost_connector(unit, row["connector_id"])
    if since is None or since > before:
        return False
    reason = "lost: cancelled while its place was not heard of; whether it still runs there is not known"
    lost.fence(unit, row, JobState.CANCELED, reason)
    follows.move_task(row, Outcome(), JobState.CANCELED, None)
    follows.write()
    return True
