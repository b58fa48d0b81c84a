"""What is told before a job is submitted and while it waits comes true when the job is changed so."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from suanlian.model.job import JobState
from suanlian.model.platform import Inventory
from tests.hub.world import World, inventory, job, offer

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"


def plan(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a job
    for platform in (WUHU, SUZHOU):
        world.connector(platform).poll()
    found: dict[str, Any] = world.ok("buyer", "POST", "/v1/jobs:plan", job(**changes))
    return found


def western() -> Inventory:
    made = inventory()
    return made.model_copy(update={"sites": (made.sites[0].model_copy(update={"west": True}),)})


@pytest.fixture
def priced(world: World) -> World:
    """Suzhou costs three times as much as Wuhu."""
    world.connector(WUHU).publish(inventory(), offer("0.10"))
    world.connector(SUZHOU).publish(inventory(), offer("0.30"))
    world.clock.advance(1)
    world.hub.settle()
    return world


def full(world: World, seconds: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a job
    """Wuhu is taken whole; what runs there says that it takes so long."""
    wide = {"resources": {"cpu": "4", "memory": "256MiB"}, "wall_time_s": 7200, "estimate_s": seconds, **changes}
    made, told = world.at(WUHU, **wide)
    world.connector(WUHU).report(told, JobState.RUNNING, started_at=world.clock())
    world.hub.settle()
    return made


def test_a_plan_is_the_estimate_with_what_is_to_be_expected_and_reserves_nothing(priced: World) -> None:
    before = priced.hub.rows()
    told = plan(priced, array_size=10, wall_time_s=3600)
    outlook = told["outlook"]
    assert (outlook["verdict"], outlook["tasks"], outlook["room"], outlook["changes"]) == ("starts", 10, 8, [])
    assert told["candidates"][told["winner"]]["platform"] == WUHU
    estimate = priced.ok("buyer", "POST", "/v1/jobs:estimate", job(array_size=10, wall_time_s=3600))
    assert estimate["candidates"] == told["candidates"]
    assert estimate["outlook"] is None
    after = priced.hub.rows()
    assert {name: rows for name, rows in after.items() if name not in _OF_CALLS} == {
        name: rows for name, rows in before.items() if name not in _OF_CALLS
    }
    assert plan(priced, array_size=10, wall_time_s=3600, budget="0.35")["outlook"]["room"] == 3


def test_a_plan_and_a_job_that_waits_are_told_how_many_others_wait(priced: World) -> None:
    assert plan(priced)["outlook"]["waiting"] == 0
    full(priced, 3600)
    wants = {"resources": {"cpu": "4", "memory": "256MiB"}, "wants": {"platform": WUHU}}
    first, _ = (priced.submit("buyer", name=f"job{n}", **wants) for n in range(2))
    priced.submit("buyer", name="later", after=[{"job": first["id"]}], **wants)
    priced.hub.settle()
    assert plan(priced)["outlook"]["waiting"] == 2
    seen = priced.ok("buyer", "GET", f"/v1/jobs/{first['id']}/explanation?outlook=true")
    assert seen["outlook"]["waiting"] == 1


_OF_CALLS = {"nonce", "connector", "event", "audit_leaf", "audit_head", "lease"}
"""Tables that polls of connectors write."""


def test_whose_platforms_it_may_have_is_no_change_that_is_told(priced: World) -> None:
    outlook = plan(priced, wants={"owners": {"never": ["wuhu", "suzhou"]}})["outlook"]
    assert (outlook["verdict"], outlook["changes"], outlook["starts"]) == ("never", [], None)


def test_a_later_start_that_is_cheaper_is_told_with_when_and_how_much(priced: World) -> None:
    full(priced, 1800)
    began = priced.clock()
    told = plan(priced, wall_time_s=3600)
    assert told["candidates"][told["winner"]]["platform"] == SUZHOU
    (change,) = told["outlook"]["changes"]
    effect = change["effect"]
    assert (change["field"], effect["platform"], effect["gain"], effect["part"]) == ("start", WUHU, "cheaper", "0.667")
    assert datetime.fromisoformat(effect["starts"]) == began + timedelta(seconds=1800)


def test_what_a_waiting_job_is_told_to_change_comes_true(priced: World) -> None:
    full(priced, 1800)
    wants = {"platform": WUHU}
    waits = priced.submit(wants=wants, wall_time_s=3600, name="waits")
    priced.hub.settle()
    assert priced.ok("buyer", "GET", f"/v1/jobs/{waits['id']}/explanation")["outlook"] is None
    outlook = priced.ok("buyer", "GET", f"/v1/jobs/{waits['id']}/explanation?outlook=true")["outlook"]
    assert (outlook["verdict"], outlook["tasks"], outlook["room"]) == ("waits", 1, 0)
    by_field = {change["field"]: change for change in outlook["changes"]}
    assert set(by_field) == {"start", "wants.platform"}
    freed = by_field["wants.platform"]
    assert (freed["was"], freed["to"], freed["effect"]["platform"]) == (WUHU, None, SUZHOU)
    changed = priced.submit(wants={**wants, "platform": None}, wall_time_s=3600, name="changed")
    priced.hub.settle()
    told = priced.ok("buyer", "GET", f"/v1/jobs/{changed['id']}/explanation?outlook=true")
    won = told["candidates"][told["winner"]]
    assert (won["platform"], told["outlook"]) == (SUZHOU, None)
    assert sum(float(term["amount"]) for term in won["terms"]) == float(freed["effect"]["billed"])


def test_what_has_run_longer_than_it_was_to_is_expected_to_run_to_its_end_by_force(priced: World) -> None:
    full(priced, 600)
    began = priced.clock()
    priced.clock.advance(700)
    outlook = plan(priced, wants={"platform": WUHU})["outlook"]
    assert datetime.fromisoformat(outlook["starts"]) == began + timedelta(seconds=7200)


def test_a_class_that_stays_does_not_go_west_and_its_own_word_goes_before(priced: World) -> None:
    priced.connector(WUHU).publish(western(), offer("0.10"))
    priced.clock.advance(1)
    priced.hub.settle()
    assert plan(priced)["winner"] is not None
    stays = plan(priced, job_class="inference", wall_time_s=3600)
    assert stays["candidates"][stays["winner"]]["platform"] == SUZHOU
    (change,) = stays["outlook"]["changes"]
    assert (change["field"], change["to"], change["effect"]["platform"]) == ("wants.west", "yes", WUHU)
    goes = plan(priced, job_class="inference", wants={"west": "yes"})
    assert goes["candidates"][goes["winner"]]["platform"] == WUHU


def test_a_connector_is_told_nothing_of_what_only_the_hub_asks(priced: World) -> None:
    wants = {"owners": {"only": ["wuhu"]}, "tiers": ["on-demand", "preemptible"], "west": "yes", "detour": "0"}
    wants["prefer"] = "green"
    made = priced.submit(wants={**wants, "user_region": "310000"}, wall_time_s=60, estimate_s=30)
    priced.hub.settle()
    (told,) = [said for said in priced.connector(WUHU).poll().instructions if said.job_id == made["id"]]
    assert told.spec is not None
    assert told.spec.model_dump(exclude_defaults=True)["wants"] == {"user_region": "310000"}
    assert told.spec.estimate_s is None
