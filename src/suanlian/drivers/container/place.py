"""The directory of one job: its files are all that the driver knows of it, whole or not there, whoever looks.

``container.json`` (its existence is the journal), ``work/``, ``starting`` (from then on it is never started anew),
``started.json``, ``cancel.json``, ``hit.json``, ``pause.json``, ``live.json``, ``stdout`` and ``stderr`` as far as they
were read, ``exit.json``.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from suanlian.drivers.contract import DriverError, Work

SPEC, STARTING, STARTED, CANCEL, HIT = "container.json", "starting.json", "started.json", "cancel.json", "hit.json"
PAUSE, LIVE, EXIT = "pause.json", "live.json", "exit.json"
_INODE_BYTES, _BLOCK_BYTES = 512, 512
_MAX_DEPTH: Final = 100


class TooDeepError(Exception):
    """Directories are nested deeper than anybody needs."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What is watched of one job. Sizes in MiB and bytes, times in seconds."""

    attempt: str
    index: int
    command: str
    image: str
    wall_s: int
    stream_bytes: int
    memory_mib: int
    disk_mib: int
    processes: int
    share: str


class Place:
    """One job's directory below ``jobs``."""

    def __init__(self, jobs: Path, attempt: str) -> None:
        """Nothing is looked at yet."""
        self.attempt, self.directory = attempt, jobs / attempt
        self.work = self.directory / "work"

    def read(self, name: str) -> dict[str, Any] | None:
        """What a file says, or None."""
        try:
            content: dict[str, Any] = json.loads((self.directory / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.directory / name).exists()

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file, whole, and through to the disk. Raises OSError."""
        part = self.directory / f".{name}.{os.getpid()}.{os.urandom(4).hex()}"
        with part.open("w", encoding="utf-8") as stream:
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.directory / name)

    def spec(self) -> Spec | None:
        """What is watched, or None when there is no such job."""
        content = self.read(SPEC)
        return None if content is None else Spec(**content)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with this job, among threads and processes."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def journal(self, spec: Spec, fresh: Path) -> None:
        """Create the directory with its spec, whole or not at all; a second time changes nothing."""
        if self.directory.exists():
            return
        new = fresh / f"{self.attempt}.{os.getpid()}.{os.urandom(4).hex()}"
        new.mkdir(mode=0o700)
        (new / SPEC).write_text(json.dumps(asdict(spec)), encoding="utf-8")
        try:
            new.rename(self.directory)
        except OSError:  # somebody else was first
            remove(new)
            if not self.directory.exists():
                raise

    def take_over(self, staged: Path | None) -> None:
        """Make the staged directory the working directory, once. Raises DriverError when it is gone."""
        if self.work.exists():
            return
        if staged is None:
            self.work.mkdir()
            return
        try:
            staged.rename(self.work)
        except FileNotFoundError as error:
            raise DriverError(f"the staged directory {staged} is gone: stage the inputs again") from error
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            part = self.directory / "work.part"  # from another file system: copied whole, then named
            remove(part)
            shutil.copytree(staged, part, symlinks=True)
            part.rename(self.work)
            shutil.rmtree(staged)

    def lay_out(self, work: Work) -> None:
        """Make what mounts and the checkpoint lead to, while nobody is at work there. Raises DriverError."""
        wanted = [mount.source for mount in work.mounts]
        if work.checkpoint is not None:
            wanted.append(work.checkpoint.path)
        for path in wanted:
            here = self.work
            for part in PurePosixPath(path).parts:
                here /= part
                if here.is_symlink():
                    raise DriverError(f"{path!r} in the working directory is a symbolic link: it cannot be shown")
            if not here.exists():
                here.mkdir(mode=0o755, parents=True)

    def give(self, uid: int) -> None:
        """Make all of the working directory belong to a user. Nobody may be at work there. Raises OSError."""
        self.work.chmod(0o700)
        os.chown(self.work, uid, uid, follow_symlinks=False)
        for entry in walk(self.work):
            os.chown(entry.path, uid, uid, follow_symlinks=False)

    def take_back(self, *, chown: bool) -> None:
        """Make the files the driver's again, and let it into directories that the job closed."""
        with contextlib.suppress(TooDeepError):  # the limit has spoken; ``remove`` takes any depth
            if chown:
                self.give(os.getuid())
            for entry in walk(self.work):
                if entry.is_dir(follow_symlinks=False):
                    Path(entry.path).chmod(0o755)

    def used_bytes(self) -> int:
        """Bytes on disk of the working directory, and a little for each name. Raises TooDeepError."""
        total = 0
        for entry in walk(self.work):
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES + _INODE_BYTES
        return total


def walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Every entry below ``root``, links never followed; what vanishes meanwhile is left out. Raises TooDeepError."""
    pending = [(str(root), 1)]
    while pending:
        here, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise TooDeepError(here[:200])
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise TooDeepError(here[:200]) from error


def remove(root: Path) -> None:
    """Remove a directory whatever its depth and modes; gone already is no error. Raises OSError.

    Subdirectories are first moved up to the top: a tree nested ten thousand deep has no path that can be named.
    """
    moved = 0
    while root.is_dir() and (entries := list(os.scandir(root))):
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_dir(follow_symlinks=False):
                path.unlink(missing_ok=True)
                continue
            path.chmod(0o700)
            for below in list(os.scandir(path)):
                if below.is_dir(follow_symlinks=False):
                    Path(below.path).chmod(0o700)
                    moved += 1
                    Path(below.path).rename(root / f".moved-{moved}-{os.getpid()}")
                else:
                    Path(below.path).unlink(missing_ok=True)
            path.rmdir()
    with contextlib.suppress(FileNotFoundError):
        root.rmdir()
