"""The connector protocol over HTTP; in words: docs/reference/connector-protocol.md."""

import asyncio
import base64
from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import RawBody
from suanlian.api.signed import LIFE, Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.audit import AuditCall
from suanlian.model.base import Wire
from suanlian.model.errors import SuanlianError
from suanlian.model.protocol import (
    CheckpointCall,
    CheckpointWholeCall,
    DoneAnswer,
    EnrolAnswer,
    EnrolCall,
    InventoryAnswer,
    InventoryCall,
    ItemAnswer,
    LogAnswer,
    LogCall,
    ObjectAnswer,
    ObjectCall,
    OutputCall,
    PollAnswer,
    PollCall,
    ReportAnswer,
    ReportCall,
    SecretsAnswer,
    SecretsCall,
    UsageAnswer,
    UsageCall,
)
from suanlian.model.report import ReportUpCall
from suanlian.services import (
    catalogue,
    checkpoints,
    conformance,
    enrolling,
    files,
    lineage,
    moving,
    platforms,
    progress,
    secrets,
    states,
    supervision,
    usage,
    witness,
)
from suanlian.store.unit import Unit
from suanlian.store.wakeups import wait

router = APIRouter(prefix="/connector/v1", tags=["connector"])
_LOOK_S = 2.0
W = TypeVar("W", bound=Wire)


@router.post("/enrol", dependencies=[Depends(Signed("connector.enrol"))], openapi_extra=body_of(EnrolCall))
def enrol(request: Request, body: RawBody) -> Response:
    """Enter with a join token, signed by the key that is being enrolled."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        hub, call = ongoing.hub, ongoing.call(EnrolCall)

        def admitted(unit: Unit) -> EnrolAnswer:
            return lineage.admit(unit, hub.node, call, enrolling.enrol(unit, hub.node, hub.secrets, call))

        answer = ongoing.write(verified, admitted)
        return answer.model_copy(update={"expires_at": hub.clock() + LIFE})

    return exchange(request, body, work)


@router.post("/poll", dependencies=[Depends(Signed("connector.poll"))], openapi_extra=body_of(PollCall))
async def poll(request: Request, body: RawBody) -> Response:
    """What should be true since a revision; waits for news without holding a thread."""
    ongoing = Exchange(request.app.state.hub, request, body)
    try:
        verified = await run_in_threadpool(ongoing.verify)
    except SuanlianError as error:
        return await run_in_threadpool(ongoing.refuse, None, error)
    try:
        call = ongoing.call(PollCall)
        await run_in_threadpool(ongoing.write, verified, lambda unit: _heard(unit, verified, call))
        answer = await _news(ongoing, verified, call)
    except SuanlianError as error:
        return await run_in_threadpool(ongoing.refuse, verified, error)
    return await run_in_threadpool(ongoing.answer, verified, answer)


def _heard(unit: Unit, verified: VerifiedSignature, call: PollCall) -> None:
    progress.heard(unit, verified.keyid, call)
    conformance.asked(unit, verified.keyid, call.revision)


async def _news(ongoing: Exchange, verified: VerifiedSignature, call: PollCall) -> PollAnswer:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + call.wait_s
    wakeups = ongoing.hub.wakeups
    with wakeups.listen(f"connector:{verified.keyid}") as woken:
        answer = await run_in_threadpool(_wished, ongoing, verified, call)
        while not (answer.instructions or wakeups.closing) and (left := deadline - loop.time()) > 0:
            await wait(woken, min(left, _LOOK_S))
            answer = await run_in_threadpool(_wished, ongoing, verified, call)
    return answer


def _wished(ongoing: Exchange, verified: VerifiedSignature, call: PollCall) -> PollAnswer:
    with ongoing.hub.reading() as unit:
        revision, more, instructions = progress.wished(
            unit, verified.keyid, call.revision, shares="specs" in call.knows
        )
        wrong = conformance.wrong_answer(unit, verified.keyid, brings=bool(instructions))
        is_heard = wrong is None or wrong.protocol is None
        untold = progress.untold(unit, instructions) if is_heard else ()
    if untold:  # durably before it is answered: nobody gains time by asking again
        ongoing.hub.writer.run(lambda unit: progress.tell(unit, untold), source=f"connector {verified.keyid}")
    answer = PollAnswer(**frame(ongoing, verified), revision=revision, more=more, instructions=instructions)
    if "specs" in call.knows:
        told, specs = progress.shared(instructions)
        answer = answer.model_copy(update={"instructions": told, "specs": specs})
    return answer if wrong is None else _wrongly(ongoing, answer, wrong)


def _wrongly(ongoing: Exchange, answer: PollAnswer, wrong: conformance.WrongAnswer) -> PollAnswer:
    """The answer as a conformance run wants it told, this once."""
    ongoing.hub.writer.run(lambda unit: conformance.told(unit, wrong.id, answer.revision), source="conformance")
    said = {"instructions": (*answer.instructions, *wrong.instructions)}
    return answer.model_copy(update=said if wrong.protocol is None else {"protocol": wrong.protocol})


@router.post("/report", dependencies=[Depends(Signed("connector.report"))], openapi_extra=body_of(ReportCall))
def report(request: Request, body: RawBody) -> Response:
    """What is true of attempts."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(ReportCall)

        def take(unit: Unit) -> tuple[ItemAnswer, ...]:
            states.told(unit, verified.keyid, call)
            moving.heard(unit, verified.keyid, call)
            return progress.report(unit, verified.keyid, call)

        return ReportAnswer(**frame(ongoing, verified), attempts=ongoing.write(verified, take))

    return exchange(request, body, work)


