"""Who this hub is, whether it is well, and what an identifier names."""

from typing import Annotated

from fastapi import APIRouter, Depends

from suanlian.api.deps import May, TheHub, who_may
from suanlian.model.node import NodeAbout, Resolution
from suanlian.model.party import Caller
from suanlian.model.sign_in import ProviderAbout
from suanlian.services import identifiers, nodes

router = APIRouter(tags=["node"])


@router.get("/healthz", dependencies=[Depends(May("health.read"))])
def healthz(hub: TheHub) -> dict[str, str]:
    """Whether the store answers."""
    with hub.reading() as unit:
        nodes.load(unit, hub.node.keypair)
    return {"status": "ok", "version": hub.version}


@router.get("/v1/node", dependencies=[Depends(May("node.read"))])
def about(hub: TheHub) -> NodeAbout:
    """Who this hub is: its name, prefix and public key."""
    with hub.reading() as unit:
        about = nodes.about(unit, hub.node, hub.version)
    if hub.provider is None:
        return about
    relying = hub.provider.relying
    sign_in = ProviderAbout(issuer=relying.issuer, client_id=relying.device_client_id)
    return about.model_copy(update={"sign_in": sign_in})


@router.get("/v1/identifiers/{identifier}")
def resolve(
    hub: TheHub, identifier: str, caller: Annotated[Caller | None, Depends(May("identifier.resolve"))]
) -> Resolution:
    """What an identifier names, or which hub to ask next. Jobs are told only to who may see them."""
    with hub.reading(caller) as unit:
        return identifiers.resolve(unit, hub.node, who_may(caller, "identifier.resolve-job"), identifier)
