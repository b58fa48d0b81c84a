"""How far owners have joined, as the hub goes by it: placement, prices, refusals that do not loop, aged states."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.job import JobState, Outcome
from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.protocol import InventoryCall, ReportCall
from suanlian.model.quantity import Resources
from suanlian.services import deciding, placing
from suanlian.services.market import Memory
from suanlian.services.ordering import Ordering
from suanlian.store import tables as t
from tests.hub.world import World, inventory, offer, segment

WUHU = {"platform": "wuhu-cluster"}


def level(world: World, said: JoinLevel, platform: str = "wuhu-cluster", partners: tuple[str, ...] = ()) -> None:
    """The owner says how far to join: by an inventory, as the agent tells it."""
    call = InventoryCall(inventory=inventory(), offers=(offer(),), level=said, partners=partners)
    world.connector(platform).client.inventory(call)


def waiting(world: World, job: dict[str, Any]) -> str:
    world.hub.settle()
    return str(world.job(job["id"])["waiting"])


def events(world: World, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.ok("operator", "GET", f"/v1/events?type={kind}")["items"]
    return found


def test_nothing_is_placed_where_the_owner_observes_and_what_runs_goes_on(world: World) -> None:
    _made, running = world.at("wuhu-cluster")
    connector = world.connector()
    started = world.clock()
    connector.report(running, JobState.RUNNING, started_at=started)
    level(world, JoinLevel.OBSERVE)
    made = world.submit(wants=WUHU)
    assert "level observe only" in waiting(world, made)
    assert [i.attempt_id for i in connector.poll().instructions] == [running.attempt_id]
    connector.level = JoinLevel.OBSERVE
    answer = connector.report(running, JobState.COMPLETE, started_at=started, outcome=Outcome(exit_code=0))
    assert answer.verdict == "taken"
    assert connector.use(segment(running, started, 0.0, final=True))[0].verdict == "taken"
    assert world.job(running.job_id)["state"] == "COMPLETE"
    elsewhere = world.submit()
    world.hub.settle()
    (task,) = world.ok("buyer", "GET", f"/v1/jobs/{elsewhere['id']}/tasks")["items"]
    assert task["attempts"][0]["platform"] == "suzhou-cloud"
    level(world, JoinLevel.TRADE)
    connector.level = JoinLevel.TRADE
    assert waiting(world, made) == ""
    happened = [event["data"] for event in events(world, "connector.level")]
    assert [(one["before"], one["after"]) for one in happened[-2:]] == [("trade", "observe"), ("observe", "trade")]


def test_who_tells_no_level_observes(world: World) -> None:
    world.connector().client.report(ReportCall())
    assert "level observe only" in waiting(world, world.submit(wants=WUHU))
    (found,) = world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/connectors")["items"]
    assert found["level"] == "observe"


def test_at_level_run_the_own_entity_and_partners_run_without_a_price(world: World) -> None:
    assert "level run only" not in waiting(world, world.submit(wants=WUHU))
    level(world, JoinLevel.RUN, partners=("lab",))
    partners, strangers = world.submit(wants=WUHU), world.submit("buyer2", wants=WUHU)
    assert waiting(world, partners) == ""
    (told,) = [i for i in world.connector().poll().instructions if i.job_id == partners["id"]]
    assert told.rates == ()
    text = str(world.person("buyer2").get(f"/v1/jobs/{strangers['id']}").json()["waiting"])
    assert "level run only" in text
    explained = world.ok("buyer", "GET", f"/v1/jobs/{partners['id']}/explanation")
    won = explained["candidates"][explained["winner"]]
    assert Decimal(won["cost"]) == 0
    with world.hub.running.hub.reading() as unit:
        row = unit.connection.execute(select(t.assignment).where(t.assignment.c.attempt_id == told.attempt_id)).one()
    assert (row.offer_id, row.offer_version) == (None, None)
    connector, start = world.connector(), world.clock()
    connector.level = JoinLevel.RUN
    connector.report(told, JobState.RUNNING, started_at=start)
    world.clock.advance(60)
    connector.use(segment(told, start, 60, final=True))
    connector.report(told, JobState.COMPLETE, started_at=start, outcome=Outcome(exit_code=0))
    world.hub.settle()
    assert world.ok("buyer", "GET", f"/v1/charges?job={partners['id']}")["items"] == []
    assert world.job(partners["id"])["state"] == "COMPLETE"


def test_an_instruction_carries_the_rates_it_is_sold_at(world: World) -> None:
    _made, told = world.at("wuhu-cluster")
    assert told.rates == offer().rates
    assert world.connector().publish(inventory(), offer("0.50")) == 1
    again = [i for i in world.connector().poll().instructions if i.attempt_id == told.attempt_id]
    assert again[0].rates == offer().rates  # those of the version that the assignment names


@pytest.mark.parametrize("now", [JoinLevel.OBSERVE, JoinLevel.RUN])
def test_a_decision_that_the_level_has_overtaken_is_not_made_true(world: World, now: JoinLevel) -> None:
    made = world.submit(wants=WUHU)
    hub = world.hub.running.hub
    with hub.reading() as unit:
        found = deciding.decide(unit, Ordering(Memory(USUAL_LEVELS)), limit=100).decisions
    (decision,) = [one for one in found if one.job_id == made["id"]]
    level(world, now, partners=("lab",))
    assert hub.writer.submit(lambda unit: placing.apply(unit, decision)).result(30) is False
    assert [i for i in world.connector().poll().instructions if i.job_id == made["id"]] == []


def refuse(world: World, job: dict[str, Any], platform: str, clause: str = "hours") -> None:
    connector = world.connector(platform)
    told = [i for i in connector.poll().instructions if i.job_id == job["id"] and i.wish == "run"]
    connector.report(told[-1], JobState.PREEMPTED, outcome=Outcome(reason=f"owner_refuses: {clause}"))
    world.hub.settle()


def places(world: World, job: dict[str, Any]) -> list[str]:
    (task,) = world.ok("buyer", "GET", f"/v1/jobs/{job['id']}/tasks")["items"]
    return [attempt["platform"] for attempt in task["attempts"]]


def test_a_refusal_by_the_owner_goes_elsewhere_then_waits_and_eats_no_try(world: World) -> None:
    made = world.submit(attempts=1)
    world.hub.settle()
    first = places(world, made)[0]
    refuse(world, made, first)
    other = places(world, made)[1]
    assert other != first
    refuse(world, made, other)
    assert len(places(world, made)) == 2  # it waits: both were asked a short while ago
    assert "refused this task a short while ago" in world.job(made["id"])["waiting"]
    for _round in range(3):
        world.clock.advance(60)
        _alive(world)
        world.hub.settle()
    assert len(places(world, made)) == 2
    world.clock.advance(121)
    _alive(world)
    world.hub.settle()
    assert places(world, made)[2] in (first, other)
    assert world.job(made["id"])["state"] != "SYSTEM_ERROR"
    another = world.submit()
    world.hub.settle()
    assert places(world, another) == [first]  # the memory is the task's, not the place's


def _alive(world: World) -> None:
    for platform in ("wuhu-cluster", "suzhou-cloud"):
        world.connector(platform).client.report(ReportCall(level=JoinLevel.TRADE))


def tell(world: World, *loads: ShareLoad, platform: str = "wuhu-cluster", raw: str = "") -> None:
    connector = world.connector(platform)
    body = ReportCall(level=JoinLevel.TRADE, loads=loads).model_dump_json()
    if raw:
        body = body.replace('"loads":[', f'"loads":[{raw},', 1)
    answer = connector.send("/connector/v1/report", body.encode())
    assert answer.status_code == 200, answer.text


def load(world: World, cpu: int, share: str = "s1", **fields: Any) -> ShareLoad:  # noqa: ANN401 - of ShareLoad
    said = {"share": share, "in_use": Resources.of({"cpu": cpu}), "observed_at": world.clock(), **fields}
    return ShareLoad.model_validate(said)


def states(world: World, by: str = "buyer") -> dict[str, dict[str, Any]]:
    return {state["platform"]: state for state in world.ok(by, "GET", "/v1/states")["items"]}


def test_a_state_is_shown_with_its_age_and_grows_stale(world: World) -> None:
    assert states(world)["wuhu-cluster"]["stale"] is True
    tell(world, load(world, 3000, ours=Resources.of({"cpu": 1000}), running=7, queued=2))
    world.clock.advance(40)
    found = states(world)["wuhu-cluster"]
    assert (found["in_use"]["cpu"], found["ours"]["cpu"], found["running"], found["queued"]) == ("3", "1", 7, 2)
    assert (Decimal(found["age_s"]), found["stale"], found["level"]) == (Decimal(40), False, "trade")
    world.clock.advance(51)
    assert states(world)["wuhu-cluster"]["stale"] is True
    answer = world.ok("buyer", "GET", "/v1/states?platform=wuhu-cluster")
    assert len(answer["items"]) == 1
    assert answer["utilisation"] == {"cpu": None, "accelerator": None, "fresh": 0, "shares": 1, "oldest_s": None}
    assert world.person("buyer").get("/v1/states?platform=nowhere").status_code == 404


def test_an_observing_platform_is_shown_and_a_clock_that_runs_ahead_makes_nothing_younger(world: World) -> None:
    level(world, JoinLevel.OBSERVE)
    said = ReportCall(loads=(load(world, 1000, observed_at=world.clock() + timedelta(hours=1)),))
    world.connector().client.report(said)
    world.clock.advance(10)
    found = states(world)["wuhu-cluster"]
    assert (found["level"], Decimal(found["age_s"])) == ("observe", Decimal(10))


def test_one_fault_hides_neither_what_was_known_nor_the_other_shares(world: World) -> None:
    tell(world, load(world, 1000))
    world.clock.advance(20)
    tell(world, load(world, 0, in_use=None, fault="partition gone"), load(world, 1, share="nobodys"))
    tell(world, load(world, 4000), platform="suzhou-cloud")
    mine, other = states(world, "provider"), states(world, "provider2")
    assert (mine["wuhu-cluster"]["faulty"], mine["wuhu-cluster"]["fault"]) == (True, "partition gone")
    assert other["wuhu-cluster"]["fault"] == ""
    assert states(world, "supervisor")["wuhu-cluster"]["fault"] == "partition gone"
    assert (mine["wuhu-cluster"]["in_use"]["cpu"], Decimal(mine["wuhu-cluster"]["age_s"])) == ("1", Decimal(20))
    told = world.ok("buyer", "GET", "/v1/states")["utilisation"]
    assert (Decimal(told["cpu"]), told["fresh"], told["shares"]) == (Decimal("0.625"), 2, 2)


@pytest.mark.parametrize(
    "raw", ['{"share":"s1","in_use":{"cpu":"-1"},"observed_at":"x"}', "7", '{"share":"\\u001b"}', "null", "[]"]
)
def test_a_load_that_cannot_be_read_hides_no_other_and_no_attempt(world: World, raw: str) -> None:
    tell(world, load(world, 2000), raw=raw)
    assert states(world)["wuhu-cluster"]["in_use"]["cpu"] == "2"


def test_a_connector_tells_of_its_own_shares_only(world: World) -> None:
    second = inventory(name="s2")
    world.connector("suzhou-cloud").publish(second, offer(share="s2"))
    tell(world, load(world, 1000, share="s2"), platform="wuhu-cluster")
    found = world.ok("operator", "GET", "/v1/states")["items"]
    assert {state["share"]: state["in_use"] for state in found if state["share"] == "s2"} == {"s2": None}


def test_the_report_weighs_what_is_in_use_with_capacity(world: World) -> None:
    world.connector("suzhou-cloud").publish(inventory("2"), offer())
    tell(world, load(world, 1000))
    tell(world, load(world, 2000), platform="suzhou-cloud")
    world.clock.advance(5)
    report = world.ok("supervisor", "GET", "/v1/supervision/report")
    assert Decimal(report["in_use"]["cpu"]) == Decimal("0.5")
    assert (report["in_use"]["fresh"], report["in_use"]["shares"], Decimal(report["in_use"]["oldest_s"])) == (
        2,
        2,
        Decimal(5),
    )
    rows = {row["platform"]: Decimal(row["in_use"]["cpu"]) for row in report["platforms"]}
    assert rows == {"wuhu-cluster": Decimal("0.25"), "suzhou-cloud": Decimal(1)}
