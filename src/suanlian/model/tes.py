"""The words of GA4GH TES 1.1: what its clients send and are answered, field by field as that standard names them.

A client may leave a field out or send null. What only the server fills in is taken and passed over. Other fields are an
error: a misspelt one would otherwise be lost without a word.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from suanlian.model.base import Sha256, Utc, Value, plain_text
from suanlian.model.job import EnvironmentName, JobState, TagName, TagText
from suanlian.model.platform import Feature

MAX_CONTENT: Final = 1024 * 1024
"""Characters of an input that is given by its content."""
MAX_EXECUTORS: Final = 64
MAX_FILES: Final = 256
MAX_PAGE: Final = 2047
DEFAULT_PAGE: Final = 256
WILDCARDS: Final = "*?["
KEPT_SCHEME: Final = "suanlian:"
"""An output with such a URL stays at the hub, and is fetched there."""
PARAMETERS: Final[Mapping[str, str]] = {
    "suanlian.accelerators": "so many cards: 2, or FAMILY:2 of one chip family",
    "suanlian.architecture": "CPU architectures that will do, with commas between: x86_64,aarch64",
    "suanlian.attempts": "tries where the platform was at fault, 1 to 10",
    "suanlian.data_level": "1 public, 2 internal, 3 sensitive, 4 regulated",
    "suanlian.flavor": "the flavor that it is to run on",
    "suanlian.job_class": "training, inference, hpc or cpu: which figures of a flavor count",
    "suanlian.max_cost": "the most that it may cost by the estimate, CNY",
    "suanlian.network": "yes or no",
    "suanlian.platform": "the platform where it is to run",
    "suanlian.priority": "-100 to 100, within the account",
    "suanlian.residency": "GB/T 2260 codes or beginnings of codes, with commas between: its data stays within these",
    "suanlian.site": "the site where it is to run",
    "suanlian.wall_time_s": "seconds until it is ended by force",
}
"""The keys of ``backend_parameters`` that are known here, with what they mean."""

_MAX_PATH: Final = 240


def _absolute(text: str) -> str:
    """An absolute POSIX path without ``.``, ``..`` and empty parts; a slash at the end is dropped."""
    plain_text(text)
    path = text.rstrip("/") or "/"
    if not text.startswith("/") or len(text) > _MAX_PATH or "\\" in text or ":" in text:
        msg = f"{text[:80]!r} is not an absolute path of at most {_MAX_PATH} characters without ':' and '\\'"
        raise ValueError(msg)
    if path.startswith("//") or posixpath.normpath(path) != path:
        msg = f"{text[:80]!r} leads out of its directory or has an empty part: write it without '..', '.' and '//'"
        raise ValueError(msg)
    return path


def _no_nul(text: str) -> str:
    if "\x00" in text:
        msg = "control character U+0000; write it without"
        raise ValueError(msg)
    return text


TesPath = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_absolute)]
"""An absolute path as the executors see it."""

Line = Annotated[str, StringConstraints(max_length=400), AfterValidator(plain_text)]
Prose = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_no_nul)]
Word = Annotated[str, StringConstraints(max_length=64 * 1024), AfterValidator(_no_nul)]
Content = Annotated[str, StringConstraints(max_length=MAX_CONTENT)]
Address = Annotated[str, StringConstraints(max_length=2000), AfterValidator(plain_text)]
Amount64 = Annotated[float, Field(allow_inf_nan=False, ge=0, le=2**40)]


class View(StrEnum):
    """How much of a task an answer has."""

    MINIMAL = "MINIMAL"
    """The id and the state."""
    BASIC = "BASIC"
    """All but contents of inputs, streams of executors and system logs."""
    FULL = "FULL"


class TesState(StrEnum):
    """The states of TES 1.1: those of jobs here, and one for what is not known."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    CANCELING = "CANCELING"
    PREEMPTED = "PREEMPTED"


