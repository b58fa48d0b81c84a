"""Platforms, their connectors and revisions, nonces of signed calls, delegated prefixes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""Replicas' clocks may differ: a nonce is kept for so long beyond its time."""

SEEN_STEP: Final = timedelta(seconds=5)
"""How fine it is noted when a connector called."""


def add(unit: Unit, row: Row) -> None:
    """Insert a platform."""
    unit.connection.execute(insert(t.platform).values(**row))


def find(unit: Unit, ref: str) -> Row | None:
    """By UUID, public identifier or name."""
    which = or_(t.platform.c.id == ref, t.platform.c.public_id == ref, t.platform.c.name == ref)
    return unit.connection.execute(select(t.platform).where(which)).mappings().one_or_none()


def hold(unit: Unit, ref: str) -> Row | None:
    """As ``find``, and it stays as it is until the unit ends: who moves it on waits, and sees what was placed."""
    which = or_(t.platform.c.id == ref, t.platform.c.public_id == ref, t.platform.c.name == ref)
    return unit.connection.execute(select(t.platform).where(which).with_for_update(read=True)).mappings().one_or_none()


def list_all(unit: Unit, *, after: str = "", limit: int | None = None) -> Sequence[Row]:
    """In the order of ids; all of them without a limit."""
    query = select(t.platform).where(t.platform.c.id > after).order_by(t.platform.c.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def any_live(unit: Unit) -> bool:
    """Whether work can be placed anywhere at all."""
    query = select(t.platform.c.id).where(t.platform.c.state == "live").limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def change(unit: Unit, platform_id: str, old_state: str, values: Mapping[str, Any]) -> bool:
    """Change it if it is still in ``old_state``."""
    which = (t.platform.c.id == platform_id) & (t.platform.c.state == old_state)
    return unit.connection.execute(update(t.platform).where(which).values(**values)).rowcount == 1


def add_connector(unit: Unit, row: Row) -> None:
    """Insert a connector."""
    unit.connection.execute(insert(t.connector).values(**row))


def find_connector(unit: Unit, connector_id: str) -> Row | None:
    """By UUID, with its platform's name and state."""
    query = (
        select(t.connector, t.platform.c.name.label("platform"), t.platform.c.state.label("platform_state"))
        .join(t.platform, t.platform.c.id == t.connector.c.platform_id)
        .where(t.connector.c.id == connector_id)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def connectors_of(unit: Unit, platform_id: str) -> Sequence[Row]:
    """All connectors of a platform."""
    query = select(t.connector).where(t.connector.c.platform_id == platform_id).order_by(t.connector.c.id)
    return unit.connection.execute(query).mappings().all()


def all_connectors(unit: Unit) -> Sequence[Row]:
    """Every connector."""
    return unit.connection.execute(select(t.connector).order_by(t.connector.c.id)).mappings().all()


def change_connector(unit: Unit, connector_id: str, values: Mapping[str, Any]) -> None:
    """Update a connector where something differs; what is as it was locks no row."""
    differs = or_(*(t.connector.c[name].is_distinct_from(value) for name, value in values.items()))
    unit.connection.execute(update(t.connector).where(t.connector.c.id == connector_id, differs).values(**values))


def next_revision(unit: Unit, connector_id: str, count: int = 1) -> int:
    """Bump the connector's counter under its row lock: what commits later has the higher number.

    The last of ``count`` numbers that follow each other.
    """
    bumped = (
        update(t.connector)
        .where(t.connector.c.id == connector_id)
        .values(revision=t.connector.c.revision + count)
        .returning(t.connector.c.revision)
    )
    unit.wake(f"connector:{connector_id}")
    return int(unit.connection.execute(bumped).scalar_one())


def seen(unit: Unit, connector_id: str, *, accepting: bool | None = None) -> None:
    """Note that the connector called just now: it is lost no longer."""
    values: dict[str, Any] = {"seen_at": unit.now, "lost_since": None}
    news = t.connector.c.seen_at.is_(None) | (t.connector.c.seen_at < unit.now - SEEN_STEP)
    news |= t.connector.c.lost_since.is_not(None)
    if accepting is not None:
        values["accepting"] = accepting
        news |= t.connector.c.accepting != accepting
    # without news no row is locked: a connector that reports and polls at once waits for nobody
    unit.connection.execute(update(t.connector).where(t.connector.c.id == connector_id, news).values(**values))


def remember_nonce(unit: Unit, row: Row) -> bool:
    """False when this key used the nonce before. Those that have expired are swept by ``sweep_nonces``."""
    return insert_new(unit.connection, t.nonce, [row]) == 1


def sweep_nonces(unit: Unit) -> int:
    """Forget the nonces of calls that are too old to be accepted anyway."""
    return unit.connection.execute(delete(t.nonce).where(t.nonce.c.expires_at < unit.now - CLOCKS_DIFFER)).rowcount


def delegate(unit: Unit, row: Row) -> None:
    """Write down to whom a prefix belongs."""
    unit.connection.execute(insert(t.delegation).values(**row))


def delegation_of(unit: Unit, prefix: str) -> Row | None:
    """The hub below that the longest leading part of ``prefix`` belongs to."""
    parts = prefix.split(".")
    leading = [".".join(parts[: n + 1]) for n in range(len(parts))]
    rows = unit.connection.execute(select(t.delegation).where(t.delegation.c.prefix.in_(leading))).mappings().all()
    return max(rows, key=lambda row: len(row["prefix"]), default=None)
