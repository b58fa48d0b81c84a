"""Copies: which may leave, which are read anew, what their connectors found, and what follows from each state.

The laws: of a sealed version the last copy that is whole and reached never leaves, but with the version itself; none
leaves that somebody reads. Both are decided under the version's lock.
"""

from datetime import datetime
from typing import Final

from suanlian.model.data import Replica, ReplicaState, VersionState
from suanlian.model.data_protocol import TaskKind, TaskReport, TaskState
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.event import EventType
from suanlian.rules.data.states import SAYS_NOTHING, replica_moves, wait_after
from suanlian.store import datasets, replicas, storage_tasks
from suanlian.store.storages import Storages, refs_of
from suanlian.store.unit import Row, Unit

_FOUND_WRONG: Final = frozenset({"checksum_mismatch", "source_gone", "changed_in_place", "name_refused"})
"""Codes by which a connector says that a copy is not what it should be; others say that it could not look."""


def list_of(unit: Unit, version: Row) -> list[Replica]:
    """The copies of a version that are not gone, oldest first."""
    rows = replicas.of_versions(unit, [version["id"]])
    told = replicas.values_of(unit, rows, refs_of(unit, {row["storage_id"] for row in rows}))
    return list(told.get(version["id"], ()))


def _locked(unit: Unit, version_id: str, replica_id: str) -> tuple[Row, dict[str, Row]]:
    version = datasets.lock(unit, version_id)
    copies = {} if version is None else replicas.lock_of(unit, version_id)
    if version is None or replica_id not in copies:
        raise NotFoundError("not_found", "There is no such copy.", todo="suanlian data ls NAME lists them.")
    return version, copies


def leave(unit: Unit, version_id: str, replica_id: str, *, why: str = "") -> None:
    """Let a copy leave. Raises ConflictError: ``last_copy``, ``dataset_in_use``, ``state_conflict``, NotFoundError."""
    version, copies = _locked(unit, version_id, replica_id)
    copy = copies[replica_id]
    state = ReplicaState(copy["state"])
    if state is ReplicaState.LEAVING:
        return
    if state is ReplicaState.COMING:
        wrong = "The copy is coming: what brings it is canceled instead."
        raise ConflictError(
            "state_conflict", wrong, todo="suanlian data transfers lists it; suanlian data transfer cancel ID ends it."
        )
    if replicas.used(unit, [replica_id]):
        raise ConflictError("dataset_in_use", "The copy is being read.", todo="Try again when that has ended.")
    others = [row for row in copies.values() if row["id"] != replica_id and row["state"] == ReplicaState.WHOLE]
    is_live = version["state"] != VersionState.DELETED
    if is_live and state not in SAYS_NOTHING and not replicas.reachable(unit, others):
        wrong = "It is the last copy that is whole and reached."
        todo = "Copy it elsewhere first, or delete the version: suanlian data rm NAME@N."
        raise ConflictError("last_copy", wrong, todo=todo)
    replicas.move(unit, version, copy, ReplicaState.LEAVING, reason=why)
    _follow(unit, version, {**copy, "state": ReplicaState.LEAVING.value})


def pin(unit: Unit, version_id: str, replica_id: str, until: datetime | None) -> None:
    """Let a copy stay at least until then."""
    version, copies = _locked(unit, version_id, replica_id)
    replicas.change(unit, replica_id, {"pinned_until": until})
    said = {"before": copies[replica_id]["pinned_until"], "after": until}
    unit.record(EventType.REPLICA_PINNED, replica_id, account_id=version["account_id"], **said)


def verify(unit: Unit, version_id: str, ref: str | None) -> None:
    """Let all copies be read anew, or the one at a storage. Raises NotFoundError where there is none to read."""
    version = datasets.lock(unit, version_id)
    copies = {} if version is None else replicas.lock_of(unit, version_id)
    refs = refs_of(unit, {row["storage_id"] for row in copies.values()})
    read = [row for row in copies.values() if ReplicaState(row["state"]) not in SAYS_NOTHING]
    read = [row for row in read if ref is None or refs[row["storage_id"]][0] == ref]
    if version is None or not read:
        wrong = "No copy is there that could be read." if ref is None else f"No copy at {ref} could be read."
        raise NotFoundError("not_found", wrong, todo="suanlian data ls NAME lists them.", field="storage")
    for copy in read:
        if not any(task["kind"] == TaskKind.VERIFY for task in storage_tasks.open_of(unit, replica_id=copy["id"])):
            _ask(unit, version, copy, TaskKind.VERIFY)
        unit.record(EventType.REPLICA_VERIFYING, copy["id"], account_id=version["account_id"], version=version_id)


