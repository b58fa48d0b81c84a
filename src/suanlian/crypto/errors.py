"""What can go wrong with keys, signatures, canonical JSON and tokens, in one tree.

    CryptoError
    ├── SignatureError   a signature is absent, wrong, out of its time or seen before
    ├── KeyTextError     a key's text or bytes cannot be read
    ├── KeyFileError     a key file cannot be read or written safely
    ├── CanonicalError   a value has no canonical JSON form
    ├── SealError        a sealed text does not open
    ├── TokenError       the text is no API key and no one-time token
    └── IdTokenError     an identity provider's token is not believed

`code` is stable and meant for programs; `message` tells a person what to do.  None of them is
transient: the same input fails again.
"""

from enum import StrEnum


class CryptoCode(StrEnum):
    """The stable codes of this room."""

    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNATURE_EXPIRED = "signature_expired"
    SIGNATURE_REPLAYED = "signature_replayed"
    DIGEST_MISMATCH = "digest_mismatch"
    KEY_UNKNOWN = "key_unknown"
    KEY_MALFORMED = "key_malformed"
    KEY_FILE_MISSING = "key_file_missing"
    KEY_FILE_EXPOSED = "key_file_exposed"
    KEY_FILE_MALFORMED = "key_file_malformed"
    KEY_FILE_EXISTS = "key_file_exists"
    NOT_CANONICAL = "value_not_canonical"
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a code, not a secret
    SEAL_INVALID = "seal_invalid"
    TOKEN_UNSIGNED = "token_unsigned"  # noqa: S105 - codes, not secrets, to the end of the list
    TOKEN_ALGORITHM = "token_algorithm"  # noqa: S105
    TOKEN_KEY_UNKNOWN = "token_key_unknown"  # noqa: S105
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105
    TOKEN_ISSUER = "token_issuer"  # noqa: S105
    TOKEN_AUDIENCE = "token_audience"  # noqa: S105
    TOKEN_NONCE = "token_nonce"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_NOT_YET = "token_not_yet"  # noqa: S105
    PEPPER_SHORT = "pepper_short"
    CHAIN_BROKEN = "chain_broken"
    DESCRIPTOR_FORGED = "descriptor_forged"
    COUNTERSIGNATURE_FORGED = "countersignature_forged"
    STATUS_FORGED = "status_forged"


class CryptoError(Exception):
    """Root of this room's errors: a stable `code` and a `message` that says what to do."""

    def __init__(self, code: CryptoCode, message: str) -> None:
        """Keep both parts; the text of the exception is `code: message`."""
        super().__init__(f"{code.value}: {message}")
        self.code: str = code.value
        self.message = message


class SignatureError(CryptoError):
    """A message or document must not be trusted .

    Codes: `signature_*`, `digest_mismatch`, `key_unknown`; of chains and descriptors `chain_broken`, `*_forged`.
    """


class KeyTextError(CryptoError):
    """A public key's text or a key's raw bytes are malformed (`key_malformed`)."""


class KeyFileError(CryptoError):
    """A private key file was refused.

    Codes: `key_file_missing`, `key_file_exposed`, `key_file_malformed`, `key_file_exists`.
    """


class CanonicalError(CryptoError):
    """A value has no RFC 8785 form that every reader would reproduce (`value_not_canonical`)."""


class TokenError(CryptoError):
    """A text is not a token of ours (`token_malformed`), or the pepper is weak (`pepper_short`)."""


class SealError(CryptoError):
    """A sealed text does not open here, or not as what it is given as (`seal_invalid`, `key_unknown`)."""


class IdTokenError(CryptoError):
    """An ID token is not believed (`token_malformed`, `token_unsigned` and the other codes of ID tokens)."""
