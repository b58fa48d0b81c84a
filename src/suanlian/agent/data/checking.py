"""Does the owner's storage do what the market asks of it? Tried here, without a hub; what is written goes again."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from suanlian.agent.data.places import PROBE
from suanlian.agent.data.stores import Stores
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction
from suanlian.model.paths import leads_below
from suanlian.storage.contract import PART_BYTES, Code, Stat, Storage, StorageError, Writable, below, digest
from suanlian.storage.granted import GrantedSource, Grants
from suanlian.storage.web import Web

_SMALL: Final = 4096
_LARGE: Final = PART_BYTES + 1
_GRANT: Final = timedelta(minutes=5)


class Tried(StrEnum):
    """What is tried, in this order."""

    OPEN = "open"
    LIST = "list"
    WRITE = "write"
    PARTS = "parts"
    GRANT = "grant"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one try: ``fault`` is empty where it did as it should, ``seen`` what was found."""

    storage: str
    tried: Tried
    fault: str = ""
    seen: str = ""


def check(stores: Stores, name: str, now: datetime) -> Iterator[Finding]:
    """Try everything, one after another; what cannot be tried because it is only read is left out."""
    try:
        storage = stores.open(name)
        first = next(iter(storage.files("")), None) if stores.share(name).read_only else None
    except StorageError as error:
        yield Finding(name, Tried.OPEN, f"{error.code}: {error}")
        return
    yield Finding(name, Tried.OPEN)
    if stores.share(name).read_only or not isinstance(storage, Writable):
        yield Finding(name, Tried.LIST, seen="" if first is None else first.path)
        return
    folder = f"{PROBE}/check-{secrets.token_hex(8)}"
    try:
        yield from _written(stores, name, storage, (folder, now))
    finally:
        with suppress(StorageError):
            storage.delete_below(folder)


def _written(stores: Stores, name: str, storage: Writable, where: tuple[str, datetime]) -> Iterator[Finding]:
    folder, now = where
    small, large = os.urandom(_SMALL), os.urandom(_LARGE)
    yield _try(name, Tried.WRITE, lambda: _small(storage, folder, small))
    yield _try(name, Tried.PARTS, lambda: _large(storage, folder, large))
    yield _try(name, Tried.GRANT, lambda: _granted(stores, name, (folder, small), now))
    yield _try(name, Tried.FREE, lambda: _free(stores.free(name)))


def _try(name: str, tried: Tried, work: Callable[[], str]) -> Finding:
    try:
        return Finding(name, tried, seen=work())
    except StorageError as error:
        return Finding(name, tried, f"{error.code}: {error}")


def _small(storage: Writable, folder: str, data: bytes) -> str:
    storage.put(below(folder, "small"), data)
    _same(b"".join(storage.read(below(folder, "small"))), data)
    found = {one.path: one.size for one in storage.files(folder)}
    if found != {"small": len(data)}:
        raise StorageError(Code.CHECKSUM_MISMATCH, f"what was written is listed as {found}")
    return ""


def _large(storage: Writable, folder: str, data: bytes) -> str:
    path, size = below(folder, "large"), len(data)
    upload = storage.begin(path, size)
    try:
        spans = [(start, min(PART_BYTES, size - start)) for start in range(0, size, PART_BYTES)]
        tags = [
            storage.part(path, upload, number, span, iter((data[span[0] : sum(span)],)))
            for number, span in enumerate(spans, start=1)
        ]
        storage.complete(path, upload, tags)
    except StorageError:
        storage.abort(path, upload)
        raise
    _same(b"".join(storage.read(path)), data)
    return ""


def _granted(stores: Stores, name: str, where: tuple[str, bytes], now: datetime) -> str:
    """Read by a grant as another would, from this machine."""
    (folder, data), here = where, stores.here(name)
    sha256, size = digest((data,))
    file = DataFile(path="small", size=size, sha256=sha256)
    page = stores.open(name).grant(folder, [file], Direction.READ, now + _GRANT)
    endpoint = stores.share(name).endpoint
    if any(not leads_below(url, endpoint) for url in page.urls.values()):
        raise StorageError(Code.REFUSED, f"its grants do not lead below its endpoint {endpoint}: others refuse them")
    folders = [] if here.root is None else [Path(page.folder).parent.parent]
    source = GrantedSource(Grants(lambda _number, _stale: page), Web(ca=here.ca_file), folders)
    _same(b"".join(source.read(0, file, 0, size)), data)
    return endpoint or page.folder.rpartition("/")[0]


def _free(free: int | None) -> str:
    return "" if free is None else f"{free / 1e9:.1f} GB"


def _same(found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise StorageError(Code.CHECKSUM_MISMATCH, "what was read back is not what was written")


def listed(storage: Storage, folder: str, most: int) -> list[Stat]:
    """The first files below a folder, by the order in which the storage tells them."""
    return list(islice(storage.files(folder), most))
