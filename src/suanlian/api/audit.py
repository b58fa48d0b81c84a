"""What those who watch see of the audit log: its newest signed head, and the proof that a row is under it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from suanlian.api.deps import TheHub, may
from suanlian.model.audit import AuditExtract, HeadShown
from suanlian.model.party import Caller
from suanlian.services import audit, lineage

router = APIRouter(prefix="/v1/audit", tags=["audit"])
_MOST = 2**53 - 1


@router.get("/head")
def head(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("audit.head"))],
    since: Annotated[int | None, Query(ge=0, le=_MOST)] = None,
) -> HeadShown:
    """The newest head; with ``since``, the proof that it continues the head of so many rows."""
    with hub.reading(caller) as unit:
        return audit.shown(unit, lineage.chain(unit), since)


@router.get("/proofs/{number}")
def proof(
    hub: TheHub,
    number: Annotated[int, Path(ge=0, le=_MOST)],
    caller: Annotated[Caller, Depends(may("audit.proof"))],
) -> AuditExtract:
    """One row of the journal, by its number, with the way from it to the root of the newest head."""
    with hub.reading(caller) as unit:
        return audit.extract(unit, lineage.chain(unit), number, number)
