"""Datasets, their versions and files, where copies lie, how they come elsewhere, and leave to read or write them."""

import builtins
from collections.abc import Iterator
from typing import Final

from suanlian.model.data import (
    MAX_FILES_PAGE,
    CopyRule,
    DataFile,
    DatasetVersion,
    DataTransfer,
    NewDataset,
    Replica,
    TransferState,
    VersionState,
)
from suanlian.model.dataset_api import (
    AskCopyRule,
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
from suanlian.model.errors import NotFoundError
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport
from suanlian.sdk.problems import read_answer

READABLE: Final = frozenset({VersionState.SEALED, VersionState.LOST})
"""States of versions whose files are fixed."""


class Data:
    """Datasets are named as people write them: ``reads``, ``reads@2``, ``account/reads@2``; or by identifier."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # ------------------------------------------------------------ datasets and versions

    def list(self) -> Iterator[Dataset]:
        """What may be read, the newest first, each with its newest version."""
        return items(self._transport, Dataset, "/v1/datasets")

    def show(self, ref: str) -> Dataset:
        """A dataset with its newest versions and their copies; with a number that one alone. Raises NotFoundError."""
        return self._transport.read(Dataset, _path(ref))

    def version(self, ref: str) -> DatasetVersion:
        """The version that is named; without a number the newest whose files are fixed. Raises NotFoundError."""
        found = self.show(ref)
        fit = [one for one in found.versions if "@" in ref or one.state in READABLE]
        if not fit:
            wrong = f"{ref[:100]!r} has no version that is sealed."
            todo = f"See what became of it: suanlian data show {ref[:100]}"
            raise NotFoundError("not_found", wrong, todo=todo, field="dataset")
        return fit[0]

    def versions(self, ref: str) -> Iterator[DatasetVersion]:
        """The newest versions of a dataset, the newest first."""
        return items(self._transport, DatasetVersion, f"{_path(ref)}/versions")

    def make(self, new: NewDataset) -> Dataset:
        """Make a dataset without versions. Raises ConflictError ``duplicate_name``."""
        return self._transport.create(Dataset, "/v1/datasets", new)

    def delete(self, ref: str) -> None:
        """Delete a version, or without a number all of them. Raises ConflictError ``dataset_in_use``."""
        self._transport.send(Call("DELETE", _path(ref)))

    def open(self, ref: str, new: NewVersion | None = None) -> DatasetVersion:
        """Begin a further version, whose files are told, or read where ``new.register_`` says."""
        body = (new or NewVersion()).model_dump_json(exclude_none=True, by_alias=True).encode()
        call = Call("POST", f"{_path(ref)}/versions", content=body, creates=True)
        return read_answer(DatasetVersion, self._transport.send(call).content)

    def tell(self, ref: str, page: FilesPage) -> FilesShown:
        """Tell further files of an open version; the same page again changes nothing."""
        return self._transport.act(FilesShown, f"{_path(ref)}/files", page.model_dump_json().encode())

    def files(self, ref: str, start: int = 0) -> Iterator[DataFile]:
        """The files of a version in the order of their paths; a page is fetched when it is needed."""
        following: int | None = start
        while following is not None:
            asked = {"start": following, "limit": MAX_FILES_PAGE}
            page = self._transport.read(FilesShown, f"{_path(ref)}/files", asked)
            yield from page.files
            following = page.next if page.next is None or page.next > following else None

    def seal(self, ref: str) -> DatasetVersion:
        """All was told and written: its storage takes it, reads it and compares. Raises ConflictError."""
        return self._transport.act(DatasetVersion, f"{_path(ref)}/seal")

    # ------------------------------------------------------------ copies

    def replicas(self, ref: str) -> Iterator[Replica]:
        """The copies of a version."""
        return items(self._transport, Replica, f"{_path(ref)}/replicas")

    def copy(self, ref: str, new: NewCopy) -> DataTransfer:
        """Let a version come to a storage as well. Raises ConflictError ``already_done``, ``no_way`` and others."""
        content = new.model_dump_json(exclude_none=True).encode()
        return self._transport.act(DataTransfer, f"{_path(ref)}/replicas", content)

    def leave(self, ref: str, replica: str) -> None:
        """Let a copy leave. Raises ConflictError ``last_copy``, ``dataset_in_use``."""
        self._transport.send(Call("DELETE", f"{_path(ref)}/replicas/{part(replica)}"))

    def pin(self, ref: str, replica: str, until: Pin) -> None:
        """Let a copy stay at least until then."""
        content = until.model_dump_json().encode()
        self._transport.send(Call("POST", f"{_path(ref)}/replicas/{part(replica)}/pin", content=content))

    def verify(self, ref: str, storage: str | None = None) -> builtins.list[Replica]:
        """Let all copies be read anew, or the one there; ``verified_at`` tells when that was done."""
        content = AskVerify(storage=storage).model_dump_json(exclude_none=True).encode()
        self._transport.send(Call("POST", f"{_path(ref)}/verify", content=content))
        return builtins.list(self.replicas(ref))

    # ------------------------------------------------------------ leave to read and write

    def upload(self, ref: str, ask: AskUpload) -> DataGrant:
        """Leave to write the files of an open version; again, it is renewed. Raises ConflictError."""
        return self._transport.act(DataGrant, f"{_path(ref)}/uploads", ask.model_dump_json().encode())

    def download(self, ref: str, ask: AskDownload) -> DataGrant:
        """Leave to read a version. Raises ConflictError ``storage_unfit``, ``state_conflict``."""
        content = ask.model_dump_json(exclude_none=True).encode()
        return self._transport.act(DataGrant, f"{_path(ref)}/downloads", content, repeatable=False)

    def grant(self, grant: str) -> DataGrant:
        """One's own grant as it is now."""
        return self._transport.read(DataGrant, f"/v1/grants/{part(grant)}")

    def grant_page(self, grant: str, page: int) -> GrantShown:
        """A sealed page of it; empty while it is not minted."""
        return self._transport.read(GrantShown, f"/v1/grants/{part(grant)}/pages/{page}")

    def end_grant(self, grant: str) -> None:
        """It is needed no more."""
        self._transport.send(Call("DELETE", f"/v1/grants/{part(grant)}"))

    # ------------------------------------------------------------ transfers and rules

    def transfers(self, state: TransferState | None = None) -> Iterator[DataTransfer]:
        """Transfers, the newest first."""
        return items(self._transport, DataTransfer, "/v1/transfers", {"state": state})

    def transfer(self, ref: str) -> DataTransfer:
        """One transfer. Raises NotFoundError."""
        return self._transport.read(DataTransfer, f"/v1/transfers/{part(ref)}")

    def cancel(self, ref: str) -> DataTransfer:
        """One wants it no more; it ends where nobody else does."""
        return self._transport.act(DataTransfer, f"/v1/transfers/{part(ref)}/cancel")

    def retry(self, ref: str) -> DataTransfer:
        """Begin anew what failed; what waits for its next try is tried at once."""
        return self._transport.act(DataTransfer, f"/v1/transfers/{part(ref)}/retry")

    def keep(self, ask: AskCopyRule) -> CopyRule:
        """Keep copies from now on."""
        return self._transport.create(CopyRule, "/v1/copy-rules", ask)

    def rules(self) -> Iterator[CopyRule]:
        """Rules for copies, the newest first, and how far each holds."""
        return items(self._transport, CopyRule, "/v1/copy-rules")

    def end_rule(self, ref: str) -> None:
        """A rule holds no more; the copies that it made may leave."""
        self._transport.send(Call("DELETE", f"/v1/copy-rules/{part(ref)}"))


def _path(ref: str) -> str:
    return f"/v1/datasets/{part(ref.replace('/', ':'))}"
