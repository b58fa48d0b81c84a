"""Files below a directory that was opened to somebody: read and written without ever following a link out of it.

Each part of a path is opened by itself, relative to the one before, and links are refused by the kernel. A file is
written beside its place and renamed into it, so that nobody sees half of it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from uuid_utils import uuid7

from suanlian.model.errors import InvalidError, TooLargeError, UnavailableError

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one file: it is kept at the hub."""
MAX_FILES: Final = 256
_NAMED: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | _NAMED
_CHUNK: Final = 1024 * 1024


def read_files(root: str, path: str, *, is_directory: bool) -> list[tuple[str, bytes]]:
    """The file, named ``""``, or every file below the directory by its path from there.

    Raises InvalidError, TooLargeError, and UnavailableError where the disk refuses for a while.
    """
    with _faults(path), _folder(root, _above(path), make=False) as above:
        if not is_directory:
            return [("", _file(above, _last(path)))]
        with _opened(_last(path), above, _FOLDER) as found:
            files: list[tuple[str, bytes]] = []
            for name in _below(found, ""):
                if len(files) >= MAX_FILES:
                    raise TooLargeError("limit_exceeded", f"there are more than {MAX_FILES} files; pack them")
                with _folder(found, _above(name), make=False) as inner:
                    files.append((name, _file(inner, _last(name))))
            return files


def write_file(root: str, path: str, data: bytes) -> None:
    """Write the file, whole or not at all, with the directories above it. Raises InvalidError, UnavailableError."""
    with _faults(path), _folder(root, _above(path), make=True) as above:
        beside = f".{uuid7()}.part"
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NAMED, 0o644, dir_fd=above)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.rename(beside, _last(path), src_dir_fd=above, dst_dir_fd=above)
        except OSError:
            with suppress(OSError):
                os.unlink(beside, dir_fd=above)
            raise


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise InvalidError("path_escapes", "the path leads out of the directory that is open")
    return parts


def _above(path: str) -> list[str]:
    return _parts(path)[:-1]


def _last(path: str) -> str:
    return _parts(path)[-1]


@contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidError("not_found", f"{path[:200]!r}: {error.strerror}") from error
    except PermissionError as error:
        raise InvalidError("forbidden", f"{path[:200]!r}: {error.strerror}") from error
    except OSError as error:  # ELOOP: a symbolic link
        is_link = "symbolic" in (error.strerror or "")
        kind = InvalidError if is_link else UnavailableError
        raise kind("path_escapes" if is_link else "hub_unavailable", f"{path[:200]!r}: {error.strerror}") from error


@contextmanager
def _opened(name: str, within: int | None, flags: int) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _folder(root: str | int, parts: list[str], *, make: bool) -> Iterator[int]:
    """The directory at these parts below ``root``, each opened relative to the one before."""
    descriptor = os.dup(root) if isinstance(root, int) else os.open(Path(root), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _file(above: int, name: str) -> bytes:
    with _opened(name, above, os.O_RDONLY | _NAMED) as descriptor:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidError("field_invalid", f"{name[:200]!r} is no plain file")
        if found.st_size > MAX_BYTES:
            raise TooLargeError("body_too_large", f"{name[:200]!r} has {found.st_size} bytes, more than {MAX_BYTES}")
        taken = bytearray()
        while chunk := os.read(descriptor, _CHUNK):
            taken += chunk
            if len(taken) > MAX_BYTES:
                raise TooLargeError("body_too_large", f"{name[:200]!r} has more than {MAX_BYTES} bytes")
        return bytes(taken)


def _below(folder: int, before: str) -> Iterator[str]:
    """Every name below that is no directory, in order; links are among them, and refused when they are opened."""
    for name in sorted(os.listdir(folder)):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            with _opened(name, folder, _FOLDER) as inner:
                yield from _below(inner, f"{before}{name}/")
        else:
            yield f"{before}{name}"
