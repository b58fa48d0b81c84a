"""What does it mean? From Slurm's record of a job, and what the job left, to an observation. Pure."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from suanlian.drivers.contract import Fault, Measured, Observation
from suanlian.drivers.slurm import images
from suanlian.drivers.slurm.records import JobRecord
from suanlian.model.job import JobState

_ENDED_STATES: Final = frozenset(
    {
        "COMPLETED",
        "FAILED",
        "TIMEOUT",
        "OUT_OF_MEMORY",
        "CANCELLED",
        "DEADLINE",
        "NODE_FAIL",
        "BOOT_FAIL",
        "PREEMPTED",
        "REVOKED",
    }
)
_REQUEUED: Final = frozenset({"REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
_NEVER: Final = frozenset(
    {
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "PartitionConfig",
        "BadConstraints",
        "InvalidAccount",
        "InvalidQOS",
        "QOSMaxWallDurationPerJobLimit",
        "AssocMaxWallDurationPerJobLimit",
    }
)
"""Why a job that Slurm took waits for ever."""
_NOT_LAUNCHED: Final = "JobLaunchFailure"
_MEMORY_WORDS: Final = ("exceeded memory limit", "oom-kill", "oom_kill", "out of memory", "Exceeded job memory limit")
_SIGNAL_BASE: Final = 128
_LAST_SIGNAL: Final = 64
_TAIL: Final = 300


@dataclass(frozen=True, slots=True)
class Own:
    """What is known of the job besides Slurm's record of it. ``ended``: exit code, measured, by the script's word."""

    wall_time_s: int = 0
    memory_mib: int = 0
    begun: bool = False
    ended: tuple[int, Measured] | None = None
    slurm_said: str = ""
    stderr_tail: str = ""
    image: bool = False
    over: str = ""
    """Which bound the driver ended it for, in words; empty: none."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class _End:
    state: JobState
    reason: str = ""
    code: int | None = None
    limit: str | None = None
    fault: Fault | None = None


def is_over(record: JobRecord) -> bool:
    """Whether nothing more happens to it."""
    return record.state in _ENDED_STATES and "COMPLETING" not in record.flags


def is_requeued(record: JobRecord, own: Own) -> bool:
    """Whether Slurm means to run it once more, which nobody wants."""
    waits = record.state == "PENDING" and (record.restarts > 0 or own.begun)
    return waits or bool(record.flags & _REQUEUED)


def is_idle(record: JobRecord) -> bool:
    """Whether it is a task that waits with others, and so has never begun."""
    return record.state == "PENDING" and record.task is None and bool(record.waiting) and not is_hopeless(record)


def is_hopeless(record: JobRecord) -> bool:
    """Whether Slurm took what it says that it can never start."""
    return record.state == "PENDING" and record.reason in _NEVER


def observation(record: JobRecord, own: Own) -> Observation:
    """What is true of a job by Slurm's record of it."""
    if is_requeued(record, own) or (record.restarts and is_over(record)):
        end = _End(JobState.PREEMPTED, "Slurm put the job back into its queue", fault=Fault.PREEMPTED)
        return _ended(record, own, end)
    if is_over(record):
        return _ended(record, own, _END_OF[record.state](record, own))
    return _waiting(record) if record.state == "PENDING" else _under_way(record, own)


def _waiting(record: JobRecord) -> Observation:
    if is_hopeless(record):
        reason = f"Slurm can never start the job here: {record.reason}"
        return Observation(state=JobState.SYSTEM_ERROR, reason=reason, fault=Fault.REQUEST)
    why = f"waits in Slurm: {record.reason}" if record.reason not in ("", "None") else ""
    return Observation(state=JobState.QUEUED, reason=why)


def _under_way(record: JobRecord, own: Own) -> Observation:
    if "CONFIGURING" in record.flags or not (own.begun or record.state in _ENDED_STATES):
        return Observation(state=JobState.INITIALIZING)
    began = _moment(record.started) if own.begun else None
    if record.state in ("SUSPENDED", "STOPPED") or "STOPPED" in record.flags or own.paused:
        return Observation(state=JobState.PAUSED, started_at=began)
    ending = "COMPLETING" in record.flags or own.ended is not None
    return Observation(state=JobState.RUNNING, started_at=began, ending=ending)


def by_own_word(own: Own, began: datetime, ended: datetime) -> Observation:
    """What is true of a job that Slurm has forgotten and nobody has accounted for, by the script's word."""
    code, measured = own.ended or (0, Measured())
    end = _by_code(code, own)
    reason = "Slurm has forgotten the job; its own record says how it ended"
    return Observation(
        state=end.state,
        started_at=began,
        ended_at=max(began, ended),
        exit_code=code,
        reason=". ".join(filter(None, (end.reason, reason))),
        limit=end.limit,
        measured=measured,
        fault=end.fault,
    )


def _ran(record: JobRecord, own: Own) -> bool:
    """Whether the script began. Its mark may come late over a network; what it ended with does not."""
    known = record.state in ("COMPLETED", "TIMEOUT", "OUT_OF_MEMORY")
    return own.begun or known or (record.state == "FAILED" and record.reason != _NOT_LAUNCHED)


