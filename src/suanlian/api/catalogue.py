"""What can be had: sites, flavors, shares, offers, and how much is free."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from suanlian.api.deps import Hub, TheHub, may
from suanlian.api.listing import Listing
from suanlian.model.data import StorageShare
from suanlian.model.load import ShareState, Utilisation
from suanlian.model.offer import NewOffer
from suanlian.model.party import Caller
from suanlian.model.platform import Flavor, Share, Site
from suanlian.model.version import Published, Subject
from suanlian.services import catalogue, platforms, states

router = APIRouter(prefix="/v1", tags=["catalogue"])


def _listed(hub: Hub, caller: Caller, subject: Subject, platform: str | None) -> Listing[Any]:
    with hub.reading(caller) as unit:
        platform_id = None if platform is None else platforms.find(unit, platform)["id"]
        return Listing(items=catalogue.list_published(unit, subject, platform_id=platform_id))


@router.get("/sites")
def sites(
    hub: TheHub, caller: Annotated[Caller, Depends(may("site.list"))], platform: str | None = None
) -> Listing[Published[Site]]:
    """Sites, in the versions that are valid now."""
    return _listed(hub, caller, Subject.SITE, platform)


@router.get("/flavors")
def flavors(
    hub: TheHub, caller: Annotated[Caller, Depends(may("flavor.list"))], platform: str | None = None
) -> Listing[Published[Flavor]]:
    """Flavors, in the versions that are valid now."""
    return _listed(hub, caller, Subject.FLAVOR, platform)


@router.get("/shares")
def shares(
    hub: TheHub, caller: Annotated[Caller, Depends(may("share.list"))], platform: str | None = None
) -> Listing[Published[Share]]:
    """Shares, in the versions that are valid now."""
    return _listed(hub, caller, Subject.SHARE, platform)


@router.get("/offers")
def offers(
    hub: TheHub, caller: Annotated[Caller, Depends(may("offer.list"))], platform: str | None = None
) -> Listing[Published[NewOffer]]:
    """Offers, in the versions that are valid now."""
    return _listed(hub, caller, Subject.OFFER, platform)


@router.get("/storages")
def storages(
    hub: TheHub, caller: Annotated[Caller, Depends(may("storage.list"))], platform: str | None = None
) -> Listing[Published[StorageShare]]:
    """Storage, in the versions that are valid now."""
    return _listed(hub, caller, Subject.STORAGE, platform)


class States(Listing[ShareState]):
    """The states of shares, and how much is in use over all that are fresh."""

    utilisation: Utilisation


@router.get("/states")
def share_states(
    hub: TheHub, caller: Annotated[Caller, Depends(may("state.list"))], platform: str | None = None
) -> States:
    """How full each share is, whoever uses it, and how old that is; told by platforms, of whatever level."""
    with hub.reading(caller) as unit:
        platform_id = None if platform is None else platforms.find(unit, platform)["id"]
        found = states.list_all(unit, caller, platform_id=platform_id)
    return States(items=found, utilisation=states.in_use(found))


@router.get("/capacity")
def capacity(hub: TheHub, caller: Annotated[Caller, Depends(may("capacity.read"))]) -> Listing[dict[str, Any]]:
    """What each share has, and what is held of it now."""
    with hub.reading(caller) as unit:
        return Listing[dict[str, Any]](items=catalogue.capacity_table(unit))
