"""What has a container used, its end included? A control group of our own stands above each, and outlives it.

Only where the engine runs on this machine, makes groups by itself (``cgroupfs``), and we may write there.
"""

import contextlib
import os
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.contract import Measured

_ROOT: Final = Path("/sys/fs/cgroup")
_MONITOR: Final = "conmon"
"""Podman puts each container's monitor beside it: its processor time is not the job's."""
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What was used so far; ``oom_kills`` as far as the kernel still tells, ``processes`` now."""

    measured: Measured
    oom_kills: int = 0
    processes: int = 0


class Meter:
    """The groups above our containers."""

    def __init__(self, above: str, root: Path = _ROOT) -> None:
        """``above``: the name of the group above all of ours; ``root``: where control groups are mounted."""
        self._root, self._above = root, above
        self._newer = (root / "cgroup.controllers").exists()

    @classmethod
    def found(cls, info: Mapping[str, Any], url: str, jobs: Path) -> "Meter | None":
        """The meter of an engine, or None where it would measure nothing. ``jobs``: ours, by their directory."""
        meter = cls(f"suanlian-{zlib.crc32(str(jobs).encode()):08x}")
        local = url.startswith("unix:") and info.get("CgroupDriver") == "cgroupfs" and os.geteuid() == 0
        return meter if local and meter._works() else None

    def _works(self) -> bool:
        name = f"probe-{os.getpid()}"
        try:
            self.make(name)
            return any(self._groups(name))
        except OSError:
            return False
        finally:
            self._drop(name)

    def make(self, attempt: str) -> str:
        """Make the group of a job; what the engine is told as the parent. Raises OSError."""
        for kind in ("",) if self._newer else ("cpuacct", "memory", "pids"):
            (self._root / kind / self._above / attempt).mkdir(parents=True, exist_ok=True)
        return f"/{self._above}/{attempt}"

    def read(self, attempt: str) -> Reading | None:
        """What the containers below the group have used; None when it never was."""
        if self._newer:
            return self._read_newer(self._root / self._above / attempt)
        cpuacct, memory, pids = (self._root / kind / self._above / attempt for kind in ("cpuacct", "memory", "pids"))
        cpu = _number(cpuacct / "cpuacct.usage")
        if cpu is None:
            return None
        cpu -= _number(cpuacct / _MONITOR / "cpuacct.usage") or 0
        # of version 1 each group counts its own kills, and the container's goes when it ends
        kills = sum(_keyed(path / "memory.oom_control").get("oom_kill", 0) for path in (memory, *_below(memory)))
        peak = _number(memory / "memory.max_usage_in_bytes") or 0
        return Reading(_measured(cpu, peak), kills, _number(pids / "pids.current") or 0)

    def _read_newer(self, group: Path) -> Reading | None:
        cpu = _keyed(group / "cpu.stat").get("usage_usec")
        if cpu is None:
            return None
        cpu -= _keyed(group / _MONITOR / "cpu.stat").get("usage_usec", 0)
        peak = _number(group / "memory.peak") or _number(group / "memory.current") or 0
        kills = _keyed(group / "memory.events").get("oom_kill", 0)
        return Reading(_measured(cpu * 1000, peak), kills, _number(group / "pids.current") or 0)

    def tidy(self, kept: Container[str]) -> None:
        """Remove the groups of all jobs but these. Where a monitor takes a moment to leave, the next time does it."""
        for attempt in {path.name for top in self._tops() for path in _below(top)}:
            if attempt not in kept:
                self._drop(attempt)

    def _drop(self, attempt: str) -> None:
        """Remove the group of a job, wherever the engine made it besides; ours above goes with the last."""
        for group in self._groups(attempt):
            for path in (*_below(group), group, group.parent):
                with contextlib.suppress(OSError):
                    path.rmdir()

    def _tops(self) -> list[Path]:
        return [top / self._above for top in (self._root, *_below(self._root)) if (top / self._above).is_dir()]

    def _groups(self, attempt: str) -> list[Path]:
        return [top / attempt for top in self._tops() if (top / attempt).is_dir()]


def _measured(cpu_ns: int, peak_bytes: int) -> Measured:
    return Measured(Decimal(cpu_ns) / 10**9, -(-peak_bytes // _MIB))


def _below(group: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in group.iterdir() if path.is_dir() and not path.is_symlink()]
    return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _keyed(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}  # noqa: PLR2004 - a pair
