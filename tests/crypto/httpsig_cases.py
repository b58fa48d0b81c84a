"""A signed request and its signed answer, which the tests then damage."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from suanlian.crypto.errors import SignatureError
from suanlian.crypto.httpsig import (
    SignedRequest,
    SignedResponse,
    Signer,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
)
from suanlian.crypto.keys import KeyPair, PublicKey

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CONNECTOR, HUB = KeyPair.from_seed(bytes(range(32))), KeyPair.from_seed(bytes(32))
KEYID, NONCE, AUDIENCE = "con_01", "nonce-0123456789abcdef", HUB.key_id
SIGNER = Signer(CONNECTOR, KEYID)
HUB_SIGNER = Signer(HUB, HUB.key_id)
JSON = {"Content-Type": "application/json"}
PLAIN_REQUEST = SignedRequest("POST", "https://hub.example/v1/connector/poll?since=4", JSON, b'{"revision":4}')
PLAIN_RESPONSE = SignedResponse(200, JSON, b'{"revision":5}')
PINNED = {KEYID: CONNECTOR.public, HUB.key_id: HUB.public}


def key_of(keyid: str) -> PublicKey | None:
    return PINNED.get(keyid)


def signed(request: SignedRequest = PLAIN_REQUEST, signer: Signer = SIGNER) -> SignedRequest:
    added = sign_request(request, signer, audience=AUDIENCE, now=NOW, nonce=NONCE)
    return replace(request, headers={**request.headers, **added})


def answered(response: SignedResponse = PLAIN_RESPONSE) -> SignedResponse:
    added = sign_response(response, HUB_SIGNER, request_nonce=NONCE, now=NOW)
    return replace(response, headers={**response.headers, **added})


def request_code(request: SignedRequest, *, audience: str = AUDIENCE, after_s: float = 0) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_request(request, key_of, audience=audience, now=NOW + timedelta(seconds=after_s))
    return caught.value.code


def response_code(response: SignedResponse, *, nonce: str = NONCE, after_s: float = 0) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_response(response, key_of, request_nonce=nonce, now=NOW + timedelta(seconds=after_s))
    return caught.value.code


def digest_header(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def handmade(parameters: str, lines: list[str], pair: KeyPair = CONNECTOR) -> SignedRequest:
    """Sign a base built by hand (RFC 9421 §2.5), so that the key's owner can say anything at all."""
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    value = base64.b64encode(pair.private.sign(base.encode())).decode()
    headers = {
        **JSON,
        "Content-Digest": digest_header(PLAIN_REQUEST.body),
        "Signature-Input": f"suanlian={parameters}",
        "Signature": f"suanlian=:{value}:",
    }
    return replace(PLAIN_REQUEST, headers=headers)


COMPONENT_LINES = {
    '"@method"': "POST",
    '"@path"': "/v1/connector/poll",
    '"@query"': "?since=4",
    '"content-digest"': digest_header(PLAIN_REQUEST.body),
    '"content-type"': "application/json",
}
CREATED = int(NOW.timestamp())
PARAMETERS = {
    "created": str(CREATED),
    "keyid": f'"{KEYID}"',
    "alg": '"ed25519"',
    "expires": str(CREATED + 60),
    "nonce": f'"{NONCE}"',
    "tag": f'"suanlian-request;{AUDIENCE}"',
}


def handmade_of(components: list[str], parameters: dict[str, str], pair: KeyPair = CONNECTOR) -> SignedRequest:
    text = f"({' '.join(components)})" + "".join(f";{name}={value}" for name, value in parameters.items())
    return handmade(text, [f"{name}: {COMPONENT_LINES[name]}" for name in components], pair)
