"""The directory of one job: its files are all that the driver knows of it, whole or not there, whoever looks.

``container.json`` (its existence is the journal), ``work/``, ``starting`` (from then on it is never started anew),
``started.json``, ``cancel.json``, ``hit.json``, ``pause.json``, ``live.json``, ``stdout`` and ``stderr`` as far as they
were read, ``exit.json``.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from suanlian.drivers import kept, tree
from suanlian.drivers.contract import DriverError, Work

SPEC, STARTING, STARTED, CANCEL, HIT = "container.json", "starting.json", "started.json", "cancel.json", "hit.json"
PAUSE, LIVE, EXIT = "pause.json", "live.json", "exit.json"


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
            tree.remove(new)
            if not self.directory.exists():
                raise

    def take_over(self, staged: Path | None) -> None:
        """Make the staged directory the working directory, once. Raises DriverError when it is gone, OSError."""
        kept.take_over(staged, self.work)

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
        tree.give(self.work, uid)

    def take_back(self, *, chown: bool) -> None:
        """Make the files the driver's again, and let it into directories that the job closed."""
        with contextlib.suppress(tree.TooDeepError):  # the limit has spoken; ``tree.remove`` takes any depth
            if chown:
                self.give(os.getuid())
            for entry in tree.walk(self.work):
                if entry.is_dir(follow_symlinks=False):
                    Path(entry.path).chmod(0o755)

    def used_bytes(self) -> int:
        """Bytes on disk of the working directory, and a little for each name. Raises TooDeepError."""
        return tree.used_bytes(self.work)
