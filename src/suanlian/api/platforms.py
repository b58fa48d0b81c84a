"""Platforms: apply, approve, suspend, resume, look; connectors and what ran there; offers."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from suanlian.api.deps import MAX_LIMIT, TheHub, TheRetry, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import LongText, Value
from suanlian.model.offer import NewOffer
from suanlian.model.party import Caller
from suanlian.model.platform import Connector, NewPlatform, Platform
from suanlian.services import catalogue, platforms, progress

router = APIRouter(prefix="/v1/platforms", tags=["platforms"])
_JSON = "application/json"


class Approval(Value):
    """The platform, and the join token that is shown this once."""

    platform: Platform
    join_token: str
    expires_at: datetime


class Suspension(Value):
    """Why."""

    why: LongText = ""


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


@router.post("/{ref}/approve")
def approve(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.approve"))]) -> Approval:
    """Approve, with a fresh single-use join token; again for a further connector."""
    platform, token, expires_at = write(hub, caller, lambda unit: platforms.approve(unit, hub.secrets, ref))
    return Approval(platform=platform, join_token=token, expires_at=expires_at)


@router.post("/{ref}/suspend")
def suspend(
    hub: TheHub, ref: str, body: Suspension, caller: Annotated[Caller, Depends(may("platform.suspend"))]
) -> Platform:
    """Nothing new is placed there."""
    return write(hub, caller, lambda unit: platforms.suspend(unit, ref, body.why))


@router.post("/{ref}/resume")
def resume(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.resume"))]) -> Platform:
    """End a suspension."""
    return write(hub, caller, lambda unit: platforms.resume(unit, ref))


@router.get("/{ref}/connectors")
def connectors(
    hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.connectors"))]
) -> Listing[Connector]:
    """The connectors of an own platform."""
    with hub.reading(caller) as unit:
        return Listing[Connector](items=platforms.connectors(unit, caller, ref))


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
