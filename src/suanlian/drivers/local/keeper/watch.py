"""Watch a running command: move its output, see which limit it reaches, and end all that it left."""

import os
import resource
import selectors
import signal
import time
from pathlib import Path

from suanlian.drivers import tree
from suanlian.drivers.local.cgroup import Reading
from suanlian.drivers.local.keeper import processes, record
from suanlian.drivers.local.keeper.pausing import Pausing
from suanlian.drivers.local.keeper.spec import Spec
from suanlian.drivers.local.keeper.start import Place, Running
from suanlian.drivers.local.keeper.streams import Stream
from suanlian.drivers.local.keeper.verdict import Hit, limit_text

_TICK_S = 0.05
_TICK_WITHOUT_GROUP_S = 0.02
_DISK_EVERY_S = 0.2
_DISK_SHARE = 20
"""Looking at the directory takes at most one part in so many of the time."""
_LIVE_EVERY_S = 1.0
_STOP_PASSES = 100
_KILL_ROUND_S = 0.002
_KILL_PATIENCE_S = 60.0
_MIB = 1024 * 1024


class Watch:
    """One running job, seen from its keeper."""

    def __init__(self, spec: Spec, job: Path, place: Place, running: Running) -> None:
        """Take over the pipes of a command that has just been started."""
        self.spec, self.place = spec, place
        self.status: int | None = None
        self.hit: Hit | None = None
        self.canceled = False
        self.cpu_s, self.peak_mib = 0.0, 0
        self.streams = {
            "stdout": Stream(running.stdout, job / "stdout", spec.bounded.stream_bytes),
            "stderr": Stream(running.stderr, job / "stderr", spec.bounded.stream_bytes),
        }
        self._job, self._running = job, running
        self._pausing = Pausing(job, place.group, sandboxed=bool(spec.sandbox))
        self._begun = time.monotonic()
        self._disk_due = self._live_due = self._begun
        self._cancel_by = 0.0
        self._childless = False
        self._reaped_cpu_s = 0.0
        self._reaped_peak_kib = 0

    def until_end(self, wakeup: int) -> None:
        """Return when the first process has ended, a limit was reached or the patience after a cancel is over.

        ``wakeup`` becomes readable at every signal.
        """
        selector = selectors.DefaultSelector()
        selector.register(wakeup, selectors.EVENT_READ)
        for stream in self.streams.values():
            selector.register(stream.source, selectors.EVENT_READ, stream)
        tick = _TICK_S if self.place.group else _TICK_WITHOUT_GROUP_S
        while self.status is None and self.hit is None:
            for key, _ in selector.select(tick):
                if key.data is None:
                    self._woken(os.read(wakeup, 4096))
                elif not key.data.pump() and not key.data.open:
                    selector.unregister(key.fileobj)
            self._reap()
            self._pausing.look()
            self._check()
            if self.canceled and time.monotonic() >= self._cancel_by:
                break
        selector.close()

    def _woken(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers and not self.canceled:
            self.canceled = True
            self._pausing.over()
            self._cancel_by = time.monotonic() + self.spec.bounded.grace_s
            # the sandbox's own two would end everything at once
            inside = processes.inside(os.getpid(), sandboxed=bool(self.spec.sandbox))
            processes.notify(inside, signal.SIGTERM)

    def _reap(self) -> None:
        while not self._childless:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            self._count(used)
            if pid == self._running.pid:
                self.status = status

    def _count(self, used: resource.struct_rusage) -> None:
        self._reaped_cpu_s += used.ru_utime + used.ru_stime
        self._reaped_peak_kib = max(self._reaped_peak_kib, used.ru_maxrss)

    def _check(self) -> None:
        """See whether a limit was reached; the first stays."""
        now = time.monotonic()
        reading = self._measure()
        for name, stream in self.streams.items():
            if stream.full:
                self._reach("output", f"on {name}")
        if reading.oom_kills:
            self._reach("memory")
        if reading.forks_refused:
            self._reach("processes")
        if self.status is None and now - self._begun - self._pausing.stood_s(now) >= self.spec.bounded.wall_s:
            self._reach("wall-time")
        if now >= self._disk_due:
            self._check_disk()
            self._disk_due = time.monotonic() + max(_DISK_EVERY_S, _DISK_SHARE * (time.monotonic() - now))
        if now >= self._live_due:
            live = {"cpu_s": f"{self.cpu_s:.6f}", "peak_memory_mib": self.peak_mib}
            record.write(self._job / record.LIVE, live, durable=False)
            self._live_due = now + _LIVE_EVERY_S

    def _reach(self, limit: str, detail: str = "") -> None:
        self.hit = self.hit or limit_text(limit, self.spec.bounded, detail=detail)

    def _measure(self) -> Reading:
        """What is used now; without a control group from the processes themselves."""
        reading = self.place.group.read() if self.place.group is not None else self._measure_processes()
        self.cpu_s, self.peak_mib = max(self.cpu_s, reading.cpu_s), max(self.peak_mib, reading.peak_mib)
        return reading

    def _measure_processes(self) -> Reading:
        generations = processes.descendants(os.getpid())
        everything = [pid for generation in generations for pid in generation]
        limit_kib = self.spec.bounded.memory_mib * 1024
        held_kib = processes.memory_kib(everything)
        if held_kib > limit_kib:  # pages shared after a fork were counted twice: look again, exactly
            held_kib = processes.memory_exact_kib(everything)
        inside = len(everything) - (processes.SANDBOX_GENERATIONS if self.spec.sandbox else 0)
        return Reading(
            cpu_s=self._reaped_cpu_s + processes.cpu_s(everything),
            peak_mib=-(-held_kib // 1024),
            oom_kills=int(held_kib > limit_kib),
            forks_refused=int(inside >= self.spec.bounded.processes),
        )

    def _check_disk(self) -> None:
        try:
            # without a sandbox the private temporary directory lies on the disk too; the sandbox's is in memory
            used = sum(tree.used_bytes(self._job / name) for name in (record.WORK, record.TEMPORARY))
        except tree.TooDeepError:
            self._reach("disk", f"by directories nested deeper than {tree.MAX_DEPTH}")
            return
        if used >= self.spec.bounded.disk_mib * _MIB:
            self._reach("disk", f"({-(-used // _MIB)} MiB in the working directory)")

    def end_all(self) -> None:
        """Kill whatever is left and wait until nothing is. Raises TimeoutError when the kernel keeps a process."""
        self._pausing.over()
        patience = time.monotonic() + _KILL_PATIENCE_S
        while not self._kill_round():
            if time.monotonic() > patience:
                msg = "processes of the job could not be killed"
                raise TimeoutError(msg)
            time.sleep(_KILL_ROUND_S)

    def _kill_round(self) -> bool:
        left = self._stop()
        empty = self.place.group is None or self.place.group.kill()
        processes.send(left, signal.SIGKILL)
        if self.place.uid is not None and not self.spec.sandbox:
            processes.kill_user(self.place.uid)
        for stream in self.streams.values():
            stream.pump()
        self._reap()
        return self._childless and empty

    def _stop(self) -> set[int]:
        """Stop all, again until no new one is seen: then a bomb cannot fork and no shell remarks on a killed child."""
        stopped: set[int] = set()
        for _ in range(_STOP_PASSES):
            seen = {pid for generation in processes.descendants(os.getpid()) for pid in generation}
            if not seen - stopped:
                break
            processes.send(seen - stopped, signal.SIGSTOP)
            stopped |= seen
        return stopped

    def final(self) -> None:
        """With everything dead: the last look at limits and sums. What was hit stays, even if the command hid it."""
        for stream in self.streams.values():
            while stream.pump():
                pass
        self._disk_due = 0.0
        if not self.canceled:
            self._check()
        if self.place.group is None:
            # a sandbox that is killed takes along what it did not tell yet: the polled sum may be the larger
            self.cpu_s = max(self.cpu_s, self._reaped_cpu_s)
            self.peak_mib = self.peak_mib or -(-self._reaped_peak_kib // 1024)
        if self.hit is None and self.status is not None and self.status & 0x7F == signal.SIGXCPU:
            self._reach("cpu")

    def told(self) -> str:
        """What the launcher told."""
        try:
            return os.read(self._running.told, 4096).decode(errors="replace")
        except BlockingIOError:
            return ""
