"""The connector's door for storage: what it is to do, what it says of that, pages of manifests and of grants.

What follows from a report is the matter of whoever gave the task; they are handed in by kind.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suanlian.model.data import MAX_FILES_PAGE, DataFile, VersionState
from suanlian.model.data_protocol import (
    MAX_TASKS,
    DataFilesCall,
    DataGrantsCall,
    DataPollCall,
    DataReportCall,
    StorageTask,
    TaskKind,
    TaskReport,
    TaskState,
    TaskWish,
)
from suanlian.model.errors import ConflictError, InvalidError
from suanlian.rules.data.manifest import Manifest
from suanlian.services.ports import TakesReport
from suanlian.store import datasets, platforms, storage_tasks
from suanlian.store.unit import Row, Unit

_TELLS: Final = frozenset({TaskKind.SCAN.value, TaskKind.KEEP.value})
"""Kinds by which a connector tells a manifest."""
_MAX_GRANT_PAGES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Open:
    """What a connector is to do, as of a moment; ``mark`` is another one when any of it changes."""

    tasks: tuple[StorageTask, ...]
    more: bool
    mark: str


def heard(unit: Unit, connector_id: str, call: DataPollCall) -> None:
    """The connector called; it has been told all that it may forget up to its mark."""
    platforms.seen(unit, connector_id)
    revision = call.seen.partition(".")[0]
    if revision.isascii() and revision.isdigit() and len(revision) < 19:  # noqa: PLR2004 - a BIGINT
        storage_tasks.acknowledge(unit, connector_id, int(revision))


def wished(unit: Unit, connector_id: str) -> Open:
    """All that is open for a connector: what it may forget, then grants, deletions, then the oldest."""
    rows = storage_tasks.listed(unit, connector_id, MAX_TASKS + 1)
    told = rows[:MAX_TASKS]
    digest = hashlib.sha256()
    for row in told:
        digest.update(f"{row['id']} {row['version']} {row['token']} {row['wish']} {row['grant_token']}\n".encode())
    over = max((row["revision"] for row in told if row["wish"] == TaskWish.FORGET), default=0)
    tasks = tuple(storage_tasks.value_of(row) for row in told)
    return Open(tasks, len(rows) > MAX_TASKS, f"{over}.{digest.hexdigest()[:32]}")


def look(unit: Unit, connector_id: str, call: DataReportCall) -> dict[str, Manifest]:
    """The manifests that were told and are now said to be whole, read in a unit that only reads; by task."""
    found = dict[str, Manifest]()
    for report in call.reports:
        task = storage_tasks.find(unit, report.task_id) if report.state is TaskState.DONE else None
        if task is None or not _is_current(task, connector_id, report.token) or task["kind"] not in _TELLS:
            continue
        version = datasets.version(unit, task["version_id"])
        if version is not None:
            found[task["id"]] = manifest = Manifest()
            manifest.take(datasets.lines(unit, version["id"], version["reading"]))
    return found


def report(
    unit: Unit, connector_id: str, call: DataReportCall, takers: Mapping[TaskKind, TakesReport]
) -> tuple[str, ...]:
    """Take what a connector says of its tasks; those that count no more. Said twice, it changes nothing more."""
    platforms.seen(unit, connector_id)
    known = [(one, storage_tasks.find(unit, one.task_id)) for one in call.reports]
    # every unit locks versions in one order
    known.sort(key=lambda pair: "" if pair[1] is None else str(pair[1]["version_id"] or ""))
    taken = {one.task_id for one, task in known if _take(unit, connector_id, one, task, takers)}
    return tuple(one.task_id for one in call.reports if one.task_id not in taken)


def _take(
    unit: Unit, connector_id: str, said: TaskReport, task: Row | None, takers: Mapping[TaskKind, TakesReport]
) -> bool:
    if task is None or task["connector_id"] != connector_id or TaskKind(task["kind"]) not in takers:
        return False
    version: Row = {}
    if task["version_id"] is not None:
        locked = datasets.lock(unit, task["version_id"])
        if locked is None:
            return False
        version = locked
    now = storage_tasks.find(unit, said.task_id)  # as it is under the lock
    if now is None or not _is_current(now, connector_id, said.token):
        return False
    takers[TaskKind(now["kind"])](unit, version, now, said)
    return True


def _is_current(task: Row, connector_id: str, token: int) -> bool:
    return bool(task["connector_id"] == connector_id and task["token"] == token and task["ended_at"] is None)


def files(unit: Unit, connector_id: str, call: DataFilesCall) -> tuple[DataFile, ...]:
    """A page of the manifest that a task is about. Raises ConflictError ``report_stale``."""
    task = _of(unit, connector_id, call.task_id, call.token)
    version = None if task["version_id"] is None else datasets.version(unit, task["version_id"])
    if version is None:
        return ()
    found = list[DataFile]()
    for path, size, sha256 in datasets.lines(unit, version["id"], version["reading"], call.start):
        if len(found) == MAX_FILES_PAGE:
            break
        found.append(DataFile(path=path, size=size, sha256=sha256))
    return tuple(found)


def _of(unit: Unit, connector_id: str, task_id: str, token: int | None = None) -> Row:
    task = storage_tasks.find(unit, task_id)
    if task is None or not _is_current(task, connector_id, task["token"] if token is None else token):
        wrong = "This connector has no such task, or it is over, or was given anew."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="task_id")
    return task


def tell_files(unit: Unit, connector_id: str, call: DataFilesCall) -> None:
    """Further files of what a task reads. Pages of an older reading go. Told twice, a page changes nothing more.

    Raises ConflictError ``report_stale``, InvalidError ``manifest_invalid``.
    """
    task = _of(unit, connector_id, call.task_id, call.token)
    if task["kind"] not in _TELLS:
        wrong = f"A task of kind {task['kind']} tells no files."
        raise InvalidError("field_invalid", wrong, todo="Only SCAN and KEEP do.", field="files")
    version = datasets.lock(unit, task["version_id"])
    if version is None or version["state"] != VersionState.OPEN or call.reading < version["reading"]:
        wrong = "The version is no longer open, or is read anew."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="reading")
    if call.reading > version["reading"]:
        datasets.drop_pages(unit, version["id"])
        datasets.change_version(unit, version["id"], {"reading": call.reading})
    wrong = datasets.put_page(unit, version["id"], call.reading, call.start, call.files or ())
    if wrong:
        raise InvalidError("manifest_invalid", f"{wrong}."[:400], todo="Read it anew.", field="files")


def tell_grant(unit: Unit, connector_id: str, call: DataGrantsCall) -> None:
    """A page of a grant was minted: who waits for it is woken. Raises ConflictError, InvalidError."""
    task = storage_tasks.lock(unit, call.task_id)
    if task is None or task["kind"] != TaskKind.GRANT or not _is_current(task, connector_id, call.token):
        wrong = "This connector mints no such grant, or it is over, or was asked for anew."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="task_id")
    if call.sealed is None or call.expires_at is None or call.page >= _MAX_GRANT_PAGES:
        wrong = "A page has its sealed text, its number below 1,000 and the moment until which it is good."
        raise InvalidError("field_invalid", wrong, todo="Send all three.", field="sealed")
    row = {"task_id": task["id"], "page": call.page, "token": task["token"], "sealed": call.sealed}
    storage_tasks.put_page(unit, {**row, "expires_at": call.expires_at})
    unit.wake(f"grant:{task['id']}")
    for one in storage_tasks.waiting_for(unit, task["id"]):
        unit.wake(storage_tasks.topic(one["connector_id"]))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a grant as whoever uses it gets it; ``expired``: it is to be minted anew."""

    sealed: str | None
    token: int
    expired: bool = False


def grant_for(unit: Unit, connector_id: str, call: DataGrantsCall) -> Page:
    """A page of the grant with which a task of this connector works. Raises ConflictError ``report_stale``."""
    grant = storage_tasks.find(unit, call.task_id)
    users = [] if grant is None else storage_tasks.waiting_for(unit, grant["id"])
    if grant is None or grant["ended_at"] is not None or all(one["connector_id"] != connector_id for one in users):
        wrong = "No task of this connector works with such a grant."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="task_id")
    found = storage_tasks.page(unit, grant["id"], call.page)
    if found is None or found["token"] != grant["token"]:
        return Page(None, grant["token"])
    if found["expires_at"] <= unit.now:
        return Page(None, grant["token"], expired=True)
    return Page(found["sealed"], grant["token"])


def renew(unit: Unit, task_id: str, token: int) -> None:
    """Let a grant that ran out be minted anew, once for all who ask; who works with it is told its new token."""
    grant = storage_tasks.lock(unit, task_id)
    if grant is None or grant["ended_at"] is not None or grant["token"] != token:
        return
    storage_tasks.again(unit, grant)
    for one in storage_tasks.waiting_for(unit, task_id):
        storage_tasks.change(unit, one)
