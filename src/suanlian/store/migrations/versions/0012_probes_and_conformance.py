"""What a probe does, what a connector lets probes take and published last, and what a conformance run is bound to."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0012"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there stays as it is."""
    op.add_column("job", sa.Column("probe", sa.Text()))
    is_probe = sa.text("purpose != ''")
    op.create_index("ix_job_probe", "job", ["purpose", "created_by"], sqlite_where=is_probe, postgresql_where=is_probe)
    op.add_column("connector", sa.Column("probe_cap", sa.Text()))
    op.add_column("connector", sa.Column("inventory_digest", sa.String(128)))
    empty = sa.text("''")
    op.add_column("conformance_run", sa.Column("public_key", sa.String(400), nullable=False, server_default=empty))
    op.add_column(
        "conformance_run", sa.Column("inventory_digest", sa.String(128), nullable=False, server_default=empty)
    )
    still = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_conformance_run_open", "conformance_run", ["asked_at"], sqlite_where=still, postgresql_where=still
    )
    op.create_table(
        "staged_answer",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("protocol", sa.Integer()),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("staged_at", Moment(), nullable=False),
        sa.Column("told_at", Moment()),
        sa.Column("told_revision", sa.BigInteger()),
        sa.Column("asked_revision", sa.BigInteger()),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_staged_answer_connector_id")),
        sa.ForeignKeyConstraint(["run_id"], ["conformance_run.id"], name=op.f("fk_staged_answer_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staged_answer")),
    )
    op.create_index("ix_staged_answer_connector", "staged_answer", ["connector_id", "staged_at"])
