"""Capability figures by how they are known: append-only rows, the newest of each word counts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, func, insert, select

from suanlian.model.ids import FlavorId
from suanlian.model.measurement import Metric
from suanlian.model.performance import Grade, Precision, Word
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

_HUBS_AND_OWN: Final = (Grade.VERIFIED.value, Grade.SELF_MEASURED.value)


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


def words(unit: Unit) -> dict[FlavorId, tuple[Word, ...]]:
    """What the hub timed and what connectors measured of each flavor's matrix products: the newest of each word."""
    key = (t.capability.c.flavor_id, t.capability.c.precision, t.capability.c.grade)
    wanted = (t.capability.c.metric == Metric.MATMUL.value) & t.capability.c.grade.in_(_HUBS_AND_OWN)
    newest = select(*key, func.max(t.capability.c.at).label("at")).where(wanted).group_by(*key).subquery()
    same = [column == newest.c[column.name] for column in (*key, t.capability.c.at)]
    query = select(*key, t.capability.c.value, t.capability.c.claim, t.capability.c.source).where(wanted)
    found: dict[FlavorId, list[Word]] = defaultdict(list)
    for row in unit.connection.execute(query.join(newest, and_(*same))).mappings():
        found[FlavorId(row["flavor_id"])].append(_word(row))
    return {flavor: tuple(said) for flavor, said in found.items()}


def _word(row: Row) -> Word:
    return Word(Precision(row["precision"]), Grade(row["grade"]), row["value"], row["claim"], row["source"])
