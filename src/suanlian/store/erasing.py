"""Taking away what somebody was, row by row; ids stay."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from suanlian.store import checkpoints
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add(unit: Unit, row: Row) -> None:
    """Insert an erasure that begins."""
    unit.connection.execute(insert(t.erasure).values(**row))


def pending(unit: Unit) -> Sequence[Row]:
    """Those that are not done, with the principal's place."""
    query = (
        select(t.erasure, t.principal.c.role, t.principal.c.project_id)
        .join(t.principal, t.principal.c.id == t.erasure.c.principal_id)
        .where(t.erasure.c.done_at.is_(None))
        .order_by(t.erasure.c.asked_at)
    )
    return unit.connection.execute(query).mappings().all()


def change(unit: Unit, principal_id: str, values: Mapping[str, Any]) -> None:
    """Update an erasure."""
    unit.connection.execute(update(t.erasure).where(t.erasure.c.principal_id == principal_id).values(**values))


def is_erased(unit: Unit, account_id: str) -> bool:
    """Whether an account is being erased or was."""
    query = select(t.erasure.c.principal_id).where(t.erasure.c.account_id == account_id, t.erasure.c.whole.is_(True))
    return unit.connection.execute(query.limit(1)).scalar_one_or_none() is not None


def owns_platform(unit: Unit, entity_id: str) -> bool:
    """Whether the entity has a platform here."""
    query = select(t.platform.c.id).where(t.platform.c.entity_id == entity_id).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def members(unit: Unit, entity_id: str) -> int:
    """How many principals an entity has."""
    return len(unit.connection.execute(select(t.principal.c.id).where(t.principal.c.entity_id == entity_id)).all())


def shut_out(unit: Unit, principal_id: str) -> None:
    """Nothing opens for the principal from now on, and nothing tells who it was by a sign-in or key."""
    unit.connection.execute(delete(t.identity).where(t.identity.c.principal_id == principal_id))
    unit.connection.execute(delete(t.sign_in).where(t.sign_in.c.principal_id == principal_id))
    unit.connection.execute(delete(t.api_key).where(t.api_key.c.principal_id == principal_id))
    unit.connection.execute(delete(t.invitation).where(t.invitation.c.invited_by == principal_id))
    unit.connection.execute(delete(t.idempotency).where(t.idempotency.c.principal_id == principal_id))


def open_jobs(unit: Unit, account_id: str, limit: int) -> Sequence[Row]:
    """Jobs that have not ended and that nobody has cancelled."""
    query = select(t.job).where(t.job.c.account_id == account_id, t.job.c.ended_at.is_(None))
    return unit.connection.execute(query.where(t.job.c.canceling.is_(False)).limit(limit)).mappings().all()


def anything_runs(unit: Unit, account_id: str) -> bool:
    """Whether any job of the account has not ended."""
    query = select(t.job.c.id).where(t.job.c.account_id == account_id, t.job.c.ended_at.is_(None)).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None


def jobs_after(unit: Unit, account_id: str, job_id: str | None, limit: int) -> Sequence[Row]:
    """Jobs in the order of ids, from the one after ``job_id``."""
    query = select(t.job.c.id, t.job.c.spec).where(t.job.c.account_id == account_id, t.job.c.id > (job_id or ""))
    return unit.connection.execute(query.order_by(t.job.c.id).limit(limit)).mappings().all()


def attempts_of(unit: Unit, job_id: str) -> Sequence[Row]:
    """The attempts of a job."""
    query = select(t.attempt.c.id, t.attempt.c.outcome).where(t.attempt.c.job_id == job_id)
    return unit.connection.execute(query).mappings().all()


def blank_job(unit: Unit, job_id: str, values: Mapping[str, Any]) -> None:
    """Write what is left of a job."""
    unit.connection.execute(update(t.job).where(t.job.c.id == job_id).values(**values))
    for table in (t.tes_tag, t.tes_task):
        unit.connection.execute(delete(table).where(table.c.job_id == job_id))


def blank_attempt(unit: Unit, attempt_id: str, outcome: str) -> None:
    """Write what is left of an attempt; its log and outputs go."""
    unit.connection.execute(update(t.attempt).where(t.attempt.c.id == attempt_id).values(outcome=outcome, passed=None))
    unit.connection.execute(delete(t.log_chunk).where(t.log_chunk.c.attempt_id == attempt_id))
    unit.connection.execute(delete(t.output).where(t.output.c.attempt_id == attempt_id))
    checkpoints.drop_of_attempt(unit, attempt_id)


def blank_account(unit: Unit, account_id: str, name: str) -> None:
    """The account's uploads and secrets go, what was seen of its runs, and its name."""
    unit.connection.execute(delete(t.secret).where(t.secret.c.account_id == account_id))
    unit.connection.execute(delete(t.object_).where(t.object_.c.account_id == account_id))
    unit.connection.execute(delete(t.seen_runs).where(t.seen_runs.c.account_id == account_id))
    held = {"name": name, "held_bytes": 0}
    unit.connection.execute(update(t.account).where(t.account.c.id == account_id).values(**held))


def blank_principal(unit: Unit, principal_id: str, name: str) -> None:
    """The principal's name goes."""
    unit.connection.execute(update(t.principal).where(t.principal.c.id == principal_id).values(name=name))


def blank_entity(unit: Unit, entity_id: str, name: str) -> None:
    """All that is said of the entity goes."""
    said: dict[str, str | None] = {
        "name": name,
        "title": "",
        "title_zh": "",
        "contacts": "[]",
        "qualifications": "[]",
        "decided_why": "",
    }
    said |= {"credit_code": None, "region": None, "pending": None}
    unit.connection.execute(update(t.entity).where(t.entity.c.id == entity_id).values(**said))
