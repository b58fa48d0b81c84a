"""How do the hubs and platforms come up? By the commands and the public interface that anybody would use."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.demo.agentfile import Setting, agent_toml
from suanlian.demo.entities import DELTA_OWNER, SUPERVISION, entity
from suanlian.demo.processes import Fleet, Running, free_port, program
from suanlian.demo.states import state_name
from suanlian.demo.trouble import Trouble
from suanlian.demo.world import BUYERS, DELTA, DELTA_LABEL, NATIONAL, PlatformPlan
from suanlian.i18n import _
from suanlian.model.conformance import Result
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import PlatformId
from suanlian.model.party import Decision, NewPrincipal, Role
from suanlian.model.platform import NewPlatform, PlatformKind, PlatformState
from suanlian.sdk.client import Client

_LOOK_S: Final = 0.1
_UP_S: Final = 40
_PROBE_S: Final = "2"
"""So long a probe of a verification is to take here; five platforms share this machine, so they are probed in turn."""
_SUPPLY_S: Final = "40"
"""In each such time the hub claims capacity that is reported free once, at a moment that a seed drew."""
_STEP_S: Final = 0.3
_LIVE_S: Final = 120
_OPERATING: Final = "operations"
_SECOND: Final = "second-operator"
_WHY: Final = Decision(why="demonstration: the papers were looked at")


@dataclass(frozen=True)
class HubPlan:
    """A hub that is to be: its name, address and home."""

    name: str
    port: int
    home: Path

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Hub:
    """A hub that runs, and the keys of its two operators: what matters takes both."""

    name: str
    url: str
    prefix: str
    public_key: str
    operator: str
    second: str
    home: Path

    def client(self, key: str | None = None) -> Client:
        """A door to it, the operator's unless another key is given."""
        return Client(self.url, key or self.operator)


def plan_hub(name: str, root: Path) -> HubPlan:
    """A hub on a free port with its home below ``root``."""
    return HubPlan(name, free_port(), root / f"hub-{name}")


def begin_root_hub(fleet: Fleet, plan: HubPlan) -> Running:
    """Begin to make the national hub, with its own prefix; `open_hub` goes on when it is made."""
    return _begin_hub(fleet, plan, ["--prefix", "CN"])


def lower_hub(fleet: Fleet, plan: HubPlan, above: Hub, origins: Sequence[str]) -> Hub:
    """Apply at the hub above, be approved, and start with the prefix that comes from there.

    ``origins``: addresses that are not public and that job inputs may come from nevertheless.
    """
    application = NewPlatform(
        name=plan.name, title="Yangtze River Delta hub", title_zh="长三角枢纽", kind=PlatformKind.HUB, label=DELTA_LABEL
    )
    token, _key = apply(above, DELTA_OWNER, application)
    upward = ["--upstream", f"{above.url}#{above.public_key}", "--join-token", token]
    hub = open_hub(fleet, plan, _begin_hub(fleet, plan, upward), origins)
    if not hub.prefix.startswith("CN."):
        wrong = _("The hub {name} got the prefix {prefix} and not one from above.")
        raise Trouble(wrong.format(name=hub.name, prefix=hub.prefix), _("See the log of the national hub."))
    go_live(above, plan.name)
    return hub


def _begin_hub(fleet: Fleet, plan: HubPlan, prefix: list[str]) -> Running:
    named = ["--home", str(plan.home), "--name", plan.name, "--url", plan.url]
    return fleet.begin(f"{plan.name}-init", [*program("suanlian-hub"), "init", *named, *prefix, "--json"])


def open_hub(fleet: Fleet, plan: HubPlan, made: Running, origins: Sequence[str] = ()) -> Hub:
    """Serve a hub that is being made, and become its first operator by the one-time link. Raises Trouble."""
    told = json.loads(fleet.finish(made))
    if told["warning"]:
        raise Trouble(_("The hub {name}: {why}").format(name=plan.name, why=told["warning"]))
    listen = ["--home", str(plan.home), "--host", "127.0.0.1", "--port", str(plan.port)]
    env = {
        "SUANLIAN_INPUT_ORIGINS": json.dumps(list(origins)),
        "SUANLIAN_PROBE_SECONDS": _PROBE_S,
        "SUANLIAN_SUPPLY_PERIOD": _SUPPLY_S,
    }
    fleet.start(plan.name, [*program("suanlian-hub"), "serve", *listen], env)
    _await_answer(fleet, plan)
    with Client(plan.url) as door:
        operator = door.parties.claim(told["link"]).key
        with Client(plan.url, operator) as first:
            invited = first.parties.invite(_SECOND, _WHY)
        second = door.parties.claim(invited.link, _SECOND).key
    return Hub(plan.name, plan.url, told["prefix"], told["public_key"], operator, second, plan.home)


