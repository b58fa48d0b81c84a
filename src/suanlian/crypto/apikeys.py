"""Which secrets do people and new connectors carry?  API keys and one-time tokens.

All have one form, `kind_prefix_secret`: a kind of two letters, a prefix of 8 characters (base32,
no secret, what lists show and rows are found by), and 256 random bits as 43 characters of
base64url.  Only a keyed hash is stored.  A fast hash suffices because the secret is random, not
chosen by a person; the pepper keeps a stolen table from being tested against guesses at all.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from suanlian.crypto.errors import CryptoCode, TokenError

PREFIX_BYTES = 5
SECRET_BYTES = 32
MIN_PEPPER_BYTES = 32
_FORM = re.compile(r"(?P<kind>sl|ot|jt|iv)_(?P<prefix>[a-z2-7]{8})_[A-Za-z0-9_-]{43}")

RandomBytes = Callable[[int], bytes]
"""`secrets.token_bytes`, or a fixed sequence in tests."""


class TokenKind(StrEnum):
    """What a token opens; its two letters begin the text."""

    API_KEY = "sl"
    OPERATOR_LINK = "ot"
    JOIN = "jt"
    INVITATION = "iv"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `prefix` may be shown and indexed, `text` is the whole secret and never in `repr`."""

    kind: TokenKind
    prefix: str
    text: str = field(repr=False)


def mint(kind: TokenKind, random_bytes: RandomBytes) -> Token:
    """Make a token; the prefix is drawn apart from the secret and says nothing about it."""
    prefix = base64.b32encode(random_bytes(PREFIX_BYTES)).decode("ascii").lower()
    secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode("ascii")
    return split(f"{kind}_{prefix}_{secret}", kind)


def split(text: str, kind: TokenKind) -> Token:
    """Read a token of the kind that is expected here; `TokenError` otherwise.

    The error never repeats the text, which may be a secret with a typing error in it.
    """
    found = _FORM.fullmatch(text)
    if found is None or found["kind"] != kind:
        message = f"expected '{kind}_', 8 characters, '_' and 43 characters; copy the token again"
        raise TokenError(CryptoCode.TOKEN_MALFORMED, message)
    return Token(kind=kind, prefix=found["prefix"], text=text)


def keyed_hash(text: str, pepper: bytes) -> str:
    """Return what is stored: hex HMAC-SHA256 (RFC 2104) of the whole text under the pepper.

    Raises `TokenError` (`pepper_short`) for a pepper under 32 bytes.
    """
    if len(pepper) < MIN_PEPPER_BYTES:
        message = f"the pepper needs {MIN_PEPPER_BYTES} random bytes, it has {len(pepper)}"
        raise TokenError(CryptoCode.PEPPER_SHORT, message)
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def matches(text: str, stored_hash: str, pepper: bytes) -> bool:
    """Tell whether `stored_hash` is of `text`, in time that does not depend on where they differ."""
    return hmac.compare_digest(keyed_hash(text, pepper).encode(), stored_hash.encode())
