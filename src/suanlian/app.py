"""The composition root of a hub: settings -> store -> ports -> routers and workers. It alone knows everyone."""

import fcntl
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI

from suanlian import __version__
from suanlian.api import errors
from suanlian.api.deps import Bounds
from suanlian.api.deps import Hub as Hub  # noqa: PLC0414 - commands know the hub by this room alone
from suanlian.api.document import Described
from suanlian.api.known import Known
from suanlian.api.limits import Limits
from suanlian.api.rooms import ROUTERS
from suanlian.conformance.suite import Suite
from suanlian.crypto.documents import sign_document
from suanlian.crypto.keyring import KEY_FILE as KEY_FILE  # noqa: PLC0414 - commands know the hub by this room alone
from suanlian.crypto.keyring import in_use, past
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import body_of, pin_after
from suanlian.model.audit import AuditAnswer, AuditCall
from suanlian.model.errors import ConflictError, InvalidError, SuanlianError, UnauthenticatedError, UnavailableError
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId
from suanlian.model.lineage import KeyPin, SignedKeyChange
from suanlian.model.node import Resolution, Resolved
from suanlian.model.rekey import REKEY_TYPE, DelegationCall, NewKey, RekeyCall
from suanlian.model.report import ReportUpAnswer, ReportUpCall
from suanlian.rules.addresses import refused_address, refused_ip
from suanlian.sdk.client import Client
from suanlian.sdk.connector import ConnectorClient, Link, Means
from suanlian.sdk.follow import Hop
from suanlian.sdk.kept_provider import KeptProvider, WebClient
from suanlian.sdk.oidc import OidcProvider, secure_address, unavailable
from suanlian.sdk.outside import Deliverer, Elsewhere
from suanlian.sdk.transport import HttpClient, open_client
from suanlian.services import lineage, nodes, telling
from suanlian.services.allowance import Granted
from suanlian.services.checking import Terms
from suanlian.services.losing import LostTerms
from suanlian.services.ports import Clock, Doors, Followed, Node, Relying, Secrets
from suanlian.services.refusals import Refusals
from suanlian.settings import HubSettings
from suanlian.store import nodes as node_rows
from suanlian.store.engine import Store, open_store
from suanlian.store.migrate import upgrade
from suanlian.store.unit import Row, Unit
from suanlian.store.wakeups import Wakeups
from suanlian.store.writer import Writer
from suanlian.workers.audit import Auditor
from suanlian.workers.conformance import Conformance
from suanlian.workers.copies import Copies
from suanlian.workers.drain import Drainer
from suanlian.workers.erase import Eraser
from suanlian.workers.late import Late
from suanlian.workers.lineage import Lineage
from suanlian.workers.links import Links
from suanlian.workers.loop import Tools, Worker
from suanlian.workers.lost import Loser
from suanlian.workers.match import Matcher
from suanlian.workers.matching_process import MatchingProcess
from suanlian.workers.observe import Observer
from suanlian.workers.onboard import Onboarder
from suanlian.workers.place import Placer
from suanlian.workers.rate import Rater
from suanlian.workers.refused import Refused
from suanlian.workers.release import Releaser
from suanlian.workers.saves import Saves
from suanlian.workers.supply import Supply
from suanlian.workers.sweep import Sweeper
from suanlian.workers.tes import TesFiles
from suanlian.workers.transfers import Transfers
from suanlian.workers.uplink import Uplink
from suanlian.workers.verify import Verifier
from suanlian.workers.webhook import Webhooks
from suanlian.workers.witness import Witness

PEPPER_FILE: Final = "pepper"
_ASKED_AT_ONCE: Final = 8
_ASK_S: Final = 3.0
_ASK_AGAIN_S: Final = 0.05
_WATCH_S: Final = 1.0
_LOG: Final = logging.getLogger(__name__)
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


