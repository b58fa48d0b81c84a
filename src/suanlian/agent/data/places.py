"""Which places may a task read or write? A replica's own, and what the owner let be registered; nothing beside them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.agent.data.book import Place, PlaceState
from suanlian.agent.data.faults import PLACE_USED, TaskFailedError
from suanlian.agent.data.terms import StorageHere, may_register
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import StorageTask
from suanlian.storage.contract import Code, StorageError

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INBOX: Final = ".inbox"
"""The folder in which each task that takes has one for what others write by its grant."""
PROBE: Final = ".probe"
"""The folder of the object that is read to measure the way here."""


def own_place(task: StorageTask, known: Place | None) -> str:
    """The place of the task's replica, to be written or removed.

    It is made of the ids of version and replica, so that no other place is ever written, whatever the hub says. Raises
    StorageError ``refused`` for any other place, TaskFailedError ``place_used`` for one that was deleted.
    """
    place = task.place
    if not is_own(reader_of(task), place):
        raise StorageError(Code.REFUSED, f"{place[:200]!r} is not the replica's own place")
    if known is not None and known.state is PlaceState.DELETED:
        raise TaskFailedError(PLACE_USED, "the place was deleted, and is never used again")
    return place


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose data is read, and of which version; ``replica_id``: which copy a task is about."""

    entity: str
    version_id: str
    replica_id: str


def reader_of(task: StorageTask) -> Reader:
    """As a task says it."""
    return Reader(task.entity, task.version_id, task.replica_id)


def read_place(reader: Reader, place: str, here: StorageHere, known: Place | None) -> str:
    """A place that is read: one that was made for the version, or what the owner let this entity register.

    Raises StorageError ``source_gone`` for one that was deleted, ``refused`` for any other.
    """
    if known is not None and known.state is PlaceState.DELETED:
        raise StorageError(Code.SOURCE_GONE, "the replica was deleted here")
    if place.startswith("."):
        raise StorageError(Code.REFUSED, f"{place[:200]!r} is no place of a replica")
    # what was registered here is read for whomever the hub says, as long as the owner leaves it open
    entity = reader.entity if known is None else None
    if not is_made(reader.version_id, place) and not may_register(here, entity, place):
        raise StorageError(Code.REFUSED, f"{place[:200]!r} is neither a place of the version nor registered")
    return place


def is_own(reader: Reader, place: str) -> bool:
    """Whether a place is made for this replica, and not registered where it lay."""
    return is_made(reader.version_id, place) and place == f"{reader.version_id}/{reader.replica_id}"


def is_made(version_id: str, place: str) -> bool:
    """Whether a place is made for some replica of this version.

    Its ids are such as a hub makes, so that no folder that people named is ever such a place.
    """
    version, _slash, replica = place.partition("/")
    return bool(_ID.fullmatch(version) and _ID.fullmatch(replica)) and version == version_id


def inbox(place: str) -> str:
    """An inbox, as named. Raises StorageError where it is none."""
    first, _slash, rest = place.partition("/")
    if first != INBOX or not rest or "/" in rest or rest.startswith("."):
        raise StorageError(Code.REFUSED, f"{place[:200]!r} is no inbox: writing by a grant goes to inboxes alone")
    return place


def stamps_of(folder: Path, files: Iterable[DataFile]) -> dict[str, int]:
    """When each file of a folder was last changed, in nanoseconds; of those that are there."""
    found = dict[str, int]()
    for file in files:
        try:
            found[file.path] = (folder / file.path).lstat().st_mtime_ns
        except OSError:
            continue
    return found


def first_changed(folder: Path, files: Sequence[DataFile], stamps: Mapping[str, int]) -> str:
    """The first file that is not there, has another size, or was changed since it was read; empty where none was."""
    for file in files:
        try:
            found = (folder / file.path).lstat()
        except OSError:
            return file.path
        if found.st_size != file.size or stamps.get(file.path, found.st_mtime_ns) != found.st_mtime_ns:
            return file.path
    return ""
