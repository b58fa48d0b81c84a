"""The world of these tests: one hub, two platforms of two owners, two buyers, a supervisor; made once, copied often."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from psycopg import Connection, connect
from sqlalchemy import Column, delete, insert, make_url, select

from suanlian.app import database_url
from suanlian.commands.initialise import Wish, initialise
from suanlian.crypto.keys import KeyPair
from suanlian.model.ids import AttemptId
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Flavor, Inventory, NamedEnvironment, Share, Site
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.model.usage import UsageSegment
from suanlian.settings import HubSettings
from suanlian.store import tables
from suanlian.store.engine import open_store
from suanlian.store.migrate import is_current, upgrade
from suanlian.store.tables import metadata
from suanlian.testing.hub import IN_PROCESS, FrozenClock, InProcessHub, Person, SignedConnector, Wire
from suanlian.testing.onboarding import entity_fields, write_gate_rows
from suanlian.testing.postgres import TemporaryPostgres

ROLES: Final = ("operator", "supervisor", "provider", "provider2", "buyer", "buyer2")
PRINCIPALS: Final = {
    "supervisor": ("ministry", "supervisor"),
    "provider": ("wuhu", "provider"),
    "provider2": ("suzhou", "provider"),
    "buyer": ("lab", "buyer"),
    "buyer2": ("mill", "buyer"),
}
KINDS: Final = {"supervisor": "supervisor", "provider": "provider", "buyer": "buyer"}
WHY: Final = {"why": "test"}
_NUMBERED: Final = (tables.event.c.number, tables.capacity.c.id, tables.onboarding_step.c.id)
PLATFORMS: Final = {"wuhu-cluster": "provider", "suzhou-cloud": "provider2"}


def inventory(cpu: str = "4", *, name: str = "s1", simulated: bool = False) -> Inventory:
    """One site, one flavor, one share with so many cores."""
    flavor = Flavor(
        name="cpu",
        compute_class=ComputeClass.GENERAL,
        architecture=Architecture.X86_64,
        node=Resources.model_validate({"cpu": "4", "memory": "8GiB", "disk": "20GiB"}),
        environments=(NamedEnvironment(name="python", architecture=Architecture.X86_64),),
        simulated=simulated,
    )
    capacity = Resources.model_validate({"cpu": cpu, "memory": "16GiB", "disk": "40GiB"})
    share = Share(name=name, site="main", flavor="cpu", capacity=capacity, isolated=True)
    return Inventory(sites=(Site(name="main", region="340200"),), flavors=(flavor,), shares=(share,))


def offer(rate: str = "0.10", *, share: str = "s1") -> NewOffer:
    """A price of a core-hour."""
    rates = (Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal(rate)),)
    return NewOffer(name="o1", share=share, rates=rates)


def job(**changes: object) -> dict[str, Any]:
    """A job as a buyer writes it: one core for a minute."""
    variant = {"architecture": "x86_64", "environment": "python", "command": ["python", "-c", "print(1)"]}
    spec = {"name": "hello", "resources": {"cpu": "1", "memory": "256MiB"}, "variants": [variant], "wall_time_s": 60}
    return {**spec, **changes}


def segment(of: Instruction, start: datetime, seconds: float, sequence: int = 0, **changes: object) -> UsageSegment:
    """What an attempt held for so many seconds."""
    fields = {
        "attempt_id": AttemptId(of.attempt_id),
        "sequence": sequence,
        "started_at": start,
        "ended_at": start + timedelta(seconds=seconds),
        "granted": of.granted.model_dump(),
        "cpu_s": Decimal(1),
        "peak_memory_mib": 10,
    }
    return UsageSegment.model_validate({**fields, **changes})


@dataclass(frozen=True, slots=True)
class Identity:
    """A connector's key and id."""

    keypair: KeyPair
    id: str


@dataclass(frozen=True, slots=True)
class Template:
    """A hub at rest: its home, its rows by table, and what those who call it need to know."""

    home: Path
    rows: Mapping[str, Sequence[Mapping[Any, Any]]] = field(repr=False)
    link: str
    now: datetime
    keys: Mapping[str, str] = field(default_factory=dict)
    connectors: Mapping[str, Identity] = field(default_factory=dict)


