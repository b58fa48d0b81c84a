"""The processes of a job: find them all, measure them, end them all. Linux only, standard library only."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SANDBOX_GENERATIONS = 2
"""The sandbox's outer process and the first one within: they are not the job's."""
_HAS_CHILDREN_FILE = Path(f"/proc/self/task/{os.getpid()}/children").exists()
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int) -> None:
    if _libc.prctl(option, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def adopt_orphans() -> None:
    """Become the parent of whatever our descendants leave behind: nothing daemonises away from us."""
    _prctl(_PR_SET_CHILD_SUBREAPER)


def no_new_privileges() -> None:
    """From here on no program gains rights by being executed."""
    _prctl(_PR_SET_NO_NEW_PRIVS)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (state, ppid ...); empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def born(pid: int) -> str:
    """When it started, in ticks since boot: with its number that names a process for good. Empty when it is gone."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names, fast
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def _children_by_scan() -> dict[int, list[int]]:
    """For kernels without the ``children`` file: one look at every process."""
    by_parent: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, fast
        fields = _stat(int(name)) if name.isdecimal() else []
        if fields:
            by_parent.setdefault(int(fields[1]), []).append(int(name))
    return by_parent


def descendants(root: int) -> list[list[int]]:
    """All processes below ``root`` that we can see, generation by generation."""
    scan = None if _HAS_CHILDREN_FILE else _children_by_scan()
    generations: list[list[int]] = []
    current = [root]
    while current:
        current = [child for pid in current for child in (_children(pid) if scan is None else scan.get(pid, []))]
        if current:
            generations.append(current)
    return generations


def memory_kib(pids: Iterable[int]) -> int:
    """What these hold for themselves: resident minus shared pages. Pages shared after a fork count each time."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            pages += int(resident) - int(shared)
    return pages * _PAGE_KIB


def memory_exact_kib(pids: Iterable[int]) -> int:
    """As ``memory_kib``, but shared pages count once (proportional set size); slower."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1])
    return total


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these running processes and of the children that they waited for."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_S


def marked(mark: str) -> list[int]:
    """Processes, ourselves apart, whose environment began with the entry ``mark`` (``NAME=value``)."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, fast
        if name.isdecimal() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each; those gone are skipped."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def catching(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for the signal (proc(5), SigCgt)."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def notify(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to those that handle it; where none does, to all.

    A shell that only waits for the program would die of it, and take the program along before it could react.
    """
    asked = list(pids)
    send([pid for pid in asked if catching(pid, number)] or asked, number)


def inside(keeper: int, *, sandboxed: bool) -> list[int]:
    """The job's own processes below its keeper, without the two of the sandbox."""
    generations = descendants(keeper)[SANDBOX_GENERATIONS if sandboxed else 0 :]
    return [pid for generation in generations for pid in generation]


def kill_user(uid: int) -> None:
    """Kill every process of a user that belongs to one job alone: a child becomes it and kills all it may.

    Never root's: as root a process may kill all there are.
    """
    if uid == 0:
        return
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)
