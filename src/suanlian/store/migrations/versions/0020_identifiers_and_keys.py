"""Identifiers and keys: descriptors, what became of an identifier, transfers; keys of hubs and connectors over time."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0020"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there stays as it is: a connector's key of before is the one in its row."""
    _descriptors()
    _acts()
    _transfers()
    _keys()
    _columns()


def _descriptors() -> None:
    op.create_table(
        "delegation_issued",
        sa.Column("prefix", sa.String(length=128), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("not_after", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", "serial", name=op.f("pk_delegation_issued")),
    )
    op.create_table(
        "hub_key",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.String(length=400), nullable=False),
        sa.Column("recovery_key", sa.String(length=400), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_hub_key")),
        sa.UniqueConstraint("public_key", name=op.f("uq_hub_key_public_key")),
    )
    op.create_table(
        "resolution",
        sa.Column("identifier", sa.String(length=400), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("absent", sa.Boolean(), nullable=False),
        sa.Column("fetched_at", Moment(), nullable=False),
        sa.Column("fresh_until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name=op.f("pk_resolution")),
    )
    with op.batch_alter_table("resolution") as batch:
        batch.create_index(batch.f("ix_resolution_fresh_until"), ["fresh_until"], unique=False)


def _acts() -> None:
    op.create_table(
        "identifier_act",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("act", sa.String(length=128), nullable=False),
        sa.Column("part", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_identifier_act_platform_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_identifier_act")),
    )
    with op.batch_alter_table("identifier_act") as batch:
        batch.create_index(batch.f("ix_identifier_act_platform_id"), ["platform_id"], unique=False)

    op.create_table(
        "registration",
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("standing", sa.String(length=128), nullable=False),
        sa.Column("moved_to", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_registration_platform_id")),
        sa.PrimaryKeyConstraint("platform_id", name=op.f("pk_registration")),
    )


def _transfers() -> None:
    op.create_table(
        "transfer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("from_entity", sa.String(length=36), nullable=False),
        sa.Column("to_entity", sa.String(length=36), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(length=36), nullable=False),
        sa.Column("proposed_at", Moment(), nullable=False),
        sa.Column("seconded_by", sa.String(length=36), nullable=True),
        sa.Column("accepted_by", sa.String(length=36), nullable=True),
        sa.Column("done_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["from_entity"], ["entity.id"], name=op.f("fk_transfer_from_entity")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_transfer_platform_id")),
        sa.ForeignKeyConstraint(["to_entity"], ["entity.id"], name=op.f("fk_transfer_to_entity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
    )
    with op.batch_alter_table("transfer") as batch:
        batch.create_index("ix_transfer_platform", ["platform_id", "proposed_at"], unique=False)


def _keys() -> None:
    op.create_table(
        "connector_key",
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("key_id", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=400), nullable=False),
        sa.Column("introduced_by", sa.String(length=128), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.Column("until", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_connector_key_connector_id")),
        sa.PrimaryKeyConstraint("connector_id", "key_id", name=op.f("pk_connector_key")),
        sa.UniqueConstraint("connector_id", "public_key", name=op.f("uq_connector_key_connector_id_public_key")),
    )
    op.create_table(
        "descriptor",
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(length=128), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("counter_signature", sa.Text(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("registered_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_descriptor_connector_id")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_descriptor_platform_id")),
        sa.PrimaryKeyConstraint("platform_id", "part", "version", name=op.f("pk_descriptor")),
    )
    op.create_table(
        "identifier_mark",
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.Column("connector_id", sa.String(length=36), nullable=False),
        sa.Column("platform_id", sa.String(length=36), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_identifier_mark_connector_id")),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_identifier_mark_platform_id")),
        sa.PrimaryKeyConstraint("kind", "value", "connector_id", name=op.f("pk_identifier_mark")),
    )


def _columns() -> None:
    with op.batch_alter_table("identifier_mark") as batch:
        batch.create_index(batch.f("ix_identifier_mark_connector_id"), ["connector_id"], unique=False)

    with op.batch_alter_table("connector") as batch:
        batch.add_column(sa.Column("protocol", sa.Integer(), server_default=sa.text("0"), nullable=False))

    with op.batch_alter_table("delegation") as batch:
        batch.add_column(sa.Column("hub_id", sa.String(length=128), server_default=sa.text("''"), nullable=False))
        batch.add_column(sa.Column("hub_name", sa.String(length=128), server_default=sa.text("''"), nullable=False))
        batch.add_column(sa.Column("recovery_key", sa.String(length=400), nullable=True))
        batch.add_column(sa.Column("key_serial", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch.add_column(sa.Column("recovery_serial", sa.Integer(), server_default=sa.text("0"), nullable=False))

    with op.batch_alter_table("uplink") as batch:
        batch.add_column(sa.Column("chain", sa.Text(), server_default=sa.text("'{}'"), nullable=False))
        batch.add_column(sa.Column("chain_at", Moment(), nullable=True))
        batch.add_column(sa.Column("recovery_key", sa.String(length=400), nullable=True))
        batch.add_column(sa.Column("key_serial", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch.add_column(sa.Column("recovery_serial", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch.add_column(sa.Column("protocol", sa.Integer(), server_default=sa.text("0"), nullable=False))
