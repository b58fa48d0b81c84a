"""Holds one job on a node of a Ray cluster: runs alone there, by its path, with the standard library only (3.9+).

``python3 -I -S runner.py JOB``: reads ``JOB/spec.json``, starts the command in ``JOB/work`` with ``JOB/stdout`` and
``JOB/stderr``, watches its bounds, follows ``JOB/cancel``, ``JOB/pause``, ``JOB/signals``, writes ``JOB/exit.json``.
Ray itself bounds neither time nor memory of a command and keeps one log for both streams.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG = 1
_TICK_S = 0.1
_DISK_EVERY_S = 1.0
_LIVE_EVERY_S = 1.0
_KIB_OF_PAGE = os.sysconf("SC_PAGE_SIZE") // 1024
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SIGNAL_BASE = 128
_MAX_DEPTH = 100
_KILL_PATIENCE_S = 60.0
_libc = ctypes.CDLL(None)


def write(path: Path, content: object) -> None:
    """Write a record whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def claim(job: Path) -> bool:
    """Be the one that decides whether the command is started: True for the first caller, on whatever machine."""
    try:
        os.close(os.open(job / "claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def descendants(root: int) -> list[int]:
    """All processes below ``root``, parents first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, fast
        fields = stat(int(name)) if name.isdecimal() else []
        if fields:
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    current = [root]
    while current:
        current = [child for pid in current for child in children.get(pid, ())]
        found += current
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


def notify(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to those that handle it; where none does, to all: a shell that only waits would die of it first."""
    send([pid for pid in pids if catching(pid, number)] or pids, number)


def used_kib(pids: Iterable[int]) -> int:
    """What these hold for themselves: resident minus shared pages."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{pid}/statm").read_text().split()
            pages += int(fields[1]) - int(fields[2])
    return pages * _KIB_OF_PAGE


def used_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these, and of the children that they waited for."""
    return sum(sum(int(field) for field in fields[11:15]) for fields in map(stat, pids) if fields) / _TICKS_PER_S


class TooDeepError(Exception):
    """Directories are nested deeper than a path can name."""


def used_bytes(root: Path) -> int:
    """What lies below a directory, links not followed; no recursion: a job chooses the depth. Raises TooDeepError."""
    total, pending = 0, [(str(root), 1)]
    while pending:
        here, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise TooDeepError
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, depth + 1))
    return total


