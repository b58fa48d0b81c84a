"""Runs that put claims to the test, and who has none that still stands."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

_STOPPED = ("applied", "suspended", "frozen", "withdrawn")


def add(unit: Unit, row: Row) -> None:
    """Insert a run that is asked for."""
    unit.connection.execute(insert(t.verification).values(**row))


def change(unit: Unit, run_id: str, values: Mapping[str, Any]) -> bool:
    """Update a run that has not ended; false when it has."""
    which = (t.verification.c.id == run_id) & t.verification.c.ended_at.is_(None)
    return unit.connection.execute(update(t.verification).where(which).values(**values)).rowcount == 1


def find(unit: Unit, run_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.verification).where(t.verification.c.id == run_id)).mappings().one_or_none()


def still_open(unit: Unit) -> Sequence[Row]:
    """Runs that have not ended, oldest first, with the host that their connector names."""
    query = (
        select(t.verification, t.connector.c.host)
        .join(t.connector, t.connector.c.id == t.verification.c.connector_id)
        .where(t.verification.c.ended_at.is_(None))
    )
    return unit.connection.execute(query.order_by(t.verification.c.asked_at, t.verification.c.id)).mappings().all()


def of_claim(unit: Unit, what: Mapping[str, Any], since: datetime) -> Sequence[Row]:
    """The runs of one claim of one flavor at one connector since then, oldest first."""
    columns = (t.verification.c[name] == value for name, value in what.items())
    query = select(t.verification).where(*columns, t.verification.c.asked_at >= since)
    return unit.connection.execute(query.order_by(t.verification.c.asked_at, t.verification.c.id)).mappings().all()


def of_platform(unit: Unit, platform_id: str, *, before: str, limit: int) -> Sequence[Row]:
    """A platform's runs, newest first, with the names of connector and flavor."""
    flavor = t.published.alias("flavor")
    query = (
        select(t.verification, t.connector.c.name.label("connector"), flavor.c.name.label("flavor"), flavor.c.body)
        .join(t.connector, t.connector.c.id == t.verification.c.connector_id)
        .join(
            flavor,
            (flavor.c.id == t.verification.c.flavor_id) & (flavor.c.version == t.verification.c.flavor_version),
        )
        .where(t.verification.c.platform_id == platform_id)
    )
    if before:
        query = query.where(t.verification.c.id < before)
    return unit.connection.execute(query.order_by(t.verification.c.id.desc()).limit(limit)).mappings().all()


def conforming(unit: Unit) -> Sequence[Row]:
    """Connectors whose conformance run passed as they are now, of platforms that nobody stopped."""
    passed = exists().where(
        t.conformance_run.c.connector_id == t.connector.c.id,
        t.conformance_run.c.public_key == t.connector.c.public_key,
        t.conformance_run.c.inventory_digest == t.connector.c.inventory_digest,
        t.conformance_run.c.passed.is_(True),
    )
    query = (
        select(t.connector, t.platform.c.state.label("platform_state"))
        .join(t.platform, t.platform.c.id == t.connector.c.platform_id)
        .where(t.platform.c.state.not_in(_STOPPED), passed)
    )
    return unit.connection.execute(query.order_by(t.connector.c.id)).mappings().all()


def probing(unit: Unit, connector_id: str, host: str) -> bool:
    """Whether any probe runs at this connector, or on the machine that it says it shares with others."""
    here = t.connector.c.id == connector_id
    if host:
        here |= t.connector.c.host == host
    query = (
        select(t.attempt.c.id)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .join(t.connector, t.connector.c.id == t.attempt.c.connector_id)
        .where(t.attempt.c.ended_at.is_(None), t.job.c.purpose != "", here)
        .limit(1)
    )
    return unit.connection.execute(query).scalar_one_or_none() is not None
