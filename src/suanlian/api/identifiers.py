"""Identifiers: what they name, their descriptors, status and history; what operators and owners do with them."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query

from suanlian.api.deps import MAX_LIMIT, May, TheHub, may, who_may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import NAME_PATTERN
from suanlian.model.descriptor import (
    Act,
    DescriptorEntry,
    Dossier,
    Duplicate,
    HistoryEntry,
    Move,
    NewTransfer,
    Reason,
    SignedStatus,
    Transfer,
)
from suanlian.model.lineage import NodeKeys
from suanlian.model.node import Resolution
from suanlian.model.party import Caller
from suanlian.services import descriptors, identifiers, lineage, registry
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["identifiers"])
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Part = Annotated[str | None, Query(pattern=NAME_PATTERN)]
MAX_VERSION: Final = 2**31 - 1
MAX_CURSOR: Final = 2**63 - 1


@router.get("/node/keys", dependencies=[Depends(May("node.keys"))])
def keys(hub: TheHub) -> NodeKeys:
    """The hub's key, every change of it, and what leads to it from the root's: each document proves itself."""
    with hub.reading() as unit:
        return lineage.node_keys(unit, hub.node)


@router.get("/identifiers/{identifier}")
def resolve(
    hub: TheHub, identifier: str, caller: Annotated[Caller | None, Depends(May("identifier.resolve"))]
) -> Resolution:
    """What an identifier names, or which hub to ask next. Jobs are told only to who may see them."""
    with hub.reading(caller) as unit:
        return identifiers.resolve(unit, hub.node, who_may(caller, "identifier.resolve-job"), identifier)


@router.get("/identifiers/{identifier}/status", dependencies=[Depends(May("identifier.status"))])
def status(hub: TheHub, identifier: str) -> SignedStatus:
    """What holds of a platform's identifier now, signed by the hub for a few minutes."""
    with hub.reading() as unit:
        return descriptors.status(unit, hub.node, identifier)


@router.get("/identifiers/{identifier}/descriptors", dependencies=[Depends(May("identifier.descriptors"))])
def versions(
    hub: TheHub, identifier: str, part: Part = None, cursor: str = "", limit: Limit = 50
) -> Listing[DescriptorEntry]:
    """Every version that is kept."""
    with hub.reading() as unit:
        found = descriptors.versions(unit, identifier, part=part, after=cursor, limit=limit + 1)
        return listed(found, limit, lambda entry: f"{entry.part}:{entry.version}")


@router.get("/identifiers/{identifier}/descriptor", dependencies=[Depends(May("identifier.descriptor"))])
def newest(hub: TheHub, identifier: str, part: Part = None) -> Dossier:
    """The newest descriptor with all that proves it."""
    with hub.reading() as unit:
        return descriptors.dossier(unit, hub.node, identifier, (part, None), lineage.chain(unit))


@router.get("/identifiers/{identifier}/descriptors/{version}", dependencies=[Depends(May("identifier.version"))])
def one_version(
    hub: TheHub, identifier: str, version: Annotated[int, Path(ge=1, le=MAX_VERSION)], part: Part = None
) -> Dossier:
    """One version with all that proves it."""
    with hub.reading() as unit:
        return descriptors.dossier(unit, hub.node, identifier, (part, version), lineage.chain(unit))


@router.get("/identifiers/{identifier}/history")
def history(
    hub: TheHub,
    identifier: str,
    caller: Annotated[Caller | None, Depends(May("identifier.history"))],
    cursor: Annotated[int, Query(ge=0, le=MAX_CURSOR)] = 0,
    limit: Limit = 50,
) -> Listing[HistoryEntry]:
    """What happened to an identifier."""
    with hub.reading(caller) as unit:
        platform = descriptors.platform_of(unit, identifier)
        inside = who_may(caller, "identifier.history-why")
        found = registry.history(unit, inside, platform, after=cursor, limit=limit + 1)
        return listed(found, limit, lambda entry: str(entry.number))


