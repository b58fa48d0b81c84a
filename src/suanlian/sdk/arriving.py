"""When is a version, or a copy, there? Asked again and again, ever less often, until it is or never will be."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from suanlian.model.data import (
    TRANSFER_ENDED,
    DatasetVersion,
    DataTransfer,
    Replica,
    ReplicaState,
    TransferState,
    VersionState,
)
from suanlian.model.errors import ConflictError
from suanlian.sdk.data import Data

_POLL_FIRST_S: Final = 0.1
_POLL_MOST_S: Final = 3.0
_POLL_GROWTH: Final = 1.5
_COMES: Final = frozenset({ReplicaState.COMING, ReplicaState.WHOLE})


def _turns() -> Iterator[None]:
    pause = _POLL_FIRST_S
    while True:
        yield
        time.sleep(pause)
        pause = min(_POLL_MOST_S, pause * _POLL_GROWTH)


def sealed(data: Data, ref: str, on_answer: Callable[[DatasetVersion], None] = lambda _v: None) -> DatasetVersion:
    """The version once it is sealed. Raises ConflictError ``state_conflict`` where nothing makes it so any more."""
    for _turn in _turns():
        version = data.version(ref)
        on_answer(version)
        if version.state is VersionState.SEALED:
            return version
        comes = any(copy.state in _COMES for copy in version.replicas)
        if version.state is not VersionState.OPEN or (version.reason and not comes):
            raise ConflictError(
                "state_conflict",
                f"{ref} is {version.state} and does not become whole: {version.reason or 'it was deleted'}.",
                todo="Mend that, then give the command again; or delete the version: suanlian data rm NAME@N",
                field="dataset",
            )
    raise AssertionError("there is always another turn")  # pragma: no cover


def arrived(data: Data, transfer: str, on_answer: Callable[[DataTransfer], None] = lambda _t: None) -> DataTransfer:
    """The transfer once it is done. Raises ConflictError ``state_conflict`` where it failed or was canceled."""
    for _turn in _turns():
        seen = data.transfer(transfer)
        on_answer(seen)
        if seen.state is TransferState.DONE:
            return seen
        if seen.state in TRANSFER_ENDED:
            why = " ".join(filter(None, (seen.code, seen.reason and f"({seen.reason})"))) or "nobody wants it any more"
            raise ConflictError(
                "state_conflict",
                f"Bringing {seen.dataset} to {seen.target} is {seen.state}: {why}.",
                todo=f"Begin anew: suanlian data transfer retry {seen.id}",
                field="transfer",
            )
    raise AssertionError("there is always another turn")  # pragma: no cover


def verified(data: Data, ref: str, since: datetime, storage: str | None = None) -> list[Replica]:
    """The copies that were asked for once each was read since then, or was found broken."""
    for _turn in _turns():
        copies = [copy for copy in data.replicas(ref) if storage in (None, copy.storage)]
        read = [copy for copy in copies if copy.state is not ReplicaState.COMING]
        if all(
            copy.state is ReplicaState.BROKEN or (copy.verified_at is not None and copy.verified_at >= since)
            for copy in read
        ):
            return read
    raise AssertionError("there is always another turn")  # pragma: no cover
