"""Jobs that platforms lend: what was offered, and by whom a job was lent."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Document, Moment

revision = "0033"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; nobody has lent anything yet."""
    op.add_column("job", sa.Column("lender", sa.String(128), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "lent_job",
        sa.Column("platform_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("principal_id", sa.String(36), nullable=False),
        sa.Column("spec", Document(), nullable=True),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("offered_at", Moment(), nullable=False),
        sa.Column("confirmed_at", Moment(), nullable=True),
        sa.Column("withdrawn_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["platform_id"], ["platform.id"], name=op.f("fk_lent_job_platform_id")),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_lent_job_connector_id")),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_lent_job_principal_id")),
        sa.PrimaryKeyConstraint("platform_id", "key", name=op.f("pk_lent_job")),
    )
    op.create_index("ix_lent_job_job", "lent_job", ["job_id"], unique=True)
