"""Links between sites, their samples and reservations."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Exact, Micros, Moment

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "link",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("entity_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("start", sa.String(128), nullable=False),
        sa.Column("end", sa.String(128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("withdrawn_at", Moment()),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_link_entity_id_entity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
    )
    op.create_index("ix_link_pair", "link", ["start", "end"])
    live = sa.text("withdrawn_at IS NULL")
    op.create_index("ix_link_name", "link", ["name"], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_table(
        "link_sample",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("start", sa.String(128), nullable=False),
        sa.Column("end", sa.String(128), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_sample")),
    )
    op.create_index("ix_link_sample_pair", "link_sample", ["start", "end", "at"])
    op.create_table(
        "link_reservation",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("link_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("start_at", Moment(), nullable=False),
        sa.Column("end_at", Moment(), nullable=False),
        sa.Column("mbps", Exact(), nullable=False),
        sa.Column("cost_cny", Micros(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment()),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_link_reservation_account_id_account")),
        sa.ForeignKeyConstraint(["link_id"], ["link.id"], name=op.f("fk_link_reservation_link_id_link")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_reservation")),
    )
    op.create_index("ix_link_reservation_link", "link_reservation", ["link_id", "end_at"])
    op.create_index("ix_link_reservation_account", "link_reservation", ["account_id", "id"])
