"""Who can read a secret? JWE (RFC 7516) by joserfc, nothing of our own.

At rest at a hub: ``dir`` with a key of 256 bits. On its way to a connector: ``ECDH-ES+A256KW`` to its X25519 key
(RFC 7518, RFC 8037), fresh each time. Content is ``A256GCM``. The protected header names what the text is bound to:
put into another row, or given to another attempt, it does not open.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from suanlian.crypto.errors import CryptoCode, KeyFileError, KeyTextError, SealError
from suanlian.crypto.keyfiles import read_private, write_private

SEALING_PREFIX: Final = "x25519:"
KEY_BYTES: Final = 32
_AT_REST: Final = "dir"
_TO_A_KEY: Final = "ECDH-ES+A256KW"
_CONTENT: Final = "A256GCM"
_MAX_RING_BYTES: Final = 64 * 1024

Bound = Mapping[str, str]
"""What a sealed text belongs to, such as its account and name."""


class _Registry(jwe.JWERegistry):
    """The algorithms that are ours, and room for what a job may have of secrets, and a page of a grant of addresses."""

    max_ciphertext_length = 2 * 1024 * 1024


_REGISTRY: Final = _Registry(algorithms=[_AT_REST, _TO_A_KEY, _CONTENT], strict_check_header=False)


@dataclass(frozen=True)
class SealingKey:
    """The public half: 32 raw bytes, written ``x25519:`` and base64url without padding."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; `KeyTextError` for any other spelling."""
        message = f"a sealing key is written {SEALING_PREFIX!r} and 43 characters of base64url without padding"
        try:
            body = text.removeprefix(SEALING_PREFIX).encode("ascii")
            key = cls(base64.b64decode(body + b"=", altchars=b"-_", validate=True))
        except (UnicodeEncodeError, binascii.Error) as error:
            raise KeyTextError(CryptoCode.KEY_MALFORMED, message) from error
        if len(key.raw) != KEY_BYTES or key.text != text:  # one key has one spelling
            raise KeyTextError(CryptoCode.KEY_MALFORMED, message)
        return key

    @property
    def text(self) -> str:
        """How it is sent and kept."""
        return SEALING_PREFIX + base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode("ascii")

    @cached_property
    def jwk(self) -> OKPKey:
        """The key as `joserfc` wants it."""
        return OKPKey.import_key(X25519PublicKey.from_public_bytes(self.raw))

    @cached_property
    def key_id(self) -> str:
        """The name of the key: its RFC 7638 thumbprint."""
        return self.jwk.thumbprint()


@dataclass(frozen=True)
class SealingPair:
    """An X25519 pair; the private half never shows in `repr`."""

    private: X25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh pair from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    @cached_property
    def public(self) -> SealingKey:
        """The public half."""
        return SealingKey(self.private.public_key().public_bytes_raw())

    @cached_property
    def jwk(self) -> OKPKey:
        """The pair as `joserfc` wants it (private)."""
        return OKPKey.import_key(self.private)


