"""What do the client and the driver say to each other? Slurm's own terms, whichever way they came."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from suanlian.model.quantity import Resources

OURS: Final = "suanlian-"
"""So the names of our own jobs begin in Slurm."""


@dataclass(frozen=True, slots=True)
class Request:
    """One job or job array to submit. Times in seconds, memory in MiB, both for one node."""

    name: str
    comment: str
    script: str
    directory: str
    output: str
    cpus: int
    memory_mib: int
    time_limit_s: int
    gres: str = ""
    nodes: int = 1
    array: str = ""
    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    reservation: str | None = None
    constraint: str | None = None
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def minutes(self) -> int:
        """The time limit as Slurm counts it."""
        return max(1, -(-self.time_limit_s // 60))


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What Slurm says of one job or one task of an array. Times are seconds since the epoch, 0 where there is none.

    ``array_id`` is 0 for a plain job; ``task`` is None for a plain job and for tasks that wait in one record.
    ``status`` is the raw wait status, None where it is not told.
    """

    job_id: int
    state: str
    name: str = ""
    array_id: int = 0
    task: int | None = None
    waiting: str = ""
    """The tasks of an array that wait in this record, as Slurm writes them."""
    flags: frozenset[str] = frozenset()
    reason: str = ""
    submitted: int = 0
    started: int = 0
    ended: int = 0
    status: int | None = None
    restarts: int = 0
    nodes: str = ""
    cpu_s: Decimal | None = None
    peak_memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node: what it has and what of it is taken. Accelerators are counted over all their names."""

    name: str
    architecture: str
    state: frozenset[str]
    has: Resources
    taken: Resources
    gres: str = ""
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """How many jobs of a partition run and wait, and what those of the owner's ask for that wait for room alone."""

    running: int
    queued: int
    waiting: Resources = field(default_factory=Resources)


class SlurmError(Exception):
    """Slurm refused or could not be asked.

    ``transient``: the same call may succeed later. ``unsure``: what was asked may have been done all the same.
    """

    def __init__(self, message: str, *, transient: bool = False, unsure: bool = False) -> None:
        """Say what Slurm said."""
        super().__init__(message)
        self.transient, self.unsure = transient, unsure


class Engine(Protocol):
    """One way to speak to one cluster. Each call is bounded in time, starts no thread and raises only SlurmError."""

    def ping(self) -> str:
        """That the controller answers; returns Slurm's version."""
        ...

    def submit(self, request: Request, user: str) -> int:
        """Submit in this user's name; returns the job's number."""
        ...

    def jobs(self, ids: Collection[int]) -> Sequence[JobRecord]:
        """What the controller knows of these jobs and of all their tasks; nothing of those that it has forgotten."""
        ...

    def named(self, name: str) -> Sequence[JobRecord]:
        """What it knows of the jobs of this name."""
        ...

    def accounted(self, ids: Collection[int], since: int) -> Sequence[JobRecord]:
        """What the accounting database knows of jobs that were submitted from then on."""
        ...

    def cancel(self, job: str, user: str) -> None:
        """Cancel ``17`` or ``17_3``. Unknown or ended is no error."""
        ...

    def signal(self, job: str, name: str, user: str) -> None:
        """Send USR1, TERM ... to all processes of the job."""
        ...

    def nodes(self) -> Sequence[NodeRecord]:
        """Every node."""
        ...

    def queue(self, partition: str | None) -> Queue:
        """The jobs of a partition, or of all."""
        ...
