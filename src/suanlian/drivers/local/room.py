"""How much of this machine is in use, by whomever? Read from /proc; what follows for a share is pure."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.model.quantity import Resources

_PROC: Final = Path("/proc")
_IDLE: Final = (3, 4)
"""Columns of the first line of /proc/stat in which nothing is done: idle, and waiting for a disk (proc(5))."""
_STEADY_S: Final = 1.0
"""Two looks closer together than this say too little: the figure before them is told again."""
_KIB_PER_MIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Busy:
    """The counters of a look in clock ticks, when it was (seconds of a monotonic clock), and what part was busy."""

    every: int
    idle: int
    at_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Seen:
    """The machine at one moment: cores in thousandths, memory in MiB."""

    millicores: int
    memory: int
    free_memory: int
    busy: Busy


def look(before: Busy | None) -> Seen:
    """Look at the machine; ``before`` is the last look. Raises OSError, ValueError, KeyError."""
    now = busy((_PROC / "stat").read_text(encoding="ascii"), before, time.monotonic())
    memory = meminfo((_PROC / "meminfo").read_text(encoding="ascii"))
    return Seen((os.cpu_count() or 1) * 1000, memory["MemTotal"], memory["MemAvailable"], now)


def busy(text: str, before: Busy | None, at_s: float) -> Busy:
    """What part of the time since ``before`` the cores were busy; at first, since the machine was started."""
    ticks = [int(number) for number in text.splitlines()[0].split()[1:9]]
    every, idle = sum(ticks), sum(ticks[place] for place in _IDLE)
    if before is None:
        return Busy(every, idle, at_s, _part(every - idle, every))
    if at_s - before.at_s < _STEADY_S or every <= before.every:
        return before
    return Busy(every, idle, at_s, _part((every - before.every) - (idle - before.idle), every - before.every))


def _part(some: int, every: int) -> float:
    return min(1.0, max(0.0, some / every)) if every else 0.0


def meminfo(text: str) -> dict[str, int]:
    """Entries of /proc/meminfo, in MiB."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: int(rest.split()[0]) // _KIB_PER_MIB for name, rest in pairs}


def in_use(capacity: Resources, seen: Seen) -> Resources:
    """What of a share cannot be given away now: what the rest of the machine does not leave free for it.

    A share that is larger than the machine is told in proportion.
    """
    used_cpu = round(seen.millicores * seen.busy.share)
    used_memory = seen.memory - seen.free_memory
    return Resources.of(
        {
            "cpu": _taken(capacity.cpu, seen.millicores, used_cpu),
            "memory": _taken(capacity.memory, seen.memory, used_memory),
        }
    )


def _taken(capacity: int, machine: int, used: int) -> int:
    if capacity > machine:
        return min(capacity, -(-capacity * used // machine)) if machine else 0
    return capacity - min(capacity, max(0, machine - used))
