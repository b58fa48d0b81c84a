"""Secrets of accounts, sealed with a key that is no part of the store."""

from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint

from suanlian.store.columns import Document, Id, Label, Moment
from suanlian.store.tables.base import metadata

secret = Table(
    "secret",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Label, nullable=False),
    # JWE in compact form
    Column("sealed", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    UniqueConstraint("account_id", "name"),
)
