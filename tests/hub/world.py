"""The world of these tests: one hub, two platforms of two owners, two buyers, a supervisor; made once, copied often."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

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
from suanlian.testing.hub import IN_PROCESS, FrozenClock, InProcessHub, Person, SignedConnector, Wire
from suanlian.testing.postgres import TemporaryPostgres

ROLES: Final = ("operator", "supervisor", "provider", "provider2", "buyer", "buyer2")
PRINCIPALS: Final = {
    "supervisor": ("ministry", "supervisor"),
    "provider": ("wuhu", "provider"),
    "provider2": ("suzhou", "provider"),
    "buyer": ("lab", "buyer"),
    "buyer2": ("mill", "buyer"),
}
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
    """A hub at rest: its home, its database, and what those who call it need to know."""

    home: Path
    database: str
    link: str
    now: datetime
    keys: Mapping[str, str] = field(default_factory=dict)
    connectors: Mapping[str, Identity] = field(default_factory=dict)


class Stores:
    """Where databases come from: files of SQLite in a directory, or databases of a PostgreSQL."""

    def __init__(self, directory: Path, server: TemporaryPostgres | None) -> None:
        self.directory = directory
        self._server = server
        self._count = 0

    def fresh(self) -> tuple[Path, HubSettings]:
        """A home that does not exist yet, and settings with an empty database."""
        self._count += 1
        home = self.directory / f"hub{self._count}"
        url = "" if self._server is None else self._server.create(f"{self.directory.name}-{self._count}")
        return home, HubSettings(hub_home=home, database_url=url)

    def copy(self, template: Template) -> HubSettings:
        """A copy of a hub at rest."""
        self._count += 1
        home = self.directory / f"hub{self._count}"
        shutil.copytree(template.home, home)
        if self._server is None:
            return HubSettings(hub_home=home)
        name = f"{self.directory.name}-{self._count}"
        return HubSettings(hub_home=home, database_url=self._server.create(name, template=template.database))

    def drop(self, settings: HubSettings) -> None:
        """Remove a hub's home and database."""
        shutil.rmtree(settings.hub_home)
        if self._server is not None:
            self._server.drop(settings.database_url.split("@/", 1)[1].split("?", 1)[0])


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
    home, settings = stores.fresh()
    made = initialise(settings, Wish("national", IN_PROCESS, prefix="CN"))
    database = settings.database_url.split("@/", 1)[-1].split("?", 1)[0]
    return Template(home, database, made.link, FrozenClock()())


def populated(template: Template, stores: Stores) -> Template:
    """The hub with everybody let in and both platforms live."""
    settings = stores.copy(template)
    clock = FrozenClock(template.now)
    with InProcessHub(settings, clock=clock) as hub:
        keys = _people(hub, template.link)
        world = World(hub, clock, Template(template.home, "", "", clock(), keys))
        connectors = {name: _platform(world, name, owner) for name, owner in PLATFORMS.items()}
    database = settings.database_url.split("@/", 1)[-1].split("?", 1)[0]
    return Template(settings.hub_home, database, "", clock(), keys, connectors)


def _people(hub: InProcessHub, link: str) -> dict[str, str]:
    operator = hub.person().post("/v1/operators/claim", {"link": link, "name": "op"}).json()["key"]
    keys, person = {"operator": operator}, hub.person(operator)
    for name, (entity, role) in PRINCIPALS.items():
        assert person.post("/v1/entities", {"name": entity}).status_code == 200
        answer = person.post("/v1/principals", {"name": name, "role": role, "entity": entity})
        keys[name] = answer.json()["key"]
    return keys


def _platform(world: World, name: str, owner: str) -> Identity:
    world.ok(owner, "POST", "/v1/platforms", {"name": name})
    token = world.ok("operator", "POST", f"/v1/platforms/{name}/approve")["join_token"]
    connector = SignedConnector.enrol(world.wire, token)
    connector.publish(inventory(), offer())
    return Identity(connector.keypair, connector.id)
