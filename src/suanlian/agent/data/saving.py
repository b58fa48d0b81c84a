"""What a job leaves to become a dataset is set aside before its end is reported: what a driver forgets is gone.

The directory was the job's: no link in its way is followed, and what is set aside is a plain file or a directory.
"""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from suanlian.agent.outputs import OutputError
from suanlian.model.data import Saved
from suanlian.model.paths import safe_path
from suanlian.storage.contract import StorageError
from suanlian.storage.folders import DIRECTORY, folder

_PART: Final = ".part"


def kept_path(kept: Path, attempt_id: str, path: str) -> Path:
    """Where a saved path of an attempt is set aside: a directory, also of a single file. Raises ValueError."""
    if "/" in safe_path(attempt_id):
        msg = f"{attempt_id[:80]!r} is no attempt"
        raise ValueError(msg)
    return kept / attempt_id / hashlib.sha256(path.encode()).hexdigest()[:32]


def set_aside(working: Path, kept: Path, attempt_id: str, saved: Sequence[Saved], withheld: Collection[str]) -> None:
    """Move each saved path away, but the files that are ``withheld``; what was moved before a crash stays where it is.

    A path within another goes first, and is missing there then. Raises OutputError naming what is not there or no plain
    file or directory; OSError when the disk refuses.
    """
    for one in sorted(saved, key=lambda one: -one.path.count("/")):
        target = kept_path(kept, attempt_id, one.path)
        if not target.exists():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _move(working, one.path, target)
        secret = [path.removeprefix(f"{one.path}/") for path in withheld if path.startswith(f"{one.path}/")]
        _remove(target, secret)


def _move(working: Path, path: str, target: Path) -> None:
    *parts, name = path.split("/")
    root = os.open(working, DIRECTORY)
    try:
        with folder(root, parts) as inside:
            mode = os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise OutputError(f"saved path {path!r} is neither a file nor a directory")
            _take(inside, name, target, single=stat.S_ISREG(mode))
    except FileNotFoundError as error:
        raise OutputError(f"saved path {path!r} is missing") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OutputError(f"saved path {path!r} leads through a link") from error
        raise
    finally:
        os.close(root)


def _take(inside: int, name: str, target: Path, *, single: bool) -> None:
    """One rename where both are in one file system, else a copy that is renamed when it is whole."""
    apart = target.with_name(target.name + _PART)
    shutil.rmtree(apart, ignore_errors=True)
    if single:
        apart.mkdir(mode=0o700)
    place = apart / name if single else apart
    try:
        os.rename(name, place, src_dir_fd=inside)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EACCES, errno.EPERM):
            raise
        source = Path(f"/proc/self/fd/{inside}", name)
        if single:
            shutil.copyfile(source, place, follow_symlinks=False)
        else:
            shutil.copytree(source, place, symlinks=True, copy_function=_copy_plain)
    apart.rename(target)


def _copy_plain(source: str, target: str) -> str:
    """A pipe of the job's would never end: what is no plain file is refused."""
    if stat.S_ISREG(Path(source).lstat().st_mode):
        shutil.copyfile(source, target, follow_symlinks=False)
        return target
    raise OutputError(f"{Path(source).name!r} in a saved path is no plain file")


def _remove(target: Path, paths: Collection[str]) -> None:
    for path in paths:
        *parts, name = path.split("/")
        root = os.open(target, DIRECTORY)
        try:
            with suppress(FileNotFoundError, StorageError), folder(root, parts) as inside:
                os.unlink(name, dir_fd=inside)
        finally:
            os.close(root)