class Stores:
    """Where databases come from: files of SQLite in a directory, or databases of a PostgreSQL, used over and over."""

    def __init__(self, directory: Path, server: TemporaryPostgres | None) -> None:
        self.directory = directory
        self._server = server
        self._count = 0
        self._empty: list[str] = []
        self._doors: dict[str, Connection[Any]] = {}
        self._kept: dict[tuple[str, Path], str] = {}

    def close(self) -> None:
        """Let go of the databases; they are gone with their server."""
        for door in self._doors.values():
            door.close()

    def fresh(self) -> HubSettings:
        """Settings of a home that does not exist yet, with an empty database."""
        self._count += 1
        name = f"{self.directory.name}-{self._count}"
        url = "" if self._server is None else self._server.create(name)
        return HubSettings(hub_home=self.directory / f"hub{self._count}", database_url=url, link_probes=False)

    def copy(self, template: Template) -> HubSettings:
        """A copy of a hub at rest."""
        settings = self.fresh() if self._server is None or not self._empty else self._used()
        if self._server is not None:
            self._put(settings.database_url, template)
        shutil.copytree(template.home, settings.hub_home)
        return settings

    def _put(self, url: str, template: Template) -> None:
        """Make the rows of a database those of the template: the first time row by row, then from a copy within it."""
        key = (url, template.home)
        if key in self._kept:
            self._doors[url].execute(self._kept[key].encode())
            return
        _fill(url, template)
        if url not in self._doors:
            self._doors[url] = connect(make_url(url).set(drivername="postgresql").render_as_string(), autocommit=True)
        schema, filled = f"kept{len(self._kept)}", [name for name, rows in template.rows.items() if rows]
        made = [f"CREATE SCHEMA {schema}", *(f'CREATE TABLE {schema}."{name}" AS TABLE "{name}"' for name in filled)]
        self._doors[url].execute(";".join(made).encode())
        self._kept[key] = ";".join(
            [
                "BEGIN",
                "SET LOCAL session_replication_role = replica",  # references hold of the whole, not in between
                *(f'DELETE FROM "{name}"' for name in template.rows),  # noqa: S608 - tables of ours
                *(f'INSERT INTO "{name}" SELECT * FROM {schema}."{name}"' for name in filled),  # noqa: S608
                *(_goes_on(column) for column in _NUMBERED),
                "COMMIT",
            ]
        )

    def _used(self) -> HubSettings:
        self._count += 1
        return HubSettings(
            hub_home=self.directory / f"hub{self._count}", database_url=self._empty.pop(), link_probes=False
        )

    def drop(self, settings: HubSettings) -> None:
        """Remove a hub's home; its database may be another's next."""
        shutil.rmtree(settings.hub_home)
        if settings.database_url:
            self._empty.append(settings.database_url)


def _fill(url: str, template: Template) -> None:
    """Make the rows those of the template."""
    store = open_store(url)
    if not is_current(store):
        upgrade(store)
    with store.writing.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
        for table in metadata.sorted_tables:
            if template.rows[table.name]:
                connection.execute(insert(table), [dict(row) for row in template.rows[table.name]])
    with store.writing.begin() as connection:
        for column in _NUMBERED:
            connection.exec_driver_sql(_goes_on(column))
    store.close()


def _goes_on(column: Column[int]) -> str:
    """What has a number goes on behind the copied rows."""
    table, name = column.table.name, column.name
    return f"SELECT setval(pg_get_serial_sequence('{table}', '{name}'), max({name})) FROM {table}"  # noqa: S608 - ours


def _rows(settings: HubSettings) -> dict[str, Sequence[Mapping[Any, Any]]]:
    store = open_store(database_url(settings))
    with store.readers.connect() as connection:
        found = {table.name: connection.execute(select(table)).mappings().all() for table in metadata.sorted_tables}
    store.close()
    return {name: list(rows) for name, rows in found.items()}


