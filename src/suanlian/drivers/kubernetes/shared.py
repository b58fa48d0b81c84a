"""The directory that agent and nodes share: ``jobs/JOB/work`` is the working directory, ``jobs/JOB/run`` the streams.

Jobs of all buyers run as one user there; each sees its own two directories alone, by the mounts of its pod. What lies
in them is a stranger's: links may point anywhere and are never followed here.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from suanlian.drivers import tree
from suanlian.drivers.contract import DriverError

STREAMS: Final = frozenset({"stdout", "stderr"})
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class SharedFiles:
    """The files of jobs. Raises DriverError where the directory fails."""

    def __init__(self, root: Path, user: int) -> None:
        """``user`` is who owns the files of jobs; only root can give them away."""
        self._jobs, self._user = root / "jobs", user

    def check(self) -> str | None:
        """What is wrong with it; None when jobs can have files."""
        try:
            self._jobs.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            return f"the shared directory cannot be written: {error}"
        if os.geteuid() not in {0, self._user}:
            return f"jobs run as user {self._user}, and only root can give files to another: set run_as_user"
        return None

    def take(self, staged: Path | None, job: str, shown: Iterable[str]) -> None:
        """Make the staged directory the working directory, once; whole or not at all.

        ``shown``: what mounts and the checkpoint lead to, made where it is not there. Raises DriverError.
        """
        place = self._jobs / job
        if (place / "work").is_dir():
            return
        try:
            (place / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
            part = place / "work.part"
            tree.remove(part)
            if staged is None:
                part.mkdir()
            elif not staged.is_dir():
                raise DriverError(f"the staged directory {staged} is gone: stage the inputs again")
            else:
                shutil.copytree(staged, part, symlinks=True)
            for path in shown:
                _made(part, path)
            self._give(place / "run")
            self._give(part)
            part.chmod(0o700)
            part.rename(place / "work")
            if staged is not None:
                shutil.rmtree(staged, ignore_errors=True)
        except OSError as error:
            text = f"the inputs cannot be laid into the shared directory: {error}"
            raise DriverError(text, transient=True) from error

    def _give(self, directory: Path) -> None:
        """Hand everything below to the user of jobs, links themselves included."""
        if os.geteuid() != 0:
            return
        tree.give(directory, self._user)

    def read(self, job: str, stream: str, offset: int, limit: int) -> bytes:
        """Bytes of a stream; nothing before the job began."""
        try:
            descriptor = os.open(self._jobs / job / "run" / stream, _OPEN)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DriverError(f"the stream {stream} of {job} cannot be read: {error}", transient=True) from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # its program has put something else in its place
                return b""
            file.seek(max(0, offset))
            return file.read(max(0, limit))

    def written(self, job: str) -> int:
        """How long the longer stream of a job is."""
        return max(self._lengths(job), default=0)

    def _lengths(self, job: str) -> Iterator[int]:
        for stream in STREAMS:
            try:
                yield (self._jobs / job / "run" / stream).lstat().st_size
            except OSError:
                continue

    def work(self, job: str) -> Path | None:
        """The working directory, while it is there."""
        place = self._jobs / job / "work"
        return place if place.is_dir() else None

    def remove(self, job: str) -> None:
        """Everything of a job."""
        place = self._jobs / job
        if place.exists():
            gone = self._jobs / f".{job}.gone"
            try:
                tree.remove(gone)
                place.rename(gone)
                tree.remove(gone)
            except OSError as error:
                raise DriverError(f"the files of {job} cannot all be removed: {error}", transient=True) from error


def _made(directory: Path, path: str) -> None:
    """Make it where it is not there, by no link. Raises DriverError, OSError."""
    here = directory
    for part in PurePosixPath(path).parts:
        here /= part
        if here.is_symlink():
            raise DriverError(f"{path!r} in the working directory is a symbolic link: it cannot be shown elsewhere")
    if not here.exists():
        here.mkdir(parents=True)
