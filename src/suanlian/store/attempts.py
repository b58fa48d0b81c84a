"""Attempts, with what the hub wishes of each, and the assignments that tell why."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, insert, select, update

from suanlian.model.job import JobState
from suanlian.model.protocol import Wish
from suanlian.store import platforms
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.jobs import ordinary
from suanlian.store.unit import Row, Unit


def add(unit: Unit, attempt: Row, assignment: Row) -> None:
    """Insert an attempt with its assignment."""
    unit.connection.execute(insert(t.attempt).values(**attempt))
    unit.connection.execute(insert(t.assignment).values(**assignment))


def add_many(unit: Unit, rows: Sequence[Row], assignments: Sequence[Row]) -> None:
    """Insert attempts with their assignments; all rows have the same columns."""
    insert_rows(unit.connection, t.attempt, rows)
    insert_rows(unit.connection, t.assignment, assignments)


def lock(unit: Unit, attempt_id: str) -> Row | None:
    """The attempt row, locked until the unit ends."""
    query = select(t.attempt).where(t.attempt.c.id == attempt_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def lock_many(unit: Unit, attempt_ids: Collection[str]) -> Sequence[Row]:
    """Attempt rows, locked until the unit ends, in the order of ids."""
    query = select(t.attempt).where(t.attempt.c.id.in_(list(attempt_ids))).order_by(t.attempt.c.id).with_for_update()
    return unit.connection.execute(query).mappings().all()


def is_current(row: Row | None, connector_id: str, token: int | None = None) -> bool:
    """THE fence: whether what this connector brings of the attempt is taken. Asked by everything that takes anything.

    ``row`` is the attempt as it is now. ``token``: as the call has it; None where it carries none.
    """
    if row is None or row["connector_id"] != connector_id or row["fenced_at"] is not None:
        return False
    return token is None or bool(row["token"] == token)


def find(unit: Unit, attempt_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.attempt).where(t.attempt.c.id == attempt_id)).mappings().one_or_none()


def completed(unit: Unit, job_id: str) -> Row | None:
    """The newest attempt of a job's first task that is COMPLETE."""
    query = select(t.attempt).where(t.attempt.c.job_id == job_id, t.attempt.c.idx == 0)
    query = query.where(t.attempt.c.state == JobState.COMPLETE.value, t.attempt.c.fenced_at.is_(None))
    return unit.connection.execute(query.order_by(t.attempt.c.number.desc()).limit(1)).mappings().first()


def job_of(unit: Unit, attempt_id: str) -> str | None:
    """The job that an attempt belongs to; it never changes."""
    return unit.connection.execute(select(t.attempt.c.job_id).where(t.attempt.c.id == attempt_id)).scalar_one_or_none()


def jobs_of(unit: Unit, attempt_ids: Collection[str]) -> frozenset[str]:
    """The jobs that these attempts belong to; that never changes."""
    query = select(t.attempt.c.job_id).where(t.attempt.c.id.in_(list(attempt_ids))).distinct()
    return frozenset(unit.connection.execute(query).scalars())


def change(unit: Unit, attempt_id: str, values: Mapping[str, Any]) -> None:
    """Update an attempt that is locked."""
    unit.connection.execute(update(t.attempt).where(t.attempt.c.id == attempt_id).values(**values))


_REPORTED: Final = (
    *("state", "report_version", "started_at", "ended_at", "outcome", "cause"),
    *("wish", "wish_version", "revision"),
)
"""Columns that a report may change."""
_REPORT: Final = (
    update(t.attempt).where(t.attempt.c.id == bindparam("of")).values({name: bindparam(name) for name in _REPORTED})
)


def reported(unit: Unit, rows: Sequence[Row]) -> None:
    """Write locked attempts as they are after their reports."""
    if rows:
        made = [{"of": row["id"], **{name: row[name] for name in _REPORTED}} for row in rows]
        unit.connection.execute(_REPORT, made)


def wish_all(unit: Unit, revisions: Mapping[str, int], wish: str, state: str) -> None:
    """Wish the same of many locked attempts, each under a revision of its own."""
    one = (
        update(t.attempt)
        .where(t.attempt.c.id == bindparam("of"))
        .values(wish=wish, state=state, wish_version=t.attempt.c.wish_version + 1, revision=bindparam("at"))
    )
    if revisions:
        unit.connection.execute(one, [{"of": attempt_id, "at": number} for attempt_id, number in revisions.items()])


def wished_since(unit: Unit, connector_id: str, revision: int, limit: int) -> Sequence[Row]:
    """What changed for a connector since ``revision``, with job and places, without the specs (``specs_of``).

    From 0: all that is not to be forgotten, and what was fenced as long as the connector has not said that it is gone.
    """
    share, flavor, offer = (t.published.alias(name) for name in ("share", "flavor", "offer"))
    sold_by = (offer.c.id == t.assignment.c.offer_id) & (offer.c.version == t.assignment.c.offer_version)
    query = (
        select(t.attempt, t.job.c.public_id, t.job.c.purpose, t.job.c.probe, t.entity.c.name.label("entity"))
        .add_columns(share.c.name.label("share"), flavor.c.name.label("flavor"), offer.c.body.label("offer_body"))
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .join(t.entity, t.entity.c.id == t.job.c.entity_id)
        .join(share, (share.c.id == t.attempt.c.share_id) & (share.c.version == 1))
        .join(flavor, (flavor.c.id == t.attempt.c.flavor_id) & (flavor.c.version == 1))
        .outerjoin(t.assignment, t.assignment.c.attempt_id == t.attempt.c.id)
        .outerjoin(offer, sold_by)
        .where(t.attempt.c.connector_id == connector_id, t.attempt.c.revision > revision)
        .order_by(t.attempt.c.revision)
        .limit(limit)
    )
    if revision == 0:
        still = t.attempt.c.fenced_at.is_not(None) & t.attempt.c.gone_at.is_(None)
        query = query.where((t.attempt.c.wish != "forget") | still)
    return unit.connection.execute(query).mappings().all()


