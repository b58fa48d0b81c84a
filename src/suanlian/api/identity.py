"""What connectors and hubs below prove of themselves: descriptors. In words: docs/reference/identifiers.md."""

from fastapi import APIRouter, Depends, Request, Response

from suanlian.api.deps import RawBody
from suanlian.api.signed import LIFE, Exchange, Signed, body_of, exchange
from suanlian.crypto.httpsig import VerifiedSignature
from suanlian.model.base import Wire
from suanlian.model.descriptor import DescriptorAnswer, DescriptorCall
from suanlian.services import descriptors, platforms
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
