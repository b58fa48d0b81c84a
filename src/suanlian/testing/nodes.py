"""Hubs and platforms as processes of their own, let in by the interface that anybody would use."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Table, select

from suanlian.app import database_url, utc_now
from suanlian.commands.initialise import Above, Wish, initialise
from suanlian.drivers.local.keeper import record
from suanlian.model.errors import SuanlianError
from suanlian.model.job import JobSpec
from suanlian.model.party import Decision, NewEntity, NewPrincipal, Role
from suanlian.model.platform import NewPlatform, PlatformKind, PlatformState
from suanlian.sdk.client import Client
from suanlian.settings import HubSettings
from suanlian.store.engine import open_store
from suanlian.store.unit import Row, Unit
from suanlian.testing.onboarding import entity_fields, write_gate_rows
from suanlian.testing.processes import Daemon, Done, Processes, free_port, program

ENVIRONMENT: Final = "python"
"""The one environment of these platforms: this interpreter with its standard library."""
_WHY: Final = Decision(why="test")
NO_PROBES: Final = "{ cpu = 0 }"
"""The hub's own small jobs stay away: for tests that look at all that ran."""
_RATES: Final = '[{ kind = "cpu", per_unit_hour = "0.36" }, { kind = "memory", per_unit_hour = "0.036" }]'


@dataclass(frozen=True, slots=True)
class HubProcess:
    """A hub that was made and let two operators in; ``daemon`` is its process."""

    settings: HubSettings
    url: str
    public_key: str
    operator: str
    second: str
    daemon: Daemon

    def client(self, key: str | None = None) -> Client:
        """A door to it, the operator's unless another key is given; close it."""
        return Client(self.url, key or self.operator, retry_wait_s=0.05)

    @property
    def answers(self) -> bool:
        """Whether it serves just now."""
        return answers(self.url)

    def start(self) -> None:
        """Start it (again), and wait until it answers."""
        self.daemon.start()
        self.daemon.until(f"an answer of {self.url}", lambda: self.answers)

    def let_in(self, entity: str, role: Role) -> str:
        """Register an entity, check it, and let somebody of it in; the key."""
        with self.client() as operator:
            operator.parties.add_entity(NewEntity.model_validate(entity_fields(entity)))
            operator.parties.check_entity(entity, _WHY)
            return operator.parties.add_principal(NewPrincipal(name="desk", role=role, entity=entity)).key

    def admit(self, application: NewPlatform, owner: str) -> str:
        """Apply as the owner, have the documents checked, and mint the join token of the first connector."""
        with self.client(owner) as provider:
            provider.platforms.apply(application)
            with self.client() as operator:
                operator.platforms.check_documents(application.name, _WHY)
            return provider.platforms.tokens(application.name).tokens[0].join_token

    def pass_gates(self, platform: str) -> None:
        """NOT REAL: see ``write_gate_rows``; written into the store itself, beside the hub that runs."""
        gates_of(self.settings, platform)

    def go_live(self, platform: str) -> None:
        """Two operators let it take work."""
        for key in (self.operator, self.second):
            with self.client(key) as operator:
                operator.platforms.go_live(platform, _WHY)

    def rows(self, table: Table) -> list[Row]:
        """Every row of a table, read from the store itself."""
        store = open_store(database_url(self.settings))
        try:
            with store.readers.connect() as connection:
                return list(connection.execute(select(table)).mappings().all())
        finally:
            store.close()


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A connector that was enrolled; ``daemon`` is its process."""

    platform: str
    home: Path
    daemon: Daemon
    processes: Processes

    def command(self, *arguments: str) -> Done:
        """Run `suanlian-agent` with these arguments for this platform."""
        return self.processes.run([*program("suanlian-agent"), *arguments, "--home", str(self.home)])

    @property
    def jobs(self) -> Path:
        """Where the driver keeps a directory for each attempt."""
        return self.home / "driver" / "jobs"

    def running(self) -> list[str]:
        """The attempts that have begun here and that a keeper holds."""
        begun = {path.parent for path in self.jobs.glob("*/started")}
        return sorted(job.name for job in begun if record.held(job / record.LOCK) and not (job / record.EXIT).exists())


@dataclass(frozen=True, slots=True)
class Slots:
    """What a platform offers: so many one-core jobs at once. ``rates`` and ``performance`` as TOML."""

    cores: int = 3
    memory: str = "4GiB"
    rates: str = _RATES
    options: Mapping[str, str] = field(default_factory=dict)
    performance: str = "[]"
    probes: str = "{}"
    """The owner's cap on probes, as TOML."""
    images: tuple[str, ...] = ()
    """References of images that the one environment stands for."""
    path: tuple[str, ...] = ()
    """Directories of programs in that environment, before the interpreter's own."""
    binds: tuple[str, ...] = ()
    """What jobs in it may read besides."""
    shared: tuple[str, ...] = ()
    """Directories that jobs in it may write, too."""
    driver: str = ""
    """The tables of another driver than the local one, as TOML; it has the environment ``python``, too."""
    share: str = ""
    """More lines of the share, as TOML."""


def gates_of(settings: HubSettings, platform: str) -> None:
    """NOT REAL: see ``write_gate_rows``; written into the store of a hub, whether it runs or not."""
    store = open_store(database_url(settings))
    try:
        with store.writing.begin() as connection:
            write_gate_rows(Unit(connection, utc_now()), platform)
    finally:
        store.close()


