"""Work that makes room: moved, paused and let go on by its owner, moved when a platform is drained.

The hub only wishes; the connector lets the program save, ends it, and reports PREEMPTED: the task is placed anew then,
and is handed its newest whole checkpoint.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from suanlian.model.demand import MAX_GRACE_S
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.job import ENDED, JobSpec, JobState
from suanlian.model.moving import Move, Which
from suanlian.model.offer import Tier
from suanlian.model.party import Caller
from suanlian.model.platform import LEAD_S, Downtime, Drain, Drained, Feature, Flavor
from suanlian.model.protocol import InventoryCall, ReportCall, Wish
from suanlian.store import attempts, jobs, lost, moving, platforms
from suanlian.store.unit import Row, Unit

_AIM: Final = timedelta(hours=1)
"""For so long a move holds: not back to where it came from, or only to where it was sent."""
_ROOM: Final = frozenset({Wish.RUN, Wish.PAUSE, Wish.RECALL})
"""Wishes after which an attempt may be told to make room."""
_SHOWN: Final = 20


def _locked(unit: Unit, caller: Caller, ref: str, index: int | None) -> Row:
    found = jobs.find(unit, caller, ref)
    row = None if found is None else jobs.lock(unit, found["id"])
    if row is None:
        wrong = f"You have no job {ref[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian jobs lists yours.", field="job")
    if row["state"] in ENDED or row["canceling"]:
        wrong = f"The job has ended, or is being cancelled: {row['state']}."
        raise ConflictError("job_ended", wrong, todo="There is nothing left to move.")
    if caller.account_id != row["account_id"] and not caller.sees_all:
        raise ForbiddenError("forbidden", "The job belongs to another account.")
    if index is not None and index >= row["tasks"]:
        todo = f"Indices run from 0 to {row['tasks'] - 1}."
        raise NotFoundError("not_found", f"The job has no task {index}.", todo=todo, field="index")
    return row


def _live(unit: Unit, job: Row, index: int | None) -> list[Row]:
    found = [row for row in attempts.lock_live(unit, job["id"]) if index in (None, row["idx"])]
    return [row for row in found if row["state"] != JobState.CANCELING]


def move(unit: Unit, caller: Caller, ref: str, asked: Move) -> int:
    """Let what has a place go elsewhere, or to one platform; returns how many tasks move.

    Raises NotFoundError, ConflictError ``job_ended``, ``no_checkpoint``, ``not_possible_there``, ``state_conflict``.
    """
    job = _locked(unit, caller, ref, asked.index)
    spec = JobSpec.model_validate_json(job["spec"])
    target = None if asked.to is None else _target(unit, spec, asked.to)
    live = [row for row in _live(unit, job, asked.index) if target is None or row["platform_id"] != target["id"]]
    begun = [row for row in live if row["started_at"] is not None]
    if begun and spec.checkpoint is None and not asked.from_zero:
        wrong = f"The job declares no checkpoint: {len(begun)} running tasks would start from zero."
        raise ConflictError("no_checkpoint", wrong, todo="Say that they may (--yes), or let them end.")
    until = (unit.now + _AIM).isoformat()
    for row in live:
        _make_room(unit, row, "moved by its owner")
        aim = {"until": until, "platform": asked.to, "avoid": [] if asked.to else [row["share_id"]]}
        jobs.change_task(unit, job["id"], row["idx"], {"aim": json.dumps(aim)})
    waiting = moving.aim_waiting(unit, job, asked.index, until, asked.to) if asked.to else 0
    if not live and not waiting:
        wrong = "Nothing of it has a place." if asked.to is None else f"All of it is at {asked.to} already."
        raise ConflictError("state_conflict", wrong, todo="suanlian show tells where it is.")
    if waiting:
        jobs.change(unit, job["id"], {"waiting": None})
        unit.record(EventType.TASK_REQUEUED, job["id"], account_id=job["account_id"], aimed=waiting)
    told = {"tasks": len(live) + waiting, "to": asked.to}
    unit.record(EventType.JOB_MOVING, job["id"], account_id=job["account_id"], **told)
    return len(live) + waiting


def make_way(unit: Unit, attempt_id: str, until: datetime) -> bool:
    """Let what the market proposed go elsewhere, and not back before then; whether it was told.

    Only what takes preemptible terms, declares a checkpoint, runs, and was told nothing else.
    """
    job_id = attempts.job_of(unit, attempt_id)
    job = None if job_id is None else jobs.lock(unit, job_id)
    row = None if job is None else attempts.lock(unit, attempt_id)
    if job is None or row is None or job["state"] in ENDED or job["canceling"] or row["ended_at"] is not None:
        return False
    spec = JobSpec.model_validate_json(job["spec"])
    if spec.checkpoint is None or Tier.PREEMPTIBLE not in spec.wants.tiers or row["state"] != JobState.RUNNING:
        return False
    if row["wish"] != Wish.RUN or "preempt" not in _knows(unit, row):
        return False
    _make_room(unit, row, "moved by the market")
    aim = {"until": until.isoformat(), "platform": None, "avoid": [row["share_id"]]}
    jobs.change_task(unit, job["id"], row["idx"], {"aim": json.dumps(aim)})
    unit.record(EventType.JOB_MOVING, job["id"], account_id=job["account_id"], tasks=1, to=None, by="market")
    return True


def _target(unit: Unit, spec: JobSpec, to: str) -> Row:
    row = platforms.find(unit, to)
    if row is None:
        wrong = f"No platform has the name or identifier {to[:80]!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="to")
    if spec.wants.platform not in (None, row["name"]):
        wrong = f"The job itself wants platform {spec.wants.platform!r}."
        raise ConflictError("not_possible_there", wrong, todo="Submit it without wants.platform.", field="to")
    return row


def _make_room(unit: Unit, row: Row, why: str) -> None:
    """Wish that it saves, ends and is placed anew. Raises ConflictError where its connector knows no such wish."""
    if Wish(row["wish"]) not in _ROOM:
        return
    if "preempt" in _knows(unit, row):
        attempts.wish(unit, row, Wish.PREEMPT, why)
    elif row["started_at"] is None:
        attempts.wish(unit, row, Wish.RECALL, why)
    else:
        wrong = "The connector of its place is of an earlier release: it can only be cancelled there."
        raise ConflictError("not_possible_there", wrong, todo="Cancel it and submit it again, or wait for its end.")


def _knows(unit: Unit, row: Row) -> frozenset[str]:
    connector = platforms.find_connector(unit, row["connector_id"])
    return frozenset() if connector is None else lost.knows(connector)


def pause(unit: Unit, caller: Caller, ref: str, asked: Which) -> int:
    """Let what runs stand still where it is; returns how many tasks. Charged as before: the capacity is held.

    Raises NotFoundError, ConflictError ``job_ended``, ``not_possible_there``, ``state_conflict``.
    """
    job = _locked(unit, caller, ref, asked.index)
    everything = _live(unit, job, asked.index)
    live = [row for row in everything if row["wish"] in (Wish.RUN, Wish.RECALL)]
    running = [row for row in live if row["state"] == JobState.RUNNING]
    if not running:
        if any(row["wish"] == Wish.PAUSE for row in everything):
            raise ConflictError("state_conflict", "It is paused already.", todo="suanlian resume lets it go on.")
        todo = "What waits for a place costs nothing; suanlian show tells."
        raise ConflictError("state_conflict", "Nothing of it runs.", todo=todo)
    for row in running:
        flavor = Flavor.model_validate_json(moving.flavor_body(unit, row["flavor_id"]))
        if Feature.SUSPEND not in flavor.features or "pause" not in _knows(unit, row):
            had = ", ".join(flavor.features) or "none"
            wrong = f"Its place cannot let it stand still: what it can do is {had}."
            raise ConflictError("not_possible_there", wrong, todo="Move it, or cancel it.")
        attempts.wish(unit, row, Wish.PAUSE, "paused by its owner")
    unit.record(EventType.JOB_PAUSING, job["id"], account_id=job["account_id"], tasks=len(running))
    return len(running)


def resume(unit: Unit, caller: Caller, ref: str, asked: Which) -> int:
    """Let what stands still go on; returns how many tasks. Raises as ``pause``."""
    job = _locked(unit, caller, ref, asked.index)
    paused = [row for row in _live(unit, job, asked.index) if row["wish"] == Wish.PAUSE]
    if not paused:
        raise ConflictError("state_conflict", "Nothing of it is paused.", todo="suanlian show tells how it stands.")
    for row in paused:
        attempts.wish(unit, row, Wish.RUN, "")
    unit.record(EventType.JOB_RESUMING, job["id"], account_id=job["account_id"], tasks=len(paused))
    return len(paused)


def drain(unit: Unit, caller: Caller, row: Row, *, by: datetime | None, why: str) -> None:
    """Empty a platform: nothing new comes, what runs is moved so that all is out at ``by``. Again, it says anew.

    Raises InvalidError where ``by`` is past: a year that was mistyped would empty a platform at once.
    """
    if by is not None and by <= unit.now:
        todo = (
            "Give a moment that is still to come, with its zone; leave it out to empty the platform as soon as can be."
        )
        raise InvalidError("field_invalid", "The moment by which all is to be out is past.", todo=todo, field="by")
    said = Drain(since=unit.now, by=by, who="operator", why=why)
    moving.set_drain(unit, row["id"], said.model_dump_json())
    unit.record(EventType.PLATFORM_DRAINED, row["id"], operator=caller.principal_id, by=by)


def undrain(unit: Unit, caller: Caller, row: Row) -> None:
    """The platform is emptied no longer; what its owner said stands. Raises ConflictError ``state_conflict``."""
    if row["drain"] is None:
        wrong = "No operator drains this platform."
        raise ConflictError("state_conflict", wrong, todo="Its owner ends an own drain: suanlian-agent resume.")
    moving.set_drain(unit, row["id"], None)
    unit.record(EventType.PLATFORM_UNDRAINED, row["id"], operator=caller.principal_id)


def drained(unit: Unit, row: Row) -> Drained:
    """How far a platform is emptied."""
    connectors = platforms.connectors_of(unit, row["id"])
    live = moving.live_at(unit, row["id"])
    return Drained(
        platform=row["name"],
        operator=Drain.model_validate_json(row["drain"]) if row["drain"] else None,
        owners={c["name"]: Drain.model_validate_json(c["drain"]) for c in connectors if c["drain"]},
        downtimes={c["name"]: downtimes_of(c) for c in connectors if c["downtimes"] != "[]"},
        running=len(live),
        told=sum(one["wish"] == Wish.PREEMPT for one in live),
        attempts=tuple(one["id"] for one in live[:_SHOWN]),
    )


def downtimes_of(connector: Row) -> tuple[Downtime, ...]:
    """The calendar that a connector published."""
    return tuple(Downtime.model_validate(one) for one in json.loads(connector["downtimes"]))


def due(unit: Unit, limit: int) -> Sequence[Row]:
    """Attempts at drained platforms that are to be told to make room by now."""
    by = {platform_id: Drain.model_validate_json(said).by for platform_id, said in moving.drains(unit).items()}
    soon = {platform_id for platform_id, at in by.items() if _is_due(unit.now, at, MAX_GRACE_S)}
    found: list[Row] = []
    page: Sequence[Row] = moving.at_platforms(unit, soon, ("", ""), limit) if soon else ()
    while page:
        able = [row for row in page if _may_be_told(row, lost.knows(row))]
        found += [row for row in able if _is_due(unit.now, by[row["platform_id"]], _grace_s(row["spec"]))]
        if len(found) >= limit or len(page) < limit:
            break
        page = moving.at_platforms(unit, soon, (page[-1]["job_id"], page[-1]["id"]), limit)
    return found[:limit]


def _is_due(now: datetime, by: datetime | None, grace_s: int) -> bool:
    return by is None or now >= by - timedelta(seconds=LEAD_S + grace_s)


@lru_cache(maxsize=64)
def _grace_s(spec: str) -> int:
    """How long a job may take to save; asked for each task of an array."""
    checkpoint = JobSpec.model_validate_json(spec).checkpoint
    return checkpoint.grace_s if checkpoint else 0


def _may_be_told(row: Row, knows: Collection[str]) -> bool:
    """Whether its connector can end it so that it goes on elsewhere; else it runs to its end."""
    return "preempt" in knows or row["started_at"] is None


def make_room(unit: Unit, held: Row) -> bool:
    """Tell one of them; whether it was told. One whose connector is of an earlier release runs to its end."""
    jobs.lock(unit, held["job_id"])
    row, platform = attempts.lock(unit, held["id"]), platforms.find(unit, held["platform_id"])
    if row is None or row["ended_at"] is not None or platform is None or not platform["drain"]:
        return False
    if Wish(row["wish"]) not in _ROOM or not _may_be_told(row, _knows(unit, row)):
        return False
    why = Drain.model_validate_json(platform["drain"]).why
    _make_room(unit, row, f"the platform is drained: {why}" if why else "the platform is drained")
    return True


def heard(unit: Unit, connector_id: str, call: ReportCall) -> None:
    """Take with a report whether the owner empties the platform."""
    said = None if call.drain is None else call.drain.model_dump_json()
    row = platforms.find_connector(unit, connector_id)
    if row is not None and row["drain"] != said:
        platforms.change_connector(unit, connector_id, {"drain": said})
        unit.record(EventType.CONNECTOR_DRAINED, connector_id, before=bool(row["drain"]), after=call.drain is not None)


def published(unit: Unit, connector_id: str, call: InventoryCall) -> None:
    """Take with an inventory the owner's calendar."""
    said = json.dumps([down.model_dump(mode="json") for down in call.downtimes])
    platforms.change_connector(unit, connector_id, {"downtimes": said})
