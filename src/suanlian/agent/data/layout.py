"""How does a job's data come from the connector's own storage into its directory? As copies: a job may write to them.

A copy shares blocks with the replica where the file system can, never the file itself. Before and after it is compared
with what was read when the replica came: sizes and times of a folder, sizes and SHA-256 of other storage.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.agent.data.book import Place, PlaceState
from suanlian.agent.data.places import Reader, first_changed, read_place
from suanlian.agent.data.row import Step
from suanlian.agent.data.shelf import Shelf
from suanlian.model.data import DataFile, LocalData
from suanlian.model.data_protocol import TaskKind
from suanlian.model.errors import InvalidError
from suanlian.model.job import safe_path
from suanlian.storage.contract import Stat, Storage, below
from suanlian.storage.folders import DIRECTORY, opened

_FICLONE: Final = 0x40049409
"""The request of ioctl by which two files share their blocks until one is written to (Linux, linux/fs.h)."""
_NO_CLONE: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EPERM, errno.ENOSYS})
_NO_RANGE: Final = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_PIECE: Final = 16 * 1024 * 1024
_READ_AT_ONCE: Final = 8
_STEPS: Final = 20
_BRINGS: Final = frozenset({TaskKind.MOVE, TaskKind.TAKE, TaskKind.KEEP})


class NotHereYetError(Exception):
    """The replica is still on its way; the text says how far it is."""


class DataGoneError(Exception):
    """It is not here, or not as it was: the attempt has to go elsewhere."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Lays data out of the storage of this connector."""

    shelf: Shelf

    def check(self, data: Sequence[LocalData]) -> None:
        """All of it is here. Raises NotHereYetError, DataGoneError, StorageError."""
        for one in data:
            self._check(one)

    def lay(self, one: LocalData, entity: str, folder: Path) -> None:
        """Copy one version into the job's directory.

        Raises InvalidError ``path_escapes``, DataGoneError, StorageError, OSError when the disk refuses.
        """
        shelf = self.shelf
        known = shelf.book.place(one.storage, one.place)
        reader = Reader(entity, one.version_id, one.replica_id)
        read_place(reader, one.place, shelf.stores.here(one.storage), known)
        files = _chosen(self._files(one), one)
        root = shelf.stores.root(one.storage)
        stamps = shelf.manifests.stamps(one.storage, one.place)
        if root is not None:
            self._unchanged(one, root / one.place, files, stamps)
        base = _target(folder, one.path)
        try:
            base.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise InvalidError("path_escapes", f"The path {one.path!r} of data is an input's too.") from error
        if root is None:
            self._read_all(one, files, base)
        else:
            _copy_all(root / one.place, files, base)
            self._unchanged(one, root / one.place, files, stamps)

    def _check(self, one: LocalData) -> None:
        known = self.shelf.book.place(one.storage, one.place)
        if known is not None and known.state is PlaceState.WHOLE:
            return
        if known is not None:
            raise DataGoneError(f"{one.dataset} is {known.state} in storage {one.storage!r}")
        comes = any(
            row.step is Step.OPEN and row.task.replica_id == one.replica_id and row.task.kind in _BRINGS
            for row in self.shelf.book.rows()
        )
        if comes or not self._lies_there(one):
            step = max(1, one.bytes // _STEPS)  # each is told to the hub, for every attempt that waits
            came = self.shelf.came.get(one.replica_id, 0) // step * step
            raise NotHereYetError(f"bringing data: {came} of {one.bytes} bytes of {one.dataset}")

    def _lies_there(self, one: LocalData) -> bool:
        """Where nothing is known of a place, as after the ledger was lost: whether all that should be there is."""
        count = size = 0
        for found in self.shelf.stores.open(one.storage).files(one.place):
            count, size = count + 1, size + found.size
        if (count, size) != (one.files, one.bytes):
            return False
        self.shelf.book.note(
            Place(
                storage=one.storage, place=one.place, state=PlaceState.WHOLE, replica_id=one.replica_id,
                files=count, bytes=size,
            )
        )  # fmt: skip
        return True

    def _files(self, one: LocalData) -> Sequence[DataFile]:
        """By the manifest that is kept here; without a digest where there is none."""
        kept = self.shelf.manifests.files(one.storage, one.place)
        if kept:
            return kept
        return [_undigested(found) for found in self.shelf.stores.open(one.storage).files(one.place)]

    def _unchanged(self, one: LocalData, place: Path, files: Sequence[DataFile], stamps: dict[str, int]) -> None:
        changed = first_changed(place, files, stamps)
        if not changed:
            return
        known = self.shelf.book.place(one.storage, one.place)
        if known is not None:
            self.shelf.book.note(known.model_copy(update={"state": PlaceState.BROKEN}))
        raise DataGoneError(f"{changed!r} of {one.dataset} was changed in storage {one.storage!r}")

    def _read_all(self, one: LocalData, files: Sequence[DataFile], base: Path) -> None:
        """A few at once; the first that fails ends it."""
        storage = self.shelf.stores.open(one.storage)
        with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="layout") as pool:
            reading = [pool.submit(_read_one, storage, one, file, base) for file in files]
            try:
                for each in reading:
                    each.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


