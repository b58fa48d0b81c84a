"""Jobs that platforms have offered or lent, by the key that the lender knows them by."""

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from suanlian.store.columns import Document, Id, Line, Moment
from suanlian.store.tables.base import metadata

lent_job = Table(
    "lent_job",
    metadata,
    Column("platform_id", ForeignKey("platform.id"), nullable=False),
    # of model/lending.LendKey, as one line
    Column("key", Line, nullable=False),
    Column("connector_id", ForeignKey("connector.id"), nullable=False),
    # who speaks for it here: a principal without a key, one for each user at home
    Column("principal_id", ForeignKey("principal.id"), nullable=False),
    # what is to be run, until it is confirmed; then the job has it
    Column("spec", Document),
    Column("job_id", Id),
    Column("offered_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
    Column("withdrawn_at", Moment),
    PrimaryKeyConstraint("platform_id", "key"),
    Index("ix_lent_job_job", "job_id", unique=True),
)