def _act(hub: TheHub, caller: Caller, identifier: str, what: Act, reason: Reason) -> SignedStatus:
    def work(unit: Unit) -> SignedStatus:
        registry.act(unit, caller, descriptors.platform_of(unit, identifier), what, reason)
        return descriptors.status(unit, hub.node, identifier)

    return write(hub, caller, work)


@router.post("/identifiers/{identifier}/freeze")
def freeze(
    hub: TheHub, identifier: str, body: Reason, caller: Annotated[Caller, Depends(may("identifier.freeze"))]
) -> SignedStatus:
    """From now on no descriptor is taken for it, and whoever asks is told that it is frozen."""
    return _act(hub, caller, identifier, Act.FROZEN, body)


@router.post("/identifiers/{identifier}/thaw")
def thaw(
    hub: TheHub, identifier: str, body: Reason, caller: Annotated[Caller, Depends(may("identifier.thaw"))]
) -> SignedStatus:
    """End a freeze: another operator than the one who froze it."""
    return _act(hub, caller, identifier, Act.THAWED, body)


@router.post("/identifiers/{identifier}/revoke")
def revoke(
    hub: TheHub, identifier: str, body: Reason, caller: Annotated[Caller, Depends(may("identifier.revoke"))]
) -> SignedStatus:
    """Revoke a frozen identifier for good: another operator than the one who froze it."""
    return _act(hub, caller, identifier, Act.REVOKED, body)


@router.post("/identifiers/{identifier}/move")
def move(
    hub: TheHub, identifier: str, body: Move, caller: Annotated[Caller, Depends(may("identifier.move"))]
) -> SignedStatus:
    """The thing is known under another identifier from now on, here or at another hub."""
    return _act(hub, caller, identifier, Act.MOVED, body)


@router.post("/identifiers/{identifier}/transfers")
def propose(
    hub: TheHub, identifier: str, body: NewTransfer, caller: Annotated[Caller, Depends(may("transfer.propose"))]
) -> Transfer:
    """Propose that a platform with its identifier goes to another entity."""

    def work(unit: Unit) -> Transfer:
        platform = descriptors.platform_of(unit, identifier)
        return registry.propose_transfer(unit, caller, platform, body.to, body.why)

    return write(hub, caller, work)


@router.get("/identifiers/{identifier}/transfers")
def list_transfers(
    hub: TheHub, identifier: str, caller: Annotated[Caller, Depends(may("transfer.list"))]
) -> Listing[Transfer]:
    """The transfers that the caller has to do with."""
    with hub.reading(caller) as unit:
        platform = descriptors.platform_of(unit, identifier)
        return Listing[Transfer](items=registry.transfers(unit, caller, platform))


@router.post("/transfers/{transfer}/second")
def second(hub: TheHub, transfer: str, caller: Annotated[Caller, Depends(may("transfer.second"))]) -> Transfer:
    """Another operator agrees."""
    return write(hub, caller, lambda unit: registry.second_transfer(unit, caller, transfer))


@router.post("/transfers/{transfer}/accept")
def accept(hub: TheHub, transfer: str, caller: Annotated[Caller, Depends(may("transfer.accept"))]) -> Transfer:
    """The new owner accepts."""
    return write(hub, caller, lambda unit: registry.accept_transfer(unit, caller, transfer))


@router.post("/transfers/{transfer}/decline")
def decline(hub: TheHub, transfer: str, caller: Annotated[Caller, Depends(may("transfer.decline"))]) -> Transfer:
    """An operator, the old or the new owner ends it."""
    return write(hub, caller, lambda unit: registry.decline_transfer(unit, caller, transfer))


@router.get("/duplicates")
def duplicates(
    hub: TheHub, caller: Annotated[Caller, Depends(may("identifier.duplicates"))], limit: Limit = 50
) -> Listing[Duplicate]:
    """What stands under several identifiers."""
    with hub.reading(caller) as unit:
        return Listing[Duplicate](items=registry.duplicates(unit, limit))
