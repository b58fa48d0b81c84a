"""Versions whose files are read where they lie: a registered folder or prefix, and what a job left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suanlian.model.data import ReplicaState, VersionState
from suanlian.model.data_protocol import TaskKind, TaskReport, TaskState
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.manifest import Manifest
from suanlian.rules.data.reach import unfit
from suanlian.rules.data.states import replica_moves, wait_after
from suanlian.services.ports import TakesReport
from suanlian.store import datasets, replicas, storage_tasks
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

MOST_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Left:
    """What an attempt left, and was set aside: by whom it is kept, and where it lay in the job's directory."""

    attempt_id: str
    path: str
    storage_id: str


def register(unit: Unit, version: Row, ref: str, folder: str, levels: LevelRules) -> None:
    """Let a folder be read where it lies, as the files of an open version, which is locked.

    Whether it is open to whose data it is, is decided by its owner's connector. Raises NotFoundError
    ``no_such_storage``, ConflictError ``storage_unfit``.
    """
    place = Storages(unit).by_ref.get(ref)
    if place is None or place.withdrawn:
        wrong = f"No platform publishes storage {ref!r}."
        raise NotFoundError("no_such_storage", wrong, todo="suanlian storage lists them.", field="register.storage")
    _check_fit(unit, version, place, levels)
    copy = {"id": new_id(), "place": folder, "managed": False, "bytes": 0}
    _begin(unit, version, place, copy)
    said = storage_tasks.of_version(
        version, TaskKind.SCAN, place.share.name, replica_id=copy["id"], place=folder, source_place=folder
    )
    storage_tasks.add(unit, place.connector_id, place.id, said)


def keep(unit: Unit, version: Row, left: Left) -> str:
    """Let what an attempt left become the files of an open version, which is locked; the copy that it becomes.

    The storage is local to the attempt: it lies there already.
    """
    place = Storages(unit).by_id[left.storage_id]
    replica_id = new_id()
    copy = {"id": replica_id, "place": f"{version['id']}/{replica_id}", "managed": True, "bytes": 0}
    _begin(unit, version, place, copy)
    more = {"replica_id": replica_id, "place": copy["place"], "attempt_id": left.attempt_id, "path": left.path}
    said = storage_tasks.of_version(version, TaskKind.KEEP, place.share.name, **more)
    storage_tasks.add(unit, place.connector_id, place.id, said)
    return replica_id


def _check_fit(unit: Unit, version: Row, place: StoragePlace, levels: LevelRules) -> None:
    residency = datasets.residency_of(version)
    wrong = unfit(place, version["level"], residency, levels, unit.now)
    if wrong:
        text = f"{version['dataset']} may not lie at {place.ref}: {wrong}."
        raise ConflictError("storage_unfit", text, todo="Give the dataset the level that it has.", field="storage")


def _begin(unit: Unit, version: Row, place: StoragePlace, copy: Row) -> None:
    more = {"version_id": version["id"], "storage_id": place.id, "connector_id": place.connector_id}
    row = {**copy, **more, "state": ReplicaState.COMING.value}
    if not replicas.add(unit, version, row, place.share.capacity):
        raise ConflictError("storage_full", f"{place.ref} is full.", todo="Let copies leave there.", field="storage")


def read(found: Mapping[str, Manifest]) -> TakesReport:
    """Who takes reports of tasks that tell manifests. ``found``: those that are said to be whole, by task."""

    def take(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
        if report.state is TaskState.FAILED:
            _failed(unit, version, task, report)
        elif report.state is not TaskState.DONE:
            storage_tasks.heard(unit, task, state=report.state.value)
        elif task["id"] in found:
            _seal(unit, version, task, report, found[task["id"]])

    return take


def _failed(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    tries = task["tries"] + 1
    reason = f"{report.code}: {f'{report.path}: ' if report.path else ''}{report.reason}"[:200]
    if report.again and tries < MOST_TRIES:
        due = unit.now + wait_after(tries)
        storage_tasks.again(unit, task, tries=tries, not_before=due, code=report.code, reason=reason)
        datasets.change_version(unit, version["id"], {"reason": reason})
        return
    _give_up(unit, version, task, reason)


def _give_up(unit: Unit, version: Row, task: Row, reason: str) -> None:
    """Nothing came of it: the version stays open, saying why, until somebody deletes it or its time is over."""
    copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
    if copy is not None and replica_moves(ReplicaState(copy["state"]), ReplicaState.LEAVING):
        replicas.move(unit, version, copy, ReplicaState.LEAVING, reason=reason)
    datasets.change_version(unit, version["id"], {"reason": reason})
    storage_tasks.end(unit, task)


def _seal(unit: Unit, version: Row, task: Row, report: TaskReport, found: Manifest) -> None:
    """All of it was told, and it is what lies there: the version is sealed by it.

    Raises InvalidError ``manifest_invalid`` where another list was told than is stated: it is read anew.
    """
    copy = replicas.lock_of(unit, version["id"]).get(task["replica_id"])
    if version["state"] != VersionState.OPEN or copy is None or copy["state"] != ReplicaState.COMING:
        storage_tasks.end(unit, task)
        return
    told = datasets.told(unit, version["id"], version["reading"])[:2]
    stated = (report.files, report.bytes, report.digest)
    if told != (found.files, found.bytes) or stated != (found.files, found.bytes, found.digest):
        wrong = "The files that were told are not those that are stated."
        raise InvalidError("manifest_invalid", wrong, todo="Read it anew, and tell all pages.", field="reports.digest")
    wrong = found.wrong or ("no file lies there" if not found.files else "")
    if wrong:
        _give_up(unit, version, task, f"name_refused: {wrong}"[:200])
        return
    place = Storages(unit).by_id[copy["storage_id"]]
    if not replicas.rebook(unit, copy, found.bytes, place.share.capacity):
        _give_up(unit, version, task, f"storage_full: {place.ref} has no room for {found.bytes} bytes")
        return
    values = {"files": found.files, "bytes": found.bytes, "largest": found.largest, "digest": found.digest}
    more = {"state": VersionState.SEALED.value, "sealed_at": unit.now, "reason": ""}
    datasets.change_version(unit, version["id"], {**values, **more})
    replicas.move(unit, version, copy, ReplicaState.WHOLE, verified_at=unit.now, reason="")
    storage_tasks.end(unit, task)
    said = {"files": found.files, "bytes": found.bytes, "digest": found.digest}
    unit.record(EventType.VERSION_SEALED, version["id"], account_id=version["account_id"], **said)
