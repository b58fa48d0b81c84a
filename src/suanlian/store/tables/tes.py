"""Tasks of GA4GH TES: what is kept of each besides its job, and their tags."""

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

tes_task = Table(
    "tes_task",
    metadata,
    Column("job_id", ForeignKey("job.id"), primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("name", Line, nullable=False),
    Column("body", Document, nullable=False),
    # rules/tes/view.Stage: inputs are to be read, outputs to be brought, or nothing more is to do
    Column("stage", Label, nullable=False),
    # the state that the task has instead of its job's, once that has ended; empty: the job's
    Column("verdict", Label, nullable=False),
    Column("problem", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Index("ix_tes_task_account", "account_id", "job_id"),
)

_open = tes_task.c.stage != "done"
Index("ix_tes_task_open", tes_task.c.stage, tes_task.c.due_at, sqlite_where=_open, postgresql_where=_open)

tes_tag = Table(
    "tes_tag",
    metadata,
    Column("job_id", ForeignKey("job.id"), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("tag", Label, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "tag"),
    Index("ix_tes_tag_account", "account_id", "tag"),
)
