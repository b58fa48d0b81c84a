"""Keys over time: the hub's own, what it delegated under them, those of its connectors."""

from sqlalchemy import Column, ForeignKey, Integer, PrimaryKeyConstraint, Table, UniqueConstraint

from suanlian.store.columns import Document, Label, Line, Moment
from suanlian.store.tables.base import metadata

hub_key = Table(
    "hub_key",
    metadata,
    # of the change that introduced it; the first key's is 0
    Column("serial", Integer, primary_key=True),
    Column("public_key", Line, nullable=False, unique=True),
    Column("recovery_key", Line),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("proof", Document, nullable=False),
    Column("at", Moment, nullable=False),
)

delegation_issued = Table(
    "delegation_issued",
    metadata,
    Column("prefix", Label, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    PrimaryKeyConstraint("prefix", "serial"),
)

connector_key = Table(
    "connector_key",
    metadata,
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    # the name of the key, as signatures give it
    Column("key_id", Label, nullable=False),
    Column("public_key", Line, nullable=False),
    Column("introduced_by", Label, nullable=False),
    Column("since", Moment, nullable=False),
    # none until it has signed a call: the key before it holds as long
    Column("used_at", Moment),
    # none while it holds
    Column("until", Moment),
    PrimaryKeyConstraint("connector_id", "key_id"),
    UniqueConstraint("connector_id", "public_key"),
)