@dataclass(frozen=True)
class SealingRing:
    """The pairs of one connector, the current one first: what was sealed to an older one still opens."""

    pairs: tuple[SealingPair, ...]

    @classmethod
    def generate(cls) -> Self:
        """One fresh pair."""
        return cls((SealingPair.generate(),))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that only its owner can read; else `KeyFileError`."""
        try:
            raws = [
                base64.b64decode(text, validate=True) for text in json.loads(read_private(path, most=_MAX_RING_BYTES))
            ]
            pairs = tuple(SealingPair(X25519PrivateKey.from_private_bytes(raw)) for raw in raws)
        except (ValueError, TypeError) as error:
            message = f"{path} does not hold sealing keys"
            raise KeyFileError(CryptoCode.KEY_FILE_MALFORMED, message) from error
        if not pairs:
            raise KeyFileError(CryptoCode.KEY_FILE_MALFORMED, f"{path} holds no sealing key")
        return cls(pairs)

    def save(self, path: Path) -> None:
        """Write the file anew, mode 0600, whole or not at all."""
        texts = [base64.b64encode(pair.private.private_bytes_raw()).decode("ascii") for pair in self.pairs]
        write_private(path, json.dumps(texts).encode(), replace=True)

    @property
    def current(self) -> SealingKey:
        """The key to seal to from now on."""
        return self.pairs[0].public

    def rotated(self) -> "SealingRing":
        """With a fresh pair before the others."""
        return SealingRing((SealingPair.generate(), *self.pairs))

    def without(self, key_ids: Sequence[str]) -> "SealingRing":
        """Without these pairs; the current one stays."""
        return SealingRing((self.pairs[0], *(p for p in self.pairs[1:] if p.public.key_id not in key_ids)))

    def open(self, text: str, typ: str, bound: Bound) -> bytes:
        """What was sealed to one of these pairs as this ``typ``, bound so; `SealError` otherwise."""
        kid = key_id_of(text)
        pair = next((pair for pair in self.pairs if pair.public.key_id == kid), None)
        if pair is None:
            raise SealError(CryptoCode.KEY_UNKNOWN, f"it is sealed to key {kid!r}, which is not here")
        return _opened(text, pair.jwk, {"alg": _TO_A_KEY, "kid": kid, "typ": typ, "bound": dict(bound)}, "epk")


def seal_to(content: bytes, key: SealingKey, typ: str, bound: Bound) -> str:
    """Seal to a connector's key: only its private half opens it, and only as ``typ`` bound so."""
    return _sealed(content, key.jwk, {"alg": _TO_A_KEY, "kid": key.key_id, "typ": typ, "bound": dict(bound)})


def seal_at_rest(content: bytes, key: bytes, typ: str, bound: Bound) -> str:
    """Seal with a key of 32 bytes that both seals and opens."""
    own = OctKey.import_key(key)
    return _sealed(content, own, {"alg": _AT_REST, "kid": own.thumbprint(), "typ": typ, "bound": dict(bound)})


def open_at_rest(text: str, key: bytes, typ: str, bound: Bound) -> bytes:
    """What was sealed with this key as this ``typ``, bound so; `SealError` otherwise."""
    own = OctKey.import_key(key)
    return _opened(text, own, {"alg": _AT_REST, "kid": own.thumbprint(), "typ": typ, "bound": dict(bound)})


def key_id_of(text: str) -> str:
    """Which key a text says that it is sealed to, which proves nothing. `SealError` where it cannot be read."""
    kid = _header(text).get("kid")
    if not isinstance(kid, str):
        raise SealError(CryptoCode.SEAL_INVALID, "this is no sealed text")
    return kid


def _header(text: str) -> dict[str, object]:
    try:
        head = text.split(".", 1)[0].encode("ascii")
        header = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (ValueError, RecursionError) as error:
        raise SealError(CryptoCode.SEAL_INVALID, "this is no sealed text") from error
    if not isinstance(header, dict):
        raise SealError(CryptoCode.SEAL_INVALID, "this is no sealed text")
    return header


def _sealed(content: bytes, key: OKPKey | OctKey, header: Mapping[str, object]) -> str:
    return jwe.encrypt_compact({**header, "enc": _CONTENT}, content, key, registry=_REGISTRY)


def _opened(text: str, key: OKPKey | OctKey, header: Mapping[str, object], *made: str) -> bytes:
    """Open what says that it is exactly this; ``made`` are members that the sealing itself puts into the header."""
    said = _header(text)
    if {name: value for name, value in said.items() if name not in made} != {**header, "enc": _CONTENT}:
        raise SealError(CryptoCode.SEAL_INVALID, "it was sealed for something else")
    try:
        found = jwe.decrypt_compact(text, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        # what stands in a header is read before anything proves that it is genuine
        raise SealError(CryptoCode.SEAL_INVALID, "it was sealed with another key, or changed since") from error
    if found.protected != said or found.plaintext is None:
        raise SealError(CryptoCode.SEAL_INVALID, "it was sealed for something else")
    return found.plaintext
