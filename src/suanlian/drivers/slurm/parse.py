"""Slurm's answers turned into types: slurmrestd v0.0.38 and v0.0.40 to 42. Pure.

v0.0.38 writes numbers plainly and states as a word; from v0.0.40 on a number is ``{"set", "infinite", "number"}`` and a
state a list of words. Both are read everywhere, so a site may change its version while jobs run.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from suanlian.drivers.slurm.records import OURS, JobRecord, NodeRecord, Queue, Request, SlurmError
from suanlian.model.quantity import Resources

NO_SUCH_JOB: Final = 2017
"""ESLURM_INVALID_JOB_ID."""
ALREADY_DONE: Final = 2021
"""ESLURM_ALREADY_DONE."""
FLAGS: Final = frozenset(
    {
        "CONFIGURING",
        "COMPLETING",
        "STAGE_OUT",
        "SIGNALING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "REQUEUE_FED",
        "SPECIAL_EXIT",
        "RESIZING",
        "RESV_DEL_HOLD",
        "STOPPED",
        "REVOKED",
        "LAUNCH_FAILED",
        "UPDATE_DB",
        "RECONFIG_FAIL",
        "POWER_UP_NODE",
        "EXPEDITING",
    }
)
"""What stands beside a job's state; v0.0.38 tells it in the state's place."""
_CONTROLLER_AWAY: Final = frozenset({-1, 1800, 1801, 1802, 1803, 1804, 1811, 1900, 5004})
"""Connection failures, timeouts, and Slurm's "unspecified error", which is a bad token or a controller that is away."""
_BUSY: Final = frozenset({2029, 2048, 2060, 2074})
"""In transition, too many jobs, dependencies of time: may be otherwise later."""
_SIZES: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "M": Decimal(1),
    "K": Decimal(1) / 1024,
    "G": Decimal(1024),
    "T": Decimal(1024 * 1024),
}
_AMOUNT: Final = re.compile(r"([0-9.]+)([KMGT]?)")
_GRES: Final = re.compile(r"([A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?):([0-9]+)(?:\(.*?\))?(?:,|$)")


# ------------------------------------------------------------------ plain values


def number(value: object) -> int | None:
    """A number of either shape; None where it is not set or without bound."""
    if isinstance(value, Mapping):
        return number(value.get("number")) if value.get("set") and not value.get("infinite") else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def words(value: object) -> tuple[str, ...]:
    """A word, or a list of words."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(word) for word in value) if isinstance(value, Sequence) else ()


def mebibytes(text: str) -> int:
    """``4000M``, ``1.5G``, ``2048K`` or a plain number of MiB."""
    match = _AMOUNT.match(text)
    return int(Decimal(match[1]) * _SIZES[match[2]]) if match else 0


def tres(text: str) -> dict[str, str]:
    """``cpu=4,mem=4000M,gres/gpu=2`` by name."""
    return dict(part.partition("=")[::2] for part in text.split(",") if "=" in part)


def cards(gres: str) -> int:
    """How many accelerators ``gpu:2``, ``gpu:a100:4(S:0-1),npu:8`` or ``gres/gpu:1`` name."""
    return sum(int(match[2]) for match in _GRES.finditer(gres.replace("gres/", "").replace("(null)", "any")))


def tasks(text: str) -> frozenset[int] | None:
    """The tasks in ``0-3,7%2``; None where Slurm has cut the list short."""
    text = text.partition("%")[0].strip("[]")
    if "..." in text:
        return None
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return frozenset(found)


def wait_status(value: object) -> int | None:
    """The raw wait status, from a number, or from return code and signal."""
    if not isinstance(value, Mapping) or "return_code" not in value:
        return number(value)
    signal = value.get("signal") or {}
    code, ended_by = number(value.get("return_code")), number(signal.get("id", signal.get("signal_id")))
    return None if code is None and ended_by is None else (code or 0) << 8 | (ended_by or 0)


# ------------------------------------------------------------------ jobs


def job(said: Mapping[str, Any]) -> JobRecord:
    """One job as the controller tells it. Raises KeyError or ValueError when it is none."""
    state, flags = state_of(words(said["job_state"]))
    return JobRecord(
        job_id=int(said["job_id"]),
        state=state,
        name=str(said.get("name") or ""),
        flags=flags,
        array_id=number(said.get("array_job_id")) or 0,
        task=number(said.get("array_task_id")) if number(said.get("array_job_id")) else None,
        waiting=said.get("array_task_string") or "",
        reason=str(said.get("state_reason") or ""),
        submitted=number(said.get("submit_time")) or 0,
        started=number(said.get("start_time")) or 0,
        ended=number(said.get("end_time")) or 0,
        status=wait_status(said.get("exit_code")),
        restarts=number(said.get("restart_cnt")) or 0,
        nodes=str(said.get("nodes") or ""),
    )


def state_of(said: Sequence[str]) -> tuple[str, frozenset[str]]:
    """The base state and what stands beside it. A flag that stands alone leaves the base open: empty."""
    base = [word for word in said if word not in FLAGS]
    return (base[0] if base else ""), frozenset(said) & FLAGS


def jobs(answer: Mapping[str, Any]) -> list[JobRecord]:
    """All jobs of an answer."""
    return [job(said) for said in answer.get("jobs") or ()]


def accounted(answer: Mapping[str, Any]) -> list[JobRecord]:
    """All jobs of slurmdbd's answer, with what their steps used."""
    return [_accounted(said) for said in answer.get("jobs") or ()]


