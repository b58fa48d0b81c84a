"""How long runs of jobs took, by flavor."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0034"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what ran before is read from the journal, little by little."""
    op.create_table(
        "seen_runs",
        sa.Column("scope", sa.String(128), nullable=False),
        sa.Column("flavor_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("count", sa.Double(), nullable=False),
        sa.Column("sum_log", sa.Double(), nullable=False),
        sa.Column("sum_log_squared", sa.Double(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "flavor_id", name=op.f("pk_seen_runs")),
    )
    op.create_index("ix_seen_runs_account", "seen_runs", ["account_id"])
    op.create_index("ix_seen_runs_at", "seen_runs", ["at"])
    until = op.create_table(
        "seen_until",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seen_until")),
    )
    op.bulk_insert(until, [{"id": 1, "number": 0}])
