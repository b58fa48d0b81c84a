"""The connector's door: signed calls in, signed answers out, refusals signed too."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import Hub, parsed
from suanlian.api.errors import MEDIA_TYPE, problem_of, unforeseen
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.httpsig import (
    SignedRequest,
    SignedResponse,
    Signer,
    VerifiedSignature,
    sign_response,
    verify_request,
)
from suanlian.crypto.keys import PUBLIC_PREFIX, PublicKey
from suanlian.model.base import Wire
from suanlian.model.errors import CODES, InvalidError, SuanlianError, UnauthenticatedError
from suanlian.model.ids import ConnectorId
from suanlian.model.protocol import PROTOCOL_VERSION, Call, EnrolCall
from suanlian.services.callers import connector_key, note_connector
from suanlian.store.unit import Unit

C = TypeVar("C", bound=Call)
T = TypeVar("T")

LIFE: Final = timedelta(seconds=60)
"""For how long an answer may be believed."""
_JSON: Final = "application/json"
_OK: Final = 200
_KEYID: Final = re.compile(r';\s*keyid="([^"]{1,128})"')
ENROL: Final = "connector.enrol"


@dataclass(frozen=True, slots=True)
class Signed:
    """The policy of a connector's route: the action that it is. A test finds a route without one."""

    action: str

    async def __call__(self, request: Request) -> None:
        """Refuse strangers before a byte of the body is read; the signature itself is checked over the body.

        Raises UnauthenticatedError.
        """
        request.state.arrived_at = request.app.state.hub.clock()
        named = _KEYID.search(request.headers.get("signature-input", ""))
        if named is None:
            wrong = "The call is not signed."
            raise UnauthenticatedError("signature_missing", wrong, todo="Sign it with the key that was enrolled.")
        if self.action != ENROL and not await run_in_threadpool(_is_known, request.app.state.hub, named[1]):
            wrong = "No connector has this key id."
            raise UnauthenticatedError("key_unknown", wrong, todo="Enrol, and sign with the connector's id as keyid.")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One signed call on its way through a route."""

    hub: Hub
    request: Request
    body: bytes

    @property
    def arrived_at(self) -> datetime:
        """When the call came, before it waited for a thread, its check or the writer."""
        arrived: datetime = self.request.state.arrived_at
        return arrived

    def verify(self) -> VerifiedSignature:
        """Who signed this call, over this very body, for this hub. Raises UnauthenticatedError."""
        headers = {name: value for name, value in self.request.headers.items()}  # noqa: C416 - repeated ones are joined by dict
        url = str(self.request.url)
        said = SignedRequest(self.request.method, url, headers, self.body)
        try:
            return verify_request(
                said, self._key_of, audience=self.hub.node.keypair.public.key_id, now=self.hub.clock()
            )
        except CryptoError as error:
            code = error.code if error.code in CODES else "signature_invalid"
            todo = "Sign the call with the key that was enrolled, for this hub, with a right clock."
            raise UnauthenticatedError(code, error.message, todo=todo) from error

    def _key_of(self, keyid: str) -> PublicKey | None:
        if self.request.url.path.endswith("/enrol"):
            return PublicKey.parse(parsed(self.body, EnrolCall).public_key) if keyid.startswith("ed25519:") else None
        with self.hub.reading() as unit:
            text = connector_key(unit, keyid)
        return None if text is None else PublicKey.parse(text)

    def call(self, kind: type[C]) -> C:
        """The body as a call of this protocol. Raises InvalidError."""
        call = parsed(self.body, kind)
        if call.protocol != PROTOCOL_VERSION:
            wrong = f"Protocol {call.protocol} is not spoken here, {PROTOCOL_VERSION} is."
            raise InvalidError("protocol_unsupported", wrong, todo="Bring the older side up to date.", field="protocol")
        return call

    def write(self, verified: VerifiedSignature, work: Callable[[Unit], T]) -> T:
        """One call, one unit of work, in which its nonce is remembered too."""

        def unit_of_work(unit: Unit) -> T:
            note_connector(unit, verified.keyid, verified.nonce, verified.replayable_until)
            return work(unit)

        # who enrols has no id yet, and a key's text is no name
        named = "connector" if verified.keyid.startswith(PUBLIC_PREFIX) else f"connector {verified.keyid}"
        return self.hub.writer.run(unit_of_work, source=named)

    def answer(self, verified: VerifiedSignature, value: Wire) -> Response:
        """The signed answer."""
        return self._signed(verified, _OK, value.model_dump_json().encode(), _JSON)

    def refuse(self, verified: VerifiedSignature | None, error: SuanlianError) -> Response:
        """The refusal: signed when it is known to which call it belongs."""
        problem = problem_of(error, self.request.url.path)
        body = problem.model_dump_json().encode()
        if verified is None:
            return Response(body, status_code=problem.status, media_type=MEDIA_TYPE)
        return self._signed(verified, problem.status, body, MEDIA_TYPE)

    def _signed(self, verified: VerifiedSignature, status: int, body: bytes, media_type: str) -> Response:
        headers: Mapping[str, str] = {"content-type": media_type}
        signer = Signer(self.hub.node.keypair, self.hub.node.keypair.public.key_id)
        said = SignedResponse(status, headers, body)
        more = sign_response(said, signer, request_nonce=verified.nonce, now=self.hub.clock())
        return Response(body, status_code=status, headers={**headers, **more})


def _is_known(hub: Hub, keyid: str) -> bool:
    with hub.reading() as unit:
        return connector_key(unit, keyid) is not None


def exchange(request: Request, body: bytes, work: Callable[[Exchange, VerifiedSignature], Wire]) -> Response:
    """Verify, do, sign; whatever is refused is told as a problem, signed where it can be."""
    ongoing = Exchange(request.app.state.hub, request, body)
    verified = None
    try:
        verified = ongoing.verify()
        return ongoing.answer(verified, work(ongoing, verified))
    except SuanlianError as error:
        return ongoing.refuse(verified, error)
    except Exception as error:  # noqa: BLE001 - logged; the connector is told so under our signature and tries again
        return ongoing.refuse(verified, unforeseen(request, error))


def body_of(kind: type[Call]) -> dict[str, Any]:
    """What a route takes, for the OpenAPI document: the body itself is read raw, because its bytes are signed."""
    schema = {"schema": kind.model_json_schema(mode="serialization")}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}


def frame(ongoing: Exchange, verified: VerifiedSignature) -> dict[str, Any]:
    """What every answer carries (``model.protocol.Envelope``)."""
    return {"connector_id": ConnectorId(verified.keyid), "expires_at": ongoing.hub.clock() + LIFE}
