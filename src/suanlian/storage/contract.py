"""What can be done with one share of storage? The contract that every kind fulfils, its errors, and how one is opened.

Paths are relative to the storage's root, with forward slashes; a *place* is the folder in which a replica lies, and
what is listed or granted of a place is named from there. No link is ever followed, and nothing outside of the root
is read or written. All of it is safe to use from several threads.

    StorageError   one tree, told apart by ``code``; ``transient``: the same may do in a while
    └── UploadGoneError   what was begun is not known any more: begin anew
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from suanlian.model.data import DataFile, StorageKind
from suanlian.model.data_protocol import Direction, GrantPage
from suanlian.model.paths import safe_path

MIB: Final = 1024 * 1024
PART_BYTES: Final = 16 * MIB
"""What is longer is written in parts of so many bytes, or more where it would have too many of them."""
MAX_PARTS: Final = 9_000
"""S3 knows 10,000."""
PIECE_BYTES: Final = MIB
"""Bytes are handed on in pieces of about this size."""
MAX_KEY_BYTES: Final = 1024
"""A path with its place, in UTF-8: as much as S3 takes."""
MAX_PART_NAME_BYTES: Final = 255
"""One name between slashes, in UTF-8: as much as file systems take."""
RESERVED: Final = frozenset({".coming", ".grants"})
"""Folders at the root that are the storage's own."""


class Code(StrEnum):
    """Why storage did not do what it should."""

    SOURCE_GONE = "source_gone"
    """What should be read is not there (any more)."""
    TARGET_FULL = "target_full"
    GRANT_EXPIRED = "grant_expired"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """By the storage, its owner, or because the kind cannot do it."""
    NAME_REFUSED = "name_refused"
    """A link, something that is no file, or a name that storage or jobs could not have."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    TOO_SLOW = "too_slow"
    """Far slower than planned, or the hours of the plan are over: to be planned anew."""


TRANSIENT: Final = frozenset({Code.GRANT_EXPIRED, Code.UNREACHABLE, Code.TOO_SLOW})


class StorageError(Exception):
    """``code`` says why, ``path`` at which file where it is one, ``transient`` whether the same may do in a while."""

    def __init__(self, code: Code, text: str, *, path: str = "") -> None:
        super().__init__(text)
        self.code, self.path, self.transient = code, path, code in TRANSIENT


class UploadGoneError(StorageError):
    """The storage knows nothing of an upload that was begun: begin anew."""

    def __init__(self, path: str) -> None:
        super().__init__(Code.UNREACHABLE, f"what was begun of {path!r} is not there any more", path=path)


@dataclass(frozen=True, slots=True)
class Stat:
    """A file and how many bytes it has."""

    path: str
    size: int


class Storage(Protocol):
    """One share of storage, open for reading. Every call may raise StorageError."""

    kind: StorageKind

    def files(self, place: str) -> Iterator[Stat]:
        """Every file below a place, in no order, named from there; none where nothing is there.

        Raises ``name_refused`` at a link, or a name that no file of a dataset has.
        """
        ...

    def stat(self, path: str) -> Stat | None:
        """What is known of one file; None where it is not there."""
        ...

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Its bytes from ``start`` on, to the end or so many. Raises ``source_gone``, also where it is too short."""
        ...

    def grant(self, place: str, files: Sequence[DataFile], direction: Direction, expires_at: datetime) -> GrantPage:
        """Let the holder read (or write) these files until then. No more than ``MAX_GRANT_ITEMS`` of them.

        Raises ``refused`` where the kind cannot. Granting again is harmless, and what was begun by an earlier grant
        to write goes on by the next.
        """
        ...

    def free(self) -> int | None:
        """So many bytes may still come; None where it is not known."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


@runtime_checkable
class Writable(Storage, Protocol):
    """Storage that is written too."""

    def put(self, path: str, data: bytes) -> None:
        """Write a small file (at most ``PART_BYTES``): whole, or not at all; in the place of what was there."""
        ...

    def begin(self, path: str, size: int) -> str:
        """Begin a large file; its upload's id. Nothing of it is seen before it is completed."""
        ...

    def part(self, path: str, upload: str, number: int, span: tuple[int, int], pieces: Iterator[bytes]) -> str:
        """Write part ``number``, from 1 on; ``span`` is its first byte and its length. Its tag. Again is harmless.

        When it returns, it stays, whatever happens to this process. Raises UploadGoneError.
        """
        ...

    def complete(self, path: str, upload: str, tags: Sequence[str]) -> None:
        """All parts are there: the file is whole and seen, in the place of what was there. Raises UploadGoneError."""
        ...

    def abort(self, path: str, upload: str) -> None:
        """Forget an upload; it need not be known."""
        ...

    def abort_below(self, place: str) -> None:
        """Forget all uploads below a place, whoever began them."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files; those that are not there are well."""
        ...

    def delete_below(self, place: str) -> None:
        """Remove all that lies below a place, and what was begun there. It is not the root."""
        ...

    def coming(self, place: str, transfer: str) -> str:
        """Where files of a transfer are written until they ``land`` at ``place``: a place too, often another."""
        ...

    def land(self, place: str, transfer: str) -> None:
        """All files of a transfer are there and right: they lie at ``place`` now. Again is harmless."""
        ...

    def sweep(self, now: datetime, live: Collection[str]) -> None:
        """Remove grants that have run out, and what is left of transfers other than those that live."""
        ...


