"""What connectors report: doubled, late, out of order, by another, after the end; what tasks and jobs make of it."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.job import JobState, Outcome
from suanlian.model.owner import JoinLevel
from suanlian.model.protocol import MAX_POLL_S, AttemptReport, Instruction, ReportCall, Wish
from suanlian.store import tables as t
from suanlian.testing.hub import SignedConnector
from tests.hub.laws import counts_are_whole
from tests.hub.world import World

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"


def states(world: World, ref: str) -> list[str]:
    return [task["state"] for task in world.ok("buyer", "GET", f"/v1/jobs/{ref}/tasks?limit=200")["items"]]


def attempts(world: World, ref: str, index: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.ok("buyer", "GET", f"/v1/jobs/{ref}/tasks")["items"][index]["attempts"]
    return found


def free_cores(world: World, platform: str = WUHU) -> str:
    rows = world.ok("buyer", "GET", "/v1/capacity")["items"]
    used: str = next(row["used"]["cpu"] for row in rows if row["platform"] == platform)
    return used


def test_a_job_runs_and_ends(world: World) -> None:
    made, told = world.at(WUHU)
    connector, started = world.connector(), world.clock()
    assert (told.wish, told.token, told.version, told.variant) == (Wish.RUN, 1, 1, 0)
    assert told.spec is not None
    assert (told.entity, told.share, told.flavor) == ("lab", "s1", "cpu")
    assert free_cores(world) == "1"
    assert connector.report(told, JobState.INITIALIZING).verdict == "taken"
    assert world.job(made["id"])["state"] == "INITIALIZING"
    world.clock.advance(3)
    assert connector.report(told, JobState.RUNNING, started_at=world.clock()).verdict == "taken"
    world.clock.advance(4)
    outcome = Outcome(exit_code=0, reason="done")
    assert connector.report(told, JobState.COMPLETE, outcome=outcome).verdict == "taken"
    job = world.job(made["id"])
    assert (job["state"], job["tally"], job["waiting"]) == ("COMPLETE", {"COMPLETE": 1}, "")
    (attempt,) = attempts(world, made["id"])
    assert (attempt["outcome"]["exit_code"], attempt["platform"]) == (0, WUHU)
    assert attempt["started_at"] == (started + timedelta(seconds=3)).isoformat(timespec="microseconds").replace(
        "+00:00", "Z"
    )
    assert free_cores(world) == "0"
    counts_are_whole(world.hub)


def test_a_report_with_another_token_or_by_another_connector_is_stale(world: World) -> None:
    made, told = world.at(WUHU)
    wrong = told.model_copy(update={"token": 2})
    assert world.connector().report(wrong, JobState.COMPLETE).verdict == "stale"
    assert world.connector(SUZHOU).report(told, JobState.COMPLETE).verdict == "stale"
    nobody = told.model_copy(update={"attempt_id": "01990000-0000-7000-8000-000000000000"})
    assert world.connector().report(nobody, JobState.COMPLETE).verdict == "stale"
    assert states(world, made["id"]) == ["QUEUED"]


def test_a_doubled_late_or_older_report_changes_nothing(world: World) -> None:
    made, told = world.at(WUHU)
    connector = world.connector()
    assert connector.report(told, JobState.RUNNING, version=5, started_at=world.clock()).verdict == "taken"
    before = world.hub.rows()
    assert connector.report(told, JobState.RUNNING, version=5, started_at=world.clock()).verdict == "known"
    assert connector.report(told, JobState.INITIALIZING, version=4).verdict == "known"
    assert connector.report(told, JobState.COMPLETE, version=3).verdict == "known"
    # a later report that goes backwards contradicts what is known
    assert connector.report(told, JobState.QUEUED, version=6).verdict == "refused"
    assert states(world, made["id"]) == ["RUNNING"]
    after = world.hub.rows()
    assert after == before


def test_what_is_reported_after_the_end_changes_nothing(world: World) -> None:
    made, told = world.at(WUHU)
    connector = world.connector()
    connector.run(told, JobState.EXECUTOR_ERROR, exit_code=3)
    assert connector.report(told, JobState.EXECUTOR_ERROR).verdict == "known"
    assert connector.report(told, JobState.COMPLETE).verdict == "stale"
    assert connector.report(told, JobState.RUNNING).verdict == "stale"
    assert states(world, made["id"]) == ["EXECUTOR_ERROR"]
    assert [e["type"] for e in world.ok("operator", "GET", "/v1/events?type=job.ended")["items"]] == ["job.ended"]
    counts_are_whole(world.hub)


def test_an_end_without_or_with_an_odd_time_is_refused(world: World) -> None:
    made, told = world.at(WUHU)
    connector, now = world.connector(), world.clock()
    for fields in (
        {"ended_at": None},
        {"ended_at": now + timedelta(seconds=61)},
        {"started_at": now, "ended_at": now - timedelta(seconds=1)},
    ):
        answer = connector.report(told, JobState.COMPLETE, **fields)
        assert answer.verdict == "refused"
        assert answer.reason
    assert states(world, made["id"]) == ["QUEUED"]


def test_several_reports_in_one_call_have_an_answer_each(world: World) -> None:
    made = world.submit(array_size=3, wants={"platform": WUHU})
    world.hub.settle()
    connector = world.connector()
    told = connector.poll().instructions
    wrong = told[1].model_copy(update={"token": 9})
    items = tuple(
        AttemptReport(attempt_id=i.attempt_id, token=i.token, version=1, state=JobState.RUNNING)
        for i in (told[0], wrong, told[2])
    )
    answers = connector.client.report(ReportCall(level=JoinLevel.TRADE, attempts=items)).attempts
    assert [(a.attempt_id, a.verdict) for a in answers] == [
        (told[0].attempt_id, "taken"),
        (told[1].attempt_id, "stale"),
        (told[2].attempt_id, "taken"),
    ]
    assert states(world, made["id"]) == ["RUNNING", "QUEUED", "RUNNING"]
    counts_are_whole(world.hub)


def test_one_attempt_twice_in_one_call_has_an_answer_for_each(world: World) -> None:
    made, told = world.at(WUHU)
    shared: dict[str, Any] = {"attempt_id": told.attempt_id, "token": told.token, "started_at": world.clock()}
    said = [
        AttemptReport(**shared, version=1, state=JobState.RUNNING),
        AttemptReport(**shared, version=2, state=JobState.QUEUED),
        AttemptReport(**shared, version=1, state=JobState.RUNNING),
    ]
    answer = world.connector().client.report(ReportCall(level=JoinLevel.TRADE, attempts=tuple(said)))
    assert [item.verdict for item in answer.attempts] == ["taken", "refused", "known"]
    assert states(world, made["id"]) == ["RUNNING"]


def test_a_waiting_job_is_cancelled_at_once(world: World) -> None:
    made = world.submit(array_size=2)
    assert world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")["state"] == "CANCELED"
    world.hub.settle()
    assert states(world, made["id"]) == ["CANCELED", "CANCELED"]
    assert world.connector().poll().instructions == ()
    assert world.person("buyer").post(f"/v1/jobs/{made['id']}/cancel").json()["code"] == "job_ended"
    counts_are_whole(world.hub)


@pytest.mark.parametrize("running", [False, True])
def test_a_placed_job_is_cancelled_by_its_connector(world: World, *, running: bool) -> None:
    made, told = world.at(WUHU)
    connector = world.connector()
    revision = connector.poll().revision
    if running:
        connector.report(told, JobState.RUNNING, started_at=world.clock())
    assert world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")["canceling"]
    again = world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    assert again["state"] == "CANCELING"
    answer = connector.poll(revision)
    assert [(i.wish, i.version, i.spec) for i in answer.instructions] == [(Wish.CANCEL, 2, None)]
    # it had not heard yet: what it says meanwhile does not take the cancellation back
    assert connector.report(told, JobState.RUNNING, started_at=world.clock()).verdict == "taken"
    assert world.job(made["id"])["state"] == "CANCELING"
    assert free_cores(world) == "1"
    connector.report(told, JobState.CANCELED)
    assert world.job(made["id"])["state"] == "CANCELED"
    assert free_cores(world) == "0"
    counts_are_whole(world.hub)


def test_a_job_that_ends_before_its_cancellation_arrives_has_ended_so(world: World) -> None:
    made, told = world.at(WUHU)
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    world.connector().run(told)
    assert world.job(made["id"])["state"] == "COMPLETE"
    counts_are_whole(world.hub)


def test_a_platform_that_fails_while_a_job_is_cancelled_does_not_start_it_again(world: World) -> None:
    made, told = world.at(WUHU)
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    world.connector().report(told, JobState.SYSTEM_ERROR)
    world.hub.settle()
    assert world.job(made["id"])["state"] == "CANCELED"
    counts_are_whole(world.hub)


def next_told(world: World, ref: str) -> tuple[SignedConnector, Instruction]:
    """Where the job's only task is to run now."""
    world.hub.settle()
    for name in (WUHU, SUZHOU):
        connector = world.connector(name)
        for told in connector.poll().instructions:
            if told.job_id == ref and told.wish is Wish.RUN:
                return connector, told
    raise AssertionError("it has no place")


