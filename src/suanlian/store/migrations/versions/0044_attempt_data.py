"""Attempts know which datasets they read, and where those lie."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("attempt", sa.Column("data", sa.Text(), nullable=True))
