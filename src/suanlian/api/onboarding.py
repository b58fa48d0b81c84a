"""How a platform comes in: acts, each a route; proposals that a second person decides; tokens; what is missing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from suanlian.api.deps import MAX_LIMIT, Hub, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.onboarding import Act, JoinTokens, Moved, Onboarding, Proposal, Rectification, TokensWanted
from suanlian.model.party import Caller, Decision, Role
from suanlian.services import enrolling, gates, onboarding, platforms
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["onboarding"])


def _act(hub: Hub, caller: Caller, ref: str, act: Act, decision: Decision) -> Moved:
    return write(hub, caller, lambda unit: onboarding.act(unit, caller, platforms.find(unit, ref), act, decision))


@router.get("/platforms/{ref}/onboarding")
def progress(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.onboarding"))]) -> Onboarding:
    """Where an own platform stands, how it came there, and what is missing."""
    with hub.reading(caller) as unit:
        return gates.onboarding_of(unit, platforms.owned(unit, caller, ref))


@router.post("/platforms/{ref}/tokens")
def tokens(
    hub: TheHub, ref: str, body: TokensWanted, caller: Annotated[Caller, Depends(may("platform.tokens"))]
) -> JoinTokens:
    """Join tokens, one for each connector that has none yet; or a fresh one for one connector."""

    def work(unit: Unit) -> JoinTokens:
        return enrolling.mint_tokens(unit, hub.secrets, platforms.owned(unit, caller, ref), body.connector)

    return write(hub, caller, work)


@router.post("/platforms/{ref}/check-documents")
def check_documents(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.check-documents"))]
) -> Moved:
    """Its documents are in order, and its entity is checked."""
    return _act(hub, caller, ref, Act.CHECK_DOCUMENTS, body)


@router.post("/platforms/{ref}/go-live")
def go_live(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.go-live"))]
) -> Moved:
    """Let it take work: proposed by one operator, done by a second."""
    return _act(hub, caller, ref, Act.GO_LIVE, body)


@router.post("/platforms/{ref}/suspend")
def suspend(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.suspend"))]
) -> Moved:
    """Nothing new is placed there, at once; a second operator confirms it."""
    return _act(hub, caller, ref, Act.SUSPEND, body)


@router.post("/platforms/{ref}/freeze")
def freeze(hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.freeze"))]) -> Moved:
    """Nothing is placed there and no inventory is taken, at once; a second operator confirms it."""
    return _act(hub, caller, ref, Act.FREEZE, body)


@router.post("/platforms/{ref}/lift")
def lift(hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.lift"))]) -> Moved:
    """End what nobody has confirmed, as a second operator."""
    return _act(hub, caller, ref, Act.LIFT, body)


@router.post("/platforms/{ref}/rectify")
def rectify(
    hub: TheHub, ref: str, body: Rectification, caller: Annotated[Caller, Depends(may("platform.rectify"))]
) -> Moved:
    """Something has to be mended, and conformance to be passed anew."""
    return _act(hub, caller, ref, Act.RECTIFY, body)


@router.post("/platforms/{ref}/withdraw")
def withdraw(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("platform.withdraw"))]
) -> Moved:
    """Take it away for good: its owner at once, operators as two."""
    if caller.role is Role.OPERATOR:
        return _act(hub, caller, ref, Act.WITHDRAW, body)
    return write(hub, caller, lambda unit: onboarding.withdraw_own(unit, platforms.owned(unit, caller, ref), body))


@router.get("/proposals")
def list_proposals(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("proposal.list"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[Proposal]:
    """All that wait for a second person."""
    with hub.reading(caller) as unit:
        return listed(onboarding.list_proposals(unit, after_id=cursor, limit=limit + 1), limit, lambda one: one.id)


@router.post("/proposals/{ref}/confirm")
def confirm(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("proposal.confirm"))]
) -> Moved:
    """Want it too."""
    return write(
        hub, caller, lambda unit: onboarding.confirm(unit, caller, onboarding.find_proposal(unit, ref), body.why)
    )


@router.post("/proposals/{ref}/decline")
def decline(
    hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("proposal.decline"))]
) -> Moved:
    """Do not want it; of a suspension or freeze: lift it."""
    return write(
        hub, caller, lambda unit: onboarding.decline(unit, caller, onboarding.find_proposal(unit, ref), body.why)
    )
