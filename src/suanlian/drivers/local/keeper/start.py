"""Start the command of a job: pipes, slot, user, control group, sandbox."""

import contextlib
import fcntl
import marshal
import math
import os
import signal
import zlib
from pathlib import Path
from typing import NamedTuple, NoReturn

from suanlian.drivers.local.cgroup import Bounds, Group, Parents
from suanlian.drivers.local.keeper import launcher, processes, record
from suanlian.drivers.local.keeper.spec import Spec

_SANDBOX_PROCESSES = 3
"""The sandbox's own: its outer and inner process, and the launcher while it lives."""
_ABOVE_FIXED = 10
_GIB = 1024**3
_MIB = 1024**2


class Place(NamedTuple):
    """What one running job holds: slot, user (None: the keeper's), control group (None: there are none)."""

    slot: int
    uid: int | None
    group: Group | None


class Running(NamedTuple):
    """A started command: its first process and our ends of its pipes."""

    pid: int
    stdout: int
    stderr: int
    told: int


def group_of(spec: Spec) -> Group | None:
    """The control group of a job, made or not; None where there are none."""
    if not spec.group_version:
        return None
    return Parents(spec.group_version, spec.group_parents).children(f"suanlian-{spec.attempt}")


def take_place(spec: Spec) -> Place:
    """Take a free slot for as long as this process lives, and with it a user. Raises RuntimeError if there is none."""
    for slot in range(spec.slot_count):
        uid = None if spec.base_uid is None else spec.base_uid + slot
        if record.lock(Path(spec.slots) / str(slot if uid is None else uid)) is not None:
            return Place(slot, uid, group_of(spec))
    msg = f"all {spec.slot_count} slots for jobs are taken"
    raise RuntimeError(msg)


def make_group(spec: Spec, group: Group) -> None:
    """Make the control group with the job's limits. Raises OSError."""
    own = _SANDBOX_PROCESSES if spec.sandbox else 0
    group.create(Bounds(spec.bounded.cpu_millicores, spec.bounded.memory_mib, spec.bounded.processes + own))


def _processes_of(uid: int) -> int:
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, fast
        with contextlib.suppress(OSError):
            count += name.isdecimal() and Path(f"/proc/{name}").stat().st_uid == uid
    return count


def rlimits(spec: Spec, place: Place) -> dict[str, int]:
    """Limits of each process: outer bounds only, and without control groups the best there is."""
    bounded = spec.bounded
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": bounded.disk_mib * _MIB}
    if place.group is None:
        others = 0 if place.uid is not None else _processes_of(os.getuid())
        limits["RLIMIT_NPROC"] = others + bounded.processes
        # programs map far more than they touch (stacks, arenas): the polled sum is the limit, this bounds one leap
        limits["RLIMIT_AS"] = 2 * bounded.memory_mib * _MIB + 4 * _GIB
        limits["RLIMIT_CPU"] = math.ceil(bounded.cpu_millicores / 1000) * bounded.wall_s + 1
    return limits


def cpus(spec: Spec, place: Place) -> list[int] | None:
    """Without a CPU quota: as many whole CPUs as the grant touches, which ones by chance. None: leave them all.

    Connectors of one machine do not know each other's slots: counted from zero by each, all would crowd on CPU 0.
    """
    if place.group is not None:
        return None
    ours = sorted(os.sched_getaffinity(0))
    count = min(len(ours), max(1, math.ceil(spec.bounded.cpu_millicores / 1000)))
    first = zlib.crc32(spec.attempt.encode())
    return [ours[(first + step) % len(ours)] for step in range(count)]


def _configuration(spec: Spec, place: Place) -> launcher.Configuration:
    return spec.argv, dict(spec.env), spec.cwd, place.uid, rlimits(spec, place)


def start(spec: Spec, place: Place) -> Running:
    """Start the command in its own session. Raises OSError; then nothing runs."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    told_read, told_write = os.pipe2(os.O_CLOEXEC)
    configuration = os.memfd_create("configuration", os.MFD_CLOEXEC)
    os.write(configuration, marshal.dumps(content := _configuration(spec, place)))
    os.lseek(configuration, 0, os.SEEK_SET)
    ends = (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), out_write, err_write, told_write, configuration)
    pid = os.fork()
    if pid == 0:
        _in_child(spec, place, content, ends)
    for descriptor in ends:
        os.close(descriptor)
    for descriptor in (out_read, err_read, told_read):
        os.set_blocking(descriptor, False)
    return Running(pid, out_read, err_read, told_read)


def _in_child(spec: Spec, place: Place, content: launcher.Configuration, ends: tuple[int, ...]) -> NoReturn:
    """Between fork and exec: nothing here may return to the keeper's code."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for target, source in enumerate([fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE_FIXED) for end in ends]):
            os.dup2(source, target)
        os.setsid()
        if place.group is not None:
            place.group.enter()
        if (chosen := cpus(spec, place)) is not None:
            os.sched_setaffinity(0, chosen)
        if spec.sandbox:
            os.execve(spec.sandbox[0], spec.sandbox, {})  # noqa: S606 - no shell is the point
        processes.no_new_privileges()
        os.set_inheritable(launcher.STATUS_FD, False)  # noqa: FBT003 - takes no keyword
        os.close(launcher.CONFIG_FD)
        launcher.execute(content)
    except OSError as error:
        os.write(2, f"suanlian: {error}\n".encode())
    finally:
        os._exit(launcher.EXIT_CANNOT_RUN)
