"""A folder as storage: what comes lies apart until all of it is there, and nothing leads out of the folder.

    <root>/.coming/<transfer>   files of a transfer, renamed to its place in one step
    <root>/.coming/+<random>    one file that is being written, renamed when it is whole
    <root>/.grants/<until>-<random>   hard links that somebody else may read, removed after that time

A file is on the disk (fsync) before it gets its name, and a transfer's folders before the transfer lands.
"""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from suanlian.model.data import DataFile, StorageKind
from suanlian.model.data_protocol import Direction, GrantPage
from suanlian.storage.contract import Code, PosixAt, Stat, StorageError, UploadGoneError, below, checked, listed
from suanlian.storage.folders import DIRECTORY, folder, opened, pieces, told

_COMING: Final = ".coming"
_GRANTS: Final = ".grants"
_LEFT_AFTER: Final = timedelta(days=1)
"""What no living transfer has is removed when nothing touched it for so long: an upload of now is not."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_HERE: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV})


class PosixStorage:
    """A folder of this machine, as ``Writable``. Raises StorageError ``unreachable`` where it is not there."""

    kind = StorageKind.POSIX

    def __init__(self, at: PosixAt) -> None:
        """Open the folder, which must be there. Later it is this very folder, whatever its name leads to then."""
        self._at = at
        self._folder_mode, self._file_mode = (0o755, 0o644) if at.shared else (0o700, 0o600)
        try:
            self._root = os.open(at.root, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError as error:
            raise StorageError(Code.UNREACHABLE, f"the folder {at.root} cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        """Close the folder."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # ------------------------------------------------------------ reading

    def files(self, place: str) -> Iterator[Stat]:
        """Every plain file below; a link or a device is refused by its name."""
        with told(place):
            try:
                with folder(self._root, _parts(place)) as found:
                    yield from self._walk(found, "", at_root=not place)
            except FileNotFoundError:
                return

    def _walk(self, directory: int, within: str, *, at_root: bool = False) -> Iterator[Stat]:
        for name in sorted(_names(directory)):
            if at_root and name in (_COMING, _GRANTS):
                continue
            path = listed(f"{within}{name}")
            try:
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    with folder(directory, [name]) as inner:
                        yield from self._walk(inner, f"{path}/")
                    continue
            except FileNotFoundError:  # it went meanwhile
                continue
            if not stat.S_ISREG(found.st_mode):
                what = "a link" if stat.S_ISLNK(found.st_mode) else "no plain file"
                raise StorageError(Code.NAME_REFUSED, f"{path!r} is {what}: datasets have plain files only", path=path)
            yield Stat(path, found.st_size)

    def stat(self, path: str) -> Stat | None:
        """Its size; None where it is not there."""
        with told(checked(path)):
            try:
                descriptor = opened(self._root, path)
            except FileNotFoundError:
                return None
            try:
                return Stat(path, os.fstat(descriptor).st_size)
            finally:
                os.close(descriptor)

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read it in pieces of a mebibyte."""
        return pieces(self._root, checked(path), start, length)

    def free(self) -> int | None:
        """As the file system says."""
        found = os.fstatvfs(self._root)
        return found.f_bavail * found.f_frsize

    def grant(self, place: str, files: Sequence[DataFile], direction: Direction, expires_at: datetime) -> GrantPage:
        """Hard links below one random name; who cannot list ``.grants`` finds them only by it."""
        if direction is not Direction.READ:
            raise StorageError(Code.REFUSED, "a folder grants no writing: its own connector pulls")
        name = f"{int(expires_at.timestamp())}-{secrets.token_hex(24)}"
        with told(place), folder(self._root, [_GRANTS], make=0o711 if self._at.shared else 0o700) as grants:
            os.mkdir(name, self._folder_mode, dir_fd=grants)
            with folder(grants, [name]) as inside:
                for file in files:
                    self._link(checked(below(place, file.path)), inside, checked(file.path))
        return GrantPage(
            direction=direction, expires_at=expires_at, folder=str(self._at.root.absolute() / _GRANTS / name)
        )

    def _link(self, path: str, inside: int, name: str) -> None:
        *parts, last = path.split("/")
        *under, called = name.split("/")
        with told(path), folder(self._root, parts) as source, folder(inside, under, make=self._folder_mode) as target:
            if not stat.S_ISREG(os.stat(last, dir_fd=source, follow_symlinks=False).st_mode):
                raise StorageError(Code.NAME_REFUSED, f"{path!r} is no plain file", path=path)
            os.link(last, called, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    # ------------------------------------------------------------ writing

    def put(self, path: str, data: bytes) -> None:
        """Write it apart, bring it to the disk, rename it."""
        upload = self.begin(path, len(data))
        try:
            self.part(path, upload, 1, (0, len(data)), iter((data,)))
            self.complete(path, upload, ())
        except StorageError:
            self.abort(path, upload)
            raise

    def begin(self, path: str, size: int) -> str:
        """Take the room at once, so that what has none is refused before a byte is moved."""
        checked(path)
        upload = f"+{secrets.token_hex(16)}"
        with told(path), self._apart() as coming:
            descriptor = os.open(upload, _NEW, self._file_mode, dir_fd=coming)
            try:
                if size:
                    os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    os.unlink(upload, dir_fd=coming)
                    raise
            finally:
                os.close(descriptor)
        return upload

    def part(self, path: str, upload: str, number: int, span: tuple[int, int], pieces: Iterator[bytes]) -> str:
        """Write it at its place in the file; a part has no tag."""
        del number
        start = span[0]
        with told(path), self._upload(path, upload) as descriptor:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    written = os.pwrite(descriptor, left, start)
                    start, left = start + written, left[written:]
            os.fdatasync(descriptor)
        return ""

    def complete(self, path: str, upload: str, tags: Sequence[str]) -> None:
        """Rename it."""
        del tags
        *parts, name = checked(path).split("/")
        with told(path), self._upload(path, upload) as descriptor:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # what is read back comes from the disk
            with self._apart() as coming, folder(self._root, parts, make=self._folder_mode) as target:
                os.rename(upload, name, src_dir_fd=coming, dst_dir_fd=target)

    def abort(self, path: str, upload: str) -> None:
        """Remove what was written."""
        with told(path), self._apart() as coming, suppress(FileNotFoundError):
            os.unlink(_upload_name(path, upload), dir_fd=coming)

    def abort_below(self, place: str) -> None:
        """Uploads have no place here: ``sweep`` finds those that nobody goes on with."""

    def delete(self, paths: Iterable[str]) -> None:
        """Remove files, and the folders that become empty."""
        for path in paths:
            *parts, name = checked(path).split("/")
            with told(path), suppress(FileNotFoundError):
                with folder(self._writable(), parts) as inside:
                    os.unlink(name, dir_fd=inside)
                self._prune(parts)

    def _prune(self, parts: list[str]) -> None:
        while parts:
            *parts, name = parts
            with folder(self._root, parts) as inside:
                try:
                    os.rmdir(name, dir_fd=inside)
                except OSError:  # something lies in it
                    return

    def delete_below(self, place: str) -> None:
        """It is gone from its place at once, and then from the disk."""
        *parts, name = checked(place).split("/")
        with told(place), self._apart() as coming, suppress(FileNotFoundError):
            gone = f"-{secrets.token_hex(16)}"
            with folder(self._root, parts) as inside:
                os.rename(name, gone, src_dir_fd=inside, dst_dir_fd=coming)
            _remove(coming, gone)

    # ------------------------------------------------------------ transfers

    def coming(self, place: str, transfer: str) -> str:
        """A folder of its own."""
        checked(place)
        return f"{_COMING}/{checked(transfer)}"

    def land(self, place: str, transfer: str) -> None:
        """Bring the folders to the disk and rename; what lay at the place before goes."""
        *parts, name = checked(place).split("/")
        with told(place), self._apart() as coming, folder(self._root, parts, make=self._folder_mode) as target:
            try:
                with folder(coming, [transfer]) as found:
                    _sync(found)
            except FileNotFoundError:  # it has landed, or nothing came
                return
            old = f"-{secrets.token_hex(16)}"
            with suppress(FileNotFoundError):
                os.rename(name, old, src_dir_fd=target, dst_dir_fd=coming)
            os.rename(transfer, name, src_dir_fd=coming, dst_dir_fd=target)
            os.fsync(target)
            _remove(coming, old)

    def sweep(self, now: datetime, live: Collection[str]) -> None:
        """By the names of grants, and by the age of what no living transfer has."""
        with told(_GRANTS), suppress(FileNotFoundError), folder(self._writable(), [_GRANTS]) as grants:
            for name in _names(grants):
                until = name.partition("-")[0]
                if not until.isdecimal() or int(until) < now.timestamp():
                    _remove(grants, name)
        with told(_COMING), suppress(FileNotFoundError), folder(self._root, [_COMING]) as coming:
            for name in set(_names(coming)) - set(live):
                with suppress(FileNotFoundError):
                    touched = os.stat(name, dir_fd=coming, follow_symlinks=False).st_mtime
                    if now - datetime.fromtimestamp(touched, UTC) > _LEFT_AFTER:
                        _remove(coming, name)

    # ------------------------------------------------------------ below

    def _writable(self) -> int:
        if self._at.read_only:
            raise StorageError(Code.REFUSED, "this storage is only read")
        return self._root

    @contextmanager
    def _apart(self) -> Iterator[int]:
        with folder(self._writable(), [_COMING], make=0o700) as coming:
            yield coming

    @contextmanager
    def _upload(self, path: str, upload: str) -> Iterator[int]:
        with self._apart() as coming:
            try:
                descriptor = os.open(_upload_name(path, upload), _AGAIN, dir_fd=coming)
            except FileNotFoundError as error:
                raise UploadGoneError(path) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _names(directory: int) -> list[str]:
    return os.listdir(directory)  # a path cannot be made of an open folder


def _parts(place: str) -> list[str]:
    return checked(place).split("/") if place else []


def _upload_name(path: str, upload: str) -> str:
    if not upload.startswith("+") or "/" in upload:
        raise UploadGoneError(path)
    return upload


def _remove(directory: int, name: str) -> None:
    """A file or a tree, whose links are removed and not followed; what is not there is well."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, dir_fd=directory, ignore_errors=True)


def _sync(directory: int) -> None:
    """Bring a tree of folders to the disk: their files are there already."""
    for name in _names(directory):
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            with folder(directory, [name]) as inner:
                _sync(inner)
    os.fsync(directory)
