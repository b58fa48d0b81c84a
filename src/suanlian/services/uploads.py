"""A person's own hands on storage: leave to write the files of an open version, or to read those of a sealed one.

What is written goes into an inbox, from where the storage's connector takes it: it is a copy on that connector's word
alone. The hub hands on pages that only the person can open.
"""

from datetime import timedelta
from typing import Any, Final

from suanlian.crypto.errors import KeyTextError
from suanlian.crypto.sealing import SealingKey
from suanlian.model.data import ReplicaState, StorageKind, VersionState
from suanlian.model.data_protocol import (
    GRANT_S,
    MAX_GRANT_ITEMS,
    Direction,
    StorageTask,
    TaskKind,
    TaskReport,
    TaskState,
)
from suanlian.model.dataset_api import DataGrant, GrantShown
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.levels import LevelRules
from suanlian.model.party import Caller
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.reach import MAX_PUSHED_BYTES, unfit
from suanlian.rules.data.states import wait_after
from suanlian.store import datasets, replicas, storage_tasks
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

LIFE: Final = timedelta(seconds=GRANT_S)
MOST_TRIES: Final = 8
_OTHERS: Final = "suanlian storage lists others."
_S3_INSTEAD: Final = "Name S3 storage, or let the data be registered where it lies: suanlian data register."


def upload(unit: Unit, caller: Caller, version_id: str, to: tuple[str, str], levels: LevelRules) -> DataGrant:
    """Leave to write the files that were told of an open version into an inbox of a storage. Again, it is renewed.

    ``to``: the storage, as people write it, and the key of whoever writes.

    Raises NotFoundError ``no_such_storage``, InvalidError ``key_malformed``, ConflictError: ``state_conflict``,
    ``storage_unfit``, ``storage_full``, ``copy_unsettled``.
    """
    ref, key = to
    _check_key(key)
    place, version = _storage(unit, ref), datasets.lock(unit, version_id)
    if version is not None:  # what never could lie there is told first: whoever asks may have files to read for hours
        _check_writable(unit, version, place, levels)
    if version is None or version["state"] != VersionState.OPEN or not version["files"]:
        wrong = "Only an open version of which files were told is written."
        raise ConflictError("state_conflict", wrong, todo="Open one and tell its files first: suanlian data put.")
    take = _taking(unit, version, place)
    inbox = f".inbox/{take['id']}"
    said = _granting(version, place, Direction.WRITE, key)
    said = said.model_copy(update={"source_place": inbox, "replica_id": take["replica_id"]})
    before = [task for task in storage_tasks.open_of(unit, replica_id=take["replica_id"]) if _is_grant(task)]
    return _given(unit, caller, place, before, said)


def _is_grant(task: Row) -> bool:
    return bool(task["kind"] == TaskKind.GRANT)


def _storage(unit: Unit, ref: str) -> StoragePlace:
    place = Storages(unit).by_ref.get(ref)
    if place is None or place.withdrawn:
        wrong = f"No platform publishes storage {ref!r}."
        raise NotFoundError("no_such_storage", wrong, todo="suanlian storage lists them.", field="storage")
    return place


def _check_key(text: str) -> None:
    try:
        SealingKey.parse(text)
    except KeyTextError as error:
        raise InvalidError(
            "key_malformed", f"{error}.", todo="Send a fresh X25519 key.", field="sealing_key"
        ) from error


def _check_writable(unit: Unit, version: Row, place: StoragePlace, levels: LevelRules) -> None:
    wrong = unfit(place, version["level"], datasets.residency_of(version), levels, unit.now)
    todo = "Name storage of a site whose grade and region were checked; data that all may read can be of level 1."
    if place.share.read_only:
        wrong, todo = "it is only read", _OTHERS
    elif place.share.kind is StorageKind.POSIX:
        wrong, todo = "it is a folder of another machine, which nobody writes from outside", _S3_INSTEAD
    elif not place.live or not place.reachable:
        wrong, todo = "its platform takes nothing now, or is not heard of", _OTHERS
    elif version["largest"] > MAX_PUSHED_BYTES:
        wrong = f"its largest file has {version['largest']} bytes, and one PUT brings at most {MAX_PUSHED_BYTES}"
        todo = "Split that file, or let the data be registered where it lies: suanlian data register."
    if wrong:
        text = f"{version['dataset']} cannot be written to {place.ref}: {wrong}."
        raise ConflictError("storage_unfit", text, todo=todo, field="storage")


