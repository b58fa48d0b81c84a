"""What another's grant opens: its files to read, or to write, page by page, renewed when it runs out.

In a page to write, ``urls`` names besides each path, which is written by one PUT:

    <path>//read          to read back what was written
    <path>//part/<n>      a part of a file longer than ``PART_BYTES``, n from 1 on; all but the last equally long
    <path>//upload        no address: the upload that the parts belong to; another one means to begin anew
    <path>//complete      POST what S3 calls CompleteMultipartUpload

No path has two slashes in it, so none of these is a path.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final
from xml.sax.saxutils import escape

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import MAX_GRANT_ITEMS, GrantPage
from suanlian.storage.contract import PART_BYTES, Code, StorageError, UploadGoneError, checked
from suanlian.storage.ends import Upload
from suanlian.storage.folders import DIRECTORY, folder, pieces, told
from suanlian.storage.web import Web

READ: Final = "//read"
UPLOAD: Final = "//upload"
COMPLETE: Final = "//complete"
MAX_URLS: Final = 3 * MAX_GRANT_ITEMS
"""So many addresses stand in a page at most: it is sealed, and bounded."""
MAX_GRANTED_PART_BYTES: Final = 1024 * 1024 * 1024
_SOON: Final = timedelta(seconds=30)
_KEPT: Final = 8

Pages = Callable[[int, GrantPage | None], GrantPage]
"""Page n of a grant: of files n x ``MAX_GRANT_ITEMS`` on. The second says which page is no good any more: another is
wanted. Raises StorageError ``grant_expired`` where there is none, yet."""


def part_key(path: str, number: int) -> str:
    """The name of an address to write one part."""
    return f"{path}//part/{number}"


def parts_granted(files: Sequence[DataFile]) -> Iterator[tuple[DataFile, int]]:
    """Each file that is written in parts, and in how many: longer parts where a page would have too many of them.

    Raises ``refused`` where even parts of a gibibyte are too many.
    """
    large, room, part = [file for file in files if file.size > PART_BYTES], MAX_URLS - 2 * len(files), PART_BYTES
    while sum(-(-file.size // part) + 1 for file in large) > room:
        part *= 2
        if part > MAX_GRANTED_PART_BYTES:
            raise StorageError(Code.REFUSED, "these files are too large to be written by a grant: pull them instead")
    return ((file, -(-file.size // part)) for file in large)


@dataclass(frozen=True, slots=True)
class Grants:
    """The pages of one grant, as far as they were asked for; the last few are kept. Safe in several threads."""

    pages: Pages
    _kept: dict[int, GrantPage] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def page(self, number: int) -> Iterator[GrantPage]:
        """The page of file ``number``. What is refused meanwhile as run out makes the next call ask for another."""
        place = number // MAX_GRANT_ITEMS
        with self._lock:
            found = self._kept.get(place) or self._asked(place, None)
            if found.expires_at - datetime.now(UTC) < _SOON:
                found = self._asked(place, found)
        try:
            yield found
        except StorageError as error:
            if error.code is Code.GRANT_EXPIRED:
                with self._lock:
                    if self._kept.get(place) is found:
                        self._asked(place, found)
            raise

    def _asked(self, place: int, stale: GrantPage | None) -> GrantPage:
        self._kept.pop(place, None)
        found = self.pages(place, stale)
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = found
        return found


@dataclass(frozen=True, slots=True)
class GrantedSource:
    """Reads by a grant. ``folders``: only folders below one of these are read; none: addresses only."""

    grants: Grants
    web: Web
    folders: Sequence[Path] = ()

    def read(self, number: int, file: DataFile, start: int, length: int) -> Iterator[bytes]:
        """So many bytes of file ``number`` of the manifest."""
        with self.grants.page(number) as page:
            if page.folder:
                yield from _from_folder(page.folder, self.folders, file.path, start, length)
            else:
                yield from self.web.read(_address(page, file.path), file.path, start, length)


@dataclass(frozen=True, slots=True)
class GrantedTarget:
    """Writes by a grant. What lies at the place besides only its owner can see: it looks when this is done."""

    grants: Grants
    web: Web
    far: bool = True

    def put(self, number: int, file: DataFile, data: bytes) -> None:
        """Write a small file."""
        with self.grants.page(number) as page:
            self.web.put(_address(page, file.path), file.path, (data,), len(data))

    def begin(self, number: int, file: DataFile) -> Upload:
        """The upload that the grant's owner has begun, or found."""
        with self.grants.page(number) as page:
            parts = 1
            while part_key(file.path, parts + 1) in page.urls:
                parts += 1
            return Upload(_address(page, file.path + UPLOAD), -(-file.size // parts))

    def part(self, number: int, file: DataFile, upload: Upload, which: int, pieces: Iterator[bytes]) -> str:
        """Write part ``which``. Raises UploadGoneError where the grant is for another upload by now."""
        with self.grants.page(number) as page:
            _same(page, file, upload)
            url = _address(page, part_key(file.path, which))
            return self.web.put(url, file.path, pieces, upload.length(file, which))

    def complete(self, number: int, file: DataFile, upload: Upload, tags: Sequence[str]) -> None:
        """Put the parts together."""
        with self.grants.page(number) as page:
            _same(page, file, upload)
            said = self.web.post(_address(page, file.path + COMPLETE), file.path, _completing(tags))
        if b"CompleteMultipartUploadResult" not in said:  # S3 begins to answer before it knows how it ends
            raise StorageError(Code.UNREACHABLE, "the storage did not put the parts together", path=file.path)

    def read(self, number: int, file: DataFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read back what lies there now."""
        with self.grants.page(number) as page:
            yield from self.web.read(_address(page, file.path + READ), file.path, start, length)

    def finish(self, files: Sequence[DataFile]) -> Sequence[int]:
        """Nothing is known to be missing."""
        del files
        return ()

    def afresh(self) -> None:
        """What was begun before is gone on with."""


def _address(page: GrantPage, name: str) -> str:
    url = page.urls.get(name)
    if url is None:
        raise StorageError(Code.REFUSED, f"the grant does not name {name!r}", path=name.partition("//")[0])
    return url


def _same(page: GrantPage, file: DataFile, upload: Upload) -> None:
    if _address(page, file.path + UPLOAD) != upload.id:
        raise UploadGoneError(file.path)


def _completing(tags: Sequence[str]) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
        for number, tag in enumerate(tags, start=1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def _from_folder(where: str, within: Sequence[Path], path: str, start: int, length: int) -> Iterator[bytes]:
    """Read below a folder that another named: only where ours said so, and no link is followed on the way."""
    for one in within:
        if where.startswith(f"{one}/"):
            with told(path):
                outer = os.open(one, DIRECTORY & ~os.O_NOFOLLOW)
                try:
                    with folder(outer, checked(where.removeprefix(f"{one}/")).split("/")) as inside:
                        yield from pieces(inside, checked(path), start, length)
                finally:
                    os.close(outer)
            return
    raise StorageError(
        Code.REFUSED, "the grant is for a folder that is not among those that may be read here", path=path
    )
