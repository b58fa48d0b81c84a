"""What platforms tell of their load just now: the newest of each share, overwritten, for it is soon old."""

from sqlalchemy import Column, ForeignKey, Integer, Table

from suanlian.store.columns import Document, Id, Line, Moment
from suanlian.store.tables.base import metadata

share_state = Table(
    "share_state",
    metadata,
    Column("share_id", Id, primary_key=True),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    # the last load that was told (model/load.ShareLoad); none before the first
    Column("body", Document),
    Column("ttl_s", Integer, nullable=False),
    # why it could not be told when it was asked last; empty when it was
    Column("fault", Line, nullable=False),
    Column("told_at", Moment, nullable=False),
)
