"""The connector's door: signed calls in, signed answers out, refusals signed too."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import Hub, parsed
from suanlian.api.errors import MEDIA_TYPE, problem_of, refused, unforeseen
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.httpsig import (
    SignedRequest,
    SignedResponse,
    Signer,
    VerifiedSignature,
    sign_response,
    verify_request,
)
from suanlian.crypto.keys import PUBLIC_PREFIX, KeyPair, PublicKey
from suanlian.model.base import Wire
from suanlian.model.errors import CODES, InvalidError, SuanlianError, UnauthenticatedError, UnavailableError
from suanlian.model.ids import ConnectorId
from suanlian.model.protocol import PROTOCOL_VERSION, Call
from suanlian.services.callers import KnownConnector, connector_of, keep_nonce, note_connector, speaks, take_up
from suanlian.store.unit import Unit

C = TypeVar("C", bound=Call)
T = TypeVar("T")

LIFE: Final = timedelta(seconds=60)
"""For how long an answer may be believed."""
_JSON: Final = "application/json"
_OK: Final = 200
_KEYID: Final = re.compile(r';\s*keyid="([^"]{1,128})"')
ENTERING: Final = frozenset({"connector.enrol", "connector.recover"})
"""Calls that bring the key that signs them."""
_AUDIENCE: Final = re.compile(r';\s*tag="suanlian-request;([^"]{1,128})"')


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
        if self.action not in ENTERING and not await run_in_threadpool(_is_known, request.app.state.hub, named[1]):
            wrong = "No connector has this key id."
            raise UnauthenticatedError("key_unknown", wrong, todo="Enrol, and sign with the connector's id as keyid.")


class _Entering(Call):
    """What calls have in common that bring the key that signs them."""

    public_key: str


@dataclass(frozen=True, slots=True)
class _Heard:
    """The key that signed, and what was known of the connector."""

    key: str
    known: KnownConnector


@dataclass(frozen=True, slots=True)
class Exchange:
    """One signed call on its way through a route."""

    hub: Hub
    request: Request
    body: bytes
    _heard: list[_Heard] = field(default_factory=list)

    @property
    def keypair(self) -> KeyPair:
        """The key of the hub that is addressed, as long as it holds; else the one in use."""
        named = _AUDIENCE.search(self.request.headers.get("signature-input", ""))
        held = None if named is None or self.hub.keys is None else self.hub.keys.addressed(named[1])
        return held or self.hub.node.keypair

    @property
    def arrived_at(self) -> datetime:
        """When the call came, before it waited for a thread, its check or the writer."""
        arrived: datetime = self.request.state.arrived_at
        return arrived

    def verify(self) -> VerifiedSignature:
        """Who signed this call, over this very body, for this hub. Raises UnauthenticatedError."""
        self._refuse_past_key()
        keypair, now = self.keypair, self.hub.clock()
        headers = {name: value for name, value in self.request.headers.items()}  # noqa: C416 - repeated ones are joined by dict
        url = str(self.request.url)
        said = SignedRequest(self.request.method, url, headers, self.body)
        named, heard = self._signers()
        refused: CryptoError | None = None
        for key in heard.keys or (None,):

            def key_of(keyid: str, text: str | None = key) -> PublicKey | None:
                return PublicKey.parse(text) if text is not None and keyid == named else None

            try:
                verified = verify_request(said, key_of, audience=keypair.public.key_id, now=now)
            except CryptoError as error:
                refused = refused or error  # what the key in use says of it
            else:
                self._heard.append(_Heard(key or "", heard))
                return verified
        raise _not_verified(refused) from refused

    def _refuse_past_key(self) -> None:
        named = _AUDIENCE.search(self.request.headers.get("signature-input", ""))
        if named is not None and self.hub.keys is not None and self.hub.keys.is_past(named[1]):
            wrong = "The call is meant for a key that this hub has no more."
            todo = "GET /v1/node/keys has the documents by which the key that you pinned leads to the one in use."
            raise UnauthenticatedError("hub_key_changed", wrong, todo=todo)

    def _signers(self) -> tuple[str, KnownConnector]:
        """Who is said to sign, and by which keys that may be; the first is the one in use."""
        found = _KEYID.search(self.request.headers.get("signature-input", ""))
        named, path = found[1] if found else "", self.request.url.path
        if path.endswith(("/enrol", "/recover")):
            own = (parsed(self.body, _Entering).public_key,) if named.startswith(PUBLIC_PREFIX) else ()
            return named, KnownConnector(own, 0)
        with self.hub.reading() as unit:
            known = connector_of(unit, named)
        if known is None:
            return named, KnownConnector((), 0)
        if path.endswith("/rekey"):
            # a hub below that lost its key signs by the one that its recovery key introduces
            own = (parsed(self.body, _Entering).public_key,)
            return named, KnownConnector((*known.keys, *own), known.protocol)
        return named, known

    @property
    def is_introduced(self) -> bool:
        """Whether a key signed that was known before this call."""
        heard = self._heard[-1]
        return heard.key in heard.known.keys[: len(heard.known.keys) - self.request.url.path.endswith("/rekey")]

    def call(self, kind: type[C]) -> C:
        """The body as a call of this protocol. Raises InvalidError."""
        call = parsed(self.body, kind)
        if self._heard and call.protocol < self._heard[-1].known.protocol:
            wrong = f"This connector has spoken protocol {self._heard[-1].known.protocol} before, now {call.protocol}."
            todo = "If the connector was not put back on purpose, somebody stands in between."
            raise InvalidError("protocol_downgrade", wrong, todo=todo, field="protocol")
        if call.protocol != PROTOCOL_VERSION:
            wrong = f"Protocol {call.protocol} is not spoken here, {PROTOCOL_VERSION} is."
            raise InvalidError("protocol_unsupported", wrong, todo="Bring the older side up to date.", field="protocol")
        return call

    def write(self, verified: VerifiedSignature, work: Callable[[Unit], T]) -> T:
        """One call, one unit of work, in which its nonce is remembered too."""

        def unit_of_work(unit: Unit) -> T:
            note_connector(unit, verified.keyid, verified.nonce, verified.replayable_until)
            self._note_key(unit, verified.keyid)
            return work(unit)

        return self.hub.writer.run(unit_of_work, source=_source(verified))

    def _note_key(self, unit: Unit, connector_id: str) -> None:
        heard = self._heard[-1]
        if len(heard.known.keys) > 1 and heard.key != heard.known.keys[0] and self.is_introduced:
            take_up(unit, connector_id, heard.key)
        is_entering = self.request.url.path.endswith(("/enrol", "/recover"))
        if not is_entering and heard.known.protocol < PROTOCOL_VERSION:
            speaks(unit, connector_id, PROTOCOL_VERSION)

    def answer(self, verified: VerifiedSignature, value: Wire) -> Response:
        """The signed answer."""
        return self._signed(verified, _OK, value.model_dump_json().encode(), _JSON)

    def refuse(self, verified: VerifiedSignature | None, error: SuanlianError) -> Response:
        """The refusal: signed when it is known to which call it belongs."""
        refused(self.request, error, source=None if verified is None else _source(verified))
        if verified is not None and error.code != "signature_replayed":
            self._keep_nonce(verified)
        problem = problem_of(error, self.request.url.path)
        body = problem.model_dump_json().encode()
        if verified is None:
            return Response(body, status_code=problem.status, media_type=MEDIA_TYPE)
        return self._signed(verified, problem.status, body, MEDIA_TYPE)

    def _keep_nonce(self, verified: VerifiedSignature) -> None:
        """A call that was refused is not heard a second time either: what it did was rolled back, its nonce with it.

        Not of one who enrols: anybody can sign with a key of their own, and would fill the table.
        """
        if verified.keyid.startswith(PUBLIC_PREFIX):
            return
        with suppress(UnavailableError):
            self.hub.writer.run(
                lambda unit: keep_nonce(unit, verified.keyid, verified.nonce, verified.replayable_until)
            )

    def _signed(self, verified: VerifiedSignature, status: int, body: bytes, media_type: str) -> Response:
        headers: Mapping[str, str] = {"content-type": media_type}
        keypair = self.keypair
        signer = Signer(keypair, keypair.public.key_id)
        said = SignedResponse(status, headers, body)
        more = sign_response(said, signer, request_nonce=verified.nonce, now=self.hub.clock())
        return Response(body, status_code=status, headers={**headers, **more})


def _source(verified: VerifiedSignature) -> str:
    """Who enrols has no id yet, and a key's text is no name."""
    return "connector" if verified.keyid.startswith(PUBLIC_PREFIX) else f"connector {verified.keyid}"


def _is_known(hub: Hub, keyid: str) -> bool:
    with hub.reading() as unit:
        return connector_of(unit, keyid) is not None


def _not_verified(error: CryptoError | None) -> UnauthenticatedError:
    code = error.code if error is not None and error.code in CODES else "signature_invalid"
    todo = "Sign the call with the key that was enrolled, for this hub, with a right clock."
    return UnauthenticatedError(code, "" if error is None else error.message, todo=todo)


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
    now = {"expires_at": ongoing.hub.clock() + LIFE, "hub_key": ongoing.hub.node.keypair.key_id}
    return {"connector_id": ConnectorId(verified.keyid), **now}
