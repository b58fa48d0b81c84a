"""Which processes came from this one, and how do they all end? Keepers outlive their agent on purpose; not here.

Linux only: where there is no ``/proc`` nothing is found, and what the demo started itself is ended by its handle.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PROC: Final = Path("/proc")
_GROUPS: Final = Path("/sys/fs/cgroup")
_OUR_GROUP: Final = "suanlian-"
_ROUND_S: Final = 0.02
_ROUNDS: Final = 250


class Process(NamedTuple):
    """One process; with its time of birth the number names it for ever (proc(5), field 22)."""

    pid: int
    born: int


def adopt_orphans() -> None:
    """From now on a descendant whose parent ends becomes a child of this process, so that none gets lost."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """For a fresh child, before it becomes its program: be killed when the parent is."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants() -> set[Process]:
    """Every process below this one that is no zombie."""
    children: dict[int, list[Process]] = {}
    for process, parent in _processes():
        children.setdefault(parent, []).append(process)
    found: set[Process] = set()
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += [process.pid for process in below]
    return found


def _processes() -> Iterator[tuple[Process, int]]:
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # the name in brackets may hold spaces and brackets: count from its end
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] != "Z":
                    yield Process(int(entry.name), int(fields[19])), int(fields[1])


def end_all_but(before: Collection[Process]) -> int:
    """Kill every descendant that is not among ``before``, with their control groups; returns how many were killed.

    Repeats until none is left, five seconds at most: what is killed may have begun something just before. Call it when
    every child that has a handle was waited for: the exit codes of all others are taken here.
    """
    killed: set[Process] = set()
    groups: set[Path] = set()
    for _round in range(_ROUNDS):
        left = descendants() - set(before)
        if not left:
            break
        groups.update(group for process in left for group in _groups(process.pid))
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        killed |= left
        time.sleep(_ROUND_S)
        _reap()
    _reap()
    _remove(groups)
    return len(killed)


def _reap() -> None:
    """Take the exit codes of orphans that were adopted and have ended: nobody else waits for them."""
    while True:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        return


def _groups(pid: int) -> Iterator[Path]:
    """The control groups that a job's keeper made for it: version 2 under the root, version 1 under each controller."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "cgroup").read_text().splitlines():
            _number, controllers, path = line.split(":", 2)
            if Path(path).name.startswith(_OUR_GROUP):
                yield from (_GROUPS / name / path.lstrip("/") for name in controllers.split(",") or [""])


def _remove(groups: Collection[Path]) -> None:
    for group in sorted(groups, reverse=True):
        for _try in range(10):
            with contextlib.suppress(OSError):
                group.rmdir()
            if not group.exists():
                break
            time.sleep(_ROUND_S)
