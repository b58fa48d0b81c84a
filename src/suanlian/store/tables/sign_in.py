"""How people sign in: identities of providers, sign-ins under way, invitations to entities."""

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, String, Table

from suanlian.store.columns import Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

identity = Table(
    "identity",
    metadata,
    Column("issuer", Line, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("principal_id", ForeignKey("principal.id"), nullable=False, index=True),
    Column("linked_at", Moment, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
)

sign_in = Table(
    "sign_in",
    metadata,
    # keyed hashes: what is secret of a sign-in lies with its browser alone; a row is written when it comes back
    Column("state", Label, primary_key=True),
    Column("handle", Label, unique=True),
    Column("challenge", Label, nullable=False),
    Column("return_to", Line, nullable=False),
    Column("principal_id", Id),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
    Column("redeemed_at", Moment),
)

invitation = Table(
    "invitation",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("hash", Label, nullable=False),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("role", Label, nullable=False),
    Column("invited_by", Id, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)
