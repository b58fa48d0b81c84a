"""Versions of the market's policy, append-only: the newest holds."""

from collections.abc import Sequence

from sqlalchemy import Select, insert, select

from suanlian.model.market_policy import MarketPolicy, PolicyVersion
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def newest_number(unit: Unit) -> int:
    """The version that holds; 0: the defaults."""
    query = select(t.market_policy.c.version).order_by(t.market_policy.c.version.desc()).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() or 0


def newest(unit: Unit) -> PolicyVersion:
    """The version that holds, with its weights."""
    row = unit.connection.execute(_told().limit(1)).mappings().first()
    return PolicyVersion() if row is None else _value(row)


def versions(unit: Unit, *, before: int, limit: int) -> Sequence[PolicyVersion]:
    """Versions, the newest first; ``before``: only those with a lower number, 0 for all."""
    query = _told() if not before else _told().where(t.market_policy.c.version < before)
    return [_value(row) for row in unit.connection.execute(query.limit(limit)).mappings()]


def add(unit: Unit, row: Row) -> None:
    """Append a version."""
    unit.connection.execute(insert(t.market_policy).values(**row))


def _told() -> Select[tuple[object, ...]]:
    who = (t.principal.c.name.label("who"), t.entity.c.name.label("whose"))
    return (
        select(*t.market_policy.c, *who)
        .outerjoin(t.principal, t.principal.c.id == t.market_policy.c.set_by)
        .outerjoin(t.entity, t.entity.c.id == t.principal.c.entity_id)
        .order_by(t.market_policy.c.version.desc())
    )


def _value(row: Row) -> PolicyVersion:
    by = f"{row['who']} ({row['whose']})" if row["who"] else str(row["set_by"])
    policy = MarketPolicy.model_validate_json(row["body"])
    return PolicyVersion(version=row["version"], policy=policy, at=row["at"], by=by, why=row["why"])
