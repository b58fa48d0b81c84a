"""Truth of supply: periods, checks, and the most that was seen of each share."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Moment

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; nothing was checked yet."""
    op.create_table(
        "supply_period",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_at", Moment(), nullable=False),
        sa.Column("end_at", Moment(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(128), nullable=False),
        sa.Column("committed_at", Moment(), nullable=False),
        sa.Column("revealed_at", Moment()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_supply_period")),
    )
    op.create_table(
        "share_shown",
        sa.Column("share_id", sa.String(36), nullable=False),
        sa.Column("grade", sa.String(128), nullable=False),
        sa.Column("millicores", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("share_id", "grade", name=op.f("pk_share_shown")),
    )
    _checks()


def _checks() -> None:
    op.create_table(
        "supply_check",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("period", sa.BigInteger(), nullable=False),
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("share_id", sa.String(36), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("asked_at", Moment()),
        sa.Column("ended_at", Moment()),
        sa.Column("attempt_id", sa.String(36)),
        sa.Column("asked", sa.Text()),
        sa.Column("free", sa.Text()),
        sa.Column("free_age_s", Exact()),
        sa.Column("trial", sa.Text()),
        sa.Column("outcome", sa.String(128)),
        sa.Column("phantom", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("reason", sa.String(400), nullable=False, server_default=sa.text("''")),
        sa.Column("answered_s", Exact()),
        sa.Column("reply", sa.Text()),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_supply_check_platform_id")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_supply_check_connector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supply_check")),
    )
    op.create_index("ix_supply_check_share", "supply_check", ["share_id", "period"], unique=True)
    op.create_index("ix_supply_check_platform", "supply_check", ["platform_id", "id"])
    still = sa.text("ended_at IS NULL")
    op.create_index("ix_supply_check_open", "supply_check", ["due_at"], sqlite_where=still, postgresql_where=still)
