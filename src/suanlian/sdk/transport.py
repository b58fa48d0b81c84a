"""How do bytes go to a hub and come back? Bounded, never redirected, and every failure with a word on what to do."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

import httpx2

from suanlian.model.errors import InvalidError, SuanlianError, TooLargeError, UnavailableError
from suanlian.sdk.problems import error_of

HttpClient = httpx2.Client
"""Sends requests; to be used by many threads."""

Clock = Callable[[], datetime]
"""Tells the time in UTC."""

CONNECT_TIMEOUT_S: Final = 10.0
_FIRST_SERVER_ERROR: Final = 500
_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"


class UncertifiedError(UnavailableError):
    """The certificate at the address is not one that is trusted here: nothing was sent. It does not pass by itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came over the wire: the body is what was sent, no content coding undone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """How a hub is reached: a proxy, and a file of certificates to trust besides the system's (PEM)."""

    proxy: str | None = None
    ca_file: Path | None = None


def open_client(route: Route | None = None) -> httpx2.Client:
    """Return a client that follows no redirect, reads no environment and asks for no content coding.

    It may be used by many threads. Raises InvalidError where ``ca_file`` cannot be read.
    """
    route = route or Route()
    return httpx2.Client(
        verify=_trusted(route.ca_file),
        proxy=route.proxy,
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    )


@cache
def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust; read once a process, as it takes a tenth of a second."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            wrong = f"The certificates in {ca_file} cannot be used: {error.strerror or error}."
            raise InvalidError("field_invalid", wrong, todo="Let ca_file name a PEM file.", field="ca_file") from error
    return context


def exchange(client: httpx2.Client, request: httpx2.Request, *, max_bytes: int) -> Reply:
    """Send the request and read at most ``max_bytes`` of the answer.

    Raises UnavailableError ``hub_unavailable`` when there is no whole answer, its subclass UncertifiedError when the
    certificate is not trusted, TooLargeError when it is longer.
    """
    try:
        response = client.send(request, stream=True)
        try:
            body = _read(response, max_bytes)
        finally:
            response.close()
    except httpx2.TransportError as error:
        raise _unavailable(request, str(error) or type(error).__name__) from error
    return Reply(response.status_code, dict(response.headers), body)


def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    parts = bytearray()
    for part in response.iter_raw():
        parts += part
        if len(parts) > max_bytes:
            raise TooLargeError(
                "body_too_large",
                f"The answer of {response.url.host} is longer than {max_bytes} bytes.",
                todo="Check that the address is a hub's.",
            )
    return bytes(parts)


def is_uncertified(error: Exception) -> bool:
    """Whether a call failed because the other side's certificate is not trusted."""
    return _CERTIFICATE in str(error)


def _unavailable(request: httpx2.Request, why: str) -> UnavailableError:
    if _CERTIFICATE in why:
        return UncertifiedError(
            "hub_unavailable",
            f"The certificate of {request.url.scheme}://{request.url.netloc.decode('ascii')} is not trusted: {why}.",
            todo="Where the hub's certificate is self-signed or its authority an own one, "
            "let ca_file in agent.toml name that certificate (PEM, an absolute path).",
        )
    return UnavailableError(
        "hub_unavailable",
        f"{request.url.scheme}://{request.url.netloc.decode('ascii')} did not answer: {why}.",
        todo="Check the address and that the hub is up; it is tried again.",
    )


def refusal(reply: Reply) -> SuanlianError:
    """The error that an answer other than 200 stands for; a fault of the hub's own is UnavailableError: it may pass."""
    error = error_of(reply.status, reply.body)
    if reply.status < _FIRST_SERVER_ERROR or error.transient:
        return error
    return UnavailableError(error.code, error.wrong, todo=error.todo, faults=error.faults)
