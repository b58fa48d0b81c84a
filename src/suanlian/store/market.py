"""Ticks of the matcher."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from suanlian.model.market import TickState
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add(unit: Unit, tick: Row) -> None:
    """Keep a tick."""
    unit.connection.execute(insert(t.market_tick).values(**tick))


def newest(unit: Unit) -> Row | None:
    """The last tick, however it ended."""
    query = select(t.market_tick).order_by(t.market_tick.c.at.desc(), t.market_tick.c.id.desc()).limit(1)
    return unit.connection.execute(query).mappings().first()


def newest_good(unit: Unit, since: datetime) -> Row | None:
    """The last tick that ended well, if it is not older than this."""
    good = (t.market_tick.c.state == TickState.OK) & (t.market_tick.c.at >= since)
    query = select(t.market_tick).where(good).order_by(t.market_tick.c.at.desc(), t.market_tick.c.id.desc()).limit(1)
    return unit.connection.execute(query).mappings().first()


def since(unit: Unit, start: datetime) -> Sequence[Row]:
    """State, total and bound of the ticks since then, oldest first."""
    columns = (t.market_tick.c.state, t.market_tick.c.total, t.market_tick.c.bound)
    query = select(*columns).where(t.market_tick.c.at >= start).order_by(t.market_tick.c.at)
    return unit.connection.execute(query).mappings().all()


def forget(unit: Unit, before: datetime) -> int:
    """Forget older ticks; how many went. What a placement went by stands in its own explanation."""
    return unit.connection.execute(delete(t.market_tick).where(t.market_tick.c.at < before)).rowcount


def waiting(unit: Unit, *, limit: int) -> Sequence[Row]:
    """Jobs with waiting tasks by their turns: what the matcher needs of them but the spec."""
    in_time = t.job.c.start_by.is_(None) | (t.job.c.start_by >= unit.now)
    waits = (t.job.c.queued > 0) & t.job.c.blocked.is_(False) & in_time & (t.job.c.purpose == "")
    columns = (t.job.c.id, t.job.c.account_id, t.job.c.queued, t.job.c.priority, t.job.c.lender, t.job.c.created_at)
    told = t.job.c.waiting.is_not(None).label("told")
    query = (
        select(*columns, told, t.entity.c.name.label("entity"))
        .join(t.entity, t.entity.c.id == t.job.c.entity_id)
        .where(waits)
        .order_by(t.job.c.turn)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()


def running(unit: Unit) -> Sequence[Row]:
    """What runs or is about to, by job and share: how many attempts, and when they began on average."""
    began = func.coalesce(t.attempt.c.started_at, t.attempt.c.created_at)
    columns = (t.attempt.c.job_id, t.attempt.c.share_id, func.count().label("attempts"), func.min(began).label("began"))
    query = select(*columns).where(t.attempt.c.ended_at.is_(None)).group_by(t.attempt.c.job_id, t.attempt.c.share_id)
    return unit.connection.execute(query).mappings().all()
