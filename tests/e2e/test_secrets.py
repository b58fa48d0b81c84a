"""A real job prints its secret: no byte of hub or agent holds it afterwards, and nobody is told."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.model.job import JobState
from suanlian.model.party import Role
from suanlian.model.secret import NewSecret
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform, python_job
from suanlian.testing.processes import Processes, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "Kq7-swordfish-of-the-deep-é"
KEYFILE = "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG9w0BAQ\n-----END KEY-----\n"
PRINTS = """
import hashlib, os, sys, time
value, lines = os.environ["DB_PASSWORD"], open("creds/key.pem").read()
print(hashlib.sha256(value.encode()).hexdigest(), hashlib.sha256(lines.encode()).hexdigest())
print("the password is", value, "and again", value)
for letter in value:  # the pieces of a log may be cut anywhere
    sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.03)
print()
print(lines, file=sys.stderr)
open("out.txt", "w").write("done")
sys.exit("failed with " + value)
"""


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started


def holders(root: Path) -> list[Path]:
    """Files with a secret in them, as it is or in base64."""
    words = [SECRET.encode(), *KEYFILE.encode().split(b"\n")[:3], KEYFILE.encode()]
    words += [base64.b64encode(word)[:-4] for word in words]
    return [p for p in sorted(root.rglob("*")) if p.is_file() and any(word in p.read_bytes() for word in words)]


def test_a_planted_secret_is_in_no_byte_that_is_kept(processes: Processes) -> None:
    hub = make_hub(processes, "national")
    wuhu = make_platform(processes, hub, "wuhu", Slots(cores=1, probes=NO_PROBES))
    key = hub.let_in("lab", Role.BUYER)
    uses = ({"name": "db", "env": "DB_PASSWORD"}, {"name": "key", "path": "creds/key.pem"})
    job = python_job("prints", PRINTS, secrets=uses, outputs=("out.txt", "creds"), attempts=1)
    with hub.client(key) as door:
        for name, value in (("db", SECRET), ("key", KEYFILE)):
            door.secrets.set(name, NewSecret.model_validate({"value": value}))
        made = door.jobs.submit(job)
        ended = door.jobs.wait(made.id, 120, poll_s=0.2)
        assert ended.state is JobState.EXECUTOR_ERROR
        (task,) = door.jobs.tasks(made.id)
        out = b"".join(door.jobs.log(made.id))
        err = b"".join(door.jobs.log(made.id, stream="stderr"))
        assert [file.path for file in door.jobs.outputs(made.id)] == ["out.txt"]
    _masked(out, err)
    assert SECRET not in task.attempts[0].outcome.reason
    _forgotten(wuhu, hub)
    told = wuhu.command("sent", "--json")
    assert "/connector/v1/secrets" in told.out
    assert SECRET not in told.out
    assert holders(wuhu.home) == []
    assert holders(hub.settings.hub_home) == []
    wuhu.daemon.terminate()
    hub.daemon.terminate()
    assert holders(processes.root) == []
    assert SECRET not in wuhu.daemon.said() + hub.daemon.said()


def _masked(out: bytes, err: bytes) -> None:
    """The job had both secrets; what it said of them has their length and none of their letters."""
    first, second, third = out.splitlines()
    assert first.decode() == " ".join(hashlib.sha256(text.encode()).hexdigest() for text in (SECRET, KEYFILE))
    stars = b"*" * len(SECRET.encode())
    assert second == b"the password is " + stars + b" and again " + stars
    assert third == stars
    assert len(err) >= len(KEYFILE.encode())
    assert b"failed with " + stars in err


def _forgotten(agent: AgentProcess, hub: HubProcess) -> None:
    until("the agent has forgotten it", lambda: not any(agent.jobs.iterdir()))
    until("no sealed secret is left", lambda: not any((agent.home / "sealed").iterdir()))
    with hub.client() as operator:
        events = [event for event in operator.supervision.events() if str(event.type).startswith("secret.")]
    assert {str(event.type) for event in events} == {"secret.set", "secret.sent"}
    assert SECRET not in json.dumps([event.model_dump(mode="json") for event in events])
