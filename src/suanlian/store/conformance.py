"""Conformance runs, and the answers that they put in a connector's way."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add(unit: Unit, row: Row) -> None:
    """Insert a run that is asked for."""
    unit.connection.execute(insert(t.conformance_run).values(**row))


def change(unit: Unit, run_id: str, values: Mapping[str, Any]) -> bool:
    """Update a run that has not ended; false when it has."""
    which = (t.conformance_run.c.id == run_id) & t.conformance_run.c.ended_at.is_(None)
    return unit.connection.execute(update(t.conformance_run).where(which).values(**values)).rowcount == 1


def find(unit: Unit, run_id: str) -> Row | None:
    """By UUID."""
    query = select(t.conformance_run).where(t.conformance_run.c.id == run_id)
    return unit.connection.execute(query).mappings().one_or_none()


def still_open(unit: Unit) -> Sequence[Row]:
    """Runs that have not ended, in the order in which they were asked for."""
    query = select(t.conformance_run).where(t.conformance_run.c.ended_at.is_(None))
    return (
        unit.connection.execute(query.order_by(t.conformance_run.c.asked_at, t.conformance_run.c.id)).mappings().all()
    )


def open_at(unit: Unit, connector_id: str) -> Row | None:
    """The run of a connector that has not ended."""
    mine = (t.conformance_run.c.connector_id == connector_id) & t.conformance_run.c.ended_at.is_(None)
    return unit.connection.execute(select(t.conformance_run).where(mine).limit(1)).mappings().one_or_none()


def of_platform(unit: Unit, platform_id: str, *, before: str, limit: int) -> Sequence[Row]:
    """A platform's runs, newest first, with what their connectors are now."""
    now = (t.connector.c.name, t.connector.c.public_key.label("key_now"))
    query = (
        select(t.conformance_run, *now, t.connector.c.inventory_digest.label("inventory_now"))
        .join(t.connector, t.connector.c.id == t.conformance_run.c.connector_id)
        .where(t.conformance_run.c.platform_id == platform_id)
    )
    if before:
        query = query.where(t.conformance_run.c.id < before)
    return unit.connection.execute(query.order_by(t.conformance_run.c.id.desc()).limit(limit)).mappings().all()


def joining(unit: Unit, states: Collection[str]) -> Sequence[Row]:
    """Connectors of compute platforms in these states that published something, with their newest run as they are now.

    ``run_id`` and ``run_report`` are none where they had no run as they are now since their gate was closed.
    """
    run, made = t.conformance_run, t.conformance_run.alias("made")
    # a run of before runs were bound to anything has neither key nor digest: it counts
    bound = and_(
        made.c.public_key.in_(["", t.connector.c.public_key]),
        made.c.inventory_digest.in_(["", t.connector.c.inventory_digest]),
    )
    since = t.connector.c.gate_from.is_(None) | (made.c.asked_at >= t.connector.c.gate_from)
    mine = select(func.max(made.c.id)).where(made.c.connector_id == t.connector.c.id, bound, since)
    newest = mine.correlate(t.connector).scalar_subquery()
    query = (
        select(t.connector, t.platform.c.state.label("platform_state"))
        .add_columns(run.c.id.label("run_id"), run.c.report.label("run_report"))
        .join(t.platform, t.platform.c.id == t.connector.c.platform_id)
        .outerjoin(run, run.c.id == newest)
        .where(t.platform.c.state.in_(states), t.platform.c.kind == "compute")
        .where(t.connector.c.inventory_digest.is_not(None))
    )
    return unit.connection.execute(query.order_by(t.connector.c.id)).mappings().all()


def stage(unit: Unit, row: Row) -> None:
    """Put an answer in a connector's way."""
    unit.connection.execute(insert(t.staged_answer).values(**row))


def next_staged(unit: Unit, connector_id: str) -> Row | None:
    """The oldest answer that is still to be told to a connector, of a run that goes on."""
    query = (
        select(t.staged_answer)
        .join(t.conformance_run, t.conformance_run.c.id == t.staged_answer.c.run_id)
        .where(t.staged_answer.c.connector_id == connector_id, t.staged_answer.c.told_at.is_(None))
        .where(t.conformance_run.c.ended_at.is_(None))
        .order_by(t.staged_answer.c.staged_at, t.staged_answer.c.id)
        .limit(1)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def staged(unit: Unit, answer_id: str) -> Row | None:
    """By UUID."""
    query = select(t.staged_answer).where(t.staged_answer.c.id == answer_id)
    return unit.connection.execute(query).mappings().one_or_none()


def told(unit: Unit, answer_id: str, revision: int) -> None:
    """It goes out now, up to this revision."""
    values = {"told_at": unit.now, "told_revision": revision}
    unit.connection.execute(update(t.staged_answer).where(t.staged_answer.c.id == answer_id).values(**values))


def asked(unit: Unit, connector_id: str, revision: int) -> None:
    """The connector asks from this revision, the first time since it was told."""
    which = (t.staged_answer.c.connector_id == connector_id) & t.staged_answer.c.told_at.is_not(None)
    waits = which & t.staged_answer.c.asked_revision.is_(None)
    unit.connection.execute(update(t.staged_answer).where(waits).values(asked_revision=revision))
