"""Entities one by one: look, change, check, refuse; and inviting a further operator."""

from typing import Annotated

from fastapi import APIRouter, Depends

from suanlian.api.deps import TheHub, may, write
from suanlian.model.base import Name
from suanlian.model.onboarding import OperatorInvitation
from suanlian.model.party import Caller, Decision, Entity, EntityChange
from suanlian.services import entities, operators

router = APIRouter(prefix="/v1", tags=["parties"])


class NewOperator(Decision):
    """Who is invited, and why."""

    name: Name


@router.get("/entities/{ref}")
def get(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("entity.read"))]) -> Entity:
    """One entity: its own, or any to those who see all."""
    with hub.reading(caller) as unit:
        return entities.get(unit, caller, ref)


@router.post("/entities/{ref}/change")
def change(
    hub: TheHub, ref: str, body: EntityChange, caller: Annotated[Caller, Depends(may("entity.change"))]
) -> Entity:
    """State it anew; what was checked stands until an operator has looked."""
    return write(hub, caller, lambda unit: entities.change(unit, caller, ref, body))


@router.post("/entities/{ref}/check")
def check(hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("entity.check"))]) -> Entity:
    """It is who it says."""
    return write(hub, caller, lambda unit: entities.check(unit, caller, ref, body))


@router.post("/entities/{ref}/refuse")
def refuse(hub: TheHub, ref: str, body: Decision, caller: Annotated[Caller, Depends(may("entity.refuse"))]) -> Entity:
    """It is not."""
    return write(hub, caller, lambda unit: entities.refuse(unit, caller, ref, body))


@router.post("/operators/invite")
def invite(
    hub: TheHub, body: NewOperator, caller: Annotated[Caller, Depends(may("operator.invite"))]
) -> OperatorInvitation:
    """A one-time link for a further operator; from the third on a second operator has to want it too."""
    return write(hub, caller, lambda unit: operators.invite(unit, hub.secrets, caller, body.name, body))
