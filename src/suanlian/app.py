"""The composition root of a hub: settings -> store -> ports -> routers and workers. It alone knows everyone."""

import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI

from suanlian import __version__
from suanlian.api import (
    audit,
    capabilities,
    catalogue,
    conformance,
    connector,
    entities,
    errors,
    files,
    identifiers,
    identity,
    jobs,
    node,
    onboarding,
    parties,
    platforms,
    sign_in,
    sites,
    supervision,
    supply,
)
from suanlian.api import secrets as secrets_api
from suanlian.api.deps import Bounds
from suanlian.api.deps import Hub as Hub  # noqa: PLC0414 - commands know the hub by this room alone
from suanlian.api.known import Known
from suanlian.api.limits import Limits
from suanlian.conformance.suite import Suite
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.audit import AuditAnswer, AuditCall
from suanlian.model.errors import ConflictError, InvalidError
from suanlian.model.levels import HubRules, LevelRules
from suanlian.model.report import ReportUpAnswer, ReportUpCall
from suanlian.rules.addresses import refused_address
from suanlian.sdk.connector import ConnectorClient, Link, Means
from suanlian.sdk.kept_provider import KeptProvider, WebClient
from suanlian.sdk.oidc import OidcProvider, secure_address, unavailable
from suanlian.sdk.transport import open_client
from suanlian.services import nodes
from suanlian.services.allowance import Granted
from suanlian.services.jobs import Terms
from suanlian.services.ports import Clock, Node, Relying, Secrets
from suanlian.settings import HubSettings
from suanlian.store import nodes as node_rows
from suanlian.store.engine import Store, open_store
from suanlian.store.migrate import upgrade
from suanlian.store.unit import Row, Unit
from suanlian.store.wakeups import Wakeups
from suanlian.store.writer import Writer
from suanlian.workers.audit import Auditor
from suanlian.workers.conformance import Conformance
from suanlian.workers.erase import Eraser
from suanlian.workers.loop import Tools, Worker
from suanlian.workers.onboard import Onboarder
from suanlian.workers.place import Placer
from suanlian.workers.rate import Rater
from suanlian.workers.supply import Supply
from suanlian.workers.sweep import Sweeper
from suanlian.workers.uplink import Uplink
from suanlian.workers.verify import Verifier
from suanlian.workers.witness import Witness

KEY_FILE: Final = "hub.key"
PEPPER_FILE: Final = "pepper"
SECRETS_FILE: Final = "secrets.key"
_RANDOM_BYTES: Final = 32


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def database_url(settings: HubSettings) -> str:
    """Where the store is: as set, else a SQLite file in the hub's home."""
    return settings.database_url or f"sqlite:///{settings.hub_home / 'hub.db'}"


def make_secrets(home: Path) -> Secrets:
    """What keyed hashes, tokens and sealed secrets are made with; made at first use, readable by their owner alone."""
    pepper, at_rest = _random_file(home / PEPPER_FILE), _random_file(home / SECRETS_FILE)
    return Secrets(pepper=pepper, random_bytes=secrets.token_bytes, at_rest=at_rest)


def _random_file(path: Path) -> bytes:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_RANDOM_BYTES))
    return path.read_bytes()


class HubAbove:
    """The way up by one uplink, in the connector's own protocol."""

    def __init__(self, row: Row, keypair: KeyPair, clock: Clock) -> None:
        """``row`` names the hub's address, its pinned key, and who we are there."""
        self._link = Link(row["url"], PublicKey.parse(row["hub_key"]), keypair, row["connector_id"])
        self._clock = clock

    def send_report(self, call: ReportUpCall) -> ReportUpAnswer:
        """Send a report up; the answer is believed only if the pinned hub signed it."""
        with open_client() as http:
            return ConnectorClient(self._link, Means(http, self._clock)).supervision(call)

    def send_head(self, call: AuditCall) -> AuditAnswer:
        """Send a head of the audit log up, or ask which one is held there."""
        with open_client() as http:
            return ConnectorClient(self._link, Means(http, self._clock)).audit(call)


class SigningIn:
    """The identity provider of this hub, and what is agreed with it (``services.ports.IdentityProvider``)."""

    def __init__(self, settings: HubSettings, url: str, clock: Clock) -> None:
        """Asks nothing yet. Raises InvalidError when the settings do not belong together."""
        issuer, client_id = settings.oidc_issuer, settings.oidc_client_id
        if not client_id:
            wrong = "SUANLIAN_OIDC_ISSUER is set, SUANLIAN_OIDC_CLIENT_ID is not."
            raise InvalidError("field_invalid", wrong, todo="Set both, or neither.", field="oidc_client_id")
        secure_address(issuer)
        self.relying = Relying(
            issuer=issuer,
            client_id=client_id,
            device_client_id=settings.oidc_device_client_id or client_id,
            session=timedelta(minutes=settings.session_minutes),
            sign_up=settings.oidc_sign_up,
            return_origins=frozenset(settings.oidc_return_origins),
        )
        client = WebClient(client_id, f"{url}/v1/sign-in/callback", settings.oidc_client_secret_file)
        provider = OidcProvider(issuer, check=lambda address: _check_address(address, issuer))
        self._kept = KeptProvider(provider, client, clock)
        self.keys, self.authorization_url, self.redeem = (
            self._kept.keys,
            self._kept.authorization_url,
            self._kept.redeem,
        )


