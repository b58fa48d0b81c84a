"""What a capability figure holds for, and on which machine a connector says that it runs."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; figures that are there hold for nothing in particular."""
    op.add_column("connector", sa.Column("host", sa.String(128), nullable=False, server_default=sa.text("''")))
    op.add_column("capability", sa.Column("connector_id", sa.String(36)))
    op.add_column("capability", sa.Column("flavor_version", sa.Integer()))
    op.add_column("capability", sa.Column("claim", Exact()))
    op.add_column("capability", sa.Column("digest", sa.String(128)))
    op.create_index("ix_capability_digest", "capability", ["digest"])
