"""Runs that were seen of jobs, by the flavor on which they ran; and how far the journal was read for them."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, PrimaryKeyConstraint, Table

from suanlian.store.columns import Id, Label, Moment
from suanlian.store.tables.base import metadata

seen_runs = Table(
    "seen_runs",
    metadata,
    # jobs of one account, name and size, or the tasks of one array (rules/throughput.py)
    Column("scope", Label, nullable=False),
    Column("flavor_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    # not whole: older runs count for less when there are many
    Column("count", Double, nullable=False),
    # of the natural logarithms of seconds, and of their squares
    Column("sum_log", Double, nullable=False),
    Column("sum_log_squared", Double, nullable=False),
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("scope", "flavor_id"),
    Index("ix_seen_runs_account", "account_id"),
    Index("ix_seen_runs_at", "at"),
)

seen_until = Table(
    "seen_until",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # the number of the last event that was looked at
    Column("number", BigInteger, nullable=False),
)