def _taking(unit: Unit, version: Row, place: StoragePlace) -> Row:
    """The task by which what is written will be taken, with the copy that it will be; held until all is sealed."""
    copies = [copy for copy in replicas.lock_of(unit, version["id"]).values() if copy["storage_id"] == place.id]
    for copy in copies:
        for task in storage_tasks.open_of(unit, replica_id=copy["id"]):
            if task["kind"] == TaskKind.TAKE and task["held"]:
                replicas.rebook(unit, copy, version["bytes"], None)
                return task
        wrong = f"{place.ref} has a copy that leaves, or that is being taken."
        raise ConflictError("copy_unsettled", wrong, todo="Try again in a while, or name another storage.")
    replica_id = new_id()
    copy = {"id": replica_id, "version_id": version["id"], "storage_id": place.id, "managed": True}
    copy |= {"connector_id": place.connector_id, "state": ReplicaState.COMING.value, "bytes": version["bytes"]}
    folder = f"{version['id']}/{replica_id}"
    if not replicas.add(unit, version, {**copy, "place": folder}, place.share.capacity):
        wrong = f"{place.ref} has no room for {version['bytes']} bytes."
        raise ConflictError("storage_full", wrong, todo="Name another storage.", field="storage")
    task_id = new_id()
    more = {"id": task_id, "source_place": f".inbox/{task_id}", "place": folder, "replica_id": replica_id}
    said = storage_tasks.of_version(version, TaskKind.TAKE, place.share.name, **more)
    storage_tasks.add(unit, place.connector_id, place.id, said, held=True)
    found = storage_tasks.find(unit, task_id)
    assert found is not None  # noqa: S101 - it was written a line ago
    return found


def _granting(version: Row, place: StoragePlace, direction: Direction, key: str) -> StorageTask:
    return storage_tasks.of_version(version, TaskKind.GRANT, place.share.name, direction=direction, sealing_key=key)


def _given(unit: Unit, caller: Caller, place: StoragePlace, before: list[Row], said: StorageTask) -> DataGrant:
    """Ask the storage's connector to give leave; one that was asked before is asked for anew."""
    until = unit.now + LIFE
    said = said.model_copy(update={"expires_at": until})
    if before:
        task_id = str(before[0]["id"])
        body = storage_tasks.body_of(before[0], **said.model_dump(exclude={"id", "token", "version", "wish"}))
        storage_tasks.again(unit, before[0], body=body, expires_at=until, not_before=None, tries=0, code="", reason="")
    else:
        columns = {"expires_at": until, "account_id": caller.account_id}
        task_id = storage_tasks.add(unit, place.connector_id, place.id, said, **columns)
    told = {"version": said.version_id, "storage": place.id, "direction": said.direction.value}
    unit.record(EventType.DATA_GRANTED, task_id, account_id=caller.account_id, **told)
    return _view(place, _own(unit, caller, task_id))


