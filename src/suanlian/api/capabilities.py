"""How fast platforms are, by every word on it; and how a connector tells what it measured."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from suanlian.api.deps import MAX_LIMIT, RawBody, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.api.signed import Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.measurement import Capability, MeasurementAnswer, MeasurementCall
from suanlian.model.party import Caller
from suanlian.model.verification import VerificationRun, VerificationRuns
from suanlian.services import capabilities, platforms, verifying

router = APIRouter(tags=["capabilities"])


@router.get("/v1/capabilities")
def list_capabilities(
    hub: TheHub, caller: Annotated[Caller, Depends(may("capability.list"))], platform: str | None = None
) -> Listing[Capability]:
    """Claimed, self-measured, seen in jobs and verified, side by side."""
    with hub.reading(caller) as unit:
        platform_id = None if platform is None else platforms.find(unit, platform)["id"]
        return Listing[Capability](items=capabilities.table(unit, platform_id=platform_id))


@router.get("/v1/platforms/{ref}/verifications")
def list_verifications(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("platform.verifications"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[VerificationRun]:
    """The runs that put an own platform's claims to the test, newest first, those that did not hold too."""
    with hub.reading(caller) as unit:
        platform = platforms.owned(unit, caller, ref)
        found = verifying.runs_of(unit, platform, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda run: run.id)


@router.post("/v1/platforms/{ref}/verifications")
def ask_verification(
    hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.verify"))]
) -> VerificationRuns:
    """Put every claim of a platform to the test once more; an owner's tries are limited."""
    limited, target_s = not caller.sees_all, hub.bounds.probe_seconds
    return write(
        hub,
        caller,
        lambda unit: VerificationRuns(
            items=verifying.ask(
                unit, platforms.owned(unit, caller, ref), caller.principal_id, target_s, limited=limited
            )
        ),
    )


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
            known = capabilities.keys_of(unit, connector)
        capabilities.check_signature(call, connector, known)
        taken = ongoing.write(verified, lambda unit: capabilities.take(unit, connector, call))
        return MeasurementAnswer(**frame(ongoing, verified), taken=taken)

    return exchange(request, body, work)
