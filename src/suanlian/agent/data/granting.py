"""GRANT: let somebody read a replica's files, or write into an inbox, for a while. All pages, one after another."""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from suanlian.agent.data.book import PlaceState
from suanlian.agent.data.faults import TaskFailedError
from suanlian.agent.data.grants import sealed
from suanlian.agent.data.kit import Fields, Kit, Run, manifest
from suanlian.agent.data.places import PROBE, first_changed, inbox, is_made, read_place, reader_of
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import (
    GRANT_S,
    MAX_GRANT_ITEMS,
    PROBE_BYTES,
    DataGrantsCall,
    Direction,
    StorageTask,
)
from suanlian.storage.contract import below, digest

CHANGED: Final = "changed_in_place"
"""A file is not as it was when it was read: whoever keeps the folder changed it."""
PROBE_FILE: Final = "bytes"


def grant(kit: Kit, run: Run) -> Fields:
    """Mint and tell every page; minted again, a page takes the place of the one before."""
    task = run.task
    files = [probe_file(kit, task)] if is_for_probe(task) else manifest(kit, run)
    place = granted_place(kit, task, files)
    storage = kit.stores.open(task.storage)
    for start in range(0, max(1, len(files)), MAX_GRANT_ITEMS):
        run.check()
        expires_at = kit.desk.clock() + timedelta(seconds=GRANT_S)
        if task.expires_at is not None:
            expires_at = min(expires_at, task.expires_at)
        page = storage.grant(place, files[start : start + MAX_GRANT_ITEMS], task.direction, expires_at)
        kit.desk.hub.data_grants(
            DataGrantsCall(
                task_id=task.id,
                token=task.token,
                page=start // MAX_GRANT_ITEMS,
                sealed=sealed(page, task),
                expires_at=expires_at,
            )
        )
        run.progress(0, min(len(files), start + MAX_GRANT_ITEMS))
    return {"files_done": len(files)}


def granted_place(kit: Kit, task: StorageTask, files: Sequence[DataFile]) -> str:
    """What is granted, after a look whether it may be and is as it was."""
    if task.direction is Direction.WRITE:
        kit.stores.writable(task.storage)
        return inbox(task.source_place)
    if is_for_probe(task):
        return PROBE
    return unchanged(kit, task, task.source_place or task.place, files)


def unchanged(kit: Kit, task: StorageTask, place: str, files: Sequence[DataFile]) -> str:
    """A place that may be read, and whose files have the size and time at which they were read.

    Of an S3 bucket sizes are compared only where somebody else may write there. Raises StorageError, TaskFailedError.
    """
    known = kit.book.place(task.storage, place)
    reader = reader_of(task)
    read_place(reader, place, kit.stores.here(task.storage), known)
    root = kit.stores.root(task.storage)
    changed = ""
    if root is not None:
        changed = first_changed(root / place, files, kit.manifests.stamps(task.storage, place))
    elif known is not None and not is_made(task.version_id, place):
        sizes = {found.path: found.size for found in kit.stores.open(task.storage).files(place)}
        changed = next((file.path for file in files if sizes.get(file.path) != file.size), "")
    if changed:
        if known is not None:
            kit.book.note(known.model_copy(update={"state": PlaceState.BROKEN}))
        text = f"{changed!r} is not as it was when it was read: it is gone, has another size, or was written to"
        raise TaskFailedError(CHANGED, text, path=changed)
    return place


def is_for_probe(task: StorageTask) -> bool:
    """Whether the grant is for the object by which the way is measured."""
    return not task.version_id and task.source_place == PROBE


def probe_file(kit: Kit, task: StorageTask) -> DataFile:
    """The object by which the way is measured; made where it is not there."""
    storage, path = kit.stores.open(task.storage), below(PROBE, PROBE_FILE)
    found = storage.stat(path)
    if found is None or found.size != PROBE_BYTES:
        data = os.urandom(PROBE_BYTES)  # no server and no link makes it shorter
        kit.stores.writable(task.storage).put(path, data)
        sha256, size = digest((data,))
        return DataFile(path=PROBE_FILE, size=size, sha256=sha256)
    sha256, size = digest(storage.read(path))
    return DataFile(path=PROBE_FILE, size=size, sha256=sha256)
