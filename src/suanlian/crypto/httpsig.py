"""Whether a request came from that connector, and an answer belongs to that request.

HTTP Message Signatures (RFC 9421) with Ed25519 over a Content-Digest (RFC 9530, sha-256).  The
room knows no web framework: plain values in, headers or verdicts out.

A request covers @method, @path, @query, content-digest and, where there is one, content-type.
Neither @authority nor @target-uri: a connector may reach the hub through a proxy, under another
host name, port or scheme, and the hub could not rebuild what was signed.  What the host would
prove, which hub is meant, is proved by the `audience` instead, else one hub could pass a request
on to another.  A proxy may change hosts, never paths: mount the hub at the same path.

An answer covers @status, content-digest and content-type, and its `nonce` is the request's, so
it answers this request only.  `tag` says which of the two it is and for whom.

Times are checked here; that a nonce is new is asked of the caller's `NonceStore`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    VerifyResult,
    algorithms,
)
from http_message_signatures.resolvers import MappingKeyResolver

from suanlian.crypto.errors import CryptoCode, SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey

DEFAULT_LIFETIME_S = 60
MAX_LIFETIME_S = 300
DEFAULT_SKEW_S = 60
MAX_HEADER_CHARS = 1024
LABEL = "suanlian"
REQUEST_TAG = "suanlian-request"
RESPONSE_TAG = "suanlian-response"
REQUEST_COMPONENTS = ("@method", "@path", "@query", "content-digest")
RESPONSE_COMPONENTS = ("@status", "content-digest")
SIGNATURE_HEADERS = ("Signature-Input", "Signature", "Content-Digest")
_COVERED_IF_PRESENT = "content-type"
# one signature of 64 bytes in its one base64 spelling: the last letter carries two bits only
_SIGNATURE = re.compile(r"[a-z*][a-z0-9_.*-]*=:[A-Za-z0-9+/]{85}[AQgw]==:")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

KeyOf = Callable[[str], PublicKey | None]
"""Finds the key that is pinned for a key id; None where there is none."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it goes over the wire.

    `method` in capitals; `url` absolute and percent-encoded as sent (host and scheme are not
    signed); `headers` in any case, a repeated one joined by ", "; `body` the bytes sent, after
    any content coding.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedResponse:
    """An answer as it goes over the wire; headers and body as in `SignedRequest`."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the key, the id under which the other side pinned it, how long each is good."""

    keypair: KeyPair
    keyid: str
    lifetime_s: int = DEFAULT_LIFETIME_S

    def __post_init__(self) -> None:
        """Refuse a lifetime or a key id that no verifier would take, with `ValueError`."""
        if not 0 < self.lifetime_s <= MAX_LIFETIME_S:
            message = f"lifetime_s must be 1 to {MAX_LIFETIME_S}, not {self.lifetime_s}"
            raise ValueError(message)
        if not _NAME.fullmatch(self.keyid):
            message = f"keyid must be 1 to 128 letters, digits or _.:-, not {self.keyid!r}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """What a good signature says; all times are UTC.

    `replayable_until` is when the clocks alone begin to refuse it: keep the nonce until then.
    """

    keyid: str
    nonce: str
    created: datetime
    expires: datetime
    replayable_until: datetime


class NonceStore(Protocol):
    """Where the caller keeps the nonces that were seen, shared by all replicas."""

    def remember(self, keyid: str, nonce: str, expires: datetime) -> bool:
        """Keep the pair until `expires`; False where it is already kept. Atomic."""
        ...


def sign_request(request: SignedRequest, signer: Signer, *, audience: str, now: datetime, nonce: str) -> dict[str, str]:
    """Return the headers to add: Content-Digest, Signature-Input and Signature.

    `audience` names the hub that is meant (its pinned key id); `nonce` is 16 to 64 characters
    of base64url, fresh for each request.  Raises `ValueError` for a message that is no HTTP.
    """
    message = _Message(request.headers, method=request.method, url=request.url)
    terms = _Terms(REQUEST_COMPONENTS, _tag(REQUEST_TAG, audience), now, nonce)
    return _sign(message, request.body, signer, terms)


def sign_response(response: SignedResponse, signer: Signer, *, request_nonce: str, now: datetime) -> dict[str, str]:
    """Return the headers to add to an answer to the request with that nonce; as `sign_request`."""
    message = _Message(response.headers, status_code=response.status_code)
    terms = _Terms(RESPONSE_COMPONENTS, RESPONSE_TAG, now, request_nonce)
    return _sign(message, response.body, signer, terms)


def verify_request(
    request: SignedRequest,
    public_key_of: KeyOf,
    *,
    audience: str,
    now: datetime,
    max_skew_s: int = DEFAULT_SKEW_S,
) -> VerifiedSignature:
    """Return what one good signature says, else raise `SignatureError`.

    `audience` is this hub's own name (see `sign_request`).  Clocks may differ by `max_skew_s`
    in either direction.  What `public_key_of` raises passes through.  The nonce is yet to be
    checked: see `refuse_replay`.
    """
    message = _Message(request.headers, method=request.method, url=request.url)
    terms = _Terms(REQUEST_COMPONENTS, _tag(REQUEST_TAG, audience), now, None, max_skew_s)
    return _verify(message, request.body, public_key_of, terms)


def verify_response(
    response: SignedResponse,
    public_key_of: KeyOf,
    *,
    request_nonce: str,
    now: datetime,
    max_skew_s: int = DEFAULT_SKEW_S,
) -> VerifiedSignature:
    """Return what one good signature says over the answer to that request; as `verify_request`.

    An answer to another request is `signature_invalid`.
    """
    message = _Message(response.headers, status_code=response.status_code)
    terms = _Terms(RESPONSE_COMPONENTS, RESPONSE_TAG, now, request_nonce, max_skew_s)
    return _verify(message, response.body, public_key_of, terms)


def refuse_replay(signature: VerifiedSignature, seen: NonceStore) -> None:
    """Raise `SignatureError` (`signature_replayed`) where this nonce of this key was seen."""
    if not seen.remember(signature.keyid, signature.nonce, signature.replayable_until):
        message = "this request was received before; send it again with a fresh nonce"
        raise SignatureError(CryptoCode.SIGNATURE_REPLAYED, message)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a signature must cover and say."""

    components: tuple[str, ...]
    tag: str
    now: datetime
    nonce: str | None
    skew_s: int = 0

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            message = "now must carry a time zone"
            raise ValueError(message)


