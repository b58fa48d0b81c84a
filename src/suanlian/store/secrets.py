"""Sealed secrets by account and name; an account never sees another's."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def find(unit: Unit, account_id: str, name: str) -> Row | None:
    """One secret of the account, locked until the unit ends."""
    query = select(t.secret).where(t.secret.c.account_id == account_id, t.secret.c.name == name).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def named(unit: Unit, account_id: str, names: Collection[str]) -> dict[str, Row]:
    """Those of the names that the account has."""
    query = select(t.secret).where(t.secret.c.account_id == account_id, t.secret.c.name.in_(list(names)))
    return {row["name"]: row for row in unit.connection.execute(query).mappings()}


def count(unit: Unit, account_id: str) -> int:
    """How many the account has."""
    query = select(func.count()).select_from(t.secret).where(t.secret.c.account_id == account_id)
    return int(unit.connection.execute(query).scalar_one())


def list_of(unit: Unit, account_id: str, *, after: str, limit: int) -> Sequence[Row]:
    """The account's, by name."""
    query = select(t.secret).where(t.secret.c.account_id == account_id, t.secret.c.name > after)
    return unit.connection.execute(query.order_by(t.secret.c.name).limit(limit)).mappings().all()


def add(unit: Unit, row: Row) -> None:
    """Insert a secret."""
    unit.connection.execute(insert(t.secret).values(**row))


def change(unit: Unit, secret_id: str, values: Row) -> None:
    """Seal another value in its place."""
    unit.connection.execute(update(t.secret).where(t.secret.c.id == secret_id).values(**values))


def remove(unit: Unit, secret_id: str) -> None:
    """Delete the row: what it said is gone."""
    unit.connection.execute(delete(t.secret).where(t.secret.c.id == secret_id))


def set_sealing_key(unit: Unit, connector_id: str, key: str) -> None:
    """Note to which key secrets for this connector are sealed from now on."""
    unit.connection.execute(update(t.connector).where(t.connector.c.id == connector_id).values(sealing_key=key))
