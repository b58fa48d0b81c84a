"""What is in a version, file by file: its digest, and which lists of files no storage could hold as they are. Pure.

The digest is SHA-256 over one line a file, as ``sha256sum`` writes and checks it, in the order of paths: by code
points, which is that of their UTF-8 bytes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from suanlian.model.data import MAX_FILES, MAX_VERSION_BYTES

Line = tuple[str, int, str]
"""Path, size in bytes, SHA-256."""


@dataclass(slots=True)
class Manifest:
    """A manifest that is read line by line: counted, hashed, and looked at for what collides."""

    files: int = 0
    bytes: int = 0
    largest: int = 0
    last: str = ""
    wrong: str = ""
    _hash: Any = field(default_factory=hashlib.sha256)
    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def take(self, lines: Iterable[Line]) -> None:
        """Read on; the first thing that is wrong is kept, and nothing is read after it."""
        for path, size, sha256 in lines:
            if self.wrong:
                return
            self.wrong = self._order(path) or self._collision(path)
            self.files, self.bytes, self.last = self.files + 1, self.bytes + size, path
            self.largest = max(self.largest, size)
            self._hash.update(f"{sha256}  {path}\n".encode())
            if not self.wrong and (self.files > MAX_FILES or self.bytes > MAX_VERSION_BYTES):
                self.wrong = f"a version has at most {MAX_FILES} files and {MAX_VERSION_BYTES} bytes: pack small files"

    @property
    def digest(self) -> str:
        """Of all that was read."""
        text: str = self._hash.hexdigest()
        return text

    def _order(self, path: str) -> str:
        if self.files and path <= self.last:
            return f"{path!r} comes after {self.last!r}: files are told once each, in the order of their paths"
        return ""

    def _collision(self, path: str) -> str:
        """What storage that tells no capital letters apart, or any file system, could not hold beside the others."""
        folded = path.casefold()
        if (other := self._files.get(folded)) is not None:
            return f"{path!r} and {other!r} differ in capital letters alone: rename one"
        if (other := self._folders.get(folded)) is not None:
            return f"{path!r} is a file, and {other!r} a folder: rename one"
        for folder in _folders(path):
            small = folder.casefold()
            if small in self._files:
                return f"{self._files[small]!r} is a file, and {path!r} lies below it: rename one"
            if self._folders.setdefault(small, folder) != folder:
                return (
                    f"the folders {folder!r} and {self._folders[small]!r} differ in capital letters alone: rename one"
                )
        self._files[folded] = path
        return ""


def _folders(path: str) -> Iterator[str]:
    """The folders that a file lies in, the outermost first."""
    at = path.find("/")
    while at > 0:
        yield path[:at]
        at = path.find("/", at + 1)
