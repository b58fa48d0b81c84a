"""GA4GH DRS for reading: service-info, objects, and where their bytes are."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from suanlian.api.deps import May, TheHub, may
from suanlian.model.drs import DrsAccessUrl, DrsObject, DrsOrganization, DrsServiceInfo
from suanlian.model.party import Caller
from suanlian.services import drs

router = APIRouter(prefix="/ga4gh/drs/v1", tags=["drs"])
_Id = Annotated[str, Path(max_length=160)]


@router.get("/service-info", dependencies=[Depends(May("drs.service-info"))])
def service_info(request: Request, hub: TheHub) -> DrsServiceInfo:
    """What this service is."""
    return DrsServiceInfo(
        id=f"suanlian.{hub.node.id}.drs",
        name=f"{hub.node.name} (Suanlian)",
        organization=DrsOrganization(name=hub.node.name, url=hub.node.url),
        version=request.app.version,
    )


@router.get("/objects/{object_id}", response_model_exclude_none=True)
def get(hub: TheHub, object_id: _Id, caller: Annotated[Caller, Depends(may("drs.object"))]) -> DrsObject:
    """A version as a bundle of its files, or one of these."""
    with hub.reading(caller) as unit:
        return drs.get(unit, hub.node, caller, object_id)


@router.get("/objects/{object_id}/access/{access_id}")
def access(
    hub: TheHub, object_id: _Id, access_id: _Id, caller: Annotated[Caller, Depends(may("drs.access"))]
) -> DrsAccessUrl:
    """Where the bytes of a file are."""
    with hub.reading(caller) as unit:
        return drs.access(unit, hub.node, caller, object_id, access_id)
