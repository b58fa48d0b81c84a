"""What hub and connector tell each other of storage: work that should be done, how far it is, manifests, grants.

As in ``model.protocol`` the connector asks and reports, and the hub says what should be true. A grant lets somebody
read or write a few objects for a while: it is sealed for whoever uses it, and the hub carries what it cannot read.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Name, Sha256, Text, Utc, Value, Wire
from suanlian.model.data import MAX_FILES_PAGE, Bytes, DataFile, StorageRef
from suanlian.model.levels import RegionPrefix
from suanlian.model.money import Amount
from suanlian.model.paths import Path
from suanlian.model.protocol import MAX_POLL_S, Call, Envelope, Int64

MAX_TASKS: Final = 256
"""An answer names so many tasks at most; ``more`` tells that others wait."""
MAX_GRANT_ITEMS: Final = 200
"""A sealed page of a grant names so many objects at most: their addresses, with the longest names, have room in it."""
MAX_SEALED_GRANT_CHARS: Final = 2 * 1024 * 1024
GRANT_TYPE: Final = "suanlian-storage-grant"
"""As what a page of a grant is sealed."""
GRANT_S: Final = 3600
"""So long, in seconds, a grant is good for at most."""
PROBE_BYTES: Final = 8 * 1024 * 1024
"""A measurement of a link reads so much at most."""


class TaskKind(StrEnum):
    """What a connector is to do with its storage."""

    GRANT = "grant"
    """Let the holder of ``sealing_key`` read, or write, these files; minted anew when it is asked anew."""
    MOVE = "move"
    """Bring a version from ``source`` to ``target``: pull or push, by the grants of the other side; then read back."""
    SCAN = "scan"
    """Read all below a place and tell its manifest."""
    VERIFY = "verify"
    """Read all of a replica and compare it with the manifest."""
    DELETE = "delete"
    """Remove a replica that is managed."""
    PROBE = "probe"
    """Measure the way from another storage, by a grant for its probe object."""
    TAKE = "take"
    """What somebody wrote into the inbox of this task by a grant becomes a replica: moved there, read, compared."""
    KEEP = "keep"
    """What an attempt left, at ``attempt_id`` and ``path``, becomes a replica here; tell its manifest."""


class TaskWish(StrEnum):
    """What the hub wants of a task."""

    DO = "do"
    STOP = "stop"
    """End it where it is, throw away what came, and report it failed with code ``stopped``."""
    FORGET = "forget"
    """Its end is recorded: its traces may go."""


class Direction(StrEnum):
    """Whether a grant lets its holder read or write."""

    READ = "read"
    WRITE = "write"


class Window(Value):
    """At most so many megabits per second from one moment until another."""

    start: Utc
    end: Utc
    mbps: Amount


class StorageTask(Wire):
    """One thing to do; what a kind does not need is left out. A second delivery changes nothing."""

    id: str
    kind: TaskKind
    wish: TaskWish = TaskWish.DO
    version: Int64 = Field(default=0, description="rises with each change of what is said here, the token with a retry")
    token: Int64 = Field(description="rises when it is given anew: what is reported for an older one is refused")
    version_id: str = ""
    replica_id: str = ""
    transfer_id: str = ""
    storage: Name = Field(description="of this connector's own")
    place: Text = Field(default="", description="the folder below the storage's root: never used by two replicas")
    source_place: Text = Field(default="", description="of a take: the inbox; of a grant: what is granted")
    other_endpoint: Text = Field(default="", description="where addresses of the other side's grants have to lead")
    entity: Text = Field(default="", description="whose data it is; the owner's policy is asked")
    level: int = Field(default=1, ge=1, le=4)
    residency: tuple[RegionPrefix, ...] = ()
    other: StorageRef | None = Field(default=None, description="the storage on the other side")
    direction: Direction = Direction.READ
    sealing_key: Text = Field(default="", description="to whom a grant is sealed")
    grant_task: str = Field(default="", description="whose grants a move or a probe works with")
    grant_token: Int64 = 0
    files: int = Field(default=0, ge=0, description="the manifest's, to be asked for by pages")
    bytes: Bytes = 0
    windows: tuple[Window, ...] = Field(default=(), max_length=200, description="none: as fast as it goes")
    attempt_id: str = ""
    path: Path | None = None
    expires_at: Utc | None = Field(default=None, description="a grant is good until then at most")


class DataPollCall(Call):
    """What should be done, waiting up to ``wait_s`` while it is no other than ``seen``. ``/connector/v1/data/poll``."""

    wait_s: Annotated[int, Field(ge=0, le=MAX_POLL_S)] = 0
    seen: Text = Field(default="", description="the mark of the last answer")


class DataPollAnswer(Envelope):
    """All that is open: grants first, then deletions, then the oldest. A move comes once its grant has a first page."""

    tasks: tuple[StorageTask, ...] = Field(default=(), max_length=MAX_TASKS)
    more: bool = False
    mark: Text = ""


class TaskState(StrEnum):
    """How far a connector says that it is with a task."""

    GOING = "going"
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"


class TaskReport(Wire):
    """How far one task is. ``code``: why it failed; ``again``: the same may do in a while."""

    task_id: str
    token: Int64
    state: TaskState
    bytes_done: Bytes = 0
    files_done: int = Field(default=0, ge=0)
    files: int = Field(default=0, ge=0, description="of a manifest that was told")
    bytes: Bytes = Field(default=0, description="of a manifest that was told")
    code: Annotated[str, StringConstraints(max_length=63)] = ""
    reason: LongText = ""
    again: bool = False
    digest: Sha256 | None = Field(default=None, description="of the manifest that was told")
    path: Text = Field(default="", description="the file at fault, where it is one")
    rtt_ms: Amount | None = None
    jitter_ms: Amount | None = None
    loss: Amount | None = None
    mbps: Amount | None = None


class DataReportCall(Call):
    """How far tasks are. ``/connector/v1/data/report``."""

    reports: tuple[TaskReport, ...] = Field(max_length=MAX_TASKS)


class DataReportAnswer(Envelope):
    """Which of them count no more: their tasks are over, or were given anew."""

    stale: tuple[str, ...] = ()


class DataFilesCall(Call):
    """A page of a manifest, in the order of paths: asked for, or told where ``files`` is given.

    ``/connector/v1/data/files``. A page that was told before changes nothing.
    """

    task_id: str
    token: Int64
    start: int = Field(ge=0)
    reading: int = Field(default=0, ge=0, description="which reading of the place it is: pages of two are never mixed")
    files: tuple[DataFile, ...] | None = Field(default=None, max_length=MAX_FILES_PAGE)


class DataFilesAnswer(Envelope):
    """The page that was asked for."""

    files: tuple[DataFile, ...] = ()


class DataGrantsCall(Call):
    """A sealed page of a grant: asked for by whoever uses it, or told by whoever minted it where ``sealed`` is given.

    ``/connector/v1/data/grants``. Page n holds the files from n x ``MAX_GRANT_ITEMS`` on.
    """

    task_id: str = Field(description="of the grant's task")
    token: Int64
    page: int = Field(ge=0)
    sealed: Annotated[str, StringConstraints(max_length=MAX_SEALED_GRANT_CHARS)] | None = None
    expires_at: Utc | None = None


class DataGrantsAnswer(Envelope):
    """The page that was asked for; None where it is not minted yet, or run out."""

    sealed: Annotated[str, StringConstraints(max_length=MAX_SEALED_GRANT_CHARS)] | None = None
    token: Int64 = 0


class GrantPage(Wire):
    """What a sealed page says: for each path an address, or a folder in which all of them lie."""

    direction: Direction
    expires_at: Utc
    folder: str = Field(default="", description="an absolute directory of the machine that both sides are on")
    urls: dict[str, str] = Field(default_factory=dict, description="by path; each carries its own right")


def grant_bound(task_id: str, token: int) -> dict[str, str]:
    """What a sealed page belongs to: the task that minted it, and that task's token."""
    return {"task": task_id, "token": str(token)}
