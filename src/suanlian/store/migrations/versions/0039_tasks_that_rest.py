"""Tasks that wait before another try are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    rests = sa.text("not_before IS NOT NULL")
    op.create_index("ix_task_not_before", "task", ["not_before"], sqlite_where=rests, postgresql_where=rests)
