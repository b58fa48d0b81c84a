"""Runs that put a claim to the test, and the moments between which a probe is timed."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Moment

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; attempts and logs that are there were not timed."""
    op.add_column("attempt", sa.Column("first_told_at", Moment()))
    op.add_column("log_chunk", sa.Column("arrived_at", Moment()))
    op.create_table(
        "verification",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("flavor_id", sa.String(36), nullable=False),
        sa.Column("flavor_version", sa.Integer(), nullable=False),
        sa.Column("precision", sa.String(128), nullable=False),
        sa.Column("claim", Exact(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(128), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("started_at", Moment()),
        sa.Column("ended_at", Moment()),
        sa.Column("outcome", sa.String(128)),
        sa.Column("rate", Exact()),
        sa.Column("target_s", Exact(), nullable=False),
        sa.Column("series", sa.Text()),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_verification_platform_id")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_verification_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
    )
    columns = ["connector_id", "flavor_id", "precision", "asked_at"]
    op.create_index("ix_verification_claim", "verification", columns)
    op.create_index("ix_verification_platform", "verification", ["platform_id", "id"])
    still = sa.text("ended_at IS NULL")
    op.create_index("ix_verification_open", "verification", ["asked_at"], sqlite_where=still, postgresql_where=still)
