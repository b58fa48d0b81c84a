"""Platforms: apply, look; connectors and what ran there; offers. How one comes in: ``api/onboarding.py``."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from suanlian.api.deps import MAX_LIMIT, TheHub, TheRetry, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.offer import NewOffer
from suanlian.model.onboarding import MoreConnectors
from suanlian.model.party import Caller
from suanlian.model.platform import Connector, NewPlatform, Platform
from suanlian.model.rekey import RecoveryToken
from suanlian.services import catalogue, platforms, progress, rekeying
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1/platforms", tags=["platforms"])
_JSON = "application/json"


@router.post("")
def apply(
    hub: TheHub, body: NewPlatform, again: TheRetry, caller: Annotated[Caller, Depends(may("platform.apply"))]
) -> Response:
    """Apply with a platform."""
    answer = again.run(
        hub,
        caller,
        body.model_dump_json(),
        lambda unit: platforms.apply(unit, hub.node, caller, body).model_dump_json(),
    )
    return Response(answer, media_type=_JSON)


@router.get("")
def list_platforms(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("platform.list"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[Platform]:
    """All platforms."""
    with hub.reading(caller) as unit:
        return listed(platforms.list_all(unit, after=cursor, limit=limit + 1), limit, lambda platform: platform.id)


@router.get("/{ref}")
def get(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.read"))]) -> Platform:
    """One platform."""
    with hub.reading(caller) as unit:
        return platforms.get(unit, ref)


@router.get("/{ref}/connectors")
def connectors(
    hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.connectors"))]
) -> Listing[Connector]:
    """The connectors of an own platform."""
    with hub.reading(caller) as unit:
        return Listing[Connector](items=platforms.connectors(unit, caller, ref))


@router.post("/{ref}/connectors")
def name_connectors(
    hub: TheHub, ref: str, body: MoreConnectors, caller: Annotated[Caller, Depends(may("platform.name-connectors"))]
) -> Platform:
    """Name further connectors of an own platform; tokens for them are minted apart."""

    def work(unit: Unit) -> Platform:
        row = platforms.owned(unit, caller, ref)
        platforms.name_connectors(unit, row, body.connectors)
        return platforms.get(unit, row["id"])

    return write(hub, caller, work)


@router.get("/{ref}/attempts")
def attempts(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("platform.attempts"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[dict[str, Any]]:
    """What ran on an own platform: places and times, nothing of what the jobs are."""
    with hub.reading(caller) as unit:
        row = platforms.owned(unit, caller, ref)
        found = progress.ran_at(unit, row["id"], before=cursor, limit=limit + 1)
        return listed(found, limit, lambda attempt: str(attempt["id"]))


@router.post("/{ref}/offers")
def publish_offer(
    hub: TheHub, ref: str, body: NewOffer, again: TheRetry, caller: Annotated[Caller, Depends(may("offer.publish"))]
) -> Response:
    """Put a price on an own share; a change is a further version."""
    answer = again.run(
        hub,
        caller,
        f"{ref} {body.model_dump_json()}",
        lambda unit: catalogue.publish_offer(
            unit, hub.node, platforms.owned(unit, caller, ref), body
        ).model_dump_json(),
    )
    return Response(answer, media_type=_JSON)


@router.post("/{ref}/connectors/{connector}/recovery")
def recovery(
    hub: TheHub, ref: str, connector: str, caller: Annotated[Caller, Depends(may("platform.recover"))]
) -> RecoveryToken:
    """A token by which the owner takes a connector up with a fresh key."""
    return write(
        hub,
        caller,
        lambda unit: rekeying.mint_recovery(unit, hub.secrets, platforms.owned(unit, caller, ref), connector),
    )
