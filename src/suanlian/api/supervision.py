"""What supervision reads: reports of this node, sent up and received from below; the event journal."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from suanlian.api.deps import MAX_LIMIT, Hub, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import Utc, Wire
from suanlian.model.event import Event
from suanlian.model.market import MarketNow
from suanlian.model.party import Caller
from suanlian.model.report import Receipt, SupervisionReport
from suanlian.services import events, market, supervision

router = APIRouter(prefix="/v1", tags=["supervision"])
_PATIENCE_S = 15.0
_LOOK_S = 0.2
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class SentUp(Wire):
    """The report, how many uplinks it goes up by, and the receipts that came so far."""

    report: SupervisionReport
    uplinks: int
    receipts: list[Receipt]


@router.get("/supervision/report")
def report(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("supervision.report"))],
    since: Utc | None = None,
    until: Utc | None = None,
) -> SupervisionReport:
    """The report of a window; left out, from the beginning of this hub until now."""
    with hub.reading(caller) as unit:
        return supervision.make(unit, hub.node, since, until or hub.now())


@router.post("/supervision/report/send")
def send(hub: TheHub, caller: Annotated[Caller, Depends(may("supervision.send"))], since: Utc | None = None) -> SentUp:
    """Make the report and send it up; waits a while for the receipts. What got none is sent again later."""
    made = report(hub, caller, since)
    ids = write(hub, caller, lambda unit: supervision.queue_up(unit, hub.node, made))
    return SentUp(report=made, uplinks=len(ids), receipts=_await_receipts(hub, caller, ids))


def _await_receipts(hub: Hub, caller: Caller, ids: Sequence[str]) -> list[Receipt]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with hub.reading(caller) as unit:
            came = supervision.receipts(unit, ids)
        if len(came) == len(ids) or time.monotonic() > deadline:
            return came
        time.sleep(_LOOK_S)


@router.get("/supervision/reports")
def reports(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("supervision.reports"))],
    cursor: str = "",
    limit: _Limit = 50,
) -> Listing[dict[str, Any]]:
    """Reports that came from hubs below, newest first."""
    with hub.reading(caller) as unit:
        found = supervision.received(unit, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda row: str(row["id"]))


@router.get("/market")
def read_market(hub: TheHub, caller: Annotated[Caller, Depends(may("market.read"))]) -> MarketNow:
    """What the matcher found: how far the market is from the best that is possible, and what is scarce."""
    with hub.reading(caller) as unit:
        return market.now(unit, caller)


@router.get("/events")
def list_events(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("event.list"))],
    type: str | None = None,  # noqa: A002 - the name of the query parameter
    cursor: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: _Limit = 50,
) -> Listing[Event]:
    """What happened, in order."""
    with hub.reading(caller) as unit:
        found = events.list_of(unit, caller, after=cursor, limit=limit + 1, kind=type)
        return listed(found, limit, lambda event: str(event.number))
