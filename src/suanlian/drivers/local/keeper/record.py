"""The files by which keeper and driver speak: written whole or not at all, read at any moment."""

import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

SPEC, LOCK, WORK, TEMPORARY = "spec.json", "lock", "work", "tmp"
STARTED, CANCEL, KEEPER, LIVE, EXIT = "started", "cancel", "keeper.json", "live.json", "exit.json"
ENDING = "ending"
"""Written before the end is measured: as long as it is not there, the job runs."""
PAUSE, PAUSED = "pause", "paused"
"""The wish that the job stands still, and since when it does."""
_PRIVATE = 0o600
_FLOCK = "hhqqi4x"
"""struct flock of 64-bit Linux: type, whence, start, length (0: all), pid."""


def write(path: Path, content: object, *, durable: bool = True) -> None:
    """Write JSON by way of a temporary file; ``durable`` also through to the disk. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    part.replace(path)
    if durable:
        sync(path.parent)


def sync(directory: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> dict[str, Any] | None:
    """What the file says, or None when there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


def lock(path: Path, *, wait: bool = False) -> int | None:
    """Take the lock that lasts as long as its holder: the descriptor, or None when somebody else has it.

    A lock of the open file description (fcntl(2), F_OFD_SETLK): a forked child inherits it, and ``held`` can look
    without taking it, so that looking never keeps a keeper out.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):  # fcntl(2) allows both
        os.close(descriptor)
        return None
    return descriptor


def held(path: Path) -> bool:
    """Whether somebody holds this lock just now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    finally:
        os.close(descriptor)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
