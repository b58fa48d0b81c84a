"""Ticks of the matcher."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sqlalchemy import case, delete, func, insert, select

from suanlian.model.market import TickState
from suanlian.store import tables as t
from suanlian.store.dialect import lines_of
from suanlian.store.unit import Row, Unit

_AT_ONCE: Final = 500
_MOST_KEPT: Final = 50_000


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
    """Jobs with waiting tasks by their turns: what changes of them, how many wait and whether they were told why."""
    in_time = t.job.c.start_by.is_(None) | (t.job.c.start_by >= unit.now)
    waits = (t.job.c.queued > 0) & t.job.c.blocked.is_(False) & in_time & (t.job.c.purpose == "")
    told = case((t.job.c.waiting.is_not(None), 1), else_=0).label("told")
    query = select(t.job.c.id, t.job.c.queued, told).where(waits).order_by(t.job.c.turn).limit(limit)
    return [_waits(line) for line in lines_of(unit.connection, query)]


@lru_cache(maxsize=_MOST_KEPT)
def _waits(line: str) -> Row:
    """One of them: the very same value as long as nothing changed of it."""
    job_id, queued, told = line.split(" ")
    return MappingProxyType({"id": job_id, "queued": int(queued), "told": told == "1"})


@dataclass(frozen=True, slots=True)
class Asker:
    """What never changes of a job but its spec: whose it is, since when (s), and how it was lent."""

    account_id: str
    entity: str
    lender: str
    priority: int
    created: float


def askers(unit: Unit, job_ids: Sequence[str]) -> dict[str, Asker]:
    """Who asks by each of these jobs."""
    columns = (t.job.c.account_id, t.entity.c.name, t.job.c.lender, t.job.c.priority, t.job.c.created_at)
    query = select(t.job.c.id, *columns).join(t.entity, t.entity.c.id == t.job.c.entity_id)
    found = dict[str, Asker]()
    for start in range(0, len(job_ids), _AT_ONCE):
        some = query.where(t.job.c.id.in_(job_ids[start : start + _AT_ONCE]))
        for job_id, account, entity, lender, priority, created in unit.connection.execute(some):
            found[job_id] = Asker(account, entity, lender, priority, created.timestamp())
    return found


def specs(unit: Unit, job_ids: Sequence[str]) -> dict[str, str]:
    """The specs of these jobs, as they were stored."""
    found = dict[str, str]()
    for start in range(0, len(job_ids), _AT_ONCE):
        query = select(t.job.c.id, t.job.c.spec).where(t.job.c.id.in_(job_ids[start : start + _AT_ONCE]))
        found |= {job_id: spec for job_id, spec in unit.connection.execute(query)}  # noqa: C416 - rows are no pairs
    return found


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