def _await_answer(fleet: Fleet, plan: HubPlan) -> None:
    deadline = time.monotonic() + _UP_S
    with Client(plan.url, timeout_s=2, retry_wait_s=0.05) as door:
        while True:
            fleet.check()
            try:
                door.identifiers.node()
            except SuanlianError as error:
                if time.monotonic() > deadline:
                    wrong = _("The hub {name} does not answer after {seconds} s.")
                    raise Trouble(wrong.format(name=plan.name, seconds=_UP_S), error.todo) from error
                time.sleep(_LOOK_S)
            else:
                return


def let_in(hub: Hub, name: str, role: Role) -> str:
    """Register an entity, check who it is, and let somebody of it in; the key."""
    with hub.client() as operator:
        operator.parties.add_entity(entity(name))
        operator.parties.check_entity(name, _WHY)
        return operator.parties.add_principal(NewPrincipal(name=_OPERATING, role=role, entity=name)).key


def apply(hub: Hub, owner: str, application: NewPlatform) -> tuple[str, str]:
    """Apply with the owner's key, have the documents checked, mint the owner's join token; token and owner's key."""
    key = let_in(hub, owner, Role.PROVIDER)
    with hub.client(key) as provider:
        provider.platforms.apply(application)
        with hub.client() as operator:
            operator.platforms.check_documents(application.name, _WHY)
        (token,) = provider.platforms.tokens(application.name).tokens
    return token.join_token, key


def go_live(hub: Hub, platform: str) -> None:
    """Two operators let it take work."""
    for key in (hub.operator, hub.second):
        with hub.client(key) as operator:
            operator.platforms.go_live(platform, _WHY)


@dataclass(frozen=True)
class Platform:
    """A platform that was let in: its plan, its agent's home, its provider's key."""

    plan: PlatformPlan
    home: Path
    key: str

    @property
    def config(self) -> Path:
        """The file that its owner wrote."""
        return self.home.with_suffix(".toml")


def enter(fleet: Fleet, hub: Hub, plans: Sequence[PlatformPlan], root: Path, setting: Setting) -> list[Platform]:
    """Onboard platforms: applied, approved, enrolled by a single-use token, their agents started. Raises Trouble."""
    begun = [_begin_enrolment(fleet, hub, plan, root, setting) for plan in plans]
    for platform, command in begun:
        fleet.finish(command)
        start_agent(fleet, platform)
    return [platform for platform, _command in begun]


def _begin_enrolment(
    fleet: Fleet, hub: Hub, plan: PlatformPlan, root: Path, setting: Setting
) -> tuple[Platform, Running]:
    application = NewPlatform(name=plan.name, title=plan.title, title_zh=plan.title_zh)
    token, key = apply(hub, plan.provider, application)
    platform = Platform(plan, root / f"agent-{plan.name}", key)
    platform.config.write_text(agent_toml(plan, setting), encoding="utf-8")
    entry = ["--token", token, "--hub-key", hub.public_key, "--config", str(platform.config)]
    command = [*program("suanlian-agent"), "enrol", hub.url, *entry, "--home", str(platform.home)]
    return platform, fleet.begin(f"{plan.name}-enrol", command)


def start_agent(fleet: Fleet, platform: Platform) -> None:
    """Start the connector of a platform that has entered."""
    fleet.start(platform.plan.name, [*program("suanlian-agent"), "run", "--home", str(platform.home)])


