"""How is an agent put together from its state directory? The driver by its entry point, the hub by its pinned key."""

import dataclasses
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from suanlian.agent.config import AgentConfig, Home, read_config
from suanlian.agent.data.shelf import Shelf, shelf_of
from suanlian.agent.desk import Desk, Identity
from suanlian.agent.enrol import read_identity
from suanlian.agent.fetch import Fetcher
from suanlian.agent.journal import SentJournal
from suanlian.agent.ledger import Ledger
from suanlian.agent.row import Row
from suanlian.agent.stage import Sources
from suanlian.agent.vault import Vault
from suanlian.agent.word import OwnersWord
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.drivers.contract import Driver
from suanlian.drivers.registry import DriverRegistry
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.owner import OwnerPolicy
from suanlian.model.protocol import ObjectCall
from suanlian.sdk.connector import ConnectorClient, Link, Means
from suanlian.sdk.strangers import resolve_by_system
from suanlian.sdk.transport import Clock, HttpClient, Route, open_client

_MIB: Final = 1024 * 1024


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def build_driver(config: AgentConfig, home: Home, registry: DriverRegistry) -> Driver:
    """The driver that the file names, with its options.

    By convention a driver takes one argument ``options``, a dataclass: what the file says is read into it. Where that
    has a ``root``, it is below the state directory unless the file says another. Raises DriverError, and InvalidError
    naming the option at fault.
    """
    kind = cast("type[Any]", registry.load(config.driver.name))
    options = get_type_hints(kind.__init__)["options"]
    names = {field.name for field in dataclasses.fields(options)}
    given = ({"root": home.driver} if "root" in names else {}) | config.driver.given()
    if strange := sorted(given.keys() - names):
        raise _bad_option(home, f"driver.options.{strange[0]}", f"driver {config.driver.name!r} has no such option")
    try:
        return cast("Driver", kind(TypeAdapter(options).validate_python(given)))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise _bad_option(home, f"driver.options.{where}", fault["msg"]) from error


def _bad_option(home: Home, field: str, wrong: str) -> InvalidError:
    todo = "Correct the file; the options stand in the driver's reference."
    return InvalidError("field_invalid", f"{home.config}: {field}: {wrong}.", todo=todo, field=field)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Be the only agent of this directory. A crash frees the lock.

    Raises ConflictError when another process runs, NotFoundError without the directory.
    """
    if not home.root.is_dir():
        todo = "Enter a hub first: suanlian-agent enrol HUB_URL --token jt_... --config FILE; or give --home."
        raise NotFoundError("not_found", f"There is no state directory {home.root}.", todo=todo)
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            wrong = f"Another agent runs in {home.root}."
            raise ConflictError("state_conflict", wrong, todo="Stop it first, or use its directory no more.") from error
        yield
    finally:
        os.close(descriptor)


def is_running(home: Home) -> bool:
    """Whether an agent holds the lock just now."""
    with suppress(ConflictError), locked(home):
        return False
    return True


@contextmanager
def opened(home: Home, clock: Clock, driver: Driver | None = None) -> Iterator[Desk]:
    """A desk over the state directory, closed at the end. Tests hand a driver in; else the file names it.

    Raises InvalidError, ConflictError, DriverError, KeyFileError.
    """
    config, identity = read_config(home.config), read_identity(home)
    home.staging.mkdir(mode=0o711, exist_ok=True)
    driver = driver or build_driver(config, home, DriverRegistry())
    word = OwnersWord(home, clock())
    ledger, journal = Ledger(home.ledger), SentJournal(home.sent, clock, config.sent)
    word.note(ledger)
    shelf = shelf_of(config, home, ledger, clock)
    with open_client(Route(config.proxy, config.ca_file)) as hub_http, open_client() as input_http:
        means = Means(hub_http, clock, journal.record)
        try:
            inputs = fetcher(word.policy, input_http, journal)
            yield _desk((config, identity, word), (ledger, driver, shelf), means, inputs)
        finally:
            shelf.close()
            ledger.close()
            journal.close()


def fetcher(policy: OwnerPolicy, http: HttpClient, journal: SentJournal) -> Fetcher:
    """What reads inputs by address, within the owner's bounds."""
    return Fetcher(
        http=http,
        allowed_origins=policy.allowed_origins,
        max_bytes=policy.max_input_mib * _MIB,
        on_send=journal.record,
        resolve=resolve_by_system,
    )


def _desk(
    who: tuple[AgentConfig, Identity, OwnersWord], what: tuple[Ledger, Driver, Shelf], means: Means, inputs: Fetcher
) -> Desk:
    (config, identity, word), (ledger, driver, shelf) = who, what
    home = word.home
    keypair = KeyPair.load(home.key)
    link = Link(config.hub, PublicKey.parse(identity.hub_key), keypair, keyid=identity.connector_id)
    hub = ConnectorClient(link, means)

    def sources(row: Row) -> Sources:
        def objects(sha256: str) -> str:
            return hub.fetch_object(ObjectCall(attempt_id=row.attempt_id, token=row.token, sha256=sha256)).data

        def pieces(sha256: str, start: int, length: int) -> str:
            call = ObjectCall(attempt_id=row.attempt_id, token=row.token, sha256=sha256, start=start, length=length)
            return hub.fetch_object(call).data

        def fetch(url: str, sha256: str, target: Path) -> None:
            policy = word.policy  # as it is now: the owner may have changed it since
            now = dataclasses.replace(
                inputs, allowed_origins=policy.allowed_origins, max_bytes=policy.max_input_mib * _MIB
            )
            now.fetch(url, sha256, target)

        return Sources(objects, fetch, pieces)

    return Desk(
        home=home,
        config=config,
        identity=identity,
        ledger=ledger,
        driver=driver,
        hub=hub,
        clock=means.clock,
        sources=sources,
        vault=Vault(home, identity.connector_id),
        word=word,
        shelf=shelf,
    )
