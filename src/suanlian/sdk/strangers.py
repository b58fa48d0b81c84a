"""How is an address called that somebody else chose? Carefully, and in this one way.

The address is read once, by the parser that also sends it; its host is resolved in the form that is sent, each of its
addresses is judged, and the connection goes to the very one that was judged: a name that changes its answer in between
(DNS rebinding) gains nothing. TLS still checks the certificate against the name. A reading follows a few redirects,
each judged like the first address; a sending follows none. A call has one deadline from its first connection to its
last byte, and what comes too slowly is broken off. The client bounds the headers of an answer (100 KiB).

Whatever an address or its server is, only two errors come of it: InvalidError where it will never do, UnavailableError
where another try may. Their text is a clause that begins with "it"; nothing that was answered is in it but the status.
"""

import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx2

from suanlian.model.errors import InvalidError, UnavailableError

Judge = Callable[[IPv4Address | IPv6Address], str | None]
"""Why an address is not one of the public Internet, in a word; None when it is."""
Resolve = Callable[[str, int], list[str]]
"""Host and port -> its addresses, in numbers. Raises OSError: `socket.gaierror` says whether the name exists."""

MAX_REDIRECTS: Final = 5
MAX_URL: Final = 8000
"""Characters of an address that a redirect leads to."""
GRACE_S: Final = 60.0
SLOWEST: Final = 4 * 1024
"""Bytes a second, on the average, after ``GRACE_S``: what comes slower is broken off."""
USUAL_PORTS: Final = {"http": 80, "https": 443}
_PORTS: Final = range(1, 65536)
_CONNECT_S: Final = 10.0
_SILENT_S: Final = 30.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ABSENT: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""What a resolver says of a name that does not exist; its other errors are its own, and may pass."""
_FAULTS: Final = (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, ValueError)
"""What a client raises for what it was given and got. RuntimeError: it was closed meanwhile."""


class HostUnknownError(UnavailableError):
    """The host does not exist, as far as the resolver knows."""


def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses of a host as the system resolves it. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address as it is called: its host in ASCII, its port always there."""

    url: httpx2.URL
    host: str
    port: int

    @property
    def origin(self) -> str:
        """``scheme://host:port``, the port always written."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.url.scheme}://{shown}:{self.port}"


def read_address(url: str) -> Address:
    """Read an address as the client will. Raises InvalidError ``input_origin_refused`` where none can be called so."""
    try:
        read = httpx2.URL(url)
        host = read.raw_host.decode("ascii")
    except _FAULTS as error:
        raise _refused("it cannot be read") from error
    port = USUAL_PORTS.get(read.scheme, 0) if read.port is None else read.port
    if read.scheme not in USUAL_PORTS or not host or read.userinfo or port not in _PORTS:
        raise _refused("it is not an http or https address without a password")
    if "%" in host:  # what no name has was written in another way, and is read in another way the next time
        raise _refused("its host is no name and no address")
    return Address(read, host, port)


def origin_of(url: str) -> str:
    """The origin of an address, see `Address.origin`. Raises InvalidError."""
    return read_address(url).origin


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose body has not been read yet."""

    status: int
    location: str | None
    _response: httpx2.Response = field(repr=False)
    _deadline: "Deadline" = field(repr=False)

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent. Raises UnavailableError when it breaks off, or comes too slowly."""
        size, began = 0, self._deadline.now()
        try:
            for chunk in self._response.iter_raw():
                size += len(chunk)
                if self._deadline.now() - began > GRACE_S + size / SLOWEST:
                    raise UnavailableError("hub_unavailable", f"it is slower than {SLOWEST} bytes a second")
                yield chunk
        except _FAULTS as error:
            raise self._deadline.broken(error) from error


@dataclass(frozen=True, slots=True)
class Strangers:
    """Calls addresses that somebody else chose. Safe to use from several threads, as its client is.

    ``ports``: at which addresses that are not listed are called; None for any. ``on_call`` is told method and address
    before each request.
    """

    client: httpx2.Client
    judge: Judge
    ports: Collection[int] | None = frozenset(USUAL_PORTS.values())
    resolve: Resolve = resolve_by_system
    on_call: Callable[[str], None] = lambda _line: None
    now: Callable[[], float] = time.monotonic

    @contextmanager
    def reading(self, url: str, listed: Collection[str], most_s: float) -> Iterator[Download]:
        """GET what lies at ``url``, behind redirects too; all of it within ``most_s``.

        ``listed``: origins that may be called though they are not public. Raises InvalidError, UnavailableError.
        """
        with Deadline(most_s, self.now) as deadline:
            for _hop in range(MAX_REDIRECTS + 1):
                with self._answered("GET", url, listed, {}, None, deadline) as found:
                    if found.status not in _REDIRECTS or found.location is None:
                        yield found
                        return
                    url = _led(url, found.location)
            raise _refused(f"it is behind more than {MAX_REDIRECTS} redirects")

    def send(  # noqa: PLR0913, PLR0917 - how, where to, whereto besides, what, for how long
        self, method: str, url: str, listed: Collection[str], headers: Mapping[str, str], data: bytes, most_s: float
    ) -> int:
        """Send bytes to ``url``; the status of the answer, whose body is not read. Raises as ``reading``."""
        with (
            Deadline(most_s, self.now) as deadline,
            self._answered(method, url, listed, headers, data, deadline) as found,
        ):
            return found.status

    @contextmanager
    def _answered(  # noqa: PLR0913, PLR0917 - as ``send``
        self,
        method: str,
        url: str,
        listed: Collection[str],
        headers: Mapping[str, str],
        data: bytes | None,
        deadline: "Deadline",
    ) -> Iterator[Download]:
        address = read_address(url)
        found = self._judged(address, listed)
        self.on_call(f"{method} {url}")
        try:
            request = self.client.build_request(
                method,
                address.url.copy_with(host=found),
                content=data,
                headers={"Accept-Encoding": "identity", **headers, "Host": _host(address), "Connection": "close"},
                extensions={"sni_hostname": address.host, "trace": deadline.trace},
                timeout=httpx2.Timeout(_SILENT_S, connect=_CONNECT_S),
            )
            response = self.client.send(request, stream=True, follow_redirects=False)
        except _FAULTS as error:
            raise deadline.broken(error) from error
        try:
            yield Download(response.status_code, response.headers.get("Location"), response, deadline)
        finally:
            with suppress(*_FAULTS):
                response.close()

    def _judged(self, address: Address, listed: Collection[str]) -> str:
        """The one to connect to, of the addresses of a host."""
        found = self._resolved(address)
        if address.origin in {origin_of(one) for one in listed}:
            return found[0]
        if self.ports is not None and address.port not in self.ports:
            raise _refused(f"its port {address.port} is none of {', '.join(map(str, sorted(self.ports)))}")
        for one in found:
            why = "one with a zone" if "%" in one else self.judge(ip_address(one))
            if why is not None:
                raise _refused(f"its host has an address that is not public, but {why}")
        return found[0]

    def _resolved(self, address: Address) -> list[str]:
        shown = repr(address.host[:253])
        try:
            found = self.resolve(address.host, address.port)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label is too long for any name
            if isinstance(error, UnicodeError) or error.errno in _ABSENT:
                raise HostUnknownError("input_host_unknown", f"its host {shown} does not exist: {error}") from error
            raise UnavailableError("hub_unavailable", f"its host {shown} could not be resolved: {error}") from error
        if not found:
            raise HostUnknownError("input_host_unknown", f"its host {shown} has no address")
        return found


class Deadline:
    """The end of a call's time: whatever goes on on its connections then, they are broken off.

    A client's time-outs bound a single reading, not the whole: a byte a second keeps within each of them for ever.
    """

    def __init__(self, most_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """It runs from the ``with`` on. ``now``: by which a pace is measured."""
        self.now = now
        self._most_s = most_s
        self._over = False
        self._kept: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(most_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Begin."""
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """It is done in time."""
        self._timer.cancel()
        with self._lock:
            while self._kept:
                self._kept.pop().close()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """What the client says of its doings: each connection is taken note of, before TLS begins on it.

        A second descriptor of it is held: TLS takes the first one over. Raises OSError where there is none to be had.
        """
        if event.endswith("connect_tcp.complete"):
            kept = info["return_value"].get_extra_info("socket").dup()
            with self._lock:
                self._kept.append(kept)
                if self._over:
                    _cut(kept)

    def broken(self, error: Exception) -> UnavailableError:
        """What it is called that a call failed so."""
        if self._over:
            return UnavailableError("hub_unavailable", f"it took longer than {self._most_s:g} s")
        return UnavailableError("hub_unavailable", f"it did not deliver: {str(error) or type(error).__name__}")

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for one in self._kept:
                _cut(one)


def _cut(one: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        one.shutdown(socket.SHUT_RDWR)


def _host(address: Address) -> str:
    return address.url.netloc.decode("ascii")


def _led(url: str, location: str) -> str:
    """Where a redirect leads."""
    try:
        found = urljoin(url, location)
    except ValueError as error:
        raise _refused("it leads to an address that cannot be read") from error
    if len(found) > MAX_URL:
        raise _refused(f"it leads to an address of more than {MAX_URL} characters")
    return found


def _refused(why: str) -> InvalidError:
    return InvalidError("input_origin_refused", why)
