"""What is said of a job that waits: before another try, for a platform that is emptied, paused or not heard of."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from suanlian.model.job import EndCause, JobState, Outcome
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Downtime, Drain
from suanlian.model.protocol import InventoryCall, ReportCall
from tests.hub.test_lost import BOTH, SUZHOU, WUHU, pass_, started
from tests.hub.world import World, inventory, offer

AT_WUHU = {"platform": WUHU}
ENDED_BADLY = Outcome(exit_code=7, reason="exit code 7", cause=EndCause.PROGRAM)


def task(world: World, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = world.ok("buyer", "GET", f"/v1/jobs/{ref}/tasks?index=0")["items"][0]
    return found


def shut(world: World, ref: str) -> list[tuple[str, str, str]]:
    """Which platforms take nothing now, what keeps them, and why."""
    told = world.ok("buyer", "GET", f"/v1/jobs/{ref}/explanation")["shut"]
    return [(one["platform"], one["by"], one["why"]) for one in told]


def fail(world: World, ref: str) -> None:
    (told,) = [said for said in world.connector().poll().instructions if said.job_id == ref and said.wish == "run"]
    world.connector().report(told, JobState.RUNNING, started_at=world.clock())
    world.connector().report(told, JobState.EXECUTOR_ERROR, outcome=ENDED_BADLY, version=9)


def test_before_another_try_it_is_told_until_when_and_for_which(world: World) -> None:
    made = world.submit(wants=AT_WUHU, retries={"program": 3, "backoff_s": 100})
    world.hub.settle()
    first = task(world, made["id"])
    assert (first["due"], first["tries"]) == (None, None)
    fail(world, made["id"])
    world.hub.settle()
    due = world.clock() + timedelta(seconds=100)
    rests = task(world, made["id"])
    assert (rests["due"], rests["tries"]) == (due.isoformat(timespec="microseconds").replace("+00:00", "Z"), 4)
    said = f"waits until {due:%Y-%m-%d %H:%M:%S} UTC before another try"
    assert world.job(made["id"])["waiting"] == said
    assert [job["waiting"] for job in world.ok("buyer", "GET", "/v1/jobs")["items"]] == [said]
    answer = world.person("buyer").get(f"/v1/jobs/{made['id']}/explanation")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"It waits until {due:%Y-%m-%d %H:%M:%S} UTC before another try."
    world.clock.advance(100)
    world.connector().poll()
    world.hub.settle()
    again = task(world, made["id"])
    assert (again["due"], again["tries"], len(again["attempts"])) == (None, 4, 2)
    assert world.job(made["id"])["waiting"] == ""


def test_a_job_of_which_only_some_rests_says_what_the_others_wait_for(world: World) -> None:
    big = {"cpu": "3", "memory": "256MiB"}
    made = world.submit(wants=AT_WUHU, array_size=2, resources=big, retries={"program": 1, "backoff_s": 100})
    world.hub.settle()
    assert "room" in world.job(made["id"])["waiting"] or "running jobs" in world.job(made["id"])["waiting"]
    fail(world, made["id"])
    assert "another try" not in world.job(made["id"])["waiting"]


def test_of_an_emptied_platform_it_is_said_by_whom_until_when_and_why(world: World) -> None:
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/drain", {"why": "new roof"})
    made = world.submit(wants=AT_WUHU)
    world.hub.settle()
    assert (WUHU, "operator", "new roof") in shut(world, made["id"])
    assert all(platform in BOTH for platform, _by, _why in shut(world, made["id"]))
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/undrain")
    drain = Drain(since=world.clock(), by=world.clock() + timedelta(hours=2), why="mine alone", who="owner")
    world.connector().client.report(ReportCall(level=JoinLevel.TRADE, drain=drain, accepting=False))
    assert shut(world, made["id"]) == [(WUHU, "owner", "mine alone")]
    (told,) = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")["shut"]
    assert datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["since"]) == timedelta(hours=2)


def test_of_a_paused_platform_and_of_a_calendar_it_is_said(world: World) -> None:
    world.connector().client.report(ReportCall(level=JoinLevel.TRADE, accepting=False))
    start = world.clock() + timedelta(minutes=1)
    downtimes = tuple(Downtime(start=start, end=start + timedelta(hours=n), note=f"cooling {n}") for n in (1, 2))
    call = InventoryCall(inventory=inventory(), offers=(offer(),), level=JoinLevel.TRADE, downtimes=downtimes)
    world.connector().client.inventory(call)
    made = world.submit(wants=AT_WUHU)
    world.hub.settle()
    assert shut(world, made["id"]) == [
        (WUHU, "paused", ""),
        (WUHU, "downtime", "cooling 1"),
        (WUHU, "downtime", "cooling 2"),
    ]
    world.clock.advance(90 * 60)
    world.connector().poll()
    assert (WUHU, "downtime", "cooling 1") not in shut(world, made["id"])


@pytest.mark.parametrize("heard", [0, 1])
def test_of_platforms_that_are_not_heard_it_is_said_since_when(world: World, heard: int) -> None:
    made, _told, connector = started(world)
    mine = next(name for name in BOTH if world.template.connectors[name].id == connector.id)
    other = SUZHOU if mine == WUHU else WUHU
    fine = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    assert (fine["shut"], fine["in_doubt"]) == ([], False)
    last = world.clock()
    pass_(world, 120, [other][:heard])
    found = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    assert [(one["platform"], one["by"]) for one in found["shut"]] == [(mine, "unheard")]
    assert found["shut"][0]["since"] <= last.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert found["in_doubt"] == (heard == 0)
    waits = world.submit(resources={"cpu": "4", "memory": "1GiB"})
    if heard == 0:
        world.hub.settle()
        assert {platform for platform, by, _why in shut(world, waits["id"]) if by == "unheard"} == set(BOTH)