class World:
    """A hub that runs, with everybody who has to do with it."""

    def __init__(self, hub: InProcessHub, clock: FrozenClock, template: Template) -> None:
        self.hub = hub
        self.clock = clock
        self.template = template
        self.wire = Wire(hub.http, IN_PROCESS, hub.key, clock)

    def person(self, name: str) -> Person:
        """Somebody by role; ``nobody`` has no key."""
        return self.hub.person(self.template.keys.get(name))

    def connector(self, platform: str = "wuhu-cluster") -> SignedConnector:
        """The connector of a platform."""
        identity = self.template.connectors[platform]
        return SignedConnector(self.wire, identity.keypair, identity.id)

    def submit(self, by: str = "buyer", **changes: object) -> dict[str, Any]:
        """Submit a job; the hub's answer."""
        answer = self.person(by).post("/v1/jobs", job(**changes))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def at(self, platform: str, **changes: object) -> tuple[dict[str, Any], Instruction]:
        """Submit a job that goes to one platform and place it; the job and its first instruction."""
        made = self.submit("buyer", wants={"platform": platform}, **changes)
        self.hub.settle()
        told = [i for i in self.connector(platform).poll().instructions if i.job_id == made["id"]]
        return made, told[0]

    def job(self, ref: str, by: str = "buyer") -> dict[str, Any]:
        """A job as it is now."""
        found: dict[str, Any] = self.person(by).get(f"/v1/jobs/{ref}").json()
        return found

    def token(self, platform: str, connector: str = "c1", *, by: str = "provider") -> str:
        """A join token for a connector of a platform, whose documents are checked before if they were not."""
        if self.ok(by, "GET", f"/v1/platforms/{platform}")["state"] == "applied":
            self.ok("operator", "POST", f"/v1/platforms/{platform}/check-documents", WHY)
        self.ok(by, "POST", f"/v1/platforms/{platform}/connectors", {"connectors": [{"name": connector}]})
        minted = self.ok(by, "POST", f"/v1/platforms/{platform}/tokens", {"connector": connector})
        token: str = minted["tokens"][0]["join_token"]
        return token

    def pass_gates(self, platform: str) -> None:
        """NOT REAL: see ``write_gate_rows``; then let the workers see it."""
        self.hub.running.hub.writer.run(lambda unit: write_gate_rows(unit, platform))
        self.hub.settle()

    def go_live(self, platform: str) -> None:
        """Pass the gates as ``pass_gates`` does, and let two operators take the platform live."""
        self.pass_gates(platform)
        for operator in ("operator", "operator2"):
            self.ok(operator, "POST", f"/v1/platforms/{platform}/go-live", WHY)
        assert self.ok(operator, "GET", f"/v1/platforms/{platform}")["state"] == "live"

    def ok(self, by: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Call and expect success; the answer's JSON."""
        person = self.person(by)
        answer = person.get(path) if method == "GET" else person.post(path, body)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None


@contextmanager
def running(template: Template, stores: Stores) -> Iterator[World]:
    """A world over a copy of a hub at rest; its clock begins where the template's ended."""
    settings = stores.copy(template)
    clock = FrozenClock(template.now)
    with InProcessHub(settings, clock=clock) as hub:
        yield World(hub, clock, template)
    stores.drop(settings)


def bare(stores: Stores) -> Template:
    """A root hub that nobody operates yet."""
    settings = stores.fresh()
    made = initialise(settings, Wish("national", IN_PROCESS, prefix="CN"))
    return Template(settings.hub_home, _rows(settings), made.link, FrozenClock()())


def populated(template: Template, stores: Stores) -> Template:
    """The hub with everybody let in and both platforms live."""
    settings = stores.copy(template)
    clock = FrozenClock(template.now)
    with InProcessHub(settings, clock=clock) as hub:
        keys = _people(hub, template.link)
        world = World(hub, clock, replace(template, keys=keys))
        connectors = {name: _platform(world, name, owner) for name, owner in PLATFORMS.items()}
        # no worker of this process holds anything of the copies
        hub.running.hub.writer.run(lambda unit: unit.connection.execute(delete(tables.lease)))
    return Template(settings.hub_home, _rows(settings), "", clock(), keys, connectors)


def _people(hub: InProcessHub, link: str) -> dict[str, str]:
    operator = hub.person().post("/v1/operators/claim", {"link": link, "name": "op"}).json()["key"]
    keys, person = {"operator": operator}, hub.person(operator)
    invited = person.post("/v1/operators/invite", {"name": "op2", **WHY}).json()["link"]
    keys["operator2"] = hub.person().post("/v1/operators/claim", {"link": invited, "name": "op2"}).json()["key"]
    for name, (entity, role) in PRINCIPALS.items():
        assert person.post("/v1/entities", entity_fields(entity, KINDS[role])).status_code == 200
        assert person.post(f"/v1/entities/{entity}/check", WHY).status_code == 200
        answer = person.post("/v1/principals", {"name": name, "role": role, "entity": entity})
        keys[name] = answer.json()["key"]
    return keys


def _platform(world: World, name: str, owner: str) -> Identity:
    world.ok(owner, "POST", "/v1/platforms", {"name": name, "connectors": [{"name": "c1"}]})
    connector = SignedConnector.enrol(world.wire, world.token(name, by=owner))
    connector.publish(inventory(), offer())
    world.go_live(name)
    return Identity(connector.keypair, connector.id)
