"""The platform's owner has the last word, also while the hub is down."""

import json

import pytest

from suanlian.model.job import JobState
from suanlian.testing.nodes import python_job
from suanlian.testing.processes import until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

_LONG = "import time; print('begun', flush=True); time.sleep(float(__import__('sys').argv[1]))"


def test_pause_evict_sent_and_status_work_without_the_hub(world: World) -> None:
    job = world.submit(python_job("evicted", _LONG, "60"))
    here = world.runs_at(job)
    there = world.other(here)
    (attempt,) = here.running()
    until("the hub knows that it runs", lambda: world.job(job).state is JobState.RUNNING)
    world.hub.daemon.kill()
    for arguments, says in [
        (["pause"], "Paused: nothing new is accepted"),
        (["status"], attempt),
        (["evict", attempt], "is ended"),
        (["sent"], "/connector/v1/report"),
    ]:
        done = here.command(*arguments)
        assert (done.code, done.err) == (0, ""), (arguments, done)
        assert says in done.out, (arguments, done)
    assert here.running() == []
    told = here.command("status").out
    assert "Nothing new is accepted." in told
    assert "The agent runs." in told
    bodies = [json.loads(line) for line in here.command("sent", "--json").out.splitlines()]
    assert any(attempt in body["body"] for body in bodies if body["path"] == "/connector/v1/report")
    world.hub.start()
    assert world.runs_at(job) is there
    first, second = world.task(job).attempts
    assert (first.platform, first.state, first.outcome.reason) == (
        here.platform,
        JobState.PREEMPTED,
        "evicted by its owner",
    )
    assert (second.platform, second.number) == (there.platform, 2)
    # the only free core is the paused one: what is new waits
    waiting = world.submit(python_job("waiting", _LONG, "0"))
    until("it is said why it waits", lambda: world.job(waiting).waiting)
    with world.hub.client(world.key) as door:
        door.jobs.cancel(job.id)
    assert world.ended(job).state is JobState.CANCELED
    (placed,) = world.ended(waiting).attempts
    assert (placed.platform, placed.state) == (there.platform, JobState.COMPLETE)
    assert here.running() == []
    assert here.command("resume").code == 0
    back = world.submit(python_job("back", _LONG, "0", wants={"platform": here.platform}))
    assert world.ended(back).state is JobState.COMPLETE
