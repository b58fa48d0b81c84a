"""The weights by which jobs are ordered: read by everybody whom they order, changed by operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from suanlian.api.deps import MAX_LIMIT, TheHub, TheRetry, may
from suanlian.api.listing import Listing, listed
from suanlian.model.market_policy import PolicyChange, PolicyVersion
from suanlian.model.party import Caller
from suanlian.services import policies

router = APIRouter(prefix="/v1/market/policy", tags=["market"])


@router.get("")
def read_policy(hub: TheHub, caller: Annotated[Caller, Depends(may("market.policy"))]) -> PolicyVersion:
    """The weights in force, who set them, when and why."""
    with hub.reading(caller) as unit:
        return policies.newest(unit)


@router.get("/versions")
def list_policies(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("market.policies"))],
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[PolicyVersion]:
    """Every version that was set, the newest first."""
    with hub.reading(caller) as unit:
        found = policies.versions(unit, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda one: str(one.version))


@router.post("", response_model=PolicyVersion)
def change_policy(
    hub: TheHub,
    body: PolicyChange,
    again: TheRetry,
    caller: Annotated[Caller, Depends(may("market.set-policy"))],
) -> Response:
    """Set weights over those that hold, with a reason; what changes nothing makes no version."""
    answer = again.run(
        hub, caller, body.model_dump_json(), lambda unit: policies.change(unit, caller, body).model_dump_json()
    )
    return Response(answer, media_type="application/json")
