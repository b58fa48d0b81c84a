"""A lent job whose place is not heard of: it waits for it, and has not stopped before the place says so."""

from suanlian.model.job import JobState
from suanlian.model.lending import LentCancelCall
from tests.hub.test_lending import KEY, lent, state, told_of
from tests.hub.test_lost import pass_
from tests.hub.world import World


def test_a_place_that_is_not_heard_of_has_not_stopped_until_it_says_so(world: World) -> None:
    """Called home meanwhile, it ends at the hub alone: its lender lets nothing begin on that."""
    found = lent(world)
    runs, by = world.connector("suzhou-cloud"), world.connector("wuhu-cluster")
    of = told_of(runs, found.job_id)
    runs.report(of, JobState.RUNNING, started_at=world.clock())
    by.client.lent_cancel(LentCancelCall(key=KEY))
    pass_(world, 1200, heard=["wuhu-cluster"])
    over = state(by)
    assert (over.state, over.stopped) == (JobState.CANCELED, False)
    runs.poll()
    runs.gone(of)
    assert state(by).stopped


def test_a_lent_job_waits_for_a_place_that_is_not_heard_of(world: World) -> None:
    found = lent(world, retries={"lost": 0})
    runs, by = world.connector("suzhou-cloud"), world.connector("wuhu-cluster")
    of = told_of(runs, found.job_id)
    runs.report(of, JobState.RUNNING, started_at=world.clock())
    pass_(world, 7200, heard=["wuhu-cluster"])
    still = state(by)
    assert (still.stopped, still.attempt and still.attempt.number) == (False, 1)
    runs.report(of, JobState.COMPLETE, started_at=world.clock())
    assert (state(by).state, state(by).stopped) == (JobState.COMPLETE, True)
