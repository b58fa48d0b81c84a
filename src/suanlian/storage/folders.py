"""How is a path below a folder opened so that no link leads out of it? Name by name, each from the folder before it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from suanlian.storage.contract import PIECE_BYTES, Code, StorageError

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ABSENT: Final = frozenset({errno.ENOENT, errno.ESTALE})
_NAMES: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})
_PASSING: Final = frozenset({errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN, errno.EMFILE, errno.ENFILE})


@contextmanager
def told(path: str) -> Iterator[None]:
    """What the system says becomes a StorageError at ``path``."""
    try:
        yield
    except OSError as error:
        raise _as_storage(error, path) from error


def _as_storage(error: OSError, path: str) -> StorageError:
    number, said = error.errno, f"{path!r}: {error.strerror}"
    if number in _FULL:
        return StorageError(Code.TARGET_FULL, f"there is no room left: {said}", path=path)
    if number in _ABSENT:
        return StorageError(Code.SOURCE_GONE, f"it is not there: {said}", path=path)
    if number in _NAMES:
        return StorageError(
            Code.NAME_REFUSED, f"a link, or a name that this file system does not take: {said}", path=path
        )
    return StorageError(Code.UNREACHABLE if number in _PASSING else Code.REFUSED, said, path=path)


@contextmanager
def folder(root: int, parts: list[str], *, make: int | None = None) -> Iterator[int]:
    """The folder below ``root`` to which the names lead; ``make``: made with this mode where it is missing."""
    descriptor = os.dup(root)
    try:
        for part in parts:
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, make, dir_fd=descriptor)
            inner = os.open(part, DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def opened(root: int, path: str) -> int:
    """A plain file, for reading. Raises OSError (ELOOP for a link), and ``name_refused`` for what is no file."""
    *parts, name = path.split("/")
    with folder(root, parts) as inside:
        descriptor = os.open(name, _FILE, dir_fd=inside)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StorageError(Code.NAME_REFUSED, f"{path!r} is no plain file", path=path)
    return descriptor


def pieces(root: int, path: str, start: int, length: int | None) -> Iterator[bytes]:
    """Bytes of a file below ``root``. Raises StorageError, ``source_gone`` where it is too short."""
    with told(path):
        descriptor = opened(root, path)
        try:
            left = length
            while left is None or left > 0:
                piece = os.pread(descriptor, PIECE_BYTES if left is None else min(PIECE_BYTES, left), start)
                if not piece:
                    break
                start, left = start + len(piece), None if left is None else left - len(piece)
                yield piece
        finally:
            os.close(descriptor)
    if left:
        raise StorageError(Code.SOURCE_GONE, f"{path!r} is {left} bytes shorter than what is asked for", path=path)
