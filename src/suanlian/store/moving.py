"""What is at a platform that is emptied, and where tasks are sent by their owner."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import select, update

from suanlian.store import jobs
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


def drains(unit: Unit) -> dict[str, str]:
    """Platforms that an operator drains, by id, with what was said."""
    query = select(t.platform.c.id, t.platform.c.drain).where(t.platform.c.drain.is_not(None))
    return {row["id"]: row["drain"] for row in unit.connection.execute(query).mappings()}


def at_platforms(unit: Unit, platform_ids: Collection[str], after: tuple[str, str], limit: int) -> Sequence[Row]:
    """Live attempts there that were not told to make room, by (job, attempt), those behind ``after``.

    Each with its job's spec and what its connector understands (``knows``).
    """
    found, (job_id, attempt_id) = t.attempt.c, after
    behind = (found.job_id > job_id) | ((found.job_id == job_id) & (found.id > attempt_id))
    query = (
        select(found.id, found.job_id, found.platform_id, found.started_at, t.job.c.spec, t.connector.c.knows)
        .join(t.connector, t.connector.c.id == found.connector_id)
        .join(t.job, t.job.c.id == found.job_id)
        .where(found.platform_id.in_(list(platform_ids)), found.ended_at.is_(None), found.wish.in_(_ROOM), behind)
    )
    return unit.connection.execute(query.order_by(found.job_id, found.id).limit(limit)).mappings().all()


def flavor_body(unit: Unit, flavor_id: str) -> str:
    """A flavor as it was published last."""
    query = select(t.published.c.body).where(t.published.c.id == flavor_id).order_by(t.published.c.version.desc())
    return str(unit.connection.execute(query.limit(1)).scalar_one())


def aim_waiting(unit: Unit, job: Row, index: int | None, until: str, to: str) -> int:
    """Send tasks of a locked job that wait to one platform, those without a row too; returns how many."""
    waits = (t.task.c.job_id == job["id"]) & (t.task.c.state == "QUEUED") & t.task.c.attempt_id.is_(None)
    unmade = job["tasks"] - job["made"] if job["rest"] == "QUEUED" else 0
    if index is not None:
        if unmade and index >= job["made"]:  # it alone is sent: it needs a row of its own
            jobs.make_tasks(unit, job, index + 1 - job["made"])
        waits &= t.task.c.idx == index
        unmade = 0
    aim = json.dumps({"until": until, "platform": to, "avoid": []})
    if unmade:
        jobs.change(unit, job["id"], {"rest_aim": aim})
    return int(unit.connection.execute(update(t.task).where(waits).values(aim=aim)).rowcount) + unmade