def _ended(record: JobRecord, own: Own, end: _End) -> Observation:
    began = _moment(record.started) if _ran(record, own) else None
    ended = _moment(record.ended or record.started)
    measured = own.ended[1] if own.ended else Measured()
    if record.cpu_s is not None:
        peak = record.peak_memory_mib or measured.peak_memory_mib
        measured = Measured(cpu_s=max(record.cpu_s, measured.cpu_s), peak_memory_mib=peak)
    return Observation(
        state=end.state,
        started_at=began,
        ended_at=max(began, ended) if began and ended else ended,
        exit_code=end.code,
        reason=end.reason,
        limit=end.limit,
        measured=measured,
        fault=end.fault,
    )


def _moment(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None


# ------------------------------------------------------------------ ends, by Slurm's state


def _completed(_record: JobRecord, _own: Own) -> _End:
    return _End(JobState.COMPLETE, code=0)


def _failed(record: JobRecord, own: Own) -> _End:
    if not _ran(record, own):
        return _not_begun(record, own)
    if _memory(own):
        return _out_of_memory(record, own)
    if not record.status:  # slurmdbd, through slurmrestd, does not tell it
        code = _own_code(own)
        return _by_code(code, own) if code else _End(JobState.EXECUTOR_ERROR, "failed; its exit code is not told")
    number, code = record.status & 0x7F, record.status >> 8
    if number and not code:
        code = _SIGNAL_BASE + number
    return _by_code(code, own)


def _by_code(code: int, own: Own) -> _End:
    if code == 0:
        return _End(JobState.COMPLETE, code=0)
    if own.image and (why := images.fault(code, own.stderr_tail)):
        return _End(JobState.SYSTEM_ERROR, why, code, fault=Fault.IMAGE)
    if _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        number = code - _SIGNAL_BASE
        return _End(JobState.EXECUTOR_ERROR, f"ended by signal {number} ({_signal_name(number)})", code)
    return _End(JobState.EXECUTOR_ERROR, f"exit code {code}", code)


def _not_begun(record: JobRecord, own: Own) -> _End:
    why = ": ".join(filter(None, (record.reason.replace("None", ""), _tail(own.slurm_said))))
    return _End(
        JobState.SYSTEM_ERROR, f"Slurm could not start the job: {why or 'it does not say why'}", fault=Fault.NODE
    )


def _timeout(_record: JobRecord, own: Own) -> _End:
    return _End(
        JobState.EXECUTOR_ERROR,
        f"wall time limit of {own.wall_time_s} s reached (Slurm counts whole minutes); the job was ended",
        _own_code(own),
        "wall-time",
    )


def _out_of_memory(_record: JobRecord, own: Own) -> _End:
    reason = f"memory limit of {own.memory_mib} MiB reached; the job was ended"
    return _End(JobState.EXECUTOR_ERROR, reason, _own_code(own), "memory")


def _cancelled(record: JobRecord, own: Own) -> _End:
    if own.over:
        return _End(JobState.EXECUTOR_ERROR, own.over, _own_code(own), "output")
    if own.begun and _memory(own):
        return _out_of_memory(record, own)
    return _End(JobState.CANCELED, "canceled")


def _lost_node(record: JobRecord, _own: Own) -> _End:
    reason = f"Slurm lost the job's node {record.nodes or ''}".strip() + f" ({record.state})"
    return _End(JobState.SYSTEM_ERROR, reason, fault=Fault.NODE)


def _preempted(_record: JobRecord, _own: Own) -> _End:
    return _End(JobState.PREEMPTED, "Slurm preempted the job for another", fault=Fault.PREEMPTED)


def _deadline(_record: JobRecord, _own: Own) -> _End:
    return _End(JobState.SYSTEM_ERROR, "Slurm ended the job at its deadline", fault=Fault.NODE)


def _revoked(_record: JobRecord, _own: Own) -> _End:
    return _End(JobState.SYSTEM_ERROR, "Slurm's federation runs the job elsewhere", fault=Fault.NODE)


_END_OF: Final[Mapping[str, Callable[[JobRecord, Own], _End]]] = {
    "COMPLETED": _completed,
    "FAILED": _failed,
    "TIMEOUT": _timeout,
    "OUT_OF_MEMORY": _out_of_memory,
    "CANCELLED": _cancelled,
    "DEADLINE": _deadline,
    "NODE_FAIL": _lost_node,
    "BOOT_FAIL": _lost_node,
    "PREEMPTED": _preempted,
    "REVOKED": _revoked,
}


def _memory(own: Own) -> bool:
    return any(word in own.slurm_said for word in _MEMORY_WORDS)


def _own_code(own: Own) -> int | None:
    return own.ended[0] if own.ended else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "?"


def _tail(text: str) -> str:
    return " ".join(text.split())[-_TAIL:]


# ------------------------------------------------------------------ what a script wrote, and what is kept


def ended(text: str) -> tuple[int, Measured] | None:
    """The mark ``ended``: exit code and bytes of memory, then what `times` printed. None where it is none of ours."""
    try:
        first, *lines = text.split("\n")
        code, _, peak = first.partition(" ")
        cpu = sum((_clock(word) for line in lines for word in line.split()), Decimal(0))
        return int(code), Measured(cpu_s=cpu, peak_memory_mib=-(-int(peak or 0) // 2**20))
    except (ValueError, ArithmeticError):
        return None


def _clock(text: str) -> Decimal:
    """``1m2.345s`` in seconds."""
    minutes, _, rest = text.partition("m")
    return 60 * Decimal(minutes) + Decimal(rest.rstrip("s"))
