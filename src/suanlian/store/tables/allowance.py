"""What runs for nothing, for whom nobody has checked."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table

from suanlian.store.columns import Id, Moment
from suanlian.store.tables.base import metadata

free_job = Table(
    "free_job",
    metadata,
    Column("job_id", ForeignKey("job.id"), primary_key=True),
    Column("account_id", Id, nullable=False, index=True),
    # of one task: what it counts for, and for how long at most
    Column("millicores", BigInteger, nullable=False),
    Column("wall_time_s", Integer, nullable=False),
    # of all its tasks when it was submitted, in millicore-seconds: what all free work of a month is bounded by
    Column("reserved", BigInteger, nullable=False),
    Column("submitted_at", Moment, nullable=False, index=True),
)
