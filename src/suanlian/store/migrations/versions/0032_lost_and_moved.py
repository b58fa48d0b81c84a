"""Work that survives: places that are lost, attempts that are fenced, causes, checkpoints, drains."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0032"
down_revision = "0033"
branch_labels = None
depends_on = None

_EMPTY = sa.text("''")
_NONE = sa.text("'[]'")


def upgrade() -> None:
    """Add them; nothing is lost, fenced or drained yet."""
    _columns()
    _hearing()
    _checkpoints()
    unacknowledged = sa.text("fenced_at IS NOT NULL AND gone_at IS NULL")
    op.create_index(
        "ix_attempt_fenced",
        "attempt",
        ["connector_id"],
        sqlite_where=unacknowledged,
        postgresql_where=unacknowledged,
    )
    looks = sa.text("rerun != ''")
    op.create_index("ix_task_rerun", "task", ["job_id"], sqlite_where=looks, postgresql_where=looks)


def _columns() -> None:
    for table, column in (
        ("platform", sa.Column("drain", sa.Text())),
        ("connector", sa.Column("lost_since", Moment())),
        ("connector", sa.Column("knows", sa.Text(), nullable=False, server_default=_NONE)),
        ("connector", sa.Column("drain", sa.Text())),
        ("connector", sa.Column("downtimes", sa.Text(), nullable=False, server_default=_NONE)),
        ("task", sa.Column("rerun", sa.String(128), nullable=False, server_default=_EMPTY)),
        ("task", sa.Column("not_before", Moment())),
        ("task", sa.Column("aim", sa.Text())),
        ("attempt", sa.Column("fenced_at", Moment())),
        ("attempt", sa.Column("gone_at", Moment())),
        ("attempt", sa.Column("cause", sa.String(128), nullable=False, server_default=_EMPTY)),
        ("attempt", sa.Column("wish_why", sa.String(400), nullable=False, server_default=_EMPTY)),
        ("attempt", sa.Column("restored", sa.Boolean(), nullable=False, server_default=sa.text("false"))),
    ):
        op.add_column(table, column)


def _hearing() -> None:
    op.create_table(
        "hearing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("sure_since", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hearing")),
    )


def _checkpoints() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("attempt_id", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("begun_at", Moment(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("whole_at", Moment()),
        sa.Column("manifest", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint")),
    )
    op.create_index(op.f("ix_checkpoint_attempt_id"), "checkpoint", ["attempt_id"])
    op.create_index("ix_checkpoint_task", "checkpoint", ["job_id", "idx"])
    op.create_table(
        "checkpoint_piece",
        sa.Column("checkpoint_id", sa.String(36), nullable=False),
        sa.Column("path", sa.String(400), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("checkpoint_id", "path", "start", name=op.f("pk_checkpoint_piece")),
    )
