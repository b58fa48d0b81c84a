"""May a job read from this host? Addresses that are not public are refused, unless their origin is listed."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_SHARED: Final = ip_network("100.64.0.0/10")
_NAMES: Final = ("localhost", "localhost.localdomain")


def refused_ip(address: IPv4Address | IPv6Address) -> str | None:
    """Why the address is no public one, in a word; None when it is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return refused_ip(inner)
    for word, is_so in (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("private", address.is_private),
        ("shared (carrier-grade NAT)", isinstance(address, IPv4Address) and address in _SHARED),
        ("reserved", address.is_reserved or not address.is_global),
    ):
        if is_so:
            return word
    return None


def refused_address(host: str) -> str | None:
    """Why the host, as written, is refused: a literal address that is not public, or a name for this very machine.

    Other names are decided where they are resolved. Odd spellings of IPv4 (``127.1``, ``0x7f000001``) are refused.
    """
    bare = host.strip("[]").rstrip(".").lower()
    if bare in _NAMES or bare.endswith((".localhost", ".local", ".internal")):
        return "a name for a private address"
    try:
        return refused_ip(ip_address(bare.split("%")[0]))
    except ValueError:
        digits = bare.rsplit(".", 1)[-1]
        is_odd = digits.isdecimal() or digits.startswith("0x")
        return "an odd spelling of an address" if is_odd else None
