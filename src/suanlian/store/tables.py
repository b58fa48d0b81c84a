"""The tables. Rows only: what they mean stands in ``model``, what may happen to them in ``rules`` and ``services``.

Owned rows carry account and project. Published things are append-only versions. The capacity book keeps history.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from suanlian.store.columns import Document, Exact, Id, Label, Line, Micros, Moment

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_BIG_SERIAL: Final = BigInteger().with_variant(Integer, "sqlite")

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

entity = Table(
    "entity",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False, unique=True),
    Column("name", Label, nullable=False, unique=True),
    Column("title", Line, nullable=False),
    Column("created_at", Moment, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("entity_id", ForeignKey("entity.id"), nullable=False, unique=True),
    Column("name", Label, nullable=False),
    Column("held_bytes", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
)

project = Table(
    "project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Label, nullable=False),
    UniqueConstraint("account_id", "name"),
)

principal = Table(
    "principal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Label, nullable=False),
    Column("role", Label, nullable=False),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    UniqueConstraint("entity_id", "name"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("hash", Label, nullable=False),
    Column("principal_id", ForeignKey("principal.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

one_time = Table(
    "one_time",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("hash", Label, nullable=False),
    Column("purpose", Label, nullable=False),
    Column("subject_id", Id),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

platform = Table(
    "platform",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False, unique=True),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("name", Label, nullable=False, unique=True),
    Column("title", Line, nullable=False),
    Column("title_zh", Line, nullable=False),
    Column("kind", Label, nullable=False),
    Column("label", Label),
    Column("state", Label, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("approved_at", Moment),
    Column("live_at", Moment),
)

connector = Table(
    "connector",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False, index=True),
    Column("name", Label, nullable=False),
    Column("public_key", Line, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("accepting", Boolean, nullable=False),
    Column("enrolled_at", Moment, nullable=False),
    Column("seen_at", Moment),
    UniqueConstraint("platform_id", "name"),
)

nonce = Table(
    "nonce",
    metadata,
    Column("key_id", Line, nullable=False),
    Column("nonce", Label, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    PrimaryKeyConstraint("key_id", "nonce"),
)

published = Table(
    "published",
    metadata,
    Column("id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", Label, nullable=False),
    Column("public_id", Label, nullable=False),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", Id),
    Column("name", Label, nullable=False),
    Column("valid_from", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("body", Document, nullable=False),
    PrimaryKeyConstraint("id", "version"),
    UniqueConstraint("platform_id", "subject", "name", "version"),
)

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("project_id", Id, nullable=False),
    Column("entity_id", Id, nullable=False),
    Column("name", Label, nullable=False),
    Column("state", Label, nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("queued", Integer, nullable=False),
    Column("tally", Document, nullable=False),
    Column("spec", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("origin", Label, nullable=False),
    Column("delegated_buyer", Label, nullable=False),
    Column("path", Document, nullable=False),
    Column("canceling", Boolean, nullable=False),
    Column("waiting", Document),
    Column("created_by", Id, nullable=False),
    Index("ix_job_account", "account_id", "id"),
)
Index("ix_job_queued", job.c.id, sqlite_where=job.c.queued > 0, postgresql_where=job.c.queued > 0)

task = Table(
    "task",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("state", Label, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempt_id", Id),
    Column("queued_at", Moment, nullable=False),
    PrimaryKeyConstraint("job_id", "idx"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("platform_id", ForeignKey("platform.id"), nullable=False, index=True),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("share_id", Id, nullable=False),
    Column("flavor_id", Id, nullable=False),
    Column("variant", Integer, nullable=False),
    Column("state", Label, nullable=False),
    Column("wish", Label, nullable=False),
    Column("wish_version", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("report_version", BigInteger, nullable=False),
    Column("granted", Document, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Document, nullable=False),
    UniqueConstraint("job_id", "idx", "number"),
    Index("ix_attempt_connector", "connector_id", "revision"),
    Index("ix_attempt_created", "created_at"),
)
Index(
    "ix_attempt_live",
    attempt.c.platform_id,
    sqlite_where=attempt.c.ended_at.is_(None),
    postgresql_where=attempt.c.ended_at.is_(None),
)

assignment = Table(
    "assignment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", ForeignKey("attempt.id"), nullable=False, unique=True),
    Column("share_id", Id, nullable=False),
    Column("offer_id", Id, nullable=False),
    Column("offer_version", Integer, nullable=False),
    Column("body", Document, nullable=False),
)

capacity = Table(
    "capacity",
    metadata,
    Column("id", _BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("share_id", Id, nullable=False),
    Column("kind", Label, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("start_at", Moment, nullable=False),
    Column("end_at", Moment),
    Column("holder_kind", Label, nullable=False),
    Column("holder_id", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("written_at", Moment, nullable=False),
    UniqueConstraint("holder_kind", "holder_id", "share_id", "kind", "token"),
    Index("ix_capacity_share", "share_id", "end_at"),
    Index("ix_capacity_end", "end_at"),
)

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
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    UniqueConstraint("attempt_id", "sequence", "kind", "correction_id"),
    Index("ix_charge_account", "account_id", "id"),
)

event = Table(
    "event",
    metadata,
    Column("number", _BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("type", Label, nullable=False),
    Column("subject", Label, nullable=False),
    Column("account_id", Id),
    Column("actor", Label, nullable=False),
    Column("on_behalf_of", Label, nullable=False),
    Column("request_id", Label, nullable=False),
    Column("data", Document, nullable=False),
    Column("at", Moment, nullable=False),
)

log_chunk = Table(
    "log_chunk",
    metadata,
    Column("attempt_id", Id, nullable=False),
    Column("stream", Label, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("attempt_id", "stream", "start"),
)

object_ = Table(
    "object",
    metadata,
    Column("account_id", Id, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("stored_at", Moment, nullable=False),
    PrimaryKeyConstraint("account_id", "sha256"),
)

output = Table(
    "output",
    metadata,
    Column("attempt_id", Id, nullable=False),
    Column("path", Line, nullable=False),
    Column("account_id", Id, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("attempt_id", "path"),
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

lease = Table(
    "lease",
    metadata,
    Column("name", Label, primary_key=True),
    Column("holder", Id, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Moment, nullable=False),
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
