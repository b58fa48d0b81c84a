"""Keys over time: the hub's own changes, delegations that it signed, the keys of its connectors."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def hub_keys(unit: Unit) -> Sequence[Row]:
    """Every change of the hub's key, the first one included, in order."""
    return unit.connection.execute(select(t.hub_key).order_by(t.hub_key.c.serial)).mappings().all()


def add_hub_key(unit: Unit, row: Row) -> None:
    """Write a change down."""
    unit.connection.execute(insert(t.hub_key).values(**row))


def delegations(unit: Unit, prefix: str) -> Sequence[Row]:
    """All that was ever signed for a prefix, in order."""
    query = select(t.delegation_issued).where(t.delegation_issued.c.prefix == prefix)
    return unit.connection.execute(query.order_by(t.delegation_issued.c.serial)).mappings().all()


def add_delegation(unit: Unit, row: Row) -> None:
    """Write a signed delegation down."""
    unit.connection.execute(insert(t.delegation_issued).values(**row))


def delegate_of(unit: Unit, platform_id: str) -> Row | None:
    """The prefix that a hub below holds, with what is known of its key."""
    query = select(t.delegation).where(t.delegation.c.platform_id == platform_id)
    return unit.connection.execute(query).mappings().one_or_none()


def all_delegates(unit: Unit) -> Sequence[Row]:
    """Every prefix that a hub below holds."""
    return unit.connection.execute(select(t.delegation).order_by(t.delegation.c.prefix)).mappings().all()


def change_delegate(unit: Unit, prefix: str, values: dict[str, Any]) -> None:
    """Who holds a prefix, by which key and address."""
    unit.connection.execute(update(t.delegation).where(t.delegation.c.prefix == prefix).values(**values))


def change_uplink(unit: Unit, uplink_id: str, values: dict[str, Any]) -> None:
    """What is known of a hub above."""
    unit.connection.execute(update(t.uplink).where(t.uplink.c.id == uplink_id).values(**values))


def connector_keys(unit: Unit, connector_id: str) -> Sequence[Row]:
    """Every key that a connector had since its first change of key; newest first."""
    c = t.connector_key.c
    query = select(t.connector_key).where(c.connector_id == connector_id).order_by(c.since.desc(), c.key_id)
    return unit.connection.execute(query).mappings().all()


def every_key(unit: Unit, connector: Row) -> list[str]:
    """Every key that the connector has or had, the one in use first: what it signed before stays its own."""
    more = [row["public_key"] for row in connector_keys(unit, connector["id"])]
    return list(dict.fromkeys((connector["public_key"], *more)))


def add_connector_key(unit: Unit, row: Row) -> None:
    """Write a key of a connector down."""
    unit.connection.execute(insert(t.connector_key).values(**row))


def change_connector_key(unit: Unit, connector_id: str, key_id: str, values: dict[str, Any]) -> None:
    """When it was first used, until when it holds."""
    which = (t.connector_key.c.connector_id == connector_id) & (t.connector_key.c.key_id == key_id)
    unit.connection.execute(update(t.connector_key).where(which).values(**values))


def owner_of_key(unit: Unit, public_key: str) -> Row | None:
    """The connector that has or had this key, with its platform's id."""
    c = t.connector.c
    query = select(c.id, c.platform_id, c.name).where(c.public_key == public_key).limit(1)
    found = unit.connection.execute(query).mappings().one_or_none()
    if found is not None:
        return found
    had = t.connector_key.c.public_key == public_key
    query = select(c.id, c.platform_id, c.name).join(t.connector_key, t.connector_key.c.connector_id == c.id)
    return unit.connection.execute(query.where(had).limit(1)).mappings().one_or_none()


def change_connector(unit: Unit, connector_id: str, values: dict[str, Any]) -> None:
    """Its key, or the highest version of the protocol that it has spoken."""
    unit.connection.execute(update(t.connector).where(t.connector.c.id == connector_id).values(**values))
