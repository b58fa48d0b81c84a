"""Transfers of versions to storage, who wants each, and how they end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select, true, update

from suanlian.model.data import TRANSFER_ENDED, Purpose, ReplicaState, TransferState
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.party import Caller
from suanlian.model.transfer_plan import StoragePlace
from suanlian.store import replicas, storage_tasks
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

_x, _w = t.data_transfer.c, t.transfer_want.c
_ENDED: Final = tuple(state.value for state in TRANSFER_ENDED)
DEFAULTS: Final[Mapping[str, Any]] = {
    "state": TransferState.WAITING.value,
    "source_id": None,
    "push": False,
    "via_id": None,
    "after_id": None,
    "bytes_done": 0,
    "files_done": 0,
    "begins_at": None,
    "ends_at": None,
    "windows": "[]",
    "rate_mbps": None,
    "cost_cny": None,
    "seen_mbps": None,
    "tries": 0,
    "not_before": None,
    "excluded": "[]",
    "heard_at": None,
    "code": "",
    "reason": "",
    "ended_at": None,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who wants a version somewhere, for what, how much and until when."""

    purpose: Purpose
    who: str
    priority: int = 0
    deadline: datetime | None = None


def begin(unit: Unit, version: Row, place: StoragePlace, wanted: Wanted) -> tuple[Row | None, str]:
    """Let a version come to a storage, once, whoever wants it; the transfer, or why there is none.

    ``whole``: it is there. ``unsettled``: what was there before leaves, or is being read anew. ``full``: no room. The
    version is locked; lock order goes on with storage, copy, transfer.
    """
    there = [row for row in replicas.lock_of(unit, version["id"]).values() if row["storage_id"] == place.id]
    if there and there[0]["state"] != ReplicaState.COMING:
        return None, "whole" if there[0]["state"] == ReplicaState.WHOLE else "unsettled"
    row = open_to(unit, there[0]["id"]) if there else _new(unit, version, place, wanted)
    if row is None:
        return None, "unsettled" if there else "full"
    if row["state"] == TransferState.CANCELING:
        return None, "unsettled"
    want(unit, {"transfer_id": row["id"], "purpose": wanted.purpose.value, "who": wanted.who, **_terms(wanted)})
    deadlines = [moment for moment in (row["deadline"], wanted.deadline) if moment is not None]
    more = {"priority": max(row["priority"], wanted.priority), "deadline": min(deadlines, default=None)}
    change(unit, row["id"], more)
    return {**row, **more}, ""


def _terms(wanted: Wanted) -> dict[str, Any]:
    return {"priority": wanted.priority, "deadline": wanted.deadline}


def _new(unit: Unit, version: Row, place: StoragePlace, wanted: Wanted) -> Row | None:
    replica_id, transfer_id = new_id(), new_id()
    copy = {"id": replica_id, "version_id": version["id"], "storage_id": place.id, "bytes": version["bytes"]}
    copy |= {"connector_id": place.connector_id, "state": ReplicaState.COMING.value, "managed": True}
    if not replicas.add(unit, version, {**copy, "place": f"{version['id']}/{replica_id}"}, place.share.capacity):
        return None
    row = {"id": transfer_id, "version_id": version["id"], "account_id": version["account_id"], **_terms(wanted)}
    row |= {"storage_id": place.id, "replica_id": replica_id, "purpose": wanted.purpose.value}
    add(unit, {**row, "bytes": version["bytes"], "files": version["files"], "created_at": unit.now})
    return lock(unit, transfer_id)


def add(unit: Unit, row: Row) -> None:
    """Insert a transfer that waits."""
    unit.connection.execute(insert(t.data_transfer).values(**{**DEFAULTS, **row}))
    said = {"version": row["version_id"], "storage": row["storage_id"], "purpose": row["purpose"]}
    unit.record(EventType.DATA_ASKED, row["id"], account_id=row["account_id"], **said)


def want(unit: Unit, row: Row) -> None:
    """Somebody wants a transfer; again, it changes nothing."""
    insert_new(unit.connection, t.transfer_want, [{**row, "created_at": unit.now}])


def unwant(unit: Unit, transfer_id: str, purpose: str, who: str) -> None:
    """Somebody wants it no more."""
    which = (_w.transfer_id == transfer_id) & (_w.purpose == purpose) & (_w.who == who)
    unit.connection.execute(delete(t.transfer_want).where(which))


def unwant_all(unit: Unit, transfer_id: str) -> None:
    """Nobody wants it any more."""
    unit.connection.execute(delete(t.transfer_want).where(_w.transfer_id == transfer_id))


def wants(unit: Unit, transfer_ids: Collection[str]) -> Sequence[Row]:
    """Who wants these transfers."""
    query = select(t.transfer_want).where(_w.transfer_id.in_(list(transfer_ids))).order_by(_w.purpose, _w.who)
    return unit.connection.execute(query).mappings().all()


