"""What the hub found out about platforms for itself: conformance runs, and capabilities by how they are known."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table

from suanlian.store.columns import Document, Exact, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

conformance_run = Table(
    "conformance_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    Column("asked_by", Label, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    # none while it has not ended; a run that broke off has ended and did not pass
    Column("passed", Boolean),
    Column("report", Document, nullable=False),
    Index("ix_conformance_run_connector", "connector_id", "asked_at"),
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
    Index("ix_capability_flavor", "flavor_id", "metric", "precision", "grade", "at"),
    Index("ix_capability_platform", "platform_id", "at"),
)