def specs_of(unit: Unit, job_ids: Collection[str]) -> dict[str, str]:
    """The specs of these jobs, as they were stored."""
    query = select(t.job.c.id, t.job.c.spec).where(t.job.c.id.in_(list(job_ids)))
    return {row["id"]: row["spec"] for row in unit.connection.execute(query).mappings()}


def untold(unit: Unit, attempt_ids: Collection[str]) -> Sequence[str]:
    """Of these, the ones of which nothing was told yet."""
    query = select(t.attempt.c.id).where(t.attempt.c.id.in_(attempt_ids), t.attempt.c.first_told_at.is_(None))
    return unit.connection.execute(query).scalars().all()


def mark_told(unit: Unit, attempt_ids: Collection[str]) -> None:
    """They are told now, unless they were before."""
    which = t.attempt.c.id.in_(attempt_ids) & t.attempt.c.first_told_at.is_(None)
    unit.connection.execute(update(t.attempt).where(which).values(first_told_at=unit.now))


def _places() -> Select[Any]:
    share, flavor = t.published.alias("share"), t.published.alias("flavor")
    return (
        select(t.attempt, t.platform.c.name.label("platform"), share.c.body.label("share_body"))
        .add_columns(flavor.c.body.label("flavor_body"), t.connector.c.lost_since)
        .join(t.platform, t.platform.c.id == t.attempt.c.platform_id)
        .join(t.connector, t.connector.c.id == t.attempt.c.connector_id)
        .join(share, (share.c.id == t.attempt.c.share_id) & (share.c.version == 1))
        .join(flavor, (flavor.c.id == t.attempt.c.flavor_id) & (flavor.c.version == 1))
        .where(t.attempt.c.job_id == bindparam("job"), t.attempt.c.idx.in_(bindparam("indices", expanding=True)))
        .order_by(t.attempt.c.idx, t.attempt.c.number)
    )


_PLACES: Final = _places()
"""Made once: a page of many tasks asks it for each of them, and making it costs more than asking."""


def with_places(unit: Unit, job_id: str, indices: Collection[int]) -> Sequence[Row]:
    """The attempts of these tasks, oldest first, with the names of where they ran."""
    return unit.connection.execute(_PLACES, {"job": job_id, "indices": list(indices)}).mappings().all()


def lock_live(unit: Unit, job_id: str) -> Sequence[Row]:
    """The attempts of a job that have not ended, locked in the order of ids."""
    query = select(t.attempt).where(t.attempt.c.job_id == job_id, t.attempt.c.ended_at.is_(None))
    return unit.connection.execute(query.order_by(t.attempt.c.id).with_for_update()).mappings().all()


def unstarted_at(unit: Unit, platform_id: str) -> Sequence[Row]:
    """What a platform was given and has not reported as begun, locked, in the order of ids."""
    waits = (t.attempt.c.state == "QUEUED") & (t.attempt.c.wish == "run") & t.attempt.c.started_at.is_(None)
    query = select(t.attempt).where(t.attempt.c.platform_id == platform_id, waits)
    return unit.connection.execute(query.order_by(t.attempt.c.id).with_for_update()).mappings().all()


def waiting_for_data(unit: Unit, limit: int) -> Sequence[Row]:
    """Attempts that read datasets, have not begun and are to run, the oldest first."""
    waits = t.attempt.c.ended_at.is_(None) & t.attempt.c.started_at.is_(None) & t.attempt.c.data.is_not(None)
    query = select(t.attempt.c.id, t.attempt.c.data).where(waits, t.attempt.c.wish == Wish.RUN.value)
    return unit.connection.execute(query.order_by(t.attempt.c.id).limit(limit)).mappings().all()


def wish(unit: Unit, row: Row, wanted: Wish, why: str = "") -> None:
    """Let its connector be told another wish of an attempt, which is locked; with why, in words, where that is kept."""
    values: dict[str, Any] = {"wish": wanted.value, "wish_version": row["wish_version"] + 1}
    values |= {"wish_why": why[:400]} if why else {}
    change(unit, row["id"], {**values, "revision": platforms.next_revision(unit, row["connector_id"])})


def of_platform(unit: Unit, platform_id: str, *, before: str, limit: int) -> Sequence[Row]:
    """What ran on a platform, newest first; probes apart."""
    query = select(t.attempt).join(t.job, t.job.c.id == t.attempt.c.job_id)
    query = query.where(t.attempt.c.platform_id == platform_id, ordinary())
    if before:
        query = query.where(t.attempt.c.id < before)
    return unit.connection.execute(query.order_by(t.attempt.c.id.desc()).limit(limit)).mappings().all()


def made_between(unit: Unit, start: datetime, end: datetime) -> Sequence[Row]:
    """Attempts of ordinary work that were alive at some moment of a window, with their job's spec."""
    query = (
        select(t.attempt, t.job.c.spec.label("spec"))
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .where(t.attempt.c.created_at < end, (t.attempt.c.ended_at.is_(None)) | (t.attempt.c.ended_at > start))
        .where(ordinary())
        .order_by(t.attempt.c.id)
    )
    return unit.connection.execute(query).mappings().all()


def assignment_of(unit: Unit, attempt_id: str) -> Row | None:
    """The assignment of one attempt."""
    query = select(t.assignment).where(t.assignment.c.attempt_id == attempt_id)
    return unit.connection.execute(query).mappings().one_or_none()
