"""How is a checkpoint taken? As a whole set: every file of its directory, read while nothing in it changes, or nothing.

The directory is the job's own, so no link in it is followed. What is sent counts at the hub only when the last word on
the set is said; a set that was begun and not finished never takes the place of a whole one.
"""

import base64
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.agent.desk import Desk
from suanlian.agent.row import Row
from suanlian.drivers.contract import NativeId, Stages
from suanlian.model.ids import new_id
from suanlian.model.job import OutputFile, safe_path
from suanlian.model.protocol import (
    MAX_CHECKPOINT_BYTES,
    MAX_CHECKPOINT_FILES,
    MAX_PIECE_BYTES,
    CheckpointCall,
    CheckpointWholeCall,
)

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MIB: Final = 1024 * 1024


class NotKeptError(Exception):
    """The checkpoint is not taken now; the text says why. ``passes``: it may be at the next try."""

    def __init__(self, why: str, *, passes: bool = False) -> None:
        super().__init__(why)
        self.passes = passes


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as it lay there: by these a change is known."""

    path: str
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A set that the hub has whole, and the mark by which the same one is known."""

    files: tuple[OutputFile, ...]
    mark: str


def take(desk: Desk, row: Row) -> Taken | None:
    """Send the directory as a set; None where it is empty, not there, or as it was when it was last taken.

    Raises NotKeptError, UnavailableError, and the error of a refusal.
    """
    driver = desk.driver
    if row.checkpoint is None or row.native_id is None or not isinstance(driver, Stages):
        return None
    folder = driver.working_directory(NativeId(row.native_id))
    try:
        with _root(folder, row.checkpoint.path) as root:
            before = tuple(_walk(root, ""))
            mark = _mark(before)
            if not before or mark == row.kept_mark:
                return None
            _check_size(before)
            files = _sent(desk, row, root, before)
            if tuple(_walk(root, "")) != before:
                raise NotKeptError("it changed while it was taken", passes=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotKeptError(f"it cannot be read: {error.strerror}") from error
    set_id, manifest = files
    whole = CheckpointWholeCall(attempt_id=row.attempt_id, token=row.token, set_id=set_id, files=manifest)
    desk.hub.checkpoint_whole(whole)
    return Taken(manifest, mark)


@contextmanager
def _root(folder: Path, path: str) -> Iterator[int]:
    """The checkpoint's directory, each part of its path opened by itself."""
    descriptor = os.open(folder, _DIRECTORY)
    try:
        for part in path.split("/"):
            inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(directory: int, within: str) -> Iterator[Seen]:
    """Every plain file below, in the order of names. What is none, such as a link, is left out."""
    for name in sorted(os.listdir(directory)):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        path = f"{within}{name}"
        if stat.S_ISDIR(found.st_mode):
            inner = os.open(name, _DIRECTORY, dir_fd=directory)
            try:
                yield from _walk(inner, f"{path}/")
            finally:
                os.close(inner)
        elif stat.S_ISREG(found.st_mode):
            yield Seen(_safe(path), found.st_ino, found.st_size, found.st_mtime_ns)


def _safe(path: str) -> str:
    try:
        return safe_path(path)
    except ValueError as error:
        raise NotKeptError(f"a file in it has a name that is not taken: {error}") from error


def _mark(files: tuple[Seen, ...]) -> str:
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _check_size(files: tuple[Seen, ...]) -> None:
    if len(files) > MAX_CHECKPOINT_FILES:
        raise NotKeptError(f"it has {len(files)} files, more than {MAX_CHECKPOINT_FILES}")
    size = sum(file.size for file in files)
    if size > MAX_CHECKPOINT_BYTES:
        raise NotKeptError(f"it has {size / _MIB:.1f} MiB, more than {MAX_CHECKPOINT_BYTES // _MIB}")


def _sent(desk: Desk, row: Row, root: int, files: tuple[Seen, ...]) -> tuple[str, tuple[OutputFile, ...]]:
    set_id = new_id()
    return set_id, tuple(_file(desk, row, (root, set_id), seen) for seen in files)


def _file(desk: Desk, row: Row, into: tuple[int, str], seen: Seen) -> OutputFile:
    root, set_id = into
    path = f"{row.checkpoint.path}/{seen.path}" if row.checkpoint else seen.path
    digest, start = hashlib.sha256(), 0
    with os.fdopen(_opened(root, seen.path), "rb") as stream:
        while piece := stream.read(min(MAX_PIECE_BYTES, seen.size - start)):
            digest.update(piece)
            desk.hub.checkpoint(
                CheckpointCall(
                    attempt_id=row.attempt_id,
                    token=row.token,
                    set_id=set_id,
                    path=path,
                    start=start,
                    data=base64.b64encode(piece).decode("ascii"),
                )
            )
            start += len(piece)
    if start != seen.size:
        raise NotKeptError("it changed while it was taken", passes=True)
    return OutputFile(path=path, size=seen.size, sha256=digest.hexdigest())


def _opened(root: int, path: str) -> int:
    *parts, name = path.split("/")
    directory = os.dup(root)
    try:
        for part in parts:
            inner = os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = inner
        return os.open(name, _FILE, dir_fd=directory)
    finally:
        os.close(directory)
