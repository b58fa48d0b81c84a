"""How are objects behind addresses of somebody else read and written? By HTTP, each address carrying its own right.

Connections are kept and used again. No redirect is followed. Where a connection goes to is decided by ``locate``,
which is handed in: whoever does not know who wrote an address judges its host there, and the connection goes to the
very address that was judged.
"""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from suanlian.storage.contract import PIECE_BYTES, Code, StorageError, UploadGoneError

Locate = Callable[[str, int], str]
"""Host and port -> the address to connect to, in numbers. Raises StorageError ``refused``, ``unreachable``."""

_CONNECT_S: Final = 10.0
_SILENT_S: Final = 60.0
_CONNECTIONS: Final = 32
_ORIGINS: Final = 64
_SAID_BYTES: Final = 4096
_ANSWER_BYTES: Final = 1024 * 1024
_OK: Final = frozenset({200, 201, 204, 206})
_PORTS: Final = {"http": 80, "https": 443}
_CODE: Final = re.compile(rb"<Code>\s*([A-Za-z0-9]{1,64})\s*</Code>")
_FULL: Final = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "BucketQuotaExceeded"})
_BUSY: Final = frozenset({408, 425, 429})
_GONE: Final = frozenset({404, 410, 416})
_DENIED: Final = frozenset({401, 403})
_NO_ROOM: Final = 507
_SERVER: Final = 500


def anywhere(host: str, _port: int) -> str:
    """Connect to whatever the host is: for addresses that the owner of this machine wrote."""
    return host


def told_status(status: int, said: bytes, path: str) -> StorageError:
    """What an answer of a server of objects means. ``said``: the beginning of its body."""
    found = _CODE.search(said)
    code = found[1].decode() if found else ""
    shown = f"the storage answered with HTTP status {status}{f' ({code})' if code else ''}"
    if code == "NoSuchUpload":
        return UploadGoneError(path)
    if status == _NO_ROOM or code in _FULL:
        return StorageError(Code.TARGET_FULL, f"there is no room left: {shown}", path=path)
    if code == "NoSuchBucket":
        return StorageError(Code.REFUSED, f"there is no such bucket: {shown}", path=path)
    if status in _GONE:
        return StorageError(Code.SOURCE_GONE, f"{path!r} is not there: {shown}", path=path)
    if status in _DENIED:
        return StorageError(Code.GRANT_EXPIRED, f"the right is not good (any more): {shown}", path=path)
    busy = status in _BUSY or status >= _SERVER
    return StorageError(Code.UNREACHABLE if busy else Code.REFUSED, shown, path=path)


@dataclass(frozen=True, slots=True)
class Web:
    """Calls addresses, from several threads. ``ca``: a file of certificates in PEM, trusted instead of the system's."""

    locate: Locate = anywhere
    ca: Path | None = None
    _pools: dict[tuple[str, str, int], urllib3.HTTPConnectionPool] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _judging: Lock = field(default_factory=Lock, repr=False)

    def size(self, url: str, path: str) -> int | None:
        """How many bytes lie there; None where nothing does, or where the server does not say."""
        try:
            with self._answer("HEAD", url, path) as answer:
                said = answer.headers.get("Content-Length", "")
                return int(said) if said.isdecimal() else None
        except StorageError as error:
            if error.code is Code.SOURCE_GONE:
                return None
            raise

    def read(self, url: str, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """What lies there, from ``start`` on, in pieces. Raises StorageError, ``source_gone`` if it is too short."""
        if length == 0:
            return
        headers = {} if not start and length is None else {"Range": _range(start, length)}
        got = 0
        with self._answer("GET", url, path, headers) as answer:
            skip = start if headers and answer.status != 206 else 0  # noqa: PLR2004 - partial content
            while piece := answer.read(PIECE_BYTES if length is None else min(PIECE_BYTES, skip + length - got)):
                if skip:
                    dropped = min(skip, len(piece))
                    skip, piece = skip - dropped, piece[dropped:]
                got += len(piece)
                if piece:
                    yield piece
                if length is not None and got >= length:
                    break
        if length is not None and got < length:
            raise StorageError(
                Code.SOURCE_GONE, f"{path!r} is {length - got} bytes shorter than it should be", path=path
            )

    def put(self, url: str, path: str, pieces: Iterable[bytes], length: int) -> str:
        """Write so many bytes there; the answer's ETag."""
        with self._answer("PUT", url, path, {"Content-Length": str(length)}, pieces) as answer:
            return answer.headers.get("ETag", "")

    def post(self, url: str, path: str, body: bytes) -> bytes:
        """Send a document; what was answered, a mebibyte at most."""
        with self._answer("POST", url, path, {"Content-Type": "application/xml"}, body) as answer:
            return answer.read(_ANSWER_BYTES)

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        try:
            pool, target, host = self._pool(url)
            answer = pool.urlopen(
                method,
                target,
                body=body,
                headers={"Host": host, "Accept-Encoding": "identity", **(headers or {})},
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError, ValueError) as error:
            raise _unreachable(error, path) from error
        try:
            if answer.status not in _OK:
                raise told_status(answer.status, answer.read(_SAID_BYTES), path)
            yield answer
        except (HTTPError, OSError) as error:
            raise _unreachable(error, path) from error
        finally:
            _give_back(answer)

    def _pool(self, url: str) -> tuple[urllib3.HTTPConnectionPool, str, str]:
        """The connections to an address's origin, what is asked for there, and how the host is called."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
            raise LocationParseError("an address of http or https")
        port = parts.port or _PORTS[parts.scheme]
        key = (parts.scheme, parts.hostname, port)
        pool = self._known(key) or self._made(key)
        return pool, f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", parts.netloc

    def _known(self, key: tuple[str, str, int]) -> urllib3.HTTPConnectionPool | None:
        with self._lock:
            return self._pools.get(key)

    def _made(self, key: tuple[str, str, int]) -> urllib3.HTTPConnectionPool:
        """Of several threads that ask for an origin at once one judges it, and the others wait for that."""
        with self._judging:
            pool = self._known(key)
            if pool is None:
                pool = self._connected(*key)
                with self._lock:
                    if len(self._pools) >= _ORIGINS:
                        self._pools.clear()
                    self._pools[key] = pool
            return pool

    def _connected(self, scheme: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_SILENT_S)
        found = self.locate(host, port)
        if scheme == "http":
            return urllib3.HTTPConnectionPool(found, port, timeout=timeout, maxsize=_CONNECTIONS)
        context = ssl.create_default_context(cafile=self.ca)
        return urllib3.HTTPSConnectionPool(
            found,
            port,
            timeout=timeout,
            maxsize=_CONNECTIONS,
            ssl_context=context,
            server_hostname=host,
            assert_hostname=host,
        )

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()


def _range(start: int, length: int | None) -> str:
    return f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"


def _give_back(answer: urllib3.BaseHTTPResponse) -> None:
    """A connection whose answer was read to its end is used again; another is closed."""
    if answer.length_remaining:
        answer.close()
    answer.release_conn()


def _unreachable(error: Exception, path: str) -> StorageError:
    if isinstance(error, LocationParseError | ValueError):
        return StorageError(Code.REFUSED, "its address is none of http or https", path=path)
    return StorageError(Code.UNREACHABLE, f"the storage was not reached: {type(error).__name__}", path=path)
