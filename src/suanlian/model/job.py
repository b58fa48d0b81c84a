"""Jobs: what people submit (JobSpec), and the states of Job, Task (array index) and Attempt.

The spec is stored once. A task is one index of it; an attempt is one try of a task at one place. A retry is a new
attempt. States are those of GA4GH TES 1.1; a task has the state of its current attempt.
"""

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from suanlian.model.base import LongText, Name, Region, Sha256, Text, Utc, Value, plain_text
from suanlian.model.data import DataUse, Saved
from suanlian.model.demand import (
    MAX_AFTER,
    MAX_MOUNTS,
    MAX_NODES,
    After,
    Checkpoint,
    JobClass,
    Mount,
    Near,
    Owners,
    Prefer,
    Retries,
    Webhook,
    West,
)
from suanlian.model.ids import AccountId, AttemptId, JobId, ProjectId
from suanlian.model.levels import LOWEST, Level, ProtectionGrade, RegionPrefix
from suanlian.model.money import Amount
from suanlian.model.offer import Tier
from suanlian.model.paths import Path as Path  # noqa: PLC0414 - a job is written with paths and addresses
from suanlian.model.paths import Url as Url  # noqa: PLC0414
from suanlian.model.paths import safe_path as safe_path  # noqa: PLC0414
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Fraction, ImageReference
from suanlian.model.quantity import Resources
from suanlian.model.secret import MAX_PER_JOB
from suanlian.model.stack import StackNeed

MAX_INLINE_BYTES: Final = 16 * 1024 * 1024
"""An inline input, an uploaded object or an output carried by the hub is at most this long."""
MAX_ARRAY: Final = 100_000
MAX_BATCH: Final = 1000
MAX_WALL_S: Final = 14 * 24 * 3600
_MAX_CONTENT_CHARS: Final = 512 * 1024


class JobState(StrEnum):
    """The states of TES 1.1: they part 'your program failed' from 'we failed'."""

    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"


ENDED: Final = frozenset(
    {JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.CANCELED, JobState.PREEMPTED}
)
"""States in which an attempt stays. A task never stays in PREEMPTED: it goes back to QUEUED."""


Argument = Annotated[str, StringConstraints(max_length=8192, pattern=r"^[^\x00]*$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(plain_text)]
TagText = Annotated[str, StringConstraints(max_length=1000), AfterValidator(plain_text)]
ImageDigest = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/:-]{0,200}@sha256:[0-9a-f]{64}$")]


class Input(Value):
    """A file that lies there before the job starts: inline text or base64, an uploaded object, or a URL."""

    path: Path
    content: Annotated[str, StringConstraints(max_length=_MAX_CONTENT_CHARS)] | None = None
    content_base64: Annotated[str, StringConstraints(max_length=_MAX_CONTENT_CHARS)] | None = None
    object: bool = Field(default=False, description="the bytes were uploaded before; sha256 names them")
    url: Url | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [self.content is not None, self.content_base64 is not None, self.object, self.url is not None]
        if sum(given) != 1:
            msg = "give exactly one of content, content_base64, object, url"
            raise ValueError(msg)
        if (self.object or self.url) and self.sha256 is None:
            msg = "an object or a URL needs its sha256"
            raise ValueError(msg)
        if self.content_base64 is not None:
            self._decoded()
        return self

    def _decoded(self) -> bytes:
        try:
            return base64.b64decode(self.content_base64 or "", validate=True)
        except binascii.Error as error:
            msg = "content_base64 is not base64"
            raise ValueError(msg) from error

    def inline(self) -> bytes | None:
        """The bytes when they stand in the spec, else None."""
        if self.content is not None:
            return self.content.encode()
        return self._decoded() if self.content_base64 is not None else None


class SecretUse(Value):
    """A secret of the account by its name, and where the job finds it: an environment variable or a file."""

    name: Name
    env: EnvironmentName | None = None
    path: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.path is None):
            msg = "give exactly one of env and path"
            raise ValueError(msg)
        return self


class Variant(Value):
    """One way to run the job: for which architecture, in which software, by which command."""

    architecture: Architecture
    environment: Name | None = Field(default=None, description="a named environment that the platform declares")
    image: ImageDigest | None = None
    stands_for: tuple[ImageReference, ...] = Field(
        default=(), max_length=64, description="only where the environment stands for these images"
    )
    command: tuple[Argument, ...] = Field(min_length=1, max_length=256)
    chip_family: Name | None = None
    stack: StackNeed | None = Field(default=None, description="the accelerators' software that it was built against")
    throughput: Annotated[Amount, Field(gt=0, le=1_000_000)] | None = Field(
        default=None, description="relative to the other variants, where known"
    )

    @model_validator(mode="after")
    def _one_software(self) -> Self:
        if (self.environment is None) == (self.image is None):
            msg = "give exactly one of environment and image"
            raise ValueError(msg)
        if self.stands_for and self.environment is None:
            msg = "only an environment stands for images"
            raise ValueError(msg)
        return self