def download(unit: Unit, caller: Caller, version_id: str, ref: str | None, key: str) -> DataGrant:
    """Leave to read a version from a copy: the one that is named, else where reading costs least.

    Raises as ``upload``; ConflictError ``state_conflict`` where no copy is whole and reached.
    """
    _check_key(key)
    version = datasets.lock(unit, version_id)
    copies = {} if version is None else replicas.lock_of(unit, version_id)
    if version is None or version["state"] != VersionState.SEALED:
        state = "gone" if version is None else version["state"]
        raise ConflictError("state_conflict", f"The version is {state}, not sealed.", todo="Choose one that is sealed.")
    storages = Storages(unit).by_id
    whole = [copy for copy in copies.values() if copy["state"] == ReplicaState.WHOLE]
    ways = [(copy, storages[copy["storage_id"]]) for copy in whole]
    if ref is not None:
        ways = [(copy, place) for copy, place in ways if place.ref == ref]
    ways = [(copy, place) for copy, place in ways if place.reachable]
    if not ways:
        wrong = "No copy is whole and reached" + ("." if ref is None else f" at {ref}.")
        raise ConflictError("state_conflict", wrong, todo="suanlian data ls NAME lists the copies.", field="storage")
    open_ = [(copy, place) for copy, place in ways if place.share.kind is not StorageKind.POSIX]
    if not open_:
        wrong = f"{ways[0][1].ref} is a folder of another machine, from which nobody reads outside."
        raise ConflictError(
            "storage_unfit", wrong, todo="Copy it to S3 storage first: suanlian data cp.", field="storage"
        )
    copy, place = min(open_, key=lambda pair: (pair[1].share.egress_cny_per_gb, pair[1].ref))
    said = _granting(version, place, Direction.READ, key)
    said = said.model_copy(update={"source_place": copy["place"], "place": copy["place"], "replica_id": copy["id"]})
    made = _given(unit, caller, place, [], said)
    replicas.use(unit, copy["id"], replicas.GRANT, made.id, unit.now + LIFE)
    return made


def _own(unit: Unit, caller: Caller, task_id: str) -> Row:
    task = storage_tasks.find(unit, task_id)
    if task is None or task["kind"] != TaskKind.GRANT or task["account_id"] != caller.account_id:
        wrong = f"You have no grant {task_id[:80]!r}, or its time is over."
        raise NotFoundError("not_found", wrong, todo="Ask for one anew.", field="grant")
    return task


