"""Keys of connectors and of the hub change amid running jobs: every job ends once, no report and no segment is lost."""

from collections import Counter
from typing import Final

import pytest

from suanlian.agent.config import Home
from suanlian.crypto.documents import key_id_of
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.job import Job, JobState
from suanlian.model.lineage import NodeKeys
from suanlian.model.usage import UsageSegment
from suanlian.store import tables
from suanlian.testing.nodes import AgentProcess, HubProcess, python_job
from suanlian.testing.processes import program, until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
WORK: Final = "import time; print('begun', flush=True); time.sleep(1.5)"


def test_keys_change_under_load_and_nothing_is_lost(world: World) -> None:
    agents, jobs = (world.wuhu, world.suzhou), list[Job]()
    for number in range(3):
        jobs += [world.submit(python_job(f"load-{number}-{n}", WORK)) for n in range(4)]
        until("something runs", lambda: any(agent.running() for agent in agents))
        if number != 1:
            for agent in agents:
                connector_takes_a_fresh_key(agent)
        if number != 0:
            hub_takes_a_fresh_key(world)
    for job in jobs:
        task = world.ended(job, within_s=120)
        # by the first try: no change of key has cost an attempt
        assert [attempt.state for attempt in task.attempts] == [JobState.COMPLETE]
    until("both follow the hub's key", lambda: all(pinned(agent) == keys_of(world.hub).key for agent in agents))
    until("all usage is here", lambda: finals(world.hub) == Counter({task_of(world, job): 1 for job in jobs}))
    known = every_connector_key(world.hub)
    signed = {key_id_of(row["signature"]) for row in world.hub.rows(tables.usage_batch)}
    assert signed <= {PublicKey.parse(key).key_id for key in known}
    assert len(known) == 2 * (1 + 2)
    assert keys_of(world.hub).serial == 2
    events = [row["type"] for row in world.hub.rows(tables.event)]
    assert (events.count("connector.rekeyed"), events.count("hub.rekeyed")) == (4, 3)
    # the owner's journal names every document that went
    assert "/connector/v1/rekey" in world.wuhu.command("sent").out


def connector_takes_a_fresh_key(agent: AgentProcess) -> None:
    home = Home(agent.home)
    before = KeyPair.load(home.key).public_text
    done = agent.command("rotate-key")
    assert (done.code, done.err) == (0, ""), done
    after = KeyPair.load(home.key).public_text
    assert after in done.out
    assert after != before


def hub_takes_a_fresh_key(world: World) -> None:
    before = keys_of(world.hub).key
    done = world.processes.run(
        [*program("suanlian-hub"), "rotate-key", "--why", "a test", "--home", str(world.hub.settings.hub_home)]
    )
    assert (done.code, done.err) == (0, ""), done
    after = until("the hub serves under its fresh key", lambda: changed(world.hub, before))
    assert after in done.out


def changed(hub: HubProcess, before: str) -> str:
    with hub.client() as door:
        now: str = door.identifiers.node().public_key
    return "" if now == before else now


def keys_of(hub: HubProcess) -> NodeKeys:
    with hub.client() as door:
        return door.identifiers.keys()


def pinned(agent: AgentProcess) -> str:
    text: str = Home(agent.home).identity.read_text(encoding="utf-8")
    return next(line.split('"')[3] for line in text.splitlines() if '"hub_key"' in line)


def task_of(world: World, job: Job) -> str:
    return world.task(job).attempts[-1].id


def finals(hub: HubProcess) -> Counter[str]:
    """The last segments that the hub has, by attempt."""
    rows = [UsageSegment.model_validate_json(row["body"]) for row in hub.rows(tables.usage_segment)]
    return Counter(str(segment.attempt_id) for segment in rows if segment.final)


def every_connector_key(hub: HubProcess) -> set[str]:
    rows = [*hub.rows(tables.connector), *hub.rows(tables.connector_key)]
    return {str(row["public_key"]) for row in rows}
