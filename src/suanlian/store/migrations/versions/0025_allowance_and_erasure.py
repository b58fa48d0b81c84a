"""What runs for nothing, who pays a charge, and accounts that are erased."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; charges that are there are their accounts' own."""
    with op.batch_alter_table("charge") as batch:
        batch.add_column(sa.Column("free", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "free_job",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("millicores", sa.BigInteger(), nullable=False),
        sa.Column("wall_time_s", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_free_job_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_free_job")),
    )
    op.create_index("ix_free_job_account_id", "free_job", ["account_id"])
    op.create_index("ix_free_job_submitted_at", "free_job", ["submitted_at"])
    op.create_table(
        "erasure",
        sa.Column("principal_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("entity_id", sa.String(36), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("job_id", sa.String(36)),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("done_at", Moment()),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_erasure_principal_id")),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_erasure")),
    )
    op.create_index("ix_erasure_account_id", "erasure", ["account_id"])
