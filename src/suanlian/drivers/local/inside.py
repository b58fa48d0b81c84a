"""What of the working directory does a job see where? Mounts and the checkpoint: which are taken, and made in time."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from suanlian.drivers.contract import DriverError, Work
from suanlian.drivers.local import sandbox


def lay_out(work: Work, directory: Path) -> None:
    """Make in the working directory what mounts and the checkpoint lead to. Raises DriverError, OSError.

    Nobody may be at work there. A mount within another one gets its place in the other's directory, by no link either.
    """
    for source in _sources(work):
        _no_links(directory, source)
        if not (target := directory / source).exists():
            target.mkdir(mode=0o755, parents=True)
    for outer in work.mounts:
        for inner in work.mounts:
            if inner.path.startswith(f"{outer.path}/"):
                place = f"{outer.source}{inner.path.removeprefix(outer.path)}"
                _no_links(directory, place)
                # bubblewrap would make them for root alone
                (directory / place).parent.mkdir(mode=0o755, parents=True, exist_ok=True)


def _sources(work: Work) -> Iterator[str]:
    for mount in work.mounts:
        yield mount.source
    if work.checkpoint is not None:
        yield work.checkpoint.path


def _no_links(directory: Path, path: str) -> None:
    here = directory
    for part in PurePosixPath(path).parts:
        here /= part
        if here.is_symlink():
            raise DriverError(f"{path!r} in the working directory is a symbolic link: it cannot be shown elsewhere")


def mounts(work: Work, host: sandbox.Host | None, binds: Iterable[Path], job: Path) -> tuple[tuple[str, Path], ...]:
    """Path inside and directory outside of each, outer ones first.

    Nothing of the sandbox's own may be covered: as root its launcher still has rights when it reads those files.
    Raises DriverError for such a path, and where there is no sandbox.
    """
    if not work.mounts:
        return ()
    if host is None:
        raise DriverError("jobs of this machine have no sandbox, so nothing can be shown under another path there")
    kept = [*sandbox.KEPT, *map(str, (host.python_prefix, *binds))]
    for mount in work.mounts:
        if (taken := next((path for path in kept if _touch(mount.path, path)), None)) is not None:
            raise DriverError(f"mount {mount.path!r} would cover {taken}, which the sandbox needs: use another path")
    return tuple((mount.path, job / mount.source) for mount in sorted(work.mounts, key=lambda each: each.path))


def _touch(one: str, other: str) -> bool:
    """Whether one of both lies in the other."""
    return os.path.commonpath((one, other)) in (one, other)
