"""A platform lends a job that its own user queued: offered, confirmed, placed elsewhere, its end told to the lender."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobSpec, JobState, Outcome
from suanlian.model.lending import (
    LendCall,
    LendConfirmCall,
    LendKey,
    LentCall,
    LentCancelCall,
    LentLogCall,
    LentOutputCall,
    LentState,
)
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import ShareMode
from suanlian.model.protocol import Instruction, LogCall, OutputCall, ReportCall
from suanlian.model.quantity import Resources
from suanlian.rules.lending import Tried, is_stopped
from suanlian.testing.hub import SignedConnector
from tests.hub.test_trace import told
from tests.hub.world import World, inventory, job, offer

KEY = LendKey(cluster="wuhu", native_id="7", submitted_at=datetime(2026, 3, 1, tzinfo=UTC))
OTHER = KEY.model_copy(update={"native_id": "8"})


def call(key: LendKey = KEY, **changes: Any) -> LendCall:  # noqa: ANN401 - of a job  # noqa: ANN401 - of a job
    return LendCall(key=key, user="u1", spec=JobSpec.model_validate(job(**changes)))


def state(by: SignedConnector, key: LendKey = KEY) -> LentState:
    return by.client.lent(LentCall(keys=(key,))).jobs[0]


def lent(world: World, **changes: Any) -> LentState:  # noqa: ANN401 - of a job  # noqa: ANN401 - of a job
    """A job of Wuhu's own user, offered, confirmed and placed."""
    by = world.connector("wuhu-cluster")
    by.client.lend(call(**changes))
    by.client.lend_confirm(LendConfirmCall(key=KEY))
    world.hub.settle()
    return state(by)


def told_of(by: SignedConnector, job_id: str | None) -> Instruction:
    return next(one for one in by.poll().instructions if one.job_id == job_id)


def refused(code: str, act: Any, *given: Any) -> None:  # noqa: ANN401 - a call and what it takes
    with pytest.raises(SuanlianError) as found:
        act(*given)
    assert found.value.code == code


def test_an_offer_is_no_job_and_again_it_is_the_same(world: World) -> None:
    by = world.connector("wuhu-cluster")
    for _again in range(2):
        answer = by.client.lend(call()).job
        assert (answer.known, answer.confirmed, answer.job_id, answer.stopped) == (True, False, None, False)
    world.hub.settle()
    assert world.hub.rows()["job"] == 0
    assert [row["platform"] for row in told(world, EventType.LEND_OFFERED)] == ["wuhu-cluster"]


def test_a_confirmed_one_goes_anywhere_but_home(world: World) -> None:
    found = lent(world)
    assert (found.confirmed, found.attempt and found.attempt.platform) == (True, "suzhou-cloud")
    again = world.connector("wuhu-cluster").client.lend_confirm(LendConfirmCall(key=KEY)).job
    assert again.job_id == found.job_id
    assert world.hub.rows()["job"] == 1
    assert told_of(world.connector("suzhou-cloud"), found.job_id).entity == "wuhu"


def test_it_waits_where_only_home_has_room_and_says_so(world: World) -> None:
    world.ok("operator", "POST", "/v1/platforms/suzhou-cloud/suspend", {"why": "test"})
    found = lent(world)
    assert (found.attempt, found.state) == (None, JobState.QUEUED)
    assert "lent" in found.waiting or "suzhou" in found.waiting
    assert not world.connector("wuhu-cluster").poll().instructions


def test_its_end_its_log_and_its_outputs_are_the_lenders(world: World) -> None:
    found = lent(world, outputs=["o"])
    runs, by = world.connector("suzhou-cloud"), world.connector("wuhu-cluster")
    of, started = told_of(runs, found.job_id), world.clock()
    runs.report(of, JobState.RUNNING, started_at=started)
    text, data = base64.b64encode(b"hello").decode(), hashlib.sha256(b"hello").hexdigest()
    runs.client.log(LogCall(attempt_id=of.attempt_id, token=of.token, stream="stdout", offset=0, data=text))
    runs.client.output(OutputCall(attempt_id=of.attempt_id, token=of.token, path="o", sha256=data, data=text))
    assert not state(by).stopped
    runs.report(of, JobState.EXECUTOR_ERROR, started_at=started, outcome=Outcome(exit_code=3))
    ended = state(by)
    assert (ended.state, ended.stopped) == (JobState.EXECUTOR_ERROR, True)
    assert ended.attempt is not None
    assert (ended.attempt.outcome.exit_code, ended.attempt.stdout) == (3, 5)
    log = by.client.lent_log(LentLogCall(key=KEY, attempt_id=of.attempt_id, stream="stdout", offset=1))
    assert (base64.b64decode(log.data), log.length) == (b"ello", 5)
    out = by.client.lent_output(LentOutputCall(key=KEY, attempt_id=of.attempt_id, path="o"))
    assert base64.b64decode(out.data) == b"hello"
    made = world.ok("operator", "GET", f"/v1/jobs/{ended.job_id}")
    assert made["lender"] == "wuhu-cluster"


def test_nobody_else_speaks_for_it(world: World) -> None:
    found, stranger = lent(world), world.connector("suzhou-cloud")
    assert not state(stranger).known
    refused("not_found", stranger.client.lend_confirm, LendConfirmCall(key=KEY))
    assert not stranger.client.lent_cancel(LentCancelCall(key=KEY)).job.known
    assert state(world.connector("wuhu-cluster")).state is found.state
    attempt = AttemptId("x" * 36)
    by = world.connector("wuhu-cluster").client
    refused("not_found", by.lent_log, LentLogCall(key=KEY, attempt_id=attempt, stream="stdout", offset=0))
    refused("not_found", by.lent_output, LentOutputCall(key=OTHER, attempt_id=attempt, path="o"))


