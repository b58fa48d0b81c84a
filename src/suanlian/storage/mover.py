"""How does a version come from one storage to another, whole? Many files at once, each read back before it counts.

A file counts when it was read back from the target and has the size and the SHA-256 of the manifest; where it has not
it is fetched once more. What is done is journalled, so that a move goes on where it was killed: by files, and within a
large file by parts. In the end the place has the files of the manifest and no others.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Lock, Semaphore
from typing import Final, TypeVar

import stamina

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Window
from suanlian.storage.contract import MIB, PART_BYTES, Code, StorageError, UploadGoneError, checked, digest
from suanlian.storage.ends import Source, Target, Upload
from suanlian.storage.journal import Journal
from suanlian.storage.pace import Pace, Watch, sleep

T = TypeVar("T")

THREADS: Final = 8
AHEAD_BYTES: Final = 8 * MIB
AHEAD: Final = 3
"""What is long is read back in pieces of so many bytes, so many of them ahead of what is hashed."""
_LOOK_S: Final = 0.5
_ROUNDS: Final = 2
_FETCHES: Final = 2
_UPLOADS: Final = 4
# after a first try without it: it costs more than a small file does
_RETRIED: Final = stamina.RetryingCaller(attempts=3, timeout=120.0, wait_initial=0.2, wait_max=5.0)
_AGAIN: Final = frozenset({Code.UNREACHABLE, Code.GRANT_EXPIRED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move is: bytes that were written, files that were read back too. Neither falls while it runs."""

    bytes_done: int
    files_done: int
    checking: bool
    """All bytes are written; what is left is to be read back."""


@dataclass(frozen=True, slots=True)
class Move:
    """What is moved. ``key``: by what a journal is known to be this move's, such as the transfer's id.

    ``windows``: none, as fast as it goes. ``threads``: so many files or parts at once, and so many parts in memory at
    most. ``on_progress`` is told about every second, by the thread that called.
    """

    files: Sequence[DataFile]
    source: Source
    target: Target
    journal: Path
    key: str
    windows: Sequence[Window] = ()
    threads: int = THREADS
    on_progress: Callable[[Progress], None] = lambda _progress: None
    stop: Event = field(default_factory=Event)


def move(asked: Move) -> bool:
    """Move it, or go on with it. True when all of it is there and right; False when ``stop`` was set before.

    Raises StorageError, after ``checksum_mismatch`` with the path of the file: nothing is seen at the place then.
    Called again with the same journal it goes on; also after it was done: then it only looks whether all is there.
    """
    for file in asked.files:
        checked(file.path)
    with Journal(asked.journal, _head(asked)) as journal:
        return _Run(asked, journal).run()


def _head(asked: Move) -> str:
    seen = hashlib.sha256(asked.key.encode())
    for file in asked.files:
        seen.update(f"\n{file.sha256} {file.size} {file.path}".encode())
    return seen.hexdigest()


class _HaltError(Exception):
    """The move ends: somebody said so, or something failed elsewhere."""


@dataclass(slots=True)
class _Large:
    """A file whose parts are written by several threads; the last of them puts it together."""

    number: int
    file: DataFile
    upload: Upload
    left: int
    gone: bool = False


