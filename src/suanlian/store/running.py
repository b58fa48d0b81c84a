"""What runs where, and so what is given back when: for estimates of when there is room again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from suanlian.store import tables as t
from suanlian.store.dialect import lines_of
from suanlian.store.unit import Row, Unit

_AT_ONCE: Final = 500


def on_shares(unit: Unit, shares: Collection[str], *, limit: int) -> Sequence[Row]:
    """Attempts that hold something of these shares, the oldest first, with their job's id and spec."""
    columns = (t.attempt.c.share_id, t.attempt.c.granted, t.attempt.c.started_at, t.attempt.c.variant)
    query = select(*columns, t.attempt.c.job_id, t.job.c.spec).join(t.job, t.job.c.id == t.attempt.c.job_id)
    query = query.where(t.attempt.c.share_id.in_(list(shares)), t.attempt.c.ended_at.is_(None))
    return unit.connection.execute(query.order_by(t.attempt.c.id).limit(limit)).mappings().all()


def live_ids(unit: Unit) -> Sequence[str]:
    """Attempts that hold something of a share, the oldest first."""
    query = select(t.attempt.c.id).where(t.attempt.c.ended_at.is_(None)).order_by(t.attempt.c.id)
    return lines_of(unit.connection, query)


def of_attempts(unit: Unit, attempts: Sequence[str]) -> dict[str, Row]:
    """Of these attempts, by id, whose they are, what they hold and since when."""
    columns = (t.attempt.c.id, t.attempt.c.job_id, t.attempt.c.account_id, t.attempt.c.share_id)
    more = (t.attempt.c.granted, t.attempt.c.started_at, t.attempt.c.created_at, t.entity.c.name.label("entity"))
    query = select(*columns, *more).join(t.job, t.job.c.id == t.attempt.c.job_id)
    query = query.join(t.entity, t.entity.c.id == t.job.c.entity_id)
    found = dict[str, Row]()
    for start in range(0, len(attempts), _AT_ONCE):
        some = query.where(t.attempt.c.id.in_(attempts[start : start + _AT_ONCE]))
        found |= {row["id"]: row for row in unit.connection.execute(some).mappings()}
    return found


def ended_at(unit: Unit, attempts: Sequence[str]) -> Mapping[str, datetime]:
    """When these attempts ended, of those that have."""
    found = dict[str, datetime]()
    for start in range(0, len(attempts), _AT_ONCE):
        some = attempts[start : start + _AT_ONCE]
        query = select(t.attempt.c.id, t.attempt.c.ended_at).where(t.attempt.c.id.in_(some))
        found |= {row["id"]: row["ended_at"] for row in unit.connection.execute(query).mappings() if row["ended_at"]}
    return found


def ended_since(unit: Unit, since: datetime, *, limit: int) -> Sequence[Row]:
    """Of attempts that ran and ended since then, the newest first: whose they were, what they held and for how long."""
    columns = (t.attempt.c.account_id, t.attempt.c.granted, t.attempt.c.started_at, t.attempt.c.ended_at)
    ran = t.attempt.c.started_at.is_not(None) & (t.attempt.c.ended_at >= since)
    query = select(*columns).where(ran).order_by(t.attempt.c.ended_at.desc()).limit(limit)
    return unit.connection.execute(query).mappings().all()
