"""What running work should do, by a tick of the matcher."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; ticks before did not look at running work."""
    op.add_column("market_tick", sa.Column("moves", sa.Text(), nullable=True))
