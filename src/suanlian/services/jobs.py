"""Jobs as people deal with them: submit one or many, look, cancel. Placing is another matter (``placing``)."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.i18n.catalog import gettext as _
from suanlian.model.errors import ConflictError, ForbiddenError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import Kind, new_id, public_id
from suanlian.model.job import ENDED, Attempt, EndCause, Job, JobSpec, JobState, Task
from suanlian.model.party import Caller
from suanlian.model.placement import Assignment, Explanation
from suanlian.model.platform import Flavor, Share
from suanlian.model.protocol import Wish
from suanlian.rules.hearing import Hearing, LostTerms, reruns_from
from suanlian.rules.progress import Progress, first_tally, parse_tally
from suanlian.rules.retries import tries_in_all
from suanlian.services.ports import Node
from suanlian.store import attempts, edges, files, jobs, lost, platforms, secrets, shut
from suanlian.store.jobs import Wanted as Wanted  # noqa: PLC0414 - what a list is asked by is part of this service
from suanlian.store.unit import Row, Unit

_USUAL: Final = LostTerms()
_MAX_LINE: Final = 2000
_UNASSIGNED: Final = "it has not been looked at yet"
MADE_AT_ONCE: Final = 256
"""So many tasks of an array get their rows when it is submitted; the others when they are about to get a place."""
LATE: Final = "deadline_passed"
"""The code of tasks that are cancelled because they could not end in time, or have not."""
WAITING: Final = "waiting"
"""Its owner is to be told of its end, and was not yet."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows ready to be written: made outside of the transaction, so that the one writer only writes."""

    jobs: tuple[Row, ...]
    tasks: tuple[Row, ...]
    digests: frozenset[str]
    secrets: frozenset[str]

    @property
    def answer(self) -> list[dict[str, str]]:
        """What the caller of a batch is told."""
        return [{name: row[name] for name in ("id", "public_id", "name")} for row in self.jobs]


def prepare(node: Node, caller: Caller, specs: Sequence[JobSpec], now: datetime, *, held: bool = False) -> Prepared:
    """Make the rows of jobs and tasks. ``held``: they get no place before somebody lets them."""
    job_rows, task_rows = [], []
    for spec in specs:
        row = _job_row(node, caller, spec, now)
        job_rows.append({**row, "blocked": True} if held else row)
        task_rows += [jobs.task_row(row["id"], index, row) for index in range(row["made"])]
    digests = frozenset(item.sha256 or "" for spec in specs for item in spec.inputs if item.object)
    named = frozenset(use.name for spec in specs for use in spec.secrets)
    named |= {spec.webhook.secret for spec in specs if spec.webhook is not None and spec.webhook.secret is not None}
    return Prepared(tuple(job_rows), tuple(task_rows), digests, named)


def lent(prepared: Prepared, lender: str) -> Prepared:
    """The same rows as lent by a platform, whose own shares are then no place for them."""
    return replace(prepared, jobs=tuple({**row, "lender": lender} for row in prepared.jobs))


def _job_row(node: Node, caller: Caller, spec: JobSpec, now: datetime) -> Row:
    job_id = new_id()
    return {
        "id": job_id,
        "public_id": public_id(node.prefix, Kind.JOB, job_id),
        "account_id": caller.account_id,
        "project_id": caller.project_id,
        "entity_id": caller.entity_id,
        "name": spec.name,
        "state": JobState.QUEUED.value,
        "tasks": spec.tasks,
        "queued": spec.tasks,
        "tally": first_tally(spec.tasks),
        "spec": spec.model_dump_json(),
        "created_at": now,
        "ended_at": None,
        "origin": node.prefix,
        "delegated_buyer": caller.on_behalf_of,
        "path": f'["{node.prefix}"]',
        "canceling": False,
        "waiting": None,
        "created_by": caller.principal_id,
        "purpose": "",
        "lender": "",
        "turn": job_id,
        "priority": spec.priority,
        "blocked": bool(spec.after),
        "deadline": spec.deadline,
        "start_by": None if spec.deadline is None else spec.deadline - timedelta(seconds=spec.wall_time_s),
        "committed": None if spec.budget is None else Decimal(0),
        "made": min(spec.tasks, MADE_AT_ONCE),
        "rest": JobState.QUEUED.value,
        "rest_aim": None,
        "reason": "",
        "webhook": "" if spec.webhook is None else WAITING,
    }