def answers(url: str) -> bool:
    """Whether a hub serves there just now."""
    with Client(url, timeout_s=2, retry_wait_s=0.01) as door:
        try:
            door.identifiers.node()
        except SuanlianError:
            return False
        return True


def make_hub(
    processes: Processes,
    name: str,
    *,
    database: str = "",
    below: HubProcess | None = None,
    env: Mapping[str, str] | None = None,
) -> HubProcess:
    """Make a hub, a root or one ``below`` another, serve it and claim it. ``database``: a PostgreSQL, else SQLite."""
    url = f"http://127.0.0.1:{free_port()}"
    settings = HubSettings(hub_home=processes.root / name, database_url=database)
    wish = Wish(name, url, prefix="CN") if below is None else Wish(name, url, above=_above(name, below))
    made = initialise(settings, wish)
    assert not made.warning, made.warning
    command = [*program("suanlian-hub"), "serve", "--home", str(settings.hub_home), "--port", url.rpartition(":")[2]]
    given = {**(env or {}), **({"SUANLIAN_DATABASE_URL": database} if database else {})}
    daemon = processes.daemon(f"hub-{name}", command, given)
    daemon.start()
    daemon.until(f"an answer of {url}", lambda: answers(url))
    with Client(url) as door:
        operator = door.parties.claim(made.link).key
        with Client(url, operator) as first:
            invited = first.parties.invite("second", _WHY)
        second = door.parties.claim(invited.link, "second").key
    return HubProcess(settings, url, made.node.keypair.public_text, operator, second, daemon)


def _above(name: str, hub: HubProcess) -> Above:
    owner = hub.let_in(f"{name}-owner", Role.PROVIDER)
    token = hub.admit(NewPlatform(name=name, kind=PlatformKind.HUB, label=name.upper()), owner)
    return Above(hub.url, token, hub.public_key)


def make_platform(
    processes: Processes, hub: HubProcess, name: str, slots: Slots | None = None, *, file: str = ""
) -> AgentProcess:
    """Let a platform in, start its agent and wait until it is live with its offer. ``file``: its whole agent.toml."""
    owner = hub.let_in(f"{name}-owner", Role.PROVIDER)
    token = hub.admit(NewPlatform(name=name), owner)
    home, config = processes.root / name, processes.root / f"{name}.toml"
    config.write_text(file or agent_toml(hub.url, name, slots or Slots()), encoding="utf-8")
    agent = program("suanlian-agent")
    entry: list[str | Path] = ["--token", token, "--hub-key", hub.public_key, "--config", config, "--home", home]
    entered = processes.run([*agent, "enrol", hub.url, *entry])
    assert entered.code == 0, entered
    made = AgentProcess(name, home, processes.daemon(f"agent-{name}", [*agent, "run", "--home", str(home)]), processes)
    made.daemon.start()
    # the hub's own conformance run has begun, and may even have been passed
    joining = (PlatformState.CONNECTED, PlatformState.CONFORMANCE_PASSED, PlatformState.VERIFIED)
    made.daemon.until(f"{name} has published", lambda: _is_there(hub, name, *joining))
    hub.pass_gates(name)
    made.daemon.until(f"{name} is verified", lambda: _is_there(hub, name, PlatformState.VERIFIED))
    hub.go_live(name)
    return made


def _is_there(hub: HubProcess, name: str, *states: PlatformState) -> bool:
    with hub.client() as operator:
        return operator.platforms.get(name).state in states and bool(list(operator.catalogue.offers(name)))


def agent_toml(url: str, platform: str, slots: Slots) -> str:
    """The agent's file. ``allow_unisolated``: these tests run where nothing can isolate, too."""
    base = Path(sys.base_prefix)
    cores = json.dumps(str(slots.cores))
    room = f'{{ cpu = {cores}, memory = {json.dumps(slots.memory)}, disk = "10GiB" }}'
    binds, path = [str(base), *slots.binds], [*slots.path, str(base / "bin")]
    options = "".join(f"{name} = {value}\n" for name, value in slots.options.items())
    local = f"""[driver]
name = "local"
[driver.options]
grace_s = 0.5
{options}
[driver.environments.{ENVIRONMENT}]
path = {json.dumps(path)}
binds = {json.dumps(binds)}
shared = {json.dumps(slots.shared)}"""
    return f"""
hub = "{url}"
platform = "{platform}"
connector = "{platform}-1"
poll_wait_s = 5
usage_segment_s = 1
level = "trade"
[policy]
allow_unisolated = true
probes = {slots.probes}
{slots.driver or local}
[[inventory.sites]]
name = "main"
region = "340200"
[[inventory.flavors]]
name = "cpu"
compute_class = "general"
architecture = "x86_64"
node = {room}
performance = {slots.performance}
environments = [{{ name = "{ENVIRONMENT}", architecture = "x86_64", images = {json.dumps(slots.images)} }}]
[[inventory.shares]]
name = "cores"
site = "main"
flavor = "cpu"
capacity = {room}
{slots.share}
[[offers]]
name = "cores"
share = "cores"
rates = {slots.rates}
"""


def python_job(name: str, text: str, *arguments: str, **fields: object) -> JobSpec:
    """A job of one core that runs a Python program; ``fields`` of JobSpec stand before these."""
    command = ["python3", "-I", "-S", "-c", text, *arguments]
    variant = {"architecture": "x86_64", "environment": ENVIRONMENT, "command": command}
    asked = {"name": name, "resources": {"cpu": "1", "memory": "64MiB"}, "variants": [variant], "wall_time_s": 120}
    return JobSpec.model_validate({**asked, **fields})
