"""What does an identifier of another hub name? Asked on behalf of who calls, kept, and told with its age."""

from typing import Annotated

from fastapi import APIRouter, Depends

from suanlian.api.deps import Hub, TheHub, may, who_may
from suanlian.model.errors import NotFoundError, SuanlianError, UnavailableError
from suanlian.model.node import Resolution, Resolved, Standing
from suanlian.model.party import Caller
from suanlian.services import identifiers

router = APIRouter(prefix="/v1", tags=["identifiers"])


@router.get("/identifiers/{identifier}/resolution")
def resolution(
    hub: TheHub, identifier: str, caller: Annotated[Caller, Depends(may("identifier.resolve-through"))]
) -> Resolved:
    """What an identifier names, from whichever hub knows; what others answered is kept, and told with its age."""
    text = identifier.strip().upper()
    with hub.reading(caller) as unit:
        own = identifiers.resolve(unit, hub.node, who_may(caller, "identifier.resolve-job"), text)
        if own.standing is not Standing.REFERRAL:
            return Resolved(resolution=own, asked=(hub.node.url,), fetched_at=hub.now())
        kept, fresh = identifiers.kept(unit, text)
    return kept if kept is not None and fresh else _asked(hub, own, kept)


def _asked(hub: Hub, referral: Resolution, kept: Resolved | None) -> Resolved:
    """Ask the others, with no transaction open; where they cannot be asked, what they said before, and why."""
    text = referral.identifier
    try:
        found = _directory_says(hub, referral)
    except NotFoundError:
        hub.writer.run(lambda unit: identifiers.keep_absent(unit, text), source="api")
        raise
    except SuanlianError as error:
        if kept is None:
            raise
        return kept.model_copy(update={"stale": True, "why": str(error)[:2000]})
    return hub.writer.run(lambda unit: identifiers.keep(unit, found), source="api")


def _directory_says(hub: Hub, referral: Resolution) -> Resolved:
    if hub.directory is None:
        raise UnavailableError("hub_unavailable", "This hub asks no others.", todo="Ask the hub in charge.")
    found = hub.directory.find(referral)
    return found.model_copy(update={"asked": (hub.node.url, *found.asked)})
