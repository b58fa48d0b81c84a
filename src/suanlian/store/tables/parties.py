"""Entities, accounts, projects, principals, their keys and one-time tokens."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, UniqueConstraint, false, text

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

entity = Table(
    "entity",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False, unique=True),
    Column("name", Label, nullable=False, unique=True),
    Column("title", Line, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("title_zh", Line, nullable=False, server_default=text("''")),
    Column("kind", Label, nullable=False, server_default=text("'both'")),
    Column("credit_code", Label),
    Column("region", Label),
    Column("contacts", Document, nullable=False, server_default=text("'[]'")),
    Column("qualifications", Document, nullable=False, server_default=text("'[]'")),
    Column("standing", Label, nullable=False, server_default=text("'registered'")),
    Column("decided_at", Moment),
    Column("decided_by", Label, nullable=False, server_default=text("''")),
    Column("decided_why", Document, nullable=False, server_default=text("''")),
    # a change that waits for its check: until then what was checked stands
    Column("pending", Document),
    Index("ix_entity_credit_code", "credit_code", unique=True),
)

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("entity_id", ForeignKey("entity.id"), nullable=False, unique=True),
    Column("name", Label, nullable=False),
    Column("held_bytes", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
)

project = Table(
    "project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("name", Label, nullable=False),
    UniqueConstraint("account_id", "name"),
)

principal = Table(
    "principal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Label, nullable=False),
    Column("role", Label, nullable=False),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    # who held its first key: such a one is no second person; an invited one took the link alone
    Column("minted_by", Id),
    Column("invited_by", Id),
    UniqueConstraint("entity_id", "name"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("hash", Label, nullable=False),
    Column("principal_id", ForeignKey("principal.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    # what its holder calls it, and what it opens: names of model/party.Scope between spaces
    Column("label", Line, nullable=False, server_default=text("''")),
    Column("scopes", Line, nullable=False, server_default=text("'all'")),
    # of a sign-in: it is short, and forgotten some time after its end
    Column("session", Boolean, nullable=False, server_default=false()),
)

one_time = Table(
    "one_time",
    metadata,
    Column("prefix", Label, primary_key=True),
    Column("hash", Label, nullable=False),
    Column("purpose", Label, nullable=False),
    Column("subject_id", Id),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    # the connector that a join token lets in, the operator that a link invites
    Column("bound_to", Label),
    Column("minted_by", Id),
    Index("ix_one_time_subject", "subject_id"),
)
