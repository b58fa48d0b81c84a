"""Which kinds of storage can be opened here? Found by entry points: who has no S3 needs none of its libraries."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from suanlian.model.data import StorageKind
from suanlian.storage.contract import At, Code, HttpAt, PosixAt, Storage, StorageError

GROUP: Final = "suanlian.storage"
"""The entry point group; an entry is named as a ``StorageKind`` and leads to a class whose one argument says where."""


def kind_of(at: At) -> StorageKind:
    """What kind of storage that is."""
    if isinstance(at, PosixAt):
        return StorageKind.POSIX
    return StorageKind.HTTP if isinstance(at, HttpAt) else StorageKind.S3


def open_storage(at: At, entries: Iterable[EntryPoint] | None = None) -> Storage:
    """Open it; ``Writable`` where it is no web address. Raises StorageError, also where its libraries are missing.

    ``entries``: instead of what is installed.
    """
    kind = kind_of(at)
    for entry in entry_points(group=GROUP) if entries is None else entries:
        if entry.name != kind:
            continue
        try:
            opens = entry.load()
        except ImportError as error:
            text = f"storage of kind {kind} needs what is not installed ({error.name}): pip install 'suanlian[{kind}]'"
            raise StorageError(Code.REFUSED, text) from error
        found: Storage = opens(at)
        return found
    raise StorageError(Code.REFUSED, f"storage of kind {kind} is not installed here")