class _Message:
    """A message as the library reads it: a response is what has a `status_code`."""

    def __init__(self, headers: Mapping[str, str], **line: str | int) -> None:
        self.headers = {
            name: value
            for name, value in headers.items()
            if name.title() in SIGNATURE_HEADERS or name.lower() == _COVERED_IF_PRESENT
        }
        self.__dict__.update(line)

    def components(self, required: tuple[str, ...]) -> tuple[str, ...]:
        """Content-type is covered where present, so that it can be neither changed nor added."""
        present = any(name.lower() == _COVERED_IF_PRESENT for name in self.headers)
        return (*required, _COVERED_IF_PRESENT) if present else required

    def drop_signature(self) -> None:
        """Forget an earlier signature, which is replaced."""
        for name in [name for name in self.headers if name.title() in SIGNATURE_HEADERS]:
            del self.headers[name]


def _tag(purpose: str, audience: str) -> str:
    if not _NAME.fullmatch(audience):
        message = f"audience must be 1 to 128 letters, digits or _.:-, not {audience!r}"
        raise ValueError(message)
    return f"{purpose};{audience}"


def _sign(draft: _Message, body: bytes, signer: Signer, terms: _Terms) -> dict[str, str]:
    if terms.nonce is None or not _NONCE.fullmatch(terms.nonce):
        message = f"a nonce is 16 to 64 characters of base64url, not {terms.nonce!r}"
        raise ValueError(message)
    keys = MappingKeyResolver(public_keys={}, private_keys={signer.keyid: signer.keypair.private})
    library = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=keys)
    draft.drop_signature()
    try:
        library.sign(
            draft,
            key_id=signer.keyid,
            created=terms.now,
            expires=terms.now + timedelta(seconds=signer.lifetime_s),
            nonce=terms.nonce,
            label=LABEL,
            tag=terms.tag,
            covered_component_ids=draft.components(terms.components),
            body=body,
        )
    except HTTPMessageSignaturesException as error:
        message = f"this message cannot be signed: {error}"
        raise ValueError(message) from error
    return {name: draft.headers[name] for name in SIGNATURE_HEADERS}


