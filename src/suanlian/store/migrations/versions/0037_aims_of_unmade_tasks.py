"""Where tasks without a row are sent; checkpoints that go, some pieces at a time."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0037"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; nothing is sent anywhere or goes yet."""
    op.add_column("job", sa.Column("rest_aim", sa.Text()))
    op.add_column("checkpoint", sa.Column("dropped_at", Moment()))
    goes = sa.text("dropped_at IS NOT NULL")
    op.create_index("ix_checkpoint_dropped", "checkpoint", ["dropped_at"], sqlite_where=goes, postgresql_where=goes)
