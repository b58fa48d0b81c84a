"""What people ask of datasets, and what they are answered, besides the datasets themselves."""

from typing import Annotated

from pydantic import Field, StringConstraints

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.data import MAX_FILES_PAGE, Bytes, DataFile, DatasetRef, DatasetVersion, NewCopyRule, StorageRef
from suanlian.model.data_protocol import Direction
from suanlian.model.levels import LOWEST, Level, RegionPrefix
from suanlian.model.paths import safe_path

SealingText = Annotated[str, StringConstraints(max_length=64)]
"""An X25519 key as ``crypto.sealing`` writes it."""

Folder = Annotated[str, StringConstraints(max_length=200)]
"""A folder below a storage's root; empty: the root itself."""


class Dataset(Wire):
    """A dataset with its versions, the newest first."""

    id: str
    public_id: str
    account: Name
    name: Name
    title: Text = ""
    level: Level = LOWEST
    residency: tuple[RegionPrefix, ...] = ()
    public: bool = False
    expires_at: Utc | None = None
    created_at: Utc
    versions: tuple[DatasetVersion, ...] = ()


class Register(Value):
    """A folder or prefix that is there already, opened to the caller's entity by its owner."""

    storage: StorageRef
    folder: Folder = ""

    def safe_folder(self) -> str:
        """The folder. Raises ValueError where it leads out of the storage."""
        return safe_path(self.folder) if self.folder else ""


class NewVersion(Value):
    """How a further version begins: its files are told, or read where they are."""

    origin: Text = Field(default="", description="where it comes from, in words; none: uploaded or registered")
    register_: Register | None = Field(default=None, alias="register")


class FilesPage(Value):
    """Files of a manifest in the order of paths, from the ``start``-th on."""

    start: int = Field(default=0, ge=0)
    files: tuple[DataFile, ...] = Field(max_length=MAX_FILES_PAGE)


class FilesShown(Wire):
    """A page of a manifest; ``next``: where the one after begins."""

    start: int
    files: tuple[DataFile, ...] = ()
    next: int | None = None


class NewCopy(Value):
    """A version is wanted on a storage share as well."""

    to: StorageRef
    priority: int = Field(default=0, ge=-100, le=100)
    deadline: Utc | None = None


class AskUpload(Value):
    """The files of an open version are to be written to a storage share by whoever holds this key."""

    storage: StorageRef
    sealing_key: SealingText


class AskDownload(Value):
    """A version is to be read by whoever holds this key; ``storage``: there, else where it costs least."""

    sealing_key: SealingText
    storage: StorageRef | None = None


class DataGrant(Wire):
    """Leave to read or write the files of a version, in sealed pages that come one by one."""

    id: str
    token: int
    version_id: str
    storage: StorageRef
    endpoint: Text = Field(default="", description="its addresses lead below this one")
    direction: Direction
    files: int = Field(ge=0)
    bytes: Bytes = 0
    pages: int = Field(ge=0)
    page_items: int = Field(ge=1, description="page n holds the files from n x this on")
    expires_at: Utc
    code: Text = Field(default="", description="why it is not given, in a word")
    reason: Text = ""


class GrantShown(Wire):
    """A sealed page; None where it is not minted yet. It opens with the key that was named, bound to id and token."""

    sealed: str | None = None
    token: int = 0
    code: Text = ""
    reason: Text = ""


class AskVerify(Value):
    """Read all of a version's copies anew, or of the one there."""

    storage: StorageRef | None = None


class AskCopyRule(Value):
    """Copies that are to be kept of a dataset's newest version, or of the very version that is named."""

    dataset: DatasetRef
    rule: NewCopyRule


class Pin(Value):
    """A copy stays at least until then; None: no longer than it is needed."""

    until: Utc | None = None
