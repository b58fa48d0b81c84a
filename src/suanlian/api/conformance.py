"""Conformance runs of a platform: ask for them, look at what they found."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from suanlian.api.deps import MAX_LIMIT, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import Name, Value
from suanlian.model.conformance import ConformanceRun
from suanlian.model.party import Caller
from suanlian.services import conformance, platforms

router = APIRouter(prefix="/v1/platforms", tags=["platforms"])


class ConformanceAsked(Value):
    """At which connector; left out, at each."""

    connector: Name | None = None


@router.post("/{ref}/conformance")
def ask(
    hub: TheHub, ref: str, body: ConformanceAsked, caller: Annotated[Caller, Depends(may("platform.conformance-ask"))]
) -> Listing[ConformanceRun]:
    """Ask for a run; one that is under way is told instead of a second."""
    return write(
        hub,
        caller,
        lambda unit: Listing[ConformanceRun](
            items=conformance.ask(unit, platforms.owned(unit, caller, ref), body.connector, caller.principal_id)
        ),
    )


@router.get("/{ref}/conformance")
def runs(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("platform.conformance"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[ConformanceRun]:
    """What the runs at an own platform found, newest first."""
    with hub.reading(caller) as unit:
        row = platforms.owned(unit, caller, ref)
        return listed(conformance.runs_of(unit, row, before=cursor, limit=limit + 1), limit, lambda run: run.id)
