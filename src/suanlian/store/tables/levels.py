"""What operators checked of sites: how well they are protected, and where they lie."""

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, Table

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

site_check = Table(
    "site_check",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("site", Label, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("region", Label, nullable=False),
    Column("number", Line, nullable=False),
    Column("issuer", Line, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("why", Document, nullable=False),
    Column("checked_by", Label, nullable=False),
    Column("checked_at", Moment, nullable=False),
    Index("ix_site_check_site", "platform_id", "site", "id"),
)