def _ask(unit: Unit, version: Row, copy: Row, kind: TaskKind) -> None:
    place = Storages(unit).by_id[copy["storage_id"]]
    said = storage_tasks.of_version(
        version, kind, place.share.name, replica_id=copy["id"], place=copy["place"], bytes=copy["bytes"]
    )
    storage_tasks.add(unit, copy["connector_id"], copy["storage_id"], said)


def verified(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """A connector has read a copy anew, or could not. The version is locked."""
    if report.state not in (TaskState.DONE, TaskState.FAILED):
        storage_tasks.heard(unit, task, state=report.state.value)
        return
    copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
    found = report.state is TaskState.DONE or report.code in _FOUND_WRONG
    if copy is None or ReplicaState(copy["state"]) in SAYS_NOTHING:
        storage_tasks.end(unit, task)
    elif not found:
        _later(unit, task, report)
    elif report.state is TaskState.DONE:
        values = {"verified_at": unit.now, "reason": ""}
        if replica_moves(ReplicaState(copy["state"]), ReplicaState.WHOLE):
            replicas.move(unit, version, copy, ReplicaState.WHOLE, **values)
        else:
            replicas.change(unit, copy["id"], values)
        storage_tasks.end(unit, task)
    else:
        if replica_moves(ReplicaState(copy["state"]), ReplicaState.BROKEN):
            reason = f"{report.code}: {report.reason or report.path}"[:200]
            replicas.move(unit, version, copy, ReplicaState.BROKEN, reason=reason)
        storage_tasks.end(unit, task)


def deleted(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """A connector has removed a copy, or could not yet. The version is locked."""
    if report.state is TaskState.DONE:
        copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
        if copy is not None and copy["state"] == ReplicaState.LEAVING:
            replicas.move(unit, version, copy, ReplicaState.GONE)
        storage_tasks.end(unit, task)
    elif report.state is TaskState.FAILED:
        _later(unit, task, report)
    else:
        storage_tasks.heard(unit, task, state=report.state.value)


def _later(unit: Unit, task: Row, report: TaskReport) -> None:
    tries = task["tries"] + 1
    due = {"tries": tries, "not_before": unit.now + wait_after(tries)}
    storage_tasks.again(unit, task, **due, code=report.code, reason=report.reason[:200])


def due(unit: Unit, limit: int) -> list[tuple[str, str]]:
    """Copies with which something is to follow from their state, as version and copy."""
    leaving = replicas.without_task(unit, ReplicaState.LEAVING, TaskKind.DELETE.value, limit)
    doubted = replicas.without_task(unit, ReplicaState.DOUBTED, TaskKind.VERIFY.value, limit)
    rows = [*leaving, *doubted, *replicas.of_deleted(unit, limit), *replicas.stray(unit, limit)]
    return sorted({(row["version_id"], row["id"]) for row in rows})


def follow(unit: Unit, version_id: str, replica_id: str) -> bool:
    """Do what follows from the state of a copy; whether anything did."""
    version = datasets.lock(unit, version_id)
    copy = None if version is None else replicas.lock_of(unit, version_id).get(replica_id)
    if version is None or copy is None:
        return False
    state = ReplicaState(copy["state"])
    is_stray = state is ReplicaState.COMING and any(row["id"] == replica_id for row in replicas.stray(unit, 1000))
    is_over = version["state"] == VersionState.DELETED and state not in SAYS_NOTHING
    if is_stray or (is_over and not replicas.used(unit, [replica_id])):
        replicas.move(unit, version, copy, ReplicaState.LEAVING, reason="deleted" if is_over else "given up")
        copy = {**copy, "state": ReplicaState.LEAVING.value}
    return _follow(unit, version, copy)


def _follow(unit: Unit, version: Row, copy: Row) -> bool:
    open_ = storage_tasks.open_of(unit, replica_id=copy["id"])
    if copy["state"] == ReplicaState.DOUBTED and not any(task["kind"] == TaskKind.VERIFY for task in open_):
        _ask(unit, version, copy, TaskKind.VERIFY)
        return True
    if copy["state"] != ReplicaState.LEAVING or any(task["kind"] == TaskKind.DELETE for task in open_):
        return False
    storage_tasks.end_all(unit, open_)
    if copy["managed"]:
        _ask(unit, version, copy, TaskKind.DELETE)
    else:  # it was never ours: it is only known no more
        replicas.move(unit, version, copy, ReplicaState.GONE)
    return True


def sweep(unit: Unit, limit: int) -> bool:
    """Forget uses that hold no more; whether there are more."""
    return replicas.forget_uses(unit, limit) == limit
