"""Which job waits for which, and what is still to follow from the end of one. Rows are removed with what they wait for.

Who writes an edge has the upstream job's row locked, and so has who ends that job: an edge is written before the end,
which then leaves a consequence, or after it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

RELEASE = "release"
"""Jobs that come after it are let go, or end."""
WEBHOOK = "webhook"
"""Its owner is told."""
SAVE = "save"
"""What it left becomes datasets."""


def add(unit: Unit, rows: Sequence[Row]) -> None:
    """Insert edges."""
    insert_rows(unit.connection, t.edge, rows)


def owe(unit: Unit, job_id: str, what: str, due_at: datetime) -> None:
    """Something follows from the end of a job; once."""
    insert_new(unit.connection, t.consequence, [{"job_id": job_id, "what": what, "due_at": due_at, "tries": 0}])


def owed(
    unit: Unit, what: str, limit: int, *, jobs: Collection[str] = (), accounts: Collection[str] = ()
) -> Sequence[Row]:
    """What is due, the longest due first; of none of these jobs, nor of jobs of these accounts."""
    query = select(t.consequence).where(t.consequence.c.what == what, t.consequence.c.due_at <= unit.now)
    if jobs:
        query = query.where(t.consequence.c.job_id.not_in(list(jobs)))
    if accounts:
        theirs = t.job.c.account_id.in_(list(accounts))
        query = query.join(t.job, t.job.c.id == t.consequence.c.job_id).where(~theirs)
    return unit.connection.execute(query.order_by(t.consequence.c.due_at).limit(limit)).mappings().all()


def one(unit: Unit, job_id: str, what: str) -> Row | None:
    """Something that is to follow, where it is."""
    which = (t.consequence.c.job_id == job_id) & (t.consequence.c.what == what)
    return unit.connection.execute(select(t.consequence).where(which)).mappings().one_or_none()


def owe_again(unit: Unit, row: Row, due_at: datetime) -> None:
    """It did not work; it is tried again then."""
    which = (t.consequence.c.job_id == row["job_id"]) & (t.consequence.c.what == row["what"])
    unit.connection.execute(update(t.consequence).where(which).values(due_at=due_at, tries=row["tries"] + 1))


def done(unit: Unit, job_id: str, what: str) -> None:
    """It has followed."""
    which = (t.consequence.c.job_id == job_id) & (t.consequence.c.what == what)
    unit.connection.execute(delete(t.consequence).where(which))


def awaited(unit: Unit, upstream_id: str) -> bool:
    """Whether any job still waits for this one."""
    query = select(t.edge.c.job_id).where(t.edge.c.upstream_id == upstream_id, t.edge.c.met_at.is_(None)).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def waiting_for(unit: Unit, upstream_id: str, limit: int) -> Sequence[str]:
    """Some of the jobs that still wait for this one, in the order of ids."""
    query = select(t.edge.c.job_id).where(t.edge.c.upstream_id == upstream_id, t.edge.c.met_at.is_(None)).distinct()
    return unit.connection.execute(query.order_by(t.edge.c.job_id).limit(limit)).scalars().all()


def of_job(unit: Unit, job_id: str) -> Sequence[Row]:
    """The edges of a job with what is known of the jobs that it waits for, in the order in which it names them."""
    known = (t.job.c.name, t.job.c.state, t.job.c.ended_at, t.job.c.tasks, t.job.c.public_id)
    query = (
        select(t.edge, *known)
        .join(t.job, t.job.c.id == t.edge.c.upstream_id)
        .where(t.edge.c.job_id == job_id)
        .order_by(t.edge.c.place)
    )
    return unit.connection.execute(query).mappings().all()


def upstreams(unit: Unit, job_ids: Sequence[str]) -> Mapping[str, Row]:
    """Jobs that others are to come after, locked in the order of ids until the unit ends."""
    query = select(t.job).where(t.job.c.id.in_(list(job_ids))).order_by(t.job.c.id).with_for_update()
    return {row["id"]: row for row in unit.connection.execute(query).mappings()}


def settle(unit: Unit, job_id: str, upstream_id: str) -> None:
    """The edges between the two are dealt with; done twice, the first time stays."""
    which = (t.edge.c.job_id == job_id) & (t.edge.c.upstream_id == upstream_id) & t.edge.c.met_at.is_(None)
    unit.connection.execute(update(t.edge).where(which).values(met_at=unit.now))


def overlooked(unit: Unit, limit: int) -> Sequence[str]:
    """Jobs that have ended while edges to them stand open and nothing is owed: none, unless a store was mended."""
    is_owed = select(t.consequence.c.job_id).where(t.consequence.c.what == RELEASE)
    query = (
        select(t.edge.c.upstream_id)
        .join(t.job, t.job.c.id == t.edge.c.upstream_id)
        .where(t.edge.c.met_at.is_(None), t.job.c.ended_at.is_not(None), t.edge.c.upstream_id.not_in(is_owed))
        .distinct()
        .limit(limit)
    )
    return unit.connection.execute(query).scalars().all()
