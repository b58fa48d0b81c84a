"""What connectors and hubs below prove of themselves: descriptors, keys, delegations."""

from fastapi import APIRouter, Depends, Request, Response

from suanlian.api.deps import RawBody
from suanlian.api.signed import LIFE, Exchange, Signed, body_of, exchange, frame
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.descriptor import DescriptorAnswer, DescriptorCall
from suanlian.model.errors import UnauthenticatedError
from suanlian.model.protocol import EnrolAnswer
from suanlian.model.rekey import DelegationAnswer, DelegationCall, RecoverCall, RekeyAnswer, RekeyCall
from suanlian.services import descriptors, lineage, platforms, rekeying
from suanlian.store.unit import Unit

router = APIRouter(prefix="/connector/v1", tags=["connector"])


@router.post(
    "/descriptor", dependencies=[Depends(Signed("connector.descriptor"))], openapi_extra=body_of(DescriptorCall)
)
def descriptor(request: Request, body: RawBody) -> Response:
    """What the platform says of itself, signed; or the question what was registered last."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, hub = ongoing.call(DescriptorCall), ongoing.hub

        def taken(unit: Unit) -> DescriptorAnswer:
            found = platforms.connector(unit, verified.keyid)
            return descriptors.take(unit, hub.node, hub.secrets, found, call)

        answer = ongoing.write(verified, taken)
        return answer.model_copy(update={"expires_at": hub.clock() + LIFE})

    return exchange(request, body, work)


@router.post("/rekey", dependencies=[Depends(Signed("connector.rekey"))], openapi_extra=body_of(RekeyCall))
def rekey(request: Request, body: RawBody) -> Response:
    """The connector's next key, introduced by the one in use."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, hub = ongoing.call(RekeyCall), ongoing.hub
        if not ongoing.is_introduced and call.change is None:
            wrong = "The call is signed by the very key that it introduces."
            raise UnauthenticatedError("key_unknown", wrong, todo="Sign it with the key in use.")

        def offered(unit: Unit) -> RekeyAnswer:
            found = platforms.connector(unit, verified.keyid)
            fresh = rekeying.offer(unit, found, call)
            chain = lineage.chain_below(unit, hub.node, found)
            return RekeyAnswer(**frame(ongoing, verified), public_key=found["public_key"], next_key=fresh, chain=chain)

        return ongoing.write(verified, offered)

    return exchange(request, body, work)


@router.post("/recover", dependencies=[Depends(Signed("connector.recover"))], openapi_extra=body_of(RecoverCall))
def recover(request: Request, body: RawBody) -> Response:
    """Take a connector up with a fresh key and a token of its owner's, signed by that key."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, hub = ongoing.call(RecoverCall), ongoing.hub

        def recovered(unit: Unit) -> EnrolAnswer:
            own = lineage.node_keys(unit, hub.node)
            told = {"hub_recovery_key": own.recovery_key, "hub_key_serial": own.serial}
            return rekeying.recover(unit, hub.node, hub.secrets, call).model_copy(update=told)

        answer = ongoing.write(verified, recovered)
        return answer.model_copy(update={"expires_at": hub.clock() + LIFE})

    return exchange(request, body, work)


@router.post(
    "/delegation", dependencies=[Depends(Signed("connector.delegation"))], openapi_extra=body_of(DelegationCall)
)
def delegation(request: Request, body: RawBody) -> Response:
    """What leads from the root to a hub below."""

    def work(ongoing: Exchange, verified: VerifiedSignature) -> Wire:
        call, hub = ongoing.call(DelegationCall), ongoing.hub

        def renewed(unit: Unit) -> DelegationAnswer:
            return lineage.renew(unit, hub.node, platforms.connector(unit, verified.keyid), call)

        answer = ongoing.write(verified, renewed)
        return answer.model_copy(update=frame(ongoing, verified))

    return exchange(request, body, work)