def _accounted(said: Mapping[str, Any]) -> JobRecord:
    time, array, state = said.get("time") or {}, said.get("array") or {}, said.get("state") or {}
    base, flags = state_of(words(state.get("current")))
    array_id = number(array.get("job_id")) or 0
    return JobRecord(
        job_id=int(said["job_id"]),
        state=base,
        name=str(said.get("name") or ""),
        flags=flags,
        array_id=array_id,
        task=number(array.get("task_id")) if array_id else None,
        reason=str(state.get("reason") or ""),
        submitted=number(time.get("submission")) or 0,
        started=number(time.get("start")) or 0,
        ended=number(time.get("end")) or 0,
        status=_told_status(base, wait_status(said.get("exit_code"))),
        nodes=str(said.get("nodes") or ""),
        cpu_s=_cpu(time.get("total")) or _cpu_of_steps(said.get("steps") or ()),
        peak_memory_mib=_peak(said.get("steps") or ()),
    )


def _cpu(total: Mapping[str, Any] | None) -> Decimal | None:
    if not total:
        return None
    return Decimal(number(total.get("seconds")) or 0) + Decimal(number(total.get("microseconds")) or 0) / 1_000_000


def _told_status(state: str, status: int | None) -> int | None:
    """The status, where it is told: slurmrestd 22.05 says 0 of every job that slurmdbd knows, those that failed too."""
    return None if status == 0 and state != "COMPLETED" else status


def _cpu_of_steps(steps: Sequence[Mapping[str, Any]]) -> Decimal:
    return sum((_cpu((step.get("time") or {}).get("total")) or Decimal(0) for step in steps), Decimal(0))


def _peak(steps: Sequence[Mapping[str, Any]]) -> int | None:
    """The most memory that one of the steps had at once; slurmdbd tells bytes."""
    said = [
        number(entry.get("count")) or 0
        for step in steps
        for entry in (((step.get("tres") or {}).get("requested") or {}).get("max") or ())
        if entry.get("type") == "mem"
    ]
    return max(said) // 2**20 if said else None


# ------------------------------------------------------------------ nodes and queues


def nodes(answer: Mapping[str, Any]) -> list[NodeRecord]:
    """All nodes of an answer."""
    return [_node(said) for said in answer.get("nodes") or ()]


def _node(said: Mapping[str, Any]) -> NodeRecord:
    state = {word.upper() for word in (*words(said.get("state")), *words(said.get("state_flags")))}
    has = {
        "cpu": 1000 * (number(said.get("cpus")) or 0),
        "memory": number(said.get("real_memory")) or 0,
        "disk": number(said.get("temporary_disk")) or 0,
        "accelerator": cards(str(said.get("gres") or "")),
    }
    taken = {
        "cpu": 1000 * (number(said.get("alloc_cpus")) or 0),
        "memory": number(said.get("alloc_memory")) or 0,
        "accelerator": cards(str(said.get("gres_used") or "")),
    }
    return NodeRecord(
        name=str(said["name"]),
        architecture=str(said.get("architecture") or ""),
        state=frozenset(state),
        has=Resources.of(has),
        taken=Resources.of(taken),
        gres=str(said.get("gres") or ""),
        partitions=words(said.get("partitions")),
    )


def queue(answer: Mapping[str, Any], partition: str | None) -> Queue:
    """How many jobs of a partition run and wait; a record of waiting tasks counts as many as it names."""
    running = queued = 0
    waiting = Resources()
    for said in answer.get("jobs") or ():
        if partition is not None and partition not in str(said.get("partition") or "").split(","):
            continue
        state, flags = state_of(words(said.get("job_state")))
        if state == "PENDING":
            count = len(tasks(said.get("array_task_string") or "") or (0,))
            queued += count
            if for_room(str(said.get("state_reason") or ""), str(said.get("name") or "")):
                waiting = waiting.plus(_asked(said, count))
        elif state == "RUNNING" or "COMPLETING" in flags:
            running += 1
    return Queue(running, queued, waiting)


