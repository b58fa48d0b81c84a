"""People sign in through an identity provider: identities, sign-ins under way, invitations, keys of sessions."""

import sqlalchemy as sa
from alembic import op

from suanlian.store.columns import Moment

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; keys that are there are no sessions."""
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("session", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "identity",
        sa.Column("issuer", sa.String(400), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("principal_id", sa.String(36), nullable=False),
        sa.Column("linked_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_identity_principal_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identity")),
    )
    op.create_index("ix_identity_principal_id", "identity", ["principal_id"])
    op.create_table(
        "sign_in",
        sa.Column("state", sa.String(128), nullable=False),
        sa.Column("browser", sa.String(128), nullable=False),
        sa.Column("handle", sa.String(128)),
        sa.Column("challenge", sa.String(128), nullable=False),
        sa.Column("return_to", sa.String(400), nullable=False),
        sa.Column("invitation", sa.String(400), nullable=False),
        sa.Column("principal_id", sa.String(36)),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment()),
        sa.Column("redeemed_at", Moment()),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("handle", name=op.f("uq_sign_in_handle")),
    )
    op.create_index("ix_sign_in_expires_at", "sign_in", ["expires_at"])
    op.create_table(
        "invitation",
        sa.Column("prefix", sa.String(128), nullable=False),
        sa.Column("hash", sa.String(128), nullable=False),
        sa.Column("entity_id", sa.String(36), nullable=False),
        sa.Column("role", sa.String(128), nullable=False),
        sa.Column("invited_by", sa.String(36), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment()),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name=op.f("fk_invitation_entity_id")),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_invitation")),
    )
