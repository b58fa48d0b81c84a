"""Accounts of persons that are erased: who asked, how far it is."""

from sqlalchemy import Boolean, Column, ForeignKey, Table

from suanlian.store.columns import Id, Moment
from suanlian.store.tables.base import metadata

erasure = Table(
    "erasure",
    metadata,
    Column("principal_id", ForeignKey("principal.id"), primary_key=True),
    Column("account_id", Id, nullable=False, index=True),
    Column("entity_id", Id, nullable=False),
    # the account with it; else the principal alone, whose jobs are its entity's
    Column("whole", Boolean, nullable=False),
    # jobs up to this one are erased
    Column("job_id", Id),
    Column("asked_at", Moment, nullable=False),
    Column("done_at", Moment),
)
