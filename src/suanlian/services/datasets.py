"""Datasets as people deal with them: make one, open versions, tell files, look, delete; and what ends by itself."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from suanlian.model.data import (
    MAX_FILES_PAGE,
    DataFile,
    DatasetVersion,
    NewDataset,
    VersionState,
)
from suanlian.model.dataset_api import Dataset, FilesPage, FilesShown
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import Kind, new_id, public_id
from suanlian.model.party import Caller
from suanlian.rules.data.manifest import Manifest
from suanlian.rules.data.states import version_moves
from suanlian.services.ports import Node
from suanlian.store import copyrules, datasets, replicas, storage_tasks, transfers
from suanlian.store.storages import refs_of
from suanlian.store.unit import Row, Unit

MOST_DATASETS: Final = 10_000
MOST_VERSIONS: Final = 100_000
"""An account has at most so many that are not deleted."""
ABANDONED: Final = timedelta(days=7)
"""A version that was opened so long ago and never sealed is deleted."""
_OF_A_VERSION: Final = (
    *("id", "public_id", "account", "dataset", "number", "state", "title", "files", "bytes", "digest", "level"),
    *("public", "expires_at", "created_at", "sealed_at", "origin", "reason"),
)
_OF_A_DATASET: Final = (
    *("id", "public_id", "account", "name", "title", "level", "public", "expires_at", "created_at"),
)


def make(unit: Unit, node: Node, caller: Caller, new: NewDataset) -> Dataset:
    """Make a dataset without versions. Raises ConflictError ``duplicate_name``, ``quota_exceeded``."""
    datasets.lock_account(unit, caller.account_id)
    before = datasets.named(unit, caller.account_id, new.name)
    if before is not None and before["deleted_at"] is None:
        todo = "Open a further version of it, or choose another name."
        raise ConflictError("duplicate_name", f"You have a dataset {new.name!r}.", todo=todo, field="name")
    said = {"title": new.title, "level": int(new.level), "residency": json.dumps(new.residency), "public": new.public}
    said |= {"expires_at": new.expires_at}
    if before is not None:  # its numbers go on
        datasets.change(unit, before["id"], {**said, "deleted_at": None, "created_at": unit.now})
        dataset_id = before["id"]
    else:
        _check_count(datasets.count_datasets(unit, caller.account_id), MOST_DATASETS, "datasets")
        dataset_id = new_id()
        own = {"account_id": caller.account_id, "entity_id": caller.entity_id, "created_by": caller.principal_id}
        named = {"id": dataset_id, "public_id": public_id(node.prefix, Kind.DATASET, dataset_id), "name": new.name}
        datasets.add(unit, {**named, **own, **said, "created_at": unit.now, "deleted_at": None, "versions": 0})
    unit.record(EventType.DATASET_MADE, dataset_id, account_id=caller.account_id, level=int(new.level))
    return _dataset(unit, own_dataset(unit, caller, dataset_id), ())


def _check_count(count: int, most: int, what: str) -> None:
    if count >= most:
        wrong = f"An account has at most {most} {what}."
        raise ConflictError("quota_exceeded", wrong, todo="Delete some first.", field="name")


def split(ref: str) -> tuple[str, str, int | None]:
    """Account (empty: one's own), name and number (None: none said) of ``[account/]name[@number]``, : for /."""
    account, _, rest = ref.replace(":", "/", 1).rpartition("/")
    name, _, number = rest.partition("@")
    return account, name, int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None  # noqa: PLR2004


def find(unit: Unit, caller: Caller, ref: str) -> Row:
    """A dataset that the caller may read. Raises NotFoundError."""
    account, name, _number = split(ref)
    row = datasets.find(unit, caller, name, account)
    if row is None:
        todo = "suanlian data ls lists what you may read."
        raise NotFoundError("not_found", f"You may read no dataset {ref[:100]!r}.", todo=todo, field="dataset")
    return row


def own_dataset(unit: Unit, caller: Caller, ref: str) -> Row:
    """A dataset of the caller's own account. Raises NotFoundError."""
    row = find(unit, caller, ref)
    if row["account_id"] != caller.account_id:
        raise NotFoundError("not_found", f"You have no dataset {ref[:100]!r}.", field="dataset")
    return row


def version_of(unit: Unit, caller: Caller, ref: str, *, own: bool = False, usable: bool = False) -> Row:
    """The version that is named, or the newest one; by UUID or identifier too. Raises NotFoundError.

    ``own``: of the caller's account. ``usable``: sealed, or lost.
    """
    row = datasets.version_seen(unit, caller, ref)
    if row is None:
        dataset = find(unit, caller, ref)
        number = split(ref)[2]
        found = datasets.versions_of(unit, [dataset["id"]], number=number, limit=50)
        fit = [one for one in found if not usable or one["state"] != VersionState.OPEN]
        if not fit:
            wrong = f"{ref[:100]!r} has no version{'' if number is None else f' {number}'} that is there."
            raise NotFoundError("not_found", wrong, todo="suanlian data ls lists its versions.", field="dataset")
        row = fit[0]
    if own and row["account_id"] != caller.account_id:
        raise NotFoundError("not_found", f"You have no dataset {ref[:100]!r}.", field="dataset")
    return row


def open_version(unit: Unit, node: Node, caller: Caller, ref: str, origin: str = "") -> Row:
    """Begin a further version of one's own dataset; nobody reads it yet. Raises ConflictError ``quota_exceeded``."""
    dataset = own_dataset(unit, caller, ref)
    _check_count(datasets.count(unit, caller.account_id), MOST_VERSIONS, "versions")
    return add_version(unit, node, dataset["id"], origin)


def add_version(unit: Unit, node: Node, dataset_id: str, origin: str) -> Row:
    """The next version of a dataset, as its level and residency are now; locked."""
    found = datasets.by_id(unit, dataset_id)
    dataset = None if found is None else datasets.named(unit, found["account_id"], found["name"])
    if dataset is None:
        raise NotFoundError("not_found", "The dataset is not there any more.", field="dataset")
    version_id = new_id()
    same = ("account_id", "level", "residency", "public", "expires_at")
    row = {name: dataset[name] for name in same} | {"id": version_id, "dataset_id": dataset_id, "origin": origin[:200]}
    row |= {"public_id": public_id(node.prefix, Kind.DATASET, version_id), "number": dataset["versions"] + 1}
    row |= {"state": VersionState.OPEN.value, "files": 0, "bytes": 0, "largest": 0, "digest": None, "reading": 0}
    row |= {"created_at": unit.now, "sealed_at": None, "deleted_at": None, "reason": ""}
    datasets.add_version(unit, row)
    said = {"dataset": dataset_id, "number": row["number"]}
    unit.record(EventType.VERSION_OPENED, version_id, account_id=row["account_id"], **said)
    made = datasets.lock(unit, version_id)
    return row if made is None else made


def tell_files(unit: Unit, version_id: str, page: FilesPage) -> FilesShown:
    """Further files of an open version; a page that was told before changes nothing.

    Raises ConflictError ``state_conflict`` once all were told, InvalidError ``manifest_invalid``.
    """
    version = _open(unit, version_id)
    wrong = datasets.put_page(unit, version_id, version["reading"], page.start, page.files)
    if wrong:
        todo = "Tell the pages one after the other, sorted by path."
        raise InvalidError("manifest_invalid", f"{wrong}."[:400], todo=todo, field="files")
    files, size, largest, _last = datasets.told(unit, version_id, version["reading"])
    datasets.change_version(unit, version_id, {"files": files, "bytes": size, "largest": largest})
    unit.record(EventType.VERSION_FILES, version_id, account_id=version["account_id"], files=files, bytes=size)
    return FilesShown(start=page.start, next=files)


def _open(unit: Unit, version_id: str) -> Row:
    """An open version whose files are not fixed, locked. Raises ConflictError."""
    version = datasets.lock(unit, version_id)
    if version is None or version["state"] != VersionState.OPEN or version["digest"] is not None:
        state = "gone" if version is None else "sealed, or about to be"
        todo = "Open a further version: suanlian data put."
        raise ConflictError("state_conflict", f"The version is {state}: its files are fixed.", todo=todo)
    return version


def files(unit: Unit, version: Row, start: int, limit: int) -> FilesShown:
    """A page of a version's files, in the order of paths."""
    found = list[DataFile]()
    for path, size, sha256 in datasets.lines(unit, version["id"], version["reading"], start):
        if len(found) == min(limit, MAX_FILES_PAGE):
            return FilesShown(start=start, files=tuple(found), next=start + len(found))
        found.append(DataFile(path=path, size=size, sha256=sha256))
    return FilesShown(start=start, files=tuple(found))


def look(unit: Unit, version: Row) -> Manifest:
    """Read all that was told of a version, in a unit that only reads. Raises InvalidError ``manifest_invalid``."""
    found = Manifest()
    found.take(datasets.lines(unit, version["id"], version["reading"]))
    if found.wrong or not found.files:
        wrong = found.wrong or "No file was told"
        raise InvalidError(
            "manifest_invalid", f"{wrong}."[:400], todo="Mend the list, in a new version.", field="files"
        )
    return found


def fix(unit: Unit, version_id: str, found: Manifest) -> Row:
    """From now on its files are these, as ``look`` read them; the version, locked. Again, it changes nothing."""
    version = datasets.lock(unit, version_id)
    if version is not None and version["state"] == VersionState.OPEN and version["digest"] == found.digest:
        return version
    version = _open(unit, version_id)
    told = datasets.told(unit, version_id, version["reading"])[:2]
    if told != (found.files, found.bytes):
        raise ConflictError("state_conflict", "Further files were told meanwhile.", todo="Seal it again.")
    values = {"files": found.files, "bytes": found.bytes, "largest": found.largest, "digest": found.digest}
    datasets.change_version(unit, version_id, values)
    return {**version, **values}


def delete(unit: Unit, caller: Caller, ref: str) -> None:
    """Delete one's own version, or with no number the dataset with all of them. Raises ConflictError as below."""
    dataset = own_dataset(unit, caller, ref)
    number = split(ref)[2]
    found = datasets.versions_of(unit, [dataset["id"]], number=number, limit=MOST_VERSIONS)
    if number is not None and not found:
        raise NotFoundError("not_found", f"{dataset['name']!r} has no version {number}.", field="dataset")
    for row in sorted(found, key=lambda one: str(one["id"])):
        delete_version(unit, row["id"])
    if number is None:
        datasets.change(unit, dataset["id"], {"deleted_at": unit.now})
        unit.record(EventType.DATASET_DELETED, dataset["id"], account_id=caller.account_id)


def delete_version(unit: Unit, version_id: str, *, why: str = "") -> None:
    """Delete a version: nobody reads it from now on, what brings it is given up, its copies leave one by one.

    Raises ConflictError ``dataset_in_use``, naming the jobs that have not ended and name it.
    """
    version = datasets.lock(unit, version_id)
    if version is None or not version_moves(VersionState(version["state"]), VersionState.DELETED):
        return
    jobs = datasets.named_by(unit, version_id)
    copies = replicas.lock_of(unit, version_id)
    read = replicas.used(unit, copies, [replicas.ATTEMPT])
    if jobs or read:
        names = ", ".join(jobs) or "running attempts"
        wrong = f"{version['dataset']}@{version['number']} is named by {names}."
        raise ConflictError("dataset_in_use", wrong, todo="Wait until they have ended, or cancel them.")
    datasets.change_version(unit, version_id, {"state": "deleted", "deleted_at": unit.now, "reason": why})
    for row in transfers.open_of(unit, version_id):
        transfers.unwant_all(unit, row["id"])
    copyrules.end_all(unit, version_id)
    for task in storage_tasks.open_of(unit, version_id=version_id):
        if task["transfer_id"] is None and task["kind"] != "delete":
            storage_tasks.end(unit, task)
            replicas.unuse(unit, replicas.GRANT, task["id"])
    said = {"before": version["state"], "after": VersionState.DELETED.value, **({"why": why} if why else {})}
    unit.record(EventType.VERSION_DELETED, version_id, account_id=version["account_id"], **said)


def due(unit: Unit, limit: int) -> Sequence[str]:
    """Versions that are to be deleted by themselves: their time is over, or they were begun and forgotten."""
    return datasets.over(unit, unit.now - ABANDONED, limit)


def expire(unit: Unit, version_id: str) -> bool:
    """Delete a version whose time is over; not while a job names it."""
    try:
        delete_version(unit, version_id, why="its time is over")
    except ConflictError:
        return False
    return True


def forget_files(unit: Unit, limit: int) -> bool:
    """The files of deleted versions of which no copy is left are forgotten; whether any were."""
    found = datasets.deleted_with_files(unit, limit)
    for version_id in found:
        datasets.drop_pages(unit, version_id)
    return bool(found)


def show(unit: Unit, caller: Caller, ref: str) -> Dataset:
    """A dataset with its newest versions, or with the one that is named."""
    dataset = find(unit, caller, ref)
    found = datasets.versions_of(unit, [dataset["id"]], number=split(ref)[2])
    return _dataset(unit, dataset, views(unit, found))


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> list[Dataset]:
    """What the caller may read, the newest first, each with its newest version."""
    found = datasets.list_of(unit, caller, after=after, limit=limit)
    newest = [version for row in found for version in datasets.versions_of(unit, [row["id"]], limit=1)]
    told = {row["dataset_id"]: value for row, value in zip(newest, views(unit, newest), strict=True)}
    return [_dataset(unit, row, (told[row["id"]],) if row["id"] in told else ()) for row in found]


def versions(unit: Unit, caller: Caller, ref: str, limit: int) -> list[DatasetVersion]:
    """The versions of a dataset, the newest first."""
    return list(views(unit, datasets.versions_of(unit, [find(unit, caller, ref)["id"]], limit=limit)))


def views(unit: Unit, rows: Sequence[Row]) -> tuple[DatasetVersion, ...]:
    """Versions as they are told, with their copies."""
    copies = replicas.of_versions(unit, [row["id"] for row in rows]) if rows else ()
    refs = refs_of(unit, {copy["storage_id"] for copy in copies})
    there = replicas.values_of(unit, copies, refs)
    return tuple(
        DatasetVersion.model_validate(
            {name: row[name] for name in _OF_A_VERSION}
            | {"residency": json.loads(row["residency"]), "replicas": there.get(row["id"], ())}
        )
        for row in rows
    )


def view(unit: Unit, version_id: str) -> DatasetVersion:
    """One version as it is told now."""
    row = datasets.version(unit, version_id)
    if row is None:
        raise NotFoundError("not_found", "The version is not there any more.")
    return views(unit, [row])[0]


def _dataset(_unit: Unit, row: Row, told: tuple[DatasetVersion, ...]) -> Dataset:
    own = {name: row[name] for name in _OF_A_DATASET}
    return Dataset.model_validate({**own, "residency": json.loads(row["residency"]), "versions": told})
