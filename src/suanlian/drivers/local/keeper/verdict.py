"""How did the job end? Pure: what was seen goes in, the exit record comes out."""

import signal
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from suanlian.drivers.local.keeper.spec import Bounded

_SIGNAL_BASE = 128
_LAST_SIGNAL = 64


class Hit(NamedTuple):
    """A limit that was reached, and what to say of it (without the peak, which is known at the end)."""

    limit: str
    text: str


class Seen(NamedTuple):
    """All that the keeper saw of one job."""

    started: datetime
    length_s: float
    status: int | None
    """Wait status of the first process; None: it never ran."""
    told: str
    """What the launcher told: ``ready`` just before it executed the command, ``failed ERRNO TEXT`` when that failed."""
    command: str
    hit: Hit | None = None
    canceled: bool = False
    told_to_end: bool = False
    """Somebody sent the keeper SIGTERM: with ``canceled`` on the owner's word, without it on the machine's."""
    sandboxed: bool = False
    cpu_s: float = 0.0
    peak_mib: int = 0


def limit_text(limit: str, bounded: Bounded, *, detail: str = "") -> Hit:
    """The limit that was hit, in the words that its owner will read."""
    words = {
        "memory": f"memory limit of {bounded.memory_mib} MiB reached",
        "wall-time": f"wall time limit of {bounded.wall_s} s reached",
        "disk": f"disk limit of {bounded.disk_mib} MiB reached",
        "output": f"output limit of {bounded.stream_bytes} bytes reached",
        "processes": f"limit of {bounded.processes} processes reached",
        "cpu": "cpu time limit reached",
    }
    return Hit(limit, words[limit] + (f" {detail}" if detail else ""))


def exit_of(status: int | None, *, sandboxed: bool) -> tuple[int | None, int | None]:
    """Exit code and signal. A sandbox tells a death by signal N as exit code 128 + N, as shells do."""
    if status is None:
        return None, None
    if (status & 0x7F) != 0:
        return _SIGNAL_BASE + (status & 0x7F), status & 0x7F
    code = status >> 8
    if sandboxed and _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        return code, code - _SIGNAL_BASE
    return code, None


def _judge(seen: Seen, code: int | None, number: int | None) -> tuple[str, str]:
    """State and reason: what was done to the job comes before what it did."""
    if seen.hit is not None:
        peak = f" (peak {seen.peak_mib} MiB)" if seen.hit.limit == "memory" else ""
        return "EXECUTOR_ERROR", f"{seen.hit.text}{peak}; the job was ended"
    if seen.canceled:
        return "CANCELED", "canceled"
    if seen.told_to_end:
        return "SYSTEM_ERROR", "the keeper was told to end, as when the machine is shut down"
    if "failed " in seen.told:
        why = seen.told.partition("failed ")[2].split(" ", 1)[1].strip()
        return "EXECUTOR_ERROR", f"cannot start {seen.command!r}: {why}"
    if "ready" not in seen.told:
        return "SYSTEM_ERROR", "the sandbox did not start; what it said is in stderr"
    return _by_itself(code, number)


def _by_itself(code: int | None, number: int | None) -> tuple[str, str]:
    if code == 0:
        return "COMPLETE", ""
    if number is not None:
        return "EXECUTOR_ERROR", f"ended by signal {number} ({_signal_name(number)})"
    return "EXECUTOR_ERROR", f"exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "?"


def decide(seen: Seen) -> dict[str, Any]:
    """The exit record. Times are UTC; the end is the start plus what a steady clock measured."""
    code, number = exit_of(seen.status, sandboxed=seen.sandboxed)
    state, reason = _judge(seen, code, number)
    return {
        "state": state,
        "started_at": seen.started.astimezone(UTC).isoformat(),
        "ended_at": (seen.started + timedelta(seconds=seen.length_s)).astimezone(UTC).isoformat(),
        "exit_code": code,
        "signal": number,
        "limit": seen.hit.limit if seen.hit else None,
        "reason": reason,
        "cpu_s": f"{seen.cpu_s:.6f}",
        "peak_memory_mib": seen.peak_mib,
    }


def never_ran(state: str, reason: str) -> dict[str, Any]:
    """The exit record of a job whose command was not started by this keeper."""
    return {
        "state": state,
        "started_at": None,
        "ended_at": None,
        "exit_code": None,
        "signal": None,
        "limit": None,
        "reason": reason,
        "cpu_s": "0",
        "peak_memory_mib": 0,
    }


def own_line(exit_record: dict[str, Any]) -> str:
    """The keeper's own line for stderr; empty where the program's own words say it all."""
    said = exit_record["limit"] or exit_record["state"] == "SYSTEM_ERROR" or exit_record["reason"].startswith("cannot")
    return f"suanlian: {exit_record['reason']}\n" if said else ""