@router.post("/usage", dependencies=[Depends(Signed("connector.usage"))], openapi_extra=body_of(UsageCall))
def take_usage(request: Request, body: RawBody) -> Response:
    """A signed batch of usage segments."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(UsageCall)
        with ongoing.hub.reading() as unit:
            known = usage.keys_of(unit, platforms.connector(unit, verified.keyid))
        usage.check_batch(call, verified.keyid, known)
        answers = ongoing.write(verified, lambda unit: usage.record(unit, verified.keyid, call))
        return UsageAnswer(**frame(ongoing, verified), segments=answers)

    return exchange(request, body, work)


@router.post("/inventory", dependencies=[Depends(Signed("connector.inventory"))], openapi_extra=body_of(InventoryCall))
def inventory(request: Request, body: RawBody) -> Response:
    """All that the platform publishes through this connector."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, node = ongoing.call(InventoryCall), ongoing.hub.node

        def take(unit: Unit) -> int:
            row = platforms.connector(unit, verified.keyid)
            changed = catalogue.publish(unit, node, row, call)
            states.joined(unit, verified.keyid, call)
            moving.published(unit, verified.keyid, call)
            secrets.note_key(unit, row, call.sealing_key)
            return changed

        return InventoryAnswer(**frame(ongoing, verified), changed=ongoing.write(verified, take))

    return exchange(request, body, work)


@router.post("/logs", dependencies=[Depends(Signed("connector.logs"))], openapi_extra=body_of(LogCall))
def logs(request: Request, body: RawBody) -> Response:
    """Bytes of an attempt's output."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LogCall)
        length = ongoing.write(verified, lambda unit: files.append_log(unit, verified.keyid, call, ongoing.arrived_at))
        return LogAnswer(**frame(ongoing, verified), length=length)

    return exchange(request, body, work)


@router.post("/outputs", dependencies=[Depends(Signed("connector.outputs"))], openapi_extra=body_of(OutputCall))
def outputs(request: Request, body: RawBody) -> Response:
    """One output file."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, quota = ongoing.call(OutputCall), ongoing.hub.bounds.account_bytes
        ongoing.write(verified, lambda unit: files.keep_output(unit, verified.keyid, call, quota))
        return DoneAnswer(**frame(ongoing, verified))

    return exchange(request, body, work)


@router.post(
    "/checkpoint", dependencies=[Depends(Signed("connector.checkpoint"))], openapi_extra=body_of(CheckpointCall)
)
def checkpoint(request: Request, body: RawBody) -> Response:
    """A piece of a checkpoint."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, quota = ongoing.call(CheckpointCall), ongoing.hub.bounds.account_bytes
        ongoing.write(verified, lambda unit: checkpoints.keep(unit, verified.keyid, call, quota))
        return DoneAnswer(**frame(ongoing, verified))

    return exchange(request, body, work)


@router.post(
    "/checkpoint-whole",
    dependencies=[Depends(Signed("connector.checkpoint-whole"))],
    openapi_extra=body_of(CheckpointWholeCall),
)
def checkpoint_whole(request: Request, body: RawBody) -> Response:
    """A checkpoint is whole."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(CheckpointWholeCall)
        with ongoing.hub.reading() as unit:
            size = checkpoints.look(unit, verified.keyid, call)
        ongoing.write(verified, lambda unit: checkpoints.make_whole(unit, verified.keyid, call, size))
        return DoneAnswer(**frame(ongoing, verified))

    return exchange(request, body, work)


@router.post("/objects", dependencies=[Depends(Signed("connector.objects"))], openapi_extra=body_of(ObjectCall))
def objects(request: Request, body: RawBody) -> Response:
    """An uploaded input of an attempt's own job."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(ObjectCall)
        data = ongoing.write(verified, lambda unit: files.object_for(unit, verified.keyid, call))
        return ObjectAnswer(**frame(ongoing, verified), data=base64.b64encode(data).decode())

    return exchange(request, body, work)


@router.post("/secrets", dependencies=[Depends(Signed("connector.secrets"))], openapi_extra=body_of(SecretsCall))
def take_secrets(request: Request, body: RawBody) -> Response:
    """The secrets of an attempt's own job, sealed to the connector's key."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(SecretsCall)
        released = ongoing.write(verified, lambda unit: secrets.release(unit, verified.keyid, call))
        return SecretsAnswer(**frame(ongoing, verified), sealed=secrets.seal(released, ongoing.hub.secrets))

    return exchange(request, body, work)


@router.post(
    "/supervision", dependencies=[Depends(Signed("connector.supervision"))], openapi_extra=body_of(ReportUpCall)
)
def take_report(request: Request, body: RawBody) -> Response:
    """A supervision report from a hub below."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, node = ongoing.call(ReportUpCall), ongoing.hub.node
        return ongoing.write(
            verified,
            lambda unit: supervision.receive(unit, node, platforms.connector(unit, verified.keyid), call),
        )

    return exchange(request, body, work)


@router.post("/audit", dependencies=[Depends(Signed("connector.audit"))], openapi_extra=body_of(AuditCall))
def take_head(request: Request, body: RawBody) -> Response:
    """A head of the audit log of a hub below; without one, the question which is held."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, node = ongoing.call(AuditCall), ongoing.hub.node
        found = ongoing.write(
            verified,
            lambda unit: witness.receive(unit, node, platforms.connector(unit, verified.keyid), call),
        )
        if isinstance(found, SuanlianError):
            raise found
        return found

    return exchange(request, body, work)