def test_a_task_goes_elsewhere_where_the_platform_failed_and_is_given_up_in_the_end(world: World) -> None:
    made = world.submit(attempts=3)
    places = []
    for number in (1, 2, 3):
        connector, told = next_told(world, made["id"])
        assert told.token == number
        places.append(connector.id)
        connector.run(told, JobState.SYSTEM_ERROR)
        counts_are_whole(world.hub)
    world.hub.settle()
    assert places[0] != places[1]
    assert world.job(made["id"])["state"] == "SYSTEM_ERROR"
    assert [a["state"] for a in attempts(world, made["id"])] == ["SYSTEM_ERROR"] * 3


@pytest.mark.parametrize("code", ["checksum_mismatch", "input_host_unknown"])
def test_what_would_fail_everywhere_is_not_tried_again(world: World, code: str) -> None:
    made, told = world.at(WUHU)
    outcome = Outcome(reason=f"{code}: this input is to be had nowhere")
    world.connector().report(told, JobState.SYSTEM_ERROR, outcome=outcome)
    assert world.job(made["id"])["state"] == "SYSTEM_ERROR"


def test_a_preempted_attempt_does_not_count(world: World) -> None:
    made = world.submit(attempts=1)
    for number in (1, 2, 3):
        connector, told = next_told(world, made["id"])
        assert told.token == number
        connector.run(told, JobState.PREEMPTED)
        assert world.job(made["id"])["state"] == "QUEUED"
        counts_are_whole(world.hub)
    connector, told = next_told(world, made["id"])
    connector.run(told)
    assert world.job(made["id"])["state"] == "COMPLETE"


