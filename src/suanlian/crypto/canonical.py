"""Which bytes stand for a JSON value? The one form of RFC 8785 (JCS), and its digest.

Only values that survive a trip through any JSON reader are accepted: a verifier parses the
document before it forms the bytes again.  So numbers stay where a double is exact, and money and
other decimals must already be strings.
"""

import hashlib
import math

import rfc8785

from suanlian.crypto.errors import CanonicalError, CryptoCode

DIGEST_PREFIX = "sha-256:"
MAX_DEPTH = 64
MAX_EXACT_INTEGER = 2**53 - 1


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes (UTF-8) of a JSON value.

    Raises `CanonicalError`, naming the place as a path from `$`, for NaN and infinities, numbers
    of magnitude 2**53 or more, text that is no Unicode, keys that are not text, nesting beyond
    64 and anything that is not null, bool, int, float, str, list, tuple or dict.
    """
    _check(value, "$", 0)
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # `_check` has just proved the type


def digest(value: object) -> str:
    """Return `sha-256:` and the hex SHA-256 of the canonical bytes; errors as `canonical`."""
    return DIGEST_PREFIX + hashlib.sha256(canonical(value)).hexdigest()


def _check(value: object, place: str, depth: int) -> None:
    """Walk the value once; rfc8785 itself says neither where an error is nor refuses all of them."""
    if depth > MAX_DEPTH:
        raise _refusal(place, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, int | float):  # bool is an int and passes
        _check_number(value, place)
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise _refusal(place, f"has a key of type {type(key).__name__}; keys are text")
            _check_text(key, place)
            _check(member, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            _check(member, f"{place}[{index}]", depth + 1)
    elif value is not None:
        advice = "write decimals, times and ids as strings first"
        raise _refusal(place, f"is a {type(value).__name__}; {advice}")


def _check_number(value: float, place: str) -> None:
    if not math.isfinite(value):
        raise _refusal(place, f"is {value}; JSON has no such number, leave the field out")
    # 1e20 would be written as an integer that a reader cannot hold exactly
    if abs(value) > MAX_EXACT_INTEGER:
        raise _refusal(place, "is a number of 2**53 or more; write it as a string")


def _check_text(value: str, place: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _refusal(place, "holds half of a surrogate pair; it is no Unicode text") from error


def _refusal(place: str, what: str) -> CanonicalError:
    shown = place.encode("ascii", "backslashreplace").decode("ascii")
    return CanonicalError(CryptoCode.NOT_CANONICAL, f"{shown} {what}")
