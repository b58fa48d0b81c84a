"""How fast platforms are, by every word on it; and how a connector tells what it measured."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from suanlian.api.deps import RawBody, TheHub, may
from suanlian.api.listing import Listing
from suanlian.api.signed import Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.measurement import Capability, MeasurementAnswer, MeasurementCall
from suanlian.model.party import Caller
from suanlian.services import capabilities, platforms

router = APIRouter(tags=["capabilities"])


@router.get("/v1/capabilities")
def list_capabilities(
    hub: TheHub, caller: Annotated[Caller, Depends(may("capability.list"))], platform: str | None = None
) -> Listing[Capability]:
    """Claimed, self-measured, seen in jobs and verified, side by side."""
    with hub.reading(caller) as unit:
        platform_id = None if platform is None else platforms.find(unit, platform)["id"]
        return Listing[Capability](items=capabilities.table(unit, platform_id=platform_id))


@router.post(
    "/connector/v1/measurements",
    dependencies=[Depends(Signed("connector.measurements"))],
    openapi_extra=body_of(MeasurementCall),
)
def take_measurement(request: Request, body: RawBody) -> Response:
    """What a connector measured of its own platform, signed."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(MeasurementCall)
        with ongoing.hub.reading() as unit:
            connector = platforms.connector(unit, verified.keyid)
        capabilities.check_signature(call, connector)
        taken = ongoing.write(verified, lambda unit: capabilities.take(unit, connector, call))
        return MeasurementAnswer(**frame(ongoing, verified), taken=taken)

    return exchange(request, body, work)
