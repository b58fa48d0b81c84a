"""The owner chooses how far to join, with the hub up or down, in real processes."""

import pytest

from suanlian.model.job import Job, JobState
from suanlian.model.owner import JoinLevel
from suanlian.testing.nodes import python_job
from suanlian.testing.processes import until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

_TICKS = "import time\nfor n in range(3000):\n    print(n, flush=True)\n    time.sleep(0.1)"


def _level(world: World, platform: str) -> JoinLevel:
    with world.hub.client() as door:
        return next(state.level for state in door.catalogue.states(platform).items)


def _said(world: World, job: Job) -> int:
    with world.hub.client(world.key) as door:
        return sum(len(piece) for piece in door.jobs.log(job.id))


def test_observe_with_the_hub_down_then_up_dispatches_nothing_and_what_ran_goes_on(world: World) -> None:
    job = world.submit(python_job("goes-on", _TICKS, wall_time_s=300))
    here = world.runs_at(job)
    there = world.other(here)
    (attempt,) = here.running()
    until("the hub knows that it runs", lambda: world.job(job).state is JobState.RUNNING)
    world.hub.daemon.kill()
    said = here.command("level", "observe")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Level observe")
    assert "1 attempts that this level admits no more run on" in said.out
    assert here.running() == [attempt]
    assert "Nothing new is accepted." in here.command("status").out
    world.hub.start()
    until("the hub hears of it", lambda: _level(world, here.platform) is JoinLevel.OBSERVE)
    wanted = world.submit(python_job("wanted", "print(1)", wants={"platform": here.platform}))
    until("it is said why it waits", lambda: "level observe only" in world.job(wanted).waiting)
    free = world.submit(python_job("free", "print(1)"))
    (placed,) = world.ended(free).attempts
    assert (placed.platform, placed.state) == (there.platform, JobState.COMPLETE)
    assert world.task(wanted).attempts == ()
    assert here.running() == [attempt]
    assert world.job(job).state is JobState.RUNNING
    before = _said(world, job)
    until("it says more and more", lambda: _said(world, job) > before)
    with world.hub.client(world.key) as door:
        door.jobs.cancel(job.id)
    (first,) = world.ended(job).attempts
    assert (first.id, first.platform, first.state) == (attempt, here.platform, JobState.CANCELED)
    assert here.command("level", "trade").code == 0
    (later,) = world.ended(wanted).attempts
    assert (later.platform, later.state) == (here.platform, JobState.COMPLETE)
    with world.hub.client(world.key) as door:
        state = next(state for state in door.catalogue.states(here.platform).items)
    assert (state.stale, state.faulty, state.level) == (False, False, JoinLevel.TRADE)
    assert state.in_use is not None


def test_a_policy_that_is_tightened_holds_without_a_restart(world: World) -> None:
    here = world.wuhu
    config = here.home / "agent.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("[policy]\n", '[policy]\nrefused = ["lab"]\n'), encoding="utf-8")
    try:
        until("the policy was read", lambda: "the policy was read anew" in here.daemon.said(), within_s=40)
        job = world.submit(python_job("refused", "print(1)", wants={"platform": here.platform}))
        until("it is said why it waits", lambda: "refused this task a short while ago" in world.job(job).waiting)
        (attempt,) = world.task(job).attempts
        assert (attempt.state, attempt.outcome.reason) == (JobState.PREEMPTED, "owner_refuses: entity")
        with world.hub.client(world.key) as door:
            door.jobs.cancel(job.id)
    finally:
        config.write_text(before, encoding="utf-8")
