"""A sign-in lies with its browser until it comes back: nothing of it is written before."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Those under way begin again."""
    op.execute(sa.text("DELETE FROM sign_in"))
    with op.batch_alter_table("sign_in") as batch:
        batch.drop_column("browser")
        batch.drop_column("invitation")
