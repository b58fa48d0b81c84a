"""A whole hub in this process, and those who call it: people with keys, connectors that sign.

Nothing is faked but the clock, which stands still until it is told to go on. Workers act when the test says so
(``InProcessHub.settle``), in the order of a real hub's; ``ServedHub`` is the same hub at a port of loopback.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from suanlian.app import Running, assemble, make_app, utc_now
from suanlian.crypto.documents import sign_document
from suanlian.crypto.httpsig import SignedRequest, Signer, sign_request
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId
from suanlian.model.job import ENDED, JobState, Outcome
from suanlian.model.offer import NewOffer
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Inventory
from suanlian.model.protocol import (
    KNOWS,
    MAX_REPORTS,
    AttemptReport,
    EnrolAnswer,
    EnrolCall,
    Instruction,
    InventoryCall,
    ItemAnswer,
    PollAnswer,
    PollCall,
    ReportCall,
    UsageCall,
)
from suanlian.model.usage import USAGE_TYPE, UsageBatch, UsageSegment
from suanlian.sdk.connector import ConnectorClient, Link, Means, Patience, random_nonce
from suanlian.services.ports import Clock
from suanlian.settings import HubSettings
from suanlian.store import tables
from suanlian.store.tables import metadata
from suanlian.workers.loop import Worker

_INCLUDED: Final[list[BaseRoute]] = []
IN_PROCESS: Final = "http://testserver"
"""The address of a hub that has none."""


class FrozenClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime | None = None) -> None:
        """``start`` is now when left out."""
        self._now = start or datetime.now(UTC)

    def __call__(self) -> datetime:
        """The time it shows, UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, or go back when negative."""
        self._now += timedelta(seconds=seconds)


class Person:
    """Calls a hub with one API key, or without."""

    def __init__(self, http: httpx2.Client, key: str | None = None) -> None:
        self._http = http
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: str | int) -> httpx2.Response:
        """Read."""
        return self._http.get(path, params=query or None, headers=self._headers)

    def post(
        self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> httpx2.Response:
        """Write: ``body`` goes as JSON, ``content`` as it is."""
        given = {**self._headers, **(headers or {})}
        if content is not None:
            return self._http.post(path, content=content, headers={"Content-Type": "application/json"} | given)
        return self._http.post(path, headers=given) if body is None else self._http.post(path, json=body, headers=given)

    def send(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Any method, with a body as JSON where there is one."""
        return self._http.request(method, path, json=body, headers=self._headers)


