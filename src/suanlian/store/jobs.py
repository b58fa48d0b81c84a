"""Jobs and their tasks. Every read of an owned row demands the caller; a foreign row is simply not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update

from suanlian.model.errors import InvalidError
from suanlian.model.ids import SCHEME
from suanlian.model.party import Caller
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.unit import Row, Unit


def _visible(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.sees_all else t.job.c.account_id == caller.account_id


def ordinary() -> ColumnElement[bool]:
    """What people submitted: lists, totals and reports are of these alone, never of the hub's own probes."""
    return t.job.c.purpose == ""


def add_many(unit: Unit, jobs: Sequence[Row], tasks: Sequence[Row]) -> None:
    """Insert jobs with all their tasks."""
    insert_rows(unit.connection, t.job, jobs)
    insert_rows(unit.connection, t.task, tasks)


def find(unit: Unit, caller: Caller, ref: str) -> Row | None:
    """By UUID or public identifier, if the caller may see it."""
    query = select(t.job).where(_named(ref), _visible(caller))
    return unit.connection.execute(query).mappings().one_or_none()


def _named(ref: str) -> ColumnElement[bool]:
    """A public identifier carries the UUID, by which the row is found without an index of its own."""
    try:
        identifier = SCHEME.parse(ref)
    except InvalidError:
        return t.job.c.id == ref
    return (t.job.c.id == identifier.uuid) & (t.job.c.public_id == SCHEME.format(identifier))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a list shows: those after ``cursor`` (older ones), in this state, of this name."""

    cursor: str = ""
    state: str | None = None
    name: str | None = None


def list_of(unit: Unit, caller: Caller, wanted: Wanted, *, limit: int) -> Sequence[Row]:
    """Newest first."""
    query = select(t.job).where(_visible(caller), ordinary())
    if wanted.cursor:
        query = query.where(t.job.c.id < wanted.cursor)
    if wanted.state is not None:
        query = query.where(t.job.c.state == wanted.state)
    if wanted.name is not None:
        query = query.where(t.job.c.name == wanted.name)
    return unit.connection.execute(query.order_by(t.job.c.id.desc()).limit(limit)).mappings().all()


def count_by_state(unit: Unit, start: datetime, end: datetime) -> dict[str, int]:
    """How many jobs that were alive at some moment of [start, end) are in each state now."""
    alive = (t.job.c.created_at < end) & or_(t.job.c.ended_at.is_(None), t.job.c.ended_at > start)
    query = select(t.job.c.state, func.count()).where(alive, ordinary()).group_by(t.job.c.state)
    return {str(state): int(count) for state, count in unit.connection.execute(query)}


def lock(unit: Unit, job_id: str) -> Row | None:
    """The job row, locked until the unit ends: every change of a task goes through it."""
    return unit.connection.execute(select(t.job).where(t.job.c.id == job_id).with_for_update()).mappings().one_or_none()


def spec_of(unit: Unit, job_id: str) -> str:
    """The spec of a job as it was stored; who may see it is decided elsewhere."""
    return str(unit.connection.execute(select(t.job.c.spec).where(t.job.c.id == job_id)).scalar_one())


def change(unit: Unit, job_id: str, values: Mapping[str, Any]) -> None:
    """Update a job that is locked."""
    unit.connection.execute(update(t.job).where(t.job.c.id == job_id).values(**values))


def queued(unit: Unit, *, after: str, limit: int, untold: bool = False) -> Sequence[Row]:
    """Jobs with waiting tasks, oldest first, with the name of the entity that asks.

    ``untold``: only those of which it is not said yet why they wait.
    """
    query = (
        select(t.job, t.entity.c.name.label("entity"))
        .join(t.entity, t.entity.c.id == t.job.c.entity_id)
        .where(t.job.c.queued > 0, t.job.c.id > after, ordinary())
        .order_by(t.job.c.id)
        .limit(limit)
    )
    if untold:
        query = query.where(t.job.c.waiting.is_(None))
    return unit.connection.execute(query).mappings().all()


def tasks_of(
    unit: Unit, job_id: str, *, after: int = -1, limit: int = 10_000, state: str | None = None
) -> Sequence[Row]:
    """Tasks in the order of their index."""
    query = select(t.task).where(t.task.c.job_id == job_id, t.task.c.idx > after)
    if state is not None:
        query = query.where(t.task.c.state == state)
    return unit.connection.execute(query.order_by(t.task.c.idx).limit(limit)).mappings().all()


def unplaced_tasks(unit: Unit, job_id: str, *, limit: int) -> Sequence[Row]:
    """Tasks that wait for a place, in the order of their index."""
    waits = (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    query = select(t.task).where(t.task.c.job_id == job_id, waits).order_by(t.task.c.idx).limit(limit)
    return unit.connection.execute(query).mappings().all()


def task(unit: Unit, job_id: str, index: int) -> Row | None:
    """One task."""
    query = select(t.task).where(t.task.c.job_id == job_id, t.task.c.idx == index)
    return unit.connection.execute(query).mappings().one_or_none()


def change_task(unit: Unit, job_id: str, index: int, values: Mapping[str, Any]) -> None:
    """Update one task of a locked job."""
    which = and_(t.task.c.job_id == job_id, t.task.c.idx == index)
    unit.connection.execute(update(t.task).where(which).values(**values))


def change_tasks_in(unit: Unit, job_id: str, old_state: str, values: Mapping[str, Any]) -> int:
    """Update all tasks of a locked job that are in one state; returns how many."""
    which = and_(t.task.c.job_id == job_id, t.task.c.state == old_state)
    return unit.connection.execute(update(t.task).where(which).values(**values)).rowcount
