"""The mark of a Job that is to end, who gets one besides the canceled, and what is left to be done about it. Pure."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from suanlian.drivers.contract import Fault, Observation
from suanlian.drivers.kubernetes import names, parse
from suanlian.model.job import JobState

Json = Mapping[str, Any]
_QUOTA: Final = re.compile(r"exceeded quota: .*?requested: (?P<asked>\S+), used: .*?limited: (?P<limit>\S+)")


@dataclass(frozen=True, slots=True)
class End:
    """That a Job is to end, and as what it will be told; kept in an annotation of the Job."""

    state: JobState
    reason: str
    at: datetime
    fault: Fault | None = None
    limit: str | None = None

    def text(self) -> str:
        """As it stands in the annotation."""
        said = {"state": self.state, "reason": self.reason, "at": self.at.isoformat(timespec="seconds")}
        return json.dumps(said | {"fault": self.fault, "limit": self.limit})


def end_of(job: Json) -> End | None:
    """The mark of a Job, if it has one that can be read."""
    try:
        said = json.loads(parse.annotations(job)[names.END])
        fault = None if said["fault"] is None else Fault(said["fault"])
        at = datetime.fromisoformat(said["at"]).astimezone(UTC)
        return End(JobState(said["state"]), str(said["reason"]), at, fault, said["limit"])
    except (KeyError, ValueError, TypeError):
        return None


def over_output(job: Json, written: int, now: datetime) -> End | None:
    """The end of a job that writes more than its bound."""
    bound = parse.annotations(job).get(names.STREAM_BYTES, "")
    if not bound.isdecimal() or written <= int(bound):
        return None
    text = f"output limit of {bound} bytes reached; the job was ended"
    return End(JobState.EXECUTOR_ERROR, text, now, limit="output")


def deadline_s(job: Json, pod: Json, began: datetime) -> int | None:
    """Its deadline, counted by the kubelet from when the node took the pod; None where it is as it should be."""
    wall, taken = parse.annotations(job).get(names.WALL, ""), parse.moment((pod.get("status") or {}).get("startTime"))
    now = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    if not wall.isdecimal() or taken is None or now is None:
        return None
    due = math.ceil((began - taken).total_seconds()) + int(wall)
    return due if due < now else None  # the API lets it be made shorter only


def is_being_ended(job: Json, pods: Sequence[Json]) -> bool:
    """Whether all that ends a marked Job was done: a crash may have come after the mark."""
    running = [pod for pod in pods if parse.is_running(pod) and not parse.is_leaving(pod)]
    if running:
        return all((pod.get("spec") or {}).get("activeDeadlineSeconds") == 1 for pod in running)
    return parse.is_over(job) or any(map(parse.has_begun, pods)) or (job.get("spec") or {}).get("parallelism") == 0


def age_s(job: Json, now: datetime) -> float:
    """How long it has been there, in seconds."""
    made = parse.moment(job["metadata"].get("creationTimestamp"))
    return 0.0 if made is None else (now - made).total_seconds()


def without_pod(seen: Observation, said: Sequence[str], now: datetime) -> tuple[Observation, End | None]:
    """Why a Job has no pod, by what its controller was told; a quota that is smaller than the pod ends it."""
    if not said:
        return seen, None
    why = " ".join(said[-1].split())[:500]
    if (found := _QUOTA.search(why)) and _exceeds(found["asked"], found["limit"]):
        text = f"larger than the quota of its namespace: {why}"
        return seen, End(JobState.SYSTEM_ERROR, text, now, Fault.REQUEST)
    return replace(seen, reason=why), None


def _exceeds(asked: str, limit: str) -> bool:
    bounds = dict(part.split("=", 1) for part in limit.split(",") if "=" in part)
    amounts = dict(part.split("=", 1) for part in asked.split(",") if "=" in part)
    try:
        return any(parse.quantity(n) > parse.quantity(bounds[name]) for name, n in amounts.items() if name in bounds)
    except ValueError:
        return False
