"""May a browser be sent back there after a sign-in? To loopback and what the operator registered, nowhere else."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_CHARS: Final = 400


def refused_return(url: str, origins: Collection[str]) -> str | None:
    """Why a browser is not sent there, in a few words; None when it may be (RFC 8252, section 7.3; RFC 9700, 4.1)."""
    if len(url) > _MAX_CHARS or not url.isascii() or not url.isprintable() or any(c in url for c in "\\ \"'<>"):
        return "it is too long or holds characters that an address does not have"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "it is no address"
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.fragment or "#" in url:
        return "it is no plain address of a page"
    if host in _LOOPBACK:
        return None
    origin = f"{parts.scheme}://{parts.netloc}"
    return None if parts.scheme == "https" and origin in origins else f"{origin} is not registered"
