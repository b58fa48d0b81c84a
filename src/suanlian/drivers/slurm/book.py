"""What lies where on the disk? The driver's whole memory: batches, attempts, and what jobs leave of themselves.

``batches/B``: one submission: ``batch.json`` and ``script.sh`` (they are there before Slurm is asked), ``job`` (Slurm's
number, once it is known), and a link a task, named by its place in the array, to the task's ``mark``.
``attempts/A``: ``batch`` (B and place), ``work`` (the working directory), ``mark`` (streams, ``begun``, ``ended`` and
what Slurm itself says), ``seen.json`` (how it ended, once that was seen). ``work`` and ``mark`` belong to the job's
user: nothing in them is followed, and nothing there is believed that Slurm says otherwise.
"""

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from suanlian.drivers import kept, tree

NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SMALL: Final = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """One submission. ``tasks``: task index and attempt by the place in the array; times in seconds since the epoch."""

    name: str
    user: str
    tasks: tuple[tuple[int, str], ...]
    request: Mapping[str, Any]
    created: int
    stream_bytes: int
    image: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether Slurm gets it as an array."""
        return len(self.tasks) > 1


@dataclass(frozen=True, slots=True)
class Owner:
    """The unix user to whom what a job may write belongs."""

    uid: int
    gid: int


class Book:
    """The files below one directory."""

    def __init__(self, root: Path) -> None:
        """Make the directories. Raises OSError."""
        self.root = root.resolve()
        self._batches, self._attempts, self._fresh = self.root / "batches", self.root / "attempts", self.root / "new"
        for directory in (self.root, self._batches, self._attempts, self._fresh):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)  # the users of jobs walk through to their own, and list nothing
        self._kept: dict[str, Batch] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._seen: dict[str, Mapping[str, Any]] = {}
        self._numbers: dict[str, int] = {}

    # ------------------------------------------------------------------ batches

    def here(self, batch: str) -> Path:
        """The directory of a batch."""
        return self._batches / batch

    def add_batch(self, batch: Batch, script: str) -> None:
        """Keep what is about to be submitted, whole or not at all, before anybody is asked."""
        fresh = self._fresh / batch.name
        fresh.mkdir(mode=0o711)
        fresh.chmod(0o711)
        said = {name: getattr(batch, name) for name in Batch.__slots__}
        _write(fresh / "batch.json", json.dumps(said))
        _write(fresh / "script.sh", script, durable=False)
        fresh.rename(self.here(batch.name))
        _sync(self._batches)

    def batch(self, name: str) -> Batch | None:
        """A batch as it was kept."""
        if name not in self._kept:
            said = _json(self.here(name) / "batch.json")
            if said is None:
                return None
            tasks = tuple((index, attempt) for index, attempt in said["tasks"])
            self._kept[name] = Batch(**{**said, "tasks": tasks, "secrets": tuple(said["secrets"])})
        return self._kept[name]

    def script(self, name: str) -> str:
        """The batch's script."""
        return (self.here(name) / "script.sh").read_text()

    def number(self, batch: str) -> int | None:
        """Slurm's number of a batch, where it is known. It never changes."""
        if batch not in self._numbers and (said := _read(self.here(batch) / "job").strip()).isdecimal():
            self._numbers[batch] = int(said)
        return self._numbers.get(batch)

    def keep_number(self, batch: str, job_id: int) -> None:
        """Keep Slurm's number."""
        _write(self.here(batch) / "job", f"{job_id}\n")
        self._numbers[batch] = job_id

    def drop_batch(self, name: str) -> None:
        """Remove a batch with all its attempts."""
        batch = self.batch(name)
        for _index, attempt in batch.tasks if batch else ():
            self.drop(attempt)
        tree.remove(self.here(name))

    # ------------------------------------------------------------------ attempts

    def add(self, attempt: str, at: tuple[str, int, int], staged: Path | None, owner: Owner, more: "Extra") -> None:
        """Make an attempt's directories; ``at``: batch, place and task index. A second time changes nothing."""
        home, (batch, place, index) = self._attempts / attempt, at
        if not home.exists():
            fresh = self._fresh / f"{attempt}.{secrets.token_hex(4)}"
            mark = fresh / "mark"
            mark.mkdir(parents=True, mode=0o700)
            fresh.chmod(0o711)
            (mark / "tmp").mkdir(mode=0o700)
            (mark / "index").write_text(f"{index} {attempt}\n")
            if more.secrets:
                _private(mark / "secrets", more.secrets)
            (fresh / "batch").write_text(f"{batch} {place}\n")
            kept.take_over(staged, fresh / "work")
            for path in more.directories:
                if not (fresh / "work" / path).exists():  # what was staged there may be a file
                    (fresh / "work" / path).mkdir(parents=True)
            _give(mark, owner)
            _give(fresh / "work", owner)
            fresh.rename(home)
        with contextlib.suppress(FileExistsError):
            (self.here(batch) / str(place)).symlink_to(home / "mark")

    def place(self, attempt: str) -> tuple[str, int] | None:
        """Batch and place of an attempt; None where it is not here."""
        if not NAME.match(attempt):
            return None
        if attempt not in self._places:
            said = _read(self._attempts / attempt / "batch").split()
            if len(said) != 2:  # noqa: PLR2004 - batch and place
                return None
            self._places[attempt] = said[0], int(said[1])
        return self._places[attempt]

    def known(self) -> Iterator[str]:
        """Every attempt that is here."""
        for entry in sorted(self._attempts.iterdir()):
            if NAME.match(entry.name):
                yield entry.name

    def work(self, attempt: str) -> Path:
        """The working directory of an attempt."""
        return self._attempts / attempt / "work"

    def seen(self, attempt: str) -> Mapping[str, Any] | None:
        """How it ended, where that was kept."""
        if attempt not in self._seen and (said := _json(self._attempts / attempt / "seen.json")) is not None:
            self._seen[attempt] = said
        return self._seen.get(attempt)

    def keep_seen(self, attempt: str, said: Mapping[str, Any]) -> None:
        """Keep how it ended."""
        _write(self._attempts / attempt / "seen.json", json.dumps(said), durable=False)
        self._seen[attempt] = said

    def flag(self, attempt: str, name: str, text: str | None = None) -> str | None:
        """What stands under a flag of ours (``over``, ``paused``); with ``text`` it is set, and removed with ``""``."""
        path = self._attempts / attempt / name
        if text:
            _write(path, text)
        elif text == "":
            path.unlink(missing_ok=True)
        return _read(path) or None

    def drop(self, attempt: str) -> None:
        """Remove an attempt, and its batch with the last."""
        found = self.place(attempt)
        home = self._attempts / attempt
        gone = self._fresh / f"{attempt}.gone.{secrets.token_hex(4)}"
        with contextlib.suppress(FileNotFoundError):
            home.rename(gone)
            tree.remove(gone)
        self._places.pop(attempt, None)
        self._seen.pop(attempt, None)
        if found is None:
            return
        batch, place = found
        (self.here(batch) / str(place)).unlink(missing_ok=True)
        if not _has_links(self.here(batch)):
            self._kept.pop(batch, None)
            self._numbers.pop(batch, None)
            tree.remove(self.here(batch))

    # ------------------------------------------------------------------ what a job left

    def mark(self, attempt: str, name: str, *, offset: int = 0, limit: int = _SMALL) -> bytes | None:
        """Bytes of a file that the job's user may have made; None where it is none. Links are not followed."""
        with _opened(self._attempts / attempt / "mark", name) as descriptor:
            return None if descriptor is None else os.pread(descriptor, limit, offset)

    def length(self, attempt: str, name: str) -> int:
        """How long such a file is."""
        with _opened(self._attempts / attempt / "mark", name) as descriptor:
            return 0 if descriptor is None else os.fstat(descriptor).st_size

    def written(self, attempt: str, name: str) -> float:
        """When such a file was written last, in seconds since the epoch; 0 where there is none."""
        with _opened(self._attempts / attempt / "mark", name) as descriptor:
            return 0.0 if descriptor is None else os.fstat(descriptor).st_mtime

    def forbid(self, attempt: str) -> bool:
        """Take the mark ``begun``, so that no script ever begins this attempt; False where one has."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            os.close(os.open(self._attempts / attempt / "mark" / "begun", flags, 0o644))
        except FileExistsError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Extra:
    """What is laid out besides the staged files: a script that sets secrets, and directories that must be there."""

    secrets: str = ""
    directories: Sequence[str] = ()


@contextlib.contextmanager
def _opened(directory: Path, name: str) -> Iterator[int | None]:
    """A plain file in a directory of ours, or None."""
    try:
        descriptor = os.open(directory / name, _FLAGS)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
            raise
        yield None
        return
    try:
        yield descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _give(top: Path, owner: Owner) -> None:
    """Give a directory that only we have written so far to a user, with all in it, and close it to others."""
    top.chmod(0o700)
    if owner.uid == os.geteuid():
        return
    for directory, _names, files in os.walk(top):
        os.chown(directory, owner.uid, owner.gid)
        for name in files:
            os.chown(Path(directory) / name, owner.uid, owner.gid, follow_symlinks=False)


def _private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _write(path: Path, text: str, *, durable: bool = True) -> None:
    """Whole or not at all; ``durable``: on the disk before anything else is done."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with part.open("w") as stream:
        stream.write(text)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    part.rename(path)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _json(path: Path) -> dict[str, Any] | None:
    text = _read(path)
    return json.loads(text) if text else None


def _has_links(directory: Path) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entry.is_symlink() for entry in entries)
    except FileNotFoundError:
        return False
