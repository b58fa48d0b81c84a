"""Connectors that are not heard of, what they hold, and how an attempt is fenced when another takes its place."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, select, update

from suanlian.model.job import EndCause, JobState, Outcome
from suanlian.model.protocol import Wish
from suanlian.store import attempts, capacity, platforms
from suanlian.store import tables as t
from suanlian.store.jobs import ordinary
from suanlian.store.unit import Row, Unit

_ONE = 1


def hearing(unit: Unit) -> Row | None:
    """Since when the hub could hear; None before the first beat."""
    return unit.connection.execute(select(t.hearing)).mappings().one_or_none()


def keep_hearing(unit: Unit, values: Row) -> None:
    """Write it down."""
    found = unit.connection.execute(update(t.hearing).where(t.hearing.c.id == _ONE).values(**values)).rowcount
    if not found:
        unit.connection.execute(insert(t.hearing).values(id=_ONE, **values))


def heard_once(unit: Unit) -> Sequence[Row]:
    """Every connector that was ever heard: when last, and since when it is lost."""
    columns = (t.connector.c.id, t.connector.c.platform_id, t.connector.c.seen_at, t.connector.c.lost_since)
    query = select(*columns).where(t.connector.c.seen_at.is_not(None)).order_by(t.connector.c.id)
    return unit.connection.execute(query).mappings().all()


def mark(unit: Unit, connector_id: str, seen_at: datetime) -> bool:
    """Mark it lost, unless it was heard since it was looked at."""
    which = (t.connector.c.id == connector_id) & t.connector.c.lost_since.is_(None)
    still = update(t.connector).where(which, t.connector.c.seen_at == seen_at)
    return unit.connection.execute(still.values(lost_since=unit.now)).rowcount == 1


def lost_connector(unit: Unit, connector_id: str) -> datetime | None:
    """Since when it is lost, held as it is until the unit ends; None while it is heard."""
    query = select(t.connector.c.lost_since).where(t.connector.c.id == connector_id).with_for_update()
    found: datetime | None = unit.connection.execute(query).scalar_one_or_none()
    return found


def to_rerun(unit: Unit, before: datetime, limit: int) -> Sequence[Row]:
    """Tasks of ordinary jobs whose place is lost since ``before`` or longer, and of which nothing is decided yet."""
    query = _held().where(t.connector.c.lost_since <= before, t.task.c.rerun == "", t.job.c.canceling.is_(False))
    return unit.connection.execute(query.order_by(t.task.c.job_id, t.task.c.idx).limit(limit)).mappings().all()


def canceling(unit: Unit, before: datetime, limit: int) -> Sequence[Row]:
    """Attempts that are to end and whose place is lost since ``before`` or longer."""
    query = _held().where(t.connector.c.lost_since <= before, t.attempt.c.wish == Wish.CANCEL.value)
    return unit.connection.execute(query.order_by(t.task.c.job_id, t.task.c.idx).limit(limit)).mappings().all()


def found_again(unit: Unit, limit: int) -> Sequence[Row]:
    """Tasks that look for another place, or wait for theirs, though it is heard again."""
    query = _held().where(t.task.c.rerun != "", t.connector.c.lost_since.is_(None))
    return unit.connection.execute(query.order_by(t.task.c.job_id, t.task.c.idx).limit(limit)).mappings().all()


def _held() -> Any:  # noqa: ANN401 - a query
    """Tasks with their live attempt and its connector."""
    columns = (t.task.c.job_id, t.task.c.idx, t.attempt.c.id.label("attempt_id"), t.attempt.c.connector_id)
    return (
        select(*columns, t.job.c.spec, t.job.c.account_id)
        .join(t.attempt, t.attempt.c.id == t.task.c.attempt_id)
        .join(t.connector, t.connector.c.id == t.attempt.c.connector_id)
        .join(t.job, t.job.c.id == t.task.c.job_id)
        .where(t.attempt.c.ended_at.is_(None), ordinary())
    )


def any_marked(unit: Unit) -> bool:
    """Whether any task looks for another place, or waits for its lost one."""
    query = select(t.task.c.job_id).where(t.task.c.rerun != "").limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def causes(unit: Unit, job_id: str, index: int, besides: str = "") -> list[EndCause]:
    """Why the attempts of a task ended, oldest first, those without a cause left out, and those that a hub moved."""
    moved = (t.attempt.c.cause == EndCause.PREEMPTED.value) & (t.attempt.c.wish_why != "")
    counted = (t.attempt.c.cause != "") & ~moved & (t.attempt.c.id != besides)
    query = select(t.attempt.c.cause).where(t.attempt.c.job_id == job_id, t.attempt.c.idx == index, counted)
    return [EndCause(cause) for cause in unit.connection.execute(query.order_by(t.attempt.c.number)).scalars()]


def is_counted(attempt: Row) -> bool:
    """Whether the end of an attempt counts against its job's tries (``causes`` asks the same of the store)."""
    return bool(attempt["cause"]) and not (attempt["cause"] == EndCause.PREEMPTED and attempt["wish_why"])


