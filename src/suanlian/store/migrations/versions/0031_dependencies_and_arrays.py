"""Jobs that wait for others, that are urgent or bounded, and arrays whose tasks are made when they are wanted."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Moment

revision = "0031"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; every task of what is here has its row."""
    _columns()
    op.execute("UPDATE job SET made = tasks, turn = id")
    _tables()
    still, waits = sa.text("queued > 0"), sa.text("queued > 0 AND NOT blocked")
    if op.get_bind().dialect.name == "sqlite":  # a partial index serves where it is written as it is asked
        waits = sa.text("queued > 0 AND blocked IS 0")
    op.drop_index("ix_job_queued", "job")
    op.create_index("ix_job_queued", "job", ["turn"], sqlite_where=waits, postgresql_where=waits)
    op.create_index("ix_job_preferred", "job", ["account_id", "priority"], sqlite_where=still, postgresql_where=still)
    unplaced = sa.text("attempt_id IS NULL")
    op.create_index("ix_task_unplaced", "task", ["job_id", "idx"], sqlite_where=unplaced, postgresql_where=unplaced)
    timed = sa.text("start_by IS NOT NULL AND ended_at IS NULL")
    op.create_index("ix_job_start_by", "job", ["start_by"], sqlite_where=timed, postgresql_where=timed)


def _columns() -> None:
    for column in (
        sa.Column("turn", sa.String(36), nullable=False, server_default=sa.text("''")),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("start_by", Moment()),
        sa.Column("deadline", Moment()),
        sa.Column("committed", Exact()),
        sa.Column("made", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("rest", sa.String(128), nullable=False, server_default=sa.text("'QUEUED'")),
        sa.Column("reason", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("webhook", sa.String(128), nullable=False, server_default=sa.text("''")),
    ):
        op.add_column("job", column)
    op.add_column("attempt", sa.Column("passed", sa.Text()))
    op.add_column("attempt", sa.Column("estimate", Exact()))


def _tables() -> None:
    op.create_table(
        "edge",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("upstream_id", sa.String(36), nullable=False),
        sa.Column("on_", sa.String(128), nullable=False),
        sa.Column("met_at", Moment()),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("pk_edge")),
    )
    unmet = sa.text("met_at IS NULL")
    op.create_index("ix_edge_unmet", "edge", ["upstream_id"], sqlite_where=unmet, postgresql_where=unmet)
    op.create_table(
        "consequence",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("what", sa.String(128), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("what", "job_id", name=op.f("pk_consequence")),
    )
    op.create_index("ix_consequence_due", "consequence", ["what", "due_at"])