class InProcessHub:
    """A hub over a home that was initialised; use in a ``with``."""

    def __init__(self, settings: HubSettings, *, clock: Clock | None = None) -> None:
        """The workers of the hub do nothing but in ``settle``."""
        self.settings = settings
        # nothing is matched but where a test says so: that would be a process for each hub
        alone = settings.model_copy(update={"matcher_memory": 0})
        self.running: Running = assemble(alone, clock=clock or utc_now)
        self.app = make_app(Running(self.running.hub, ()))
        _with_routes_of_the_first(self.app)
        self.http = TestClient(self.app, base_url=IN_PROCESS, raise_server_exceptions=False)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self.http.__enter__()
        # The framework builds its routes at the first call, and not safely in two threads: two hubs of one process.
        self.http.get("/")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what waits to be written, give every connection back."""
        self.http.__exit__(kind, error, trace)

    @property
    def key(self) -> PublicKey:
        """The hub's public key, as connectors pin it."""
        return self.running.hub.node.keypair.public

    def settle(self, *kinds: type[Worker]) -> None:
        """Let every worker, or those of these kinds, act until none has anything left to do."""
        chosen = [worker for worker in self.running.workers if not kinds or isinstance(worker, kinds)]
        while any(worker.turn() for worker in chosen):
            pass

    def rows(self) -> dict[str, int]:
        """How many rows each table has: what a refused call must leave as it was.

        What is kept of the refusal itself is left out: its event, and the nonce of the call.
        """
        with self.running.hub.reading() as unit:
            counts = {
                table.name: int(unit.connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in metadata.sorted_tables
                if table.name != "nonce"
            }
            told = select(func.count()).where(tables.event.c.type == EventType.CALL_REFUSED.value)
            return {**counts, "event": counts["event"] - int(unit.connection.execute(told).scalar_one())}

    def person(self, key: str | None = None) -> Person:
        """Somebody with this key."""
        return Person(self.http, key)


def _with_routes_of_the_first(app: FastAPI) -> None:
    """Routes know no hub: those of the first one serve all. To analyse them takes longer than most tests do."""
    routes = app.router.routes
    # what the framework itself adds, a route each, is the application's own
    if not _INCLUDED:
        _INCLUDED.extend(route for route in routes if not isinstance(route, Route))
    routes[:] = [*(route for route in routes if isinstance(route, Route)), *_INCLUDED]


class ServedHub:
    """The same hub, workers and all, at a free port of loopback; use in a ``with``."""

    def __init__(self, settings: HubSettings, *, clock: Clock | None = None, port: int = 0) -> None:
        """The port is taken at once, so that ``url`` is known before anything runs."""
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # nothing is matched but where a test says so: that would be a process for each hub
        alone = settings.model_copy(update={"matcher_memory": 0})
        self.running: Running = assemble(alone, clock=clock or utc_now)
        app = make_app(self.running)
        _with_routes_of_the_first(app)
        # routes are built at the first call, and not safely in two threads: here, before any hub of this process serves
        TestClient(app, base_url=IN_PROCESS, raise_server_exceptions=False).get("/")
        config = uvicorn.Config(app, access_log=False, log_level="error", server_header=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self.http = httpx2.Client(base_url=self.url, trust_env=False, timeout=30.0)

    def __enter__(self) -> Self:
        """Begin to serve: the socket listens already, so a call that comes early waits."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; calls that go on are finished."""
        self.http.close()
        self._server.should_exit = True
        self._thread.join(timeout=30.0)
        self._socket.close()

    @property
    def key(self) -> PublicKey:
        """The hub's public key."""
        return self.running.hub.node.keypair.public

    def person(self, key: str | None = None) -> Person:
        """Somebody with this key."""
        return Person(self.http, key)


@dataclass(frozen=True, slots=True)
class Wire:
    """How a connector reaches a hub: by which client, at which address, with which key pinned and which clock."""

    http: httpx2.Client
    url: str
    hub_key: PublicKey
    clock: Clock


@dataclass(slots=True)
class SignedConnector:
    """A connector that speaks the protocol through the shipped client and remembers its report versions."""

    wire: Wire
    keypair: KeyPair
    id: str
    level: JoinLevel = JoinLevel.TRADE
    knows: tuple[str, ...] = KNOWS
    _versions: dict[str, int] = field(default_factory=dict)
    _batches: int = 0

    @classmethod
    def enrol(cls, wire: Wire, token: str, name: str = "c1", *, keypair: KeyPair | None = None) -> "SignedConnector":
        """Enter with a join token. Raises SuanlianError as the hub refuses."""
        pair = keypair or KeyPair.generate()
        answer = enrol(wire, pair, EnrolCall(token=token, name=name, public_key=pair.public_text))
        return cls(wire, pair, answer.connector_id)

    @property
    def client(self) -> ConnectorClient:
        """The shipped client; it calls once and does not try again."""
        return _client(self.wire, self.keypair, self.id)

    def poll(self, revision: int = 0, wait_s: int = 0) -> PollAnswer:
        """What should be true since ``revision``."""
        return self.client.poll(PollCall(revision=revision, wait_s=wait_s, knows=self.knows)).whole()

    def publish(self, inventory: Inventory, *offers: NewOffer, sealing_key: str = "") -> int:
        """Publish; how many versions it made."""
        call = InventoryCall(inventory=inventory, offers=offers, level=self.level, sealing_key=sealing_key)
        return self.client.inventory(call).changed

    def report(self, of: Instruction, state: JobState, **fields: Any) -> ItemAnswer:  # noqa: ANN401 - of AttemptReport
        """Report one attempt with the next version; an end happens now unless ``ended_at`` says otherwise."""
        return self.report_all([of], state, **fields)[0]

    def report_all(self, of: Sequence[Instruction], state: JobState, **fields: Any) -> tuple[ItemAnswer, ...]:  # noqa: ANN401
        """The same of many, in as few calls as there may be."""
        said = [self._said(one, state, dict(fields)) for one in of]
        answers: list[ItemAnswer] = []
        for first in range(0, len(said), MAX_REPORTS):
            call = ReportCall(level=self.level, attempts=tuple(said[first : first + MAX_REPORTS]))
            answers += self.client.report(call).attempts
        return tuple(answers)

    def _said(self, of: Instruction, state: JobState, fields: dict[str, Any]) -> AttemptReport:
        version = int(fields.pop("version", self._versions.get(of.attempt_id, 0) + 1))
        self._versions[of.attempt_id] = max(version, self._versions.get(of.attempt_id, 0))
        if state in ENDED:
            fields.setdefault("ended_at", self.wire.clock())
        said = {"attempt_id": of.attempt_id, "token": of.token, "version": version, "state": state, **fields}
        return AttemptReport.model_validate(said)

    def gone(self, *of: Instruction) -> None:
        """Say that nothing is left of these fenced attempts."""
        self.client.report(ReportCall(level=self.level, gone=tuple(told.attempt_id for told in of)))

    def run(self, of: Instruction, state: JobState = JobState.COMPLETE, *, exit_code: int = 0) -> None:
        """Start an attempt and end it."""
        self.run_all([of], state, exit_code=exit_code)

    def run_all(self, of: Sequence[Instruction], state: JobState = JobState.COMPLETE, *, exit_code: int = 0) -> None:
        """Start attempts and end them, all of them alike."""
        started = self.wire.clock()
        self.report_all(of, JobState.RUNNING, started_at=started)
        self.report_all(of, state, started_at=started, outcome=Outcome(exit_code=exit_code))

    def usage_call(self, *segments: UsageSegment, number: int | None = None) -> UsageCall:
        """A signed batch."""
        self._batches = self._batches + 1 if number is None else number
        batch = UsageBatch(connector_id=ConnectorId(self.id), number=self._batches, segments=segments)
        signature = sign_document(batch.model_dump(mode="json"), self.keypair, typ=USAGE_TYPE)
        return UsageCall(batch=batch, signature=signature)

    def use(self, *segments: UsageSegment) -> tuple[ItemAnswer, ...]:
        """Hand in a signed batch."""
        return self.client.usage(self.usage_call(*segments)).segments

    def signed(self, path: str, body: bytes, **terms: Any) -> dict[str, str]:  # noqa: ANN401 - terms of a signature
        """The headers of a signed call; ``terms`` says otherwise of keyid, keypair, audience, now, nonce, url."""
        headers = {"Content-Type": "application/json"}
        said = SignedRequest("POST", terms.get("url", self.wire.url + path), headers, body)
        signer = Signer(terms.get("keypair", self.keypair), terms.get("keyid", self.id))
        audience = terms.get("audience", self.wire.hub_key.key_id)
        now, nonce = terms.get("now", self.wire.clock()), terms.get("nonce", random_nonce())
        return headers | sign_request(said, signer, audience=audience, now=now, nonce=nonce)

    def send(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Send a call as it is, signed unless ``headers`` says otherwise."""
        return self.wire.http.post(self.wire.url + path, content=body, headers=headers or self.signed(path, body))


def enrol(wire: Wire, keypair: KeyPair, call: EnrolCall) -> EnrolAnswer:
    """Enter a connector or a hub below. Raises SuanlianError as the hub refuses."""
    return _client(wire, keypair, keypair.public_text).enrol(call)


def _client(wire: Wire, keypair: KeyPair, keyid: str) -> ConnectorClient:
    link = Link(wire.url, wire.hub_key, keypair, keyid)
    return ConnectorClient(link, Means(wire.http, wire.clock, patience=Patience(attempts=1)))
