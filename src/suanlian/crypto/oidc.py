"""Whose ID token is this?  OpenID Connect Core 1.0, section 3.1.3.7, with a short list of algorithms.

A token is believed when a key of the expected issuer signed it, for us, within its time.  The
algorithm is taken from our list and fixed to a kind of key, never from the token alone: neither
`none` nor an HMAC under a public key gets in (RFC 8725, sections 2.1 and 3.1).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from joserfc import jwk, jws
from joserfc.errors import JoseError

from suanlian.crypto.errors import CryptoCode, IdTokenError

ALGORITHMS: Final[Mapping[str, str]] = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""Algorithm -> the kind of key that it takes."""
LEEWAY_S: Final = 60
"""Clocks of the issuer and ours may differ by so much."""
MAX_TOKEN_CHARS: Final = 16_384
_PARTS: Final = 3
_FAR: Final = 253_402_300_800
"""The year 10000, in seconds."""
_MAX_SUBJECT: Final = 255
_MIN_RSA_BITS: Final = 2048
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
_TYPES: Final = (None, "JWT", "jwt")


class _Registry(jws.JWSRegistry):
    """Our algorithms; `EdDSA` is what providers still call Ed25519 (RFC 9864 renames it, the signature is the same)."""

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - the library does not export the type
        """The algorithm of this name, if it is on our list."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY: Final = _Registry(algorithms=sorted(set(ALGORITHMS) - {"EdDSA"}))

Keys = Sequence[Mapping[str, Any]]
"""A key set (RFC 7517) as its issuer publishes it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say: by whom, for whom, and with which nonce where one was sent along."""

    issuer: str
    audiences: frozenset[str]
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in.  `digest` names the token, so that it can be used once only; `name` is personal data."""

    issuer: str
    subject: str = field(repr=False)
    name: str = field(repr=False)
    digest: str
    expires_at: datetime


def verify_id_token(token: str, keys: Keys, expected: Expected, *, now: datetime) -> Identity:
    """Return who the token is of; `IdTokenError` with a code of its own for each thing that is wrong.

    `token_key_unknown` is worth a second try with keys fetched anew; nothing else is.
    """
    header = _header(token)
    payload = _signed(token, header, keys)
    claims = _claims(payload)
    _check_parties(claims, expected)
    expires_at = _check_times(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "the token names no subject")
    name = claims.get("name")
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Identity(expected.issuer, subject, name if isinstance(name, str) else "", digest, expires_at)


def _header(token: str) -> Mapping[str, Any]:
    parts = token.split(".") if len(token) <= MAX_TOKEN_CHARS and token.isascii() else []
    if len(parts) != _PARTS:
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "expected a signed JWT: three parts with dots between")
    header = _object(parts[0])
    algorithm = header["alg"] if isinstance(header.get("alg"), str) else ""
    if algorithm.lower() == "none":
        raise IdTokenError(CryptoCode.TOKEN_UNSIGNED, "the token is not signed (alg none)")
    if algorithm not in ALGORITHMS or "crit" in header or "b64" in header:
        message = f"the token is signed by {algorithm[:40]!r}; {', '.join(ALGORITHMS)} are taken"
        raise IdTokenError(CryptoCode.TOKEN_ALGORITHM, message)
    if header.get("typ") not in _TYPES:
        message = f"the token is of type {str(header.get('typ'))[:40]!r}, an ID token is a JWT"
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, message)
    return header


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "a part of the token is not base64url of JSON") from error
    if not isinstance(found, dict):
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "a part of the token is no JSON object")
    return found


def _signed(token: str, header: Mapping[str, Any], keys: Keys) -> bytes:
    """Find the key by the header, and return the payload that it signed."""
    algorithm = str(header["alg"])
    key = _imported(_key_for(header, keys), ALGORITHMS[algorithm])
    try:
        # the header's algorithm is one of the registry's, and the kind of the key was fixed by it
        return bytes(jws.deserialize_compact(token, key, registry=_REGISTRY).payload)
    except (JoseError, ValueError) as error:
        raise IdTokenError(CryptoCode.TOKEN_SIGNATURE, "the issuer's key did not sign this token") from error


def _key_for(header: Mapping[str, Any], keys: Keys) -> Mapping[str, Any]:
    algorithm = header["alg"]
    fits = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in (algorithm, "EdDSA" if algorithm == "Ed25519" else algorithm)
        and ("kid" not in header or key.get("kid") == header["kid"])
    ]
    if len(fits) != 1:
        message = "the issuer publishes no such key" if not fits else "several keys fit and the token names none"
        raise IdTokenError(CryptoCode.TOKEN_KEY_UNKNOWN, message)
    return fits[0]


def _imported(key: Mapping[str, Any], kind: str) -> jwk.Key:
    public = {name: key[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in key}
    try:
        strong = _bits(public["n"]) >= _MIN_RSA_BITS if kind == "RSA" else public["crv"] == _CURVES[kind]
        if strong:
            return jwk.import_key(public, kind)  # type: ignore[call-overload, no-any-return]  # a kind of our list
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise IdTokenError(CryptoCode.TOKEN_KEY_UNKNOWN, "the issuer's key cannot be read") from error
    raise IdTokenError(CryptoCode.TOKEN_KEY_UNKNOWN, "the issuer's key is of a kind that is not taken")


def _bits(number: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "the token's claims are no JSON") from error
    if not isinstance(found, dict):
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, "the token's claims are no JSON object")
    return found


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        message = f"the token is of the issuer {str(claims.get('iss'))[:200]!r}, {expected.issuer} is trusted"
        raise IdTokenError(CryptoCode.TOKEN_ISSUER, message)
    audience = claims.get("aud")
    named = {str(one) for one in (audience if isinstance(audience, list) else [audience])}
    party = claims.get("azp")
    if not named & expected.audiences or (len(named) > 1 and party is None):
        raise IdTokenError(CryptoCode.TOKEN_AUDIENCE, "the token is for another application")
    if party is not None and str(party) not in expected.audiences:
        raise IdTokenError(CryptoCode.TOKEN_AUDIENCE, "the token was asked for by another application")
    if expected.nonce is not None and claims.get("nonce") != expected.nonce:
        raise IdTokenError(CryptoCode.TOKEN_NONCE, "the token does not carry the nonce of this sign-in")


def _check_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    moment = now.timestamp()
    until, made = _number(claims, "exp"), _number(claims, "iat")
    since = _number(claims, "nbf") if "nbf" in claims else made
    if until + LEEWAY_S <= moment:
        raise IdTokenError(CryptoCode.TOKEN_EXPIRED, "the token's time is over")
    if max(since, made) - LEEWAY_S > moment:
        raise IdTokenError(CryptoCode.TOKEN_NOT_YET, "the token's time lies ahead: compare the clocks")
    return datetime.fromtimestamp(until, UTC)


def _number(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not -_FAR < found < _FAR:
        raise IdTokenError(CryptoCode.TOKEN_MALFORMED, f"the token does not say {name}")
    return found
