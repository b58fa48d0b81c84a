"""The whole way of a user by the three commands alone: from two empty directories to a receipt of the hub above."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from suanlian.settings import HubSettings
from suanlian.testing.nodes import ENVIRONMENT, NO_PROBES, Slots, agent_toml, answers, gates_of
from suanlian.testing.onboarding import entity_fields
from suanlian.testing.processes import Done, Processes, free_port, program, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class User:
    """Somebody at a terminal, with a login of their own."""

    processes: Processes
    name: str

    @property
    def env(self) -> dict[str, str]:
        return {"XDG_CONFIG_HOME": str(self.processes.root / f"config-{self.name}")}

    def tries(self, *arguments: str | Path, given: str | None = None) -> Done:
        return self.processes.run([*program("suanlian"), *arguments], env=self.env, given=given)

    def says(self, *arguments: str | Path, given: str | None = None) -> str:
        """Run `suanlian` and expect success; what it printed."""
        done = self.tries(*arguments, given=given)
        assert done.code == 0, (arguments, done)
        return done.out

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.says(*arguments, "--json"))

    @contextmanager
    def follows(self, job: str) -> Iterator[Iterator[tuple[float, str]]]:
        """`suanlian logs -f`: each line with the moment at which it came."""
        process = self.processes.open([*program("suanlian"), "logs", "-f", job], self.env)
        assert process.stdout is not None
        try:
            yield ((time.time(), line) for line in process.stdout)
            # it ends when the task does, and says that this was no good end
            assert process.wait(60) == 3
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@dataclass(frozen=True)
class Node:
    """A hub that was made and is served."""

    url: str
    key: str
    link: str
    prefix: str


def _hub(processes: Processes, name: str, *prefix: str) -> Node:
    url, home = f"http://127.0.0.1:{free_port()}", processes.root / name
    hub = program("suanlian-hub")
    made = processes.run([*hub, "init", "--home", home, "--name", name, "--url", url, *prefix, "--json"])
    assert made.code == 0, made
    told = json.loads(made.out)
    assert not told["warning"]
    port = url.rpartition(":")[2]
    daemon = processes.daemon(f"hub-{name}", [*hub, "serve", "--home", str(home), "--port", port])
    daemon.start()
    daemon.until(f"{name} answers", lambda: answers(url))
    return Node(url, told["public_key"], told["link"], told["prefix"])


def _let_in(operator: User, node: Node, entity: str, role: str) -> User:
    """The operator lets somebody in, who logs in with the key."""
    said = entity_fields(entity)
    operator.says("entity", "add", entity, *(f"--{n.replace('_', '-')}={v}" for n, v in said.items() if n != "name"))
    assert operator.json("entity", "check", entity, "--why", "seen")["standing"] == "checked"
    key = operator.json("principal", "add", f"{entity}-desk", "--role", role, "--entity", entity)["key"]
    user = User(operator.processes, entity)
    assert role in user.says("login", node.url, "--key-file", "-", given=f"{key}\n")
    return user


def _operator(processes: Processes, node: Node, name: str) -> User:
    user = User(processes, name)
    assert "operator" in user.says("claim", node.url, node.link)
    return user


def _admitted(operator: User, owner: User, name: str, *more: str) -> str:
    assert owner.json("platform", "apply", name, *more)["state"] == "applied"
    assert (
        operator.json("platform", "check-documents", name, "--why", "seen")["platform"]["state"] == "documents-checked"
    )
    (token,) = owner.json("platform", "tokens", name)["tokens"]
    return str(token["join_token"])


def _second(operator: User, node: Node) -> User:
    """A second operator, by the link that the first one hands over."""
    invited = operator.json("operator", "invite", "second", "--why", "four eyes")
    second = User(operator.processes, f"{operator.name}-2")
    assert "operator" in second.says("claim", node.url, invited["link"])
    return second


def _goes_live(processes: Processes, operator: User, second: User, name: str) -> None:
    """NOT REAL: conformance and verification are written into the store; the rest is the commands' own."""

    def state() -> str:
        return str(operator.json("platform", "show", name)["state"])

    until("the platform has published", lambda: state() != "documents-checked" and operator.json("offers"))
    gates_of(HubSettings(hub_home=processes.root / "delta"), name)
    until("the platform is verified", lambda: state() == "verified")
    proposed = operator.json("platform", "go-live", name, "--why", "all is well")
    assert (proposed["platform"]["state"], proposed["proposal"]["verdict"]) == ("verified", "open")
    assert second.json("proposals")[0]["act"] == "go-live"
    assert (
        second.json("proposal", "confirm", proposed["proposal"]["id"], "--why", "so it is")["platform"]["state"]
        == "live"
    )


