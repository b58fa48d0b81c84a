"""Rules for copies, and how far each holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, true, update

from suanlian.model.party import Caller
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

_c = t.copy_rule.c


def add(unit: Unit, row: Row) -> None:
    """Insert a rule."""
    unit.connection.execute(insert(t.copy_rule).values(**row))


def change(unit: Unit, rule_id: str, values: Mapping[str, Any]) -> None:
    """Update a rule where something differs."""
    differs = or_(*(_c[name].is_distinct_from(value) for name, value in values.items()))
    unit.connection.execute(update(t.copy_rule).where(_c.id == rule_id, differs).values(**values))


def _visible(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.sees_all else _c.account_id == caller.account_id


def seen(unit: Unit, caller: Caller, rule_id: str) -> Row | None:
    """A rule, if the caller may see it."""
    query = select(t.copy_rule).where(_c.id == rule_id, _visible(caller))
    return unit.connection.execute(query).mappings().one_or_none()


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> Sequence[Row]:
    """Newest first, with the name of the dataset."""
    query = select(t.copy_rule, t.dataset.c.name.label("dataset"), t.dataset_version.c.number.label("number"))
    query = query.join(t.dataset, t.dataset.c.id == _c.dataset_id)
    query = query.outerjoin(t.dataset_version, t.dataset_version.c.id == _c.version_id).where(_visible(caller))
    if after:
        query = query.where(_c.id < after)
    return unit.connection.execute(query.order_by(_c.id.desc()).limit(limit)).mappings().all()


def open_of(unit: Unit, dataset_id: str) -> Sequence[Row]:
    """The rules of a dataset that have not ended, oldest first."""
    query = select(t.copy_rule).where(_c.dataset_id == dataset_id, _c.ended_at.is_(None)).order_by(_c.id)
    return unit.connection.execute(query).mappings().all()


def datasets(unit: Unit) -> Sequence[str]:
    """Datasets that have rules which have not ended."""
    query = select(_c.dataset_id).where(_c.ended_at.is_(None)).distinct().order_by(_c.dataset_id)
    return unit.connection.execute(query).scalars().all()


def expiring(unit: Unit, limit: int) -> Sequence[str]:
    """Versions that have copies whose time is over."""
    over = (t.replica.c.expires_at <= unit.now) & (t.replica.c.state == "whole")
    query = select(t.replica.c.version_id).where(over).distinct().order_by(t.replica.c.version_id).limit(limit)
    return unit.connection.execute(query).scalars().all()


def end_all(unit: Unit, version_id: str) -> None:
    """The rules of a version that is deleted end."""
    which = (_c.version_id == version_id) & _c.ended_at.is_(None)
    unit.connection.execute(update(t.copy_rule).where(which).values(ended_at=unit.now))


def by_id(unit: Unit, rule_id: str) -> Row | None:
    """A rule as it is, locked until the unit ends; who may see it is decided elsewhere."""
    query = select(t.copy_rule).where(_c.id == rule_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()