def submit(unit: Unit, caller: Caller, prepared: Prepared) -> list[dict[str, str]]:
    """Write jobs with their tasks: all of them or none. Raises NotFoundError when an uploaded object is not there."""
    if prepared.digests:
        missing = prepared.digests - files.has_objects(unit, caller.account_id, sorted(prepared.digests))
        if missing:
            wrong = f"No object with the digest {min(missing)} was uploaded."
            raise NotFoundError("not_found", wrong, todo="Upload it first: POST /v1/objects.", field="inputs.sha256")
    check_secrets(unit, caller, prepared.secrets)
    jobs.add_many(unit, prepared.jobs, prepared.tasks)
    happened = [(row["id"], {"tasks": row["tasks"]} if row["tasks"] > 1 else {}) for row in prepared.jobs]
    unit.record_many(EventType.JOB_SUBMITTED, happened, account_id=caller.account_id)
    return prepared.answer


def check_secrets(unit: Unit, caller: Caller, names: Collection[str]) -> None:
    """Refuse names of secrets that the caller's account does not have. Raises NotFoundError ``no_such_secret``."""
    missing = set(names) - set(secrets.named(unit, caller.account_id, names)) if names else ()
    if missing:
        wrong = f"You have no secret {min(missing)!r}."
        todo = f"Set it first: suanlian secret set {min(missing)}."
        raise NotFoundError("no_such_secret", wrong, todo=todo, field="secrets.name")


def _row(unit: Unit, caller: Caller, ref: str) -> Row:
    row = jobs.find(unit, caller, ref)
    if row is None:
        wrong = f"You have no job {ref[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian jobs lists yours.", field="job")
    return row


def job_value(row: Row, *, with_spec: bool, due: datetime | None = None) -> Job:
    """The job as its owner sees it; without the spec for everybody else.

    ``due``: until then all that waits of it is given no place, after tries that failed.
    """
    columns = ("id", "public_id", "account_id", "project_id", "name", "state", "tasks", "created_at", "ended_at")
    waiting = ""
    if row["queued"]:
        waiting = json.loads(row["waiting"])["text"] if row["waiting"] else _UNASSIGNED
    if row["blocked"]:
        waiting = _("waits for other jobs")
    elif due is not None:
        waiting = f"waits until {due:%Y-%m-%d %H:%M:%S} UTC before another try"
    return Job(
        **{name: row[name] for name in columns},
        tally=parse_tally(row["tally"]),
        origin=row["origin"],
        delegated_buyer=row["delegated_buyer"],
        lender=row["lender"],
        path=tuple(json.loads(row["path"])),
        canceling=row["canceling"],
        waiting=waiting,
        reason=row["reason"],
        webhook=row["webhook"],
        spec=JobSpec.model_validate_json(row["spec"]) if with_spec else None,
    )


def owns(caller: Caller, row: Row) -> bool:
    """Whether the job is of the caller's own account."""
    return bool(row["account_id"] == caller.account_id)


def fresh(prepared: Prepared, spec: JobSpec) -> Job:
    """The one job of a submission, as its owner is told of it."""
    return job_value(prepared.jobs[0], with_spec=False).model_copy(update={"spec": spec})


def get(unit: Unit, caller: Caller, ref: str) -> Job:
    """One job, with its spec for its owner. Raises NotFoundError."""
    row = _row(unit, caller, ref)
    found = job_value(row, with_spec=owns(caller, row), due=_due(unit, [row]).get(row["id"]))
    return found.model_copy(update={"waiting": _waits_for(unit, row["id"])}) if row["blocked"] else found


def _waits_for(unit: Unit, job_id: str) -> str:
    """Which jobs a job still waits for, by name and state."""
    every = edges.of_job(unit, job_id)
    if not every:
        return _("waits until its inputs have been read")
    open_ = [f"{row['name']} ({row['state']})" for row in every if row["met_at"] is None]
    text = _("waits for {n} of {m} jobs: {names}").format(n=len(open_), m=len(every), names=", ".join(open_))
    return text if len(text) <= _MAX_LINE else f"{text[: _MAX_LINE - 3]}..."


def list_of(unit: Unit, caller: Caller, wanted: Wanted, *, limit: int) -> list[Job]:
    """Jobs, newest first, without their specs."""
    rows = jobs.list_of(unit, caller, wanted, limit=limit)
    due = _due(unit, rows)
    return [job_value(row, with_spec=False, due=due.get(row["id"])) for row in rows]


