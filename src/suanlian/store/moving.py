"""What is at a platform that is emptied, and where tasks are sent by their owner."""

import json
from collections.abc import Sequence

from sqlalchemy import select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

_ROOM = ("run", "pause", "recall")


def set_drain(unit: Unit, platform_id: str, drain: str | None) -> None:
    """Who drains a platform, or nobody."""
    unit.connection.execute(update(t.platform).where(t.platform.c.id == platform_id).values(drain=drain))


def live_at(unit: Unit, platform_id: str) -> Sequence[Row]:
    """What a platform has and has not ended, in the order of ids."""
    live = (t.attempt.c.platform_id == platform_id) & t.attempt.c.ended_at.is_(None)
    query = select(t.attempt.c.id, t.attempt.c.wish).where(live).order_by(t.attempt.c.id)
    return unit.connection.execute(query).mappings().all()


def at_drained(unit: Unit, limit: int) -> Sequence[Row]:
    """Live attempts at platforms that an operator drains, that were not told to make room."""
    query = (
        select(t.attempt.c.id, t.attempt.c.job_id, t.attempt.c.platform_id, t.platform.c.drain, t.job.c.spec)
        .join(t.platform, t.platform.c.id == t.attempt.c.platform_id)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .where(t.platform.c.drain.is_not(None), t.attempt.c.ended_at.is_(None), t.attempt.c.wish.in_(_ROOM))
        .order_by(t.attempt.c.job_id, t.attempt.c.id)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()


def flavor_body(unit: Unit, flavor_id: str) -> str:
    """A flavor as it was published last."""
    query = select(t.published.c.body).where(t.published.c.id == flavor_id).order_by(t.published.c.version.desc())
    return str(unit.connection.execute(query.limit(1)).scalar_one())


def aim_waiting(unit: Unit, job_id: str, index: int | None, until: str, to: str) -> int:
    """Send tasks that wait to one platform; returns how many."""
    waits = (t.task.c.job_id == job_id) & (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    if index is not None:
        waits &= t.task.c.idx == index
    aim = json.dumps({"until": until, "platform": to, "avoid": []})
    return unit.connection.execute(update(t.task).where(waits).values(aim=aim)).rowcount
