"""Hubs, platforms and people of the demonstration on engines; they come in as anybody would."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from scripts.engines_demo.networks import Networks
from scripts.engines_demo.platforms import BUYERS, Place, agent_toml
from suanlian.demo import onboarding
from suanlian.demo.onboarding import Hub, let_in
from suanlian.demo.processes import Fleet, Running, program
from suanlian.demo.trouble import Trouble
from suanlian.demo.world import PlatformPlan
from suanlian.model.conformance import Result
from suanlian.model.party import Role
from suanlian.model.platform import NewPlatform, PlatformState


@dataclass(slots=True)
class Stage:
    """All that runs. ``keys``: of buyers and of platforms' owners, by name of the entity."""

    fleet: Fleet
    root: Path
    console: Console
    nets: Networks
    keys: dict[str, str] = field(default_factory=dict)
    homes: dict[str, Path] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    _delta: Hub | None = None
    port: int = 0

    @property
    def delta(self) -> Hub:
        """The hub of the Yangtze River Delta."""
        if self._delta is None:
            raise LookupError("no hub runs yet")
        return self._delta

    def say(self, text: str) -> None:
        """One line for people."""
        self.console.print(text, soft_wrap=True)

    def open_hubs(self) -> None:
        """Start the national hub and the one below it."""
        self.say("Starting the national hub and the hub of the Yangtze River Delta ...")
        above, below = onboarding.hub_plans(self.root)
        national = onboarding.open_hub(self.fleet, above, onboarding.begin_root_hub(self.fleet, above))
        self._delta = onboarding.lower_hub(self.fleet, below, national, [])
        self.port = below.port

    def agent(self, name: str) -> None:
        """Start the connector of a platform, beside its engine."""
        place = self.places[name]
        command = [*place.inside, *program("suanlian-agent"), "run", "--home", str(self.homes[name])]
        self.fleet.start(name, command)


def set_the_stage(stage: Stage, places: Sequence[Place]) -> None:
    """Let all platforms in and wait until they are live; then the buyers."""
    if not stage.nets.apart:
        stage.say(f"This machine does not allow network namespaces ({stage.nets.why}): all share its loopback.")
    for place in places:
        apart = ", in a network namespace of its own, inbound closed" if place.inside else ""
        stage.say(f"  {place.plan.name}: {place.engine.title}{apart}")
        stage.places[place.plan.name] = place
    begun = [(place, _enrol(stage, place)) for place in places]
    for place, command in begun:
        stage.fleet.finish(command)
        stage.agent(place.plan.name)
    _await_live(stage, [place.plan for place in places])
    for name in BUYERS:
        stage.keys[name] = let_in(stage.delta, name, Role.BUYER)


def _await_live(stage: Stage, plans: Sequence[PlatformPlan]) -> None:
    """A check that a busy machine was too slow for is asked for once more; what it said is shown."""
    try:
        onboarding.await_live(stage.fleet, stage.delta, plans, stage.say)
    except Trouble:
        with stage.delta.client() as operator:
            waiting = {one.name for one in operator.platforms.list() if one.state is not PlatformState.LIVE}
            for line in _unpassed(stage):
                stage.say(line)
            for plan in plans:
                if plan.name in waiting:
                    stage.say(f"  {plan.name}: its conformance is run once more")
                    operator.platforms.ask_conformance(plan.name)
        onboarding.await_live(stage.fleet, stage.delta, [plan for plan in plans if plan.name in waiting], stage.say)


def _unpassed(stage: Stage) -> Iterator[str]:
    with stage.delta.client() as operator:
        for name in stage.places:
            for run in operator.platforms.conformance(name):
                findings = () if run.report is None else run.report.findings
                yield from (
                    f"  {name}: {one.check} {one.result}: {one.why} {one.said}"
                    for one in findings
                    if one.result is not Result.PASSED
                )


def _enrol(stage: Stage, place: Place) -> Running:
    plan, hub = place.plan, stage.delta
    application = NewPlatform(name=plan.name, title=plan.title, title_zh=plan.title_zh)
    token, stage.keys[plan.provider] = onboarding.apply(hub, plan.provider, application)
    home = stage.homes[plan.name] = stage.root / f"agent-{plan.name}"
    file = home.with_suffix(".toml")
    file.write_text(agent_toml(place, hub.url, stage.root / "tools"), encoding="utf-8")
    entry = ["--token", token, "--hub-key", hub.public_key, "--config", str(file), "--home", str(home)]
    return stage.fleet.begin(
        f"{plan.name}-enrol", [*place.inside, *program("suanlian-agent"), "enrol", hub.url, *entry]
    )
