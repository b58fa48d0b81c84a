"""Datasets: make, open versions, tell files, upload, seal, read, copy, delete. In a path ``:`` stands for ``/``."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from suanlian.api.deps import MAX_LIMIT, RawBody, TheHub, may, parsed, write
from suanlian.api.listing import Listing, listed
from suanlian.model.data import MAX_FILES_PAGE, DatasetVersion, DataTransfer, NewDataset, Purpose, Replica
from suanlian.model.dataset_api import (
    AskDownload,
    AskUpload,
    AskVerify,
    DataGrant,
    Dataset,
    FilesPage,
    FilesShown,
    GrantShown,
    NewCopy,
    NewVersion,
    Pin,
)
from suanlian.model.errors import ConflictError, InvalidError
from suanlian.model.party import Caller
from suanlian.services import datasets, registering, replicas, transfers, uploads
from suanlian.services.transfers import Wanted
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["data"])
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
_Ref = Annotated[str, Path(max_length=160)]
_BIG: Final = 2**31 - 1


@router.post("/datasets")
def make(hub: TheHub, caller: Annotated[Caller, Depends(may("dataset.make"))], new: NewDataset) -> Dataset:
    """Make a dataset, without versions yet."""
    return write(hub, caller, lambda unit: datasets.make(unit, hub.node, caller, new))


@router.get("/datasets")
def list_datasets(
    hub: TheHub, caller: Annotated[Caller, Depends(may("dataset.list"))], cursor: str = "", limit: _Limit = 50
) -> Listing[Dataset]:
    """What may be read, one's own and what is public, each with its newest version."""
    with hub.reading(caller) as unit:
        return listed(datasets.list_of(unit, caller, after=cursor, limit=limit + 1), limit, lambda one: one.id)


@router.get("/datasets/{ref}")
def show(hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.read"))]) -> Dataset:
    """A dataset with its newest versions and their copies; with a number, that version alone."""
    with hub.reading(caller) as unit:
        return datasets.show(unit, caller, ref)


@router.delete("/datasets/{ref}", status_code=204)
def delete(hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.delete"))]) -> None:
    """Delete a version, or with no number the dataset with all of them."""
    write(hub, caller, lambda unit: datasets.delete(unit, caller, ref))


@router.get("/datasets/{ref}/versions")
def list_versions(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.versions"))], limit: _Limit = 50
) -> Listing[DatasetVersion]:
    """The versions of a dataset, the newest first."""
    with hub.reading(caller) as unit:
        return Listing(items=datasets.versions(unit, caller, ref, limit))


@router.post("/datasets/{ref}/versions")
def open_version(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.open"))], new: NewVersion
) -> DatasetVersion:
    """Begin a further version: its files are told, or read where they lie."""
    registered = new.register_
    try:
        folder = "" if registered is None else registered.safe_folder()
    except ValueError as error:
        raise InvalidError("path_escapes", f"{error}.", field="register.folder") from error

    def work(unit: Unit) -> DatasetVersion:
        origin = new.origin or ("uploaded" if registered is None else f"registered at {registered.storage}")
        version = datasets.open_version(unit, hub.node, caller, ref, origin)
        if registered is not None:
            registering.register(unit, version, registered.storage, folder, hub.bounds.data.levels)
        return datasets.view(unit, version["id"])

    return write(hub, caller, work)


_PAGE_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": FilesPage.model_json_schema()}}}
}


@router.post("/datasets/{ref}/files", openapi_extra=_PAGE_BODY)
def tell_files(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.tell"))], body: RawBody
) -> FilesShown:
    """Further files of an open version, sorted by path; the same page again changes nothing."""
    page = parsed(body, FilesPage)

    def work(unit: Unit) -> FilesShown:
        version = datasets.version_of(unit, caller, ref, own=True)
        return datasets.tell_files(unit, version["id"], page)

    return write(hub, caller, work)


@router.get("/datasets/{ref}/files")
def files(
    hub: TheHub,
    ref: _Ref,
    caller: Annotated[Caller, Depends(may("dataset.files"))],
    start: Annotated[int, Query(ge=0, le=_BIG)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_FILES_PAGE)] = 1000,
) -> FilesShown:
    """A page of a version's files, by path."""
    with hub.reading(caller) as unit:
        return datasets.files(unit, datasets.version_of(unit, caller, ref), start, limit)


