"""Who signs? Ed25519 key pairs, their text form, their name and their file.

Ed25519 is RFC 8032, the file is PEM PKCS#8 (RFC 5958, RFC 8410), the name is the JWK
thumbprint of RFC 7638.
"""

import base64
import binascii
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.jwk import OKPKey

from suanlian.crypto.errors import CryptoCode, KeyFileError, KeyTextError
from suanlian.crypto.keyfiles import read_private, write_private

PUBLIC_PREFIX = "ed25519:"
KEY_BYTES = 32


@dataclass(frozen=True)
class PublicKey:
    """The public half: 32 raw bytes; two keys are equal when their bytes are."""

    raw: bytes

    def __post_init__(self) -> None:
        """Refuse anything but 32 bytes with `KeyTextError`."""
        if len(self.raw) != KEY_BYTES:
            message = f"an Ed25519 public key has {KEY_BYTES} bytes, this one has {len(self.raw)}"
            raise KeyTextError(CryptoCode.KEY_MALFORMED, message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ed25519:` and 43 characters of base64url; `KeyTextError` for any other spelling."""
        try:
            body = text.removeprefix(PUBLIC_PREFIX).encode("ascii")
            key = cls(base64.b64decode(body + b"=", altchars=b"-_", validate=True))
        except (UnicodeEncodeError, binascii.Error, KeyTextError) as error:
            raise KeyTextError(CryptoCode.KEY_MALFORMED, _EXPECTED) from error
        if key.text != text:  # one key has one spelling, or pins could be circumvented
            raise KeyTextError(CryptoCode.KEY_MALFORMED, _EXPECTED)
        return key

    @property
    def text(self) -> str:
        """The form that is stored, shown and pinned: `ed25519:` + base64url without padding."""
        return PUBLIC_PREFIX + base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode("ascii")

    @cached_property
    def key_id(self) -> str:
        """The name of the key: its RFC 7638 SHA-256 thumbprint, 43 characters of base64url."""
        return self.jwk.thumbprint()

    @cached_property
    def verifying(self) -> Ed25519PublicKey:
        """The key as `cryptography` wants it."""
        return Ed25519PublicKey.from_public_bytes(self.raw)

    @cached_property
    def jwk(self) -> OKPKey:
        """The key as `joserfc` wants it."""
        return OKPKey.import_key(self.verifying)


_EXPECTED = (
    f"a public key is written {PUBLIC_PREFIX!r} and 43 characters of base64url without padding; "
    "copy it again from where it was shown"
)


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key pair; the private half never shows in `repr`."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh pair from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Derive the pair of a 32-byte seed (RFC 8032 §5.1.5); `KeyTextError` for another length."""
        if len(seed) != KEY_BYTES:
            raise KeyTextError(CryptoCode.KEY_MALFORMED, f"a seed has {KEY_BYTES} bytes, not {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM PKCS#8 file that only its owner can read; else `KeyFileError`."""
        private = _parse_pem(read_private(path), path)
        return cls(private)

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Write PEM PKCS#8, mode 0600, whole or not at all, synced to disk.

        An existing file is kept and `KeyFileError` raised unless `replace` is set.
        """
        write_private(path, self.pem, replace=replace)

    @property
    def pem(self) -> bytes:
        """The private half as PEM PKCS#8, in clear: for a file of its owner's, or to be written down once."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @cached_property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    @cached_property
    def jwk(self) -> OKPKey:
        """The pair as `joserfc` wants it (private)."""
        return OKPKey.import_key(self.private)

    @property
    def public_text(self) -> str:
        """The public half in its stored form, see `PublicKey.text`."""
        return self.public.text

    @property
    def key_id(self) -> str:
        """The name of the key, see `PublicKey.key_id`."""
        return self.public.key_id


def _parse_pem(pem: bytes, path: Path) -> Ed25519PrivateKey:
    message = f"{path} is not an unencrypted PEM PKCS#8 file with an Ed25519 private key"
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(CryptoCode.KEY_FILE_MALFORMED, message) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(CryptoCode.KEY_FILE_MALFORMED, message)
    return private
