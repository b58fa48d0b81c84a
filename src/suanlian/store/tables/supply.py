"""Truth of supply: periods with their seeds, checks of shares, and the most that was seen of each share."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, PrimaryKeyConstraint, String, Table, text

from suanlian.store.columns import Document, Exact, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

supply_period = Table(
    "supply_period",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("start_at", Moment, nullable=False),
    Column("end_at", Moment, nullable=False),
    # its digest stood in the journal before the period began; the seed is told when it is over
    Column("digest", String(64), nullable=False),
    Column("seed", String(128), nullable=False),
    Column("committed_at", Moment, nullable=False),
    Column("revealed_at", Moment),
)

supply_check = Table(
    "supply_check",
    metadata,
    Column("id", Id, primary_key=True),
    Column("period", BigInteger, nullable=False),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("share_id", Id, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("asked_at", Moment),
    Column("ended_at", Moment),
    Column("attempt_id", Id),
    # what was claimed, and what was reported free then (model/quantity.Resources)
    Column("asked", Document),
    Column("free", Document),
    Column("free_age_s", Exact),
    # what the probe was told to multiply (model/verification.ProbeTrial)
    Column("trial", Document),
    Column("outcome", Label),
    Column("phantom", Boolean, nullable=False, server_default=text("false")),
    Column("reason", Line, nullable=False, server_default=text("''")),
    Column("answered_s", Exact),
    Column("reply", Document),
    Index("ix_supply_check_share", "share_id", "period", unique=True),
    Index("ix_supply_check_platform", "platform_id", "id"),
)

Index(
    "ix_supply_check_open",
    supply_check.c.due_at,
    sqlite_where=supply_check.c.ended_at.is_(None),
    postgresql_where=supply_check.c.ended_at.is_(None),
)

# the most of a share that was held at once: by jobs that were sold, and by checks
share_shown = Table(
    "share_shown",
    metadata,
    Column("share_id", Id, nullable=False),
    Column("grade", Label, nullable=False),
    Column("millicores", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("share_id", "grade"),
)
