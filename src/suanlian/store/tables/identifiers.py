"""Identifiers: descriptors by version, what became of an identifier, what is found twice, transfers, answers."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, text

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import BIG_SERIAL, metadata

descriptor = Table(
    "descriptor",
    metadata,
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("part", Label, nullable=False),
    Column("version", Integer, nullable=False),
    Column("identifier", Label, nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("digest", Label, nullable=False),
    Column("body", Document, nullable=False),
    Column("signature", Document, nullable=False),
    Column("counter", Document, nullable=False),
    Column("counter_signature", Document, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("registered_at", Moment, nullable=False),
    PrimaryKeyConstraint("platform_id", "part", "version"),
)

registration = Table(
    "registration",
    metadata,
    Column("platform_id", ForeignKey("platform.id"), primary_key=True),
    Column("standing", Label, nullable=False),
    Column("moved_to", Label, nullable=False, server_default=text("''")),
    Column("since", Moment, nullable=False),
)

identifier_act = Table(
    "identifier_act",
    metadata,
    Column("number", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False, index=True),
    Column("act", Label, nullable=False),
    Column("part", Label, nullable=False, server_default=text("''")),
    Column("version", Integer, nullable=False, server_default=text("0")),
    Column("why", Document, nullable=False),
    Column("actor", Label, nullable=False),
    Column("at", Moment, nullable=False),
)

identifier_mark = Table(
    "identifier_mark",
    metadata,
    Column("kind", Label, nullable=False),
    # of keys and endpoints as they are, of hardware under a key of the hub's own
    Column("value", Line, nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False, index=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("since", Moment, nullable=False),
    PrimaryKeyConstraint("kind", "value", "connector_id"),
)

transfer = Table(
    "transfer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("from_entity", ForeignKey("entity.id"), nullable=False),
    Column("to_entity", ForeignKey("entity.id"), nullable=False),
    Column("why", Document, nullable=False),
    Column("proposed_by", Id, nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("seconded_by", Id),
    Column("accepted_by", Id),
    Column("done_at", Moment),
    Column("ended_at", Moment),
    Index("ix_transfer_platform", "platform_id", "proposed_at"),
)

resolution = Table(
    "resolution",
    metadata,
    Column("identifier", Line, primary_key=True),
    Column("body", Document, nullable=False),
    # whether the hub in charge said that there is no such thing
    Column("absent", Boolean, nullable=False),
    Column("fetched_at", Moment, nullable=False),
    Column("fresh_until", Moment, nullable=False, index=True),
)
