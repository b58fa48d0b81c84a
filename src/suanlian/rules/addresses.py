"""May a stranger's address be called? One policy of the hub and the connector: only what is public, unless listed."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import idna

_SHARED: Final = ip_network("100.64.0.0/10")
_NAT64: Final = ip_network("64:ff9b::/96")
_V4_COMPATIBLE: Final = ip_network("::/96")
_NAMES: Final = ("localhost", "localhost.localdomain")


def refused_ip(address: IPv4Address | IPv6Address) -> str | None:
    """Why the address is no public one, in a word; None when it is. An IPv4 address that IPv6 wraps decides for it."""
    if isinstance(address, IPv6Address):
        wrapped = _wrapped(address)
        if wrapped:
            return next((why for why in map(refused_ip, wrapped) if why is not None), None)
    for word, is_so in (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("site-local", isinstance(address, IPv6Address) and address.is_site_local),
        ("private", address.is_private),
        ("shared (carrier-grade NAT)", isinstance(address, IPv4Address) and address in _SHARED),
        ("an old form of IPv4", isinstance(address, IPv6Address) and address in _V4_COMPATIBLE),
        ("reserved", address.is_reserved or not address.is_global),
    ):
        if is_so:
            return word
    return None


def _wrapped(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Which IPv4 addresses are reached by it: mapped, 6to4, Teredo, NAT64."""
    if address in _NAT64:  # reserved by name only
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    found: Iterable[IPv4Address | None] = address.teredo or (address.ipv4_mapped, address.sixtofour)
    return tuple(one for one in found if one is not None)


def refused_address(host: str) -> str | None:
    """Why the host, as written, is refused: a literal address that is not public, or a name for this very machine.

    Other names are decided where they are resolved, unless they can be no name at all (IDNA 2008, as HTTP clients write
    it). Odd spellings of IPv4 (``127.1``, ``0x7f000001``) are refused.
    """
    bare = host.strip("[]").rstrip(".").lower()
    if bare in _NAMES or bare.endswith((".localhost", ".local", ".internal")):
        return "a name for a private address"
    if not _is_name(host):
        return "no name that a host can have"
    try:
        return refused_ip(ip_address(bare.split("%")[0]))
    except ValueError:
        digits = bare.rsplit(".", 1)[-1]
        is_odd = digits.isdecimal() or digits.startswith("0x")
        return "an odd spelling of an address" if is_odd else None


def _is_name(host: str) -> bool:
    try:
        return host.isascii() or bool(idna.encode(host.lower()))
    except idna.IDNAError:
        return False
