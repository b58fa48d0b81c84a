"""Transfers and rules for copies: look, cancel, try again; make and end a rule."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from suanlian.api.deps import MAX_LIMIT, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.data import CopyRule, DataTransfer, TransferState
from suanlian.model.dataset_api import AskCopyRule
from suanlian.model.party import Caller
from suanlian.services import copyrules, datasets, transfers
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["data"])
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


@router.get("/transfers")
def list_transfers(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("dataset.transfers"))],
    state: TransferState | None = None,
    cursor: str = "",
    limit: _Limit = 50,
) -> Listing[DataTransfer]:
    """Transfers, newest first."""
    with hub.reading(caller) as unit:
        found = transfers.list_of(unit, caller, after=cursor, limit=limit + 1, state=state)
        return listed(found, limit, lambda one: one.id)


@router.get("/transfers/{ref}")
def transfer(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("dataset.transfer"))]) -> DataTransfer:
    """One transfer."""
    with hub.reading(caller) as unit:
        return transfers.get(unit, caller, ref)


@router.post("/transfers/{ref}/cancel")
def cancel(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("dataset.cancel"))]) -> DataTransfer:
    """The caller wants it no more."""
    return write(hub, caller, lambda unit: transfers.cancel(unit, caller, ref))


@router.post("/transfers/{ref}/retry")
def retry(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("dataset.retry"))]) -> DataTransfer:
    """Begin anew what failed; what waits for its next try is tried at once."""
    levels = hub.bounds.data.levels
    return write(hub, caller, lambda unit: transfers.retry(unit, caller, ref, levels))


@router.post("/copy-rules")
def make_rule(hub: TheHub, caller: Annotated[Caller, Depends(may("dataset.rule"))], ask: AskCopyRule) -> CopyRule:
    """Keep copies of a dataset from now on."""

    def work(unit: Unit) -> CopyRule:
        dataset = datasets.own_dataset(unit, caller, ask.dataset)
        version_id = None
        if datasets.split(ask.dataset)[2] is not None:
            version_id = datasets.version_of(unit, caller, ask.dataset, own=True)["id"]
        return copyrules.make(unit, caller, dataset, version_id, ask.rule)

    return write(hub, caller, work)


@router.get("/copy-rules")
def list_rules(
    hub: TheHub, caller: Annotated[Caller, Depends(may("dataset.rules"))], cursor: str = "", limit: _Limit = 50
) -> Listing[CopyRule]:
    """Rules, newest first, and how far each holds."""
    with hub.reading(caller) as unit:
        return listed(copyrules.list_of(unit, caller, after=cursor, limit=limit + 1), limit, lambda one: one.id)


@router.delete("/copy-rules/{ref}", status_code=204)
def end_rule(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("dataset.end-rule"))]) -> None:
    """A rule holds no more."""
    write(hub, caller, lambda unit: copyrules.end(unit, caller, ref))
