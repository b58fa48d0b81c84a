"""How platforms come in: steps, proposals, named connectors; what the hub found out for itself: runs, capabilities."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, text

from suanlian.store.columns import Document, Exact, Id, Label, Line, Moment
from suanlian.store.tables.base import BIG_SERIAL, metadata

onboarding_step = Table(
    "onboarding_step",
    metadata,
    Column("id", BIG_SERIAL, primary_key=True, autoincrement=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    # none at the first
    Column("from_state", Label),
    Column("to_state", Label, nullable=False),
    Column("act", Label, nullable=False),
    Column("actor", Label, nullable=False),
    Column("at", Moment, nullable=False),
    Column("why", Document, nullable=False),
    Column("reference", Line, nullable=False),
    Index("ix_onboarding_step_platform", "platform_id", "id"),
)

proposal = Table(
    "proposal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("act", Label, nullable=False),
    # the platform's id; of an invitation the name of who is invited
    Column("subject", Label, nullable=False),
    Column("name", Label, nullable=False),
    Column("proposed_by", Id, nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("why", Document, nullable=False),
    Column("reference", Line, nullable=False),
    Column("expires_at", Moment),
    Column("verdict", Label, nullable=False),
    Column("decided_by", Id),
    Column("decided_at", Moment),
    Column("decided_why", Document, nullable=False),
    Index("ix_proposal_verdict", "verdict", "id"),
    Index("ix_proposal_subject", "subject"),
)

named_connector = Table(
    "named_connector",
    metadata,
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("name", Label, nullable=False),
    Column("title", Line, nullable=False),
    Column("region", Label),
    Column("named_at", Moment, nullable=False),
    PrimaryKeyConstraint("platform_id", "name"),
)

conformance_run = Table(
    "conformance_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    # what it holds for: the connector's key and the digest of what it published
    Column("public_key", Line, nullable=False, server_default=text("''")),
    Column("inventory_digest", Label, nullable=False, server_default=text("''")),
    Column("asked_by", Label, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    # none while it has not ended; a run that broke off has ended and did not pass
    Column("passed", Boolean),
    Column("report", Document, nullable=False),
    Index("ix_conformance_run_connector", "connector_id", "asked_at"),
)

Index(
    "ix_conformance_run_open",
    conformance_run.c.asked_at,
    sqlite_where=conformance_run.c.ended_at.is_(None),
    postgresql_where=conformance_run.c.ended_at.is_(None),
)

# answers to a connector's polls that a conformance run puts in the way of the true ones, each told once
staged_answer = Table(
    "staged_answer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("run_id", ForeignKey("conformance_run.id"), nullable=False),
    # the version that the answer says it speaks; none: the right one
    Column("protocol", Integer),
    # instructions that stand in it besides the true ones
    Column("instructions", Document, nullable=False),
    Column("staged_at", Moment, nullable=False),
    Column("told_at", Moment),
    # up to which revision the answer told, and from which the connector asked next
    Column("told_revision", BigInteger),
    Column("asked_revision", BigInteger),
    Index("ix_staged_answer_connector", "connector_id", "staged_at"),
)

capability = Table(
    "capability",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("flavor_id", Id, nullable=False),
    # what is measured: matmul, triad, disk-write, disk-read
    Column("metric", Label, nullable=False),
    # of the numbers, where the metric has one; else empty
    Column("precision", Label, nullable=False),
    Column("grade", Label, nullable=False),
    Column("value", Exact, nullable=False),
    Column("unit", Label, nullable=False),
    # of a verification: whether the median reached what was claimed; none where nothing was compared
    Column("held", Boolean),
    Column("evidence", Document, nullable=False),
    Column("source", Line, nullable=False),
    Column("at", Moment, nullable=False),
    # what it holds for: who measured or was measured, which version of the flavor, and what was claimed then
    Column("connector_id", Id),
    Column("flavor_version", Integer),
    Column("claim", Exact),
    # of the signed measurement, so that it is known again wherever it comes from
    Column("digest", Label, index=True),
    Index("ix_capability_flavor", "flavor_id", "metric", "precision", "grade", "at"),
    Index("ix_capability_platform", "platform_id", "at"),
)

# runs that put one claim of one flavor to the test
verification = Table(
    "verification",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("flavor_id", Id, nullable=False),
    Column("flavor_version", Integer, nullable=False),
    Column("precision", Label, nullable=False),
    # tera-operations per second of a node
    Column("claim", Exact, nullable=False),
    Column("number", Integer, nullable=False),
    Column("asked_by", Label, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Label),
    # the median of a node; none where no probe was made
    Column("rate", Exact),
    # how long a probe is to be, and what was fixed beforehand with what it showed (model/verification.Series)
    Column("target_s", Exact, nullable=False),
    Column("series", Document),
    Index("ix_verification_claim", "connector_id", "flavor_id", "precision", "asked_at"),
    Index("ix_verification_platform", "platform_id", "id"),
)

Index(
    "ix_verification_open",
    verification.c.asked_at,
    sqlite_where=verification.c.ended_at.is_(None),
    postgresql_where=verification.c.ended_at.is_(None),
)
