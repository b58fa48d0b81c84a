"""May an input be read from this address, and what lies there? An address that a buyer wrote is not to be trusted.

Only http and https, and only public host addresses, unless the owner listed the origin: or a job could read what lies
on the platform's own network. Each redirect is judged like the first address. The connection goes to the address that
was judged, and the bytes must have the stated SHA-256.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import stamina

from suanlian.model.errors import InvalidError, TooLargeError, UnavailableError
from suanlian.sdk.connector import Departure
from suanlian.sdk.download import Download, open_download
from suanlian.sdk.transport import Clock, HttpClient

Resolve = Callable[[str, int], list[str]]
"""Host and port -> its addresses, in numbers. Raises OSError: `socket.gaierror` says whether the name exists."""

MAX_REDIRECTS: Final = 5
MAX_FETCH_S: Final = 1800
_TRIES: Final = 3
_ABSENT: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""What a resolver says of a name that does not exist; its other errors are its own, and may pass."""
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE: Final = ipaddress.ip_network("::/96")


class HostUnknownError(UnavailableError):
    """The host of an input does not exist, as far as the resolver knows: tried a few seconds more, then final."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What a fetch works with. ``allowed_origins`` may be read though not public; ``max_bytes`` bounds one input."""

    http: HttpClient
    clock: Clock
    allowed_origins: Collection[str]
    max_bytes: int
    on_send: Callable[[Departure], None]
    resolve: Resolve

    def fetch(self, url: str, sha256: str, target: Path) -> None:
        """Write what lies at ``url`` to ``target``, which must not exist.

        Raises InvalidError ``input_origin_refused`` or ``checksum_mismatch``, TooLargeError, and UnavailableError when
        the address does not deliver after some tries: HostUnknownError ``input_host_unknown`` where its host does not
        exist.
        """
        stamina.RetryingCaller(attempts=_TRIES, timeout=None, wait_initial=0.2)(_passes, self._try, url, sha256, target)

    def _try(self, url: str, sha256: str, target: Path) -> None:
        target.unlink(missing_ok=True)
        for _hop in range(MAX_REDIRECTS + 1):
            address = self._judged(url)
            self.on_send(Departure(f"GET {url}", b""))
            with open_download(self.http, url, address) as download:
                if download.status not in _REDIRECTS or download.location is None:
                    self._keep(url, download, sha256, target)
                    return
                url = urljoin(url, download.location)
        raise _refused(url, f"it is behind more than {MAX_REDIRECTS} redirects")

    def _judged(self, url: str) -> str:
        parts = _split(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORT[parts.scheme]
        try:
            addresses = self.resolve(host, port)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label is too long for any name
            raise _unresolved(host, error) from error
        listed = origin(url) in {origin(allowed) for allowed in self.allowed_origins}
        for address in addresses:
            if not listed and not is_public(address):
                raise _refused(url, f"its host has the address {address}, which is not a public one")
        return addresses[0]

    def _keep(self, url: str, download: Download, sha256: str, target: Path) -> None:
        if download.status != _OK:
            raise _no_file(url, download.status)
        seen, size = hashlib.sha256(), 0
        deadline = self.clock() + timedelta(seconds=MAX_FETCH_S)
        with target.open("xb") as stream:
            for chunk in download.chunks():
                size += len(chunk)
                if size > self.max_bytes:
                    raise TooLargeError("body_too_large", f"The input at {url} is longer than {self.max_bytes} bytes.")
                if self.clock() > deadline:
                    raise UnavailableError("hub_unavailable", f"The input at {url} took longer than {MAX_FETCH_S} s.")
                seen.update(chunk)
                stream.write(chunk)
        if seen.hexdigest() != sha256:
            raise mismatch(url, sha256, seen.hexdigest())


def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses of a host as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _passes(error: Exception) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, HostUnknownError)


def _unresolved(host: str, error: OSError | UnicodeError) -> UnavailableError:
    shown = repr(host[:253])
    if isinstance(error, UnicodeError) or error.errno in _ABSENT:
        return HostUnknownError("input_host_unknown", f"The host {shown} of an input does not exist: {error}.")
    text = f"The platform could not find out the address of the host {shown} of an input: {error}."
    return UnavailableError("hub_unavailable", text)


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet.

    Not loopback, link-local, private, shared (RFC 6598), multicast, reserved or unspecified, also where IPv6 wraps an
    IPv4 address (mapped, compatible, 6to4, Teredo, NAT64).
    """
    try:
        given = ipaddress.ip_address(address)
    except ValueError:  # with a zone, such as fe80::1%eth0: link-local
        return False
    wrapped = _wrapped(given) if isinstance(given, ipaddress.IPv6Address) else ()
    if isinstance(given, ipaddress.IPv6Address) and (given.is_site_local or given in _V4_COMPATIBLE):
        return False
    plain = given.is_global and not (given.is_multicast or given.is_reserved or given.is_unspecified)
    # NAT64 addresses are reserved by name only: what they wrap decides
    return all(is_public(str(inner)) for inner in wrapped) if wrapped else plain


def _wrapped(given: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    if given.ipv4_mapped is not None:
        return (given.ipv4_mapped,)
    if given.sixtofour is not None:
        return (given.sixtofour,)
    if given.teredo is not None:
        return given.teredo
    if given in _NAT64:
        return (ipaddress.IPv4Address(int(given) & 0xFFFFFFFF),)
    return ()


def origin(url: str) -> str:
    """The origin of an address, ``scheme://host:port``, the port always written. Raises InvalidError."""
    parts = _split(url)
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{parts.port or _DEFAULT_PORT[parts.scheme]}"


def mismatch(what: str, stated: str, found: str) -> InvalidError:
    """The error of bytes that are not those that were stated."""
    return InvalidError("checksum_mismatch", f"{what} has SHA-256 {found}, stated was {stated}.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _DEFAULT_PORT and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise _refused(url, f"it cannot be read: {error}") from error
    if not usable or parts.username is not None or parts.password is not None:
        raise _refused(url, "it is not an http or https address without a password")
    return parts


def _refused(url: str, why: str) -> InvalidError:
    return InvalidError(
        "input_origin_refused",
        f"The input {url[:500]} is not read: {why}.",
        todo="Upload the file, or ask the platform's owner to list the origin.",
    )


def _no_file(url: str, status: int) -> Exception:
    text = f"The input at {url[:500]} was answered with HTTP status {status}."
    return UnavailableError("hub_unavailable", text) if status >= _OK + 300 else InvalidError("not_found", text)