def _verify(message: _Message, body: bytes, public_key_of: KeyOf, terms: _Terms) -> VerifiedSignature:
    _check_headers(message.headers)
    library = _Verifier(terms, public_key_of)
    required = message.components(terms.components)
    try:
        # no tag and no label expected: the library then refuses more than one signature
        results = library.verify(message, max_age=None, require_components=required)
    except (HTTPMessageSignaturesException, ValueError, TypeError) as error:
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, _advice(error)) from error
    try:
        library.verify_body(message, results, body)
    except HTTPMessageSignaturesException as error:
        what = f"the body is not the one that was signed: {error}"
        raise SignatureError(CryptoCode.DIGEST_MISMATCH, what) from error
    return _verdict(results[0], terms)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier, with the clock handed in and our terms instead of its own."""

    def __init__(self, terms: _Terms, public_key_of: KeyOf) -> None:
        super().__init__(signature_algorithm=algorithms.ED25519, key_resolver=None)
        self._terms = terms
        self._public_key_of = public_key_of

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:  # noqa: ANN401, ARG002 - overrides an untyped method
        """Check the parameters and find the key.

        The library calls this before it looks at the key, and outside the place where it turns
        every exception, a lost database too, into "invalid".
        """
        parameters = dict(sig_input.params)
        _check_parameters(parameters, self._terms)
        keyid = parameters["keyid"]
        key = self._public_key_of(keyid)
        if key is None:
            message = f"no key is known as {keyid!r}; register it, or correct the key id"
            raise SignatureError(CryptoCode.KEY_UNKNOWN, message)
        self.key_resolver = MappingKeyResolver(public_keys={keyid: key.verifying}, private_keys={})


def _check_headers(headers: Mapping[str, str]) -> None:
    present = {name.title() for name in headers}
    for name in SIGNATURE_HEADERS:
        if name not in present:
            raise SignatureError(CryptoCode.SIGNATURE_MISSING, f"the message has no {name} header")
    for name, value in headers.items():
        if len(value) > MAX_HEADER_CHARS:
            message = f"header {name} has {len(value)} characters, at most {MAX_HEADER_CHARS}"
            raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
        if name.title() == "Signature" and not _SIGNATURE.fullmatch(value):
            message = f"header {name} must hold one Ed25519 signature, written {LABEL}=:base64:"
            raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)


def _check_parameters(parameters: Mapping[str, Any], terms: _Terms) -> None:
    absent = {"created", "expires", "keyid", "nonce", "tag", "alg"} - parameters.keys()
    if absent:
        message = f"the signature lacks the parameters {', '.join(sorted(absent))}"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
    if parameters["tag"] != terms.tag:
        message = f"the signature is tagged {parameters['tag']!r}, expected {terms.tag!r}"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
    if terms.nonce is not None and parameters["nonce"] != terms.nonce:
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, "the answer belongs to another request")
    if not _NONCE.fullmatch(parameters["nonce"]) or not _NAME.fullmatch(parameters["keyid"]):
        message = "nonce must be 16 to 64 base64url characters, keyid 1 to 128 of [A-Za-z0-9_.:-]"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
    _check_times(parameters["created"], parameters["expires"], terms)


def _check_times(created_s: int, expires_s: int, terms: _Terms) -> None:
    now_s = terms.now.timestamp()
    if not 0 < expires_s - created_s <= MAX_LIFETIME_S:
        message = f"a signature lives 1 to {MAX_LIFETIME_S} s, this one {expires_s - created_s} s"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
    if created_s > now_s + terms.skew_s:
        early_s = created_s - now_s
        message = f"signed {early_s:.0f} s in the future; set the clock of one of the two sides"
        raise SignatureError(CryptoCode.SIGNATURE_EXPIRED, message)
    if expires_s <= now_s - terms.skew_s:
        late_s = now_s - expires_s
        message = f"expired {late_s:.0f} s ago; sign again, and compare the clocks of both sides"
        raise SignatureError(CryptoCode.SIGNATURE_EXPIRED, message)


def _verdict(result: VerifyResult, terms: _Terms) -> VerifiedSignature:
    said: Mapping[str, Any] = result.parameters
    expires = datetime.fromtimestamp(said["expires"], UTC)
    return VerifiedSignature(
        keyid=said["keyid"],
        nonce=said["nonce"],
        created=datetime.fromtimestamp(said["created"], UTC),
        expires=expires,
        replayable_until=expires + timedelta(seconds=terms.skew_s),
    )


def _advice(error: Exception) -> str:
    detail = str(error) or "another key, or something covered was changed on the way"
    return f"the signature does not hold for this message: {detail}"
