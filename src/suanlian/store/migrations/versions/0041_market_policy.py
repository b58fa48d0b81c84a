"""The market's policy, in versions."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; without a version the defaults hold."""
    op.create_table(
        "market_policy",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("set_by", sa.String(36), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_market_policy")),
    )
