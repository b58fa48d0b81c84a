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


def newest_moves(unit: Unit, since: datetime) -> str | None:
    """What running work should do by the last tick that looked at it, if it is not older than this."""
    looked = t.market_tick.c.moves.is_not(None) & (t.market_tick.c.at >= since)
    query = select(t.market_tick.c.moves).where(looked).order_by(t.market_tick.c.at.desc(), t.market_tick.c.id.desc())
    return unit.connection.execute(query.limit(1)).scalar_one_or_none()


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


def movable(unit: Unit, *, limit: int) -> Sequence[Row]:
    """Attempts that run and that nobody told anything else, the oldest first, each with its job and its checkpoint.

    ``knows``: what its connector understands. ``whole_at`` and ``size``: of the task's checkpoint, if there is one.
    """
    a, kept = t.attempt.c, t.checkpoint.c
    runs = (a.state == "RUNNING") & (a.wish == "run") & a.started_at.is_not(None) & a.ended_at.is_(None)
    alone = a.fenced_at.is_(None) & (t.job.c.purpose == "") & t.job.c.canceling.is_(False)
    task = (t.task.c.job_id == a.job_id) & (t.task.c.idx == a.idx)
    last = (kept.job_id == a.job_id) & (kept.idx == a.idx) & kept.whole_at.is_not(None) & kept.dropped_at.is_(None)
    columns = (a.id, a.job_id, a.idx, a.number, a.share_id, a.variant, a.started_at, a.created_at, t.task.c.aim)
    sold = (t.assignment.c.offer_id, t.assignment.c.offer_version)
    of_job = (t.job.c.account_id, t.job.c.lender, t.entity.c.name.label("entity"), t.connector.c.knows)
    query = (
        select(*columns, *of_job, *sold, kept.whole_at, kept.size)
        .join(t.job, t.job.c.id == a.job_id)
        .join(t.entity, t.entity.c.id == t.job.c.entity_id)
        .join(t.connector, t.connector.c.id == a.connector_id)
        .join(t.task, task)
        .join(t.assignment, t.assignment.c.attempt_id == a.id)
        .outerjoin(t.checkpoint, last)
        .where(runs & alone)
        .order_by(a.id)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()
