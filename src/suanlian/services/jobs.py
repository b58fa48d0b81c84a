"""Jobs as people deal with them: submit one or many, look, cancel. Placing is another matter (``placing``)."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from suanlian.i18n.catalog import gettext as _
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import Kind, new_id, public_id
from suanlian.model.job import ENDED, Attempt, Job, JobSpec, JobState, Task, Wants
from suanlian.model.levels import HubRules
from suanlian.model.party import Caller
from suanlian.model.place import Place
from suanlian.model.placement import Assignment, Explanation
from suanlian.model.platform import Flavor, Share
from suanlian.model.probe import PROBE_ENVIRONMENT
from suanlian.model.protocol import Wish
from suanlian.rules.addresses import refused_address
from suanlian.rules.feasibility import asked_of_places, too_large
from suanlian.rules.hearing import Hearing, LostTerms, reruns_from
from suanlian.rules.levels import hub_is_outside, hub_is_too_low
from suanlian.rules.progress import Progress, first_tally, parse_tally
from suanlian.rules.stacks import contradiction
from suanlian.services.ports import Node
from suanlian.store import attempts, edges, files, jobs, lost, platforms, secrets
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
class Terms:
    """What the operator says of submissions: origins that inputs may come from besides, which data may lie here."""

    input_origins: frozenset[str]
    data: HubRules


@dataclass(frozen=True, slots=True)
class Checks:
    """What a submission is checked against: the places and names there are, and the operator's terms."""

    places: tuple[Place, ...]
    terms: Terms
    platforms: frozenset[str]
    flavors: frozenset[str]
    environments: frozenset[str]

    @classmethod
    def of(cls, places: tuple[Place, ...], terms: Terms) -> "Checks":
        """Look the names up once."""
        return cls(
            places,
            terms,
            platforms=frozenset(place.platform for place in places),
            flavors=frozenset(place.flavor.name for place in places),
            environments=frozenset(e.name for place in places for e in place.flavor.environments),
        )


def check_all(specs: Sequence[JobSpec], checks: Checks) -> None:
    """Refuse what can never run here: unknown names, too large, an input's address that is not public.

    Raises InvalidError or NotFoundError with the field at fault. Without any place there is nothing to hold it against.
    """
    fitting: set[object] = set()
    for spec in specs:
        _check_level(spec.wants, checks.terms.data)
        for number, item in enumerate(spec.inputs):
            if item.url is not None:
                _check_url(item.url, f"inputs.{number}.url", checks.terms.input_origins)
        _check_environments(spec)
        _check_stacks(spec)
        asked = asked_of_places(spec)
        if checks.places and asked not in fitting:
            _check_names(spec, checks)
            _check_size(spec, checks.places)
            fitting.add(asked)


def _check_level(wants: Wants, hub: HubRules) -> None:
    """The hub itself keeps inputs, logs and outputs: a job whose data may not lie here is refused."""
    if hub_is_outside(wants, hub):
        where = "is set to no region" if hub.region is None else f"lies in {hub.region}"
        wrong = f"Inputs, logs and outputs lie at this hub, which {where}: outside of {', '.join(wants.residency)}."
        todo = "Submit to a hub within these regions, or allow the hub's region too."
        raise InvalidError("residency_excludes_hub", wrong, todo=todo, field="wants.residency")
    if needed := hub_is_too_low(wants, hub):
        wrong = f"Inputs, logs and outputs lie at this hub, whose protection grade is {hub.grade}; {needed} is needed."
        todo = "Submit to a hub that is protected well enough, or lower the data level where the data allows it."
        raise InvalidError("protection_excludes_hub", wrong, todo=todo, field="wants.data_level")


def _check_environments(spec: JobSpec) -> None:
    for number, variant in enumerate(spec.variants):
        if variant.environment == PROBE_ENVIRONMENT:
            wrong = f"The environment {PROBE_ENVIRONMENT!r} is for the hub's own probes."
            field = f"variants.{number}.environment"
            raise InvalidError("environment_reserved", wrong, todo="suanlian flavors lists the others.", field=field)


def _check_stacks(spec: JobSpec) -> None:
    """A variant whose chips, software and instruction set cannot go together anywhere would wait for ever."""
    for number, variant in enumerate(spec.variants):
        against = contradiction(variant)
        if against is not None:
            field = f"variants.{number}.{against.field}"
            raise InvalidError("variant_contradicts", against.wrong, todo=against.todo, field=field)