def await_live(fleet: Fleet, hub: Hub, plans: Sequence[PlatformPlan], tell: Callable[[str], None]) -> None:
    """Follow each platform through its steps, let it go live when it is verified, end when all are. Raises Trouble.

    Conformance and verification are the hub's own doing: it begins them when a connector has published. A run that
    failed, as on a machine that is busy with other work, is asked for anew.
    """
    began, seen, failed = time.monotonic(), dict[str, PlatformState](), set[str]()
    names = {plan.name for plan in plans}
    while True:
        fleet.check()
        with hub.client() as operator:
            now = {found.name: found.state for found in operator.platforms.list() if found.name in names}
        for name, state in now.items():
            if seen.get(name) is not state:
                line = _("  {platform}: {state} ({seconds} s)")
                tell(line.format(platform=name, state=state_name(state), seconds=f"{time.monotonic() - began:.0f}"))
            if state is PlatformState.VERIFIED:
                go_live(hub, name)
            if state is PlatformState.CONNECTED:
                _test_anew(hub, name, failed, tell)
        seen = now
        if all(state is PlatformState.LIVE for state in now.values()):
            return
        if time.monotonic() > began + _LIVE_S:
            raise _not_live(hub, [name for name, state in now.items() if state is not PlatformState.LIVE])
        time.sleep(_STEP_S)


def _test_anew(hub: Hub, name: str, failed: set[str], tell: Callable[[str], None]) -> None:
    """Ask once more for a conformance run where the newest one failed. ``failed``: runs that were looked at."""
    with hub.client() as operator:
        run = next(operator.platforms.conformance(name), None)
        if run is None or run.passed is not False or run.id in failed:
            return
        failed.add(run.id)
        findings = run.report.findings if run.report else ()
        names = ", ".join(one.check.value for one in findings if one.result is Result.FAILED)
        tell(_("  {platform}: failed in conformance: {checks}; asked for anew").format(platform=name, checks=names))
        operator.platforms.ask_conformance(name)


def _not_live(hub: Hub, names: Sequence[str]) -> Trouble:
    """Which are not live, and what each waits for, in the hub's own words."""
    with hub.client() as operator:
        waits = {name: operator.platforms.onboarding(name) for name in names}
    told = [
        f"{name}: " + ("; ".join(one.says or one.code for one in found.missing) or found.state.value)
        for name, found in waits.items()
    ]
    wrong = _("Not live after {seconds} s: {names}.").format(seconds=_LIVE_S, names=", ".join(names))
    return Trouble(" ".join([wrong, *told]), _("See the logs of these agents."))


def allow_unisolated(fleet: Fleet, hub: Hub, platforms: Sequence[Platform], setting: Setting) -> tuple[str, ...]:
    """Where this machine cannot keep jobs apart: the owners say that they take others' jobs, and start again.

    Returns the names of these platforms; ``setting`` says allow_unisolated.
    """
    with hub.client() as operator:
        shares = list(operator.catalogue.shares())
        names = {found.id: found.name for found in operator.platforms.list()}
    open_ones = {names[share.platform_id] for share in shares if not share.body.isolated}
    chosen = [platform for platform in platforms if platform.plan.name in open_ones]
    for platform in chosen:
        platform.config.write_text(agent_toml(platform.plan, setting), encoding="utf-8")
        shutil.copyfile(platform.config, platform.home / "agent.toml")
        fleet.stop(platform.plan.name)
        start_agent(fleet, platform)
    if chosen:
        _await_open(fleet, hub, open_ones, names)
    return tuple(platform.plan.name for platform in chosen)


def _await_open(fleet: Fleet, hub: Hub, wanted: set[str], names: Mapping[PlatformId, str]) -> None:
    deadline = time.monotonic() + _UP_S
    with hub.client() as operator:
        while time.monotonic() < deadline:
            fleet.check()
            shares = [share for share in operator.catalogue.shares() if names[share.platform_id] in wanted]
            if all(share.body.allow_unisolated for share in shares):
                return
            time.sleep(_LOOK_S)
    raise Trouble(_("The platforms did not publish allow_unisolated in time."), _("See the logs of these agents."))


def buyers(hub: Hub) -> dict[str, str]:
    """Let the two buyers in, each an entity with an account of its own: name -> key."""
    return {name: let_in(hub, name, Role.BUYER) for name in BUYERS}


def supervisor(hub: Hub) -> str:
    """Let the regulator's reader in; its key."""
    return let_in(hub, SUPERVISION, Role.SUPERVISOR)


def hub_plans(root: Path) -> tuple[HubPlan, HubPlan]:
    """The national hub and the one of the delta."""
    return plan_hub(NATIONAL, root), plan_hub(DELTA, root)
