"""How many bytes a body may have, decided before it is read; and security headers on every answer."""

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suanlian.api.errors import answer
from suanlian.model.errors import TooLargeError

_MIB: Final = 1024 * 1024
DEFAULT_BYTES: Final = 2 * _MIB
BYTES: Final[Mapping[str, int]] = {
    "/v1/jobs:batch": 32 * _MIB,
    "/v1/objects": 16 * _MIB,
    "/connector/v1/outputs": 23 * _MIB,
    "/connector/v1/inventory": 16 * _MIB,
    "/connector/v1/usage": 4 * _MIB,
    "/connector/v1/supervision": 16 * _MIB,
}
"""Where more than the default is needed: an object has 16 MiB, an output 16 MiB in base64."""
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
        body = _Body(receive, most)
        if _stated(scope) > most:
            await _refuse(scope, receive, send, most)
            return
        guard = _Guard(send)
        try:
            await self._app(scope, body.receive, guard.send)
        except _TooLongError:
            if not guard.started:
                await _refuse(scope, receive, send, most)


class _TooLongError(Exception):
    """More came than was allowed."""


class _Body:
    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _TooLongError
        return message


class _Guard:
    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await self._send(message)


def _stated(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


async def _refuse(scope: Scope, receive: Receive, send: Send, most: int) -> None:
    wrong = f"The body is larger than the {most} bytes that this route takes."
    error = TooLargeError("body_too_large", wrong, todo="Send less, or in several calls.", field="body")
    await answer(error, scope["path"])(scope, receive, send)
