"""How did a job end? Pure: what was seen goes in, the end comes out."""

import signal
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from suanlian.drivers.container.parse import Seen
from suanlian.drivers.container.place import Spec
from suanlian.drivers.contract import Fault, Measured, Observation
from suanlian.model.job import JobState

_SIGNAL_BASE, _LAST_SIGNAL = 128, 64
_LATE_S: Final = 5.0
"""A job that nobody watched at its wall time, and that ended by itself a little later, is left in peace."""
_KILLED, _TOO_LARGE, _CPU = (_SIGNAL_BASE + number for number in (signal.SIGKILL, signal.SIGXFSZ, signal.SIGXCPU))
_NEARLY_MIB: Final = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen besides the container: limits that we found reached, the wish to end it, how long it was paused."""

    hit: str | None = None
    detail: str = ""
    canceled: bool = False
    paused_s: float = 0.0
    oom: bool = False
    measured: Measured = field(default_factory=Measured)


def decide(spec: Spec, container: Seen, facts: Facts) -> Observation:
    """The end of a container that has run. What was done to it comes before what it did."""
    started, ended = container.started_at, container.ended_at
    if started is not None and ended is not None:
        ended = max(started, ended)
    limit = facts.hit or (None if facts.canceled else _limit(spec, container, facts))
    state, reason = _judge(spec, container, facts, limit)
    return Observation(
        state=state,
        started_at=started,
        ended_at=ended,
        exit_code=container.exit_code,
        reason=reason,
        limit=limit,
        measured=facts.measured,
    )


def fell_with_its_machine(container: Seen, boot: str, boot_now: str) -> bool:
    """Whether a container that ran ended because its machine did, and not by itself; ``boot`` is of when it ran.

    After a restart some engines say that it was never started, others that it exited, with a code of their own. One
    that ended before the restart and was looked at only afterwards is taken for fallen, too: what it left is not whole.
    """
    return container.state == "created" or bool(boot and boot_now and boot != boot_now)


def _limit(spec: Spec, container: Seen, facts: Facts) -> str | None:
    """Which limit of the engine, or of time, ended it."""
    # not every engine tells it; killed at the brim, it was the limit
    brimming = container.exit_code == _KILLED and facts.measured.peak_memory_mib >= spec.memory_mib - _NEARLY_MIB
    if facts.oom or container.oom or brimming:
        return "memory"
    if container.exit_code == _TOO_LARGE:
        return "disk"
    if container.exit_code == _CPU:
        return "cpu"
    if container.started_at is not None and container.ended_at is not None:
        length_s = (container.ended_at - container.started_at).total_seconds() - facts.paused_s
        if length_s > spec.wall_s + _LATE_S:
            return "wall-time"
    return None


def _judge(spec: Spec, container: Seen, facts: Facts, limit: str | None) -> tuple[JobState, str]:
    if limit is not None:
        return JobState.EXECUTOR_ERROR, f"{words(limit, spec, facts)}; the job was ended"
    if facts.canceled:
        return JobState.CANCELED, "canceled"
    code = container.exit_code
    if code == 0:
        return JobState.COMPLETE, ""
    if code is not None and _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        return JobState.EXECUTOR_ERROR, f"ended by signal {code - _SIGNAL_BASE} ({_name(code - _SIGNAL_BASE)})"
    return JobState.EXECUTOR_ERROR, f"exit code {code}"


def words(limit: str, spec: Spec, facts: Facts) -> str:
    """The limit that was reached, as its owner will read it."""
    told = {
        "memory": f"memory limit of {spec.memory_mib} MiB reached (peak {facts.measured.peak_memory_mib} MiB)",
        "wall-time": f"wall time limit of {spec.wall_s} s reached",
        "disk": f"disk limit of {spec.disk_mib} MiB reached",
        "output": f"output limit of {spec.stream_bytes} bytes reached",
        "processes": f"limit of {spec.processes} processes reached",
        "cpu": "cpu time limit reached",
    }[limit]
    return f"{told} {facts.detail}".strip()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "?"


def never_ran(state: JobState, reason: str, *, fault: Fault | None = None, exit_code: int | None = None) -> Observation:
    """The end of a job whose command was never executed."""
    return Observation(state=state, reason=reason, fault=fault, exit_code=exit_code)


def own_line(end: Observation) -> str:
    """Our own line for stderr; empty where the program's own words say it all."""
    said = end.limit or end.state is JobState.SYSTEM_ERROR or end.reason.startswith("cannot start")
    return f"suanlian: {end.reason}\n" if said else ""


def stood_s(pause: object, now: datetime) -> float:
    """How long a job was paused in all, by its record (``total_s``, ``since``) and the time."""
    if not isinstance(pause, dict):
        return 0.0
    since = pause.get("since")
    more = 0.0 if since is None else max(0.0, (now - datetime.fromisoformat(since)).total_seconds())
    return float(pause.get("total_s", 0.0)) + more
