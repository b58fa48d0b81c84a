"""Data levels: checks of sites, and what was relied on when an attempt got its place."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; attempts of before relied on nothing."""
    with op.batch_alter_table("attempt") as batch:
        batch.add_column(sa.Column("relied", sa.Text()))
    op.create_table(
        "site_check",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(128), nullable=False),
        sa.Column("number", sa.String(400), nullable=False),
        sa.Column("issuer", sa.String(400), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("checked_by", sa.String(128), nullable=False),
        sa.Column("checked_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_site_check_platform_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_check")),
    )
    op.create_index("ix_site_check_site", "site_check", ["platform_id", "site", "id"])
