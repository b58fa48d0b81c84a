"""Directory trees that a stranger's program made: any depth, any mode, links to anywhere, which are never followed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

MAX_DEPTH = 100
"""Directories nested deeper are refused: paths must stay nameable."""
_INODE_BYTES = 512
_BLOCK_BYTES = 512


class TooDeepError(Exception):
    """The tree is nested deeper than ``MAX_DEPTH``, or than a path can be long."""


def walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Every entry below ``root``, a directory before what it holds; what vanishes meanwhile is left out.

    Raises TooDeepError.
    """
    pending = [(str(root), 1)]
    while pending:
        here, depth = pending.pop()
        if depth > MAX_DEPTH:
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


def used_bytes(root: Path) -> int:
    """Bytes on disk of all below ``root``, and a little for each name: empty files count. Raises TooDeepError."""
    total = 0
    for entry in walk(root):
        with contextlib.suppress(FileNotFoundError):
            total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES + _INODE_BYTES
    return total


def give(root: Path, uid: int) -> None:
    """Make a whole tree belong to this user and group. Needs root, and nobody at work in the tree. Raises OSError."""
    os.chown(root, uid, uid, follow_symlinks=False)
    for entry in walk(root):
        os.chown(entry.path, uid, uid, follow_symlinks=False)


def open_up(root: Path) -> None:
    """Let the owner into directories that a job closed (``chmod 000``). Nobody may be at work in the tree."""
    root.chmod(0o700)
    for entry in walk(root):
        if entry.is_dir(follow_symlinks=False):
            Path(entry.path).chmod(0o755)


def remove(root: Path) -> None:
    """Remove a directory whatever its depth and modes; gone already is no error. Raises OSError.

    Subdirectories are first moved up to the top: a tree nested ten thousand deep has no path that can be named.
    """
    moved = 0
    while root.is_dir() and (entries := list(os.scandir(root))):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                moved = _flatten(Path(entry.path), root, moved)
            else:
                Path(entry.path).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        root.rmdir()


def _flatten(directory: Path, top: Path, moved: int) -> int:
    directory.chmod(0o700)
    for entry in list(os.scandir(directory)):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            path.chmod(0o700)  # moving a directory writes its '..'
            moved += 1
            path.rename(top / f".moved-{moved}-{os.getpid()}")
        else:
            path.unlink(missing_ok=True)
    directory.rmdir()
    return moved
