"""A folder becomes a version of a dataset: its list is told, its files go straight to the storage, then it is sealed.

Again, it goes on: an open version with the same files is written further, and what lies in its inbox already is not
sent again. Whatever came there is read and compared by the storage's connector before anybody sees it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import BinaryIO, Final, TypeVar

import stamina

from suanlian.crypto.sealing import SealingRing
from suanlian.model.data import (
    MAX_FILES_PAGE,
    DataFile,
    DatasetVersion,
    ReplicaState,
    StorageKind,
    StorageShare,
    VersionState,
    manifest_digest,
)
from suanlian.model.dataset_api import AskUpload, DataGrant, FilesPage
from suanlian.model.errors import ConflictError
from suanlian.sdk.data import READABLE, Data
from suanlian.sdk.folders import Folder, Found, check_same
from suanlian.sdk.grants import MINTED_WITHIN_S, Leave, told
from suanlian.sdk.side_by_side import each
from suanlian.storage.contract import PART_BYTES, Code, StorageError, UploadGoneError
from suanlian.storage.ends import Upload
from suanlian.storage.granted import READ, GrantedTarget, Grants
from suanlian.storage.web import Web

THREADS: Final = 8
R = TypeVar("R")
_RETRIED: Final = stamina.RetryingCaller(attempts=5, timeout=300.0, wait_initial=0.2, wait_max=10.0)
_PIECE: Final = 1024 * 1024
_LOOKED_AT: Final = 50
"""So many of the newest versions are looked at: whether one is the same, or was begun and left."""
MAX_PUT_BYTES: Final = 5 * 1024**3
UPLOADED: Final = "uploaded"
"""Where the versions come from that may be gone on with here."""


class Outcome(StrEnum):
    """What a `put` found."""

    UNCHANGED = "unchanged"
    """The newest version has the very same files."""
    TAKEN = "taken"
    """All is sent: the storage reads and compares it now."""
    GONE_ON = "gone-on"
    """As before; something of it lay there from an earlier try."""


@dataclass(frozen=True, slots=True)
class Put:
    """A version, and how it came to be. ``sent`` and ``there`` count files; bytes were sent, not counting repeats."""

    version: DatasetVersion
    outcome: Outcome
    sent: int = 0
    there: int = 0
    bytes: int = 0


def check_storage(ref: str, share: StorageShare, folder: Folder) -> None:
    """Refuse before anything is read what could never come there. Raises ConflictError ``storage_unfit``."""
    wrong, todo = "", "suanlian storage lists others."
    if share.read_only:
        wrong = "it is only read"
    elif share.kind is StorageKind.POSIX:
        wrong = "it is a folder of its connector's machine, which nobody writes from outside"
        todo = f"Name S3 storage, or copy the folder there yourself and register it: suanlian data register NAME {ref}:"
    elif folder.largest.size > MAX_PUT_BYTES:
        wrong = f"{folder.largest.path!r} has {folder.largest.size} bytes, and {MAX_PUT_BYTES} is the most for one file"
        todo = "Split that file, or register the data where it lies: suanlian data register."
    elif share.capacity is not None and folder.bytes > share.capacity:
        wrong = f"the folder has {folder.bytes} bytes, and {share.capacity} is all that it offers"
    if wrong:
        raise ConflictError("storage_unfit", f"Nothing can be put to {ref}: {wrong}.", todo=todo, field="storage")


def check_fit(data: Data, name: str, storage: str) -> None:
    """Ask the hub whether the dataset may lie there at all, before hours of reading: nothing is asked of the storage.

    A dataset without a version gets its first, which is gone on with. Raises ConflictError ``storage_unfit``.
    """
    versions = list(islice(data.versions(name), _LOOKED_AT))
    asked = next((one for one in versions if one.state in READABLE or not one.files), None)
    if asked is None and versions:
        return
    version = asked or data.open(name)
    try:
        data.upload(ref_of(version), AskUpload(storage=storage, sealing_key=SealingRing.generate().current.text))
    except ConflictError as error:
        if error.code != "state_conflict":  # that nothing was told of it yet, or all is sealed
            raise


def unchanged(data: Data, name: str, files: Sequence[DataFile]) -> DatasetVersion | None:
    """The newest version whose files are fixed, where they are these very files."""
    newest = next((one for one in data.versions(name) if one.state in READABLE), None)
    return newest if newest is not None and newest.digest == manifest_digest(files) else None


def begun(data: Data, name: str, files: Sequence[DataFile]) -> DatasetVersion:
    """An open version of these files, all of them told: one that was begun before, else a fresh one."""
    version = next((one for one in _open(data, name) if _is_of(data, one, files)), None)
    if version is None:
        version = data.open(name)
    ref = ref_of(version)
    if version.digest is None:
        for start in range(version.files, len(files), MAX_FILES_PAGE):
            data.tell(ref, FilesPage(start=start, files=tuple(files[start : start + MAX_FILES_PAGE])))
    return data.version(ref)


def ref_of(version: DatasetVersion) -> str:
    """How one's own version is named."""
    return f"{version.dataset}@{version.number}"