def _view(place: StoragePlace, task: Row) -> DataGrant:
    said = storage_tasks.value_of({**task, "grant_token": 0})
    pages = max(1, -(-said.files // MAX_GRANT_ITEMS))
    return DataGrant(
        id=task["id"],
        token=task["token"],
        version_id=task["version_id"],
        storage=place.ref,
        endpoint=place.share.endpoint,
        direction=said.direction,
        files=said.files,
        bytes=said.bytes,
        pages=pages,
        page_items=MAX_GRANT_ITEMS,
        expires_at=task["expires_at"],
        code=task["code"],
        reason=task["reason"],
    )


def get(unit: Unit, caller: Caller, task_id: str) -> DataGrant:
    """A grant as it is now. Raises NotFoundError."""
    task = _own(unit, caller, task_id)
    return _view(Storages(unit).by_id[task["storage_id"]], task)


def page(unit: Unit, caller: Caller, task_id: str, number: int) -> GrantShown:
    """A sealed page of one's own grant; empty while it is not minted. Raises NotFoundError."""
    task = _own(unit, caller, task_id)
    if task["ended_at"] is not None:
        return GrantShown(token=task["token"], code=task["code"] or "grant_expired", reason=task["reason"])
    found = storage_tasks.page(unit, task_id, number)
    if found is None or found["token"] != task["token"] or found["expires_at"] <= unit.now:
        return GrantShown(token=task["token"], code=task["code"], reason=task["reason"])
    return GrantShown(sealed=found["sealed"], token=task["token"])


def end(unit: Unit, caller: Caller, task_id: str) -> None:
    """One's own grant is needed no more. Again, it changes nothing. Raises NotFoundError."""
    task = _own(unit, caller, task_id)
    if task["ended_at"] is None:
        close(unit, task_id)


def over(unit: Unit, limit: int) -> list[str]:
    """Grants for people whose time is over."""
    return list(storage_tasks.over(unit, limit))


def close(unit: Unit, task_id: str) -> bool:
    """A grant is over: its pages go, and what it read may leave."""
    found = storage_tasks.find(unit, task_id)
    if found is None or found["ended_at"] is not None:
        return False
    datasets.lock(unit, found["version_id"])
    replicas.unuse(unit, replicas.GRANT, task_id)
    storage_tasks.end(unit, found)
    unit.record(EventType.DATA_GRANT_ENDED, task_id, account_id=found["account_id"])
    return True


def seal(unit: Unit, version: Row) -> None:
    """All was written: what lies in inboxes is taken. The version is locked and its files are fixed.

    Raises ConflictError ``state_conflict`` where nothing was uploaded.
    """
    held = [task for task in storage_tasks.open_of(unit, version_id=version["id"]) if task["kind"] == TaskKind.TAKE]
    if not held:
        wrong = "Nothing of it was uploaded."
        raise ConflictError("state_conflict", wrong, todo="Ask for leave to write it first: suanlian data put.")
    copies, storages = replicas.lock_of(unit, version["id"]), Storages(unit).by_id
    for task in held:
        if not task["held"]:
            continue
        copy = copies[task["replica_id"]]
        capacity = storages[copy["storage_id"]].share.capacity
        if not replicas.rebook(unit, copy, version["bytes"], capacity):
            wrong = f"There is no room for {version['bytes']} bytes."
            raise ConflictError("storage_full", wrong, todo="Upload it elsewhere.", field="storage")
        body = storage_tasks.body_of(task, files=version["files"], bytes=version["bytes"])
        storage_tasks.change(unit, task, held=False, body=body)


def taken(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """A connector took what a person wrote, or found that it is not as stated. The version is locked."""
    if report.state is TaskState.FAILED:
        _failed(unit, version, task, report)
        return
    if report.state is not TaskState.DONE:
        storage_tasks.heard(unit, task, state=report.state.value)
        return
    copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
    if copy is not None and copy["state"] == ReplicaState.COMING and version["state"] != VersionState.DELETED:
        if version["state"] == VersionState.OPEN:
            values: dict[str, Any] = {"state": VersionState.SEALED.value, "sealed_at": unit.now, "reason": ""}
            datasets.change_version(unit, version["id"], values)
            said = {name: version[name] for name in ("files", "bytes", "digest")}
            unit.record(EventType.VERSION_SEALED, version["id"], account_id=version["account_id"], **said)
        replicas.move(unit, version, copy, ReplicaState.WHOLE, verified_at=unit.now, reason="")
    _end_with_grant(unit, task)


def _end_with_grant(unit: Unit, task: Row) -> None:
    for one in storage_tasks.open_of(unit, replica_id=task["replica_id"]):
        if one["kind"] in (TaskKind.GRANT, TaskKind.TAKE):
            storage_tasks.end(unit, one)


def _failed(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """Tried again where that may do; else what came leaves, and the person may write it anew."""
    tries = task["tries"] + 1
    reason = f"{report.code}: {f'{report.path}: ' if report.path else ''}{report.reason}"[:200]
    if report.again and tries < MOST_TRIES:
        storage_tasks.again(unit, task, tries=tries, not_before=unit.now + wait_after(tries))
        return
    copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
    if copy is not None and copy["state"] == ReplicaState.COMING:
        replicas.move(unit, version, copy, ReplicaState.LEAVING, reason=reason)
    if version["state"] == VersionState.OPEN:
        datasets.change_version(unit, version["id"], {"reason": reason})
    _end_with_grant(unit, task)


def granted(unit: Unit, _version: Row, task: Row, report: TaskReport) -> None:
    """A connector gave leave to a person, or will not. The version is locked."""
    if report.state is not TaskState.FAILED:
        storage_tasks.heard(unit, task, state=report.state.value)
        return
    tries, reason = task["tries"] + 1, report.reason[:200]
    if report.again and tries < MOST_TRIES:
        due = unit.now + wait_after(tries)
        storage_tasks.again(unit, task, tries=tries, not_before=due, code=report.code, reason=reason)
        return
    replicas.unuse(unit, replicas.GRANT, task["id"])
    storage_tasks.heard(unit, task, state=report.state.value, code=report.code or "refused", reason=reason)
    unit.wake(f"grant:{task['id']}")
