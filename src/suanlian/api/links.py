"""Links between sites: offered, reserved, and the way from a site to another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from suanlian.api.deps import MAX_LIMIT, TheHub, TheRetry, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import NAME_PATTERN
from suanlian.model.link import LatencyShares, LinkView, NewLink, NewReservation, PathView, Reservation, SiteRef
from suanlian.model.party import Caller
from suanlian.services import links

router = APIRouter(prefix="/v1", tags=["links"])


@router.get("/links")
def list_links(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("link.list"))],
    cursor: Annotated[str, Query(max_length=400)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[LinkView]:
    """Every link that is offered and every pair of sites that was measured, with what is known of each."""
    with hub.reading(caller) as unit:
        found = [one for one in links.every_view(unit) if _key(one) > cursor]
        return listed(sorted(found, key=_key)[: limit + 1], limit, _key)


def _key(one: LinkView) -> str:
    return f"{one.start} {one.end} {one.name or ''}"


@router.get("/links/classes")
def classes(hub: TheHub, caller: Annotated[Caller, Depends(may("link.classes"))]) -> LatencyShares:
    """Of all pairs of sites, how many are measured within 1, 5 and 20 ms."""
    with hub.reading(caller) as unit:
        return links.latency_shares(unit)


@router.post("/links", response_model=LinkView)
def offer(
    hub: TheHub, body: NewLink, again: TheRetry, caller: Annotated[Caller, Depends(may("link.offer"))]
) -> Response:
    """Offer a link between two sites, as a carrier or the owner of platforms."""
    answer = again.run(hub, caller, body.model_dump_json(), lambda unit: _json(links.offer(unit, caller, body)))
    return Response(answer, media_type="application/json")


@router.get("/links/reservations")
def list_reservations(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("link.reservations"))],
    cursor: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[Reservation]:
    """The account's own reservations; a carrier's: those of its links; newest first."""
    with hub.reading(caller) as unit:
        found = links.reservations(unit, caller, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda one: one.id)


@router.post("/links/reservations", response_model=Reservation)
def reserve(
    hub: TheHub, body: NewReservation, again: TheRetry, caller: Annotated[Caller, Depends(may("link.reserve"))]
) -> Response:
    """Hold a part of a link for a time."""
    answer = again.run(hub, caller, body.model_dump_json(), lambda unit: _json(links.reserve(unit, caller, body)))
    return Response(answer, media_type="application/json")


@router.post("/links/reservations/{reservation}/give-back")
def give_back(
    hub: TheHub,
    reservation: Annotated[str, Path(max_length=40)],
    caller: Annotated[Caller, Depends(may("link.give-back"))],
) -> Reservation:
    """Give back what is left of an own reservation."""
    return write(hub, caller, lambda unit: links.give_back(unit, caller, reservation))


@router.post("/links/{name}/withdraw", status_code=204)
def withdraw(
    hub: TheHub,
    name: Annotated[str, Path(pattern=NAME_PATTERN)],
    caller: Annotated[Caller, Depends(may("link.withdraw"))],
) -> None:
    """Offer a link no more; not while somebody holds a part of it."""
    write(hub, caller, lambda unit: links.withdraw(unit, caller, name))


@router.get("/paths")
def path(
    hub: TheHub,
    start: Annotated[SiteRef, Query(description="platform/site")],
    end: Annotated[SiteRef, Query(description="platform/site")],
    caller: Annotated[Caller, Depends(may("link.path"))],
) -> PathView:
    """The way from a site to another: what is known of the direct one, and the best relay where that is better."""
    with hub.reading(caller) as unit:
        return links.way(unit, start, end)


def _json(told: LinkView | Reservation) -> str:
    return told.model_dump_json()