def _due(unit: Unit, rows: Sequence[Row]) -> dict[str, datetime]:
    """Of the jobs of which all that waits rests before another try: when the first of it is due."""
    queued = {row["id"]: row["queued"] for row in rows if row["queued"]}
    found = jobs.resting(unit, queued) if queued else {}
    return {job_id: due for job_id, (count, due) in found.items() if count == queued[job_id]}


def tasks_of(  # noqa: PLR0913 - who asks, what, which part of it, by which terms
    unit: Unit, caller: Caller, ref: str, *, after: int, limit: int, terms: LostTerms = _USUAL
) -> list[Task]:
    """Tasks with all their attempts, in the order of the index. Raises NotFoundError."""
    row = _row(unit, caller, ref)
    tasks = jobs.tasks_of(unit, row["id"], after=after, limit=limit)
    waits = {task["idx"] for task in tasks if task["rerun"] == "no"}
    made, causes = dict[int, list[Attempt]](), dict[int, list[EndCause]]()
    for attempt in attempts.with_places(unit, row["id"], [task["idx"] for task in tasks]):
        since = None if attempt["ended_at"] is not None else attempt["lost_since"]
        rerun_from = None if since is None or attempt["idx"] in waits else _reruns_from(unit, since, terms)
        lost_now = {"lost_since": since, "rerun_from": rerun_from}
        made.setdefault(attempt["idx"], []).append(_attempt(attempt).model_copy(update=lost_now))
        if lost.is_counted(attempt):
            causes.setdefault(attempt["idx"], []).append(EndCause(attempt["cause"]))
    spec = JobSpec.model_validate_json(row["spec"]) if causes else None
    return [_task(unit, task, made.get(task["idx"], ()), causes.get(task["idx"], ()), spec) for task in tasks]


def _task(unit: Unit, row: Row, made: Sequence[Attempt], causes: Sequence[EndCause], spec: JobSpec | None) -> Task:
    """``causes``: why earlier tries ended, where they count."""
    state, due = JobState(row["state"]), row.get("not_before")
    rests = state is JobState.QUEUED and row["attempt_id"] is None and due is not None and due > unit.now
    ended = sum(attempt.state in ENDED for attempt in made)
    return Task(
        index=row["idx"],
        state=state,
        attempts=tuple(made),
        due=due if rests else None,
        tries=None if spec is None or state in ENDED else tries_in_all(causes, ended, spec),
    )


def _reruns_from(unit: Unit, since: datetime, terms: LostTerms) -> datetime | None:
    row = lost.hearing(unit)
    return None if row is None else reruns_from(since, Hearing(row["at"], row["since"], row["sure_since"]), terms)


def _attempt(row: Row) -> Attempt:
    share = Share.model_validate_json(row["share_body"])
    flavor = Flavor.model_validate_json(row["flavor_body"])
    columns = ("id", "number", "token", "state", "platform", "simulated", "created_at", "started_at", "ended_at")
    return Attempt.model_validate(
        {
            **{name: row[name] for name in columns},
            "task_index": row["idx"],
            "site": share.site,
            "share": share.name,
            "flavor": flavor.name,
            "architecture": flavor.architecture,
            "outcome": json.loads(row["outcome"]),
            "fenced": row["fenced_at"] is not None,
        }
    )


def explanation(unit: Unit, caller: Caller, ref: str, index: int) -> Explanation:
    """Why the task is where it is, or why it waits. Raises NotFoundError when nothing is known yet."""
    row = _row(unit, caller, ref)
    task = jobs.task(unit, row["id"], index)
    if task is None:
        wrong = f"The job has no task {index}."
        raise NotFoundError("not_found", wrong, todo=f"Indices run from 0 to {row['tasks'] - 1}.", field="index")
    if row["blocked"]:
        raise NotFoundError("not_found", _waits_for(unit, row["id"]), todo="It is looked at when they have ended.")
    looks = task["rerun"] == "yes" or (task["state"] == JobState.QUEUED and task["attempt_id"] is None)
    due = task.get("not_before")
    if looks and due is not None and due > unit.now:
        wrong = f"It waits until {due:%Y-%m-%d %H:%M:%S} UTC before another try."
        raise NotFoundError(
            "not_found", wrong, todo="It is looked at then; suanlian show tells how the last one ended."
        )
    if looks and row["waiting"]:
        found = Explanation.model_validate(json.loads(row["waiting"])["explanation"])
        return _as_it_is_now(unit, found, {candidate.platform for candidate in found.candidates})
    made = attempts.with_places(unit, row["id"], [index])
    assignment = attempts.assignment_of(unit, made[-1]["id"]) if made else None
    if assignment is None and task["state"] in ENDED:
        wrong = f"It ended {task['state']} before it had a place."
        raise NotFoundError("not_found", wrong, todo="There is nothing to explain.")
    if assignment is None:
        raise NotFoundError("not_found", "It has not been looked at yet.", todo="Ask again in a second.")
    found = Assignment.model_validate_json(assignment["body"]).explanation
    held = made[-1]
    return _as_it_is_now(unit, found, {held["platform"]}) if held["ended_at"] is None and held["lost_since"] else found


