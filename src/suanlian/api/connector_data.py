"""The connector's door for its storage; in words: docs/reference/connector-protocol.md, Storage."""

import asyncio
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import RawBody
from suanlian.api.signed import Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.data_protocol import (
    DataFilesAnswer,
    DataFilesCall,
    DataGrantsAnswer,
    DataGrantsCall,
    DataPollAnswer,
    DataPollCall,
    DataReportAnswer,
    DataReportCall,
    TaskKind,
    TaskReport,
)
from suanlian.model.errors import SuanlianError
from suanlian.services import link_probes, moved, registering, replicas, storage_tasks, uploads
from suanlian.services.ports import TakesReport
from suanlian.store.unit import Row, Unit
from suanlian.store.wakeups import wait

router = APIRouter(prefix="/connector/v1/data", tags=["connector"])
_LOOK_S: Final = 2.0


@router.post("/poll", dependencies=[Depends(Signed("connector.data-poll"))], openapi_extra=body_of(DataPollCall))
async def poll(request: Request, body: RawBody) -> Response:
    """What should be done with storage; waits for news without holding a thread."""
    ongoing = Exchange(request.app.state.hub, request, body)
    try:
        verified = await run_in_threadpool(ongoing.verify)
    except SuanlianError as error:
        return await run_in_threadpool(ongoing.refuse, None, error)
    try:
        call = ongoing.call(DataPollCall)
        await run_in_threadpool(ongoing.write, verified, lambda unit: storage_tasks.heard(unit, verified.keyid, call))
        answer = await _news(ongoing, verified, call)
    except SuanlianError as error:
        return await run_in_threadpool(ongoing.refuse, verified, error)
    return await run_in_threadpool(ongoing.answer, verified, answer)


async def _news(ongoing: Exchange, verified: VerifiedSignature, call: DataPollCall) -> DataPollAnswer:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + call.wait_s
    wakeups = ongoing.hub.wakeups
    with wakeups.listen(f"connector-data:{verified.keyid}") as woken:
        found = await run_in_threadpool(_wished, ongoing, verified)
        while found.mark == call.seen and not wakeups.closing and (left := deadline - loop.time()) > 0:
            await wait(woken, min(left, _LOOK_S))
            found = await run_in_threadpool(_wished, ongoing, verified)
    return DataPollAnswer(**frame(ongoing, verified), tasks=found.tasks, more=found.more, mark=found.mark)


def _wished(ongoing: Exchange, verified: VerifiedSignature) -> storage_tasks.Open:
    with ongoing.hub.reading() as unit:
        return storage_tasks.wished(unit, verified.keyid)


def _granted(unit: Unit, version: Row, task: Row, said: TaskReport) -> None:
    """Leave is given for a transfer, for a person, or to measure a link."""
    measures = task["version_id"] is None
    (link_probes.granted if measures else _of_version)(unit, version, task, said)


def _by_transfer(of_transfer: TakesReport, of_person: TakesReport) -> TakesReport:
    """Tasks of one kind are given for a transfer or for a person."""

    def take(unit: Unit, version: Row, task: Row, said: TaskReport) -> None:
        (of_person if task["transfer_id"] is None else of_transfer)(unit, version, task, said)

    return take


_of_version: Final = _by_transfer(moved.granted, uploads.granted)
_TAKERS: Final[Mapping[TaskKind, TakesReport]] = {
    TaskKind.MOVE: moved.moved,
    TaskKind.TAKE: _by_transfer(moved.taken, uploads.taken),
    TaskKind.GRANT: _granted,
    TaskKind.PROBE: link_probes.probed,
    TaskKind.VERIFY: replicas.verified,
    TaskKind.DELETE: replicas.deleted,
}
"""Who takes the reports of each kind, besides those that tell manifests."""


@router.post("/report", dependencies=[Depends(Signed("connector.data-report"))], openapi_extra=body_of(DataReportCall))
def report(request: Request, body: RawBody) -> Response:
    """How far tasks are."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(DataReportCall)
        with ongoing.hub.reading() as unit:
            found = storage_tasks.look(unit, verified.keyid, call)
        read = registering.read(found)
        takers = {**_TAKERS, TaskKind.SCAN: read, TaskKind.KEEP: read}
        stale = ongoing.write(verified, lambda unit: storage_tasks.report(unit, verified.keyid, call, takers))
        return DataReportAnswer(**frame(ongoing, verified), stale=stale)

    return exchange(request, body, work)


@router.post("/files", dependencies=[Depends(Signed("connector.data-files"))], openapi_extra=body_of(DataFilesCall))
def files(request: Request, body: RawBody) -> Response:
    """A page of a manifest, asked for or told."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(DataFilesCall)
        if call.files is not None:
            ongoing.write(verified, lambda unit: storage_tasks.tell_files(unit, verified.keyid, call))
            return DataFilesAnswer(**frame(ongoing, verified))
        ongoing.write(verified, lambda _unit: None)  # its nonce; thousands of files are read beside the one writer
        with ongoing.hub.reading() as unit:
            found = storage_tasks.files(unit, verified.keyid, call)
        return DataFilesAnswer(**frame(ongoing, verified), files=found)

    return exchange(request, body, work)


@router.post("/grants", dependencies=[Depends(Signed("connector.data-grants"))], openapi_extra=body_of(DataGrantsCall))
def grants(request: Request, body: RawBody) -> Response:
    """A sealed page of a grant, asked for or told."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(DataGrantsCall)
        if call.sealed is not None:
            ongoing.write(verified, lambda unit: storage_tasks.tell_grant(unit, verified.keyid, call))
            return DataGrantsAnswer(**frame(ongoing, verified))

        def give(unit: Unit) -> storage_tasks.Page:
            found = storage_tasks.grant_for(unit, verified.keyid, call)
            if found.expired:
                storage_tasks.renew(unit, call.task_id, found.token)
            return found

        page = ongoing.write(verified, give)
        return DataGrantsAnswer(**frame(ongoing, verified), sealed=page.sealed, token=page.token)

    return exchange(request, body, work)
