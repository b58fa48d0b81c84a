"""What the second part of the node stands on: probes, conformance runs, capabilities, by which door an act came."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there stays as it is."""
    with op.batch_alter_table("job") as batch:
        batch.add_column(sa.Column("purpose", sa.String(128), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("event") as batch:
        batch.add_column(sa.Column("source", sa.String(128), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("assignment") as batch:
        batch.alter_column("offer_id", existing_type=sa.String(36), nullable=True)
        batch.alter_column("offer_version", existing_type=sa.Integer(), nullable=True)
    _conformance_run()
    _capability()


def _conformance_run() -> None:
    op.create_table(
        "conformance_run",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("asked_by", sa.String(128), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("started_at", Moment()),
        sa.Column("ended_at", Moment()),
        sa.Column("passed", sa.Boolean()),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_conformance_run_platform_id")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_conformance_run_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conformance_run")),
    )
    op.create_index("ix_conformance_run_connector", "conformance_run", ["connector_id", "asked_at"])


def _capability() -> None:
    op.create_table(
        "capability",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("flavor_id", sa.String(36), nullable=False),
        sa.Column("metric", sa.String(128), nullable=False),
        sa.Column("precision", sa.String(128), nullable=False),
        sa.Column("grade", sa.String(128), nullable=False),
        sa.Column("value", Exact(), nullable=False),
        sa.Column("unit", sa.String(128), nullable=False),
        sa.Column("held", sa.Boolean()),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("source", sa.String(400), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_capability_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capability")),
    )
    columns = ["flavor_id", "metric", "precision", "grade", "at"]
    op.create_index("ix_capability_flavor", "capability", columns)
    op.create_index("ix_capability_platform", "capability", ["platform_id", "at"])
