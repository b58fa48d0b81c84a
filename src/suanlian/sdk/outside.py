"""Addresses that somebody wrote into a task, read and written: only where that may be, and nowhere else.

A host is resolved, each of its addresses judged, and the connection goes to the very address that was judged. A
redirect of a reading is judged like the first address; a writing follows none. What is answered is never shown.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2

from suanlian.model.errors import InvalidError, UnavailableError
from suanlian.model.tes import Bytes
from suanlian.sdk import rooted
from suanlian.sdk.download import Download, open_download, put
from suanlian.sdk.transport import open_client

Judge = Callable[[IPv4Address | IPv6Address], str | None]
"""Why an address is not one of the public Internet, in a word; None when it is."""

MAX_REDIRECTS: Final = 5
MAX_READ: Final = 64 * 1024**3
MAX_READ_S: Final = 1800.0
_OK: Final = 200
_SERVER: Final = 500
_LATER: Final = frozenset({408, 425, 429})
_DONE: Final = frozenset({200, 201, 202, 204})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}


class Origins(Protocol):
    """Origins that may be called although they are not public."""

    @property
    def input_origins(self) -> Collection[str]:
        """To read from."""
        ...

    @property
    def output_origins(self) -> Collection[str]:
        """To write to."""
        ...


class Elsewhere:
    """See the module; safe to use from several threads."""

    def __init__(self, client: httpx2.Client, origins: Origins, judge: Judge) -> None:
        """Nothing is called yet; the client is closed with it. ``judge`` decides about what is no such origin."""
        self._client, self._origins, self._judge = client, origins, judge
        self._closing = threading.Event()

    @classmethod
    def open(cls, origins: Origins, judge: Judge) -> "Elsewhere":
        """With a client of its own."""
        return cls(open_client(), origins, judge)

    def read(self, url: str) -> Bytes:
        """What lies there. Raises InvalidError where it will never do, UnavailableError where another try may."""
        for _hop in range(MAX_REDIRECTS + 1):
            with open_download(self._client, url, self._judged(url, self._origins.input_origins)) as download:
                if download.status not in _REDIRECTS or download.location is None:
                    _check(download.status, frozenset({_OK}))
                    return self._taken(download)
                url = urljoin(url, download.location)
        raise InvalidError("input_origin_refused", f"it is behind more than {MAX_REDIRECTS} redirects")

    def write(self, url: str, data: bytes) -> None:
        """PUT the bytes there. Raises as ``read``."""
        _check(put(self._client, url, self._judged(url, self._origins.output_origins), data), _DONE)

    def read_files(self, root: str, path: str, *, is_directory: bool) -> list[tuple[str, bytes]]:
        """Files of this machine, see ``rooted``."""
        return rooted.read_files(root, path, is_directory=is_directory)

    def write_file(self, root: str, path: str, data: bytes) -> None:
        """A file of this machine, see ``rooted``."""
        rooted.write_file(root, path, data)

    def close(self) -> None:
        """Break off what goes on."""
        self._closing.set()
        self._client.close()

    def _taken(self, download: Download) -> Bytes:
        seen, size, kept, until = hashlib.sha256(), 0, bytearray(), time.monotonic() + MAX_READ_S
        for chunk in download.chunks():
            size += len(chunk)
            if self._closing.is_set() or time.monotonic() > until:
                raise UnavailableError("hub_unavailable", "it took too long, or the hub stops")
            if size > MAX_READ:
                raise InvalidError("body_too_large", f"it has more than {MAX_READ} bytes")
            seen.update(chunk)
            if size <= rooted.MAX_BYTES:
                kept += chunk
        return Bytes(seen.hexdigest(), size, bytes(kept) if size <= rooted.MAX_BYTES else None)

    def _judged(self, url: str, origins: Collection[str]) -> str:
        parts = _split(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            raise UnavailableError("hub_unavailable", f"its host could not be resolved: {error}") from error
        if _origin(url) in {_origin(one) for one in origins}:
            return found[0]
        if port not in _PORTS.values():
            raise InvalidError("input_origin_refused", f"its port {port} is neither 80 nor 443")
        for address in found:
            why = "not one" if "%" in address else self._judge(ip_address(address))
            if why is not None:
                raise InvalidError("input_origin_refused", f"its host has an address that is {why}")
        return found[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError as error:
        raise InvalidError("input_origin_refused", "it cannot be read") from error
    if not usable:
        raise InvalidError("input_origin_refused", "it is no http or https address")
    return parts


def _origin(url: str) -> tuple[str, str, int]:
    parts = _split(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]


def _check(status: int, good: Collection[int]) -> None:
    if status in good:
        return
    text = f"it answered with HTTP status {status}"
    raise (
        UnavailableError("hub_unavailable", text)
        if status >= _SERVER or status in _LATER
        else InvalidError("not_found", text)
    )
