"""What is an identifier worth today, may a descriptor follow another, and which serial numbers tell nothing?  Pure."""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.descriptor import Act, Descriptor, IdentifierStanding

MAX_AGE: Final = timedelta(minutes=10)
"""A descriptor is handed in soon after it was made, or made anew."""
CLOCKS_DIFFER: Final = timedelta(minutes=2)
_MIN_SERIAL: Final = 4
_STRICT_STATES: Final[Mapping[str, IdentifierStanding]] = {
    "frozen": IdentifierStanding.FROZEN,
    "withdrawn": IdentifierStanding.REVOKED,
}
JUNK_SERIALS: Final = frozenset(
    {
        "0123456789",
        "123456789",
        "1234567890",
        "default string",
        "default",
        "empty",
        "n/a",
        "na",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "null",
        "oem",
        "o.e.m.",
        "serial",
        "system serial number",
        "chassis serial number",
        "base board serial number",
        "to be filled by o.e.m.",
        "tbd",
        "unknown",
        "xxxxxxx",
        "03000200-0400-0500-0006-000700080009",
    }
)
"""What makers leave in the place of a serial number: equal at machines that have nothing to do with each other."""

FOLLOWS: Final[Mapping[Act, tuple[Collection[IdentifierStanding], IdentifierStanding]]] = {
    Act.FROZEN: ((IdentifierStanding.ACTIVE,), IdentifierStanding.FROZEN),
    Act.THAWED: ((IdentifierStanding.FROZEN,), IdentifierStanding.ACTIVE),
    Act.REVOKED: ((IdentifierStanding.FROZEN,), IdentifierStanding.REVOKED),
    Act.MOVED: ((IdentifierStanding.ACTIVE, IdentifierStanding.FROZEN), IdentifierStanding.MOVED),
}
"""From which standing an act leads to which: revoked and moved are ends."""
BY_ANOTHER: Final = frozenset({Act.THAWED, Act.REVOKED})
"""What follows a freeze takes another person than the one who froze."""


def standing_of(registered: str, platform_state: str) -> IdentifierStanding:
    """The stricter of what became of the identifier and of its platform."""
    own = IdentifierStanding(registered)
    if own in (IdentifierStanding.REVOKED, IdentifierStanding.MOVED):
        return own
    by_state = _STRICT_STATES.get(platform_state, IdentifierStanding.ACTIVE)
    return own if by_state is IdentifierStanding.ACTIVE else by_state


def stale(new: Descriptor, last: Descriptor | None, last_digest: str, now: datetime) -> str:
    """Why a descriptor does not follow the last one that was registered; empty when it does."""
    version = 1 if last is None else last.version + 1
    if new.version != version or new.previous != last_digest:
        return f"it is version {new.version}, and version {version} of another one before it is due"
    if last is not None and new.made_at <= last.made_at:
        return "it was not made after the version before it"
    if new.made_at > now + CLOCKS_DIFFER:
        return "it was made in the future"
    return "it was made too long ago" if new.made_at < now - MAX_AGE else ""


def _plain(serial: str) -> str:
    return " ".join(serial.lower().split())


def is_junk(serial: str) -> bool:
    """Whether a serial number tells nothing: what makers leave there, or one character over and over."""
    plain = _plain(serial)
    bare = set(plain) - set("-.: ")
    return plain in JUNK_SERIALS or len(plain) < _MIN_SERIAL or len(bare) <= 1


def hardware_digest(hub_id: str, serial: str) -> str:
    """What a platform tells of a serial number: SHA-256, salted with the hub's id, so that two hubs cannot compare."""
    return hashlib.sha256(f"suanlian-hardware\n{hub_id}\n{_plain(serial)}".encode()).hexdigest()


def telling(hub_id: str, digests: Collection[str]) -> list[str]:
    """The digests without those of junk, whoever sent them."""
    junk = {hardware_digest(hub_id, serial) for serial in JUNK_SERIALS}
    return sorted(set(digests) - junk)


def same_endpoint(url: str) -> str:
    """An address in the form in which two are compared."""
    return url.strip().rstrip("/").lower()
