"""Usage as it was signed, its corrections, and the charges made of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    false,
)

from suanlian.store.columns import Document, Exact, Id, Label, Micros, Moment
from suanlian.store.tables.base import metadata

usage_batch = Table(
    "usage_batch",
    metadata,
    Column("connector_id", Id, nullable=False),
    Column("digest", Label, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("received_at", Moment, nullable=False),
    PrimaryKeyConstraint("connector_id", "digest"),
)

usage_segment = Table(
    "usage_segment",
    metadata,
    Column("attempt_id", Id, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("body", Document, nullable=False),
    Column("connector_id", Id, nullable=False),
    Column("batch", Label, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("rated_at", Moment),
    PrimaryKeyConstraint("attempt_id", "sequence"),
)

Index(
    "ix_usage_segment_unrated",
    usage_segment.c.received_at,
    sqlite_where=usage_segment.c.rated_at.is_(None),
    postgresql_where=usage_segment.c.rated_at.is_(None),
)

usage_correction = Table(
    "usage_correction",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", Id, nullable=False, index=True),
    Column("sequence", Integer, nullable=False),
    Column("corrected_s", Exact, nullable=False),
    Column("reason", Document, nullable=False),
    Column("written_at", Moment, nullable=False),
    Column("written_by", Id, nullable=False),
)

charge = Table(
    "charge",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("project_id", Id, nullable=False),
    Column("platform_id", Id, nullable=False, index=True),
    Column("job_id", Id, nullable=False, index=True),
    Column("attempt_id", Id, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("correction_id", String(36), nullable=False),
    Column("kind", Label, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("rate", Exact, nullable=False),
    Column("cost", Micros, nullable=False),
    Column("currency", Label, nullable=False),
    Column("offer_id", Id, nullable=False),
    Column("offer_version", Integer, nullable=False),
    Column("offer_name", Label, nullable=False),
    Column("simulated", Boolean, nullable=False),
    # of a job within the free allowance: the hub pays it, not the account
    Column("free", Boolean, nullable=False, server_default=false()),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    UniqueConstraint("attempt_id", "sequence", "kind", "correction_id"),
    Index("ix_charge_account", "account_id", "id"),
)
