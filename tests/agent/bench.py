"""A platform on the bench: a fake hub, a fake engine, a clock that is set by hand, and an agent that may crash."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self

from suanlian.agent.agent import Agent
from suanlian.agent.build import opened
from suanlian.agent.config import Home
from suanlian.agent.desk import Desk, Identity
from suanlian.agent.ledger import Ledger
from suanlian.crypto.keys import KeyPair
from suanlian.drivers.contract import Driver
from suanlian.model.ids import AttemptId, JobId, new_id
from suanlian.model.job import JobSpec
from suanlian.model.money import Rate
from suanlian.model.protocol import Instruction, Wish
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.testing.fake_driver import FakeDriver, Script, complete_at_once
from suanlian.testing.fake_hub import FakeHub

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CONFIG = """
hub = "{hub}"
platform = "p1"
connector = "c1"
usage_segment_s = 60
level = "trade"
{top}
[[inventory.sites]]
name = "s1"
region = "310000"

[[inventory.flavors]]
name = "f1"
compute_class = "general"
architecture = "x86_64"
node = {{ cpu = "4", memory = "8GiB" }}
environments = [{{ name = "python", architecture = "x86_64" }}]

[[inventory.shares]]
name = "h1"
site = "s1"
flavor = "f1"
capacity = {{ cpu = "2", memory = "4GiB" }}

[[offers]]
name = "o1"
share = "h1"
rates = [{{ kind = "cpu", per_unit_hour = "0.05" }}]

[policy]
{policy}
"""


class Crash(BaseException):
    """The process is killed here: nothing of ours may catch it."""


class Clock:
    """Tells the time that was set; goes on a microsecond a look, as two looks of a real clock differ."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class CrashingLedger(Ledger):
    """Kills the process at the n-th change, either just before or just after it is on the disk."""

    def __init__(self, path: Path, at: int, *, after: bool) -> None:
        super().__init__(path)
        self._left, self._after = at, after

    @contextmanager
    def _unit(self) -> Iterator[Connection]:
        self._left -= 1
        falls = self._left == 0  # a change may hold others, which are counted too
        with super()._unit() as db:
            yield db
            if falls and not self._after:
                raise Crash
        if falls and self._after:
            raise Crash


class Bench:
    """Everything around one agent. ``agent()`` begins a new process over the same state directory."""

    def __init__(self, root: Path, *, script: Script = complete_at_once, policy: str = "", top: str = "") -> None:
        self.clock = Clock()
        self.hub = FakeHub(clock=self.clock)
        self.home = Home(root / "home")
        self.engine = FakeDriver(root / "engine", script=script, clock=self.clock)
        self._stack, self._policy, self._top = ExitStack(), policy, top

    def __enter__(self) -> Self:
        self._stack.enter_context(self.hub)
        self.home.root.mkdir(parents=True)
        self.home.config.write_text(CONFIG.format(hub=self.hub.url, policy=self._policy, top=self._top))
        keypair = KeyPair.generate()
        keypair.save(self.home.key)
        identity = Identity(
            connector_id=self.hub.know(keypair),
            platform_id=self.hub.platform_id,
            platform="p1",
            hub_id=self.hub.id,
            hub_name="fake",
            hub_url=self.hub.url,
            hub_key=self.hub.keypair.public_text,
        )
        self.home.identity.write_text(identity.model_dump_json())
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
        assert self.hub.faults == []

    def agent(self, ledger: Ledger | None = None, driver: Driver | None = None) -> Agent:
        desk: Desk = self._stack.enter_context(opened(self.home, self.clock, driver or self.engine))
        if ledger is not None:
            self._stack.callback(ledger.close)
            desk = replace(desk, ledger=ledger)
        agent = Agent(desk)
        agent.look()
        return agent

    def ledger(self) -> Ledger:
        ledger = Ledger(self.home.ledger)
        self._stack.callback(ledger.close)
        return ledger

    def rounds(self, agent: Agent, n: int = 6, seconds: float = 1.0) -> None:
        """As many rounds as a job needs from poll to tombstone."""
        for _round in range(n):
            agent.poll(0)
            agent.tick()
            agent.stream()
            agent.outbox.report()
            agent.outbox.usage()
            self.clock.forward(seconds)


def spec(**changes: object) -> JobSpec:
    given: dict[str, Any] = {
        "name": "job",
        "resources": {"cpu": "1", "memory": "1GiB"},
        "variants": [{"architecture": "x86_64", "environment": "python", "command": ["python", "main.py"]}],
    }
    return JobSpec.model_validate(given | changes)


def run(job: JobSpec | None = None, **changes: object) -> Instruction:
    said = Instruction(
        attempt_id=AttemptId(new_id()),
        token=7,
        version=1,
        wish=Wish.RUN,
        job_id=JobId(new_id()),
        task_index=0,
        share="h1",
        flavor="f1",
        variant=0,
        granted=Resources.of({"cpu": 1000, "memory": 1024}),
        entity="e1",
        rates=(Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.05")),),
        spec=job or spec(),
    )
    return said.model_copy(update=changes)


def then(said: Instruction, wish: Wish) -> Instruction:
    """The next thing that is wished of the same attempt."""
    return said.model_copy(update={"wish": wish, "version": said.version + 1, "spec": None})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
