"""Secrets: set one, list their names, remove one. No route tells what a secret says."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from suanlian.api.deps import MAX_LIMIT, RawBody, TheHub, may, parsed, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import NAME_PATTERN
from suanlian.model.party import Caller
from suanlian.model.secret import NewSecret, SecretAbout
from suanlian.services import secrets

router = APIRouter(prefix="/v1/secrets", tags=["secrets"])
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": NewSecret.model_json_schema()}}}}
_Name = Annotated[str, Path(pattern=NAME_PATTERN)]


@router.put("/{name}", openapi_extra=_BODY)
def keep(hub: TheHub, name: _Name, caller: Annotated[Caller, Depends(may("secret.set"))], body: RawBody) -> SecretAbout:
    """Set a secret of the account, in place of one of this name. Doing it twice is doing it once."""
    sealed = secrets.sealed(caller, hub.secrets, name, parsed(body, NewSecret))
    return write(hub, caller, lambda unit: secrets.keep(unit, caller, name, sealed))


@router.get("")
def list_secrets(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("secret.list"))],
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> Listing[SecretAbout]:
    """The names of the account's secrets."""
    with hub.reading(caller) as unit:
        return listed(secrets.list_of(unit, caller, after=cursor, limit=limit + 1), limit, lambda one: one.name)


@router.delete("/{name}", status_code=204)
def remove(hub: TheHub, name: _Name, caller: Annotated[Caller, Depends(may("secret.remove"))]) -> None:
    """Remove a secret; jobs that name it and have not started will not."""
    write(hub, caller, lambda unit: secrets.remove(unit, caller, name))
