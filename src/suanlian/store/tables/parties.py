"""Entities, accounts, projects, principals, their keys and one-time tokens."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Table, UniqueConstraint, false, text

from suanlian.store.columns import Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

entity = Table(
    "entity",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False, unique=True),
    Column("name", Label, nullable=False, unique=True),
    Column("title", Line, nullable=False),
    Column("created_at", Moment, nullable=False),
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
)
