"""What does the work on storage share? The desk, the storage, what is kept of tasks, and how one task is under way."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any, Final

from suanlian.agent.data.book import DataBook, Place, PlaceState
from suanlian.agent.data.faults import HaltedError, TaskFailedError
from suanlian.agent.data.manifests import Manifests
from suanlian.agent.data.places import stamps_of
from suanlian.agent.data.row import report_of
from suanlian.agent.data.shelf import Shelf
from suanlian.agent.data.stores import Stores
from suanlian.agent.desk import Desk
from suanlian.model.data import MAX_FILES_PAGE, DataFile
from suanlian.model.data_protocol import DataFilesCall, StorageTask, TaskReport, TaskState


@dataclass(frozen=True, slots=True)
class Kit:
    """What every task works with."""

    desk: Desk
    patience_s: float = 60.0
    """So long a task waits for a page of its grant that is still being minted."""

    @property
    def shelf(self) -> Shelf:
        """What is kept of storage."""
        return self.desk.shelf

    @property
    def stores(self) -> Stores:
        """The storage of this connector."""
        return self.shelf.stores

    @property
    def book(self) -> DataBook:
        """What is known of tasks and places."""
        return self.shelf.book

    @property
    def manifests(self) -> Manifests:
        """What is known of files."""
        return self.shelf.manifests

    def journal(self, key: str) -> Path:
        """Where the journal of a move is: its name says nothing, so nothing that a hub says becomes a path."""
        return self.moves / hashlib.sha256(key.encode()).hexdigest()[:40]

    @property
    def moves(self) -> Path:
        """Where journals of moves are."""
        return self.desk.home.data / "moves"

    def whole(self, task: StorageTask, place: str, files: Sequence[DataFile]) -> None:
        """Keep what lies at a place, and that all of it was read and is right."""
        root = self.stores.root(task.storage)
        stamps = {} if root is None else stamps_of(root / place, files)
        self.manifests.keep(task.storage, place, files, stamps)
        size = sum(file.size for file in files)
        self.book.note(
            Place(
                storage=task.storage, place=place, state=PlaceState.WHOLE, replica_id=task.replica_id,
                files=len(files), bytes=size,
            )
        )  # fmt: skip


@dataclass(slots=True)
class Run:
    """One task under way. ``stop``: it is to come to an end; what ``told`` says is the task as the hub says it now."""

    task: StorageTask
    begun: int
    told: Callable[[], StorageTask]
    tell: Callable[[TaskReport], None]
    stop: Event = field(default_factory=Event)

    def progress(self, size: int, files: int, *, checking: bool = False) -> None:
        """Say how far it is; told to the hub in a while."""
        state = TaskState.CHECKING if checking else TaskState.GOING
        self.tell(report_of(self.task, state, bytes_done=size, files_done=files))

    def check(self) -> None:
        """Raise HaltedError where it is to end."""
        if self.stop.is_set():
            raise HaltedError


Fields = dict[str, Any]
"""What is reported of a task that is done, besides that."""

MANIFEST_DIFFERS: Final = "manifest_differs"


def manifest(kit: Kit, run: Run) -> list[DataFile]:
    """The files of the version as the hub has them, in the order of paths. Raises TaskFailedError, hub's errors."""
    task, files = run.task, list[DataFile]()
    while len(files) < task.files:
        run.check()
        call = DataFilesCall(task_id=task.id, token=task.token, start=len(files))
        page = kit.desk.hub.data_files(call).files
        if not page:
            break
        files += page
    paths = [file.path for file in files]
    size = sum(file.size for file in files)
    if len(files) != task.files or size != task.bytes or any(a >= b for a, b in pairwise(paths)):
        text = f"the hub told {len(files)} files of {size} bytes, not {task.files} of {task.bytes} each once, by path"
        raise TaskFailedError(MANIFEST_DIFFERS, text, again=True)
    return files


def tell_manifest(kit: Kit, run: Run, files: Sequence[DataFile]) -> None:
    """Tell the hub what lies there, page by page; pages of another reading are never mixed with these."""
    for start in range(0, len(files), MAX_FILES_PAGE):
        run.check()
        kit.desk.hub.data_files(
            DataFilesCall(
                task_id=run.task.id,
                token=run.task.token,
                start=start,
                reading=run.begun,
                files=tuple(files[start : start + MAX_FILES_PAGE]),
            )
        )