def _open(data: Data, name: str) -> Iterator[DatasetVersion]:
    for place, one in enumerate(data.versions(name)):
        if place >= _LOOKED_AT:
            return
        if one.state is VersionState.OPEN and one.origin == UPLOADED:
            yield one


def _is_of(data: Data, version: DatasetVersion, files: Sequence[DataFile]) -> bool:
    """Whether what was told of a version so far is the beginning of these files."""
    if version.digest is not None:
        return version.digest == manifest_digest(files)
    if version.files > len(files) or (version.files % MAX_FILES_PAGE and version.files != len(files)):
        return False
    return all(one == other for one, other in zip(data.files(ref_of(version)), files, strict=False))


def is_taken(version: DatasetVersion, storage: str) -> bool:
    """Whether all of it was sent to the storage already, which reads and compares it now."""
    comes = any(copy.storage == storage and copy.state is ReplicaState.COMING for copy in version.replicas)
    return version.digest is not None and comes


@dataclass(slots=True)
class Sending:
    """Sends the files of an open version to a storage, several at once. ``on_file``: told a file's bytes, each once."""

    data: Data
    version: DatasetVersion
    storage: str
    on_file: Callable[[int], None] = lambda _n: None
    wait_s: float = MINTED_WITHIN_S
    threads: int = THREADS
    web: Web = field(default_factory=Web)

    def send(self, folder: Folder, files: Sequence[DataFile]) -> Put:
        """Send all and seal; what an earlier try left there is not sent once more. Raises SuanlianError, OSError."""
        again = any(copy.storage == self.storage for copy in self.version.replicas)
        leave = Leave(self.data, self._ask, self.wait_s)
        grants = Grants(leave.page)
        target = GrantedTarget(grants, self.web)
        work = zip(range(len(files)), folder.files, files, strict=True)

        def one(what: tuple[int, Found, DataFile]) -> bool:
            number, found, file = what
            is_there = again and file.size > 0 and self._is_there(grants, number, file)
            if not is_there:
                self._put(target, number, found, file)
            self.on_file(file.size)
            return is_there

        there = list(each(one, work, self.threads))
        sent = sum(file.size for file, was in zip(files, there, strict=True) if not was)
        sealed = self.data.seal(ref_of(self.version))
        outcome = Outcome.GONE_ON if any(there) else Outcome.TAKEN
        return Put(sealed, outcome, len(files) - sum(there), sum(there), sent)

    def _ask(self, key: str) -> DataGrant:
        return self.data.upload(ref_of(self.version), AskUpload(storage=self.storage, sealing_key=key))

    def _is_there(self, grants: Grants, number: int, file: DataFile) -> bool:
        """Whether an object of that length lies there: its last byte is asked for. A PUT leaves all of it, or none."""

        def last_byte() -> bool:
            with grants.page(number) as page:
                url = page.urls.get(file.path + READ)
                return url is not None and any(self.web.read(url, file.path, file.size - 1, 1))

        try:
            return retried(last_byte)
        except StorageError as error:
            if error.code is Code.SOURCE_GONE:
                return False
            raise told(error, self.storage) from error

    def _put(self, target: GrantedTarget, number: int, found: Found, file: DataFile) -> None:
        try:
            if file.size <= PART_BYTES:
                data = _whole(found, file)
                retried(lambda: target.put(number, file, data))
            else:
                retried(lambda: _in_parts(target, number, found, file))
        except StorageError as error:
            raise told(error, self.storage) from error


def _in_parts(target: GrantedTarget, number: int, found: Found, file: DataFile) -> None:
    upload = target.begin(number, file)
    tags = list[str]()
    with found.here.open("rb") as stream:
        check_same(found, stream.fileno())
        for which in range(1, upload.parts(file) + 1):
            tags.append(_RETRIED(_passes_by, _part, target, (number, file), upload, which, stream))
        check_same(found, stream.fileno())
    target.complete(number, file, upload, tags)


def _part(target: GrantedTarget, which_file: tuple[int, DataFile], upload: Upload, which: int, stream: BinaryIO) -> str:
    number, file = which_file
    stream.seek(upload.start(which))
    left = upload.length(file, which)

    def pieces() -> Iterator[bytes]:
        nonlocal left
        while left and (piece := stream.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece

    return target.part(number, file, upload, which, pieces())


def retried(work: Callable[[], R]) -> R:
    """Do it, and again after what passes by. Raises StorageError."""
    return _RETRIED(_passes, work)


def _passes(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.transient


def _passes_by(error: Exception) -> bool:
    """An upload that is not known any more is begun anew as a whole."""
    return _passes(error) and not isinstance(error, UploadGoneError)


def _whole(found: Found, file: DataFile) -> bytes:
    with found.here.open("rb") as stream:
        data = stream.read(PART_BYTES + 1)
        check_same(found, stream.fileno())
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ConflictError(
            "state_conflict",
            f"{str(found.here)!r} was written to while it was sent.",
            todo="Let whoever writes it end, then give the command again.",
            field=file.path[:200],
        )
    return data
