"""Platforms, connectors, nonces of their calls, and what they published, version by version."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

platform = Table(
    "platform",
    metadata,
    Column("id", Id, primary_key=True),
    Column("public_id", Label, nullable=False, unique=True),
    Column("entity_id", ForeignKey("entity.id"), nullable=False),
    Column("name", Label, nullable=False, unique=True),
    Column("title", Line, nullable=False),
    Column("title_zh", Line, nullable=False),
    Column("kind", Label, nullable=False),
    Column("label", Label),
    Column("state", Label, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("documents_at", Moment),
    Column("live_at", Moment),
    Column("state_since", Moment, nullable=False, server_default=text("0")),
    # by whom, why and until when an operator drains it (model/platform.Drain)
    Column("drain", Document),
)

connector = Table(
    "connector",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False, index=True),
    Column("name", Label, nullable=False),
    Column("public_key", Line, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("accepting", Boolean, nullable=False),
    Column("enrolled_at", Moment, nullable=False),
    Column("seen_at", Moment),
    # how far its owner has joined, and whose jobs run at level run besides the platform's own entity's (a JSON list)
    Column("level", Label, nullable=False, server_default=text("'observe'")),
    Column("partners", Document, nullable=False, server_default=text("'[]'")),
    # the highest version of the protocol that it has spoken
    Column("protocol", Integer, nullable=False, server_default=text("0")),
    # on which machine it says that it runs, as a digest; empty where it does not say
    Column("host", Label, nullable=False, server_default=text("''")),
    # what its owner lets probes take (model/probe.ProbeCap), and the digest of what it published last; none before
    Column("probe_cap", Document),
    Column("inventory_digest", Label),
    # the newest public key to which secrets for it are sealed; none from a connector that has none
    Column("sealing_key", Line),
    # since when its shares may be placed on, and from when a conformance run counts
    Column("admitted_at", Moment),
    Column("gate_from", Moment),
    # since when it is not heard of, by the hub's own word; none while it is
    Column("lost_since", Moment),
    # what it understands beyond the first version (a JSON list of model/protocol.KNOWS)
    Column("knows", Document, nullable=False, server_default=text("'[]'")),
    # when its owner drains it, and its calendar (a JSON list of model/platform.Downtime)
    Column("drain", Document),
    Column("downtimes", Document, nullable=False, server_default=text("'[]'")),
    UniqueConstraint("platform_id", "name"),
)

nonce = Table(
    "nonce",
    metadata,
    Column("key_id", Line, nullable=False),
    Column("nonce", Label, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    PrimaryKeyConstraint("key_id", "nonce"),
)

published = Table(
    "published",
    metadata,
    Column("id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", Label, nullable=False),
    Column("public_id", Label, nullable=False),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", Id),
    Column("name", Label, nullable=False),
    Column("valid_from", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("body", Document, nullable=False),
    PrimaryKeyConstraint("id", "version"),
    UniqueConstraint("platform_id", "subject", "name", "version"),
)
