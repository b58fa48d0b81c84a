"""The node itself: its name and prefix, its uplinks, leases of its workers."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit


def create(unit: Unit, row: Row) -> None:
    """Write the one node row, and its prefix."""
    unit.connection.execute(insert(t.node).values(**row))
    own(unit, row["prefix"])


def own(unit: Unit, prefix: str) -> None:
    """From now on this prefix is ours too; none is ever given back."""
    insert_new(unit.connection, t.own_prefix, [{"prefix": prefix, "since": unit.now}])


def get(unit: Unit) -> Row | None:
    """The node row; None before ``init``."""
    return unit.connection.execute(select(t.node)).mappings().one_or_none()


def prefixes(unit: Unit) -> frozenset[str]:
    """Every prefix that we issue or issued under, provisional ones included."""
    return frozenset(unit.connection.execute(select(t.own_prefix.c.prefix)).scalars())


def change_url(unit: Unit, url: str) -> None:
    """Where the hub is reached."""
    unit.connection.execute(update(t.node).values(url=url))


def take_prefix(unit: Unit, prefix: str) -> None:
    """Issue under this prefix from now on."""
    unit.connection.execute(update(t.node).values(prefix=prefix, provisional=False))
    own(unit, prefix)


def add_uplink(unit: Unit, row: Row) -> None:
    """Insert an uplink."""
    unit.connection.execute(insert(t.uplink).values(**row))


def uplinks(unit: Unit) -> Sequence[Row]:
    """All uplinks."""
    return unit.connection.execute(select(t.uplink).order_by(t.uplink.c.id)).mappings().all()


def take_lease(unit: Unit, name: str, holder: str, length: timedelta) -> int | None:
    """Take or prolong the lease; returns its fencing token, or None while another holds it."""
    insert_new(unit.connection, t.lease, [{"name": name, "holder": "", "token": 0, "until": unit.now}])
    query = select(t.lease).where(t.lease.c.name == name).with_for_update()
    row = unit.connection.execute(query).mappings().one()
    if row["holder"] == holder and row["until"] > unit.now:
        token = int(row["token"])
    elif row["until"] <= unit.now:
        token = int(row["token"]) + 1
    else:
        return None
    values = {"holder": holder, "token": token, "until": unit.now + length}
    unit.connection.execute(update(t.lease).where(t.lease.c.name == name).values(**values))
    return token


def void_leases(unit: Unit) -> None:
    """Let every lease end now."""
    unit.connection.execute(update(t.lease).values(holder="", until=unit.now))


def end_lease(unit: Unit, name: str, token: int) -> None:
    """Give the lease back, if it is still that of ``token``."""
    mine = (t.lease.c.name == name) & (t.lease.c.token == token)
    unit.connection.execute(update(t.lease).where(mine).values(holder="", until=unit.now))


def holds_lease(unit: Unit, name: str, token: int) -> bool:
    """Whether the lease is still that of ``token``: asked by every apply."""
    query = select(t.lease.c.token).where(t.lease.c.name == name).with_for_update()
    return unit.connection.execute(query).scalar_one_or_none() == token