class FileType(StrEnum):
    """Whether an input or output is one file or a directory with all that is in it."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class TesInput(Value):
    """What lies there before the first executor starts. A content that is not empty stands before a URL."""

    name: Line | None = None
    description: Prose | None = None
    url: Address | None = None
    path: TesPath
    type: FileType = FileType.FILE
    content: Content | None = None
    streamable: bool | None = Field(default=None, description="taken and shown; files are always fetched whole")


class TesOutput(Value):
    """What is to be brought to a URL afterwards. ``path_prefix`` is cut off what a ``path`` with wildcards matches."""

    name: Line | None = None
    description: Prose | None = None
    url: Address
    path: TesPath
    path_prefix: TesPath | None = None
    type: FileType = FileType.FILE

    @property
    def has_wildcards(self) -> bool:
        """Whether the path is a pattern."""
        return any(char in self.path for char in WILDCARDS)


class TesExecutor(Value):
    """One command of a task, in software that its image names."""

    image: Annotated[Line, StringConstraints(min_length=1)]
    command: tuple[Word, ...] = Field(min_length=1, max_length=1024)
    workdir: TesPath | None = None
    stdin: TesPath | None = None
    stdout: TesPath | None = None
    stderr: TesPath | None = None
    env: Mapping[EnvironmentName, Word] | None = Field(default=None, max_length=256)
    ignore_error: bool | None = None


class TesResources(Value):
    """What a task needs. Zero and left out mean the default."""

    cpu_cores: Annotated[int, Field(ge=0, le=65_536)] | None = None
    preemptible: bool | None = None
    ram_gb: Amount64 | None = None
    disk_gb: Amount64 | None = None
    zones: tuple[Line, ...] | None = Field(default=None, max_length=64)
    backend_parameters: Mapping[Line, Line] | None = Field(default=None, max_length=64)
    backend_parameters_strict: bool | None = None


class TesExecutorLog(Value):
    """How one executor went. Streams are shown by their ends."""

    start_time: Utc | None = None
    end_time: Utc | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int


class TesOutputFileLog(Value):
    """One file that was brought; the size is text, as the standard has it."""

    url: str
    path: str
    size_bytes: str


class TesTaskLog(Value):
    """One try of a task."""

    logs: tuple[TesExecutorLog, ...] = ()
    metadata: Mapping[str, str] | None = None
    start_time: Utc | None = None
    end_time: Utc | None = None
    outputs: tuple[TesOutputFileLog, ...] = ()
    system_logs: tuple[str, ...] | None = None


class _Asked(Value):
    """What a client says of a task."""

    name: Line | None = None
    description: Prose | None = None
    inputs: tuple[TesInput, ...] | None = Field(default=None, max_length=MAX_FILES)
    outputs: tuple[TesOutput, ...] | None = Field(default=None, max_length=MAX_FILES)
    resources: TesResources | None = None
    executors: tuple[TesExecutor, ...] = Field(min_length=1, max_length=MAX_EXECUTORS)
    volumes: tuple[TesPath, ...] | None = Field(default=None, max_length=MAX_FILES)
    tags: Mapping[TagName, TagText] | None = Field(default=None, max_length=64)


class NewTesTask(_Asked):
    """A task as a client creates it. What the server fills in is passed over."""

    id: JsonValue = Field(default=None, description="passed over: the hub gives it")
    state: JsonValue = Field(default=None, description="passed over")
    logs: JsonValue = Field(default=None, description="passed over")
    creation_time: JsonValue = Field(default=None, description="passed over")

    def asked(self) -> "TesTask":
        """The task without what is not the client's to say."""
        return TesTask.model_construct(**{name: getattr(self, name) for name in _Asked.model_fields})


class TesTask(_Asked):
    """A task as it is shown: in the smallest view it has an id and a state alone."""

    executors: tuple[TesExecutor, ...] | None = None  # type: ignore[assignment]  # the smallest view has none
    id: str | None = None
    state: TesState | None = None
    logs: tuple[TesTaskLog, ...] | None = None
    creation_time: Utc | None = None


class TesCreated(Value):
    """The answer to a task that was taken."""

    id: str


class TesListing(Value):
    """A page of tasks, newest first."""

    tasks: tuple[TesTask, ...]
    next_page_token: str | None = None


class TesServiceType(Value):
    """Which standard is spoken here."""

    group: str = "org.ga4gh"
    artifact: str = "tes"
    version: str = "1.1.0"


class TesOrganization(Value):
    """Who runs the service."""

    name: str
    url: str


class TesServiceInfo(Value):
    """What the service is, as GA4GH service-info has it, with where outputs may go and which parameters are known."""

    id: str
    name: str
    type: TesServiceType = TesServiceType()
    description: str
    organization: TesOrganization
    documentationUrl: str  # noqa: N815 - the name in that standard
    version: str
    storage: tuple[str, ...]
    tesResources_backend_parameters: tuple[str, ...] = tuple(PARAMETERS)  # noqa: N815 - as above


class TesImage(Value):
    """An image that can be asked for by name, and what it stands for here."""

    image: str
    environments: tuple[str, ...]


class TesImages(Value):
    """Every image that some platform's software stands for: an extension of this hub."""

    images: tuple[TesImage, ...]
    by_digest: bool = Field(description="whether some platform runs an image that is named by its digest")


class Fetch(Value):
    """An input that lies elsewhere, to be read before the task gets a place: from where, and where it lies for it."""

    url: Address
    path: str
    type: FileType


class TesKept(Value):
    """All that the hub keeps of a task besides its job."""

    task: TesTask
    nonce: str
    warnings: tuple[str, ...] = ()
    software: Mapping[str, str] = Field(default_factory=dict, description="environment -> the image it stands for")
    fetches: tuple[Fetch, ...] = ()


@dataclass(frozen=True, slots=True)
class Bytes:
    """What was read from an address: the bytes, or only their digest and length where they are too many to keep."""

    sha256: str
    size: int
    data: bytes | None = field(default=None, repr=False)


class Delivered(Value):
    """A file of an ended task: where it lay for the executors, where it lies at the hub, and where it is to go."""

    url: str
    path: str
    source: str
    size: int
    sha256: Sha256


STATES: Final[Mapping[JobState, TesState]] = {state: TesState(state.value) for state in JobState}
NEEDED: Final = Feature.MOUNTS
"""What a place must be able to do for a task that names paths."""
