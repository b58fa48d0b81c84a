"""A hub with many platforms, all full, and thousands of jobs that wait: what a measurement begins with.

Everything is entered as it would be in earnest, by the API and by connectors that sign, but for one thing: that every
connector passed conformance is written, not run (``testing.onboarding.write_gate_rows``).
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from suanlian.app import utc_now
from suanlian.commands.initialise import Wish, initialise
from suanlian.model.job import JobState
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Flavor, Inventory, NamedEnvironment, Share, Site
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.settings import HubSettings
from suanlian.testing.hub import IN_PROCESS, InProcessHub, Person, SignedConnector, Wire
from suanlian.testing.onboarding import entity_fields, write_gate_rows
from suanlian.workers.onboard import Onboarder

ACCOUNTS: Final = 20
KINDS_OF_EACH: Final = 10
"""Kinds of jobs of each account: what it runs, how large, for how long."""
REGIONS: Final = ("340200", "320500", "310000", "520100", "150100")
WHY: Final = {"why": "bench"}
_BATCH: Final = 1000
_CARDS_AT: Final = 4
"""Every so manieth platform has cards."""
_MINUTE_S: Final = 60


@dataclass(slots=True)
class Crowd:
    """The hub, its connectors by platform, the keys of the accounts, and what runs."""

    hub: InProcessHub
    connectors: dict[str, SignedConnector]
    buyers: list[Person]
    random: random.Random
    running: dict[str, tuple[SignedConnector, Instruction]] = field(default_factory=dict)
    """What was told to connectors and runs, by attempt."""

    def submit(self, count: int) -> None:
        """So many jobs, the accounts in turn, in bulk."""
        while count > 0:
            for buyer, person in enumerate(self.buyers):
                size = min(count, _BATCH // len(self.buyers) + 1)
                if size > 0:
                    jobs = [self.job(buyer) for _ in range(size)]
                    person.post("/v1/jobs:batch", {"jobs": jobs}).raise_for_status()
                count -= size

    def one_more(self) -> None:
        """One job of any account."""
        buyer = self.random.randrange(len(self.buyers))
        self.buyers[buyer].post("/v1/jobs", self.job(buyer)).raise_for_status()

    def job(self, buyer: int) -> dict[str, Any]:
        """A job of one of the kinds of this account."""
        kind = buyer * KINDS_OF_EACH + self.random.randrange(KINDS_OF_EACH)
        of = random.Random(kind)  # noqa: S311 - a kind is the same each time
        resources = {"cpu": str(of.choice((1, 1, 2, 2, 4))), "memory": f"{of.choice((1, 2, 4))}GiB"}
        if of.random() < 1 / _CARDS_AT:
            resources["accelerator"] = "1"
        command = ["python", "work.py", "--kind", str(kind)]
        wants = {"user_region": of.choice(REGIONS)} if of.random() < 1 / 2 else {}
        return {
            "name": f"kind-{kind}",
            "resources": resources,
            "variants": [{"architecture": "x86_64", "environment": "python", "command": command}],
            "wall_time_s": of.choice((10, 30, 60, 120, 240, 480)) * _MINUTE_S,
            "wants": wants,
        }

    def start_what_was_placed(self) -> None:
        """Every connector hears what it is to run, and says that it does."""
        for connector in self.connectors.values():
            self.start_at(connector)

    def start_at(self, connector: SignedConnector) -> None:
        """One connector does so."""
        told = [one for one in connector.poll().instructions if one.attempt_id not in self.running]
        if told:
            connector.report_all(told, JobState.RUNNING, started_at=utc_now())
            self.running |= {one.attempt_id: (connector, one) for one in told}

    def end_one(self) -> None:
        """One attempt, any, has ended well."""
        attempt = self.random.choice(sorted(self.running))
        connector, told = self.running.pop(attempt)
        connector.report(told, JobState.COMPLETE)

    def heard(self) -> None:
        """Every connector is heard of."""
        for connector in self.connectors.values():
            connector.poll()


@contextmanager
def crowd(home: Path, database_url: str, platforms: int) -> Iterator[Crowd]:
    """A hub with so many platforms that are live and empty, and accounts that have not asked for anything."""
    settings = HubSettings(hub_home=home, database_url=database_url)
    link = initialise(settings, Wish("bench", IN_PROCESS, prefix="CN")).link
    with InProcessHub(settings) as hub:
        first = _key(hub.person(), "/v1/operators/claim", {"link": link, "name": "op"})
        operator = hub.person(first)
        invited = _ok(operator.post("/v1/operators/invite", {"name": "op2", **WHY}))["link"]
        second = hub.person(_key(hub.person(), "/v1/operators/claim", {"link": invited, "name": "op2"}))
        buyers = [_person(hub, operator, f"buyer-{n}", "buyer") for n in range(ACCOUNTS)]
        entered = {}
        for number in range(platforms):
            name = f"platform-{number:03}"
            provider = _person(hub, operator, f"owner-{number:03}", "provider")
            entered[name] = _enter(hub, (operator, provider), name, number)
            hub.running.hub.writer.run(lambda unit, name=name: write_gate_rows(unit, name))
        hub.settle(Onboarder)
        for name in entered:
            for person in (operator, second):
                _ok(person.post(f"/v1/platforms/{name}/go-live", WHY))
        yield Crowd(hub, entered, buyers, random.Random(1))  # noqa: S311 - the same each time


def _enter(hub: InProcessHub, people: tuple[Person, Person], name: str, number: int) -> SignedConnector:
    operator, provider = people
    _ok(provider.post("/v1/platforms", {"name": name, "connectors": [{"name": "c1"}]}))
    _ok(operator.post(f"/v1/platforms/{name}/check-documents", WHY))
    minted = _ok(provider.post(f"/v1/platforms/{name}/tokens", {"connector": "c1"}))
    wire = Wire(hub.http, IN_PROCESS, hub.key, utc_now)
    connector = SignedConnector.enrol(wire, minted["tokens"][0]["join_token"])
    connector.publish(*_published(number))
    return connector


def _published(number: int) -> tuple[Inventory, NewOffer]:
    """Four to eight cores, at every fourth platform two cards; no two prices are alike."""
    cores = 4 + number % 5
    has_cards = number % _CARDS_AT == 0
    amounts = {"cpu": str(cores), "memory": f"{8 * cores}GiB", "disk": "200GiB"} | (
        {"accelerator": "2"} if has_cards else {}
    )
    whole = Resources.model_validate(amounts)
    flavor = Flavor(
        name="node",
        compute_class=ComputeClass.INTELLIGENT if has_cards else ComputeClass.GENERAL,
        architecture=Architecture.X86_64,
        node=whole,
        environments=(NamedEnvironment(name="python", architecture=Architecture.X86_64),),
    )
    share = Share(name="s1", site="main", flavor="node", capacity=whole, isolated=True)
    site = Site(name="main", region=REGIONS[number % len(REGIONS)])
    rates = [Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.05") + Decimal("0.001") * number)]
    if has_cards:
        rates.append(Rate(kind=ResourceKind.ACCELERATOR, per_unit_hour=Decimal(3) + Decimal("0.01") * number))
    return Inventory(sites=(site,), flavors=(flavor,), shares=(share,)), NewOffer(
        name="o1", share="s1", rates=tuple(rates)
    )


def _person(hub: InProcessHub, operator: Person, name: str, role: str) -> Person:
    """Somebody with an entity of their own that was checked."""
    _ok(operator.post("/v1/entities", entity_fields(name, role)))
    _ok(operator.post(f"/v1/entities/{name}/check", WHY))
    return hub.person(_key(operator, "/v1/principals", {"name": name, "role": role, "entity": name}))


def _key(person: Person, path: str, body: dict[str, str]) -> str:
    return str(_ok(person.post(path, body))["key"])


def _ok(answer: Any) -> Any:  # noqa: ANN401 - a response, and JSON
    answer.raise_for_status()
    return answer.json() if answer.content else None