def _as_it_is_now(unit: Unit, found: Explanation, platforms_: Collection[str]) -> Explanation:
    """With what keeps these platforms, of which a task waits for one, from taking anything at this moment."""
    return found.model_copy(update={"shut": shut.now(unit, platforms_), "in_doubt": shut.in_doubt(unit)})


def cancel(unit: Unit, caller: Caller, ref: str) -> Job:
    """End the job: waiting tasks at once, placed ones by their connector. Again, it changes nothing more.

    Raises NotFoundError, ConflictError ``job_ended``.
    """
    found = _row(unit, caller, ref)
    row = jobs.lock(unit, found["id"])
    if row is None or row["state"] in ENDED:
        wrong = f"The job has ended: {found['state']}."
        raise ConflictError("job_ended", wrong, todo="There is nothing left to cancel.")
    if caller.account_id != row["account_id"] and not caller.sees_all:
        raise ForbiddenError("forbidden", "The job belongs to another account.")
    if not row["canceling"]:
        _cancel(unit, row)
    return get(unit, caller, row["id"])


def late(unit: Unit, limit: int) -> list[str]:
    """Jobs of which something will not end in time."""
    return list(jobs.late(unit, limit=limit))


def end_late(unit: Unit, job_id: str) -> None:
    """Of a job with a deadline: end what waits and could no longer end in time; after the deadline, all of it."""
    row = jobs.lock(unit, job_id)
    if row is None or row["ended_at"] is not None or row["canceling"]:
        return
    if row["start_by"] is None or row["start_by"] >= unit.now:
        return
    if row["deadline"] < unit.now:
        _cancel(unit, row, f"{LATE}: it should have ended by {row['deadline']:%Y-%m-%d %H:%M:%S} UTC")
        return
    waiting = jobs.end_waiting(unit, row, JobState.CANCELED.value)
    # what has a place that is lost may still end in time there, and in no other: it is not ended, and looks no further
    stays = jobs.rerun_no_more(unit, row["id"])
    progress = Progress(parse_tally(row["tally"]), row["queued"])
    progress = progress.move(JobState.QUEUED, JobState.CANCELED, waiting).wait(-waiting - stays)
    reason = f"{LATE}: begun now, its wall time would pass {row['deadline']:%Y-%m-%d %H:%M:%S} UTC"
    jobs.progressed(unit, row, progress.columns(unit.now) | ({"reason": reason} if waiting else {}))


def _cancel(unit: Unit, row: Row, reason: str = "") -> None:
    progress = Progress(parse_tally(row["tally"]), row["queued"])
    live = attempts.lock_live(unit, row["id"])
    for connector_id in sorted({attempt["connector_id"] for attempt in live}):
        mine = [attempt for attempt in live if attempt["connector_id"] == connector_id]
        last = platforms.next_revision(unit, connector_id, len(mine))
        wishes = {attempt["id"]: last - place for place, attempt in enumerate(mine)}
        attempts.wish_all(unit, wishes, Wish.CANCEL.value, JobState.CANCELING.value)
    # those whose place is lost wait for another one, too
    progress = progress.wait(-jobs.reruns(unit, row["id"]))
    jobs.change_tasks(unit, row["id"], [attempt["idx"] for attempt in live], JobState.CANCELING.value)
    for state, count in Counter(attempt["state"] for attempt in live).items():
        progress = progress.move(JobState(state), JobState.CANCELING, count)
    waiting = jobs.end_waiting(unit, row, JobState.CANCELED.value)
    progress = progress.move(JobState.QUEUED, JobState.CANCELED, waiting).wait(-waiting)
    unit.record(EventType.JOB_CANCELING, row["id"], account_id=row["account_id"])
    why = {"reason": reason} if reason else {}
    jobs.progressed(unit, row, {**progress.columns(unit.now), "canceling": True, "blocked": False, **why})
