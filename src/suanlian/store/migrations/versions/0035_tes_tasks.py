"""Tasks of GA4GH TES."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0035"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; there were none."""
    op.create_table(
        "tes_task",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(128), nullable=False),
        sa.Column("verdict", sa.String(128), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_tes_task_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_tes_task")),
    )
    op.create_index("ix_tes_task_account", "tes_task", ["account_id", "job_id"])
    still = sa.text("stage != 'done'")
    op.create_index("ix_tes_task_open", "tes_task", ["stage", "due_at"], sqlite_where=still, postgresql_where=still)
    op.create_table(
        "tes_tag",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_tes_tag_job_id")),
        sa.PrimaryKeyConstraint("job_id", "tag", name=op.f("pk_tes_tag")),
    )
    op.create_index("ix_tes_tag_account", "tes_tag", ["account_id", "tag"])