class HubKeys:
    """The hub's keys, as the store and its home say; looked at again when another is asked for, and by the watch."""

    def __init__(self, home: Path, store: Store, clock: Clock, on_change: Callable[[KeyPair], None]) -> None:
        """Nothing is read yet; ``on_change`` is told of another key in use."""
        self._home, self._store, self._clock, self._on_change = home, store, clock, on_change
        self._held: dict[str, tuple[KeyPair, datetime]] = {}
        self._past: frozenset[str] = frozenset()
        self._in_use: KeyPair | None = None
        self._lock = threading.Lock()

    def refresh(self) -> KeyPair:
        """The key in use, as it is now. Raises KeyFileError where no file holds it."""
        with self._store.readers.connect() as connection:
            changes = lineage.own_changes(Unit(connection, self._clock()))
        with self._lock:
            newest = changes[-1].change.new_key if changes else None
            if self._in_use is None or (newest is not None and self._in_use.public_text != newest):
                self._in_use = in_use(self._home, newest)
                self._on_change(self._in_use)
            told = [one.change for one in changes]
            ended = {PublicKey.parse(one.old_key).key_id: one.old_until for one in told if one.old_key}
            self._past = frozenset(ended)
            kept = {key_id: past(self._home, key_id) for key_id in ended}
            self._held = {key_id: (pair, ended[key_id]) for key_id, pair in kept.items() if pair is not None}
            return self._in_use

    def addressed(self, key_id: str) -> KeyPair | None:
        """The key by this name, while it holds."""
        now = self._in_use or self.refresh()
        if key_id == now.key_id:
            return now
        if key_id not in self._past:
            now = self.refresh()
        pair, until = self._held.get(key_id, (None, self._clock()))
        return now if key_id == now.key_id else pair if until > self._clock() else None

    def is_past(self, key_id: str) -> bool:
        """Whether this was a key of the hub's and holds no longer."""
        return key_id in self._past and self.addressed(key_id) is None

    def before(self) -> list[KeyPair]:
        """The keys before that are still kept, whatever they are worth: by them a hub above may know us."""
        return [pair for pair, _until in self._held.values()]


class KeyWatch:
    """Looks whether a command has changed the hub's key while it serves."""

    def __init__(self, keys: HubKeys) -> None:
        """Nothing runs yet."""
        self._keys, self._stopping = keys, threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_WATCH_S)

    def _run(self) -> None:
        while not self._stopping.wait(_WATCH_S):
            try:
                self._keys.refresh()
            except Exception:  # noqa: BLE001 - it is logged, and looked at again
                _LOG.exception("the hub's key could not be looked at")


class OtherHubs:
    """Other hubs, asked for who asks us; so many at once, and none for long."""

    def __init__(self) -> None:
        self._room = threading.BoundedSemaphore(_ASKED_AT_ONCE)

    def find(self, referral: Resolution) -> Resolved:
        """Go where our own referral leads: its address, key and prefix are of our own rows."""
        if not self._room.acquire(blocking=False):
            wrong = "Too much is asked of other hubs just now."
            raise UnavailableError("hub_unavailable", wrong, todo="Try again in a moment.")
        try:
            with Client(referral.refer_to, timeout_s=_ASK_S, retry_wait_s=_ASK_AGAIN_S) as door:
                first = Hop(door.url, referral.refer_key, referral.refer_prefix)
                return door.identifiers.resolve(referral.identifier, first)
        finally:
            self._room.release()


class HubAbove:
    """The way up by one uplink, in the connector's own protocol."""

    def __init__(self, row: Row, keypair: KeyPair, clock: Clock, before: Sequence[KeyPair] = ()) -> None:
        """``row`` names the hub's address, its pinned key, and who we are there; ``before``: keys that we had."""
        self._link = Link(row["url"], PublicKey.parse(row["hub_key"]), keypair, row["connector_id"])
        self._clock = clock
        self._before = before

    def keep_up(self, pin: KeyPin, call: DelegationCall, change: SignedKeyChange | None) -> Followed:
        """Follow the key of the hub above, introduce our own where it changed, get our delegation as it is now."""
        with open_client() as http:
            client = ConnectorClient(self._link, Means(http, self._clock))
            try:
                answer = client.delegation(call)
            except SuanlianError:
                pin = pin_after(pin, client.hub_keys().changes)
                self._introduce(http, pin, change)
                client.relink(hub_key=PublicKey.parse(pin.key))
                answer = client.delegation(call)
            if client.hub_has_moved:
                pin = pin_after(pin, client.hub_keys().changes)
        return Followed(pin, answer)

    def _introduce(self, http: HttpClient, pin: KeyPin, change: SignedKeyChange | None) -> None:
        """Introduce our key by one that the hub above knows; by the change alone where we have none of those."""
        link = replace(self._link, hub_key=PublicKey.parse(pin.key))
        said = NewKey(connector_id=ConnectorId(link.keyid), public_key=link.keypair.public_text)
        proof = sign_document(body_of(said), link.keypair, typ=REKEY_TYPE)
        call = RekeyCall(public_key=said.public_key, proof=proof, change=change)
        for by in (*reversed(self._before), link.keypair):
            with suppress(UnauthenticatedError):
                ConnectorClient(replace(link, keypair=by), Means(http, self._clock)).rekey(call)
                return

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
        kept = KeptProvider(provider, client, clock)
        self.keys, self.authorization_url, self.redeem = kept.keys, kept.authorization_url, kept.redeem


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
    watch: KeyWatch | None = None

    def start(self) -> None:
        """Let the workers begin."""
        if self.watch is not None:
            self.watch.start()
        for worker in self.workers:
            worker.start()

    def stop_unstarted(self) -> None:
        """End what was put together for one command, whose workers never began."""
        self.hub.writer.stop()
        self.hub.store.close()

    def stop(self) -> None:
        """End the workers, finish what waits to be written, give every connection back."""
        if self.watch is not None:
            self.watch.stop()
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
        frozenset(telling.origin(one) for one in settings.webhook_origins),
        settings.data_rules,
        settings.probe_seconds,
        (settings.supply_period, settings.supply_hold),
        Granted(settings.free_core_hours, settings.free_core_hours_together),
        LostTerms.of(settings.lost_after_s, settings.lost_for_s),
        Doors(frozenset(settings.input_origins), frozenset(settings.output_origins), settings.file_roots),
    )
    tools = Tools(store, wakeups, clock)
    known = Known(tools.reading, clock, tokens, Terms(bounds.input_origins, bounds.data))

    def committed(topics: list[str]) -> None:
        known.forget(topics)
        wakeups.notify(topics)

    writer = Writer(store, clock=clock, on_commit=committed)
    keypair = _key_in_use(settings, store, clock)
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
        refusals=Refusals(writer, clock),
        directory=OtherHubs(),
    )
    if settings.oidc_issuer:
        hub.provider = SigningIn(settings, hub.node.url, clock)

    def changed(fresh: KeyPair) -> None:
        hub.node = replace(hub.node, keypair=fresh)
        wakeups.notify([EventType.HUB_REKEYED.value])

    hub.keys = keys = HubKeys(settings.hub_home, store, clock, changed)
    keys.refresh()
    return Running(hub, _workers(tools, hub, keys) + _optional(tools, hub, settings), KeyWatch(keys))


