"""Checks of sites: how well a site is protected and where it lies, as an operator found it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from suanlian.api.deps import MAX_LIMIT, TheHub, TheRetry, may
from suanlian.api.listing import Listing
from suanlian.model.levels import NewSiteCheck, SiteCheck
from suanlian.model.party import Caller
from suanlian.services import sites

router = APIRouter(prefix="/v1/platforms", tags=["platforms"])


@router.post("/{ref}/sites/{site}/checks", response_model=SiteCheck)
def check(  # noqa: PLR0913, PLR0917 - two of the path, the body, and what every creating route has
    hub: TheHub,
    ref: str,
    site: str,
    body: NewSiteCheck,
    again: TheRetry,
    caller: Annotated[Caller, Depends(may("site.check"))],
) -> Response:
    """Note what was found at a site: its protection grade and region count from now on, as far as it claims them."""
    answer = again.run(
        hub, caller, body.model_dump_json(), lambda unit: sites.check(unit, caller, ref, site, body).model_dump_json()
    )
    return Response(answer, media_type="application/json")


@router.get("/{ref}/checks")
def checks(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("site.checks"))],
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[SiteCheck]:
    """The checks of a platform's sites, newest first; of each site the first one counts."""
    with hub.reading(caller) as unit:
        return Listing[SiteCheck](items=sites.checks(unit, ref, limit=limit))
