"""What the matcher found."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; there was none."""
    op.create_table(
        "market_tick",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("state", sa.String(128), nullable=False),
        sa.Column("why", sa.String(400), nullable=False),
        sa.Column("demands", sa.Integer(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("unserved", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("bound", sa.Double(), nullable=True),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("prices_hash", sa.String(128), nullable=False),
        sa.Column("prices", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_tick")),
    )
    op.create_index("ix_market_tick_at", "market_tick", ["at"])
