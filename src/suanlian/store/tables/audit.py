"""The audit log over the journal: the chain's records, the heads that were signed, who holds them, heads from below."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, PrimaryKeyConstraint, Table

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

audit_leaf = Table(
    "audit_leaf",
    metadata,
    # the row's place in the log, dense from 0 on; the journal's own numbers may have gaps
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("leaf", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    # the perfect subtrees of two leaves and more that end with this leaf, smallest first, one behind the other
    Column("nodes", LargeBinary, nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Id, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    # the public key that signed it
    Column("key", Line, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("made_at", Moment, nullable=False),
    Index("ix_audit_head_order", "epoch", "size"),
)

audit_receipt = Table(
    "audit_receipt",
    metadata,
    Column("head_id", ForeignKey("audit_head.id"), nullable=False),
    Column("uplink_id", ForeignKey("uplink.id"), nullable=False),
    Column("receipt", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("received_at", Moment, nullable=False),
    PrimaryKeyConstraint("head_id", "uplink_id"),
)

audit_witness = Table(
    "audit_witness",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("digest", Label, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("receipt", Document),
    Column("receipt_signature", Document),
    # the code under which it was refused; none when it was taken
    Column("fault", Label),
    Column("received_at", Moment, nullable=False),
    Index("ix_audit_witness_order", "platform_id", "epoch", "size"),
    Index("ix_audit_witness_digest", "platform_id", "digest"),
)
