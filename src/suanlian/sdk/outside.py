"""Addresses that somebody wrote into a task or a job, read, written and told by a hub: only where that may be.

How they are called is in ``strangers``. What is answered is never shown.
"""

import hashlib
import threading
from collections.abc import Collection, Mapping
from typing import Final, Protocol

import httpx2

from suanlian.model.errors import InvalidError, UnavailableError
from suanlian.model.tes import Bytes
from suanlian.sdk import rooted
from suanlian.sdk.strangers import GRACE_S, SLOWEST, Download, Judge, Resolve, Strangers, resolve_by_system
from suanlian.sdk.transport import open_client

MAX_READ: Final = 64 * 1024**3
MAX_READ_S: Final = 1800.0
MAX_TOLD_S: Final = 10.0
_OK: Final = 200
_SERVER: Final = 500
_LATER: Final = frozenset({408, 425, 429})
_DONE: Final = frozenset({200, 201, 202, 204})


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


class Deliverer:
    """Tells something to a receiver, once; holds nothing between two deliveries."""

    def __init__(self, judge: Judge, listed: Collection[str], resolve: Resolve = resolve_by_system) -> None:
        """``listed``: origins that may be told although they are not public; ``judge`` decides about the others."""
        self._judge, self._listed, self._resolve = judge, listed, resolve

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send it; the status of the answer. Raises InvalidError where it may not go, UnavailableError."""
        with open_client() as client:
            strangers = Strangers(client, self._judge, resolve=self._resolve)
            return strangers.send("POST", url, self._listed, headers, body, MAX_TOLD_S)


class Elsewhere:
    """Reads and writes what lies elsewhere; safe to use from several threads."""

    def __init__(self, client: httpx2.Client, origins: Origins, judge: Judge) -> None:
        """Nothing is called yet; the client is closed with it. ``judge`` decides about what is no such origin."""
        self._client, self._origins = client, origins
        self._strangers = Strangers(client, judge)
        self._closing = threading.Event()

    @classmethod
    def open(cls, origins: Origins, judge: Judge) -> "Elsewhere":
        """With a client of its own."""
        return cls(open_client(), origins, judge)

    def read(self, url: str) -> Bytes:
        """What lies there. Raises InvalidError where it will never do, UnavailableError where another try may."""
        with self._strangers.reading(url, self._origins.input_origins, MAX_READ_S) as download:
            _check(download.status, frozenset({_OK}))
            return self._taken(download)

    def write(self, url: str, data: bytes) -> None:
        """PUT the bytes there. Raises as ``read``."""
        most_s = min(MAX_READ_S, GRACE_S + len(data) / SLOWEST)
        _check(self._strangers.send("PUT", url, self._origins.output_origins, {}, data, most_s), _DONE)

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
        seen, size, kept = hashlib.sha256(), 0, bytearray()
        for chunk in download.chunks():
            size += len(chunk)
            if self._closing.is_set():
                raise UnavailableError("hub_unavailable", "the hub stops")
            if size > MAX_READ:
                raise InvalidError("body_too_large", f"it has more than {MAX_READ} bytes")
            seen.update(chunk)
            if size <= rooted.MAX_BYTES:
                kept += chunk
        return Bytes(seen.hexdigest(), size, bytes(kept) if size <= rooted.MAX_BYTES else None)


def _check(status: int, good: Collection[int]) -> None:
    if status in good:
        return
    text = f"it answered with HTTP status {status}"
    raise (
        UnavailableError("hub_unavailable", text)
        if status >= _SERVER or status in _LATER
        else InvalidError("not_found", text)
    )
