"""What every route stands on: the hub, who calls and what they may, units of work, the raw body."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from suanlian.api.faults import invalid
from suanlian.api.known import Known
from suanlian.model.errors import ForbiddenError, UnauthenticatedError
from suanlian.model.ids import new_id
from suanlian.model.levels import HubRules
from suanlian.model.party import Caller
from suanlian.rules.access import ACTIONS, Access, Door, allowed, reaches_all
from suanlian.rules.scopes import needed, opens
from suanlian.services.allowance import Granted
from suanlian.services.losing import LostTerms
from suanlian.services.once import kept_answer, once
from suanlian.services.ports import Clock, Directory, Doors, HubKeyring, IdentityProvider, Node, Secrets
from suanlian.services.refusals import Refusals
from suanlian.store.engine import Store
from suanlian.store.unit import Unit
from suanlian.store.wakeups import Wakeups
from suanlian.store.writer import Writer

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")

MAX_LIMIT: Final = 200
_BEARER: Final = "bearer "
_BASIC: Final = "basic "
_BASIC_TOO: Final = "/ga4gh/"
_MAX_KEY: Final = 100


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the operator sets: bytes of an account, origins of inputs, which data may lie here, probes, what is free."""

    account_bytes: int
    input_origins: frozenset[str]
    webhook_origins: frozenset[str]
    data: HubRules
    probe_seconds: float
    supply: tuple[int, float]
    free: Granted
    lost: LostTerms
    doors: Doors = field(default_factory=Doors)


@dataclass(slots=True)
class Hub:
    """All that a route needs, made once by the composition root. ``node`` changes when the hub above gives a prefix."""

    store: Store
    writer: Writer
    wakeups: Wakeups
    node: Node
    secrets: Secrets
    bounds: Bounds
    clock: Clock
    version: str
    known: Known
    refusals: Refusals
    provider: IdentityProvider | None = None
    directory: Directory | None = None
    keys: HubKeyring | None = None

    @contextmanager
    def reading(self, caller: Caller | None = None) -> Iterator[Unit]:
        """A unit that reads one consistent state; what it writes is thrown away."""
        with self.store.readers.connect() as connection:
            yield Unit(connection, self.clock(), caller)

    def now(self) -> datetime:
        """The time now, UTC."""
        return self.clock()


async def hub_of(request: Request) -> Hub:
    """The hub that serves this request."""
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(hub_of)]


@dataclass(frozen=True, slots=True)
class May:
    """The policy of a route: the action that it is, and with it who may. A test finds a route without one."""

    action: str

    async def __call__(self, request: Request) -> Caller | None:
        """The caller, when policy and key let them do this. Raises UnauthenticatedError, ForbiddenError."""
        caller = request.state.caller = await _caller(request)
        if ACTIONS[self.action].door is Door.KEY and caller is None:
            todo = "Send 'Authorization: Bearer sl_...'."
            raise UnauthenticatedError("unauthenticated", "The call carries no API key.", todo=todo)
        if allowed(caller, self.action) is Access.DENIED:
            role = "somebody without a key" if caller is None else caller.role.value
            wrong = f"The role {role} may not do this ({self.action})."
            raise ForbiddenError("forbidden", wrong, todo="Use the key of the right role, or ask the hub's operator.")
        return caller if caller is None else self._within(caller)

    def _within(self, caller: Caller) -> Caller:
        """The caller as the policy lets them do this: within the key's scopes, as far as the action reaches."""
        if ACTIONS[self.action].door is Door.KEY and not opens(caller.scopes, self.action):
            has, needs = ", ".join(sorted(caller.scopes)), needed(self.action)
            wrong = f"This key has the scope {has}; {self.action} needs {needs}."
            raise ForbiddenError("scope_missing", wrong, todo=f"Mint a key for it: suanlian key add --scope {needs}")
        return caller.model_copy(update={"sees_all": reaches_all(caller, self.action)})


