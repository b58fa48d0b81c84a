"""Who this hub is, and whether it is well."""

from fastapi import APIRouter, Depends

from suanlian.api.deps import May, TheHub
from suanlian.model.node import NodeAbout
from suanlian.model.sign_in import ProviderAbout
from suanlian.services import nodes

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