def find(unit: Unit, transfer_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.data_transfer).where(_x.id == transfer_id)).mappings().one_or_none()


def lock(unit: Unit, transfer_id: str) -> Row | None:
    """A transfer, locked until the unit ends."""
    query = select(t.data_transfer).where(_x.id == transfer_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def change(unit: Unit, transfer_id: str, values: Mapping[str, Any]) -> None:
    """Update a transfer that is locked; its end by ``end`` alone."""
    unit.connection.execute(update(t.data_transfer).where(_x.id == transfer_id).values(**values))


def moved(unit: Unit, row: Row, state: TransferState, **values: Any) -> None:  # noqa: ANN401
    """Let a transfer go on in another state that is no end."""
    change(unit, row["id"], {"state": state.value, **values})
    said: dict[str, object] = {"before": row["state"], "after": state.value}
    if values.get("code"):
        said["code"] = values["code"]
    unit.record(EventType.DATA_MOVED, row["id"], account_id=row["account_id"], **said)


def end(unit: Unit, version: Row, row: Row, state: TransferState, why: tuple[str, str] = ("", "")) -> None:
    """The one way in which a transfer ends: its tasks are forgotten, it reads no copy, what has come of it leaves.

    ``why``: a code, and words. Version and transfer are locked. A copy that is whole stays, whatever the transfer says.
    """
    code, reason = why
    values = {"state": state.value, "ended_at": unit.now, "ends_at": unit.now, "code": code, "reason": reason[:200]}
    change(unit, row["id"], values)
    replicas.unuse(unit, replicas.TRANSFER, row["id"])
    target = replicas.find(unit, row["replica_id"])
    if target is not None and target["state"] == ReplicaState.COMING:
        replicas.move(unit, version, target, ReplicaState.LEAVING, reason=code)
    storage_tasks.end_all(unit, storage_tasks.open_of(unit, transfer_id=row["id"]))
    said = {"before": row["state"], "after": state.value, "code": code}
    unit.record(EventType.DATA_MOVED, row["id"], account_id=row["account_id"], **said)


def open_to(unit: Unit, replica_id: str) -> Row | None:
    """The transfer that brings a copy and has not ended."""
    query = select(t.data_transfer).where(_x.replica_id == replica_id, _x.state.not_in(_ENDED))
    return unit.connection.execute(query.order_by(_x.id).limit(1)).mappings().first()


def open_of(unit: Unit, version_id: str) -> Sequence[Row]:
    """The transfers of a version that have not ended."""
    query = select(t.data_transfer).where(_x.version_id == version_id, _x.state.not_in(_ENDED)).order_by(_x.id)
    return unit.connection.execute(query).mappings().all()


def _visible(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.sees_all else _x.account_id == caller.account_id


def seen(unit: Unit, caller: Caller, transfer_id: str) -> Row | None:
    """A transfer, if the caller may see it."""
    query = select(t.data_transfer).where(_x.id == transfer_id, _visible(caller))
    return unit.connection.execute(query).mappings().one_or_none()


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int, state: str | None = None) -> Sequence[Row]:
    """Newest first."""
    query = select(t.data_transfer).where(_visible(caller))
    if after:
        query = query.where(_x.id < after)
    if state is not None:
        query = query.where(_x.state == state)
    return unit.connection.execute(query.order_by(_x.id.desc()).limit(limit)).mappings().all()


def waiting(unit: Unit, limit: int) -> Sequence[Row]:
    """Transfers that wait for a way and whose time to look for one has come, the most urgent first."""
    due = _x.not_before.is_(None) | (_x.not_before <= unit.now)
    before = t.data_transfer.alias("before")
    goes_before = exists().where(before.c.id == _x.after_id, before.c.state.not_in(_ENDED))
    query = select(t.data_transfer).where(_x.state == TransferState.WAITING.value, due, ~goes_before)
    return unit.connection.execute(query.order_by(_x.priority.desc(), _x.id).limit(limit)).mappings().all()


def under_way(unit: Unit, limit: int) -> Sequence[Row]:
    """Transfers whose bytes are on their way, the most urgent first."""
    query = select(t.data_transfer).where(_x.state == TransferState.GOING.value, _x.source_id.is_not(None))
    return unit.connection.execute(query.order_by(_x.priority.desc(), _x.id).limit(limit)).mappings().all()


def unwanted(unit: Unit, limit: int) -> Sequence[str]:
    """Transfers that go on and that nobody wants any more.

    A relay is wanted while what comes after it goes on; what an attempt reads until that has ended; what a job that
    waits is to read until the job has.
    """
    after = t.data_transfer.alias("after")
    goes_on = exists().where(after.c.id == _w.who, after.c.state.not_in(_ENDED))
    reads = exists().where(t.attempt.c.id == _w.who, t.attempt.c.ended_at.is_(None))
    waits = exists().where(t.job.c.id == _w.who, t.job.c.ended_at.is_(None))
    by = {"relay": goes_on, "job": reads, "prefetch": waits}
    held = [(_w.purpose == purpose) & still for purpose, still in by.items()]
    wanted = exists().where(_w.transfer_id == _x.id, or_(_w.purpose.not_in(list(by)), *held))
    open_ = _x.state.not_in((*_ENDED, TransferState.CANCELING.value))
    return unit.connection.execute(select(_x.id).where(open_, ~wanted).limit(limit)).scalars().all()


def going(unit: Unit, limit: int) -> Sequence[Row]:
    """What goes, with when each of its connectors was heard of: rows of transfer, task and connector."""
    active = _x.state.in_((TransferState.GOING.value, TransferState.CHECKING.value, TransferState.CANCELING.value))
    task, connector = t.storage_task.c, t.connector.c
    query = (
        select(_x.id, _x.version_id, _x.state, _x.heard_at, task.kind, task.held, connector.seen_at)
        .add_columns(task.heard_at.label("task_heard_at"), task.created_at.label("task_at"))
        .outerjoin(t.storage_task, and_(task.transfer_id == _x.id, task.ended_at.is_(None)))
        .outerjoin(t.connector, connector.id == task.connector_id)
        .where(active)
        .order_by(_x.id)
    )
    return unit.connection.execute(query.limit(limit)).mappings().all()


def last_failed(unit: Unit, version_id: str, storage_id: str, since: datetime) -> int:
    """How many transfers of a version to a storage failed since a moment."""
    query = select(_x.id).where(_x.version_id == version_id, _x.storage_id == storage_id, _x.state == "failed")
    return len(unit.connection.execute(query.where(_x.ended_at > since)).all())


def failed_since(unit: Unit, version_id: str, age: timedelta) -> dict[str, tuple[int, datetime]]:
    """By storage: how many transfers of a version there failed within a while, and when the last one did."""
    query = select(_x.storage_id, _x.ended_at).where(_x.version_id == version_id, _x.state == "failed")
    found = dict[str, tuple[int, datetime]]()
    for storage_id, at in unit.connection.execute(query.where(_x.ended_at > unit.now - age).order_by(_x.ended_at)):
        found[storage_id] = (found.get(storage_id, (0, at))[0] + 1, at)
    return found


def left_of(unit: Unit, replica_ids: Collection[str]) -> dict[str, int]:
    """Of copies that are coming, how many bytes are still to come."""
    if not replica_ids:
        return {}
    query = select(_x.replica_id, _x.bytes - _x.bytes_done).where(_x.replica_id.in_(list(replica_ids)))
    return {copy: int(left) for copy, left in unit.connection.execute(query.where(_x.ended_at.is_(None)))}


def source_storage(unit: Unit, row: Row) -> str:
    """The storage that a transfer reads; empty while none is chosen."""
    found = None if row["source_id"] is None else replicas.find(unit, row["source_id"])
    return "" if found is None else str(found["storage_id"])


def cut_off(unit: Unit, limit: int) -> Sequence[str]:
    """Transfers that wait for one before them which failed or was canceled."""
    before = t.data_transfer.alias("before")
    broke = exists().where(before.c.id == _x.after_id, before.c.state.in_(("failed", "canceled")))
    query = select(_x.id).where(_x.state == TransferState.WAITING.value, broke).order_by(_x.id).limit(limit)
    return unit.connection.execute(query).scalars().all()


def unwant_open(unit: Unit, purpose: str, who: str) -> None:
    """Somebody wants none of the transfers that go on any more."""
    open_ = select(_x.id).where(_x.state.not_in(_ENDED))
    which = (_w.purpose == purpose) & (_w.who == who) & _w.transfer_id.in_(open_)
    unit.connection.execute(delete(t.transfer_want).where(which))


def made_for(unit: Unit, purpose: str, who: str) -> list[tuple[str, str]]:
    """Copies that one alone wanted and that have no end of their own, each with its version."""
    others = t.transfer_want.alias("others")
    shared = exists().where(others.c.transfer_id == _x.id, (others.c.purpose != purpose) | (others.c.who != who))
    query = (
        select(t.replica.c.id, t.replica.c.version_id)
        .join(t.data_transfer, _x.replica_id == t.replica.c.id)
        .join(t.transfer_want, _w.transfer_id == _x.id)
        .where(_w.purpose == purpose, _w.who == who, t.replica.c.expires_at.is_(None), ~shared)
    )
    there = query.where(t.replica.c.state != "gone").order_by(t.replica.c.id)
    return [(str(replica_id), str(version_id)) for replica_id, version_id in unit.connection.execute(there)]
