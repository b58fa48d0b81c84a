"""Periods of supply checks, the checks, and the most that was seen of each share."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update

from suanlian.model.load import ShareLoad
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

REMEMBERED: Final = timedelta(days=30)
"""What was seen longer ago is told no more, and gives way to what is seen now."""


def period(unit: Unit, number: int) -> Row | None:
    """One period."""
    query = select(t.supply_period).where(t.supply_period.c.number == number)
    return unit.connection.execute(query).mappings().one_or_none()


def add_period(unit: Unit, row: Row) -> bool:
    """Commit to a period; false when it was committed to before."""
    return insert_new(unit.connection, t.supply_period, [row]) == 1


def unrevealed(unit: Unit, before: datetime) -> Sequence[Row]:
    """Periods that ended before this moment and whose seed was not told."""
    ended = (t.supply_period.c.end_at <= before) & t.supply_period.c.revealed_at.is_(None)
    return (
        unit.connection.execute(select(t.supply_period).where(ended).order_by(t.supply_period.c.number))
        .mappings()
        .all()
    )


def reveal(unit: Unit, number: int) -> bool:
    """The seed is told from now on; false when it was before."""
    which = (t.supply_period.c.number == number) & t.supply_period.c.revealed_at.is_(None)
    return unit.connection.execute(update(t.supply_period).where(which).values(revealed_at=unit.now)).rowcount == 1


def add(unit: Unit, row: Row) -> bool:
    """Write a check; false when the share has one in this period."""
    return insert_new(unit.connection, t.supply_check, [row]) == 1


def change(unit: Unit, check_id: str, values: Mapping[str, Any]) -> bool:
    """Update a check that has not ended; false when it has."""
    which = (t.supply_check.c.id == check_id) & t.supply_check.c.ended_at.is_(None)
    return unit.connection.execute(update(t.supply_check).where(which).values(**values)).rowcount == 1


def find(unit: Unit, check_id: str) -> Row | None:
    """By UUID."""
    return (
        unit.connection.execute(select(t.supply_check).where(t.supply_check.c.id == check_id)).mappings().one_or_none()
    )


def reply(unit: Unit, check_id: str, text: str) -> bool:
    """Keep what the owner says; false when something was said before."""
    which = (t.supply_check.c.id == check_id) & t.supply_check.c.reply.is_(None)
    return unit.connection.execute(update(t.supply_check).where(which).values(reply=text)).rowcount == 1


def still_open(unit: Unit) -> Sequence[Row]:
    """Checks that have not ended, oldest first."""
    query = select(t.supply_check).where(t.supply_check.c.ended_at.is_(None))
    return unit.connection.execute(query.order_by(t.supply_check.c.due_at)).mappings().all()


def of_period(unit: Unit, number: int) -> Sequence[Row]:
    """The checks of one period."""
    query = select(t.supply_check).where(t.supply_check.c.period == number)
    return unit.connection.execute(query.order_by(t.supply_check.c.due_at)).mappings().all()


def of_platform(unit: Unit, platform_id: str, *, before: str, limit: int) -> Sequence[Row]:
    """A platform's checks, newest first, with the share's name."""
    share = t.published.alias("share")
    query = (
        select(t.supply_check, share.c.name.label("share"))
        .join(share, (share.c.id == t.supply_check.c.share_id) & (share.c.version == 1))
        .where(t.supply_check.c.platform_id == platform_id)
    )
    if before:
        query = query.where(t.supply_check.c.id < before)
    return unit.connection.execute(query.order_by(t.supply_check.c.id.desc()).limit(limit)).mappings().all()


def between(unit: Unit, start: datetime, end: datetime) -> Sequence[Row]:
    """Checks that ended within [start, end)."""
    query = select(t.supply_check).where(t.supply_check.c.ended_at >= start, t.supply_check.c.ended_at < end)
    return unit.connection.execute(query.order_by(t.supply_check.c.id)).mappings().all()


def load_of(unit: Unit, share_id: str) -> ShareLoad | None:
    """The newest load that was told of a share."""
    body = unit.connection.execute(
        select(t.share_state.c.body).where(t.share_state.c.share_id == share_id)
    ).scalar_one_or_none()
    return None if body is None else ShareLoad.model_validate_json(body)


def sold_runs(unit: Unit, since: datetime) -> Sequence[Row]:
    """What ran since then and was sold to somebody else than the platform's own entity; nothing simulated, no probe."""
    still = t.attempt.c.ended_at.is_(None) | (t.attempt.c.ended_at > since)
    query = (
        select(t.attempt.c.share_id, t.attempt.c.started_at, t.attempt.c.ended_at, t.attempt.c.granted)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .join(t.assignment, t.assignment.c.attempt_id == t.attempt.c.id)
        .join(t.platform, t.platform.c.id == t.attempt.c.platform_id)
        .where(t.attempt.c.started_at.is_not(None), still, t.job.c.purpose == "", t.attempt.c.simulated.is_(False))
        .where(t.assignment.c.offer_id.is_not(None), t.job.c.entity_id != t.platform.c.entity_id)
    )
    return unit.connection.execute(query).mappings().all()


def shown(unit: Unit) -> dict[tuple[str, str], Row]:
    """(share, grade) -> the most that was seen, not longer ago than ``REMEMBERED``."""
    query = select(t.share_shown).where(t.share_shown.c.at >= unit.now - REMEMBERED)
    rows = unit.connection.execute(query).mappings().all()
    return {(row["share_id"], row["grade"]): row for row in rows}


def show(unit: Unit, share_id: str, grade: str, millicores: int) -> None:
    """So much was seen just now; a smaller or older figure gives way."""
    row = {"share_id": share_id, "grade": grade, "millicores": millicores, "at": unit.now}
    which = (t.share_shown.c.share_id == share_id) & (t.share_shown.c.grade == grade)
    yields = (t.share_shown.c.millicores <= millicores) | (t.share_shown.c.at < unit.now - REMEMBERED)
    if insert_new(unit.connection, t.share_shown, [row]) == 0:
        unit.connection.execute(update(t.share_shown).where(which, yields).values(millicores=millicores, at=unit.now))
