"""Append-only versions of sites, flavors, shares and offers."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, insert, select

from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def _newest(*, at: datetime | None) -> Select[Any]:
    query = select(t.published.c.id, func.max(t.published.c.version).label("version")).group_by(t.published.c.id)
    return query if at is None else query.where(t.published.c.valid_from <= at)


def current(
    unit: Unit, *, platform_id: str | None = None, subjects: Collection[str] = (), at: datetime | None = None
) -> Sequence[Row]:
    """The newest version of each thing; with ``at``, the newest that was valid then. Withdrawn ones are included."""
    newest = _newest(at=at).subquery()
    query = select(t.published).join(
        newest, and_(t.published.c.id == newest.c.id, t.published.c.version == newest.c.version)
    )
    if platform_id is not None:
        query = query.where(t.published.c.platform_id == platform_id)
    if subjects:
        query = query.where(t.published.c.subject.in_(subjects))
    return unit.connection.execute(query.order_by(t.published.c.id)).mappings().all()


def version(unit: Unit, thing_id: str, number: int) -> Row | None:
    """One version of one thing, for ever."""
    query = select(t.published).where(t.published.c.id == thing_id, t.published.c.version == number)
    return unit.connection.execute(query).mappings().one_or_none()


def find(unit: Unit, thing_id: str) -> Row | None:
    """The newest version of one thing."""
    query = select(t.published).where(t.published.c.id == thing_id).order_by(t.published.c.version.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def capacity_of(unit: Unit, share_id: str) -> Resources | None:
    """What a share has by its newest version; None where it is published no more."""
    row = find(unit, share_id)
    return None if row is None or row["withdrawn"] else Share.model_validate_json(row["body"]).capacity


def add(unit: Unit, rows: Sequence[Row]) -> None:
    """Append versions."""
    if rows:
        unit.connection.execute(insert(t.published), [dict(row) for row in rows])


def all_versions(unit: Unit) -> Sequence[Row]:
    """Every version of everything, oldest first."""
    query = select(t.published).order_by(t.published.c.id, t.published.c.version)
    return unit.connection.execute(query).mappings().all()


def shares_of(unit: Unit, connector_id: str) -> Sequence[Row]:
    """What a connector publishes now as shares, in the order of names."""
    newest = _newest(at=unit.now).subquery()
    query = (
        select(t.published)
        .join(newest, and_(t.published.c.id == newest.c.id, t.published.c.version == newest.c.version))
        .where(t.published.c.connector_id == connector_id, t.published.c.subject == "share")
        .where(t.published.c.withdrawn.is_(False))
    )
    return unit.connection.execute(query.order_by(t.published.c.name)).mappings().all()
