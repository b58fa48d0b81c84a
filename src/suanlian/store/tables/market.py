"""What the matcher found at each tick: prices, a bound, the gap to it; and the policy by which jobs are ordered."""

from sqlalchemy import Column, Double, Index, Integer, Table, Text

from suanlian.store.columns import Document, Id, Label, Line, Moment
from suanlian.store.tables.base import metadata

market_tick = Table(
    "market_tick",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False),
    # one of model/market.TickState, and why where it did not go well
    Column("state", Label, nullable=False),
    Column("why", Line, nullable=False),
    # how many demands (pieces of jobs) of how many jobs, how many places, how many demands got none
    Column("demands", Integer, nullable=False),
    Column("jobs", Integer, nullable=False),
    Column("places", Integer, nullable=False),
    Column("unserved", Integer, nullable=False),
    # CNY by estimate: what the matching costs, and what none can be below; none where there is no bound
    Column("total", Double, nullable=False),
    Column("bound", Double),
    Column("took_ms", Integer, nullable=False),
    # of the prices, rounded as they are used: share -> kind -> CNY for a unit-hour; only what is scarce
    Column("prices_hash", Label, nullable=False),
    Column("prices", Document, nullable=False),
    # what running work should do (a list of model/market.MoveProposal); none where it was not looked at
    Column("moves", Document),
    Index("ix_market_tick_at", "at"),
)

market_policy = Table(
    "market_policy",
    metadata,
    # from 1 on; the newest holds, and without any the defaults do
    Column("version", Integer, primary_key=True, autoincrement=False),
    # a model/market_policy.MarketPolicy
    Column("body", Document, nullable=False),
    Column("at", Moment, nullable=False),
    # the principal who set it, and the reason given
    Column("set_by", Id, nullable=False),
    Column("why", Text, nullable=False),
)
