"""What runs is moved, stands still, goes on; platforms are emptied."""

from typing import Annotated

from fastapi import APIRouter, Depends

from suanlian.api.deps import TheHub, may, write
from suanlian.model.job import Job
from suanlian.model.moving import DrainAsked, Move, Which
from suanlian.model.party import Caller
from suanlian.model.platform import Drained
from suanlian.services import jobs, moving, platforms
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1")
_NOTHING = Which()


@router.post("/jobs/{ref}/move", tags=["jobs"])
def move(hub: TheHub, ref: str, body: Move, caller: Annotated[Caller, Depends(may("job.move"))]) -> Job:
    """Let what has a place save, end and go elsewhere, or to one platform. Watch the job for what comes of it."""

    def work(unit: Unit) -> Job:
        moving.move(unit, caller, ref, body)
        return jobs.get(unit, caller, ref)

    return write(hub, caller, work)


@router.post("/jobs/{ref}/pause", tags=["jobs"])
def pause(hub: TheHub, ref: str, body: Which, caller: Annotated[Caller, Depends(may("job.pause"))]) -> Job:
    """Let what runs stand still where it is; it is charged as before."""

    def work(unit: Unit) -> Job:
        moving.pause(unit, caller, ref, body)
        return jobs.get(unit, caller, ref)

    return write(hub, caller, work)


@router.post("/jobs/{ref}/resume", tags=["jobs"])
def resume(hub: TheHub, ref: str, body: Which, caller: Annotated[Caller, Depends(may("job.resume"))]) -> Job:
    """Let what stands still go on."""

    def work(unit: Unit) -> Job:
        moving.resume(unit, caller, ref, body)
        return jobs.get(unit, caller, ref)

    return write(hub, caller, work)


@router.post("/platforms/{ref}/drain", tags=["platforms"])
def drain(
    hub: TheHub, ref: str, body: DrainAsked, caller: Annotated[Caller, Depends(may("platform.drain"))]
) -> Drained:
    """Empty a platform: nothing new comes, what runs is moved so that all is out at the time that is given."""

    def work(unit: Unit) -> Drained:
        moving.drain(unit, caller, platforms.find(unit, ref), by=body.by, why=body.why)
        return moving.drained(unit, platforms.find(unit, ref))

    return write(hub, caller, work)


@router.post("/platforms/{ref}/undrain", tags=["platforms"])
def undrain(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.undrain"))]) -> Drained:
    """The operator empties it no longer; what its owner said stands."""

    def work(unit: Unit) -> Drained:
        moving.undrain(unit, caller, platforms.find(unit, ref))
        return moving.drained(unit, platforms.find(unit, ref))

    return write(hub, caller, work)


@router.get("/platforms/{ref}/drain", tags=["platforms"])
def drained(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("platform.drained"))]) -> Drained:
    """By whom it is emptied, what still runs there, and its calendar."""
    with hub.reading(caller) as unit:
        return moving.drained(unit, platforms.find(unit, ref))