class Wants(Value):
    """Where the job may run. Everything left out is open."""

    platform: Name | None = None
    site: Name | None = None
    flavor: Name | None = None
    user_region: Region | None = Field(default=None, description="where the job's users are")
    max_latency_ms: Annotated[Amount, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="one way, from the site to user_region"
    )
    green_min: Fraction = Decimal(0)
    max_cost: Annotated[Amount, Field(gt=0)] | None = Field(default=None, description="per task, estimated, CNY")
    data_level: Level = Field(default=LOWEST, description="1 public, 2 internal, 3 sensitive, 4 regulated")
    residency: tuple[RegionPrefix, ...] = Field(
        default=(), max_length=64, description="GB/T 2260 codes or beginnings of codes: its data stays within these"
    )
    protection_min: ProtectionGrade = Field(default=0, description="the least protection grade, whatever the level")
    near: Near | None = Field(default=None, description="city, region, hub: 1, 5, 20 ms one way to user_region")
    west: West = Field(default=West.DEFAULT, description="whether it may go to the western side; default: by its class")
    owners: Owners = Owners()
    tiers: tuple[Tier, ...] = Field(
        default=(Tier.ON_DEMAND,), min_length=1, max_length=len(Tier), description="on which terms it may run"
    )
    max_g_co2: Annotated[Amount, Field(gt=0)] | None = Field(
        default=None, description="per task, estimated, grams of CO2; a place of which it is not known does not fit"
    )
    detour: Annotated[Amount, Field(ge=0, le=Decimal("0.05"))] | None = Field(
        default=None, description="so far above the least bill it may be sent; 0: never, whatever it prefers"
    )
    prefer: Prefer = Field(default=Prefer.COST, description="before all: cost, time (sooner done), green (less CO2)")

    @model_validator(mode="after")
    def _latency_to_somewhere(self) -> Self:
        for name, asked in (("max_latency_ms", self.max_latency_ms), ("near", self.near)):
            if asked is not None and self.user_region is None:
                msg = f"{name} needs user_region"
                raise ValueError(msg)
        if len(set(self.tiers)) != len(self.tiers):
            msg = "a tier stands twice"
            raise ValueError(msg)
        return self

    @property
    def one_way_ms(self) -> Decimal | None:
        """The longest latency to ``user_region`` that it takes, one way; None where it takes any."""
        asked = (self.max_latency_ms, None if self.near is None else self.near.one_way_ms)
        return min((ms for ms in asked if ms is not None), default=None)


class JobSpec(Value):
    """What a buyer submits. Each task of an array gets ``SUANLIAN_TASK_INDEX`` and ``SUANLIAN_ARRAY_SIZE``."""

    name: Name
    purpose: Text = ""
    resources: Resources
    variants: tuple[Variant, ...] = Field(min_length=1, max_length=16)
    inputs: tuple[Input, ...] = Field(default=(), max_length=256)
    outputs: tuple[Path, ...] = Field(default=(), max_length=256, description="files or directories to bring back")
    env: Mapping[EnvironmentName, Argument] = Field(default_factory=dict, max_length=256)
    secrets: tuple[SecretUse, ...] = Field(
        default=(), max_length=MAX_PER_JOB, description="references; what they say is never part of a job"
    )
    array_size: int | None = Field(default=None, ge=1, le=MAX_ARRAY)
    wall_time_s: int = Field(default=3600, ge=1, le=MAX_WALL_S)
    estimate_s: int | None = Field(
        default=None, ge=1, le=MAX_WALL_S, description="how long a task is likely to take; wall_time_s ends it"
    )
    network: bool = False
    attempts: int = Field(default=3, ge=1, le=10, description="tries, where the platform was at fault")
    wants: Wants = Wants()
    nodes: int = Field(default=1, ge=1, le=MAX_NODES, description="a gang: resources is what each node gets")
    mounts: tuple[Mount, ...] = Field(default=(), max_length=MAX_MOUNTS)
    priority: int = Field(default=0, ge=-100, le=100, description="higher is placed first, within the account")
    deadline: Utc | None = None
    budget: Annotated[Amount, Field(gt=0)] | None = Field(default=None, description="of the whole job, estimated, CNY")
    after: tuple[After, ...] = Field(default=(), max_length=MAX_AFTER)
    retries: Retries = Retries()
    checkpoint: Checkpoint | None = None
    data: tuple[DataUse, ...] = Field(default=(), max_length=32, description="datasets that it reads")
    save: tuple[Saved, ...] = Field(default=(), max_length=16, description="what becomes a dataset after success")
    webhook: Webhook | None = None
    job_class: JobClass | None = Field(default=None, description="which figures of a flavor count")
    tags: Mapping[TagName, TagText] = Field(default_factory=dict, max_length=64)

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not self.resources.cpu or not self.resources.memory:
            msg = "resources needs cpu and memory above zero"
            raise ValueError(msg)
        paths = [item.path for item in self.inputs] + [use.path for use in self.secrets if use.path is not None]
        paths += [file.path for one in self.after for file in one.files] + [use.path for use in self.data]
        if len(set(paths)) != len(paths):
            msg = "two inputs have the same path"
            raise ValueError(msg)
        names = [*self.env, *(use.env for use in self.secrets if use.env is not None)]
        if len(set(names)) != len(names):
            msg = "a variable is set twice, by env and secrets"
            raise ValueError(msg)
        keys = [(v.architecture, v.chip_family, v.environment, v.image) for v in self.variants]
        if len(set(keys)) != len(keys):
            msg = "two variants are for the same architecture, chip and software"
            raise ValueError(msg)
        if self.estimate_s is not None and self.estimate_s > self.wall_time_s:
            msg = "estimate_s is at most wall_time_s"
            raise ValueError(msg)
        if self.save and self.array_size is not None:
            msg = "save is for jobs of one task: let the tasks of an array bring outputs"
            raise ValueError(msg)
        if len({mount.path for mount in self.mounts}) != len(self.mounts):
            msg = "two mounts have the same path"
            raise ValueError(msg)
        return self

    @property
    def tasks(self) -> int:
        """How many tasks the job has."""
        return self.array_size or 1

    @property
    def expected_s(self) -> int:
        """How long a task takes by the job's own word: its estimate, else the whole wall time."""
        return self.wall_time_s if self.estimate_s is None else self.estimate_s

    @property
    def total(self) -> Resources:
        """What one task takes over all its nodes; this is held, metered and paid."""
        if self.nodes == 1:
            return self.resources
        return Resources.of({kind: amount * self.nodes for kind, amount in self.resources.base().items()})

    @property
    def features(self) -> frozenset[Feature]:
        """What a place must be able to do, besides being large enough."""
        asked = {
            Feature.MOUNTS: bool(self.mounts),
            Feature.GANG: self.nodes > 1,
            Feature.SIGNALS: self.checkpoint is not None,
            Feature.FILES: any(one.files for one in self.after),
        }
        return frozenset(feature for feature, is_asked in asked.items() if is_asked)


