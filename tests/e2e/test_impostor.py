"""Another hub takes the place of the first, with another key and forged instructions: the agent runs nothing."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from suanlian.app import KEY_FILE, database_url
from suanlian.crypto.keys import KeyPair
from suanlian.model.job import JobState
from suanlian.settings import HubSettings
from suanlian.store import tables
from suanlian.store.engine import open_store
from suanlian.testing.nodes import AgentProcess, python_job
from suanlian.testing.processes import program, until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _forged(world: World) -> Path:
    """The home of a hub that knows all that the first one knows, but its key."""
    home = world.processes.root / "impostor"
    shutil.copytree(world.hub.settings.hub_home, home)
    (home / KEY_FILE).unlink()
    KeyPair.generate().save(home / KEY_FILE)
    return home


def _told(agent: AgentProcess) -> int:
    """How often the agent has said that it does not believe an answer."""
    return agent.daemon.said().count("is not believed")


def test_a_hub_with_another_key_can_run_nothing(world: World) -> None:
    job = world.submit(python_job("later", "print(1)", wants={"platform": "wuhu"}))
    world.ended(job)
    until("all is forgotten", lambda: not any(world.wuhu.jobs.iterdir()))
    world.hub.daemon.terminate()
    home = _forged(world)
    _wish_again(home)
    port = world.hub.url.rpartition(":")[2]
    command = [*program("suanlian-hub"), "serve", "--home", str(home), "--port", port]
    impostor = world.processes.daemon("hub-impostor", command)
    impostor.start()
    until("the impostor answers", lambda: world.hub.answers)
    # it wishes work here, old and new, and it is asked for it
    fresh = world.submit(python_job("forged", "print(1)", wants={"platform": "wuhu"}))
    until("it has placed it", lambda: world.task(fresh).attempts)
    heard = _told(world.wuhu)
    until("the agent has refused it again", lambda: _told(world.wuhu) >= heard + 2)
    assert not any(world.wuhu.jobs.iterdir())
    assert "0 attempts are here" in world.wuhu.command("status").out
    assert world.task(fresh).state is JobState.QUEUED
    impostor.terminate()
    world.hub.start()
    after = world.submit(python_job("right", "print(1)", wants={"platform": "wuhu"}))
    assert world.ended(after).state is JobState.COMPLETE
    assert len(world.task(job).attempts) == 1


def _wish_again(home: Path) -> None:
    """In the impostor's store the ended attempt is to run, at a revision that the agent has not seen."""
    store = open_store(database_url(HubSettings(hub_home=home)))
    forged = {"wish": "run", "wish_version": 9, "revision": 1000, "state": "QUEUED"}
    with store.writing.begin() as connection:
        connection.execute(update(tables.attempt).values(forged))
        connection.execute(update(tables.connector).values(revision=1000))
    store.close()
