"""What goes first and what ends for want of time or money: priority within an account, deadline, budget, gangs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.job import JobSpec, JobState
from suanlian.model.platform import Feature
from suanlian.rules.budget import spent
from suanlian.store import tables as t
from tests.hub.laws import all_laws
from tests.hub.test_dependencies import WUHU, lays_files, told
from tests.hub.world import Stores, Template, World, inventory, job, offer, running

AT_WUHU = {"platform": WUHU}


def placed_in_order(world: World) -> list[str]:
    """The names of jobs in the order in which they got their places."""
    query = select(t.job.c.name).join(t.attempt, t.attempt.c.job_id == t.job.c.id).order_by(t.attempt.c.revision)
    with world.hub.running.hub.reading() as unit:
        return list(unit.connection.execute(query).scalars())


def test_a_priority_orders_an_accounts_own_turns_and_nobody_elses(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    blocker = world.submit(name="blocker", wants=AT_WUHU)
    world.hub.settle()
    for by, name, priority in (
        ("buyer", "a-low", -5),
        ("buyer2", "b-first", 0),
        ("buyer", "a-urgent", 100),
        ("buyer2", "b-second", 0),
        ("buyer", "a-usual", 0),
    ):
        world.submit(by, name=name, priority=priority, wants=AT_WUHU)
    running_now = blocker["id"]
    for _ in range(6):
        for said in told(world, running_now):
            world.connector().run(said)
        world.hub.settle()
        with world.hub.running.hub.reading() as unit:
            live = unit.connection.execute(select(t.attempt.c.job_id).where(t.attempt.c.ended_at.is_(None))).scalars()
            running_now = next(iter(live), "")
    assert placed_in_order(world) == ["blocker", "a-urgent", "b-first", "a-usual", "b-second", "a-low"]
    all_laws(world.hub)


def test_what_can_no_longer_end_in_time_is_cancelled(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    holder = world.submit(wants=AT_WUHU)
    world.hub.settle()
    by = world.clock() + timedelta(seconds=100)
    waits = world.submit(wants=AT_WUHU, wall_time_s=60, deadline=by.isoformat())
    behind = world.submit(after=[{"job": holder["id"]}], wall_time_s=60, deadline=by.isoformat())
    world.clock.advance(39)
    world.hub.settle()
    assert world.job(waits["id"])["state"] == "QUEUED"
    world.clock.advance(2)
    world.hub.settle()
    found = world.job(waits["id"])
    assert (found["state"], found["reason"].split(":")[0]) == ("CANCELED", "deadline_passed")
    blocked = world.job(behind["id"])
    assert (blocked["state"], blocked["waiting"], blocked["reason"][:15]) == ("CANCELED", "", "deadline_passed")
    assert world.job(holder["id"])["state"] == "QUEUED"
    all_laws(world.hub)


@pytest.mark.parametrize(("seconds", "wrong"), [(-1, "is past"), (0, "is past"), (59, "would pass the deadline")])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs:estimate", "/v1/jobs:batch"])
def test_a_deadline_that_cannot_be_kept_is_refused_at_once(world: World, seconds: int, wrong: str, path: str) -> None:
    spec = job(wall_time_s=60, deadline=(world.clock() + timedelta(seconds=seconds)).isoformat())
    answer = world.person("buyer").post(path, {"jobs": [job(), spec]} if path.endswith("batch") else spec)
    assert (answer.status_code, answer.json()["code"]) == (422, "deadline_passed")
    (fault,) = answer.json()["faults"]
    assert fault["field"] == "deadline"
    assert wrong in fault["wrong"]
    assert world.hub.rows()["job"] == 0


def test_what_can_end_in_time_no_more_never_has_a_place(world: World) -> None:
    """There is room for it; placing may look before the worker that ends what is late."""
    made = world.submit(wants=AT_WUHU, wall_time_s=60, deadline=(world.clock() + timedelta(seconds=60)).isoformat())
    world.clock.advance(1)
    assert told(world, made["id"]) == []
    world.hub.settle()
    assert world.job(made["id"])["reason"].split(":")[0] == "deadline_passed"
    with world.hub.running.hub.reading() as unit:
        assert not unit.connection.execute(select(t.attempt.c.id).where(t.attempt.c.job_id == made["id"])).all()


def test_what_runs_is_cancelled_at_its_deadline(world: World) -> None:
    by = world.clock() + timedelta(seconds=100)
    made = world.submit(wants=AT_WUHU, wall_time_s=60, deadline=by.isoformat())
    (said,) = told(world, made["id"])
    world.connector().report(said, JobState.RUNNING, started_at=world.clock())
    world.clock.advance(99)
    world.hub.settle()
    assert world.job(made["id"])["state"] == "RUNNING"
    world.clock.advance(2)
    world.hub.settle()
    assert (world.job(made["id"])["state"], world.job(made["id"])["reason"][:15]) == ("CANCELING", "deadline_passed")
    (wish,) = [said.wish for said in world.connector().poll().instructions if said.job_id == made["id"]]
    assert wish == "cancel"


def test_a_budget_ends_what_it_is_not_enough_for(world: World) -> None:
    """A core for an hour at 0.10 CNY: three tasks by a budget of 0.25 are two, then one more by what was not used."""
    made = world.submit(wants=AT_WUHU, array_size=5, wall_time_s=3600, budget="0.25")
    said = told(world, made["id"])
    assert len(said) == 2
    assert "would fit" in world.job(made["id"])["waiting"]
    connector = world.connector()
    connector.report(said[0], JobState.RUNNING, started_at=world.clock())
    world.clock.advance(360)
    connector.report(said[0], JobState.COMPLETE)
    third = [one for one in told(world, made["id"]) if one.task_index == 2]
    assert len(third) == 1
    for one in (said[1], *third):
        connector.report(one, JobState.RUNNING, started_at=world.clock())
    world.clock.advance(3600)
    for one in (said[1], *third):
        connector.report(one, JobState.COMPLETE)
    world.hub.settle()
    found = world.job(made["id"])
    assert (found["state"], found["tally"]) == ("CANCELED", {"COMPLETE": 3, "CANCELED": 2})
    assert found["reason"] == "budget_spent: 0.04 CNY are left, the cheapest place costs 0.1 CNY"
    all_laws(world.hub)


def test_a_budget_that_was_never_enough(world: World) -> None:
    made = world.submit(wants=AT_WUHU, wall_time_s=3600, budget="0.01")
    world.hub.settle()
    assert (world.job(made["id"])["state"], world.job(made["id"])["reason"][:12]) == ("CANCELED", "budget_spent")
    own = world.submit(wants={**AT_WUHU, "max_cost": "0.01"}, wall_time_s=3600, budget="10")
    world.hub.settle()
    assert world.job(own["id"])["state"] == "QUEUED"


Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    return lambda: running(template, stores)


def within_budget(world: World, ref: str) -> None:
    """All that has not ended by its estimate, and what has by its time, is what the job says and within its budget."""
    with world.hub.running.hub.reading() as unit:
        row = unit.connection.execute(select(t.job).where(t.job.c.id == ref)).mappings().one()
        made = unit.connection.execute(select(t.attempt).where(t.attempt.c.job_id == ref)).mappings().all()
    spec = JobSpec.model_validate_json(row["spec"])
    live = sum((one["estimate"] for one in made if one["ended_at"] is None), start=Decimal(0))
    over = sum(
        (
            spent(one["estimate"], spec, spec.variants[0], (one["started_at"], one["ended_at"]))
            for one in made
            if one["ended_at"] is not None
        ),
        start=Decimal(0),
    )
    assert row["committed"] == live + over
    assert live + over <= (spec.budget or 0)


@given(
    budget=st.integers(5, 60),
    wall=st.integers(600, 7200),
    ends=st.lists(st.tuples(st.sampled_from(["COMPLETE", "PREEMPTED", "SYSTEM_ERROR"]), st.floats(0, 1)), max_size=12),
)
@settings(
    max_examples=6,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_estimates_never_pass_the_budget(begin: Begin, budget: int, wall: int, ends: list[tuple[str, float]]) -> None:
    with begin() as world:
        text = str(Decimal(budget) / 100)
        made = world.submit(wants=AT_WUHU, array_size=6, wall_time_s=wall, budget=text)
        connector, done = world.connector(), set[str]()
        for state, share in ends:
            said = next((one for one in told(world, made["id"]) if one.attempt_id not in done), None)
            within_budget(world, made["id"])
            if said is None:
                continue
            done.add(said.attempt_id)
            connector.report(said, JobState.RUNNING, started_at=world.clock())
            world.clock.advance(int(share * wall))
            connector.report(said, JobState(state))
            world.hub.settle()
            within_budget(world, made["id"])
        all_laws(world.hub)


def gangs(cpu: str) -> Any:  # noqa: ANN401 - an inventory
    return lays_files(features=(Feature.GANG, Feature.FILES)).model_copy(
        update={"shares": inventory(cpu).shares},
    )


def test_a_gang_holds_all_its_nodes_or_none(world: World) -> None:
    world.connector().publish(gangs("4"), offer())
    small = world.submit(wants=AT_WUHU)
    world.hub.settle()
    gang = world.submit(wants=AT_WUHU, nodes=4)
    assert told(world, gang["id"]) == []
    assert "4 nodes at once" in world.job(gang["id"])["waiting"]
    for said in told(world, small["id"]):
        world.connector().run(said)
    (said,) = told(world, gang["id"])
    assert (said.granted.cpu, said.spec.nodes if said.spec else 0) == (4000, 4)
    all_laws(world.hub)


def test_a_gang_is_passed_only_by_what_does_not_push_it_back(world: World) -> None:
    world.connector().publish(gangs("4"), offer())
    first = [world.submit(wants=AT_WUHU, wall_time_s=600) for _ in range(3)]
    world.hub.settle()
    gang = world.submit(wants=AT_WUHU, nodes=4, wall_time_s=600)
    assert told(world, gang["id"]) == []
    passing = world.submit(wants=AT_WUHU, wall_time_s=600)
    assert len(told(world, passing["id"])) == 1
    world.clock.advance(121)
    for said in told(world, first[0]["id"]):
        world.connector().run(said)
    later = world.submit(wants=AT_WUHU, wall_time_s=3600)
    assert told(world, later["id"]) == []
    assert "kept for those before it" in world.job(later["id"])["waiting"]
    short = world.submit(wants=AT_WUHU, wall_time_s=60)
    (said,) = told(world, short["id"])
    world.connector().run(said)
    for made in (*first[1:], passing):
        for said in told(world, made["id"]):
            world.connector().run(said)
    assert len(told(world, gang["id"])) == 1
    assert told(world, later["id"]) == []
    all_laws(world.hub)


def test_a_job_that_no_share_could_ever_hold_at_once(world: World) -> None:
    world.connector().publish(gangs("4"), offer())
    answer = world.person("buyer").post("/v1/jobs", job(wants=AT_WUHU, nodes=5))
    assert answer.json()["code"] == "job_too_large"


def test_tasks_of_a_large_array_get_their_rows_when_they_are_wanted(world: World) -> None:
    world.connector().publish(inventory("16"), offer())
    made = world.submit(wants=AT_WUHU, array_size=3000, resources={"cpu": "0.05", "memory": "1MiB"})
    assert (made["tasks"], made["tally"]) == (3000, {"QUEUED": 3000})
    all_laws(world.hub)
    seen = 0
    for _ in range(2):
        said = [one for one in told(world, made["id"]) if one.task_index >= seen]
        for one in said:
            world.connector().run(one)
        seen += len(said)
    assert seen > 256
    all_laws(world.hub)
    page = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks?cursor=2997")["items"]
    assert [(task["index"], task["state"]) for task in page] == [(2998, "QUEUED"), (2999, "QUEUED")]
    assert world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks?index=2999")["items"][0]["index"] == 2999
    assert world.person("buyer").get(f"/v1/jobs/{made['id']}/tasks?index=3000").json()["items"] == []
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    page = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks?cursor=2998")["items"]
    assert [task["state"] for task in page] == ["CANCELED"]
    all_laws(world.hub)