def _check_address(address: str, issuer: str) -> None:
    """An address that the provider names: https, and no private one unless it is the issuer's own host."""
    secure_address(address)
    host = urlsplit(address).hostname or ""
    why = None if host == urlsplit(issuer).hostname else refused_address(host)
    if why is not None:
        raise unavailable(f"it names {address[:200]!r}, which is {why}")


@dataclass(slots=True)
class Running:
    """A hub with its workers, from start to stop."""

    hub: Hub
    workers: tuple[Worker, ...]

    def start(self) -> None:
        """Let the workers begin."""
        for worker in self.workers:
            worker.start()

    def stop_unstarted(self) -> None:
        """End what was put together for one command, whose workers never began."""
        self.hub.writer.stop()
        self.hub.store.close()

    def stop(self) -> None:
        """End the workers, finish what waits to be written, give every connection back."""
        for worker in self.workers:
            worker.stop()
        self.hub.writer.stop()
        self.hub.store.close()


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the home's lock, so that only one process serves it. Raises ConflictError when another one does."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            wrong = f"Another process serves the hub in {home}."
            raise ConflictError("state_conflict", wrong, todo="Stop it first, or choose another --home.") from error
        yield


def prepare_store(settings: HubSettings) -> None:
    """Bring the tables up to date; in an embedded store leases of a process that is gone are void."""
    store = open_store(database_url(settings))
    upgrade(store)
    if store.is_sqlite:
        with store.writing.begin() as connection:
            node_rows.void_leases(Unit(connection, utc_now()))
    store.close()


def assemble(settings: HubSettings, *, clock: Clock = utc_now) -> Running:
    """Put a hub together; its tables are there and it was initialised. Nothing runs yet but the writer."""
    store = open_store(database_url(settings))
    wakeups, tokens = Wakeups(), make_secrets(settings.hub_home)
    bounds = Bounds(
        settings.account_bytes,
        frozenset(settings.input_origins),
        _hub_rules(settings),
        settings.probe_seconds,
        (settings.supply_period, settings.supply_hold),
        Granted(settings.free_core_hours, settings.free_core_hours_together),
    )
    tools = Tools(store, wakeups, clock)
    known = Known(tools.reading, clock, tokens, Terms(bounds.input_origins, bounds.data))

    def committed(topics: list[str]) -> None:
        known.forget(topics)
        wakeups.notify(topics)

    writer = Writer(store, clock=clock, on_commit=committed)
    keypair = KeyPair.load(settings.hub_home / KEY_FILE)
    hub = Hub(
        store=store,
        writer=writer,
        wakeups=wakeups,
        node=_load(store, keypair, clock),
        secrets=tokens,
        bounds=bounds,
        clock=clock,
        version=__version__,
        known=known,
    )
    if settings.oidc_issuer:
        hub.provider = SigningIn(settings, hub.node.url, clock)
    return Running(hub, _workers(tools, hub))


def _workers(tools: Tools, hub: Hub) -> tuple[Worker, ...]:
    """What follows from events, and from time; the audit log last, so that it sees what the others did."""
    writer = hub.writer

    def above(row: Row) -> HubAbove:
        return HubAbove(row, hub.node.keypair, hub.clock)

    def node_now() -> Node:
        return hub.node

    return (
        Onboarder(tools, writer),
        Placer(tools, writer, hub.bounds.data.levels),
        Rater(tools, writer),
        Conformance(tools, writer, node_now, Suite),
        Uplink(tools, writer, above),
        Sweeper(tools, writer),
        Supply(tools, writer, node_now, hub.secrets.random_bytes, hub.bounds.supply),
        Eraser(tools, writer),
        Verifier(tools, writer, node_now, hub.secrets.random_bytes, hub.bounds.probe_seconds),
        Auditor(tools, writer, node_now),
        Witness(tools, writer, node_now, above),
    )


def _hub_rules(settings: HubSettings) -> HubRules:
    levels = LevelRules(grades=settings.level_grades)
    return HubRules(levels=levels, region=settings.hub_region, grade=settings.hub_protection)


def _load(store: Store, keypair: KeyPair, clock: Clock) -> Node:
    with store.readers.connect() as connection:
        return nodes.load(Unit(connection, clock()), keypair)


def make_app(running: Running) -> FastAPI:
    """The HTTP application of a hub; its workers live as long as it serves."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running.start()
        yield
        running.stop()

    app = FastAPI(title="Suanlian hub", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.hub = running.hub
    for room in (
        node,
        identifiers,
        parties,
        entities,
        sign_in,
        platforms,
        conformance,
        onboarding,
        sites,
        catalogue,
        capabilities,
        secrets_api,
        supply,
        jobs,
        files,
        supervision,
        audit,
        connector,
        identity,
    ):
        app.include_router(room.router)
    errors.install(app)
    app.add_middleware(Limits)
    return app
