"""What was and is used for nothing, summed by the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select

from suanlian.model.job import ENDED
from suanlian.store import tables as t
from suanlian.store.dialect import lock_name
from suanlian.store.unit import Row, Unit

_MICROS_PER_SECOND: Final = 1_000_000


def lock(unit: Unit) -> None:
    """One free submission at a time, so that two never spend the same rest."""
    lock_name(unit.connection, "free allowance")


def add(unit: Unit, rows: Sequence[Row]) -> None:
    """Insert free jobs."""
    unit.connection.execute(insert(t.free_job), [dict(row) for row in rows])


def is_free(unit: Unit, job_id: str) -> bool:
    """Whether a job runs within the free allowance."""
    query = select(t.free_job.c.job_id).where(t.free_job.c.job_id == job_id)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def used(unit: Unit, account_id: str) -> int:
    """What an account's free jobs held until they ended, in millicore-seconds, rounded up."""
    held = t.attempt.c.ended_at - t.attempt.c.started_at
    query = (
        select(func.sum(t.free_job.c.millicores * held))
        .join(t.attempt, t.attempt.c.job_id == t.free_job.c.job_id)
        .where(t.free_job.c.account_id == account_id)
        .where(t.attempt.c.ended_at.is_not(None), t.attempt.c.started_at.is_not(None))
    )
    return -(-int(unit.connection.execute(query).scalar_one() or 0) // _MICROS_PER_SECOND)


def reserved(unit: Unit, account_id: str) -> int:
    """What those of an account that have not ended take at most, in millicore-seconds."""
    each = t.free_job.c.millicores * t.free_job.c.wall_time_s
    open_ = (t.free_job.c.account_id == account_id) & t.job.c.ended_at.is_(None)
    made = (
        select(func.sum(each))
        .join(t.job, t.job.c.id == t.free_job.c.job_id)
        .join(t.task, t.task.c.job_id == t.job.c.id)
        .where(open_, t.task.c.state.not_in([state.value for state in ENDED]))
    )
    unmade = (
        select(func.sum(each * (t.job.c.tasks - t.job.c.made)))
        .join(t.job, t.job.c.id == t.free_job.c.job_id)
        .where(open_, t.job.c.rest == "QUEUED")
    )
    return sum(int(unit.connection.execute(query).scalar_one() or 0) for query in (made, unmade))


def reserved_since(unit: Unit, since: datetime) -> int:
    """What all free jobs since then were submitted for."""
    query = select(func.sum(t.free_job.c.reserved)).where(t.free_job.c.submitted_at >= since)
    return int(unit.connection.execute(query).scalar_one() or 0)
