"""The node itself: its name, prefixes, uplinks, what it delegated, leases of its workers."""

from sqlalchemy import BigInteger, Boolean, Column, Table

from suanlian.store.columns import Id, Label, Line, Moment
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
)

delegation = Table(
    "delegation",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("platform_id", Id, nullable=False, unique=True),
    Column("url", Line, nullable=False),
    Column("public_key", Line, nullable=False),
    Column("delegated_at", Moment, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Label, primary_key=True),
    Column("holder", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Moment, nullable=False),
)
