"""Somebody takes the hub's place, with another key and forged instructions: the agent runs nothing."""

import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from suanlian.agent.config import Home
from suanlian.agent.enrol import read_identity
from suanlian.app import KEY_FILE
from suanlian.crypto.httpsig import SignedResponse, Signer, sign_response
from suanlian.crypto.keys import KeyPair
from suanlian.model.ids import AttemptId, ConnectorId, JobId, new_id
from suanlian.model.job import JobState
from suanlian.model.protocol import Instruction, PollAnswer, Wish
from suanlian.testing.nodes import AgentProcess, python_job
from suanlian.testing.processes import program, until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


class Forger(ThreadingHTTPServer):
    """Answers every poll as the hub would, with a job to run, signed by a key of its own."""

    def __init__(self, port: int, connector_id: ConnectorId) -> None:
        self.polls = 0
        self.keypair = KeyPair.generate()
        self._connector_id = connector_id
        super().__init__(("127.0.0.1", port), _Door)

    def poll(self) -> bytes:
        self.polls += 1
        spec = python_job("forged", "print('forged')")
        said = Instruction(
            attempt_id=AttemptId(new_id()),
            token=1,
            version=1,
            wish=Wish.RUN,
            job_id=JobId(new_id()),
            task_index=0,
            share="cores",
            flavor="cpu",
            variant=0,
            granted=spec.resources,
            entity="lab",
            spec=spec,
        )
        answer = PollAnswer(
            connector_id=self._connector_id,
            expires_at=datetime.now(UTC) + timedelta(minutes=1),
            revision=1000 + self.polls,
            instructions=(said,),
        )
        return answer.model_dump_json().encode()


class _Door(BaseHTTPRequestHandler):
    server: Forger

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.path == "/connector/v1/poll"
        status, body = (200, self.server.poll()) if known else (503, b"{}")
        headers = {"content-type": "application/json"}
        signer = Signer(self.server.keypair, self.server.keypair.public.key_id)
        nonce = re.search(r'nonce="([^"]+)"', self.headers["Signature-Input"])
        assert nonce is not None
        more = sign_response(
            SignedResponse(status, headers, body), signer, request_nonce=nonce[1], now=datetime.now(UTC)
        )
        self.send_response(status)
        for name, value in {**headers, **more, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_what: object) -> None:
        """Say nothing."""


@contextmanager
def _forging(world: World) -> Iterator[Forger]:
    port = int(world.hub.url.rpartition(":")[2])
    with Forger(port, read_identity(Home(world.wuhu.home)).connector_id) as forger:
        thread = threading.Thread(target=forger.serve_forever, args=(0.02,))
        thread.start()
        yield forger
        forger.shutdown()
        thread.join()


def _copied(world: World) -> Path:
    """The home of a hub that knows all that the first one knows, but its key; and says that its own is the key."""
    home = world.processes.root / "impostor"
    shutil.copytree(world.hub.settings.hub_home, home)
    with closing(sqlite3.connect(home / "hub.db")) as store, store:
        store.execute("DELETE FROM hub_key")
    (home / KEY_FILE).unlink()
    KeyPair.generate().save(home / KEY_FILE)
    return home


def _refusals(agent: AgentProcess) -> int:
    return agent.daemon.said().count("poll: The answer is not believed")


def _nothing_here(agent: AgentProcess) -> bool:
    return not any(agent.jobs.iterdir()) and "0 attempts are here" in agent.command("status").out


def test_another_hub_at_the_same_address_is_not_believed(world: World) -> None:
    until("nothing is kept from before", lambda: not any(world.wuhu.jobs.iterdir()))
    before = _refusals(world.wuhu)
    world.hub.daemon.terminate()
    command = [*program("suanlian-hub"), "serve", "--home", str(_copied(world)), "--port"]
    impostor = world.processes.daemon("hub-impostor", [*command, world.hub.url.rpartition(":")[2]])
    impostor.start()
    impostor.until("the impostor answers", lambda: world.hub.answers)
    forged = world.submit(python_job("forged", "print(1)", wants={"platform": "wuhu"}))
    until("the impostor has placed it", lambda: world.task(forged).attempts)
    until("the agent says that it does not believe it", lambda: _refusals(world.wuhu) > before)
    assert world.task(forged).state is JobState.QUEUED
    assert _nothing_here(world.wuhu)
    impostor.terminate()
    world.hub.start()
    job = world.submit(python_job("right", "print(1)", wants={"platform": "wuhu"}))
    assert world.ended(job).state is JobState.COMPLETE


def test_forged_instructions_are_not_believed(world: World) -> None:
    until("nothing is kept from before", lambda: not any(world.wuhu.jobs.iterdir()))
    before = _refusals(world.wuhu)
    world.hub.daemon.kill()
    with _forging(world) as forger:
        until("it was asked three times", lambda: forger.polls >= 3)
        until("the agent says that it does not believe it", lambda: _refusals(world.wuhu) > before)
        assert _nothing_here(world.wuhu)
    world.hub.start()
    job = world.submit(python_job("right", "print(1)", wants={"platform": "wuhu"}))
    assert world.ended(job).state is JobState.COMPLETE
    assert "forged" not in world.wuhu.command("sent", "--json").out
