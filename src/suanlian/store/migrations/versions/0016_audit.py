"""The audit log: the chain over the journal, signed heads, their receipts, heads from hubs below."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what the journal holds already is chained by the worker ``audit`` when the hub runs."""
    op.create_table(
        "audit_leaf",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("nodes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint("number", name=op.f("uq_audit_leaf_number")),
    )
    _audit_head()
    _audit_witness()


def _audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_index("ix_audit_head_order", "audit_head", ["epoch", "size"])
    op.create_table(
        "audit_receipt",
        sa.Column("head_id", sa.String(36), nullable=False),
        sa.Column("uplink_id", sa.String(36), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["head_id"], ["audit_head.id"], name=op.f("fk_audit_receipt_head_id")),
        sa.ForeignKeyConstraint(["uplink_id"], ["uplink.id"], name=op.f("fk_audit_receipt_uplink_id")),
        sa.PrimaryKeyConstraint("head_id", "uplink_id", name=op.f("pk_audit_receipt")),
    )


def _audit_witness() -> None:
    op.create_table(
        "audit_witness",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text()),
        sa.Column("receipt_signature", sa.Text()),
        sa.Column("fault", sa.String(128)),
        sa.Column("received_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_audit_witness_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_witness")),
    )
    op.create_index("ix_audit_witness_order", "audit_witness", ["platform_id", "epoch", "size"])
    op.create_index("ix_audit_witness_digest", "audit_witness", ["platform_id", "digest"])
