"""Links between sites: what carriers offer, what was measured, what is reserved."""

from sqlalchemy import Column, ForeignKey, Index, Table

from suanlian.store.columns import Document, Exact, Id, Label, Micros, Moment
from suanlian.store.tables.base import metadata

# a link is offered once and withdrawn once; what it is never changes
link = Table(
    "link",
    metadata,
    Column("id", Id, primary_key=True),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("name", Label, nullable=False),
    # sites as people write them, platform/site
    Column("start", Label, nullable=False),
    Column("end", Label, nullable=False),
    # model/link.NewLink
    Column("body", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
    Index("ix_link_pair", "start", "end"),
)

Index(
    "ix_link_name",
    link.c.name,
    unique=True,
    sqlite_where=link.c.withdrawn_at.is_(None),
    postgresql_where=link.c.withdrawn_at.is_(None),
)

# the newest of each pair of sites; older ones go
link_sample = Table(
    "link_sample",
    metadata,
    Column("id", Id, primary_key=True),
    Column("start", Label, nullable=False),
    Column("end", Label, nullable=False),
    Column("at", Moment, nullable=False),
    # model/link.LinkSample
    Column("body", Document, nullable=False),
    Index("ix_link_sample_pair", "start", "end", "at"),
)

# a contract: written once, and given back at most once
link_reservation = Table(
    "link_reservation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("link_id", ForeignKey("link.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("start_at", Moment, nullable=False),
    Column("end_at", Moment, nullable=False),
    Column("mbps", Exact, nullable=False),
    Column("cost_cny", Micros, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_link_reservation_link", "link_id", "end_at"),
    Index("ix_link_reservation_account", "account_id", "id"),
)
