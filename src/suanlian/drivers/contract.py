"""What a driver promises. A driver is one connection to one engine; the agent owns loops, retries, staging, outbox.

A driver has no thread, no sleep and no retry. Each call returns soon, may be repeated after a crash, and raises only
``DriverError``. Capabilities beyond the base are separate protocols, declared by the driver and proved by the suite.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NewType, Protocol, runtime_checkable

from suanlian.model.demand import Checkpoint, Mount
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share
from suanlian.model.quantity import Resources

NativeId = NewType("NativeId", str)


class DriverError(Exception):
    """The engine refused or failed. ``transient``: the same call may succeed later."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        """Say what the engine said, and what the owner can do."""
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Limits:
    """What really bounds one attempt. Wall time in seconds, streams in bytes each."""

    wall_time_s: int
    stream_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Work:
    """What to run, everything decided. ``staged`` holds the inputs and becomes the working directory."""

    command: tuple[str, ...]
    environment: str | None
    image: str | None
    env: Mapping[str, str]
    granted: Resources
    limits: Limits
    network: bool
    secret_env: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)
    """Set besides ``env``. A driver writes these values nowhere where they outlive the start of the job."""
    staged: Mapping[AttemptId, Path]
    """One prepared directory an attempt; the driver takes it over (it may move it)."""
    share: str = field(default="", kw_only=True)
    """The share that was sold; which queue of the engine that is, the driver's options say."""
    flavor: str = field(default="", kw_only=True)
    entity: str = field(default="", kw_only=True)
    """Whose job it is. Under which name of the site it runs is the owner's map, an option of the driver."""
    nodes: int = field(default=1, kw_only=True)
    """So many nodes at once or none; ``granted`` is what each gets."""
    mounts: tuple[Mount, ...] = field(default=(), kw_only=True)
    priority: int = field(default=0, kw_only=True)
    array_size: int | None = field(default=None, kw_only=True)
    image_runtime: str | None = field(default=None, kw_only=True)
    """What runs ``image``, as the flavor declares; None: nothing does."""
    checkpoint: Checkpoint | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the engine measured of an attempt so far."""

    cpu_s: Decimal = Decimal(0)
    peak_memory_mib: int = 0


class Fault(StrEnum):
    """Why the engine ended a job that its program did not end. ``reason`` says more, in words."""

    PREEMPTED = "preempted"
    """Evicted, preempted, requeued: the same may run elsewhere, and no try is counted."""
    NODE = "node"
    """The node, the engine or something else of the platform failed."""
    IMAGE = "image"
    """The image is missing, may not be read, or is of another architecture."""
    REQUEST = "request"
    """What was asked for can run nowhere on this engine."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is true of one native job. ``lost``: the engine no longer knows it, and nobody saw it end.

    ``ending``: it ran, and its end, at some moment before this look, is about to be told; until then nothing is billed.
    """

    state: JobState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    limit: str | None = None
    measured: Measured = field(default_factory=Measured)
    lost: bool = False
    ending: bool = False
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class DriverStatus:
    """Whether the engine answers, how jobs are kept apart there, and in which words that is told to buyers."""

    ready: bool
    isolated: bool
    isolation: str
    detail: str = ""
    features: frozenset[Feature] = frozenset()
    """What its engine can do with every job; an owner cannot claim more."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How full a share is by its engine: what cannot be given away now, whoever uses it; jobs where it counts them."""

    in_use: Resources
    running: int | None = None
    queued: int | None = None
    waiting: Resources = field(default_factory=Resources)
    """What the owner's own jobs ask for that wait for room here, where it is told."""


@dataclass(frozen=True, slots=True)
class EnvironmentSetup:
    """How a named environment is made here: what stands before the command, on PATH, readable inside, and set."""

    launcher: tuple[str, ...] = ()
    path: tuple[Path, ...] = ()
    binds: tuple[Path, ...] = ()
    """Directories or files that jobs may read besides the system's; seen inside under the same path."""
    shared: tuple[Path, ...] = ()
    """Directories that jobs may write, too, such as a scratch file system that all machines see: all jobs the same."""
    env: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Driver(Protocol):
    """One connection to one engine."""

    def probe(self) -> DriverStatus:
        """Whether the engine answers and what it isolates. Never raises: trouble is `ready=False` with the detail."""
        ...

    def describe(self) -> Sequence[Flavor]:
        """The kinds of node that the engine has. Raises DriverError."""
        ...

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Start one native job a key (task index -> attempt); the same key gives the same id and never a second run.

        Work of several keys differs by ``SUANLIAN_TASK_INDEX`` alone, which the driver sets. The caller journals its
        intent first. Raises DriverError; then nothing was started, or what was started is found by a repeat.
        """
        ...

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each; one entry an id, unknown ones `lost`. Raises DriverError, mostly transient."""
        ...

    def cancel(self, native_id: NativeId) -> None:
        """Ask the engine to end it with its descendants. Unknown or ended is no error. `observe` sees its end."""
        ...

    def forget(self, native_id: NativeId) -> None:
        """Remove every trace of an ended native job. Unknown is no error; running is DriverError.

        With the trace goes the memory of its key: forget only what the hub has acknowledged.
        """
        ...


@runtime_checkable
class Streams(Protocol):
    """The engine's output can be read while the job runs."""

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of ``stdout`` or ``stderr`` from ``offset``; empty when there are no more (yet)."""
        ...


@runtime_checkable
class Stages(Protocol):
    """The working directory can be read after the end."""

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie. Raises DriverError when it is gone."""
        ...


@runtime_checkable
class Loads(Protocol):
    """The engine tells how full it is, work of others included."""

    def load(self, share: Share) -> EngineLoad:
        """What of the share's capacity is in use at this moment. Raises DriverError; that concerns this share alone."""
        ...


@runtime_checkable
class Lists(Protocol):
    """All native jobs that carry one of our keys can be listed, so that orphans are found."""

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every native job of ours that the engine still knows, ended or not."""
        ...


@runtime_checkable
class Probes(Protocol):
    """The hub's own small jobs can run here: the driver offers the environment ``suanlian-probe`` by itself."""

    def probe_architecture(self) -> Architecture | None:
        """Of which architecture that environment is; None when it is not there. Flavors of another do not offer it."""
        ...


@runtime_checkable
class Suspends(Protocol):
    """A running job can be stopped where it is and go on later. Feature ``suspend``."""

    def suspend(self, native_id: NativeId) -> None:
        """Stop its processes where they are: `observe` says PAUSED. Paused, unknown or ended is no error."""
        ...

    def resume(self, native_id: NativeId) -> None:
        """Let it go on. Running, unknown or ended is no error."""
        ...


@runtime_checkable
class Signals(Protocol):
    """A signal can be sent to the job's program. Feature ``signals``."""

    def signal(self, native_id: NativeId, name: str) -> None:
        """Send TERM, INT, USR1 or USR2 to the job's processes. Unknown or ended is no error."""
        ...