@dataclass(frozen=True, slots=True)
class PosixAt:
    """A folder of this machine. ``shared``: other users of the machine may read what lies there (no more than that)."""

    root: Path
    read_only: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class S3At:
    """A prefix of a bucket. ``grant_endpoint``: as others reach the server, where it differs from ``endpoint``.

    ``ca``: a file of certificates in PEM, trusted instead of the system's. Keys are values: who opens has read them.
    """

    endpoint: str
    bucket: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = ""
    region: str = "us-east-1"
    session_token: str | None = field(default=None, repr=False)
    grant_endpoint: str = ""
    ca: Path | None = None
    path_style: bool = True
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class HttpAt:
    """A web address that is only read. ``index``: a file there, a line of JSON a file, as ``DataFile`` has it."""

    url: str
    index: str = ""
    ca: Path | None = None


At = PosixAt | S3At | HttpAt


def checked(path: str) -> str:
    """A path below the root, as it is. Raises ``name_refused``."""
    try:
        longest = max(len(safe_path(part).encode()) for part in path.split("/"))
    except ValueError as error:  # UnicodeEncodeError is one: half a character
        raise _not_taken(path, str(error)) from error
    if longest > MAX_PART_NAME_BYTES or len(path.encode()) > MAX_KEY_BYTES:
        text = f"it is longer than {MAX_KEY_BYTES} bytes, or a name in it than {MAX_PART_NAME_BYTES}"
        raise _not_taken(path, text)
    return path


def checked_place(place: str) -> str:
    """A place that people may name: the root (empty), or a folder not the storage's own. Raises as ``checked``."""
    if place and checked(place).split("/")[0] in RESERVED:
        raise StorageError(Code.NAME_REFUSED, f"the folder {place!r} is the storage's own", path=place)
    return place


def listed(path: str) -> str:
    """A name that was found, as a file of a dataset has it. Raises ``name_refused``."""
    try:
        return safe_path(checked(path))
    except ValueError as error:
        raise _not_taken(path, str(error)) from error


def _not_taken(path: str, why: str) -> StorageError:
    return StorageError(Code.NAME_REFUSED, f"the name {path[:200]!r} is not taken: {why}", path=path)


def below(place: str, path: str) -> str:
    """The path of a file in a place."""
    return f"{place}/{path}" if place else path


def part_bytes(size: int) -> int:
    """The length of each part but the last of a file: a multiple of ``PART_BYTES``, at most ``MAX_PARTS`` of them."""
    return max(1, -(-size // (PART_BYTES * MAX_PARTS))) * PART_BYTES


def digest(pieces: Iterable[bytes]) -> tuple[str, int]:
    """SHA-256 in hexadecimal, and how many bytes there were."""
    seen, size = hashlib.sha256(), 0
    for piece in pieces:
        seen.update(piece)
        size += len(piece)
    return seen.hexdigest(), size
