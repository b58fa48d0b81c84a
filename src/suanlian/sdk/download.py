"""How are bytes read from an address that somebody else chose? From the very host address that was checked.

The name was resolved and judged before; here the connection goes to that address and no other, so a name that changes
its answer in between (DNS rebinding) gains nothing. TLS still checks the certificate against the name. Nothing is
followed: a redirect is handed back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx2

from suanlian.model.errors import UnavailableError

READ_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Download:
    """An answer whose body has not been read yet."""

    status: int
    location: str | None
    _response: httpx2.Response = field(repr=False)

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent. Raises UnavailableError when it breaks off."""
        try:
            yield from self._response.iter_raw(_CHUNK_BYTES)
        except httpx2.TransportError as error:
            raise _broken(self._response.request, error) from error


@contextmanager
def open_download(client: httpx2.Client, url: str, address: str) -> Iterator[Download]:
    """GET ``url`` from the host address ``address`` (IPv4 or IPv6, in numbers). Raises UnavailableError."""
    request = _request(client, "GET", url, address, None)
    try:
        response = client.send(request, stream=True, follow_redirects=False)
    except httpx2.TransportError as error:
        raise _broken(request, error) from error
    try:
        yield Download(response.status_code, response.headers.get("Location"), response)
    finally:
        response.close()


def put(client: httpx2.Client, url: str, address: str, data: bytes) -> int:
    """PUT ``data`` to ``url`` at the host address ``address``; the status. The answer's body is not read.

    Raises UnavailableError.
    """
    request = _request(client, "PUT", url, address, data)
    try:
        response = client.send(request, stream=True, follow_redirects=False)
    except httpx2.TransportError as error:
        raise _broken(request, error) from error
    response.close()
    return int(response.status_code)


def _request(client: httpx2.Client, method: str, url: str, address: str, data: bytes | None) -> httpx2.Request:
    given = httpx2.URL(url)
    return client.build_request(
        method,
        given.copy_with(host=address),
        content=data,
        headers={"Host": given.netloc.decode("ascii"), "Accept-Encoding": "identity", "Connection": "close"},
        extensions={"sni_hostname": given.raw_host.decode("ascii")},
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=READ_TIMEOUT_S / 3),
    )


def _broken(request: httpx2.Request, error: Exception) -> UnavailableError:
    host = request.headers["Host"]
    return UnavailableError("hub_unavailable", f"{host} did not deliver: {str(error) or type(error).__name__}.")