class _Run:
    """One run of a move."""

    def __init__(self, asked: Move, journal: Journal) -> None:
        self._asked, self._journal = asked, journal
        self._pace = Pace(asked.windows)
        self._watch = Watch(self._pace)
        self._halt, self._lock = Event(), Lock()
        self._failed: Exception | None = None
        self._total = sum(file.size for file in asked.files)
        self._counts = True
        self._flowed = 0
        self._told_at = 0.0
        self._bytes, self._files = self._known()

    def _known(self) -> tuple[int, int]:
        files, journal = self._asked.files, self._journal
        size = sum(files[number].size for number in journal.done)
        for number, begun in journal.begun.items():
            size += sum(begun.upload.length(files[number], which) for which in begun.tags)
        return size, len(journal.done)

    def run(self) -> bool:
        target = self._asked.target
        if self._journal.fresh:
            self._retried(target.afresh)
        for _round in range(_ROUNDS):
            self._write_all()
            if self._halt.is_set():
                self._tell()
                return False
            missing = self._retried(lambda: target.finish(self._asked.files))
            if not missing:
                self._tell()
                return True
            self._counts = False  # it was counted when it was written first
            for number in missing:
                self._journal.note_lost(number)
        raise StorageError(
            Code.CHECKSUM_MISMATCH,
            f"{len(missing)} files were written and are not there",
            path=self._asked.files[missing[0]].path,
        )

    # ------------------------------------------------------------ many at once

    def _write_all(self) -> None:
        slots = Semaphore(self._asked.threads)
        with (
            ThreadPoolExecutor(AHEAD, "move-ahead") as self._ahead,
            ThreadPoolExecutor(self._asked.threads, "move") as pool,
        ):
            try:
                self._hand_out(pool, slots)
                for _slot in range(self._asked.threads):
                    self._wait_for(slots)
            except BaseException:
                self._halt.set()
                raise
        if self._failed is not None:
            raise self._failed

    def _hand_out(self, pool: ThreadPoolExecutor, slots: Semaphore) -> None:
        try:
            for unit in self._units():  # a large file is begun here, too: a thread may have failed meanwhile
                self._wait_for(slots)
                if self._halt.is_set():
                    slots.release()
                    break
                pool.submit(self._guarded, unit, slots)
        except _HaltError:
            pass

    def _wait_for(self, slots: Semaphore) -> None:
        self._look()
        while not slots.acquire(timeout=_LOOK_S):
            self._look()

    def _look(self) -> None:
        if self._asked.stop.is_set():
            self._halt.set()
        now = time.monotonic()
        if now - self._told_at >= 1.0:
            self._told_at = now
            self._tell()
            self._watch.look(self._flowed)

    def _tell(self) -> None:
        with self._lock:
            said = Progress(self._bytes, self._files, self._bytes >= self._total)
        self._asked.on_progress(said)

    def _guarded(self, unit: Callable[[], None], slots: Semaphore) -> None:
        try:
            if not self._halt.is_set():
                unit()
        except _HaltError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that called raises it
            with self._lock:
                self._failed = self._failed or error
            self._halt.set()
        finally:
            slots.release()

    def _units(self) -> Iterator[Callable[[], None]]:
        for number, file in enumerate(self._asked.files):
            if number in self._journal.done:
                continue
            if file.size <= PART_BYTES:
                yield partial(self._small, number, file)
            else:
                yield from self._parts(number, file)

    def _parts(self, number: int, file: DataFile) -> Iterator[Callable[[], None]]:
        begun = self._journal.begun.get(number)
        upload = begun.upload if begun else self._begin(number, file)
        there = self._journal.tags(number)
        wanted = [which for which in range(1, upload.parts(file) + 1) if which not in there]
        large = _Large(number, file, upload, len(wanted))
        if not wanted:
            yield partial(self._put_together, large)
        for which in wanted:
            yield partial(self._part, large, which)

    # ------------------------------------------------------------ one file

    def _small(self, number: int, file: DataFile) -> None:
        target = self._asked.target
        for fetch in range(_FETCHES):
            data = self._retried(lambda: b"".join(self._read(number, file, 0, file.size)))
            if digest((data,)) == (file.sha256, file.size):
                self._retried(lambda found=data: target.put(number, file, found))  # type: ignore[misc]
                if fetch == 0:
                    self._count(file.size)
                if self._is_right(number, file):
                    self._note_done(number)
                    return
        raise _mismatch(file)

    def _begin(self, number: int, file: DataFile) -> Upload:
        upload = self._retried(lambda: self._asked.target.begin(number, file))
        self._journal.note_begun(number, upload)
        return upload

    def _part(self, large: _Large, which: int) -> None:
        try:
            if not large.gone:
                self._write_part(large, which)
                self._count(large.upload.length(large.file, which))
        except UploadGoneError:
            large.gone = True
        with self._lock:
            large.left -= 1
            last = large.left == 0
        if last:
            self._put_together(large)

    def _write_part(self, large: _Large, which: int) -> None:
        number, file, upload = large.number, large.file, large.upload

        def write() -> str:
            pieces = self._read(number, file, upload.start(which), upload.length(file, which))
            return self._asked.target.part(number, file, upload, which, pieces)

        self._journal.note_part(number, which, self._retried(write))

    def _put_together(self, large: _Large) -> None:
        number, file, wrong = large.number, large.file, 0
        for _upload in range(_UPLOADS):
            if not large.gone:
                tags = self._journal.tags(number)
                given = [tags[which] for which in sorted(tags)]
                try:
                    self._retried(lambda: self._asked.target.complete(number, file, large.upload, given))  # noqa: B023 - at once
                except UploadGoneError:  # it may have been put together before this process began
                    large.gone = True
            if self._is_right(number, file):
                self._note_done(number)
                return
            wrong += not large.gone
            if wrong == _FETCHES:
                break
            self._journal.note_lost(number)
            self._write_anew(large)
        raise _mismatch(file)

    def _write_anew(self, large: _Large) -> None:
        large.upload, large.gone = self._begin(large.number, large.file), False
        try:
            for which in range(1, large.upload.parts(large.file) + 1):
                self._write_part(large, which)
        except UploadGoneError:
            large.gone = True

    def _is_right(self, number: int, file: DataFile) -> bool:
        """Read back what lies at the target now."""
        try:
            if file.size <= AHEAD_BYTES:
                found = self._retried(lambda: digest(self._back(number, file, 0, None)))
            else:
                found = digest(self._back_ahead(number, file))
        except StorageError as error:
            if error.code is not Code.SOURCE_GONE:
                raise
            return False
        return found == (file.sha256, file.size)

    def _back_ahead(self, number: int, file: DataFile) -> Iterator[bytes]:
        """In order, some of it read before it is hashed: one stream would wait for the hash, and the hash for it."""
        waiting: deque[Future[list[bytes]]] = deque()

        def fetch(start: int) -> list[bytes]:
            length = AHEAD_BYTES if start + AHEAD_BYTES < file.size else None  # to the end, which may be too far
            return self._retried(lambda: list(self._back(number, file, start, length)))

        for start in range(0, file.size, AHEAD_BYTES):
            waiting.append(self._ahead.submit(fetch, start))
            if len(waiting) > AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _back(self, number: int, file: DataFile, start: int, length: int | None) -> Iterator[bytes]:
        target = self._asked.target
        return self._flowing(target.read(number, file, start, length), paced=target.far)

    # ------------------------------------------------------------ below

    def _read(self, number: int, file: DataFile, start: int, length: int) -> Iterator[bytes]:
        return self._flowing(self._asked.source.read(number, file, start, length), paced=True)

    def _flowing(self, pieces: Iterator[bytes], *, paced: bool) -> Iterator[bytes]:
        for piece in pieces:
            if paced:
                sleep(self._pace, len(piece), self._halt)
            if self._halt.is_set():
                raise _HaltError
            self._flowed += len(piece)  # a sum that is wrong by a piece misleads nobody
            yield piece

    def _count(self, size: int) -> None:
        if self._counts:
            with self._lock:
                self._bytes += size

    def _note_done(self, number: int) -> None:
        self._journal.note_done(number)
        with self._lock:
            self._files += self._counts

    def _retried(self, call: Callable[[], T]) -> T:
        try:
            return self._unless_halted(call)
        except StorageError as error:
            if not _passes(error):
                raise
        return _RETRIED(_passes, self._unless_halted, call)

    def _unless_halted(self, call: Callable[[], T]) -> T:
        if self._halt.is_set():
            raise _HaltError
        return call()


def _passes(error: Exception) -> bool:
    return isinstance(error, StorageError) and error.code in _AGAIN and not isinstance(error, UploadGoneError)


def _mismatch(file: DataFile) -> StorageError:
    text = f"{file.path!r} was fetched twice, and has not the SHA-256 of the manifest"
    return StorageError(Code.CHECKSUM_MISMATCH, text, path=file.path)