@router.post("/datasets/{ref}/seal")
def seal(hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.seal"))]) -> DatasetVersion:
    """All was told and written: it is taken, read, compared, and the version sealed once it is whole."""
    with hub.reading(caller) as unit:
        version = datasets.version_of(unit, caller, ref, own=True)
        found = datasets.look(unit, version)

    def work(unit: Unit) -> DatasetVersion:
        uploads.seal(unit, datasets.fix(unit, version["id"], found))
        return datasets.view(unit, version["id"])

    return write(hub, caller, work)


@router.get("/datasets/{ref}/replicas")
def list_replicas(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.replicas"))]
) -> Listing[Replica]:
    """The copies of a version."""
    with hub.reading(caller) as unit:
        return Listing(items=replicas.list_of(unit, datasets.version_of(unit, caller, ref)))


@router.post("/datasets/{ref}/replicas")
def copy(hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.copy"))], new: NewCopy) -> DataTransfer:
    """Let a version come to a storage as well; asked twice, it comes once."""

    def work(unit: Unit) -> DataTransfer:
        version = datasets.version_of(unit, caller, ref, own=True, usable=True)
        wanted = Wanted(Purpose.PERSON, caller.principal_id, new.priority, new.deadline)
        row = transfers.ask_by_name(unit, version["id"], new.to, wanted, hub.bounds.data.levels)
        if row is None:
            raise ConflictError("already_done", f"{ref} is at {new.to} already.", todo="Nothing is left to do.")
        return transfers.get(unit, caller, row["id"])

    return write(hub, caller, work)


@router.delete("/datasets/{ref}/replicas/{replica}", status_code=204)
def leave(hub: TheHub, ref: _Ref, replica: str, caller: Annotated[Caller, Depends(may("dataset.leave"))]) -> None:
    """Let a copy leave; never the last one, nor one that is read."""

    def work(unit: Unit) -> None:
        version = datasets.version_of(unit, caller, ref, own=True)
        replicas.leave(unit, version["id"], replica, why="its owner wants it no more")

    write(hub, caller, work)


@router.post("/datasets/{ref}/replicas/{replica}/pin", status_code=204)
def pin(
    hub: TheHub, ref: _Ref, replica: str, caller: Annotated[Caller, Depends(may("dataset.pin"))], until: Pin
) -> None:
    """Let a copy stay at least until a moment."""

    def work(unit: Unit) -> None:
        version = datasets.version_of(unit, caller, ref, own=True)
        replicas.pin(unit, version["id"], replica, until.until)

    write(hub, caller, work)


@router.post("/datasets/{ref}/verify")
def verify(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.verify"))], which: AskVerify
) -> Listing[Replica]:
    """Let copies be read anew and compared; ``verified_at`` tells when that was done."""

    def work(unit: Unit) -> Listing[Replica]:
        version = datasets.version_of(unit, caller, ref, own=True)
        replicas.verify(unit, version["id"], which.storage)
        return Listing(items=replicas.list_of(unit, version))

    return write(hub, caller, work)


@router.post("/datasets/{ref}/uploads")
def upload(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.upload"))], ask: AskUpload
) -> DataGrant:
    """Leave to write the files of an open version; its sealed pages come one by one."""

    def work(unit: Unit) -> DataGrant:
        version = datasets.version_of(unit, caller, ref, own=True)
        levels = hub.bounds.data.levels
        return uploads.upload(unit, caller, version["id"], (ask.storage, ask.sealing_key), levels)

    return write(hub, caller, work)


@router.post("/datasets/{ref}/downloads")
def download(
    hub: TheHub, ref: _Ref, caller: Annotated[Caller, Depends(may("dataset.download"))], ask: AskDownload
) -> DataGrant:
    """Leave to read a version; its sealed pages come one by one."""

    def work(unit: Unit) -> DataGrant:
        version = datasets.version_of(unit, caller, ref, usable=True)
        return uploads.download(unit, caller, version["id"], ask.storage, ask.sealing_key)

    return write(hub, caller, work)


@router.get("/grants/{grant}")
def grant(hub: TheHub, grant: str, caller: Annotated[Caller, Depends(may("dataset.grant"))]) -> DataGrant:
    """A grant of the caller's."""
    with hub.reading(caller) as unit:
        return uploads.get(unit, caller, grant)


@router.get("/grants/{grant}/pages/{page}")
def grant_page(
    hub: TheHub,
    grant: str,
    page: Annotated[int, Path(ge=0, le=_BIG)],
    caller: Annotated[Caller, Depends(may("dataset.grant-page"))],
) -> GrantShown:
    """A sealed page of a grant; empty while it is not minted."""
    with hub.reading(caller) as unit:
        return uploads.page(unit, caller, grant, page)


@router.delete("/grants/{grant}", status_code=204)
def end_grant(hub: TheHub, grant: str, caller: Annotated[Caller, Depends(may("dataset.end-grant"))]) -> None:
    """A grant is needed no more."""
    write(hub, caller, lambda unit: uploads.end(unit, caller, grant))
