"""The event journal, answers under idempotency keys, supervision reports sent and received."""

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Table, UniqueConstraint, text

from suanlian.store.columns import Document, Id, Label, Moment
from suanlian.store.tables.base import BIG_SERIAL, metadata

event = Table(
    "event",
    metadata,
    Column("number", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("type", Label, nullable=False),
    Column("subject", Label, nullable=False),
    Column("account_id", Id),
    Column("actor", Label, nullable=False),
    Column("on_behalf_of", Label, nullable=False),
    Column("request_id", Label, nullable=False),
    # by which door it came: api ADDRESS, connector ID, worker NAME, command
    Column("source", Label, nullable=False, server_default=text("''")),
    Column("data", Document, nullable=False),
    Column("at", Moment, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("principal_id", Id, nullable=False),
    Column("key", Label, nullable=False),
    Column("request_hash", Label, nullable=False),
    Column("response", Document, nullable=False),
    Column("written_at", Moment, nullable=False, index=True),
    PrimaryKeyConstraint("principal_id", "key"),
)

report_sent = Table(
    "report_sent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uplink_id", ForeignKey("uplink.id"), nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("receipt", Document),
    Column("receipt_signature", Document),
)

report_received = Table(
    "report_received",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("digest", Label, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("receipt", Document, nullable=False),
    Column("receipt_signature", Document, nullable=False),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("platform_id", "digest"),
)
