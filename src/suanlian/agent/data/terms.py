"""How does the connector reach the storage that it publishes? ``[storage.NAME]`` of agent.toml. Pure.

What is published of a storage share everybody may read; what stands here never leaves the machine. A secret is named,
never written: ``env:NAME`` is a variable of the agent's environment, ``file:/path`` a file that holds nothing else.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from suanlian.model.base import Name, Text, Value
from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.paths import Url, safe_path
from suanlian.model.quantity import Size

_SECRET_FORMS: Final = ("env:", "file:/")


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or ".." in path.parts:
        msg = f"{str(path)!r} is no absolute path without '..': the agent may be started anywhere, write it from / on"
        raise ValueError(msg)
    return path


def _referred(text: str) -> str:
    if not text.startswith(_SECRET_FORMS) or text in _SECRET_FORMS:
        # what was written is not repeated: it may be the secret itself
        msg = "a secret is never written here: write env:NAME for a variable, or file:/path for a file that holds it"
        raise ValueError(msg)
    return text


def _folder(text: str) -> str:
    if text:
        safe_path(text)
    return text


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]

SecretRef = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_referred)]
"""Where a secret is: ``env:NAME`` or ``file:/path``."""

Folder = Annotated[str, StringConstraints(max_length=255), AfterValidator(_folder)]
"""A folder below a storage's root; empty: the root itself."""


class Registered(Value):
    """What lies below this folder may be registered as datasets of this entity: read there, never deleted."""

    entity: Name
    folder: Folder


class StorageHere(Value):
    """How one storage share is reached from here; which fields it has, its kind says."""

    register_: tuple[Registered, ...] = Field(default=(), max_length=400, alias="register")
    root: AbsolutePath | None = Field(default=None, description="posix: the folder")
    keep_free: Size = Field(default=0, description="so much of the file system is never filled")
    peers: tuple[AbsolutePath, ...] = Field(
        default=(), max_length=400, description="posix: roots of others on this machine, from which grants are read"
    )
    shared: bool = Field(default=False, description="posix: other users of this machine may read what lies there")
    bucket: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    prefix: Folder = ""
    key_id: SecretRef | None = None
    secret: SecretRef | None = None
    session_token: SecretRef | None = None
    region: Text = "us-east-1"
    ca_file: AbsolutePath | None = Field(default=None, description="certificates in PEM that are trusted besides")
    endpoint_here: Url | None = Field(default=None, description="as this machine reaches it, where others do otherwise")
    url: Url | None = Field(default=None, description="http: the address, where it is another from here")
    index: Folder = Field(default="", description="http: a file there that lists all files")


_FIELDS: Final[Mapping[StorageKind, tuple[frozenset[str], tuple[str, ...]]]] = {
    StorageKind.POSIX: (frozenset({"root", "keep_free", "register_", "peers", "shared"}), ("root",)),
    StorageKind.S3: (
        frozenset({
            "bucket", "prefix", "key_id", "secret", "session_token", "region", "ca_file", "endpoint_here", "register_",
            "peers",
        }),
        ("bucket", "key_id", "secret"),
    ),
    StorageKind.HTTP: (frozenset({"url", "index", "ca_file", "register_"}), ()),
}  # fmt: skip
"""Of each kind: the fields that it may have, and those that it must."""


def wrong_with(shares: Sequence[StorageShare], here: Mapping[str, StorageHere]) -> str:
    """What does not fit between what is published and how it is reached; empty where all does."""
    names = [share.name for share in shares]
    if strange := sorted(here.keys() - set(names)):
        return f"storage.{strange[0]} is not among what [[inventory.storage]] publishes: {names[:20]}"
    for share in shares:
        table = here.get(share.name)
        if table is None and share.kind is not StorageKind.HTTP:
            return f"storage {share.name!r} is published, and no [storage.{share.name}] says how it is reached"
        if table is not None and (wrong := _wrong_with(share, table)):
            return f"storage.{share.name}: {wrong}"
    return _overlap(here)


def _wrong_with(share: StorageShare, table: StorageHere) -> str:
    allowed, needed = _FIELDS[share.kind]
    if strange := sorted(table.model_fields_set - allowed):
        return f"{strange[0].rstrip('_')} is no field of storage of kind {share.kind}"
    lacking = [name for name in needed if getattr(table, name) is None]
    return f"{lacking[0]} is missing, storage of kind {share.kind} needs it" if lacking else ""


def _overlap(here: Mapping[str, StorageHere]) -> str:
    roots = [(name, table.root) for name, table in here.items() if table.root is not None]
    for (one, first), (other, second) in combinations(roots, 2):
        if is_below(first, second) or is_below(second, first):
            return f"storage.{other}: its root {second} and {first} of storage {one!r} lie in each other"
    for table in here.values():
        for root, peer in ((root, peer) for _name, root in roots for peer in table.peers):
            if root == peer:
                return f"the peer {peer} is this connector's own storage: peers are the roots of others"
    prefixes = [
        (name, str(table.endpoint_here or ""), table.bucket, table.prefix)
        for name, table in here.items()
        if table.bucket
    ]
    for (one, *at, first_prefix), (other, *there, second_prefix) in combinations(prefixes, 2):
        pair = PurePosixPath("/", str(first_prefix)), PurePosixPath("/", str(second_prefix))
        if at == there and (pair[0].is_relative_to(pair[1]) or pair[1].is_relative_to(pair[0])):
            return f"storage.{other}: its prefix and that of storage {one!r} lie in each other"
    return ""


def is_below(path: Path, root: Path) -> bool:
    """Whether a path is this root or lies below it, by its names alone."""
    return path == root or path.is_relative_to(root)


def may_register(table: StorageHere, entity: str | None, folder: str) -> bool:
    """Whether the owner lets this entity (None: any) register this folder."""
    place = PurePosixPath("/", folder)
    return ".." not in place.parts and any(
        entity in (None, opened.entity) and place.is_relative_to(PurePosixPath("/", opened.folder))
        for opened in table.register_
    )
