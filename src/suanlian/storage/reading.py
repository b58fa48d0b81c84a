"""What lies at a place? A manifest made by reading all of it, and a comparison with one. Nothing is written.

A few files are read at once, each in pieces, so memory is bounded whatever their size.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Final, TypeVar

from suanlian.model.data import MAX_FILES, DataFile
from suanlian.storage.contract import Code, Stat, Storage, StorageError, below, checked_place, digest

S = TypeVar("S")
T = TypeVar("T")

THREADS: Final = 4
MAX_TOLD: Final = 100
"""So many wrong files are told by name."""


class StoppedError(Exception):
    """Somebody set ``stop``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How all of a place is read; ``on_progress`` is told files and bytes that were read, by the thread that called."""

    storage: Storage
    place: str
    threads: int = THREADS
    on_progress: Callable[[int, int], None] = lambda _files, _bytes: None
    stop: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A file that is not as stated, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison found. ``wrong`` names ``MAX_TOLD`` of the ``wrongs`` at most; ``extra``: files not stated."""

    files: int
    bytes: int
    wrongs: int
    wrong: tuple[Wrong, ...]
    extra: int

    @property
    def whole(self) -> bool:
        """Whether all that was stated is there and right."""
        return not self.wrongs


def scan(asked: Reading) -> list[DataFile]:
    """The manifest of a place, in the order of paths.

    Raises StorageError: ``name_refused`` with the path of a link or of a name that cannot be, ``refused`` where there
    are more than ``MAX_FILES`` or one changes meanwhile, ``source_gone`` where nothing is there; and StoppedError.
    """
    found: list[Stat] = []
    for one in asked.storage.files(checked_place(asked.place)):
        found.append(one)
        if len(found) > MAX_FILES:
            text = f"there are more than {MAX_FILES} files below {asked.place!r}: pack them, or register its parts"
            raise StorageError(Code.REFUSED, text)
    if not found:
        raise StorageError(Code.SOURCE_GONE, f"there are no files below {asked.place!r}")
    made, size = [], 0
    for file in _at_once(asked, lambda one: _read(asked, one), sorted(found, key=lambda one: one.path)):
        made.append(file)
        size += file.size
        asked.on_progress(len(made), size)
    return made


def verify(asked: Reading, files: Sequence[DataFile]) -> Verified:
    """Read all of it and compare. Raises StorageError where storage cannot be read at all, and StoppedError."""
    wrong: list[Wrong] = []
    wrongs = done = size = 0
    for file, why in _at_once(asked, lambda one: (one, _compare(asked, one)), files):
        if why:
            wrongs += 1
            wrong += [Wrong(file.path, why)] if len(wrong) < MAX_TOLD else []
        done, size = done + 1, size + file.size
        asked.on_progress(done, size)
    return Verified(done, size, wrongs, tuple(wrong), _extra(asked, {file.path for file in files}))


def _read(asked: Reading, one: Stat) -> DataFile:
    sha256, size = digest(_unless_stopped(asked, one.path))
    if size != one.size:
        text = f"{one.path!r} changed while it was read: files of a dataset do not change"
        raise StorageError(Code.REFUSED, text, path=one.path)
    return DataFile(path=one.path, size=size, sha256=sha256)


def _compare(asked: Reading, file: DataFile) -> str:
    try:
        sha256, size = digest(_unless_stopped(asked, file.path))
    except StorageError as error:
        if error.code in (Code.SOURCE_GONE, Code.NAME_REFUSED):
            return str(error)
        raise
    if size != file.size:
        return f"it has {size} bytes, stated are {file.size}"
    return "" if sha256 == file.sha256 else f"it has SHA-256 {sha256}, stated is {file.sha256}"


def _extra(asked: Reading, stated: set[str]) -> int:
    """How many files lie there besides; 0 where that cannot be known."""
    try:
        return sum(one.path not in stated for one in asked.storage.files(asked.place))
    except StorageError as error:
        if error.code in (Code.REFUSED, Code.NAME_REFUSED):
            return 0
        raise


def _unless_stopped(asked: Reading, path: str) -> Iterator[bytes]:
    for piece in asked.storage.read(below(asked.place, path)):
        _check(asked.stop)
        yield piece


def _check(stop: Event) -> None:
    if stop.is_set():
        raise StoppedError


def _at_once(asked: Reading, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """The results in order, of a few at a time."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(asked.threads, thread_name_prefix="read") as pool:
        try:
            for item in items:
                _check(asked.stop)
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * asked.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            asked.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
