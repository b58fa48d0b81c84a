"""The two ends of a move: where the bytes of a version come from, and where they go; both over our own storage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from suanlian.model.data import DataFile
from suanlian.storage.contract import Storage, Writable, below, part_bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A large file that is being written, in parts of so many bytes."""

    id: str
    part_bytes: int

    def parts(self, file: DataFile) -> int:
        """How many."""
        return -(-file.size // self.part_bytes)

    def start(self, which: int) -> int:
        """Where part ``which``, from 1 on, begins."""
        return (which - 1) * self.part_bytes

    def length(self, file: DataFile, which: int) -> int:
        """How long it is."""
        return min(self.part_bytes, file.size - self.start(which))


class Source(Protocol):
    """Where bytes come from. ``number`` is a file's place in the manifest."""

    def read(self, number: int, file: DataFile, start: int, length: int) -> Iterator[bytes]:
        """So many bytes of a file. Raises StorageError."""
        ...


class Target(Protocol):
    """Where they go. Every call may raise StorageError; each may be made again.

    ``far``: what is read back comes over the link too.
    """

    @property
    def far(self) -> bool: ...  # noqa: D102 - above

    def put(self, number: int, file: DataFile, data: bytes) -> None:
        """Write a file of at most ``PART_BYTES``."""
        ...

    def begin(self, number: int, file: DataFile) -> Upload:
        """Begin a longer one."""
        ...

    def part(self, number: int, file: DataFile, upload: Upload, which: int, pieces: Iterator[bytes]) -> str:
        """Write a part; its tag. Raises UploadGoneError."""
        ...

    def complete(self, number: int, file: DataFile, upload: Upload, tags: Sequence[str]) -> None:
        """All parts are there. Raises UploadGoneError."""
        ...

    def read(self, number: int, file: DataFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """What lies there now, from ``start`` on, to its end or so many bytes."""
        ...

    def finish(self, files: Sequence[DataFile]) -> Sequence[int]:
        """All were written and read back: remove what lies there besides, and let it be seen where it should be.

        The numbers of files that are not there, or not as long as they should be: nothing was let be seen then.
        """
        ...

    def afresh(self) -> None:
        """Nothing is known of an earlier try: forget uploads that one may have left."""
        ...


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A place of storage that is our own."""

    storage: Storage
    place: str

    def read(self, number: int, file: DataFile, start: int, length: int) -> Iterator[bytes]:
        """Read it."""
        del number
        return self.storage.read(below(self.place, file.path), start, length)


@dataclass(frozen=True, slots=True)
class StoredTarget:
    """A place of storage that is our own, for one transfer: in the end it has the files of the manifest alone.

    Whose storage was pushed to by a grant calls ``finish`` when the pusher is done: a grant sees nothing but its files.
    """

    storage: Writable
    place: str
    transfer: str
    far: bool = False

    def _path(self, file: DataFile) -> str:
        return below(self.storage.coming(self.place, self.transfer), file.path)

    def put(self, number: int, file: DataFile, data: bytes) -> None:
        """Write it."""
        del number
        self.storage.put(self._path(file), data)

    def begin(self, number: int, file: DataFile) -> Upload:
        """Begin it."""
        del number
        return Upload(self.storage.begin(self._path(file), file.size), part_bytes(file.size))

    def part(self, number: int, file: DataFile, upload: Upload, which: int, pieces: Iterator[bytes]) -> str:
        """Write a part."""
        del number
        length = upload.length(file, which)
        return self.storage.part(self._path(file), upload.id, which, (upload.start(which), length), pieces)

    def complete(self, number: int, file: DataFile, upload: Upload, tags: Sequence[str]) -> None:
        """Put the parts together."""
        del number
        self.storage.complete(self._path(file), upload.id, tags)

    def read(self, number: int, file: DataFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read it back."""
        del number
        return self.storage.read(self._path(file), start, length)

    def finish(self, files: Sequence[DataFile]) -> Sequence[int]:
        """Compare what is listed with the manifest, by name and size."""
        coming = self.storage.coming(self.place, self.transfer)
        found = {one.path: one.size for one in self.storage.files(coming)}
        if not found and coming != self.place:
            found = {one.path: one.size for one in self.storage.files(self.place)}
            if found == {file.path: file.size for file in files}:  # it has landed before
                return ()
            found = {}
        missing = [number for number, file in enumerate(files) if found.get(file.path) != file.size]
        if missing:
            return missing
        self.storage.abort_below(coming)
        wanted = {file.path for file in files}
        self.storage.delete(below(coming, path) for path in found if path not in wanted)
        self.storage.land(self.place, self.transfer)
        return ()

    def afresh(self) -> None:
        """Forget uploads of the place."""
        self.storage.abort_below(self.storage.coming(self.place, self.transfer))
