"""Slurm's queue as JSON turned into jobs that may be lent, and marks in their AdminComment. Pure.

JSON is the one form of squeue's in which no user's text can pretend to be another field or another job.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import LendTerms, LocalJob, Phase
from suanlian.model.lending import LendKey
from suanlian.model.quantity import Resources

_MARK: Final = re.compile(r"^suanlian/1 ([0-9a-f]{8,64}) ([a-z]+)(?: |$)")
_OPTION: Final = re.compile(r"^([a-z]{1,16})=(.{1,1000})$")
_ASKS: Final = "suanlian"
_FOR_ROOM: Final = frozenset({"None", "Resources", "Priority"})
_MINUTE_S: Final = 60
_NO_LIMIT: Final = 10 * 365 * 24 * 60
_TIGHT: Final = (
    ("dependency", "it waits for other jobs"),
    ("licenses", "it asks for licences"),
    ("resv_name", "it asks for a reservation"),
    ("required_nodes", "it names nodes"),
    ("excluded_nodes", "it names nodes"),
    ("features", "it asks for a kind of node"),
    ("tres_per_job", "it asks for GRES"),
    ("tres_per_node", "it asks for GRES"),
    ("tres_per_socket", "it asks for GRES"),
    ("tres_per_task", "it asks for GRES"),
    ("burst_buffer", "it asks for a burst buffer"),
    ("container", "it runs in a container of the site's"),
)


@dataclass(frozen=True, slots=True)
class Queued:
    """A job as squeue tells it."""

    raw: Mapping[str, Any]

    @property
    def job_id(self) -> int:
        """Its number."""
        return int(self.raw["job_id"])

    @property
    def submitted_at(self) -> datetime:
        """When it was queued."""
        return datetime.fromtimestamp(number(self.raw.get("submit_time")) or 0, UTC)

    @property
    def state(self) -> str:
        """PENDING, RUNNING ..."""
        said = self.raw.get("job_state") or ""
        return str(said[0] if isinstance(said, list) else said)

    @property
    def reason(self) -> str:
        """Why it waits."""
        return str(self.raw.get("state_reason") or "None")

    @property
    def user(self) -> str:
        """Its user."""
        return str(self.raw.get("user_name") or "")

    @property
    def comment(self) -> str:
        """The administrator's."""
        return str(self.raw.get("admin_comment") or "")

    @property
    def mark(self) -> tuple[str, Phase] | None:
        """Ours, where it carries one."""
        found = _MARK.match(self.comment)
        if found is None or found[2] not in set(Phase):
            return None
        return found[1], Phase(found[2])

    def key(self, cluster: str) -> LendKey:
        """By which it is known for ever."""
        return LendKey(cluster=cluster, native_id=str(self.job_id), submitted_at=self.submitted_at)


def queue(text: str) -> dict[int, Queued]:
    """All jobs that squeue tells, by number. Raises DriverError."""
    try:
        rows = cast("Sequence[Mapping[str, Any]]", json.loads(text)["jobs"])
        return {job.job_id: job for job in map(Queued, rows)}
    except (ValueError, KeyError, TypeError) as error:
        raise DriverError(f"squeue --json tells something else: {error}", transient=True) from error


def number(said: object) -> int | None:
    """A number of any version of the API: as it is, or with a word on whether it is set."""
    if isinstance(said, dict):
        return int(said["number"]) if said.get("set") and not said.get("infinite") else None
    return int(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def asking(job: Queued, terms: LendTerms) -> Mapping[str, tuple[str, ...]] | None:
    """What its user wrote when asking to be lent; None where nobody asks."""
    queue_name, said = str(job.raw.get("partition") or ""), str(job.raw.get("comment") or "")
    named = said == _ASKS or said.startswith(f"{_ASKS}:")
    if queue_name not in terms.lending_queues and not (named and queue_name in terms.queues):
        return None
    options: dict[str, tuple[str, ...]] = {}
    for part in said.partition(":")[2].split(",") if named else ():
        found = _OPTION.match(part.strip())
        if found is not None:
            options[found[1]] = (*options.get(found[1], ()), found[2].rstrip("/"))
        elif part.strip():
            options["?"] = (*options.get("?", ()), part.strip()[:40])
    return options


def local_job(job: Queued, cluster: str, options: Mapping[str, tuple[str, ...]]) -> LocalJob:
    """The job as lending knows it, with why it cannot be lent, as far as the queue alone tells."""
    began_to_wait = number(job.raw.get("eligible_time")) or 0
    limit = number(job.raw.get("time_limit"))
    return LocalJob(
        key=job.key(cluster),
        user=job.user,
        queue=str(job.raw.get("partition") or ""),
        name=str(job.raw.get("name") or ""),
        resources=resources(job),
        wall_time_s=limit * _MINUTE_S if limit and limit < _NO_LIMIT and not _is_unlimited(job) else None,
        since=datetime.fromtimestamp(began_to_wait, UTC) if began_to_wait else job.submitted_at,
        options=options,
        why_not=why_not(job),
    )


def _is_unlimited(job: Queued) -> bool:
    """A job without a limit is told by Slurm 22.05 as a year, by others as infinite."""
    limit = number(job.raw.get("time_limit"))
    return limit is None or limit >= 365 * 24 * 60


def resources(job: Queued) -> Resources:
    """What it asks for in all: cores and MiB."""
    asked = dict(part.partition("=")[::2] for part in str(job.raw.get("tres_req_str") or "").split(",") if "=" in part)
    cores = int(asked.get("cpu") or number(job.raw.get("cpus")) or 1)
    return Resources.of({"cpu": cores * 1000, "memory": max(1, _mebibytes(asked.get("mem", "")))})


def _mebibytes(text: str) -> int:
    found = re.match(r"^([0-9.]+)([KMGT]?)$", text)
    if found is None:
        return 0
    return int(float(found[1]) * {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024 * 1024}[found[2]])


def why_not(job: Queued) -> str:
    """Why it cannot be lent, as far as the queue alone tells; empty where it can."""
    raw = job.raw
    faults = (
        (bool(job.comment) and job.mark is None, "its AdminComment is in use"),
        (not raw.get("batch_flag"), "it has no batch script"),
        (bool(number(raw.get("array_job_id"))), "it is an array"),
        (bool(number(raw.get("het_job_id"))), "it is a heterogeneous job"),
        ((number(raw.get("node_count")) or 1) > 1, "it takes several nodes"),
        ("gres/" in str(raw.get("tres_req_str") or ""), "it asks for GRES"),
        *((bool(raw.get(name)), text) for name, text in _TIGHT),
        (raw.get("requeue") is False, "it says --no-requeue, and a place may have to start it again"),
        (job.user in ("", "root"), "it is a job of root's"),
        (job.mark is None and job.reason not in _FOR_ROOM, f"it waits for something else than room: {job.reason}"),
    )
    return next((text for is_so, text in faults if is_so), "")