def _platform(processes: Processes, node: Node, token: str) -> None:
    name, home, config = "wuhu", processes.root / "wuhu", processes.root / "wuhu.toml"
    config.write_text(agent_toml(node.url, name, Slots(cores=2, probes=NO_PROBES)))
    agent = program("suanlian-agent")
    enrolled = processes.run([*agent, "enrol", node.url, "--token", token, "--config", config, "--home", home])
    assert enrolled.code == 0, enrolled
    assert node.key in enrolled.out
    daemon = processes.daemon(f"agent-{name}", [*agent, "run", "--home", str(home)])
    daemon.start()
    daemon.until("the agent runs", lambda: "runs" in daemon.said())


def _job(processes: Processes, name: str, text: str) -> Path:
    spec = processes.root / f"{name}.yaml"
    spec.write_text(f"""
name: {name}
resources: {{cpu: 0.5, memory: 64MiB}}
variants:
  - architecture: x86_64
    environment: {ENVIRONMENT}
    command: [python3, -I, -S, -c, {json.dumps(text)}]
outputs: [out.txt]
wall_time_s: 60
""")
    return spec


def test_from_nothing_to_a_receipt(processes: Processes) -> None:
    national = _hub(processes, "national", "--prefix", "CN")
    operator = _operator(processes, national, "national-op")
    below = _let_in(operator, national, "delta-owner", "provider")
    token = _admitted(operator, below, "delta", "--kind", "hub", "--label", "YRD")
    upward = ["--upstream", f"{national.url}#{national.key}", "--join-token", token]
    delta = _hub(processes, "delta", *upward)
    assert delta.prefix == "CN.YRD"
    manager = _operator(processes, delta, "delta-op")
    provider = _let_in(manager, delta, "wuhu-owner", "provider")
    _platform(processes, delta, _admitted(manager, provider, "wuhu"))
    buyer = _let_in(manager, delta, "lab", "buyer")
    _goes_live(processes, manager, _second(manager, delta), "wuhu")
    _submit_and_look(processes, buyer)
    _follow_and_cancel(processes, buyer)
    _resolve(national, delta, operator, buyer)
    _report(national, delta, manager)
    until("nothing runs any more", lambda: not processes.left())


def _submit_and_look(processes: Processes, buyer: User) -> None:
    spec = _job(processes, "sum", "print(6*7); open('out.txt', 'w').write('42')")
    assert "wuhu" in buyer.says("estimate", spec)
    job = buyer.json("submit", "--wait", spec)
    assert job["state"] == "COMPLETE"
    why = buyer.json("why", job["public_id"])
    assert why["candidates"][why["winner"]]["platform"] == "wuhu"
    assert "wuhu" in buyer.says("why", "sum")
    assert buyer.says("logs", "sum") == "42\n"
    fetched = processes.root / "fetched"
    assert [file["path"] for file in buyer.json("outputs", "sum", fetched)] == ["out.txt"]
    assert (fetched / "out.txt").read_text() == "42"
    charges = until("the charges are written", lambda: buyer.json("charges", "sum"))
    assert {charge["kind"] for charge in charges} == {"cpu", "memory"}
    failing = _job(processes, "failing", "raise SystemExit('no')")
    assert buyer.tries("submit", "--wait", failing).code == 3
    assert buyer.says("logs", "--stderr", "failing") == "no\n"


def _follow_and_cancel(processes: Processes, buyer: User) -> None:
    text = "import time\nwhile True: print(time.time(), flush=True); time.sleep(1)"
    job = buyer.json("submit", _job(processes, "ticking", text))["public_id"]
    with buyer.follows(job) as lines:
        # it never ends by itself: what is seen is seen while it runs
        ages = [seen - float(line) for seen, line in islice(lines, 4)]
        print(f"age of a line at the user's, s: {', '.join(f'{age:.2f}' for age in ages)}")  # noqa: T201 - a figure
        assert buyer.json("show", job)["job"]["state"] == "RUNNING"
        buyer.says("cancel", job)
    assert buyer.json("show", job)["job"]["state"] == "CANCELED"


def _resolve(national: Node, delta: Node, operator: User, buyer: User) -> None:
    """Each hub knows its own and sends on to the other for what is not."""
    wuhu = buyer.json("platform", "show", "wuhu")["public_id"]
    assert wuhu.startswith("CN.YRD-")
    assert buyer.json("resolve", wuhu)["asked"] == [delta.url]
    found = operator.json("resolve", wuhu)
    assert (found["asked"], found["resolution"]["name"]) == ([national.url, delta.url], "wuhu")
    hub = operator.json("platform", "show", "delta")["public_id"]
    assert operator.json("resolve", hub)["asked"] == [national.url]
    found = buyer.json("resolve", hub)
    assert (found["asked"], found["resolution"]["name"]) == ([delta.url, national.url], "delta")


def _report(national: Node, delta: Node, manager: User) -> None:
    sent = manager.json("report", "supervision", "--send")
    (receipt,) = sent["receipts"]
    assert (receipt["hub"], sent["report"]["prefix"]) == ("national", delta.prefix)
    found = manager.json("resolve", receipt["public_id"])
    assert (found["asked"], found["resolution"]["state"]) == ([delta.url, national.url], "received")
