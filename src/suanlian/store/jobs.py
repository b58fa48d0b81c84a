"""Jobs and their tasks. Every read of an owned row demands the caller; a foreign row is simply not there.

A large array begins with few rows of tasks: those below ``made`` are there, the others are all in the state ``rest``
and are made, some at a time, when they are about to get a place. Whoever looks at tasks sees them all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, true, update

from suanlian.model.errors import InvalidError
from suanlian.model.event import EventType
from suanlian.model.ids import SCHEME
from suanlian.model.job import JobState
from suanlian.model.party import Caller
from suanlian.store import edges
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.unit import Row, Unit

_AT_ONCE: Final = 500
_SAVES: Final = '"save":[{'
"""Stands in the stored spec of a job that leaves datasets: a quote inside of a text has a backslash before it."""


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


def lock_many(unit: Unit, job_ids: Collection[str]) -> dict[str, Row]:
    """Job rows by id, locked until the unit ends, in the order of ids."""
    query = select(t.job).where(t.job.c.id.in_(list(job_ids))).order_by(t.job.c.id).with_for_update()
    return {row["id"]: row for row in unit.connection.execute(query).mappings()}


def by_id(unit: Unit, job_id: str) -> Row | None:
    """The job row as it is; who may see it is decided elsewhere."""
    return unit.connection.execute(select(t.job).where(t.job.c.id == job_id)).mappings().one_or_none()


def spec_of(unit: Unit, job_id: str) -> str:
    """The spec of a job as it was stored; who may see it is decided elsewhere."""
    return str(unit.connection.execute(select(t.job.c.spec).where(t.job.c.id == job_id)).scalar_one())


def change(unit: Unit, job_id: str, values: Mapping[str, Any]) -> None:
    """Update a job that is locked."""
    unit.connection.execute(update(t.job).where(t.job.c.id == job_id).values(**values))


def progressed(unit: Unit, job: Row, columns: Mapping[str, Any]) -> None:
    """Update a locked job whose tasks moved. The one way in which a job ends: it is told, and what follows is owed.

    ``columns`` are those of ``rules.progress.Progress``, with others that change besides.
    """
    # what has ended waits for nothing
    change(unit, job["id"], columns if columns["ended_at"] is None else {**columns, "blocked": False})
    unit.wake(f"job:{job['id']}")
    if columns["ended_at"] is None or job["ended_at"] is not None:
        return
    unit.record(EventType.JOB_ENDED, job["id"], account_id=job["account_id"], state=columns["state"])
    if edges.awaited(unit, job["id"]):
        edges.owe(unit, job["id"], edges.RELEASE, unit.now)
    if job["webhook"]:
        edges.owe(unit, job["id"], edges.WEBHOOK, unit.now)
    if columns["state"] == JobState.COMPLETE and _SAVES in (job.get("spec") or spec_of(unit, job["id"])):
        edges.owe(unit, job["id"], edges.SAVE, unit.now)


def _waits(unit: Unit) -> ColumnElement[bool]:
    """Whether tasks of it wait for a place, none for another job, and it can still end in time."""
    in_time = t.job.c.start_by.is_(None) | (t.job.c.start_by >= unit.now)
    return (t.job.c.queued > 0) & t.job.c.blocked.is_(False) & in_time


def waiting_count(unit: Unit, *, but: str = "") -> int:
    """How many jobs have tasks that wait for a place now, one job apart."""
    query = select(func.count()).select_from(t.job).where(_waits(unit), ordinary(), t.job.c.id != but)
    return unit.connection.execute(query).scalar_one()


def _waiting(unit: Unit) -> Select[Any]:
    """Jobs with waiting tasks, with whose they are."""
    of = t.job.join(t.entity, t.entity.c.id == t.job.c.entity_id)
    return select(t.job, t.entity.c.name.label("entity")).select_from(of).where(_waits(unit))


def waiting_of(unit: Unit, job_ids: Sequence[str]) -> dict[str, Row]:
    """Of these jobs those with waiting tasks, by id, with the name of the entity that asks."""
    found = dict[str, Row]()
    for start in range(0, len(job_ids), _AT_ONCE):
        query = _waiting(unit).where(t.job.c.id.in_(job_ids[start : start + _AT_ONCE]), ordinary())
        found |= {row["id"]: row for row in unit.connection.execute(query).mappings()}
    return found


def trade_turns(unit: Unit, job: Row, other: Row) -> None:
    """Of two locked jobs of an account the one that went first by its priority gets the older turn, the other its own.

    So a turn is used up by whoever takes it, and a low priority that waits for ever brings its account nothing.
    """
    if job["priority"] > other["priority"] and job["turn"] > other["turn"]:
        change(unit, job["id"], {"turn": other["turn"]})
        change(unit, other["id"], {"turn": job["turn"]})


def late(unit: Unit, *, limit: int) -> Sequence[str]:
    """Jobs whose waiting tasks no longer end in time, and those that should have ended."""
    open_ = t.job.c.start_by.is_not(None) & t.job.c.ended_at.is_(None) & t.job.c.canceling.is_(False)
    is_late = (t.job.c.queued > 0) | (t.job.c.deadline < unit.now)
    query = select(t.job.c.id).where(open_, t.job.c.start_by < unit.now, is_late).order_by(t.job.c.id)
    return unit.connection.execute(query.limit(limit)).scalars().all()


def tasks_of(
    unit: Unit, job_id: str, *, after: int = -1, limit: int = 10_000, state: str | None = None
) -> Sequence[Row]:
    """Tasks in the order of their index, those without a row too."""
    query = select(t.task).where(t.task.c.job_id == job_id, t.task.c.idx > after)
    if state is not None:
        query = query.where(t.task.c.state == state)
    found = unit.connection.execute(query.order_by(t.task.c.idx).limit(limit)).mappings().all()
    return found if len(found) >= limit else [*found, *_unmade(unit, job_id, after, limit - len(found), state)]


def _unmade(unit: Unit, job_id: str, after: int, limit: int, state: str | None) -> Sequence[Row]:
    """Tasks that have no row yet, as they would be with one."""
    columns = (t.job.c.tasks, t.job.c.made, t.job.c.rest, t.job.c.rest_aim, t.job.c.created_at)
    job = unit.connection.execute(select(*columns).where(t.job.c.id == job_id)).mappings().one_or_none()
    if job is None or state not in (None, job["rest"]):
        return []
    first = max(job["made"], after + 1)
    return [task_row(job_id, index, job) for index in range(first, min(job["tasks"], first + limit))]


def task_row(job_id: str, index: int, job: Row) -> Row:
    """A task that nothing has happened to but what happened to all without a row."""
    waits = {"state": job["rest"], "attempts": 0, "attempt_id": None, "queued_at": job["created_at"], "rerun": ""}
    return {"job_id": job_id, "idx": index, **waits, "aim": job["rest_aim"]}


def make_tasks(unit: Unit, job: Row, count: int) -> None:
    """Give so many further tasks of a locked job their rows; fewer where there are no more."""
    last = min(job["tasks"], job["made"] + count)
    insert_rows(unit.connection, t.task, [task_row(job["id"], index, job) for index in range(job["made"], last)])
    change(unit, job["id"], {"made": last})


def unplaced_tasks(unit: Unit, job_id: str, *, limit: int) -> Sequence[Row]:
    """Tasks that look for a place now, in the order of their index, as far as they have rows.

    Those whose place is lost may be among them.
    """
    waits = (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    due = or_(t.task.c.not_before.is_(None), t.task.c.not_before <= unit.now)
    # one query for each index: a large array has many tasks with places
    lost = (t.task.c.rerun == "yes") & (t.task.c.rerun != "")
    mine = select(t.task).where(t.task.c.job_id == job_id)
    found = [*unit.connection.execute(mine.where(waits & due).order_by(t.task.c.idx).limit(limit)).mappings()]
    found += unit.connection.execute(mine.where(lost)).mappings()
    return sorted(found, key=lambda row: int(row["idx"]))[:limit]


def resting_of_all(unit: Unit) -> dict[str, int]:
    """How many tasks wait before another try, by job."""
    rests = (t.task.c.not_before > unit.now) & (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    query = select(t.task.c.job_id, func.count()).where(rests).group_by(t.task.c.job_id)
    return {job_id: count for job_id, count in unit.connection.execute(query)}  # noqa: C416 - rows are no pairs


def resting(unit: Unit, job_ids: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """Of these jobs those with tasks that wait before another try: how many, and when the first of them is due."""
    rests = (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None) & (t.task.c.not_before > unit.now)
    query = select(t.task.c.job_id, func.count(), func.min(t.task.c.not_before))
    query = query.where(t.task.c.job_id.in_(list(job_ids)), rests).group_by(t.task.c.job_id)
    return {job_id: (count, due) for job_id, count, due in unit.connection.execute(query)}


def task(unit: Unit, job_id: str, index: int) -> Row | None:
    """One task."""
    query = select(t.task).where(t.task.c.job_id == job_id, t.task.c.idx == index)
    found = unit.connection.execute(query).mappings().one_or_none()
    return found or next(iter(_unmade(unit, job_id, index - 1, 1, None)), None)


def change_task(unit: Unit, job_id: str, index: int, values: Mapping[str, Any]) -> None:
    """Update one task of a locked job."""
    which = and_(t.task.c.job_id == job_id, t.task.c.idx == index)
    unit.connection.execute(update(t.task).where(which).values(**values))


def reruns(unit: Unit, job_id: str) -> int:
    """How many tasks wait for another place although they have one, as that is lost."""
    query = select(func.count()).where(t.task.c.job_id == job_id, t.task.c.rerun == "yes")
    return int(unit.connection.execute(query).scalar_one())


def rerun_no_more(unit: Unit, job_id: str) -> int:
    """Tasks of a locked job that have a place, which is lost, look for no other but wait for theirs; how many did."""
    looks = (t.task.c.job_id == job_id) & (t.task.c.rerun == "yes") & (t.task.c.rerun != "")
    return int(unit.connection.execute(update(t.task).where(looks).values(rerun="no")).rowcount)


def change_tasks(unit: Unit, job_id: str, indices: Sequence[int], state: str) -> None:
    """Move many tasks of a locked job to one state, in which they look for no place."""
    which = (t.task.c.job_id == job_id) & (t.task.c.idx == bindparam("of"))
    one = update(t.task).where(which).values(state=state, rerun="")
    if indices:
        unit.connection.execute(one, [{"of": index} for index in indices])


def assign(unit: Unit, job_id: str, made: Mapping[int, tuple[str, int]]) -> None:
    """Tasks of a locked job, by index, have these attempts now, with their numbers, and wait for them to begin."""
    one = (
        update(t.task)
        .where(t.task.c.job_id == job_id, t.task.c.idx == bindparam("of"))
        .values(
            attempt_id=bindparam("given"),
            attempts=bindparam("number"),
            state="QUEUED",
            rerun="",
            not_before=None,
            aim=None,
        )
    )
    rows = [{"of": index, "given": attempt_id, "number": number} for index, (attempt_id, number) in made.items()]
    unit.connection.execute(one, rows)


def tasks_at(unit: Unit, job_id: str, indices: Collection[int]) -> dict[int, Row]:
    """Tasks that have rows, by index."""
    query = select(t.task).where(t.task.c.job_id == job_id, t.task.c.idx.in_(list(indices)))
    return {row["idx"]: row for row in unit.connection.execute(query).mappings()}


def tasks_with(unit: Unit, attempt_ids: Collection[str]) -> Sequence[Row]:
    """The tasks of which one of these attempts is the one that counts."""
    mine = (t.task.c.job_id == t.attempt.c.job_id) & (t.task.c.idx == t.attempt.c.idx)
    query = select(t.task).join(t.attempt, mine & (t.task.c.attempt_id == t.attempt.c.id))
    return unit.connection.execute(query.where(t.attempt.c.id.in_(list(attempt_ids)))).mappings().all()


_MOVED: Final = ("state", "rerun", "attempt_id", "queued_at", "not_before")
"""Columns that a report may change."""
_MOVE: Final = (
    update(t.task)
    .where(t.task.c.job_id == bindparam("of"), t.task.c.idx == bindparam("at"))
    .values({name: bindparam(name) for name in _MOVED})
)


def move_tasks(unit: Unit, tasks: Collection[Row]) -> None:
    """Write tasks of locked jobs as they are after the reports of their attempts."""
    if tasks:
        made = [{"of": row["job_id"], "at": row["idx"], **{name: row[name] for name in _MOVED}} for row in tasks]
        unit.connection.execute(_MOVE, made)


def end_waiting(unit: Unit, job: Row, state: str) -> int:
    """All tasks of a locked job that wait for a place come to this end; returns how many did."""
    waits = (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    ended = update(t.task).where(t.task.c.job_id == job["id"], waits).values(state=state)
    made = int(unit.connection.execute(ended).rowcount)
    if job["made"] == job["tasks"] or job["rest"] != "QUEUED":
        return made
    change(unit, job["id"], {"rest": state})
    return made + int(job["tasks"] - job["made"])
