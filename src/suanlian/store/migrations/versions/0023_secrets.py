"""Secrets of accounts, sealed, and the keys of connectors to which they are sealed anew."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; connectors of before have told no key."""
    with op.batch_alter_table("connector") as batch:
        batch.add_column(sa.Column("sealing_key", sa.String(400)))
    op.create_table(
        "secret",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_secret_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_secret_account_id_name")),
    )