class Runner:
    """One command from its start to its exit record."""

    def __init__(self, job: Path, spec: dict[str, Any]) -> None:
        """Begin; nothing is started yet."""
        self.job, self.spec = job, spec
        self.limit = ""
        self.reason = ""
        self.cpu_s, self.peak_kib = 0.0, 0
        self.canceled_at: float | None = None
        self.orphaned = False
        self.paused_at: float | None = None
        self.stood = 0.0
        self.signals_sent = 0
        self.told = False
        self.parent = os.getppid()

    def run(self) -> None:
        """Start, watch, end, record."""
        if (self.job / "cancel").exists():
            self.record("CANCELED", None, "canceled before it started", None)
            return
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._term)
        began, clock = time.time(), time.monotonic()
        try:
            process = self.start()
        except OSError as error:
            write(self.job / "started", {"at": began})
            self.record("EXECUTOR_ERROR", None, f"cannot start {self.spec['argv'][0]!r}: {error.strerror}", began)
            return
        write(self.job / "started", {"at": began, "pid": os.getpid(), "node": os.uname().nodename})
        status = self.watch(process, clock)
        self.end_all()
        self.look(everything=True)
        self.finish(status, began, clock)

    def _term(self, _number: int, _frame: object) -> None:
        self.told = True

    def start(self) -> subprocess.Popen[bytes]:
        """The command in a session of its own; secrets are read once and their file removed."""
        environment = dict(self.spec["env"])
        secrets = read(self.job / "secrets.json")
        if secrets is not None:
            (self.job / "secrets.json").unlink()
            environment.update(secrets)
        for name in self.spec["inherit"]:
            if name in os.environ:
                environment.setdefault(name, os.environ[name])
        with (self.job / "stdout").open("ab") as out, (self.job / "stderr").open("ab") as err:
            return subprocess.Popen(
                self.spec["argv"],
                cwd=self.job / "work",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),  # noqa: PLW1509 - one thread
            )

    def watch(self, process: subprocess.Popen[bytes], clock: float) -> int | None:
        """Until the command ends, a bound is reached, or it has had its grace."""
        disk_due = live_due = 0.0
        while True:
            status = process.poll()
            if status is not None:
                return status
            now = time.monotonic()
            self.look(everything=now >= disk_due)
            if now >= disk_due:
                disk_due = time.monotonic() + max(_DISK_EVERY_S, 20 * (time.monotonic() - now))
            if now - clock - self.stood_s(now) >= self.spec["wall_s"]:
                self.reach("wall-time", f"wall time of {self.spec['wall_s']} s reached")
            self.follow(now)
            if now >= live_due:
                write(self.job / "live", {"at": time.time(), "cpu_s": self.cpu_s, "peak_kib": self.peak_kib})
                live_due = now + _LIVE_EVERY_S
            if self.limit or self.orphaned:
                return None
            if self.canceled_at is not None and now - self.canceled_at >= self.spec["grace_s"]:
                return None
            time.sleep(_TICK_S)

    def look(self, *, everything: bool) -> None:
        """See whether a bound is reached."""
        pids = descendants(os.getpid())
        kib = used_kib(pids)
        self.cpu_s = max(self.cpu_s, used_cpu_s(pids) + sum(os.times()[2:4]))
        self.peak_kib = max(self.peak_kib, kib)
        if kib > self.spec["memory_mib"] * 1024:
            self.reach("memory", f"memory limit of {self.spec['memory_mib']} MiB exceeded")
        for name in ("stdout", "stderr"):
            if (self.job / name).stat().st_size > self.spec["stream_bytes"]:
                self.reach("output", f"more than {self.spec['stream_bytes']} bytes on {name}")
        if everything:
            self.look_at_disk()

    def look_at_disk(self) -> None:
        """See whether the working directory is too large, or nested too deep to be looked at."""
        try:
            used = used_bytes(self.job / "work")
        except TooDeepError:
            self.reach("disk", f"directories nested deeper than {_MAX_DEPTH} in the working directory")
            return
        if used > self.spec["disk_mib"] * 1024 * 1024:
            self.reach("disk", f"disk limit of {self.spec['disk_mib']} MiB exceeded in the working directory")

    def reach(self, limit: str, reason: str) -> None:
        """The first bound that is reached stays."""
        if not self.limit:
            self.limit, self.reason = limit, reason

    def follow(self, now: float) -> None:
        """Do what was asked for by files; and end where Ray's own process that held us is gone."""
        if os.getppid() != self.parent:
            self.orphaned = True
            return
        if self.canceled_at is None and (self.told or (self.job / "cancel").exists()):
            self.canceled_at = now
            self.resume()
            notify(descendants(os.getpid()), signal.SIGTERM)
        self.deliver()
        wanted = (self.job / "pause").exists() and self.canceled_at is None
        if wanted and self.paused_at is None:
            self.freeze()
        elif not wanted and self.paused_at is not None:
            self.resume()

    def deliver(self) -> None:
        """Send the signals that were asked for and not sent yet, in their order; a paused job first goes on."""
        asked = sorted(entry.name for entry in (self.job / "signals").iterdir())
        for name in asked[self.signals_sent :]:
            self.resume()
            notify(descendants(os.getpid()), signal.Signals["SIG" + name.partition("-")[2]])
            self.signals_sent += 1

    def freeze(self) -> None:
        """Stop all, again until no new one is seen."""
        stopped: set[int] = set()
        for _ in range(100):
            new = set(descendants(os.getpid())) - stopped
            if not new:
                break
            send(new, signal.SIGSTOP)
            stopped |= new
        self.paused_at = time.monotonic()
        write(self.job / "paused", {"at": time.time()})

    def resume(self) -> None:
        """Let all go on, where they were stopped."""
        if self.paused_at is None:
            return
        send(descendants(os.getpid()), signal.SIGCONT)
        self.stood, self.paused_at = self.stood_s(time.monotonic()), None
        for name in ("pause", "paused"):
            (self.job / name).unlink(missing_ok=True)

    def stood_s(self, now: float) -> float:
        """How long it has stood still in all: that is not the job's wall time."""
        return self.stood + (0.0 if self.paused_at is None else now - self.paused_at)

    def end_all(self) -> None:
        """Kill whatever is left and wait until nothing is; what daemonised came back to us."""
        patience = time.monotonic() + _KILL_PATIENCE_S
        while time.monotonic() < patience:
            left = descendants(os.getpid())
            send(left, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.01)

    def finish(self, status: int | None, began: float, clock: float) -> None:
        """Say how it ended: what was done to it comes before what it did."""
        ended = began + (time.monotonic() - clock)
        code = None if status is None else status if status >= 0 else _SIGNAL_BASE - status
        if self.limit:
            self.trim()
            state, reason = "EXECUTOR_ERROR", self.reason + "; the job was ended"
        elif self.orphaned:
            state, reason = "SYSTEM_ERROR", "the Ray worker that held the job ended"
        elif self.canceled_at is not None:
            state, reason = "CANCELED", "canceled"
        elif code == 0:
            state, reason = "COMPLETE", ""
        elif status is not None and status < 0:
            state, reason = "EXECUTOR_ERROR", f"ended by signal {-status} ({signal.Signals(-status).name})"
        else:
            state, reason = "EXECUTOR_ERROR", f"exit code {code}"
        if reason and (self.limit or self.orphaned):
            with (self.job / "stderr").open("a", encoding="utf-8") as file:
                file.write(f"suanlian: {reason}\n")
        self.record(state, code, reason, began, ended)

    def trim(self) -> None:
        """A stream that ran over its bound is kept up to it."""
        for name in ("stdout", "stderr"):
            if (self.job / name).stat().st_size > self.spec["stream_bytes"]:
                os.truncate(self.job / name, self.spec["stream_bytes"])

    def record(self, state: str, code: int | None, reason: str, began: float | None, ended: float = 0.0) -> None:
        """Write the exit record."""
        # reaped children are in our own times; a last short process may have been seen by nobody else
        own = os.times()
        write(
            self.job / "exit.json",
            {
                "state": state,
                "exit_code": code,
                "reason": reason,
                "limit": self.limit or None,
                "fault": "node" if self.orphaned else None,
                "started": began,
                "ended": ended or time.time(),
                "cpu_s": max(self.cpu_s, own[2] + own[3]),
                "peak_kib": max(self.peak_kib, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss),
            },
        )


def main(job: Path) -> int:
    """Hold the job, unless somebody else decided about it before."""
    spec = read(job / "spec.json")
    if spec is not None and claim(job):
        Runner(job, spec).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