def test_an_offer_that_was_taken_back_is_never_placed(world: World) -> None:
    by = world.connector("wuhu-cluster").client
    by.lend(call())
    for _again in range(2):
        gone = by.lent_cancel(LentCancelCall(key=KEY)).job
        assert (gone.withdrawn, gone.stopped) == (True, True)
    refused("state_conflict", by.lend_confirm, LendConfirmCall(key=KEY))
    assert by.lend(call()).job.withdrawn
    assert world.hub.rows()["job"] == 0
    assert len(told(world, EventType.LEND_WITHDRAWN)) == 1


def test_cancelled_it_is_stopped_only_when_its_place_has_said_so(world: World) -> None:
    found = lent(world)
    runs, by = world.connector("suzhou-cloud"), world.connector("wuhu-cluster")
    of = told_of(runs, found.job_id)
    runs.report(of, JobState.RUNNING, started_at=world.clock())
    for _again in range(2):
        asked = by.client.lent_cancel(LentCancelCall(key=KEY)).job
        assert (asked.canceling, asked.stopped) == (True, False)
    runs.report(of, JobState.CANCELED, started_at=world.clock())
    ended = by.client.lent_cancel(LentCancelCall(key=KEY)).job
    assert (ended.state, ended.stopped) == (JobState.CANCELED, True)


def test_a_job_of_a_kind_that_nobody_lends_is_refused(world: World) -> None:
    by = world.connector("wuhu-cluster").client
    refused("not_lendable", by.lend, call(array_size=2))
    refused("not_lendable", by.lend, call(wants={"platform": "wuhu-cluster"}))
    refused("no_such_environment", by.lend, call(variants=[{**job()["variants"][0], "environment": "nothing"}]))
    assert world.hub.rows()["lent_job"] == 0


def test_a_platform_that_is_suspended_lends_nothing_more(world: World) -> None:
    by = world.connector("wuhu-cluster").client
    by.lend(call())
    world.ok("operator", "POST", "/v1/platforms/wuhu-cluster/suspend", {"why": "test"})
    refused("lending_closed", by.lend, call(OTHER))
    refused("lending_closed", by.lend_confirm, LendConfirmCall(key=KEY))
    assert by.lent_cancel(LentCancelCall(key=KEY)).job.stopped


@given(st.lists(st.builds(Tried, ended=st.booleans(), acknowledged=st.booleans(), told=st.booleans())), st.booleans())
def test_stopped_means_that_no_place_can_run_it(tries: list[Tried], ended: bool) -> None:  # noqa: FBT001 - drawn
    can_run = [one for one in tries if one.told and not (one.ended and one.acknowledged)]
    assert is_stopped(ended, tries) is (ended and not can_run)


def leftover(world: World, mode: ShareMode = ShareMode.LEFTOVER) -> SignedConnector:
    """Suzhou's share of four cores, in a mode."""
    by, had = world.connector("suzhou-cloud"), inventory("4")
    shares = tuple(share.model_copy(update={"mode": mode}) for share in had.shares)
    by.publish(had.model_copy(update={"shares": shares}), offer())
    return by


def load(world: World, by: SignedConnector, others: str, *, age_s: int = 0, **more: Any) -> None:  # noqa: ANN401 - of ShareLoad
    used = Resources.model_validate({"cpu": others})
    at = world.clock()
    told_load = ShareLoad(share="s1", in_use=used, others=used, observed_at=at, **more)
    by.client.report(ReportCall(level=JoinLevel.TRADE, loads=(told_load,)))
    world.clock.advance(age_s)


def placed(world: World) -> int:
    world.hub.settle()
    return sum(1 for one in world.connector("suzhou-cloud").poll().instructions if one.spec is not None)


def test_a_leftover_share_gives_away_what_its_owner_leaves(world: World) -> None:
    by = leftover(world)
    for _job in range(3):
        world.submit(wants={"platform": "suzhou-cloud"})
    assert placed(world) == 0  # nothing was told yet, so nothing is known to be left
    load(world, by, "3")
    assert placed(world) == 1
    load(world, by, "3")
    assert placed(world) == 1, "what was placed counts once, though the load does not know it yet"
    load(world, by, "2")
    assert placed(world) == 2


def test_a_load_that_is_too_old_leaves_nothing(world: World) -> None:
    by = leftover(world, ShareMode.CAPPED)
    load(world, by, "0", age_s=91)
    by.client.report(ReportCall(level=JoinLevel.TRADE))  # it was heard of, without a newer load
    world.submit(wants={"platform": "suzhou-cloud"})
    assert placed(world) == 0
    load(world, by, "0")
    assert placed(world) == 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=4))
def test_no_more_is_placed_than_the_owner_left_when_it_was_placed(still: World, steps: list[tuple[int, int]]) -> None:
    by, before = leftover(still), placed(still)
    for others, wanted in steps:
        for _job in range(wanted):
            still.submit(wants={"platform": "suzhou-cloud"})
        load(still, by, str(others))
        after = placed(still)
        assert after == before or after <= max(0, 4 - others)
        before = after
