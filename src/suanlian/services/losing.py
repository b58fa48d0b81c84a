"""Connectors that are not heard of: since when they are lost, and what becomes of the work that they hold.

A lost connector's attempts stay as they are. After a while their tasks look for another place besides; the old attempt
ends only when the new one gets its place, so a connector that comes back before goes on with all that it has.
"""

from collections.abc import Sequence
from datetime import datetime

from suanlian.model.event import EventType
from suanlian.model.job import JobSpec
from suanlian.rules.hearing import Hearing, beat, is_deaf, is_silent, reruns_from
from suanlian.rules.hearing import LostTerms as LostTerms  # noqa: PLC0414 - what it is set to is part of this service
from suanlian.rules.progress import Progress, parse_tally
from suanlian.rules.retries import may_rerun
from suanlian.store import attempts, jobs, lost
from suanlian.store.unit import Row, Unit


def hear(unit: Unit, terms: LostTerms) -> Hearing:
    """The hub is there now: write it down, with whether it hears most of its connectors."""
    row = lost.hearing(unit)
    before = None if row is None else Hearing(row["at"], row["since"], row["sure_since"])
    now = beat(before, unit.now)
    seen = [connector["seen_at"] for connector in lost.heard_once(unit)]
    deaf = is_deaf(seen, now, unit.now, terms)
    sure = unit.now if deaf else now.sure_since
    if deaf and before is not None and before.sure_since != before.at:
        unit.record(EventType.HUB_DEAF, "hub", connectors=len(seen))
    lost.keep_hearing(unit, {"at": now.at, "since": now.since, "sure_since": sure})
    return Hearing(now.at, now.since, sure)


def silent(unit: Unit, hearing: Hearing, terms: LostTerms) -> list[Row]:
    """Connectors that are lost by now and not marked yet."""
    found = [row for row in lost.heard_once(unit) if row["lost_since"] is None]
    return [row for row in found if is_silent(row["seen_at"], hearing, unit.now, terms)]


def mark(unit: Unit, connector: Row) -> bool:
    """Mark a connector as lost, unless it was heard meanwhile."""
    marked = lost.mark(unit, connector["id"], connector["seen_at"])
    if marked:
        unit.record(EventType.CONNECTOR_LOST, connector["id"], seen_at=connector["seen_at"])
    return marked


def due(unit: Unit, hearing: Hearing, terms: LostTerms) -> datetime | None:
    """What is lost since then or longer may run elsewhere; None: nothing, for the hub's own ears are in doubt."""
    first = reruns_from(hearing.since, hearing, terms)
    return None if unit.now < first else unit.now - terms.for_


def to_rerun(unit: Unit, before: datetime, limit: int) -> Sequence[Row]:
    """Tasks of which it is to be decided whether they look for another place."""
    return lost.to_rerun(unit, before, limit)


def to_end(unit: Unit, before: datetime, limit: int) -> Sequence[Row]:
    """Cancelled attempts that nobody is there to end."""
    return lost.canceling(unit, before, limit)


def rerun(unit: Unit, held: Row, before: datetime) -> bool:
    """Let a task look for another place, or let it wait for its own where its job has no tries for that."""
    job, task = jobs.lock(unit, held["job_id"]), jobs.task(unit, held["job_id"], held["idx"])
    attempt = attempts.lock(unit, held["attempt_id"])
    if job is None or task is None or attempt is None or attempt["ended_at"] is not None or job["canceling"]:
        return False
    since = lost.lost_connector(unit, attempt["connector_id"])
    if task["attempt_id"] != attempt["id"] or task["rerun"] or since is None or since > before:
        return False
    may = may_rerun(lost.causes(unit, job["id"], task["idx"]), JobSpec.model_validate_json(job["spec"]))
    jobs.change_task(unit, job["id"], task["idx"], {"rerun": "yes" if may else "no"})
    if may:
        progress = Progress(parse_tally(job["tally"]), job["queued"]).wait(1)
        jobs.change(unit, job["id"], {**progress.columns(unit.now), "waiting": None})
        unit.record(EventType.TASK_REQUEUED, job["id"], account_id=job["account_id"], index=task["idx"], lost=True)
    return True


def found_again(unit: Unit, limit: int) -> Sequence[Row]:
    """Tasks whose place is heard again, and that look for another no more."""
    return lost.found_again(unit, limit) if lost.any_marked(unit) else ()


def stays(unit: Unit, held: Row) -> bool:
    """Let a task stay where it is."""
    job, task = jobs.lock(unit, held["job_id"]), jobs.task(unit, held["job_id"], held["idx"])
    if job is None or task is None or not task["rerun"] or task["attempt_id"] != held["attempt_id"]:
        return False
    if lost.lost_connector(unit, held["connector_id"]) is not None:
        return False
    jobs.change_task(unit, job["id"], task["idx"], {"rerun": ""})
    if task["rerun"] == "yes":
        progress = Progress(parse_tally(job["tally"]), job["queued"]).wait(-1)
        jobs.change(unit, job["id"], progress.columns(unit.now))
    return True
