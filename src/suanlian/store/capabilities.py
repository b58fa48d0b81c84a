"""Capability figures by how they are known: append-only rows, the newest of each word counts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add(unit: Unit, rows: Sequence[Row]) -> None:
    """Append figures."""
    unit.connection.execute(insert(t.capability), [dict(row) for row in rows])


def with_digest(unit: Unit, digest: str) -> Row | None:
    """A figure that came with this signed measurement, wherever it came from."""
    query = select(t.capability).where(t.capability.c.digest == digest).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def newest(unit: Unit, flavor_id: str, grade: str) -> Row | None:
    """The newest figure of this grade of a flavor."""
    query = select(t.capability).where(t.capability.c.flavor_id == flavor_id, t.capability.c.grade == grade)
    return unit.connection.execute(query.order_by(t.capability.c.at.desc()).limit(1)).mappings().one_or_none()


def all_newest(unit: Unit, *, platform_id: str | None = None) -> dict[tuple[str, str, str, str], Row]:
    """(flavor, metric, precision, grade) -> its newest figure."""
    query = select(t.capability).order_by(t.capability.c.at, t.capability.c.id)
    if platform_id is not None:
        query = query.where(t.capability.c.platform_id == platform_id)
    found: dict[tuple[str, str, str, str], Any] = {}
    for row in unit.connection.execute(query).mappings():
        found[row["flavor_id"], row["metric"], row["precision"], row["grade"]] = row
    return found
