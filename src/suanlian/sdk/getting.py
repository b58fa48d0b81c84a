"""Files of a version come into a folder of this machine, straight from the storage, each whole and checked or not.

What lies there already with the right digest is left as it is, so the same command again goes on.
"""

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from suanlian.model.data import DataFile
from suanlian.model.dataset_api import AskDownload, DataGrant
from suanlian.model.errors import ConflictError, NotFoundError, TooLargeError
from suanlian.sdk.data import Data
from suanlian.sdk.grants import MINTED_WITHIN_S, Leave, told
from suanlian.sdk.putting import retried
from suanlian.sdk.results import place_below
from suanlian.sdk.side_by_side import each
from suanlian.storage.contract import Code, StorageError
from suanlian.storage.granted import GrantedSource, Grants
from suanlian.storage.web import Web

THREADS: Final = 8
_PIECE: Final = 1024 * 1024
_NAMED: Final = 10

Numbered = tuple[int, DataFile]
"""A file, and which of its version it is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a version should come, and what of it is here already."""

    missing: Sequence[Numbered]
    here: Sequence[Numbered]
    other: Sequence[Numbered]
    """Something else of that name lies here."""

    @property
    def bytes(self) -> int:
        """Of what is to come, what lies in the way of it included."""
        return sum(file.size for _number, file in (*self.missing, *self.other))


def chosen(data: Data, ref: str, path: str = "", only: Sequence[str] = ()) -> list[Numbered]:
    """Those at ``path`` (a file or folder) whose name fits one of the patterns ``only``. Raises NotFoundError."""
    found = [
        (number, file)
        for number, file in enumerate(data.files(ref))
        if (not path or file.path == path or file.path.startswith(f"{path}/"))
        and (not only or any(fnmatch.fnmatchcase(file.path, glob) for glob in only))
    ]
    if not found:
        asked = ", ".join(filter(None, (path, *only)))
        wrong = f"{ref} has no file {f'at {asked}' if asked else 'at all'}."
        raise NotFoundError("not_found", wrong, todo=f"List them: suanlian data ls {ref}", field="path")
    return found


def compared(files: Sequence[Numbered], into: Path, on_bytes: Callable[[int], None] = lambda _n: None) -> Wanted:
    """Which of the files lie below the folder already: read and hashed. Raises InvalidError ``path_escapes``."""

    def look(one: Numbered) -> str:
        target = place_below(into, one[1].path)
        if not os.path.lexists(target):
            return "missing"
        if target.is_symlink() or not target.is_file() or target.stat().st_size != one[1].size:
            return "other"
        seen = hashlib.sha256()
        with target.open("rb") as stream:
            while piece := stream.read(_PIECE):
                seen.update(piece)
                on_bytes(len(piece))
        return "here" if seen.hexdigest() == one[1].sha256 else "other"

    sorts: dict[str, list[Numbered]] = {"missing": [], "here": [], "other": []}
    for one, sort in zip(files, each(look, files, THREADS), strict=True):
        sorts[sort].append(one)
    return Wanted(sorts["missing"], sorts["here"], sorts["other"])


def check(wanted: Wanted, into: Path, *, force: bool) -> None:
    """Refuse before anything is fetched. Raises ConflictError ``duplicate_name``, TooLargeError ``storage_full``."""
    if wanted.other and not force:
        names = ", ".join(file.path for _number, file in wanted.other[:_NAMED])
        more = ", ..." if len(wanted.other) > _NAMED else ""
        raise ConflictError(
            "duplicate_name",
            f"{len(wanted.other)} files in {into} are others than those of the dataset: {names}{more}.",
            todo="Choose another folder, or overwrite them on purpose: --force",
            field=wanted.other[0][1].path[:200],
        )
    into.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(into).free
    if wanted.bytes > free:
        raise TooLargeError(
            "storage_full",
            f"{wanted.bytes} bytes are to come, and {into} has {free} left.",
            todo="Choose another folder, or fetch a part: NAME@V:PATH, --only",
            field=str(into),
        )


@dataclass(slots=True)
class Fetching:
    """Fetches files of a version, several at once. ``on_bytes``: told what came. ``storage``: from there alone."""

    data: Data
    ref: str
    storage: str | None = None
    on_bytes: Callable[[int], None] = lambda _n: None
    wait_s: float = MINTED_WITHIN_S
    threads: int = THREADS
    web: Web = field(default_factory=Web)

    def fetch(self, files: Sequence[Numbered], into: Path) -> str:
        """Fetch them, in the place of what is there; from which storage. Raises SuanlianError, OSError."""
        leave = Leave(self.data, self._ask, self.wait_s)
        try:
            storage = leave.given.storage
            folders = _here(leave, storage)
            source = GrantedSource(Grants(leave.page), self.web, folders)
            for _size in each(lambda one: self._one(source, one, into, storage), files, self.threads):
                pass
        finally:
            leave.end()
        return storage

    def _ask(self, key: str) -> DataGrant:
        return self.data.download(self.ref, AskDownload(storage=self.storage, sealing_key=key))

    def _one(self, source: GrantedSource, one: Numbered, into: Path, storage: str) -> int:
        try:
            return retried(lambda: self._brought(source, one, into))
        except StorageError as error:
            raise told(error, storage) from error

    def _brought(self, source: GrantedSource, one: Numbered, into: Path) -> int:
        number, file = one
        target = place_below(into, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, prefix=".suanlian-", delete=False) as partial:
            came = 0
            try:
                for piece in self._pieces(source, number, file):
                    partial.write(piece)
                    came += len(piece)
                    self.on_bytes(len(piece))
                partial.flush()
                Path(partial.name).chmod(0o644)
                Path(partial.name).replace(target)
            except BaseException:
                self.on_bytes(-came)
                raise
            finally:
                Path(partial.name).unlink(missing_ok=True)
        return came

    @staticmethod
    def _pieces(source: GrantedSource, number: int, file: DataFile) -> Iterator[bytes]:
        """The bytes of a file. Raises ``checksum_mismatch`` after the last where they are others than stated."""
        seen, came = hashlib.sha256(), 0
        for piece in source.read(number, file, 0, file.size) if file.size else ():
            seen.update(piece)
            came += len(piece)
            yield piece
        if came != file.size or seen.hexdigest() != file.sha256:
            text = f"{file.path!r} came with other bytes than the dataset states"
            raise StorageError(Code.CHECKSUM_MISMATCH, text, path=file.path)


def _here(leave: Leave, storage: str) -> tuple[Path, ...]:
    """Where a grant of a folder may lead: below that very folder, which has to be on this machine."""
    if leave.given.endpoint:
        return ()
    page = leave.page(0)
    folder = Path(page.folder)
    if not page.folder or not folder.is_absolute() or ".." in folder.parts or not folder.is_dir():
        raise ConflictError(
            "storage_unfit",
            f"{storage} is a folder of another machine: nobody reads it from here.",
            todo="Copy the version to S3 storage first: suanlian data cp NAME@V STORAGE",
            field="storage",
        )
    return (folder.parent,)
