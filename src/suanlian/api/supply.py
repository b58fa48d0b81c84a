"""Truth of supply: what checks found, the owner's word on them, and the draw that everybody can repeat."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from suanlian.api.deps import MAX_LIMIT, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.party import Caller
from suanlian.model.supply import Reply, SupplyCheck, SupplyDraw
from suanlian.services import platforms, supplying

router = APIRouter(prefix="/v1", tags=["supply"])


@router.get("/platforms/{ref}/supply")
def list_checks(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("platform.supply"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[SupplyCheck]:
    """The checks of an own platform's shares, newest first."""
    with hub.reading(caller) as unit:
        platform = platforms.owned(unit, caller, ref)
        found = supplying.checks_of(unit, platform, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda check: check.id)


@router.post("/supply/checks/{check_id}/reply", status_code=204)
def reply(hub: TheHub, check_id: str, body: Reply, caller: Annotated[Caller, Depends(may("supply.reply"))]) -> None:
    """Say something to a check of an own platform, once; it is shown beside it."""
    write(hub, caller, lambda unit: supplying.reply(unit, caller, check_id, body.text))


@router.get("/supply/periods/{number}")
def period(
    hub: TheHub,
    number: Annotated[int, Path(ge=0, le=2**53)],
    caller: Annotated[Caller, Depends(may("supply.draw"))],
) -> SupplyDraw:
    """What was committed to for a period; once it is over, its seed and when each share was checked."""
    with hub.reading(caller) as unit:
        return supplying.draw(unit, number)