_NONE: Final = "0" * 64


def _read_one(storage: Storage, one: LocalData, file: DataFile, base: Path) -> None:
    seen, size = hashlib.sha256(), 0
    target = _target(base, file.path)
    if target.exists():
        raise InvalidError("path_escapes", f"The path {file.path[:200]!r} of data is another input's too.")
    with target.open("xb") as stream:
        for piece in storage.read(below(one.place, file.path)):
            seen.update(piece)
            size += len(piece)
            stream.write(piece)
    if size != file.size or (file.sha256 != _NONE and seen.hexdigest() != file.sha256):
        raise DataGoneError(f"{file.path!r} of {one.dataset} is not as it was in storage {one.storage!r}")


def _undigested(found: Stat) -> DataFile:
    return DataFile(path=found.path, size=found.size, sha256=_NONE)


def _chosen(files: Sequence[DataFile], one: LocalData) -> Sequence[DataFile]:
    """Those that the job wants. Raises DataGoneError where something that it names is not among them."""
    if not one.only:
        return files
    for wanted in one.only:
        if not any(_is_within(file.path, wanted) for file in files):
            raise DataGoneError(f"{one.dataset} has nothing at {wanted!r}")
    return [file for file in files if any(_is_within(file.path, wanted) for wanted in one.only)]


def _is_within(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(f"{wanted}/")


def _target(folder: Path, path: str) -> Path:
    try:
        target = folder / safe_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
    except (ValueError, FileExistsError, NotADirectoryError) as error:
        raise InvalidError("path_escapes", f"The path {path[:200]!r} of data cannot be laid out: {error}.") from error
    return target


def _copy_all(place: Path, files: Sequence[DataFile], base: Path) -> None:
    root = os.open(place, DIRECTORY)
    try:
        for file in files:
            target = _target(base, file.path)
            if target.exists():
                wrong = f"The path {file.path[:200]!r} of data is another input's too."
                raise InvalidError("path_escapes", wrong)
            source = _opened(root, file.path)
            try:
                with target.open("xb") as stream:
                    _copy(source, stream.fileno(), file)
            finally:
                os.close(source)
    finally:
        os.close(root)


def _opened(root: int, path: str) -> int:
    try:
        return opened(root, path)
    except OSError as error:
        raise DataGoneError(f"{path!r} cannot be read any more: {error.strerror}") from error


def _copy(source: int, target: int, file: DataFile) -> None:
    """All bytes, by sharing blocks, else in the kernel, else by hand. Raises DataGoneError where it is shorter."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        _copy_bytes(source, target)
    if os.fstat(target).st_size != file.size:
        raise DataGoneError(f"{file.path!r} changed while it was copied")


def _copy_bytes(source: int, target: int) -> None:
    try:
        while os.copy_file_range(source, target, _PIECE):
            pass
    except OSError as error:
        if error.errno not in _NO_RANGE:
            raise
    while piece := os.read(source, 1024 * 1024):  # from where it stands: at the end, where the kernel did it
        left = memoryview(piece)
        while left:
            left = left[os.write(target, left) :]
