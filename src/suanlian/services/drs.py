"""Datasets read by the standard GA4GH DRS. Bytes never pass the hub: an address leads to the storage itself.

Only storage that others reach by an address of its own has one: web storage, and S3 whose owner published its prefix.
"""

import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from suanlian.model.data import ReplicaState, StorageKind, VersionState
from suanlian.model.drs import (
    MAX_CONTENTS,
    DrsAccessMethod,
    DrsAccessUrl,
    DrsChecksum,
    DrsContents,
    DrsObject,
)
from suanlian.model.errors import NotFoundError, TooLargeError
from suanlian.model.party import Caller
from suanlian.model.transfer_plan import StoragePlace
from suanlian.services.ports import Node
from suanlian.store import datasets, replicas
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

_READABLE: Final = frozenset({VersionState.SEALED.value, VersionState.LOST.value})


@dataclass(frozen=True, slots=True)
class _Named:
    version: Row
    index: int | None


def _named(unit: Unit, caller: Caller, object_id: str) -> _Named:
    """The version, and which of its files: ``VERSION`` or ``VERSION:NUMBER``. Raises NotFoundError."""
    ref, _, number = object_id.partition(":")
    version = datasets.version_seen(unit, caller, ref)
    is_number = number.isascii() and number.isdigit() and len(number) < 9  # noqa: PLR2004 - of files
    if version is None or version["state"] not in _READABLE or (number and not is_number):
        raise _absent(object_id)
    return _Named(version, int(number) if number else None)


def _absent(object_id: str) -> NotFoundError:
    todo = "GET /v1/datasets lists versions; a version's id is its object's."
    return NotFoundError("not_found", f"You may read no object {object_id[:80]!r}.", todo=todo, field="object_id")


def get(unit: Unit, node: Node, caller: Caller, object_id: str) -> DrsObject:
    """A bundle, or one of its files. Raises NotFoundError, TooLargeError where a bundle has too many files to tell."""
    named = _named(unit, caller, object_id)
    return _bundle(unit, node, named.version) if named.index is None else _blob(unit, node, named)


def _uri(node: Node, object_id: str) -> str:
    return f"drs://{urlsplit(node.url).netloc}/{quote(object_id, safe='')}"


def _bundle(unit: Unit, node: Node, version: Row) -> DrsObject:
    if version["files"] > MAX_CONTENTS:
        wrong = f"The version has {version['files']} files; {MAX_CONTENTS} are told at most."
        todo = "GET /v1/datasets/REF/files tells them by pages."
        raise TooLargeError("limit_exceeded", wrong, todo=todo, field="object_id")
    contents, sums = list[DrsContents](), list[str]()
    for number, (path, _size, sha256) in enumerate(datasets.lines(unit, version["id"], version["reading"])):
        object_id = f"{version['id']}:{number}"
        contents.append(DrsContents(name=path, id=object_id, drs_uri=(_uri(node, object_id),)))
        sums.append(sha256)
    # as the standard has it: of the checksums of the contents, sorted and joined
    whole = hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()
    return _object(node, version, version["id"], (version["bytes"], whole)).model_copy(
        update={"contents": tuple(contents), "name": f"{version['dataset']}@{version['number']}"}
    )


def _blob(unit: Unit, node: Node, named: _Named) -> DrsObject:
    index = named.index or 0
    found = next(datasets.lines(unit, named.version["id"], named.version["reading"], index), None)
    object_id = f"{named.version['id']}:{index}"
    if found is None:
        raise _absent(object_id)
    path, size, sha256 = found
    made = _object(node, named.version, object_id, (size, sha256))
    return made.model_copy(update={"name": path, "access_methods": _methods(unit, named.version, path)})


def _object(node: Node, version: Row, object_id: str, what: tuple[int, str]) -> DrsObject:
    return DrsObject(
        id=object_id,
        name="",
        self_uri=_uri(node, object_id),
        size=what[0],
        created_time=version["created_at"],
        updated_time=version["sealed_at"] or version["created_at"],
        version=str(version["number"]),
        checksums=(DrsChecksum(checksum=what[1]),),
        description=version["title"],
    )


def _methods(unit: Unit, version: Row, path: str) -> tuple[DrsAccessMethod, ...]:
    storages = Storages(unit).by_id
    found = list[DrsAccessMethod]()
    for copy in replicas.of_versions(unit, [version["id"]]):
        place = storages[copy["storage_id"]]
        url = _address(place, copy["place"], path)
        if copy["state"] == ReplicaState.WHOLE and place.reachable and url:
            region = None if place.site is None else place.site.region
            kind, address = url.partition(":")[0], DrsAccessUrl(url=url)
            found.append(DrsAccessMethod(type=kind, access_id=copy["id"], access_url=address, region=region))
    return tuple(found)


def _address(place: StoragePlace, folder: str, path: str) -> str:
    """Where a file is for others; empty where nobody reaches it by an address."""
    below = "/".join(part for part in (folder, path) if part)
    if place.share.kind is StorageKind.HTTP:
        return f"{place.share.endpoint.rstrip('/')}/{quote(below)}"
    prefix = next((one for one in place.share.prefixes if one.startswith("s3://")), "")
    return f"{prefix.rstrip('/')}/{below}" if prefix and place.share.kind is StorageKind.S3 else ""


def access(unit: Unit, node: Node, caller: Caller, object_id: str, access_id: str) -> DrsAccessUrl:
    """Where the bytes of a file are in one of its copies. Raises NotFoundError."""
    found = get(unit, node, caller, object_id)
    url = next((method.access_url for method in found.access_methods if method.access_id == access_id), None)
    if url is None:
        wrong = "No copy of it there is reached by an address."
        raise NotFoundError("not_found", wrong, todo="suanlian data get reads it from any S3 copy.", field="access_id")
    return url