async def _caller(request: Request) -> Caller | None:
    header = request.headers.get("authorization", "")
    if not header:
        return None
    key = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else _password(request, header)
    known: Known = request.app.state.hub.known
    # only the first call with a key asks the store, and that off the event loop
    caller = known.caller_at_once(key)
    if caller is None:
        caller = await run_in_threadpool(known.caller, key)
    return caller.model_copy(update={"request_id": request_id(request), "source": source_of(request)})


def _password(request: Request, header: str) -> str:
    """The password of HTTP Basic, which is the key for clients that know only that; any name. At their doors alone."""
    if not request.url.path.startswith(_BASIC_TOO) or not header.lower().startswith(_BASIC):
        return ""
    try:
        return base64.b64decode(header[len(_BASIC) :].strip(), validate=True).decode("ascii").partition(":")[2]
    except ValueError:  # of which wrong base64 and wrong text are kinds
        return ""


def source_of(request: Request) -> str:
    """By which door a call came: the address of who called."""
    return "api" if request.client is None else f"api {request.client.host}"


def request_id(request: Request) -> str:
    """The caller's own request id where it is a plain short one, else a fresh one."""
    given = request.headers.get("x-request-id", "")
    return given if given.isascii() and given.replace("-", "").isalnum() and len(given) <= _MAX_KEY else new_id()


def may(action: str) -> Callable[[Request], Caller]:
    """The dependency of a route that needs a key; see ``May``."""
    return May(action)  # type: ignore[return-value]  # with a door that needs a key the caller is never None


def open_to(action: str) -> Callable[[Request], Caller | None]:
    """The dependency of a route that is open to everybody, and learns who calls where a key is shown; see ``May``."""
    return May(action)  # type: ignore[return-value]  # it is awaited by the framework


def who_may(caller: Caller | None, action: str) -> Caller | None:
    """The caller where the policy lets them do ``action`` too; for what is decided in the middle of a route."""
    if caller is None or allowed(caller, action) is Access.DENIED or not opens(caller.scopes, action):
        return None
    return caller.model_copy(update={"sees_all": reaches_all(caller, action)})


def write(hub: Hub, caller: Caller | None, work: Callable[[Unit], T]) -> T:
    """One request, one unit of work: answered after COMMIT."""
    return hub.writer.run(work, caller=caller, source="api")


@dataclass(frozen=True, slots=True)
class Retry:
    """An idempotency key with the hash of the request that it came with; no key, no promise."""

    key: str | None
    path: str

    def run(self, hub: Hub, caller: Caller, body: bytes | str, work: Callable[[Unit], str]) -> str:
        """Do it once under the key, in the transaction that does it."""
        if self.key is None:
            return write(hub, caller, work)
        key, digest = self.key, _hash(self.path, body)
        return write(hub, caller, lambda unit: once(unit, caller, key, digest, lambda: work(unit)))

    def kept(self, hub: Hub, caller: Caller, body: bytes | str) -> str | None:
        """What was answered under the key before; asked where a request would be refused now that was taken then."""
        if self.key is None:
            return None
        with hub.reading(caller) as unit:
            return kept_answer(unit, caller, self.key, _hash(self.path, body))


def _hash(path: str, body: bytes | str) -> str:
    """Of the request as a whole: the same body at another route is another request."""
    return hashlib.sha256(path.encode() + b"\n" + (body if isinstance(body, bytes) else body.encode())).hexdigest()


async def retry(request: Request, idempotency_key: Annotated[str | None, Header(max_length=_MAX_KEY)] = None) -> Retry:
    """The header ``Idempotency-Key`` of a call."""
    return Retry(idempotency_key, request.url.path)


TheRetry = Annotated[Retry, Depends(retry)]


async def raw_body(request: Request) -> bytes:
    """The body as it came; how long it may be was decided before it was read.

    Dependencies are met in the order in which a route names them: name the caller first, so that no stranger's body is
    read.
    """
    return await request.body()


RawBody = Annotated[bytes, Depends(raw_body)]


def parsed(body: bytes, kind: type[B]) -> B:
    """The body as a value, read off the event loop. Raises InvalidError with every field at fault."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error, kind) from error