def _key_in_use(settings: HubSettings, store: Store, clock: Clock) -> KeyPair:
    with store.readers.connect() as connection:
        changes = lineage.own_changes(Unit(connection, clock()))
    return in_use(settings.hub_home, changes[-1].change.new_key if changes else None)


def _workers(tools: Tools, hub: Hub, keys: HubKeys) -> tuple[Worker, ...]:
    """What follows from events, and from time; the audit log last, so that it sees what the others did."""
    writer, doors, told = hub.writer, hub.bounds.doors, hub.bounds.webhook_origins

    def above(row: Row) -> HubAbove:
        return HubAbove(row, hub.node.keypair, hub.clock, keys.before())

    def node_now() -> Node:
        return hub.node

    return (
        Onboarder(tools, writer),
        Loser(tools, writer, hub.bounds.lost),
        Drainer(tools, writer),
        Placer(tools, writer, hub.bounds.data.levels),
        Releaser(tools, writer),
        Webhooks(tools, writer, node_now, hub.secrets, (Deliverer(refused_ip, told), told)),
        Late(tools, writer),
        Rater(tools, writer),
        Lineage(tools, writer, node_now, above),
        Conformance(tools, writer, node_now, Suite),
        Uplink(tools, writer, above),
        Observer(tools, writer),
        Sweeper(tools, writer),
        Supply(tools, writer, node_now, hub.secrets.random_bytes, hub.bounds.supply),
        Eraser(tools, writer),
        Verifier(tools, writer, node_now, hub.secrets.random_bytes, hub.bounds.probe_seconds),
        TesFiles(tools, writer, node_now, (Elsewhere.open(doors, refused_ip), doors, hub.bounds.account_bytes)),
        Transfers(tools, writer, hub.bounds.data.levels),
        Copies(tools, writer, hub.bounds.data.levels),
        Saves(tools, writer, node_now, hub.bounds.data.levels),
        Refused(tools, writer, hub.refusals),
        Auditor(tools, writer, node_now),
        Witness(tools, writer, node_now, above),
    )


def _optional(tools: Tools, hub: Hub, settings: HubSettings) -> tuple[Worker, ...]:
    """What an operator may do without."""
    probes = (Links(tools, hub.writer),) if settings.link_probes else ()
    if not settings.matcher_memory:
        return probes
    process = MatchingProcess(memory_bytes=settings.matcher_memory)
    return (*probes, Matcher(tools, hub.writer, hub.bounds.data.levels, process, acts=settings.market_moves))


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

    app = Described(title="Suanlian hub", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.hub = running.hub
    for router in ROUTERS:
        app.include_router(router)
    errors.install(app)
    app.add_middleware(Limits)
    return app
