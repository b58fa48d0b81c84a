"""Tasks of GA4GH TES with their jobs. A task is its account's alone: a foreign one is simply not there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.unit import Row, Unit

_JOB = (t.job.c.state, t.job.c.queued, t.job.c.ended_at, t.job.c.created_at, t.job.c.waiting)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks a list shows: those older than ``after``, of a name that begins so, in this state, with these tags.

    A tag whose text is empty may have any.
    """

    after: str = ""
    name_prefix: str = ""
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateWords:
    """How the state of a task follows from its row (``rules/tes/view.state_of``), for the database to compare."""

    brings: Collection[str]
    bring: str
    running: str


def add(unit: Unit, row: Row, tags: Mapping[str, str]) -> None:
    """Insert a task with its tags."""
    unit.connection.execute(insert(t.tes_task).values(**row))
    shared = {"job_id": row["job_id"], "account_id": row["account_id"]}
    insert_rows(unit.connection, t.tes_tag, [{**shared, "tag": tag, "text": text} for tag, text in tags.items()])


def _with_job() -> Select[Any]:
    return select(t.tes_task, *_JOB).join(t.job, t.job.c.id == t.tes_task.c.job_id)


def find(unit: Unit, account_id: str, job_id: str) -> Row | None:
    """A task of the account."""
    query = _with_job().where(t.tes_task.c.job_id == job_id, t.tes_task.c.account_id == account_id)
    return unit.connection.execute(query).mappings().one_or_none()


def list_of(unit: Unit, account_id: str, wanted: Wanted, words: StateWords, limit: int) -> Sequence[Row]:
    """Tasks of the account, newest first; without their bodies, which are large."""
    columns = [column for column in t.tes_task.c if column.name != "body"]
    query = select(*columns, *_JOB).join(t.job, t.job.c.id == t.tes_task.c.job_id)
    query = query.where(t.tes_task.c.account_id == account_id)
    if wanted.after:
        query = query.where(t.tes_task.c.job_id < wanted.after)
    if wanted.name_prefix:
        beginning = func.substr(t.tes_task.c.name, 1, len(wanted.name_prefix))
        query = query.where(beginning == wanted.name_prefix)
    if wanted.state:
        query = query.where(_state(words) == wanted.state)
    for tag, text in wanted.tags.items():
        query = query.where(t.tes_task.c.job_id.in_(_tagged(account_id, tag, text)))
    return unit.connection.execute(query.order_by(t.tes_task.c.job_id.desc()).limit(limit)).mappings().all()


def _state(words: StateWords) -> ColumnElement[str]:
    has_verdict = t.job.c.ended_at.is_not(None) & (t.tes_task.c.verdict != "")
    brings = t.job.c.state.in_(words.brings) & (t.tes_task.c.stage == words.bring)
    return case((has_verdict, t.tes_task.c.verdict), (brings, words.running), else_=t.job.c.state)


def _tagged(account_id: str, tag: str, text: str) -> Select[Any]:
    query = select(t.tes_tag.c.job_id).where(t.tes_tag.c.account_id == account_id, t.tes_tag.c.tag == tag)
    return query.where(t.tes_tag.c.text == text) if text else query


def body(unit: Unit, job_id: str) -> str:
    """What is kept of a task."""
    return str(unit.connection.execute(select(t.tes_task.c.body).where(t.tes_task.c.job_id == job_id)).scalar_one())


def due(
    unit: Unit, stages: tuple[str, str], limit: int, *, jobs: Collection[str] = (), accounts: Collection[str] = ()
) -> Sequence[Row]:
    """Tasks for which something is to be done now: inputs to be read, or outputs to be brought after the end.

    ``stages``: how the two are called. None of these jobs, nor of these accounts.
    """
    fetch, bring = stages
    open_ = (t.tes_task.c.stage == fetch) | ((t.tes_task.c.stage == bring) & t.job.c.ended_at.is_not(None))
    query = _with_job().where(open_, t.tes_task.c.stage != "done", t.tes_task.c.due_at <= unit.now)
    query = query.where(t.tes_task.c.job_id.not_in(list(jobs)))
    query = query.where(t.tes_task.c.account_id.not_in(list(accounts)))
    return unit.connection.execute(query.order_by(t.tes_task.c.due_at).limit(limit)).mappings().all()


def change(unit: Unit, job_id: str, values: Mapping[str, Any]) -> None:
    """Update a task."""
    unit.connection.execute(update(t.tes_task).where(t.tes_task.c.job_id == job_id).values(**values))


def lock(unit: Unit, job_id: str) -> Row | None:
    """The task, locked until the unit ends; lock its job first."""
    query = select(t.tes_task).where(t.tes_task.c.job_id == job_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def remove(unit: Unit, job_id: str) -> None:
    """Nothing is kept of the task any more; its job stays."""
    for table in (t.tes_tag, t.tes_task):
        unit.connection.execute(delete(table).where(table.c.job_id == job_id))


def variants(unit: Unit, job_id: str) -> Mapping[str, int]:
    """Which variant of the job each of its attempts is."""
    query = select(t.attempt.c.id, t.attempt.c.variant).where(t.attempt.c.job_id == job_id)
    return {str(attempt_id): int(variant) for attempt_id, variant in unit.connection.execute(query)}


def newest_attempt(unit: Unit, job_id: str) -> Row | None:
    """The attempt that ended last."""
    query = select(t.attempt).where(t.attempt.c.job_id == job_id).order_by(t.attempt.c.number.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def entity_name(unit: Unit, account_id: str) -> str | None:
    """The name of the entity whose account it is."""
    query = select(t.entity.c.name).join(t.account, t.account.c.entity_id == t.entity.c.id)
    return unit.connection.execute(query.where(t.account.c.id == account_id)).scalar_one_or_none()


def spec(unit: Unit, job_id: str) -> str:
    """The spec of a task's job."""
    return str(unit.connection.execute(select(t.job.c.spec).where(t.job.c.id == job_id)).scalar_one())
