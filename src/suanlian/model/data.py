"""Data that work needs: datasets with immutable versions, where copies of them lie, and how they come elsewhere.

Bytes go from storage to storage, never through the hub: it knows names, sizes, digests and places.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator

from suanlian.model.base import Name, Sha256, Text, Utc, Value, Wire
from suanlian.model.levels import LOWEST, DataLevel, Level, RegionPrefix
from suanlian.model.money import Amount
from suanlian.model.paths import Path

MAX_FILES: Final = 100_000
"""A version has at most so many files: more, and each of them costs more than its bytes. Pack them."""
MAX_VERSION_BYTES: Final = 2**53 - 1
MAX_FILES_PAGE: Final = 5_000
"""So many files of a manifest travel at once at most."""

Bytes = Annotated[int, Field(ge=0, le=MAX_VERSION_BYTES)]
"""A number of bytes, as JSON numbers hold it exactly."""

DatasetRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?:[a-z0-9][a-z0-9._-]{0,62}/)?[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?(?:@[1-9][0-9]{0,8})?$"
    ),
]
"""A dataset as people write it: ``reads``, the newest version; ``reads@2``; ``account/reads@2`` of another account."""

StorageRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,63}/[a-z0-9._-]{1,63}$")]
"""Storage as people write it: ``platform/storage``."""


class StorageKind(StrEnum):
    """What a storage share is spoken to as."""

    S3 = "s3"
    POSIX = "posix"
    """A folder of the connector's machine."""
    HTTP = "http"
    """A web address that is only read."""


class StorageShare(Value):
    """Storage of a platform at one of its sites, opened by its owner's connector alone.

    Prices are in CNY; ``capacity`` in bytes is what the market may fill, None where nobody counts.
    """

    name: Name
    site: Name
    kind: StorageKind
    title: Text = ""
    capacity: Bytes | None = None
    read_only: bool = False
    endpoint: Text = Field(default="", description="its address, where others reach it: an S3 server, a web address")
    filesystem: Text = Field(default="", description="folders that say the same lie in one file system of one machine")
    shares: tuple[Name, ...] = Field(
        default=(), max_length=200, description="shares of the platform at this site that read it; none: all there"
    )
    prefixes: tuple[Text, ...] = Field(
        default=(),
        max_length=64,
        description="addresses by which its users know it: s3://bucket/prefix/, file:///lake/",
    )
    egress_cny_per_gb: Annotated[Amount, Field(ge=0, le=1_000_000)] = Decimal(0)
    keep_cny_per_gb_month: Annotated[Amount, Field(ge=0, le=1_000_000)] = Decimal(0)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind is StorageKind.HTTP and not self.read_only:
            msg = "storage of kind http is only read: write read_only = true"
            raise ValueError(msg)
        if self.kind is not StorageKind.POSIX and not self.endpoint:
            msg = f"storage of kind {self.kind} needs its endpoint, the address at which others reach it"
            raise ValueError(msg)
        return self


class VersionState(StrEnum):
    """How far a version of a dataset has come."""

    OPEN = "open"
    """Its files are being told, or its bytes are being brought: nobody reads it yet."""
    SEALED = "sealed"
    """It stays as it is; at least one copy was whole."""
    LOST = "lost"
    """No whole copy is known any more; it is sealed again when one is found or mended."""
    DELETED = "deleted"


class ReplicaState(StrEnum):
    """How far a copy of a version on one storage share has come; only a WHOLE one is read."""

    COMING = "coming"
    WHOLE = "whole"
    DOUBTED = "doubted"
    """Something that came from it was not as stated: it is read anew. Work does not read it meanwhile; a transfer may,
    as its last source, because all that it brings is compared with the manifest."""
    BROKEN = "broken"
    """Its owner's connector read it anew, and something of it is missing or changed."""
    LEAVING = "leaving"
    GONE = "gone"


class TransferState(StrEnum):
    """How far a transfer has come."""

    WAITING = "waiting"
    """Not begun: it has no way yet, its hour has not come, or what it follows is not done."""
    GOING = "going"
    CHECKING = "checking"
    """All bytes are there; the last of them are read back."""
    CANCELING = "canceling"
    """It is to end, and whoever moves it has not said so yet."""
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


TRANSFER_ENDED: Final = frozenset({TransferState.DONE, TransferState.FAILED, TransferState.CANCELED})
"""States in which a transfer stays."""


class Purpose(StrEnum):
    """For whom a transfer is made."""

    RULE = "rule"
    JOB = "job"
    PREFETCH = "prefetch"
    """For a job that waits, whose place is likely."""
    PERSON = "person"
    RELAY = "relay"
    """The first half of a way over a third place."""
    POPULAR = "popular"
    """Because many nearby read it."""


_MAX_PART_BYTES: Final = 255


def _file_path(text: str) -> str:
    """A path that every storage keeps as it is: composed characters (NFC), no part longer than 255 bytes."""
    if unicodedata.normalize("NFC", text) != text:
        msg = f"{text[:80]!r} is not written in composed characters (Unicode NFC): rename the file"
        raise ValueError(msg)
    if any(len(part.encode()) > _MAX_PART_BYTES for part in text.split("/")):
        msg = f"a part of {text[:80]!r} is longer than {_MAX_PART_BYTES} bytes: rename the file"
        raise ValueError(msg)
    return text


FilePath = Annotated[Path, AfterValidator(_file_path)]
"""A path below a version: at most 255 characters, each part at most 255 bytes in UTF-8."""


class DataFile(Value):
    """One file of a version."""

    path: FilePath
    size: Bytes
    sha256: Sha256


