"""A job outlives its agent; one that nobody keeps any more is told as lost and tried elsewhere."""

import json
import os
import signal
from datetime import datetime

import pytest

from suanlian.drivers.local.keeper.record import WORK
from suanlian.model.job import JobState
from suanlian.testing.nodes import python_job
from suanlian.testing.processes import until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

_TOLD = "import os, time; print('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('done')"
_LONG = "import time; print('begun', flush=True); time.sleep(float(__import__('sys').argv[1])); print('done')"


def test_a_job_goes_on_while_its_agent_is_stopped(world: World) -> None:
    job = world.submit(python_job("goes-on", _TOLD))
    here = world.runs_at(job)
    (attempt,) = here.running()
    assert here.daemon.terminate() == 0
    record = here.jobs / attempt / "exit.json"
    assert here.running() == [attempt], "it was to end after its agent"
    (here.jobs / attempt / WORK / "go").touch()
    until("the job has ended without its agent", record.exists)
    ended_at = datetime.fromisoformat(json.loads(record.read_text())["ended_at"])
    assert world.job(job).ended_at is None
    here.daemon.start()
    (told,) = world.ended(job).attempts
    assert (told.id, told.state, told.ended_at) == (attempt, JobState.COMPLETE, ended_at)
    with world.hub.client(world.key) as door:
        assert b"".join(door.jobs.log(job.id)) == b"begun\ndone\n"


def test_a_job_without_keeper_is_lost_and_tried_elsewhere_once(world: World) -> None:
    """As when the machine is switched off: agent, keeper and job go at once, and the agent is started again."""
    job = world.submit(python_job("lost", _LONG, "60", attempts=2))
    here = world.runs_at(job)
    there = world.other(here)
    (attempt,) = here.running()
    until("the hub knows that it runs", lambda: world.job(job).state is JobState.RUNNING)
    keeper = json.loads((here.jobs / attempt / "keeper.json").read_text())["pid"]
    here.daemon.kill()
    os.kill(keeper, signal.SIGKILL)
    here.daemon.start()
    assert world.runs_at(job) is there
    first, second = world.task(job).attempts
    assert (first.id, first.platform, first.state) == (attempt, here.platform, JobState.SYSTEM_ERROR)
    assert "no longer knows the job" in first.outcome.reason
    assert (second.platform, second.number) == (there.platform, 2)
    with world.hub.client(world.key) as door:
        used = [segment for segment in door.jobs.usage(job.id) if segment.attempt_id == attempt]
        assert used[-1].final
        # billed until it was last seen, never until it was found to be gone
        assert (used[0].started_at, used[-1].ended_at) == (first.started_at, first.ended_at)
        door.jobs.cancel(job.id)
    assert world.ended(job).state is JobState.CANCELED
    until("nothing is held", lambda: not any(world.rooms().values()))
    until("nothing is left running", lambda: world.processes.left() == [])
