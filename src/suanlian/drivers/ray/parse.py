"""What a Ray cluster says and what our runner wrote, turned into types. Pure: values in, values out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from suanlian.drivers.contract import EngineLoad, Fault, Measured, Observation
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Flavor
from suanlian.model.quantity import ResourceKind, Resources

ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
"""Ray's words for jobs that have ended."""
_MIB: Final = 1024 * 1024
_KIB: Final = 1024
_MAX_REASON: Final = 500
_STARTING: Final = frozenset({"PENDING", "RUNNING"})


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a moment."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def measured(record: Mapping[str, Any] | None) -> Measured:
    """CPU seconds and peak MiB of a record of the runner; zeros where there is none."""
    if record is None:
        return Measured()
    return Measured(cpu_s=Decimal(f"{record['cpu_s']:.6f}"), peak_memory_mib=-(-int(record["peak_kib"]) // _KIB))


def ended(record: Mapping[str, Any]) -> Observation:
    """What the runner's exit record says."""
    return Observation(
        state=JobState(record["state"]),
        started_at=moment(record["started"]),
        ended_at=moment(record["ended"]),
        exit_code=record["exit_code"],
        reason=record["reason"],
        limit=record["limit"],
        measured=measured(record),
        fault=None if record["fault"] is None else Fault(record["fault"]),
    )


def waiting(job: Mapping[str, Any] | None) -> Observation:
    """A job that the runner has not begun, by what Ray says of it; ``job`` None: Ray knows none."""
    if job is None:
        return Observation(state=JobState.QUEUED, reason="Ray knows no such job, and it never began", lost=True)
    if job["status"] in _STARTING:
        return Observation(state=JobState.INITIALIZING)
    words = said(job)
    fault = Fault.REQUEST if "runtime_env" in words.lower() else Fault.NODE
    return Observation(
        state=JobState.SYSTEM_ERROR,
        ended_at=moment((job["end_time"] or job["start_time"]) / 1000),
        reason=f"Ray did not start it: {words}",
        fault=fault,
    )


def running(
    started: Mapping[str, Any], live: Mapping[str, Any] | None, *, paused: bool, ending: bool = False
) -> Observation:
    """A job that the runner holds."""
    state = JobState.PAUSED if paused else JobState.RUNNING
    return Observation(state=state, started_at=moment(started["at"]), measured=measured(live), ending=ending)


def fallen(
    started: Mapping[str, Any], live: Mapping[str, Any] | None, job: Mapping[str, Any] | None, *, canceled: bool
) -> Observation:
    """A job that began and left no exit record, of which Ray says that it runs no more or that it knows none."""
    began = moment(started["at"])
    if job is None:
        reason = "Ray no longer knows the job, and nobody saw it end"
        return Observation(JobState.RUNNING, started_at=began, reason=reason, measured=measured(live), lost=True)
    at = moment(max((job["end_time"] or 0) / 1000, started["at"]))
    if canceled:
        return Observation(JobState.CANCELED, started_at=began, ended_at=at, reason="canceled", measured=measured(live))
    return Observation(
        state=JobState.SYSTEM_ERROR,
        started_at=began,
        ended_at=at,
        reason=f"the node or the Ray worker that held the job failed: {said(job)}",
        measured=measured(live),
        fault=Fault.NODE,
    )


def said(job: Mapping[str, Any]) -> str:
    """Ray's message on one line, without the logs that it appends."""
    lines = str(job.get("message") or job["status"]).split("last available logs")[0].splitlines()
    return " ".join(" ".join(line.split()) for line in lines if line.strip())[:_MAX_REASON].rstrip(", ")


def flavors(nodes: Iterable[Mapping[str, Any]], architecture: Architecture) -> tuple[Flavor, ...]:
    """One flavor for each kind of living node: the same cores, cards and, to the GiB, memory."""
    kinds = Counter(_node(node["resources_total"]) for node in nodes if node["state"] == "ALIVE")
    return tuple(_flavor(kind, architecture, count) for kind, count in sorted(kinds.items()))


def _node(total: Mapping[str, float]) -> tuple[int, int, int, str]:
    cards = [name.partition(":")[2] for name in sorted(total) if name.startswith("accelerator_type:")]
    gib = int(total.get("memory", 0)) // (1024 * _MIB)
    return int(total.get("CPU", 0)), gib, int(total.get("GPU", 0)), cards[0] if cards else ""


def _flavor(kind: tuple[int, int, int, str], architecture: Architecture, count: int) -> Flavor:
    cores, gib, cards, card = kind
    name = f"ray-{cores}c-{gib}g" + (f"-{cards}x" + (card.lower() or "gpu") if cards else "")
    return Flavor(
        name="".join(char if char.isalnum() or char in "-._" else "-" for char in name)[:63].strip("-._"),
        compute_class=ComputeClass.INTELLIGENT if cards else ComputeClass.GENERAL,
        architecture=architecture,
        node=Resources.of(
            {
                ResourceKind.CPU: cores * 1000,
                ResourceKind.MEMORY: gib * 1024,
                ResourceKind.DISK: gib * 1024,
                ResourceKind.ACCELERATOR: cards,
            }
        ),
        note=f"{count} such node(s); cards: {card}" if card else f"{count} such node(s)",
    )


def load(report: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]], capacity: Resources) -> EngineLoad:
    """How full a share is, by the whole cluster: what Ray has given away, at most the share."""
    usage = report["usage"]
    used = {
        ResourceKind.CPU: int(usage.get("CPU", [0.0, 0.0])[0] * 1000),
        ResourceKind.MEMORY: int(usage.get("memory", [0.0, 0.0])[0]) // _MIB,
        ResourceKind.ACCELERATOR: int(usage.get("GPU", [0.0, 0.0])[0]),
    }
    has = capacity.base()
    held = Resources.of({kind: min(has[kind], used.get(kind, 0)) for kind in has})
    states = Counter(str(job["status"]) for job in jobs)
    return EngineLoad(held, running=states["RUNNING"], queued=states["PENDING"])
