"""Would this connector pass the hub's conformance checks? The real agent and driver, a hub that is played here.

Everything lies in a directory of its own that is removed at the end; of the state directory the owner's files are read.
The owner's policy holds here as ever. The level does not: who observes wants to know, too, before it is raised.
"""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from suanlian import __version__
from suanlian.agent.agent import Agent
from suanlian.agent.build import build_driver, opened, utc_now
from suanlian.agent.config import AgentConfig, Home, read_config, read_policy
from suanlian.agent.desk import Identity
from suanlian.agent.played_hub import PlayedHub, Who
from suanlian.agent.word import set_level, set_paused
from suanlian.conformance.suite import BY_OWNER, Suite
from suanlian.crypto.keys import KeyPair
from suanlian.drivers.contract import Driver, DriverError, Lists
from suanlian.drivers.registry import DriverRegistry
from suanlian.model.base import Name, Text, Utc, Value
from suanlian.model.conformance import Check, ConformanceReport, Fault, too_small
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import ConnectorId, HubId, PlatformId, new_id
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Flavor, Share
from suanlian.model.probe import PROBE_ENVIRONMENT, ProbeCap
from suanlian.sdk.transport import Clock

_ROUND_S: Final = 0.1
_LONGEST_S: Final = 120.0
_CLEAR_S: Final = 10.0


class SelftestReport(Value):
    """What is written to ``--out``: which connector, when, with which version, and every finding."""

    platform: Name
    connector: Name
    version: Text
    at: Utc
    passed: bool
    report: ConformanceReport


class _Stand:
    """A connector over a directory of its own: it can be ended and begun again."""

    def __init__(self, home: Home, config: AgentConfig, clock: Clock) -> None:
        self._home, self._config, self._clock = home, config, clock
        self._stack = ExitStack()
        self.keypair = KeyPair.generate()
        self.keypair.save(home.key)
        self.identity = _identity(config)
        home.identity.write_text(self.identity.model_dump_json(), encoding="utf-8")
        self.hub: PlayedHub | None = None
        self.agent = self._begun()

    def _begun(self) -> Agent:
        driver = _driver(self._home, self._config)
        desk = self._stack.enter_context(opened(self._home, self._clock, driver))
        set_level(desk.ledger, JoinLevel.TRADE)
        set_paused(desk.ledger, paused=False)
        agent = Agent(desk if self.hub is None else dataclasses.replace(desk, hub=self.hub))
        agent.look()
        return agent

    def play(self, hub: PlayedHub) -> None:
        """Let this be the agent's hub from now on."""
        self.hub = hub
        self.restart()

    def restart(self) -> None:
        """End the agent without a word and begin it again; what runs goes on."""
        self._stack.close()
        self.agent = self._begun()

    def round(self) -> None:
        """One round of each thing that an agent does; what fails is tried again in the next, as ever."""
        agent = self.agent
        told = agent.outbox
        moves: tuple[Callable[[], object], ...] = (
            partial(agent.poll, 0),
            agent.tick,
            agent.stream,
            told.report,
            told.usage,
        )
        for work in moves:
            with suppress(SuanlianError, DriverError):
                work()

    def close(self) -> None:
        """End the agent and what still runs of it."""
        driver = self.agent.desk.driver
        until = time.monotonic() + _CLEAR_S
        while isinstance(driver, Lists) and (left := list(driver.known())) and time.monotonic() < until:
            for native, _attempt in left:
                with suppress(DriverError):  # it has not ended yet
                    driver.cancel(native)
                    driver.forget(native)
            time.sleep(_ROUND_S)
        self._stack.close()


def selftest(
    config_file: Path, clock: Clock = utc_now, tell: Callable[[ProbeCap], None] = lambda _cap: None
) -> SelftestReport:
    """Run every check over what the owner's files say; ``tell`` hears what will be taken, before anything is.

    A ``policy.toml`` beside the file is the owner's policy, as in a state directory. Raises InvalidError, DriverError.
    """
    with _directory(config_file) as home:
        config, cap = read_config(home.config), read_policy(home).probes
        tell(cap)
        report = _checked(home, config, cap, clock)
    return SelftestReport(
        platform=config.platform,
        connector=config.connector,
        version=__version__,
        at=clock(),
        passed=report.passed,
        report=report,
    )


def _checked(home: Home, config: AgentConfig, cap: ProbeCap, clock: Clock) -> ConformanceReport:
    if lacking := too_small(cap):
        return ConformanceReport.skipped(Fault.CAP_TOO_SMALL, Check, lacking)
    with _stand(home, config, clock) as stand:
        where = _where(stand.agent)
        if where is None:
            return ConformanceReport.skipped(Fault.NO_PROBES, Check)
        hub = PlayedHub(Who(stand.identity.connector_id, stand.keypair, *where, cap), clock, stand.restart)
        stand.play(hub)
        return _run(stand, hub)


def _run(stand: _Stand, hub: PlayedHub) -> ConformanceReport:
    suite, until = Suite(hub, hub.room, BY_OWNER), time.monotonic() + _LONGEST_S
    while time.monotonic() < until:
        report = suite.step()
        if report is not None:
            return report
        stand.round()
        time.sleep(_ROUND_S)
    return ConformanceReport.skipped(Fault.BROKE_OFF, Check)


@contextmanager
def _directory(config_file: Path) -> Iterator[Home]:
    """A state directory with the owner's files in it, removed at the end. Raises InvalidError where there is none."""
    root = Path(tempfile.mkdtemp(prefix="suanlian-selftest-"))
    try:
        root.chmod(0o711)  # where there is no sandbox a job walks through to its own directory
        home = Home(root)
        read_config(config_file)  # says what is wrong by the owner's own name of the file
        shutil.copyfile(config_file, home.config)
        if (policy := config_file.with_name(home.policy.name)).exists():
            shutil.copyfile(policy, home.policy)
        yield home
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _stand(home: Home, config: AgentConfig, clock: Clock) -> Iterator[_Stand]:
    stand = _Stand(home, config, clock)
    try:
        yield stand
    finally:
        stand.close()


def _identity(config: AgentConfig) -> Identity:
    """Who a connector would be at a hub that there is not."""
    return Identity(
        connector_id=ConnectorId(new_id()),
        platform_id=PlatformId(new_id()),
        platform=config.platform,
        hub_id=HubId(new_id()),
        hub_name="selftest",
        hub_url=config.hub,
        hub_key=KeyPair.generate().public_text,
    )


def _driver(home: Home, config: AgentConfig) -> Driver:
    """The owner's driver as the file says, with its state in the directory of this test."""
    options = {name: value for name, value in config.driver.options.items() if name != "root"}
    driver = config.driver.model_copy(update={"options": options})
    return build_driver(config.model_copy(update={"driver": driver}), home, DriverRegistry())


def _where(agent: Agent) -> tuple[Share, Flavor] | None:
    """The first share whose flavor can run probes."""
    inventory = agent.desk.house[-1].inventory
    flavors = {flavor.name: flavor for flavor in inventory.flavors}
    for share in inventory.shares:
        flavor = flavors[share.flavor]
        if any(env.name == PROBE_ENVIRONMENT for env in flavor.environments):
            return share, flavor
    return None
