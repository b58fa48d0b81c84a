"""How does a person's call travel? One HTTP exchange with a hub: key, checks, retries, errors.

TLS certificates are always verified. A call is repeated only after a transient failure and only when repeating is safe:
reads; creations, which carry an idempotency key made once and kept in all repeats; otherwise only if nothing was sent.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

from httpx2 import (
    Client,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    PoolTimeout,
    Request,
    Response,
    TimeoutException,
    TransportError,
)
from stamina import Attempt, retry_context
from uuid_utils.compat import uuid4

from suanlian.model.base import Value
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.sdk.address import hub_address, is_loopback
from suanlian.sdk.problems import error_of, read_answer
from suanlian.sdk.transport import is_uncertified

V = TypeVar("V", bound=Value)

ATTEMPTS: Final = 4
"""A call is made at most this often."""
_NEVER_SENT: Final = (ConnectError, ConnectTimeout, PoolTimeout)
_FIRST_ERROR: Final = 400

Key = str | Callable[[], str] | None
"""The key of a caller, or what gives it for each call (a session that is renewed); None for what is open to all."""
Query = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Call:
    """One call. ``creates``: carries an idempotency key. ``repeatable``: a second delivery changes nothing."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"
    creates: bool = False
    repeatable: bool = True
    idempotency_key: str = ""
    wait_s: float = 0

    def headers(self) -> dict[str, str]:
        """The headers of every repeat; call once, so that the idempotency key stays."""
        headers = {"Content-Type": self.content_type} if self.content is not None else {}
        if self.creates:
            headers["Idempotency-Key"] = self.idempotency_key or str(uuid4())
        return headers


class Transport:
    """Calls one hub with one key. Not for several threads at once; ``close`` when done."""

    def __init__(self, url: str, key: Key, *, timeout_s: float = 30, retry_wait_s: float = 0.2) -> None:
        """Raises InvalidError when the address may not be spoken to; opens no connection yet."""
        self.url = hub_address(url)
        self._key = key
        self._timeout_s = timeout_s
        self._retry_wait_s = retry_wait_s
        # a proxy from the environment is for the world outside, never for this machine; SSL_CERT_FILE is for both
        is_outside = not is_loopback(urlsplit(self.url).hostname)
        verify = is_outside or ssl.create_default_context()
        self._http = Client(
            base_url=self.url, timeout=timeout_s, trust_env=is_outside, verify=verify, auth=self._authorise
        )

    def close(self) -> None:
        """Close the connections; a second time is no error."""
        self._http.close()

    def to(self, url: str) -> "Transport":
        """A transport to another hub, as patient as this one but without its key."""
        return Transport(url, None, timeout_s=self._timeout_s, retry_wait_s=self._retry_wait_s)

    def send(self, call: Call) -> Response:
        """Make the call, repeating where safe.

        Raises the error tree of `suanlian.model.errors`: UnavailableError ``hub_unavailable`` without a timely answer.
        """
        headers = call.headers()
        try:
            for attempt in self._attempts(call):
                with attempt:
                    return self._once(call, headers)
        except HTTPError as error:
            raise self._unreachable(error) from error
        raise AssertionError("the loop returns or raises")  # pragma: no cover - stamina re-raises the last failure

    def read(self, kind: type[V], path: str, query: Query | None = None) -> V:
        """GET a value."""
        return read_answer(kind, self.send(Call("GET", path, query or {})).content)

    def create(self, kind: type[V], path: str, body: Value, *, idempotency_key: str = "") -> V:
        """POST a value that creates something; repeated with the same idempotency key."""
        content = body.model_dump_json(exclude_none=True).encode()
        call = Call("POST", path, content=content, creates=True, idempotency_key=idempotency_key)
        return read_answer(kind, self.send(call).content)

    def act(self, kind: type[V], path: str, content: bytes = b"{}", *, repeatable: bool = True) -> V:
        """POST an act. ``repeatable``: doing it twice is doing it once."""
        return read_answer(kind, self.send(Call("POST", path, content=content, repeatable=repeatable)).content)

    @contextmanager
    def stream(self, path: str) -> Iterator[Response]:
        """GET bytes as they come; not repeated. Raises as ``send``."""
        try:
            with self._http.stream("GET", path) as response:
                if response.status_code >= _FIRST_ERROR:
                    raise error_of(response.status_code, response.read())
                yield response
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _authorise(self, request: Request) -> Request:
        key = self._key() if callable(self._key) else self._key
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    def _attempts(self, call: Call) -> Iterator[Attempt]:
        safe = call.creates or call.repeatable

        def again(error: Exception) -> bool:
            if isinstance(error, TransportError):
                return not is_uncertified(error) and (safe or isinstance(error, _NEVER_SENT))
            return safe and isinstance(error, SuanlianError) and error.transient

        wait = self._retry_wait_s
        return iter(
            retry_context(
                again,
                attempts=ATTEMPTS,
                timeout=self._timeout_s + call.wait_s,
                wait_initial=wait,
                wait_max=10 * wait,
                wait_jitter=wait,
            )
        )

    def _once(self, call: Call, headers: Mapping[str, str]) -> Response:
        response = self._http.request(
            call.method,
            call.path,
            params={name: value for name, value in call.query.items() if value is not None},
            content=call.content,
            headers=dict(headers),
            timeout=self._timeout_s + call.wait_s,
        )
        if response.status_code >= _FIRST_ERROR:
            raise error_of(response.status_code, response.content)
        return response

    def _unreachable(self, error: HTTPError) -> SuanlianError:
        if is_uncertified(error):
            return UnavailableError(
                "hub_unavailable",
                f"The certificate of {self.url} is not trusted: {error}.",
                todo="Where the hub's certificate is self-signed or its authority an own one, "
                "let the environment variable SSL_CERT_FILE name that certificate (PEM).",
            )
        late = isinstance(error, TimeoutException)
        wrong = f"{self.url} did not answer within {self._timeout_s:g} s" if late else f"{self.url} cannot be reached"
        return UnavailableError(
            "hub_unavailable",
            f"{wrong}: {str(error) or type(error).__name__}.",
            todo="Check the address and that the hub runs; then try again.",
        )