def test_a_suspended_platform_gives_back_what_has_not_started(world: World) -> None:
    made = world.submit(array_size=2, wants={"platform": WUHU})
    world.hub.settle()
    connector = world.connector()
    first, second = connector.poll().instructions
    connector.report(first, JobState.RUNNING, started_at=world.clock())
    revision = connector.poll().revision
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/suspend", {"why": "test"})
    answer = connector.poll(revision)
    assert [(i.attempt_id, i.wish, i.version) for i in answer.instructions] == [(second.attempt_id, Wish.RECALL, 2)]
    connector.report(second, JobState.PREEMPTED)
    world.hub.settle()
    assert states(world, made["id"]) == ["RUNNING", "QUEUED"]
    assert world.job(made["id"])["waiting"]
    world.ok("operator2", "POST", f"/v1/platforms/{WUHU}/lift", {"why": "test"})
    world.hub.settle()
    assert [i.wish for i in connector.poll(answer.revision).instructions] == [Wish.FORGET, Wish.RUN]
    counts_are_whole(world.hub)


def test_nothing_new_goes_to_a_connector_that_does_not_accept_or_is_silent(world: World) -> None:
    connector = world.connector()
    connector.client.report(ReportCall(level=JoinLevel.TRADE, accepting=False))
    made = world.submit(wants={"platform": WUHU})
    world.hub.settle()
    assert connector.poll().instructions == ()
    assert world.job(made["id"])["waiting"]
    connector.client.report(ReportCall(level=JoinLevel.TRADE, accepting=True))
    world.hub.settle()
    assert len(connector.poll().instructions) == 1
    world.clock.advance(91)
    world.submit(wants={"platform": WUHU})
    world.hub.settle()
    with world.hub.running.hub.reading() as unit:
        assert len(unit.connection.execute(select(t.attempt)).all()) == 1


def test_after_the_end_the_traces_may_go(world: World) -> None:
    _, told = world.at(WUHU)
    connector = world.connector()
    revision = connector.poll().revision
    connector.run(told)
    answer = connector.poll(revision)
    assert [(i.attempt_id, i.wish) for i in answer.instructions] == [(told.attempt_id, Wish.FORGET)]
    assert connector.poll().instructions == ()
    assert connector.poll().revision == answer.revision


def test_a_poll_is_woken_and_does_not_wait_its_time_out(world: World) -> None:
    connector = world.connector()
    revision, arrived = connector.poll().revision, list[float]()

    def wait() -> None:
        answer = connector.poll(revision, wait_s=MAX_POLL_S)
        assert answer.instructions
        arrived.append(time.monotonic())

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    world.submit(wants={"platform": WUHU})
    world.hub.settle()
    placed = time.monotonic()
    waiting.join(timeout=2 * MAX_POLL_S)
    assert arrived
    assert arrived[0] - placed < MAX_POLL_S / 2


def test_a_poll_that_brings_nothing_comes_back_in_its_time(world: World) -> None:
    began = time.monotonic()
    assert world.connector().poll(wait_s=1).instructions == ()
    assert 0.9 < time.monotonic() - began < MAX_POLL_S / 2


def test_a_reader_sees_one_state(world: World) -> None:
    # a poll reads rows, then the counter: were the counter newer than the rows, an instruction would be passed over
    with world.hub.running.hub.reading() as unit:
        before = unit.connection.execute(select(t.connector.c.revision)).scalars().all()
        world.at(WUHU)
        assert unit.connection.execute(select(t.connector.c.revision)).scalars().all() == before
        assert not unit.connection.execute(select(t.attempt)).all()


def test_a_poll_brings_pages_and_all_of_them(world: World) -> None:
    world.ok("provider", "POST", f"/v1/platforms/{WUHU}/offers", {"name": "o1", "share": "s1", "rates": [RATE]})
    tiny = {"cpu": "0.01", "memory": "1MiB"}
    world.submit(array_size=210, resources=tiny, wants={"platform": WUHU})
    world.hub.settle()
    connector = world.connector()
    first = connector.poll()
    second = connector.poll(first.revision)
    assert (len(first.instructions), first.more) == (200, True)
    assert (len(second.instructions), second.more) == (10, False)
    assert len({i.attempt_id for i in (*first.instructions, *second.instructions)}) == 210
    assert connector.poll(second.revision).instructions == ()
    counts_are_whole(world.hub)


RATE = {"kind": "cpu", "per_unit_hour": "0.1"}