def _check_size(spec: JobSpec, places: Sequence[Place]) -> None:
    misses = too_large(spec, places)
    if misses:
        miss = misses[0]
        wrong = f"No share could ever hold a task: wanted {miss.wanted}, the largest has {miss.had}."
        raise InvalidError("job_too_large", wrong, todo="Ask for less, or split the job.", field="resources")


def _check_url(url: str, field: str, allowed: frozenset[str]) -> None:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    reason = None if origin in allowed else refused_address(parts.hostname or "")
    if reason is not None:
        wrong = f"The address of {origin} is {reason}: a job may not read from there."
        todo = "Give a public address, or upload the file; the operator can list the origin."
        raise InvalidError("input_origin_refused", wrong, todo=todo, field=field)


def _check_names(spec: JobSpec, checks: Checks) -> None:
    wants = spec.wants
    if wants.platform is not None and wants.platform not in checks.platforms:
        wrong = f"No platform is named {wants.platform!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="wants.platform")
    if wants.flavor is not None and wants.flavor not in checks.flavors:
        wrong = f"No platform publishes the flavor {wants.flavor!r}."
        raise NotFoundError("no_such_flavor", wrong, todo="suanlian flavors lists them.", field="wants.flavor")
    for number, variant in enumerate(spec.variants):
        if variant.environment is not None and variant.environment not in checks.environments:
            wrong = f"No platform declares the environment {variant.environment!r}."
            field = f"variants.{number}.environment"
            raise NotFoundError("no_such_environment", wrong, todo="suanlian flavors lists them.", field=field)


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


def job_value(row: Row, *, with_spec: bool) -> Job:
    """The job as its owner sees it; without the spec for everybody else."""
    columns = ("id", "public_id", "account_id", "project_id", "name", "state", "tasks", "created_at", "ended_at")
    waiting = ""
    if row["queued"]:
        waiting = json.loads(row["waiting"])["text"] if row["waiting"] else _UNASSIGNED
    if row["blocked"]:
        waiting = _("waits for other jobs")
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
    found = job_value(row, with_spec=owns(caller, row))
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
    return [job_value(row, with_spec=False) for row in jobs.list_of(unit, caller, wanted, limit=limit)]


def tasks_of(  # noqa: PLR0913 - who asks, what, which part of it, by which terms
    unit: Unit, caller: Caller, ref: str, *, after: int, limit: int, terms: LostTerms = _USUAL
) -> list[Task]:
    """Tasks with all their attempts, in the order of the index. Raises NotFoundError."""
    row = _row(unit, caller, ref)
    tasks = jobs.tasks_of(unit, row["id"], after=after, limit=limit)
    waits = {task["idx"] for task in tasks if task["rerun"] == "no"}
    made: dict[int, list[Attempt]] = {}
    for attempt in attempts.with_places(unit, row["id"], [task["idx"] for task in tasks]):
        since = None if attempt["ended_at"] is not None else attempt["lost_since"]
        rerun_from = None if since is None or attempt["idx"] in waits else _reruns_from(unit, since, terms)
        lost_now = {"lost_since": since, "rerun_from": rerun_from}
        made.setdefault(attempt["idx"], []).append(_attempt(attempt).model_copy(update=lost_now))
    return [
        Task(index=task["idx"], state=JobState(task["state"]), attempts=tuple(made.get(task["idx"], ())))
        for task in tasks
    ]


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
    if looks and row["waiting"]:
        return Explanation.model_validate(json.loads(row["waiting"])["explanation"])
    made = attempts.with_places(unit, row["id"], [index])
    assignment = attempts.assignment_of(unit, made[-1]["id"]) if made else None
    if assignment is None and task["state"] in ENDED:
        wrong = f"It ended {task['state']} before it had a place."
        raise NotFoundError("not_found", wrong, todo="There is nothing to explain.")
    if assignment is None:
        raise NotFoundError("not_found", "It has not been looked at yet.", todo="Ask again in a second.")
    return Assignment.model_validate_json(assignment["body"]).explanation


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
    progress = Progress(parse_tally(row["tally"]), row["queued"])
    progress = progress.move(JobState.QUEUED, JobState.CANCELED, waiting).wait(-waiting)
    reason = f"{LATE}: begun now, its wall time would pass {row['deadline']:%Y-%m-%d %H:%M:%S} UTC"
    jobs.progressed(unit, row, {**progress.columns(unit.now), "reason": reason})


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
