"""How things are named: UUIDv7 inside, and one pluggable scheme of public identifiers outside.

A public identifier reads ``CN.YRD-J-06F5K3M2Q8ZJH4T7WBXN9C1D2E-R``: the prefix of the hub that issued it (each label
delegated by the hub above), the kind, the serial (the UUID in Crockford's base 32) and one check character by
ISO 7064 MOD 37,36 over all letters and digits before it: it finds every wrong letter or digit, and two that changed
places unless they are neighbours in 0-9A-Z (and of those all but one in 36). The official layout is not public: the
scheme is a protocol.
"""

import re
from base64 import b32encode
from enum import StrEnum
from typing import Annotated, Final, NamedTuple, NewType, Protocol
from uuid import UUID

from pydantic import StringConstraints
from uuid_utils.compat import uuid7

from suanlian.model.errors import InvalidError

EntityId = NewType("EntityId", str)
AccountId = NewType("AccountId", str)
ProjectId = NewType("ProjectId", str)
PrincipalId = NewType("PrincipalId", str)
PlatformId = NewType("PlatformId", str)
ConnectorId = NewType("ConnectorId", str)
SiteId = NewType("SiteId", str)
ShareId = NewType("ShareId", str)
FlavorId = NewType("FlavorId", str)
OfferId = NewType("OfferId", str)
JobId = NewType("JobId", str)
AttemptId = NewType("AttemptId", str)
AssignmentId = NewType("AssignmentId", str)
HubId = NewType("HubId", str)

_BASE36: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE: Final = {char: value for value, char in enumerate(_BASE36)}
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SERIAL_LENGTH: Final = 26
_TO_CROCKFORD: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD)
_MODULUS: Final = 36
_PREFIX: Final = r"[A-Z][A-Z0-9]{0,15}(?:\.[A-Z0-9]{1,16}){0,7}"

Prefix = Annotated[str, StringConstraints(pattern=f"^{_PREFIX}$")]
"""Labels of capital letters and digits, joined by dots, from the root down: ``CN``, ``CN.YRD``."""


class Kind(StrEnum):
    """What an identifier names; the letter stands in the identifier."""

    HUB = "N"
    ENTITY = "E"
    PLATFORM = "P"
    SITE = "S"
    SHARE = "H"
    FLAVOR = "F"
    OFFER = "O"
    JOB = "J"
    REPORT = "R"
    DATASET = "D"
    STORAGE = "G"


# 26 digits of base 32 have 130 bits, a UUID 128: the first digit is at most 7
_LAYOUT: Final = re.compile(rf"({_PREFIX})-([{''.join(Kind)}])-([0-7][{_CROCKFORD}]{{{_SERIAL_LENGTH - 1}}})")


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as lower-case text: ids made later sort later, to the millisecond."""
    return str(uuid7())


class Identifier(NamedTuple):
    """A public identifier, parsed."""

    prefix: str
    kind: Kind
    uuid: str


class IdentifierScheme(Protocol):
    """One layout of public identifiers; ``parse(format(x)) == x``."""

    def format(self, identifier: Identifier) -> str:
        """Write it, check character included."""
        ...

    def parse(self, text: str) -> Identifier:
        """Read it. Raises InvalidError ``identifier_invalid`` when malformed or the check character is wrong."""
        ...


def check_character(text: str) -> str:
    """The check character of ISO 7064 MOD 37,36 over the letters and digits of ``text``, punctuation left out."""
    product = _MODULUS
    for value in map(_VALUE.get, text):
        if value is not None:
            product = (((product + value) % _MODULUS or _MODULUS) * 2) % (_MODULUS + 1)
    return _BASE36[(_MODULUS + 1 - product) % _MODULUS]


def _serial(uuid: str) -> str:
    # 20 bytes are 32 digits of base 32; the last 26 hold the 128 bits
    digits = b32encode(int(uuid.replace("-", ""), 16).to_bytes(20))[-_SERIAL_LENGTH:]
    return digits.decode().translate(_TO_CROCKFORD)


def _uuid(serial: str) -> str:
    number = 0
    for char in serial:
        number = number << 5 | _CROCKFORD.index(char)
    return str(UUID(int=number))


class DashedScheme:
    """Our own default: ``prefix-kind-serial-check``."""

    def format(self, identifier: Identifier) -> str:
        """Write it, check character included."""
        body = f"{identifier.prefix}-{identifier.kind.value}-{_serial(identifier.uuid)}"
        return f"{body}-{check_character(body)}"

    def parse(self, text: str) -> Identifier:
        """Read it. Raises InvalidError ``identifier_invalid``."""
        body, _, check = (text.upper() if text.isascii() else "").rpartition("-")
        parts = _LAYOUT.fullmatch(body)
        if parts is None or check_character(body) != check:
            raise _malformed(text)
        return Identifier(parts[1], Kind(parts[2]), _uuid(parts[3]))


def _malformed(text: str) -> InvalidError:
    return InvalidError(
        "identifier_invalid",
        f"{text[:80]!r} is not an identifier, or its check character is wrong.",
        todo="Copy it whole; it reads PREFIX-KIND-SERIAL-CHECK.",
        field="identifier",
    )


SCHEME: Final[IdentifierScheme] = DashedScheme()
"""The scheme in use."""


def public_id(prefix: str, kind: Kind, uuid: str) -> str:
    """The public identifier of the thing with this UUID, issued under ``prefix``."""
    return SCHEME.format(Identifier(prefix, kind, uuid))
