"""What Slurm's commands print turned into types, and what jobcomp/filetxt wrote. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final

from suanlian.drivers.slurm.parse import cards, for_room, mebibytes, state_of, tres
from suanlian.drivers.slurm.records import JobRecord, NodeRecord, Queue, Request, SlurmError
from suanlian.model.quantity import Resources

_MARK: Final = "\x1f"
"""Parts fields: no name, comment or reason has it."""
_SQUEUE_FIELDS: Final = (
    "JobID",
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "Reason",
    "SubmitTime",
    "StartTime",
    "EndTime",
    "exit_code",
    "RestartCnt",
    "NodeList",
    "Name",
)
_WIDE: Final = 256
QUEUE_FIELDS: Final = ("%T", "%r", "%C", "%j")
QUEUE: Final = ("--noheader", "--array", f"--format={_MARK.join(QUEUE_FIELDS)}")
SQUEUE: Final = (
    "--noheader",
    "--states=all",
    "--Format=" + ",".join(f"{name}:{_WIDE if name == 'ArrayTaskID' else 128}" for name in _SQUEUE_FIELDS),
)
_SACCT_FIELDS: Final = (
    "JobID",
    "JobIDRaw",
    "State",
    "ExitCode",
    "Submit",
    "Start",
    "End",
    "TotalCPU",
    "MaxRSS",
    "NodeList",
    "JobName",
)
SACCT: Final = (
    "--noheader",
    "--parsable2",
    "--duplicates",
    f"--format={','.join(_SACCT_FIELDS)}",
    f"--delimiter={_MARK}",
)
_PAIR: Final = re.compile(r"(\w+(?:/\w+)?)=(\S*)")
_AWAY: Final = (
    "Unable to contact slurm controller",
    "Connection refused",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Unexpected message received",
    "Connection timed out",
    "try again",
    "temporarily",
)
_OVER: Final = ("Invalid job id", "already completing or completed", "already completed")


# ------------------------------------------------------------------ sbatch


def sbatch(request: Request) -> list[str]:
    """The arguments of sbatch."""
    said = {
        "job-name": request.name,
        "comment": request.comment,
        "chdir": request.directory,
        "input": "/dev/null",
        "output": request.output,
        "cpus-per-task": str(request.cpus),
        "mem": f"{request.memory_mib}M",
        "time": str(request.minutes),
        "nodes": str(request.nodes),
        "ntasks": str(request.nodes),
        "gres": request.gres,
        "array": request.array,
        "partition": request.partition,
        "qos": request.qos,
        "account": request.account,
        "reservation": request.reservation,
        "constraint": request.constraint,
        "nice": str(request.nice) if request.nice else None,
    }
    return ["--parsable", "--no-requeue", *(f"--{name}={value}" for name, value in said.items() if value)]


def submitted(said: str) -> int:
    """The number out of ``17`` or ``17;cluster``. Raises SlurmError."""
    match = re.match(r"\s*([0-9]+)", said)
    if match is None:
        raise SlurmError(f"sbatch says something that is no job number: {said[:200]!r}", unsure=True)
    return int(match[1])


def refusal(command: str, said: str) -> SlurmError:
    """The error of a command that failed; transient where the controller was away."""
    text = " ".join(said.split())[:1000] or "no reason was told"
    away = any(word in text for word in _AWAY)
    return SlurmError(f"{command}: {text}", transient=away, unsure=away and command == "sbatch")


def is_over(text: str) -> bool:
    """Whether scancel found nothing that it could end."""
    return any(word in text for word in _OVER)


# ------------------------------------------------------------------ squeue, sacct, jobcomp


def seconds(text: str, zone: tzinfo | None = UTC) -> int:
    """The seconds since the epoch of ``2026-11-26T20:17:55``; 0 for ``N/A`` and ``Unknown``."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())
    except ValueError:
        return 0


def jobs(said: str) -> list[JobRecord]:
    """What `squeue` printed with ``SQUEUE``: columns of fixed width."""
    return [_job(line) for line in said.splitlines() if line.strip()]


def _job(line: str) -> JobRecord:
    fields, at = {}, 0
    for name in _SQUEUE_FIELDS:
        width = _WIDE if name == "ArrayTaskID" else 128
        fields[name], at = line[at : at + width].strip(), at + width
    state, flags = state_of((fields["State"],))
    task = fields["ArrayTaskID"]
    is_array = task not in ("", "N/A")
    waits = is_array and not task.isdecimal()
    return JobRecord(
        job_id=int(fields["JobID"]),
        state=state,
        flags=flags,
        array_id=int(fields["ArrayJobID"]) if is_array else 0,
        task=int(task) if is_array and not waits else None,
        waiting=task if waits else "",
        reason=fields["Reason"],
        name=fields["Name"],
        submitted=seconds(fields["SubmitTime"]),
        started=seconds(fields["StartTime"]),
        ended=seconds(fields["EndTime"]),
        status=_status(fields["exit_code"]),
        restarts=int(fields["RestartCnt"]) if fields["RestartCnt"].isdecimal() else 0,
        nodes=fields["NodeList"],
    )


def _status(text: str) -> int | None:
    """A raw wait status out of ``3:0`` or of a plain number."""
    code, _, signal = text.partition(":")
    if not code.isdecimal():
        return None
    return int(code) << 8 | int(signal) if signal.isdecimal() else int(code)


