"""What platforms have lent: by the lender's key. A foreign platform's key is simply not there."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

OFFER_LASTS: Final = timedelta(hours=1)


def find(unit: Unit, platform_id: str, key: str) -> Row | None:
    """One of a platform, by its key."""
    which = (t.lent_job.c.platform_id == platform_id) & (t.lent_job.c.key == key)
    return unit.connection.execute(select(t.lent_job).where(which)).mappings().one_or_none()


def lock(unit: Unit, platform_id: str, key: str) -> Row | None:
    """The same, locked until the unit ends."""
    which = (t.lent_job.c.platform_id == platform_id) & (t.lent_job.c.key == key)
    return unit.connection.execute(select(t.lent_job).where(which).with_for_update()).mappings().one_or_none()


def add(unit: Unit, row: Row) -> None:
    """Insert an offer."""
    unit.connection.execute(insert(t.lent_job).values(**row))


def change(unit: Unit, platform_id: str, key: str, values: Mapping[str, Any]) -> None:
    """Update one that is locked."""
    which = (t.lent_job.c.platform_id == platform_id) & (t.lent_job.c.key == key)
    unit.connection.execute(update(t.lent_job).where(which).values(**values))


def with_jobs(unit: Unit, platform_id: str, keys: Sequence[str]) -> dict[str, Row]:
    """What there is of these keys, with their jobs where they were confirmed."""
    columns = (t.job.c.public_id, t.job.c.state, t.job.c.ended_at, t.job.c.canceling, t.job.c.waiting, t.job.c.queued)
    query = (
        select(t.lent_job, *columns)
        .outerjoin(t.job, t.job.c.id == t.lent_job.c.job_id)
        .where(t.lent_job.c.platform_id == platform_id, t.lent_job.c.key.in_(keys))
    )
    return {str(row["key"]): row for row in unit.connection.execute(query).mappings()}


def open_count(unit: Unit, platform_id: str) -> int:
    """How many of a platform are lent and have not ended, or were offered lately: an old offer is nobody's any more."""
    is_offer = t.lent_job.c.job_id.is_(None) & t.lent_job.c.withdrawn_at.is_(None)
    is_lent = t.lent_job.c.job_id.is_not(None) & t.job.c.ended_at.is_(None)
    query = (
        select(func.count())
        .select_from(t.lent_job)
        .outerjoin(t.job, t.job.c.id == t.lent_job.c.job_id)
        .where(t.lent_job.c.platform_id == platform_id)
        .where((is_offer & (t.lent_job.c.offered_at > unit.now - OFFER_LASTS)) | is_lent)
    )
    return int(unit.connection.execute(query).scalar_one())


def project_named(unit: Unit, account_id: str, name: str) -> Row | None:
    """A project of an account by its name."""
    query = select(t.project).where(t.project.c.account_id == account_id, t.project.c.name == name)
    return unit.connection.execute(query).mappings().one_or_none()
