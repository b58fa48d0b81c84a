"""Which files does an ended job bring back? The declared ones, read without ever following a link.

The directory was the job's: a name in it may be a link to a file of somebody else, a pipe without end or a name that
climbs out. Each part of a path is opened by itself, relative to the one before, and links are refused by the kernel.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.model.job import MAX_INLINE_BYTES, OutputFile, safe_path

MAX_FILES: Final = 4096
_MIB: Final = 1024 * 1024
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OutputError(Exception):
    """A declared output is missing, too large or not a plain file; the text names it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One output with its bytes."""

    file: OutputFile
    data: bytes


def collect(folder: Path, declared: Sequence[str]) -> Iterator[Found]:
    """Every file among the declared files and directories, each once, read one after another. Raises OutputError."""
    seen: set[str] = set()
    with _opened(os.fspath(folder), None, "the working directory") as root:
        for path in declared:
            for found in _below(root, path):
                if found.file.path in seen:
                    continue
                seen.add(found.file.path)
                if len(seen) > MAX_FILES:
                    raise OutputError(f"there are more than {MAX_FILES} output files; pack them into one")
                yield found


def _below(root: int, path: str) -> Iterator[Found]:
    with _descend(root, path.split("/"), path) as descriptor:
        yield from _found(descriptor, path)


@contextmanager
def _descend(start: int, parts: list[str], path: str) -> Iterator[int]:
    """Open the last part, each one relative to the one before; descriptors above are closed on the way."""
    descriptor = os.dup(start)
    try:
        for part in parts:
            with _opened(part, descriptor, f"output {path!r}") as inner:
                os.close(descriptor)
                descriptor = os.dup(inner)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(name: str, within: int | None, what: str) -> Iterator[int]:
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=within)
    except FileNotFoundError as error:
        raise OutputError(f"{what} is missing") from error
    except OSError as error:  # ELOOP: a symbolic link; ENXIO: a socket
        raise OutputError(
            f"{what} cannot be read: it is a symbolic link, special or closed ({error.strerror})"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _found(descriptor: int, path: str) -> Iterator[Found]:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        for name in sorted(os.listdir(descriptor)):
            inner = _safe(f"{path}/{name}")
            with _opened(name, descriptor, f"output {inner!r}") as below:
                yield from _found(below, inner)
    elif stat.S_ISREG(mode):
        yield _read(descriptor, path)
    else:
        raise OutputError(f"output {path!r} is neither a file nor a directory")


def _safe(path: str) -> str:
    try:
        return safe_path(path)
    except ValueError as error:
        raise OutputError(f"an output has a name that is not taken: {error}") from error


def _read(descriptor: int, path: str) -> Found:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        data = stream.read(MAX_INLINE_BYTES + 1)
    if len(data) > MAX_INLINE_BYTES:
        raise OutputError(f"output {path!r} is larger than {MAX_INLINE_BYTES // _MIB} MiB")
    return Found(OutputFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()), data)
