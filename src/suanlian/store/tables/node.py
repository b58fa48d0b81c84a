"""The node itself: its name, prefixes, uplinks, what it delegated, leases of its workers."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, text

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

node = Table(
    "node",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Label, nullable=False),
    Column("url", Line, nullable=False),
    Column("prefix", Label, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

own_prefix = Table(
    "own_prefix",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("since", Moment, nullable=False),
)

uplink = Table(
    "uplink",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Line, nullable=False),
    Column("hub_id", Id, nullable=False),
    Column("hub_name", Label, nullable=False),
    Column("hub_key", Line, nullable=False),
    Column("connector_id", Id, nullable=False),
    Column("platform_id", Id, nullable=False),
    Column("prefix", Label, nullable=False),
    Column("enrolled_at", Moment, nullable=False),
    Column("seen_at", Moment),
    # what leads from the root's key to ours, as the hub above gave it
    Column("chain", Document, nullable=False, server_default=text("'{}'")),
    Column("chain_at", Moment),
    Column("recovery_key", Line),
    Column("key_serial", Integer, nullable=False, server_default=text("0")),
    Column("recovery_serial", Integer, nullable=False, server_default=text("0")),
    # the highest version of the protocol that the hub above has spoken
    Column("protocol", Integer, nullable=False, server_default=text("0")),
)

delegation = Table(
    "delegation",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("platform_id", Id, nullable=False, unique=True),
    Column("url", Line, nullable=False),
    Column("public_key", Line, nullable=False),
    Column("delegated_at", Moment, nullable=False),
    Column("hub_id", Label, nullable=False, server_default=text("''")),
    Column("hub_name", Label, nullable=False, server_default=text("''")),
    Column("recovery_key", Line),
    Column("key_serial", Integer, nullable=False, server_default=text("0")),
    Column("recovery_serial", Integer, nullable=False, server_default=text("0")),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Label, primary_key=True),
    Column("holder", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Moment, nullable=False),
)

# one row: since when the hub itself could hear without a gap, and since when most of its connectors were heard
hearing = Table(
    "hearing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("since", Moment, nullable=False),
    Column("sure_since", Moment, nullable=False),
)