def manifest_digest(files: Iterable[DataFile]) -> str:
    """SHA-256 of a manifest: a line a file, by path, as ``sha256sum`` writes and checks it."""
    seen = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        seen.update(f"{file.sha256}  {file.path}\n".encode())
    return seen.hexdigest()


class NewDataset(Value):
    """What is stated to make a dataset: who may have it and where it may lie; for each of its versions."""

    name: Name
    title: Text = ""
    level: Level = Field(default=DataLevel.INTERNAL.value, description="internal, unless said otherwise")
    residency: tuple[RegionPrefix, ...] = Field(default=(), max_length=32, description="it lies only within these")
    public: bool = Field(default=False, description="every account may read it; only data of level 1")
    expires_at: Utc | None = Field(default=None, description="it is deleted then; none: never by itself")

    @model_validator(mode="after")
    def _public_is_public(self) -> Self:
        if self.public and self.level > LOWEST:
            msg = f"data of level {self.level} is never public: only level {LOWEST} is"
            raise ValueError(msg)
        return self


class Replica(Wire):
    """A copy of a version on a storage share."""

    id: str
    storage: StorageRef
    site: Name
    state: ReplicaState
    managed: bool = Field(default=True, description="false: registered where it lay, never deleted by the market")
    bytes: Bytes = 0
    verified_at: Utc | None = Field(default=None, description="when all of it was last read and found as stated")
    pinned_until: Utc | None = None
    expires_at: Utc | None = Field(default=None, description="it may go then, where no rule needs it")
    read_at: Utc | None = Field(default=None, description="when work last read it")
    reachable: bool = Field(default=True, description="its connector was heard of a short while ago")
    used_by: int = Field(default=0, ge=0, description="attempts, transfers and grants that read it now")
    reason: Text = ""


class DatasetVersion(Wire):
    """A version of a dataset: after it is sealed, its files never change."""

    id: str
    public_id: str
    account: Name
    dataset: Name
    number: int = Field(ge=1)
    state: VersionState
    title: Text = ""
    files: int = Field(ge=0)
    bytes: Bytes
    digest: Sha256 | None = Field(default=None, description="SHA-256 of its manifest, one line a file, by path")
    level: Level = LOWEST
    residency: tuple[RegionPrefix, ...] = ()
    public: bool = False
    expires_at: Utc | None = None
    created_at: Utc
    sealed_at: Utc | None = None
    origin: Text = Field(default="", description="where it comes from: uploaded, registered, the job that made it")
    reason: Text = ""
    replicas: tuple[Replica, ...] = ()


class DataTransfer(Wire):
    """A version on its way to a storage share. Rates in megabits per second, sizes in bytes."""

    id: str
    version_id: str
    dataset: Text
    purpose: Purpose
    state: TransferState
    source: StorageRef | None = None
    target: StorageRef
    via: StorageRef | None = Field(default=None, description="the third place on the way, where there is one")
    bytes: Bytes
    bytes_done: Bytes = 0
    files: int = 0
    files_done: int = 0
    priority: int = 0
    deadline: Utc | None = None
    begins_at: Utc | None = Field(default=None, description="by plan")
    ends_at: Utc | None = Field(default=None, description="by plan while it goes, then when it ended")
    rate_mbps: Amount | None = Field(default=None, description="at most, by plan")
    cost_cny: Amount | None = Field(default=None, description="egress and link, by plan")
    tries: int = 0
    code: Text = Field(default="", description="why it failed or waits, in a word")
    reason: Text = ""
    after: str = Field(default="", description="the transfer that comes before it, of a way over a third place")
    wanted_by: tuple[Text, ...] = Field(default=(), description="jobs, rules and persons that want it")
    seen_mbps: Amount | None = Field(default=None, description="as fast as it went of late")
    created_at: Utc


class Where(Value):
    """Where copies are wanted; all that is said holds at once."""

    regions: tuple[RegionPrefix, ...] = Field(default=(), max_length=32)
    west: bool | None = None
    storages: tuple[StorageRef, ...] = Field(default=(), max_length=64)


class NewCopyRule(Value):
    """So many copies at different sites in such places, until a moment."""

    copies: int = Field(default=1, ge=1, le=16)
    where: Where = Where()
    until: Utc | None = None


class CopyRule(Wire):
    """A rule, and how far it holds."""

    id: str
    dataset: Text
    rule: NewCopyRule
    created_at: Utc
    ended_at: Utc | None = None
    whole: int = Field(default=0, ge=0, description="copies that count")
    coming: int = Field(default=0, ge=0)
    reason: Text = Field(default="", description="why it does not hold, where nothing is under way")


class DataUse(Value):
    """A dataset that a job reads, and where it lies for it."""

    dataset: DatasetRef
    path: Path
    only: tuple[Path, ...] = Field(default=(), max_length=1000, description="these files or directories of it alone")


class Saved(Value):
    """A directory or file that a job leaves becomes a new version of a dataset, after success."""

    path: Path
    dataset: Name
    to: StorageRef | None = Field(default=None, description="brought there; none: it stays where it was made")


class LocalData(Wire):
    """A version that an attempt reads, and where it lies for the job; the connector lays it out of its own storage."""

    version_id: str
    replica_id: str
    dataset: Text
    path: Path
    only: tuple[Path, ...] = ()
    storage: Name
    place: Text = Field(default="", description="the folder below the storage's root")
    files: int = Field(ge=0)
    bytes: Bytes


LOCAL: Final = TypeAdapter(tuple[LocalData, ...])
"""Reads and writes what an attempt reads of datasets, as its row keeps it."""