class OutputFile(Value):
    """One file that a task brought back."""

    path: Path
    size: int = Field(ge=0)
    sha256: Sha256


class EndCause(StrEnum):
    """Why an attempt ended otherwise than COMPLETE or CANCELED; each has a budget of tries of its own."""

    PROGRAM = "program"
    """It ended with another exit code than 0, or did not bring a declared output."""
    LIMIT = "limit"
    """It took more than was granted, or ran longer."""
    PLATFORM = "platform"
    """The place failed."""
    LOST = "lost"
    """Its place was not heard of for too long. Only a hub says so."""
    PREEMPTED = "preempted"
    """It had to make room, or was moved."""
    REFUSED = "refused"
    """The place does not take it: its owner, or its engine."""
    IMAGE = "image"
    """The image cannot be used there."""
    REQUEST = "request"
    """What was asked for fails everywhere."""


class Outcome(Value):
    """How an attempt ended."""

    exit_code: int | None = None
    reason: LongText = ""
    cause: EndCause | None = Field(default=None, description="why, where it ended neither COMPLETE nor CANCELED")
    limit: Name | None = Field(default=None, description="which limit was hit: memory, wall-time, disk, output, cpu")
    outputs: tuple[OutputFile, ...] = Field(default=(), max_length=4096)
    checkpoint: tuple[OutputFile, ...] = Field(
        default=(), max_length=4096, description="what it wrote to go on elsewhere"
    )


class Attempt(Value):
    """One try of a task at one place. ``token`` fences: of two connectors only that with the current token counts."""

    id: AttemptId
    task_index: int
    number: int
    token: int
    state: JobState
    platform: Name
    site: Name
    share: Name
    flavor: Name
    architecture: Architecture
    simulated: bool
    created_at: Utc
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()
    lost_since: Utc | None = Field(default=None, description="its place is not heard of; it may go on all the same")
    rerun_from: Utc | None = Field(default=None, description="when the task may be given another place, while lost")
    fenced: bool = Field(default=False, description="another attempt took its place: what it brings is not taken")


class Task(Value):
    """One index of a job."""

    index: int
    state: JobState
    attempts: tuple[Attempt, ...] = ()
    due: Utc | None = Field(default=None, description="it waits until then before its next try")
    tries: int | None = Field(default=None, description="at most, were each further one to end as the last did")


class Job(Value):
    """A job as its owner sees it. ``path`` names the hubs that it came through, the first its origin."""

    id: JobId
    public_id: str
    account_id: AccountId
    project_id: ProjectId
    name: Name
    state: JobState
    tally: Mapping[JobState, int] = Field(description="how many tasks are in each state")
    tasks: int
    created_at: Utc
    ended_at: Utc | None = None
    origin: Text = ""
    delegated_buyer: Text = ""
    lender: Text = Field(default="", description="the platform whose own user queued it there, and that lent it")
    path: tuple[str, ...] = ()
    canceling: bool = False
    waiting: LongText = Field(default="", description="why it waits, while it waits")
    reason: LongText = Field(default="", description="why tasks ended that nobody cancelled: a code, then words")
    webhook: Text = Field(default="", description="whether its end was told: waiting, delivered, failed and why")
    spec: JobSpec | None = Field(default=None, description="left out of lists and of a supervisor's view")