def fence(unit: Unit, attempt: Row, state: JobState, reason: str) -> None:
    """End a lost attempt here, for good: what it still brings is not taken, and its connector is told to end it.

    The attempt is locked. What it held of the share is free from now on.
    """
    cause = EndCause.LOST if state is JobState.SYSTEM_ERROR else None
    values = {
        "state": state.value,
        "ended_at": unit.now,
        "fenced_at": unit.now,
        "cause": "" if cause is None else cause.value,
        "outcome": Outcome(reason=reason, cause=cause).model_dump_json(),
        "wish": Wish.FORGET.value,
        "wish_version": attempt["wish_version"] + 1,
        "revision": platforms.next_revision(unit, attempt["connector_id"]),
    }
    attempts.change(unit, attempt["id"], values)
    release = capacity.Releasing(holder_kind="attempt", holder_id=attempt["id"], at=unit.now)
    capacity.change(unit, release, lambda _rows: ())
    unit.wake(f"attempt:{attempt['id']}")


def acknowledge(unit: Unit, connector_id: str, attempt_ids: Sequence[str]) -> None:
    """Nothing of these fenced attempts is left at the connector."""
    mine = (t.attempt.c.connector_id == connector_id) & t.attempt.c.id.in_(attempt_ids)
    unfinished = mine & t.attempt.c.fenced_at.is_not(None) & t.attempt.c.gone_at.is_(None)
    unit.connection.execute(update(t.attempt).where(unfinished).values(gone_at=unit.now))


def acknowledge_until(unit: Unit, connector_id: str, revision: int) -> None:
    """A connector of an earlier release, that cannot say so, has been told of these."""
    mine = (t.attempt.c.connector_id == connector_id) & (t.attempt.c.revision <= revision)
    unfinished = mine & t.attempt.c.fenced_at.is_not(None) & t.attempt.c.gone_at.is_(None)
    unit.connection.execute(update(t.attempt).where(unfinished).values(gone_at=unit.now))


def owing(unit: Unit) -> frozenset[str]:
    """Connectors that still have fenced attempts: what they hold is not known until they have ended them."""
    query = select(t.attempt.c.connector_id).where(t.attempt.c.fenced_at.is_not(None), t.attempt.c.gone_at.is_(None))
    return frozenset(unit.connection.execute(query.distinct()).scalars())


def owes(unit: Unit, connector_id: str) -> bool:
    """Whether it still has fenced attempts."""
    mine = (t.attempt.c.connector_id == connector_id) & t.attempt.c.fenced_at.is_not(None)
    return bool(unit.connection.execute(select(exists().where(mine, t.attempt.c.gone_at.is_(None)))).scalar_one())


def knows(connector: Row) -> frozenset[str]:
    """What a connector understands beyond the first version."""
    return frozenset(json.loads(connector["knows"]))
