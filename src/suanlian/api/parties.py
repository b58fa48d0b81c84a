"""Letting people in, and who the caller is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from suanlian.api.deps import MAX_LIMIT, May, TheHub, TheRetry, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import Name, Value
from suanlian.model.party import (
    Caller,
    Entity,
    Erasure,
    Farewell,
    KeyAbout,
    Me,
    MintedKey,
    NewEntity,
    NewKey,
    NewPrincipal,
)
from suanlian.services import allowance, erasing, parties
from suanlian.services.entities import shown

router = APIRouter(prefix="/v1", tags=["parties"])


class Claim(Value):
    """The one-time link's token, and the name of the first operator."""

    link: str
    name: Name


@router.post("/operators/claim", dependencies=[Depends(May("operator.claim"))])
def claim(hub: TheHub, body: Claim) -> MintedKey:
    """Become the first operator by the one-time link that `suanlian-hub init` printed."""
    return write(hub, None, lambda unit: parties.claim(unit, hub.node, hub.secrets, body.link, body.name))


@router.get("/me")
def me(hub: TheHub, caller: Annotated[Caller, Depends(may("me.read"))]) -> Me:
    """Who the key belongs to, and what it opens until when."""
    with hub.reading(caller) as unit:
        mine = parties.me(unit, caller)
        return mine.model_copy(update={"allowance": allowance.of(unit, caller, hub.bounds.free)})


@router.post("/me/erase", status_code=202)
def erase(hub: TheHub, body: Farewell, caller: Annotated[Caller, Depends(may("account.erase"))]) -> Erasure:
    """Erase the caller: shut out at once; what they ran is ended, then all that tells who they were goes."""
    return write(hub, caller, lambda unit: erasing.ask(unit, caller, body.name))


@router.get("/keys")
def list_keys(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("key.list"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[KeyAbout]:
    """The caller's own keys, without their texts."""
    with hub.reading(caller) as unit:
        return listed(parties.keys_of(unit, caller, after=cursor, limit=limit + 1), limit, lambda key: key.prefix)


@router.post("/keys")
def mint_key(hub: TheHub, body: NewKey, caller: Annotated[Caller, Depends(may("key.mint"))]) -> MintedKey:
    """A further key of the caller's own, with fewer scopes if they like; its text is shown this once."""
    return write(hub, caller, lambda unit: parties.mint_own(unit, hub.secrets, caller, body))


@router.post("/entities")
def register_entity(
    hub: TheHub, body: NewEntity, again: TheRetry, caller: Annotated[Caller, Depends(may("entity.register"))]
) -> Response:
    """Register an entity (a legal person) with its account."""
    answer = again.run(
        hub,
        caller,
        body.model_dump_json(),
        lambda unit: parties.register_entity(unit, hub.node, body).model_dump_json(),
    )
    return Response(answer, media_type="application/json")


@router.get("/entities")
def list_entities(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("entity.list"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[Entity]:
    """All entities."""
    with hub.reading(caller) as unit:
        found = [shown(one, caller) for one in parties.list_entities(unit, after=cursor, limit=limit + 1)]
        return listed(found, limit, lambda entity: entity.id)


@router.post("/principals")
def register_principal(
    hub: TheHub, body: NewPrincipal, caller: Annotated[Caller, Depends(may("principal.register"))]
) -> MintedKey:
    """Let somebody in; the key's text is shown this once. Each call mints a key."""
    return write(hub, caller, lambda unit: parties.register_principal(unit, hub.secrets, body))


@router.post("/keys/{prefix}/revoke", status_code=204)
def revoke_key(hub: TheHub, prefix: str, caller: Annotated[Caller, Depends(may("key.revoke"))]) -> None:
    """From now on the key opens nothing: one of the caller's own, or any for the operator."""
    write(hub, caller, lambda unit: parties.revoke_key(unit, caller, prefix))
