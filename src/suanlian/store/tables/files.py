"""Bytes that the hub keeps: logs, uploaded objects, outputs."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

log_chunk = Table(
    "log_chunk",
    metadata,
    Column("attempt_id", Id, nullable=False),
    Column("stream", Label, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    # when the call that brought it had come, before it waited to be written
    Column("arrived_at", Moment),
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

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", Id, nullable=False, index=True),
    Column("job_id", Id, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("begun_at", Moment, nullable=False),
    # what came so far counts against the account; a set counts as one only when it is whole
    Column("size", BigInteger, nullable=False),
    Column("whole_at", Moment),
    # its files (a list of OutputFile), once it is whole
    Column("manifest", Document),
    # from then on it is nobody's, and its pieces go, some at a time
    Column("dropped_at", Moment),
    Index("ix_checkpoint_task", "job_id", "idx"),
)
_goes = checkpoint.c.dropped_at.is_not(None)
Index("ix_checkpoint_dropped", checkpoint.c.dropped_at, sqlite_where=_goes, postgresql_where=_goes)

checkpoint_piece = Table(
    "checkpoint_piece",
    metadata,
    Column("checkpoint_id", Id, nullable=False),
    Column("path", Line, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("checkpoint_id", "path", "start"),
)
