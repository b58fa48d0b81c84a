"""Which addresses may a client speak to? https anywhere, plain http on loopback only."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from suanlian.model.errors import InvalidError


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine: ``localhost``, 127.0.0.0/8 or ::1. A name is never looked up."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def hub_address(url: str) -> str:
    """The address of a hub without a slash at its end.

    Raises InvalidError: ``field_invalid`` when it is no http or https address (or carries a password, query or
    fragment), ``not_over_loopback`` when it is plain http to another machine.
    """
    try:
        parts = urlsplit(url.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise _no_address(url) from error
    extras = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not host or extras:
        raise _no_address(url)
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidError(
            "not_over_loopback",
            f"{url[:200]!r} is plain http to another machine: the key would be readable on the way.",
            todo="Use the hub's https address; plain http is for 127.0.0.1, ::1 and localhost.",
            field="url",
        )
    return url.strip().rstrip("/")


def _no_address(url: str) -> InvalidError:
    return InvalidError(
        "field_invalid",
        f"{url[:200]!r} is not the address of a hub.",
        todo="Write it as https://HOST[:PORT], without a password, query or fragment.",
        field="url",
    )
