"""Usage batches and segments as they came, signed; corrections as further rows; the charges made of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import bindparam, func, insert, select, update

from suanlian.model.party import Caller
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit


def add_batch(unit: Unit, row: Row) -> bool:
    """Keep a signed batch; false when it is here already."""
    return insert_new(unit.connection, t.usage_batch, [row]) == 1


def add_segments(unit: Unit, rows: Sequence[Row]) -> None:
    """Insert segments."""
    insert_rows(unit.connection, t.usage_segment, rows)


def segments_by_attempt(unit: Unit, attempt_ids: Collection[str]) -> dict[str, list[Row]]:
    """The segments of these attempts, in order; an attempt without any is left out."""
    query = select(t.usage_segment).where(t.usage_segment.c.attempt_id.in_(list(attempt_ids)))
    found: dict[str, list[Row]] = {}
    for row in unit.connection.execute(query.order_by(t.usage_segment.c.sequence)).mappings():
        found.setdefault(row["attempt_id"], []).append(row)
    return found


def segments_of(unit: Unit, attempt_id: str) -> Sequence[Row]:
    """The segments of one attempt, in order."""
    query = select(t.usage_segment).where(t.usage_segment.c.attempt_id == attempt_id)
    return unit.connection.execute(query.order_by(t.usage_segment.c.sequence)).mappings().all()


def segments_of_job(unit: Unit, job_id: str) -> Sequence[Row]:
    """The segments of all attempts of a job."""
    query = (
        select(t.usage_segment)
        .join(t.attempt, t.attempt.c.id == t.usage_segment.c.attempt_id)
        .where(t.attempt.c.job_id == job_id)
        .order_by(t.usage_segment.c.attempt_id, t.usage_segment.c.sequence)
    )
    return unit.connection.execute(query).mappings().all()


def unrated(unit: Unit, limit: int) -> Sequence[Row]:
    """Segments without charges, oldest first, with what pricing needs to know of their attempt."""
    query = (
        select(t.usage_segment, t.attempt.c.job_id, t.attempt.c.platform_id, t.attempt.c.simulated)
        .add_columns(t.attempt.c.fenced_at)
        .add_columns(t.assignment.c.offer_id, t.assignment.c.offer_version, t.job.c.account_id, t.job.c.project_id)
        .add_columns(t.free_job.c.job_id.is_not(None).label("free"))
        .join(t.attempt, t.attempt.c.id == t.usage_segment.c.attempt_id)
        .join(t.assignment, t.assignment.c.attempt_id == t.attempt.c.id)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .join(t.free_job, t.free_job.c.job_id == t.job.c.id, isouter=True)
        .where(t.usage_segment.c.rated_at.is_(None))
        .order_by(t.usage_segment.c.received_at)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()


_RATE: Final = (
    update(t.usage_segment)
    .where(t.usage_segment.c.attempt_id == bindparam("of"), t.usage_segment.c.sequence == bindparam("at"))
    .values(rated_at=bindparam("now"))
)


def mark_rated(unit: Unit, segments: Sequence[tuple[str, int]]) -> None:
    """The charges of these (attempt, sequence) are written."""
    if segments:
        unit.connection.execute(_RATE, [{"of": of, "at": at, "now": unit.now} for of, at in segments])


def add_correction(unit: Unit, row: Row) -> None:
    """Insert a correction."""
    unit.connection.execute(insert(t.usage_correction).values(**row))


def corrections_of(unit: Unit, attempt_id: str) -> Sequence[Row]:
    """The corrections of one attempt, oldest first."""
    query = select(t.usage_correction).where(t.usage_correction.c.attempt_id == attempt_id)
    return unit.connection.execute(query.order_by(t.usage_correction.c.id)).mappings().all()


def add_charges(unit: Unit, rows: Sequence[Row]) -> None:
    """Insert those charges that are not there yet."""
    insert_rows(unit.connection, t.charge, rows, new_only=True)


def charged(unit: Unit, attempt_id: str) -> frozenset[int]:
    """The segments of one attempt for which charges are written."""
    query = select(t.charge.c.sequence).where(t.charge.c.attempt_id == attempt_id, t.charge.c.correction_id == "")
    return frozenset(unit.connection.execute(query.distinct()).scalars())


def charges_of(
    unit: Unit, caller: Caller, *, job_id: str | None = None, before: str = "", limit: int = 200
) -> Sequence[Row]:
    """The caller's charges, newest first."""
    query = select(t.charge)
    if not caller.sees_all:
        query = query.where(t.charge.c.account_id == caller.account_id)
    if job_id is not None:
        query = query.where(t.charge.c.job_id == job_id)
    if before:
        query = query.where(t.charge.c.id < before)
    return unit.connection.execute(query.order_by(t.charge.c.id.desc()).limit(limit)).mappings().all()


def cost_by_attempt(unit: Unit, start: datetime, end: datetime) -> dict[str, Decimal]:
    """What each attempt that was alive at some moment of [start, end) cost so far."""
    alive = (t.attempt.c.created_at < end) & (t.attempt.c.ended_at.is_(None) | (t.attempt.c.ended_at > start))
    query = (
        select(t.charge.c.attempt_id, func.sum(t.charge.c.cost))
        .join(t.attempt, t.attempt.c.id == t.charge.c.attempt_id)
        .where(alive)
        .group_by(t.charge.c.attempt_id)
    )
    return {attempt_id: Decimal(cost) for attempt_id, cost in unit.connection.execute(query)}


def any_unrated(unit: Unit) -> bool:
    """Whether any segment has no charges yet."""
    query = select(t.usage_segment.c.attempt_id).where(t.usage_segment.c.rated_at.is_(None)).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None
