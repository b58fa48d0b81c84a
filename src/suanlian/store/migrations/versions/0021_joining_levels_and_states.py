"""How far each connector has joined, and what shares tell of their load."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. Connectors that are there have sold what they offer until now: they go on so."""
    with op.batch_alter_table("connector") as batch:
        batch.add_column(sa.Column("level", sa.String(128), nullable=False, server_default=sa.text("'observe'")))
        batch.add_column(sa.Column("partners", sa.Text(), nullable=False, server_default=sa.text("'[]'")))
    op.execute(sa.text("UPDATE connector SET level = 'trade'"))
    op.create_table(
        "share_state",
        sa.Column("share_id", sa.String(36), nullable=False),
        sa.Column("connector_id", sa.String(36), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("ttl_s", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(400), nullable=False),
        sa.Column("told_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["connector_id"], ["connector.id"], name=op.f("fk_share_state_connector_id")),
        sa.PrimaryKeyConstraint("share_id", name=op.f("pk_share_state")),
    )