def for_room(reason: str, name: str) -> bool:
    """Whether a job of the owner's waits for nothing but room: neither ours, nor held, nor for another job."""
    return reason in ("Resources", "Priority") and not name.startswith(OURS)


def _asked(said: Mapping[str, Any], count: int) -> Resources:
    asked = tres(str(said.get("tres_req_str") or ""))
    amounts = {"cpu": int(asked.get("cpu") or 1) * 1000, "memory": mebibytes(asked.get("mem", ""))}
    amounts["accelerator"] = int(asked.get("gres/gpu") or 0)
    return Resources.of({kind: amount * count for kind, amount in amounts.items()})


# ------------------------------------------------------------------ submission and refusals


def submission(request: Request, api: str) -> dict[str, Any]:
    """The body of a submission in the shape of this version."""
    return _submission_38(request) if api == "v0.0.38" else _submission_40(request, api)


def _submission_38(request: Request) -> dict[str, Any]:
    said: dict[str, Any] = {
        **_common(request),
        "no_requeue": True,  # "requeue": false is not heard by Slurm 22.05
        "environment": dict(request.environment),
        "memory_per_node": request.memory_mib,
        "time_limit": request.minutes,
        "nodes": request.nodes,
    }
    if request.gres:
        said["gres"] = request.gres
    if request.nice:
        said["nice"] = str(request.nice)
    return {"script": request.script, "job": said}


def _submission_40(request: Request, api: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        **_common(request),
        "requeue": False,
        "environment": [f"{name}={value}" for name, value in request.environment.items()],
        "memory_per_node": _given(request.memory_mib),
        "time_limit": _given(request.minutes),
        "minimum_nodes": request.nodes,
        "maximum_nodes": request.nodes,
    }
    if request.gres:
        said["tres_per_node"] = f"gres/{request.gres}"
    if request.nice:
        said["nice"] = request.nice
    # v0.0.40 takes the script beside the job, later versions within it
    return {"script": request.script, "job": said} if api == "v0.0.40" else {"job": {**said, "script": request.script}}


def _common(request: Request) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": request.name,
        "comment": request.comment,
        "current_working_directory": request.directory,
        "standard_input": "/dev/null",
        "standard_output": request.output,
        "standard_error": request.output,
        "cpus_per_task": request.cpus,
        "tasks": request.nodes,
    }
    chosen = {
        "array": request.array,
        "partition": request.partition,
        "qos": request.qos,
        "account": request.account,
        "reservation": request.reservation,
        "constraints": request.constraint,
    }
    return said | {name: value for name, value in chosen.items() if value}


def _given(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def submitted(answer: Mapping[str, Any]) -> int | None:
    """The number of the job that an answer tells of; None where there is none."""
    result = answer.get("result") or {}
    return number(answer.get("job_id")) or number(result.get("job_id")) or None


def faults(answer: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The errors of an answer: Slurm's number and words. What counts as none is left out."""
    found = []
    for error in answer.get("errors") or ():
        code = number(error.get("error_number", error.get("error_code"))) or 0
        text = ": ".join(filter(None, (str(error.get("error") or ""), str(error.get("description") or ""))))
        if code or text:
            found.append((code, text))
    return found


def refusal(found: Sequence[tuple[int, str]], what: str) -> SlurmError:
    """The error of an answer with faults; transient where the controller was away or busy."""
    codes = {code for code, _text in found}
    text = "; ".join(dict.fromkeys(f"{text} ({code})" for code, text in found)) or "no reason was told"
    transient = bool(codes & (_CONTROLLER_AWAY | _BUSY))
    return SlurmError(f"{what}: {text}", transient=transient, unsure=bool(codes & _CONTROLLER_AWAY))


def version(answer: Mapping[str, Any]) -> str:
    """Slurm's version out of any answer."""
    about = answer.get("meta") or {}
    found = about.get("Slurm") or about.get("slurm") or {}
    return str(found.get("release") or "unknown")


def newest(paths: Sequence[str], known: Sequence[str]) -> str | None:
    """The newest version of ``known`` (newest last) that stands in the paths of an OpenAPI document."""
    offered = [version for version in known if any(path.startswith(f"/slurm/{version}/") for path in paths)]
    return offered[-1] if offered else None
