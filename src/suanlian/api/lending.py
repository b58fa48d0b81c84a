"""The connector's door for jobs that its platform lends; in words: docs/reference/connector-protocol.md, Lending."""

from contextlib import suppress

from fastapi import APIRouter, Depends, Request, Response

from suanlian.api.deps import Hub, RawBody
from suanlian.api.signed import Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.errors import ConflictError
from suanlian.model.lending import (
    LendAnswer,
    LendCall,
    LendConfirmCall,
    LentAnswer,
    LentCall,
    LentCancelCall,
    LentLogAnswer,
    LentLogCall,
    LentOutputAnswer,
    LentOutputCall,
)
from suanlian.model.party import Caller
from suanlian.services import checking, jobs, lending
from suanlian.store.unit import Unit

router = APIRouter(prefix="/connector/v1", tags=["connector"])


@router.post("/lend", dependencies=[Depends(Signed("connector.lend"))], openapi_extra=body_of(LendCall))
def lend(request: Request, body: RawBody) -> Response:
    """Offer a job that is held at home."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LendCall)
        checking.check_all([call.spec], ongoing.hub.known.checks())
        state = ongoing.write(verified, lambda unit: lending.offer(unit, verified.keyid, call))
        return LendAnswer(**frame(ongoing, verified), job=state)

    return exchange(request, body, work)


@router.post(
    "/lend-confirm", dependencies=[Depends(Signed("connector.lend-confirm"))], openapi_extra=body_of(LendConfirmCall)
)
def confirm(request: Request, body: RawBody) -> Response:
    """It cannot begin at home: make the job, which is placed from now on."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LendConfirmCall)
        state = ongoing.write(
            verified,
            lambda unit: lending.confirm(
                unit, verified.keyid, call.key, lambda within, said: _submit(ongoing.hub, within, said)
            ),
        )
        return LendAnswer(**frame(ongoing, verified), job=state)

    return exchange(request, body, work)


def _submit(hub: Hub, unit: Unit, said: lending.Confirmed) -> str:
    prepared = jobs.lent(jobs.prepare(hub.node, said.caller, [said.spec], unit.now), said.lender)
    return jobs.submit(unit, said.caller, prepared)[0]["id"]


@router.post("/lent", dependencies=[Depends(Signed("connector.lent"))], openapi_extra=body_of(LentCall))
def lent(request: Request, body: RawBody) -> Response:
    """What has become of lent jobs."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LentCall)
        found = ongoing.write(verified, lambda unit: lending.states(unit, verified.keyid, call.keys))
        return LentAnswer(**frame(ongoing, verified), jobs=found)

    return exchange(request, body, work)


@router.post("/lent-log", dependencies=[Depends(Signed("connector.lent-log"))], openapi_extra=body_of(LentLogCall))
def lent_log(request: Request, body: RawBody) -> Response:
    """Bytes of the output of a lent job's attempt."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LentLogCall)
        data, length = ongoing.write(verified, lambda unit: lending.log(unit, verified.keyid, call))
        return LentLogAnswer(**frame(ongoing, verified), data=data, length=length)

    return exchange(request, body, work)


@router.post(
    "/lent-output", dependencies=[Depends(Signed("connector.lent-output"))], openapi_extra=body_of(LentOutputCall)
)
def lent_output(request: Request, body: RawBody) -> Response:
    """One output file of a lent job's attempt."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LentOutputCall)
        data = ongoing.write(verified, lambda unit: lending.output(unit, verified.keyid, call))
        return LentOutputAnswer(**frame(ongoing, verified), data=data)

    return exchange(request, body, work)


@router.post(
    "/lent-cancel", dependencies=[Depends(Signed("connector.lent-cancel"))], openapi_extra=body_of(LentCancelCall)
)
def lent_cancel(request: Request, body: RawBody) -> Response:
    """Take an offer back, or end a lent job."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call = ongoing.call(LentCancelCall)
        state = ongoing.write(verified, lambda unit: lending.cancel(unit, verified.keyid, call.key, _end))
        return LendAnswer(**frame(ongoing, verified), job=state)

    return exchange(request, body, work)


def _end(unit: Unit, caller: Caller, job_id: str) -> None:
    with suppress(ConflictError):  # it has ended meanwhile: that is what its lender is told
        jobs.cancel(unit, caller, job_id)
