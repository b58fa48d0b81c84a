"""What runs where, and so what is given back when: for estimates of when there is room again."""

from collections.abc import Collection, Sequence

from sqlalchemy import select

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def on_shares(unit: Unit, shares: Collection[str], *, limit: int) -> Sequence[Row]:
    """Attempts that hold something of these shares, the oldest first, with their job's id and spec."""
    columns = (t.attempt.c.share_id, t.attempt.c.granted, t.attempt.c.started_at, t.attempt.c.variant)
    query = select(*columns, t.attempt.c.job_id, t.job.c.spec).join(t.job, t.job.c.id == t.attempt.c.job_id)
    query = query.where(t.attempt.c.share_id.in_(list(shares)), t.attempt.c.ended_at.is_(None))
    return unit.connection.execute(query.order_by(t.attempt.c.id).limit(limit)).mappings().all()
