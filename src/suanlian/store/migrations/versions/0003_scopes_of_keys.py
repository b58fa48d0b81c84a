"""A key says what it is for and what it opens; those that are there open all that their holder may do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; keys that are there keep everything."""
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("label", sa.String(400), nullable=False, server_default=sa.text("''")))
        batch.add_column(sa.Column("scopes", sa.String(400), nullable=False, server_default=sa.text("'all'")))