def accounted(said: str) -> list[JobRecord]:
    """What `sacct` printed with ``SACCT``: a line a job, then lines of its steps, which know the memory."""
    found: dict[str, JobRecord] = {}
    peaks: dict[str, int] = {}
    for line in said.splitlines():
        fields = dict(zip(_SACCT_FIELDS, line.split(_MARK), strict=False))
        number, _, step = fields.get("JobID", "").partition(".")
        if step:
            peaks[number] = max(peaks.get(number, 0), _rss(fields["MaxRSS"]))
        elif number:
            found[number] = _accounted(fields)
    return [_with_peak(record, peaks.get(number)) for number, record in found.items()]


def _accounted(fields: Mapping[str, str]) -> JobRecord:
    array, _, task = fields["JobID"].partition("_")
    state, flags = state_of((fields["State"].split(" ")[0],))
    return JobRecord(
        job_id=int(fields["JobIDRaw"]),
        state=state,
        flags=flags,
        array_id=int(array) if task else 0,
        task=int(task) if task.isdecimal() else None,
        waiting="" if task.isdecimal() else task,
        name=fields["JobName"],
        submitted=seconds(fields["Submit"]),
        started=seconds(fields["Start"]),
        ended=seconds(fields["End"]),
        status=_status(fields["ExitCode"]),
        nodes=fields["NodeList"],
        cpu_s=_cpu(fields["TotalCPU"]),
    )


def _with_peak(record: JobRecord, peak: int | None) -> JobRecord:
    return JobRecord(**{name: getattr(record, name) for name in JobRecord.__slots__} | {"peak_memory_mib": peak})


def _rss(text: str) -> int:
    # sacct writes kibibytes, with a letter or without one
    return mebibytes(text) if text[-1:] in "KMGT" and text else int(text or 0) // 2**20


def _cpu(text: str) -> Decimal:
    """Seconds out of ``[DD-[HH:]]MM:SS[.mmm]``."""
    days, _, rest = text.rpartition("-")
    total = Decimal(0)
    for part in filter(None, rest.split(":")):
        total = total * 60 + Decimal(part)
    return total + 86_400 * int(days or 0)


def completed(lines: Iterable[str], ids: frozenset[int], zone: tzinfo | None) -> list[JobRecord]:
    """The jobs of these numbers in the file of jobcomp/filetxt; times are of the controller's zone (None: this one)."""
    return [_completed(fields, zone) for fields in map(_pairs, lines) if _numbers(fields) & ids]


def _pairs(line: str) -> dict[str, str]:
    return dict(_PAIR.findall(line)) if line.startswith("JobId=") else {}


def _numbers(fields: Mapping[str, str]) -> frozenset[int]:
    return frozenset(int(fields[name]) for name in ("JobId", "ArrayJobId") if fields.get(name, "").isdecimal())


def _completed(fields: Mapping[str, str], zone: tzinfo | None) -> JobRecord:
    array, task = fields.get("ArrayJobId", ""), fields.get("ArrayTaskId", "")
    state, flags = state_of((fields.get("JobState", ""),))
    return JobRecord(
        job_id=int(fields["JobId"]),
        state=state,
        name=fields.get("Name", ""),
        flags=flags,
        array_id=int(array) if array.isdecimal() else 0,
        task=int(task) if task.isdecimal() else None,
        submitted=seconds(fields.get("SubmitTime", ""), zone),
        started=seconds(fields.get("StartTime", ""), zone),
        ended=seconds(fields.get("EndTime", ""), zone),
        status=_status(fields.get("ExitCode", "")),
        nodes=fields.get("NodeList", ""),
    )


# ------------------------------------------------------------------ nodes and queues


def nodes(said: str) -> list[NodeRecord]:
    """What `scontrol --oneliner --details show nodes` printed."""
    return [_node(dict(_PAIR.findall(line))) for line in said.splitlines() if line.startswith("NodeName=")]


def _node(fields: Mapping[str, str]) -> NodeRecord:
    has = tres(fields.get("CfgTRES", ""))
    gres = "" if fields.get("Gres") == "(null)" else fields.get("Gres", "")
    return NodeRecord(
        name=fields["NodeName"],
        architecture=fields.get("Arch", ""),
        state=frozenset(word.strip("*~#!%$@^-") for word in fields.get("State", "").split("+")),
        has=Resources.of(
            {
                "cpu": 1000 * int(has.get("cpu", fields.get("CPUTot", "0"))),
                "memory": mebibytes(fields.get("RealMemory", "0")),
                "accelerator": cards(gres),
            }
        ),
        taken=Resources.of(
            {
                "cpu": 1000 * int(fields.get("CPUAlloc", "0")),
                "memory": int(fields.get("AllocMem", "0")),
                "accelerator": cards(fields.get("GresUsed", "")),
            }
        ),
        gres=gres,
        partitions=tuple(filter(None, fields.get("Partitions", "").split(","))),
    )


def queue(said: str) -> Queue:
    """What `squeue --array` printed, counted; of what waits for room the cores."""
    lines = [line.split(_MARK, 3) for line in said.splitlines()]
    states = [line[0].strip() for line in lines]
    waiting = [
        int(line[2]) for line in lines if len(line) == len(QUEUE_FIELDS) and _waits(line) and line[2].isdecimal()
    ]
    cores = Resources.of({"cpu": sum(waiting) * 1000})
    return Queue(sum(state in ("RUNNING", "COMPLETING") for state in states), states.count("PENDING"), cores)


def _waits(line: list[str]) -> bool:
    return line[0].strip() == "PENDING" and for_room(line[1], line[3])
