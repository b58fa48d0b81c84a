"""What a call may look like, decided before its body is read: how long, of which type, with which characters.

And security headers on every answer.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suanlian.api.errors import answer
from suanlian.model.errors import InvalidError, SuanlianError, TooLargeError

_MIB: Final = 1024 * 1024
DEFAULT_BYTES: Final = 2 * _MIB
BYTES: Final[Mapping[str, int]] = {
    "/v1/jobs:batch": 32 * _MIB,
    "/v1/objects": 16 * _MIB,
    "/ga4gh/tes/v1/tasks": 4 * _MIB,
    "/connector/v1/outputs": 23 * _MIB,
    "/connector/v1/checkpoint": 6 * _MIB,
    "/connector/v1/inventory": 16 * _MIB,
    "/connector/v1/usage": 4 * _MIB,
    "/connector/v1/lend": 16 * _MIB,
    "/connector/v1/supervision": 16 * _MIB,
    "/connector/v1/data/files": 8 * _MIB,
    "/connector/v1/data/grants": 4 * _MIB,
}
"""Where more than the default is needed: an object has 16 MiB, an output 16 MiB in base64."""
_NOT_JSON: Final = frozenset({"/v1/objects"})
"""Routes whose body is bytes."""
_HEADERS: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Limits:
    """Pure ASGI middleware: a wrapping request class would cost each call a third of a millisecond."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = BYTES.get(scope["path"], DEFAULT_BYTES)
        fault = _fault(scope, most)
        if fault is not None:
            await answer(fault, scope["path"])(scope, receive, _Guard(send, None).send)
            return
        body = _Body(receive, most)
        guard = _Guard(send, body)
        with suppress(_TooLongError):
            await self._app(scope, body.receive, guard.send)
        if body.too_long and not guard.started:
            await answer(_too_long(most), scope["path"])(scope, receive, _Guard(send, None).send)


class _TooLongError(Exception):
    """More came than was allowed."""


class _Body:
    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most
        self.too_long = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.too_long = True
                raise _TooLongError
        return message


class _Guard:
    """Adds headers; swallows what the application makes of a body that broke off because it was too long."""

    def __init__(self, send: Send, body: _Body | None) -> None:
        self._send = send
        self._body = body
        self.started = False

    async def send(self, message: Message) -> None:
        if not self.started and self._body is not None and self._body.too_long:
            return
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await self._send(message)


def _fault(scope: Scope, most: int) -> SuanlianError | None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > most:
        return _too_long(most)
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        wrong = "The address carries the control character U+0000."
        return InvalidError("control_character", wrong, todo="Write it without.", field="path")
    has_body = int(stated) > 0 or b"transfer-encoding" in headers
    media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if has_body and scope["path"] not in _NOT_JSON and media != b"application/json":
        wrong = f"A body of the type {media.decode('latin-1')[:80]!r} is not taken here."
        todo = "Send JSON with Content-Type: application/json."
        return InvalidError("content_type_unsupported", wrong, todo=todo, field="Content-Type")
    return None


def _too_long(most: int) -> TooLargeError:
    wrong = f"The body is larger than the {most} bytes that this route takes."
    return TooLargeError("body_too_large", wrong, todo="Send less, or in several calls.", field="body")
