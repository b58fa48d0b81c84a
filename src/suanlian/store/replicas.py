"""Copies of versions: where they lie, who reads them, what is booked for them. Only ``add`` and ``move`` write states.

All that is decided of a copy is decided under its version's lock (``datasets.lock``).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update

from suanlian.model.data import TRANSFER_ENDED, Replica, ReplicaState, VersionState
from suanlian.model.event import EventType
from suanlian.store import datasets, published
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new, lock_name
from suanlian.store.storages import UNHEARD, booked_all
from suanlian.store.unit import Row, Unit

_r, _u = t.replica.c, t.replica_use.c
ATTEMPT: Final = "attempt"
TRANSFER: Final = "transfer"
GRANT: Final = "grant"
_READABLE: Final = ("whole", "doubted")
_SHOWN: Final = ("id", "state", "managed", "bytes", "verified_at", "pinned_until", "expires_at", "read_at", "reason")


def add(unit: Unit, version: Row, row: Row, capacity: int | None) -> bool:
    """Write a copy that comes, with its bytes booked; False, with nothing written, where there is no room for them.

    The version is locked. ``capacity``: of the storage in bytes, None where nobody counts.
    """
    if row["managed"] and not _has_room(unit, row["storage_id"], row["bytes"], capacity):
        return False
    defaults = {"verified_at": None, "pinned_until": None, "expires_at": None, "read_at": None, "gone_at": None}
    unit.connection.execute(insert(t.replica).values(**{**defaults, "reason": "", "created_at": unit.now, **row}))
    said = {"version": version["id"], "storage": row["storage_id"], "bytes": row["bytes"]}
    unit.record(EventType.REPLICA_ADDED, row["id"], account_id=version["account_id"], **said)
    return True


def _has_room(unit: Unit, storage_id: str, size: int, capacity: int | None) -> bool:
    lock_name(unit.connection, f"storage:{storage_id}")
    return capacity is None or booked_all(unit, [storage_id]).get(storage_id, 0) + size <= capacity


def rebook(unit: Unit, replica: Row, size: int, capacity: int | None) -> bool:
    """Book what a copy turned out to have; False where there is no room for what it has more."""
    more = size - replica["bytes"]
    if replica["managed"] and more > 0 and not _has_room(unit, replica["storage_id"], more, capacity):
        return False
    change(unit, replica["id"], {"bytes": size})
    return True


def move(unit: Unit, version: Row, replica: Row, state: ReplicaState, **values: object) -> None:
    """Let a copy go from one state to another, and its version be lost or found by that. Both are locked.

    Whether it may is asked of ``rules.data.states`` before.
    """
    gone = {"gone_at": unit.now} if state is ReplicaState.GONE else {}
    change(unit, replica["id"], {"state": state.value, **gone, **values})
    said = {"version": version["id"], "before": replica["state"], "after": state.value}
    if values.get("reason"):
        said["reason"] = values["reason"]
    unit.record(EventType.REPLICA_MOVED, replica["id"], account_id=version["account_id"], **said)
    _recount(unit, version)


def _recount(unit: Unit, version: Row) -> None:
    """A sealed version of which no copy holds is lost, and found again by one that is whole."""
    now = unit.connection.execute(
        select(t.dataset_version.c.state).where(t.dataset_version.c.id == version["id"])
    ).scalar_one()
    states = set(unit.connection.execute(select(_r.state).where(_r.version_id == version["id"])).scalars())
    if now == VersionState.SEALED and not states & set(_READABLE):
        after, kind = VersionState.LOST, EventType.VERSION_LOST
    elif now == VersionState.LOST and ReplicaState.WHOLE in states:
        after, kind = VersionState.SEALED, EventType.VERSION_FOUND
    else:
        return
    datasets.change_version(unit, version["id"], {"state": after.value})
    unit.record(kind, version["id"], account_id=version["account_id"], before=now, after=after.value)


def change(unit: Unit, replica_id: str, values: Mapping[str, Any]) -> None:
    """Update a copy that is locked; its state by ``move`` alone."""
    unit.connection.execute(update(t.replica).where(_r.id == replica_id).values(**values))


def find(unit: Unit, replica_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.replica).where(_r.id == replica_id)).mappings().one_or_none()


def lock_of(unit: Unit, version_id: str) -> dict[str, Row]:
    """All copies of a version that are not gone, by id, locked in the order of ids."""
    query = select(t.replica).where(_r.version_id == version_id, _r.state != "gone").order_by(_r.id).with_for_update()
    return {row["id"]: row for row in unit.connection.execute(query).mappings()}


def of_versions(unit: Unit, version_ids: Collection[str]) -> Sequence[Row]:
    """Copies of these versions that are not gone, oldest first."""
    query = select(t.replica).where(_r.version_id.in_(list(version_ids)), _r.state != "gone").order_by(_r.id)
    return unit.connection.execute(query).mappings().all()


def use(unit: Unit, replica_id: str, kind: str, holder_id: str, until: datetime | None = None) -> None:
    """Somebody reads a copy from now on: it does not leave meanwhile. Its version is locked."""
    key = (_u.replica_id == replica_id) & (_u.kind == kind) & (_u.holder_id == holder_id)
    row = {"replica_id": replica_id, "kind": kind, "holder_id": holder_id, "until": until}
    if not insert_new(unit.connection, t.replica_use, [row]):
        unit.connection.execute(update(t.replica_use).where(key).values(until=until))
    change(unit, replica_id, {"read_at": unit.now})


def unuse(unit: Unit, kind: str, holder_id: str) -> None:
    """Somebody reads no copy any more."""
    unit.connection.execute(delete(t.replica_use).where(_u.kind == kind, _u.holder_id == holder_id))


def _still(unit: Unit) -> ColumnElement[bool]:
    """Whether a use still holds: an attempt or a transfer that has not ended, a grant whose time is not over."""
    attempt = exists().where(t.attempt.c.id == _u.holder_id, t.attempt.c.ended_at.is_(None))
    ended = [state.value for state in TRANSFER_ENDED]
    transfer = exists().where(t.data_transfer.c.id == _u.holder_id, t.data_transfer.c.state.not_in(ended))
    in_time = _u.until.is_not(None) & (_u.until > unit.now)
    return or_(and_(_u.kind == ATTEMPT, attempt), and_(_u.kind == TRANSFER, transfer), and_(_u.kind == GRANT, in_time))


def used(
    unit: Unit, replica_ids: Collection[str], kinds: Collection[str] = (ATTEMPT, TRANSFER, GRANT)
) -> dict[str, int]:
    """How many read each of these copies now; those that nobody reads are left out."""
    query = select(_u.replica_id, func.count()).where(_u.replica_id.in_(list(replica_ids)), _u.kind.in_(list(kinds)))
    return {
        replica_id: int(count)
        for replica_id, count in unit.connection.execute(query.where(_still(unit)).group_by(_u.replica_id))
    }


def forget_uses(unit: Unit, limit: int) -> int:
    """Remove uses that hold no more; how many went."""
    keys = unit.connection.execute(select(_u.replica_id, _u.kind, _u.holder_id).where(~_still(unit)).limit(limit)).all()
    for replica_id, kind, holder_id in keys:
        which = (_u.replica_id == replica_id) & (_u.kind == kind) & (_u.holder_id == holder_id)
        unit.connection.execute(delete(t.replica_use).where(which))
    return len(keys)


def reachable(unit: Unit, rows: Collection[Row]) -> set[str]:
    """Of these copies those whose storage is published and whose connector was heard of a short while ago."""
    heard = t.connector.c.seen_at > unit.now - UNHEARD
    query = select(t.connector.c.id).where(heard, t.connector.c.lost_since.is_(None))
    query = query.where(t.connector.c.id.in_({row["connector_id"] for row in rows}))
    alive = set(unit.connection.execute(query).scalars())
    withdrawn = {sid for sid in {row["storage_id"] for row in rows} if _is_withdrawn(unit, sid)}
    return {row["id"] for row in rows if row["connector_id"] in alive and row["storage_id"] not in withdrawn}


def _is_withdrawn(unit: Unit, storage_id: str) -> bool:
    row = published.find(unit, storage_id)
    return row is None or bool(row["withdrawn"])


def in_state(unit: Unit, states: Collection[ReplicaState], limit: int) -> Sequence[Row]:
    """Copies in one of these states, oldest first."""
    query = select(t.replica).where(_r.state.in_([state.value for state in states])).order_by(_r.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def without_task(unit: Unit, state: ReplicaState, kind: str, limit: int) -> Sequence[Row]:
    """Copies in a state for which their connector has no open task of a kind: what follows from the state is due."""
    task = exists().where(
        t.storage_task.c.replica_id == _r.id, t.storage_task.c.kind == kind, t.storage_task.c.ended_at.is_(None)
    )
    query = select(t.replica).where(_r.state == state.value, ~task).order_by(_r.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def of_deleted(unit: Unit, limit: int) -> Sequence[Row]:
    """Copies of deleted versions that do not leave yet."""
    there = _r.state.not_in(("leaving", "gone"))
    query = select(t.replica).join(t.dataset_version, t.dataset_version.c.id == _r.version_id)
    query = query.where(t.dataset_version.c.state == "deleted", there).order_by(_r.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def stray(unit: Unit, limit: int) -> Sequence[Row]:
    """Copies that were coming and that nothing brings any more: no transfer and no task of theirs is open."""
    transfer = exists().where(t.data_transfer.c.replica_id == _r.id, t.data_transfer.c.ended_at.is_(None))
    task = exists().where(t.storage_task.c.replica_id == _r.id, t.storage_task.c.ended_at.is_(None))
    query = select(t.replica).where(_r.state == "coming", ~transfer, ~task).order_by(_r.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def comes(unit: Unit, replica_id: str) -> bool:
    """Whether a copy is whole, or something brings it."""
    row = find(unit, replica_id)
    if row is None or row["state"] != ReplicaState.COMING:
        return row is not None and row["state"] == ReplicaState.WHOLE
    transfer = select(t.data_transfer.c.id).where(
        t.data_transfer.c.replica_id == replica_id, t.data_transfer.c.ended_at.is_(None)
    )
    return unit.connection.execute(transfer.limit(1)).first() is not None


def values_of(unit: Unit, rows: Sequence[Row], refs: Mapping[str, tuple[str, str]]) -> dict[str, tuple[Replica, ...]]:
    """Copies as people read them, by version. ``refs``: of each storage how it is written, and its site."""
    heard, users = reachable(unit, rows) if rows else set(), used(unit, [row["id"] for row in rows]) if rows else {}
    found = dict[str, list[Replica]]()
    for row in rows:
        ref, site = refs[row["storage_id"]]
        own = {name: row[name] for name in _SHOWN}
        more = {"storage": ref, "site": site, "reachable": row["id"] in heard, "used_by": users.get(row["id"], 0)}
        found.setdefault(row["version_id"], []).append(Replica.model_validate({**own, **more}))
    return {version_id: tuple(copies) for version_id, copies in found.items()}
