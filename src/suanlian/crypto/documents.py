"""Who vouches for a document that is kept?  A detached JWS over its RFC 8785 bytes.

Descriptors, usage batches and contracts are stored and checked long after they were sent, so
their signature is a value of its own: compact JWS (RFC 7515) with the payload detached
(appendix F), algorithm `Ed25519` (RFC 9864).  The protected header is exactly `alg`, `kid` and
`typ`; `typ` keeps a signature under one kind of document from standing under another.
"""

from collections.abc import Iterable

from joserfc import jws
from joserfc.errors import JoseError

from suanlian.crypto.canonical import canonical
from suanlian.crypto.errors import CryptoCode, SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey

ALGORITHM = "Ed25519"
DEFAULT_TYPE = "suanlian-document"
MAX_SIGNATURE_CHARS = 1024
_PARTS = 3


class _Registry(jws.JWSRegistry):
    """The one algorithm, and no bound on the payload: whoever parsed the document set one."""

    max_payload_length = 2**63


_REGISTRY = _Registry(algorithms=[ALGORITHM])


def sign_document(value: object, keypair: KeyPair, *, typ: str = DEFAULT_TYPE) -> str:
    """Return the detached JWS `header..signature` over the canonical bytes of `value`.

    Deterministic (RFC 8032): the same document, key and `typ` give the same text.  Raises
    `CanonicalError` where the value has no canonical form.
    """
    protected = {"alg": ALGORITHM, "kid": keypair.key_id, "typ": typ}
    whole = jws.serialize_compact(protected, canonical(value), keypair.jwk, registry=_REGISTRY)
    return jws.detach_content(whole)


def verify_document(value: object, signature: str, public_key: PublicKey, *, typ: str = DEFAULT_TYPE) -> None:
    """Return when `public_key` signed exactly this value as this `typ`; else `SignatureError`.

    Codes: `signature_missing` (empty text), `key_unknown` (made by another key),
    `signature_invalid` (everything else: other algorithms, an attached payload, a changed value).
    Raises `CanonicalError` for a value that could not have been signed at all.
    """
    _check_shape(signature)
    protected = _protected(signature)
    if protected.get("kid") != public_key.key_id:
        message = f"the document is signed by key {protected.get('kid')!r}, not {public_key.key_id}"
        raise SignatureError(CryptoCode.KEY_UNKNOWN, message)
    if protected != {"alg": ALGORITHM, "kid": public_key.key_id, "typ": typ}:
        message = f"the header must be alg {ALGORITHM}, kid and typ {typ!r} and nothing else"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)
    try:
        jws.deserialize_compact(signature, public_key.jwk, registry=_REGISTRY, payload=canonical(value))
    except JoseError as error:
        message = f"key {public_key.key_id} did not sign this content; ask its owner to sign again"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message) from error


def key_id_of(signature: str) -> str:
    """The name of the key that the signature says it is by; nothing is proved by it.

    Raises `SignatureError` where it is no detached JWS.
    """
    _check_shape(signature)
    return str(_protected(signature).get("kid", ""))


def verify_by_any(value: object, signature: str, keys: Iterable[str], *, typ: str = DEFAULT_TYPE) -> PublicKey:
    """Verify with that of these keys (in their stored form) that the signature names, and return it.

    Raises `SignatureError` as `verify_document`; `key_unknown` when it names none of them.
    """
    named = key_id_of(signature)
    key = next((one for one in map(PublicKey.parse, keys) if one.key_id == named), None)
    if key is None:
        raise SignatureError(CryptoCode.KEY_UNKNOWN, f"the document is signed by key {named!r}, which is not known")
    verify_document(value, signature, key, typ=typ)
    return key


def _check_shape(signature: str) -> None:
    if not signature:
        raise SignatureError(CryptoCode.SIGNATURE_MISSING, "the document carries no signature")
    parts = signature.split(".")
    # joserfc prefers an attached payload over ours: it would check a text that nobody compared
    detached = len(parts) == _PARTS and not parts[1]
    if len(signature) > MAX_SIGNATURE_CHARS or not detached or not signature.isascii():
        message = f"expected a detached JWS 'header..signature' under {MAX_SIGNATURE_CHARS} chars"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message)


def _protected(signature: str) -> dict[str, object]:
    """Read the header, which proves nothing yet: it selects the error that is told."""
    try:
        protected = jws.extract_compact(signature.encode("ascii"), b"{}", _REGISTRY).protected
    except (JoseError, ValueError, RecursionError) as error:
        message = "the protected header is not base64url of a JSON object"
        raise SignatureError(CryptoCode.SIGNATURE_INVALID, message) from error
    return protected
