"""A web address as storage: it is read and nothing else. What lies there is told by a manifest, or by an index file."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from suanlian.model.data import MAX_FILES, DataFile, StorageKind
from suanlian.model.data_protocol import Direction, GrantPage
from suanlian.storage.contract import Code, HttpAt, Stat, StorageError, below, checked, listed
from suanlian.storage.web import Web

_LINE_BYTES: Final = 4096


class HttpStorage:
    """As ``Storage``. Its addresses are open to everybody, so a grant is the addresses themselves."""

    kind = StorageKind.HTTP

    def __init__(self, at: HttpAt) -> None:
        """Nothing is asked yet."""
        self._at = at
        self._web = Web(ca=at.ca)

    def close(self) -> None:
        """Close what is kept open."""
        self._web.close()

    def files(self, place: str) -> Iterator[Stat]:
        """By the index. Raises ``refused`` where there is none: a web address cannot be listed."""
        if not self._at.index:
            text = "a web address cannot be listed: give its index, a file with a line of JSON for each file"
            raise StorageError(Code.REFUSED, text)
        within = f"{checked(place)}/" if place else ""
        for number, line in enumerate(self._lines(), start=1):
            if number > MAX_FILES:
                raise StorageError(Code.REFUSED, f"the index names more than {MAX_FILES} files")
            try:
                file = DataFile.model_validate_json(line)
            except ValidationError as error:
                said = error.errors()[0]
                where = f"line {number} of the index"
                raise StorageError(Code.NAME_REFUSED, f"{where}: {said['loc']}: {said['msg']}"[:500]) from error
            if file.path.startswith(within):
                yield Stat(listed(file.path.removeprefix(within)), file.size)

    def _lines(self) -> Iterator[bytes]:
        left = b""
        for piece in self._web.read(self._url(self._at.index), self._at.index):
            *lines, left = (left + piece).split(b"\n")
            yield from (line for line in lines if line.strip())
            if len(left) > _LINE_BYTES:
                raise StorageError(Code.REFUSED, f"a line of the index is longer than {_LINE_BYTES} bytes")
        if left.strip():
            yield left

    def stat(self, path: str) -> Stat | None:
        """As the server says."""
        size = self._web.size(self._url(path), path)
        return None if size is None else Stat(path, size)

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """GET it, by ranges where the server knows them."""
        return self._web.read(self._url(path), path, start, length)

    def grant(self, place: str, files: Sequence[DataFile], direction: Direction, expires_at: datetime) -> GrantPage:
        """The addresses."""
        if direction is not Direction.READ:
            raise StorageError(Code.REFUSED, "a web address is only read")
        urls = {file.path: self._url(below(place, file.path)) for file in files}
        return GrantPage(direction=direction, expires_at=expires_at, urls=urls)

    def free(self) -> int | None:
        """Nothing comes here."""
        return 0

    def _url(self, path: str) -> str:
        return f"{self._at.url.rstrip('/')}/{quote(checked(path))}"
