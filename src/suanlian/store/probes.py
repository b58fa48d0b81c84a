"""The hub's own small jobs: whose they are, and which of them still run."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update

from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def own_project(unit: Unit, entity_name: str) -> Row | None:
    """The first project of an entity of this name, with its account and entity; None before the hub was claimed."""
    query = (
        select(t.project.c.id.label("project_id"), t.account.c.id.label("account_id"), t.account.c.entity_id)
        .join(t.account, t.account.c.id == t.project.c.account_id)
        .join(t.entity, t.entity.c.id == t.account.c.entity_id)
        .where(t.entity.c.name == entity_name)
        .order_by(t.project.c.id)
        .limit(1)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def attempts_of(unit: Unit, purpose: str, run_id: str) -> Sequence[Row]:
    """The attempts of one run's probes, oldest first."""
    query = (
        select(t.attempt)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .where(t.job.c.purpose == purpose, t.job.c.created_by == run_id)
        .order_by(t.attempt.c.id)
    )
    return unit.connection.execute(query).mappings().all()


def purpose_of(unit: Unit, job_id: str) -> str:
    """What a job is for; empty for ordinary work."""
    return str(unit.connection.execute(select(t.job.c.purpose).where(t.job.c.id == job_id)).scalar_one())


def asked(unit: Unit, job_id: str) -> Row | None:
    """What a probe was told to do and whether it is being cancelled; None for ordinary work."""
    query = select(t.job.c.probe, t.job.c.canceling).where(t.job.c.id == job_id, t.job.c.purpose != "")
    return unit.connection.execute(query).mappings().one_or_none()


def drop_outputs(unit: Unit, attempt_id: str) -> int:
    """Remove the outputs of an attempt and give the account its bytes back; returns how many bytes."""
    mine = t.output.c.attempt_id == attempt_id
    held = select(t.output.c.account_id, func.sum(t.output.c.size)).where(mine).group_by(t.output.c.account_id)
    freed = 0
    for account_id, size in unit.connection.execute(held).all():
        given = update(t.account).where(t.account.c.id == account_id)
        unit.connection.execute(given.values(held_bytes=t.account.c.held_bytes - int(size)))
        freed += int(size)
    unit.connection.execute(delete(t.output).where(mine))
    return freed


def as_told(unit: Unit, attempt_id: str) -> Row | None:
    """A probe's attempt with the names that an instruction carries."""
    share, flavor = t.published.alias("share"), t.published.alias("flavor")
    query = (
        select(t.attempt, t.job.c.purpose, t.entity.c.name.label("entity"))
        .add_columns(share.c.name.label("share"), flavor.c.name.label("flavor"))
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .join(t.entity, t.entity.c.id == t.job.c.entity_id)
        .join(share, (share.c.id == t.attempt.c.share_id) & (share.c.version == 1))
        .join(flavor, (flavor.c.id == t.attempt.c.flavor_id) & (flavor.c.version == 1))
        .where(t.attempt.c.id == attempt_id, t.job.c.purpose != "")
    )
    return unit.connection.execute(query).mappings().one_or_none()
