"""What a job asks for besides resources: where its files appear, what it comes after, how it is kept alive."""

import posixpath
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator

from suanlian.model.base import Name, Sha256, Value, plain_text
from suanlian.model.paths import Path, Url

MAX_MOUNTS: Final = 64
MAX_AFTER: Final = 64
MAX_NODES: Final = 1024
MAX_OWNERS: Final = 64
MAX_GRACE_S: Final = 3600
_MAX_MOUNT: Final = 255
_KEPT_BY_THE_SYSTEM: Final = ("/proc", "/sys", "/dev")


def _mount_path(text: str) -> str:
    """An absolute POSIX path that stays where it says, and is none of the system's own."""
    plain_text(text)
    if len(text) > _MAX_MOUNT or not text.startswith("/") or "\\" in text or ":" in text:
        msg = f"{text[:80]!r} is not an absolute path of at most {_MAX_MOUNT} characters without ':' and '\\'"
        raise ValueError(msg)
    if posixpath.normpath(text) != text or text.startswith("//") or text == "/":
        msg = f"{text[:80]!r} is no path below '/': write it without '..', '.', '//' and a slash at the end"
        raise ValueError(msg)
    if any(text == kept or text.startswith(f"{kept}/") for kept in _KEPT_BY_THE_SYSTEM):
        msg = f"{text[:80]!r} belongs to the system of the machine: choose another place"
        raise ValueError(msg)
    return text


MountPath = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_mount_path)]
"""An absolute path at which the job sees a part of its working directory."""


class Mount(Value):
    """A part of the working directory that the job also sees under an absolute path; made where it is not there."""

    path: MountPath
    source: Path


class AfterWhen(StrEnum):
    """Which ends of another job let this one begin."""

    SUCCESS = "success"
    """COMPLETE; any other end cancels this job, with the reason."""
    END = "end"
    """Any end."""


class PassedFile(Value):
    """An output of another job, and where it lies for this one. A directory is passed with all that is in it.

    Of an array: ``same`` passes what the task of the same index brought (if left out, where both have as many tasks),
    a number what that task brought, ``all`` what each brought, under ``path/INDEX`` (if left out, in all other cases).
    """

    output: Path
    path: Path
    index: Annotated[int, Field(ge=0)] | Literal["same", "all"] | None = None


class After(Value):
    """Begin only when another job of the account has ended; its outputs may be passed on."""

    job: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(plain_text)]
    on: AfterWhen = AfterWhen.SUCCESS
    files: tuple[PassedFile, ...] = Field(default=(), max_length=64)


class PassedObject(Value):
    """Bytes that the hub has and lets an attempt read, and where they lie for the job."""

    path: Path
    sha256: Sha256
    size: int = Field(ge=0)


class SourceKind(StrEnum):
    """Where the bytes of something that is passed on lie."""

    OUTPUT = "output"
    """An output of another attempt of the same account."""
    CHECKPOINT = "checkpoint"
    """A file of a checkpoint of the same task; ``attempt_id`` names the set."""


class Source(Value):
    """An object that is passed on, and the attempt and path by which the hub finds its bytes."""

    passed: PassedObject
    kind: SourceKind = SourceKind.OUTPUT
    attempt_id: str
    path: str


SOURCES: Final = TypeAdapter(tuple[Source, ...])
"""Reads and writes what an attempt may read besides its inputs."""


class Retries(Value):
    """How often a task is tried again, by cause. What is the platform's fault is counted by ``attempts`` of the job."""

    program: int = Field(default=0, ge=0, le=10, description="after an exit code other than 0")
    exit_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field(
        default=(), max_length=255, description="only after these; empty: after any"
    )
    lost: int = Field(default=3, ge=0, le=10, description="after the place was not heard of for too long")
    backoff_s: int = Field(default=0, ge=0, le=3600, description="before each new try")


class Checkpoint(Value):
    """The job can go on elsewhere: told by a signal, it writes what it needs into a directory, and ends."""

    path: Path
    signal: Literal["TERM", "INT", "USR1", "USR2"] = "TERM"
    grace_s: int = Field(default=30, ge=1, le=MAX_GRACE_S, description="between the signal and the end by force")
    every_s: int | None = Field(
        default=None, ge=10, le=86_400, description="also kept while it runs, so that a lost place costs less"
    )


class Webhook(Value):
    """Where the end of the job is told, as a CloudEvent; signed with a secret of the account where one is named."""

    url: Url
    secret: Name | None = None


class JobClass(StrEnum):
    """What kind of work it is: it says which figures of a flavor count."""

    TRAINING = "training"
    INFERENCE = "inference"
    HPC = "hpc"
    CPU = "cpu"


class Owners(Value):
    """Whose platforms may have the job, by the names of entities: only these, never those."""

    only: tuple[Name, ...] = Field(default=(), max_length=MAX_OWNERS)
    never: tuple[Name, ...] = Field(default=(), max_length=MAX_OWNERS)

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if both := sorted(set(self.only) & set(self.never)):
            msg = f"{', '.join(both)} stands in only and in never"
            raise ValueError(msg)
        return self


class Near(StrEnum):
    """How near to its users a job runs, as the classes of latency of East Data West Computing have it."""

    CITY = "city"
    REGION = "region"
    HUB = "hub"

    @property
    def one_way_ms(self) -> Decimal:
        """So many milliseconds at most, one way."""
        return _ONE_WAY_MS[self]


_ONE_WAY_MS: Final[Mapping[Near, Decimal]] = {Near.CITY: Decimal(1), Near.REGION: Decimal(5), Near.HUB: Decimal(20)}


class Prefer(StrEnum):
    """By what a job's places are compared before all, within what it may cost more; what is billed is the same."""

    COST = "cost"
    TIME = "time"
    GREEN = "green"


class West(StrEnum):
    """May the job go to the supply side of East Data West Computing?"""

    DEFAULT = "default"
    """As the policy has it for jobs of its class; a job without a class may."""
    YES = "yes"
    NO = "no"
