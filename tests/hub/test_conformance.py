"""Conformance runs at the hub: who asks, when they begin by themselves, what connectors hear, what breaks them off."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from suanlian.model.conformance import HUB_CHECKS, ConformanceReport, Fault
from suanlian.model.errors import SuanlianError
from suanlian.model.job import JobState
from suanlian.model.owner import JoinLevel
from suanlian.model.probe import ProbeCap, Purpose, probe_environment
from suanlian.model.protocol import InventoryCall, ReportCall, Wish
from suanlian.services import conformance, probes
from suanlian.store import tables as t
from suanlian.testing.hub import InProcessHub, SignedConnector
from suanlian.workers.loop import Worker
from tests.hub.laws import counts_are_whole, never_over_committed
from tests.hub.world import World, inventory, offer

WUHU = "wuhu-cluster"
PATH = f"/v1/platforms/{WUHU}/conformance"


def checker(hub: InProcessHub) -> Worker:
    return next(worker for worker in hub.running.workers if worker.name == "conformance")


def offering(**changes: Any) -> InventoryCall:  # noqa: ANN401 - fields of InventoryCall
    made = inventory(**{key: changes.pop(key) for key in ("cpu",) if key in changes})
    flavors = tuple(
        flavor.model_copy(update={"environments": (*flavor.environments, probe_environment(flavor.architecture))})
        for flavor in made.flavors
    )
    inside = made.model_copy(update={"flavors": flavors})
    return InventoryCall(inventory=inside, offers=(offer(),), level=JoinLevel.TRADE, **changes)


@pytest.fixture
def connector(world: World) -> SignedConnector:
    found = world.connector(WUHU)
    world.clock.advance(1)  # what was made of this world before lies in the past
    found.client.inventory(offering())
    return found


@pytest.fixture
def replica(world: World) -> Iterator[InProcessHub]:
    with InProcessHub(world.hub.settings, clock=world.clock) as hub:
        yield hub


def ask(world: World, by: str = "provider", **body: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = world.ok(by, "POST", PATH, body)["items"]
    return items


def runs(world: World) -> list[dict[str, Any]]:
    """Those that were asked for since the world began, newest first."""
    items: list[dict[str, Any]] = world.ok("provider", "GET", PATH)["items"]
    return [run for run in items if datetime.fromisoformat(run["asked_at"]) > world.template.now]


def whys(run: dict[str, Any]) -> dict[str, str | None]:
    return {finding["check"]: finding["why"] for finding in run["report"]["findings"]}


def still_open(world: World, run: dict[str, Any]) -> int:
    with world.hub.running.hub.reading() as unit:
        return len(probes.still_open(unit, Purpose.CONFORMANCE, run["id"]))


def set_up(world: World, connector: SignedConnector, **columns: object) -> None:
    """As other subjects of the hub would write it: a state of the platform, a level of the connector."""
    with world.hub.running.hub.store.writing.begin() as db:
        if "state" in columns:
            db.execute(update(t.platform).where(t.platform.c.name == WUHU).values(state=columns.pop("state")))
        if columns:
            db.execute(update(t.connector).where(t.connector.c.id == connector.id).values(**columns))


def test_owner_and_operator_ask_and_one_run_is_under_way_at_a_time(world: World, connector: SignedConnector) -> None:
    (mine,) = ask(world)
    assert (mine["connector"], mine["passed"], mine["report"], mine["holds"]) == ("c1", None, None, False)
    assert [run["id"] for run in ask(world, "operator", connector="c1")] == [mine["id"]]
    world.hub.settle()
    assert [run["id"] for run in ask(world)] == [mine["id"]]
    assert [run["id"] for run in runs(world)] == [mine["id"]]
    asked = world.ok("operator", "GET", "/v1/events?type=conformance.asked")["items"]
    assert [(event["subject"], event["data"]["run"]) for event in asked] == [(connector.id, mine["id"])]


def test_an_unknown_connector_and_one_that_published_nothing_are_refused(world: World) -> None:
    person, before = world.person("provider"), world.hub.rows()
    unknown = person.post(PATH, {"connector": "c9"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    set_up(world, world.connector(WUHU), inventory_digest=None)
    nothing = person.post(PATH, {})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "state_conflict")
    assert world.hub.rows() == before


def test_a_connector_hears_a_wrong_version_once_and_then_the_truth(world: World, connector: SignedConnector) -> None:
    ask(world)
    world.hub.settle()
    with pytest.raises(SuanlianError) as refused:
        connector.poll()
    assert refused.value.code == "protocol_unsupported"
    told = connector.poll().instructions
    assert {said.probe for said in told} == {Purpose.CONFORMANCE}
    assert sum(said.wish is Wish.CANCEL for said in told) == 1
    world.hub.settle()
    with world.hub.running.hub.reading() as unit:
        (staged,) = unit.connection.execute(select(t.staged_answer)).mappings().all()
    assert staged["asked_revision"] == 0 < staged["told_revision"]
    # another connector hears nothing of it
    assert world.connector("suzhou-cloud").poll().instructions == ()
    never_over_committed(world.hub)


def test_an_older_token_is_told_once_and_only_while_the_run_goes_on(world: World, connector: SignedConnector) -> None:
    (run,) = ask(world)
    world.hub.settle()
    hub = world.hub.running.hub
    with hub.reading() as unit:
        row = {"id": run["id"], "connector_id": connector.id}
        attempt = probes.still_open(unit, Purpose.CONFORMANCE, run["id"])[0]
    with pytest.raises(SuanlianError):
        connector.poll()
    before = connector.poll()
    hub.writer.run(lambda unit: conformance.stage_stale(unit, row, attempt))
    (stale,) = connector.poll(before.revision).instructions
    assert (stale.attempt_id, stale.token, stale.wish) == (attempt, probes.TOKEN - 1, Wish.CANCEL)
    assert connector.poll(before.revision).instructions == ()
    hub.writer.run(lambda unit: conformance.stage_stale(unit, row, attempt))
    hub.writer.run(lambda unit: conformance.break_off(unit, run["id"]))
    assert connector.poll(before.revision).instructions == ()


def test_a_connector_that_does_nothing_fails_and_its_probes_are_called_off(
    world: World, connector: SignedConnector
) -> None:
    (run,) = ask(world)
    world.hub.settle()
    assert still_open(world, run) > 0
    for _ in range(12):
        world.clock.advance(5)
        connector.client.report(ReportCall(level=JoinLevel.TRADE))
        world.hub.settle()
    (ended,) = runs(world)
    assert (ended["passed"], ended["holds"]) == (False, True)
    assert set(whys(ended)) == set(HUB_CHECKS)
    assert None not in whys(ended).values()
    with world.hub.running.hub.reading() as unit:
        states = {probes.look(unit, name).state for name in probes.still_open(unit, Purpose.CONFORMANCE, run["id"])}
    assert states == {JobState.CANCELING}
    counts_are_whole(world.hub)


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"accepting": False}, Fault.NOT_ACCEPTING), ({"seen_at": None}, Fault.SILENT)],
)
def test_a_connector_that_takes_nothing_is_waited_for_and_then_told_so(
    world: World, connector: SignedConnector, columns: dict[str, object], why: Fault
) -> None:
    set_up(world, connector, **columns)
    (run,) = ask(world)
    world.hub.settle()
    assert runs(world)[0]["started_at"] is None
    world.clock.advance(21)
    world.hub.settle()
    assert set(whys(runs(world)[0]).values()) == {why}
    assert world.hub.rows()["attempt"] == 0
    assert run["id"] == runs(world)[0]["id"]


def test_a_cap_that_is_too_small_and_flavors_without_probes_are_told_at_once(
    world: World, connector: SignedConnector
) -> None:
    connector.client.inventory(offering(probes=ProbeCap(seconds=1)))
    ask(world)
    world.hub.settle()
    (small,) = runs(world)
    assert set(whys(small).values()) == {Fault.CAP_TOO_SMALL}
    assert set(small["report"]["findings"][0]["figures"]) == {"seconds"}
    connector.publish(inventory(), offer())
    ask(world)
    world.hub.settle()
    assert set(whys(runs(world)[0]).values()) == {Fault.NO_PROBES}
    assert not runs(world)[0]["passed"]
    assert world.hub.rows()["attempt"] == 0


def test_nothing_is_dispatched_to_a_connector_that_observes(world: World, connector: SignedConnector) -> None:
    set_up(world, connector, level="observe")
    ask(world)
    world.hub.settle()
    assert set(whys(runs(world)[0]).values()) == {Fault.LEVEL_OBSERVE}
    assert world.hub.rows()["attempt"] == 0


@pytest.mark.parametrize("state", ["frozen", "withdrawn"])
def test_nothing_is_started_where_nothing_is_placed(world: World, connector: SignedConnector, state: str) -> None:
    (run,) = ask(world)
    set_up(world, connector, state=state)
    world.hub.settle()
    assert [found["id"] for found in runs(world)] == [run["id"]]
    assert set(whys(runs(world)[0]).values()) == {Fault.CLOSED}
    before = world.hub.rows()
    refused = world.person("provider").post(PATH, {})
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert world.hub.rows() == before
    assert before["attempt"] == 0


def test_what_was_found_holds_until_the_inventory_changes(world: World, connector: SignedConnector) -> None:
    connector.client.inventory(offering(probes=ProbeCap(cpu=Decimal(0))))
    ask(world)
    world.hub.settle()
    assert runs(world)[0]["holds"]
    connector.client.inventory(offering(probes=ProbeCap()))
    assert runs(world)[0]["holds"], "the cap is no part of what was found out"
    connector.client.inventory(offering(cpu="2"))
    assert not runs(world)[0]["holds"]


def test_another_process_breaks_off_what_was_under_way_and_begins_anew(
    world: World, connector: SignedConnector, replica: InProcessHub
) -> None:
    (first,) = ask(world)
    while checker(world.hub).turn():
        pass
    assert still_open(world, first) > 0
    assert not checker(replica).turn(), "the first still has the lease"
    world.clock.advance(16)
    connector.client.report(ReportCall(level=JoinLevel.TRADE))
    while checker(replica).turn():
        pass
    second, ended = runs(world)
    assert (ended["id"], ended["passed"], set(whys(ended).values())) == (first["id"], False, {Fault.BROKE_OFF})
    assert (second["ended_at"], second["asked_by"]) == (None, first["asked_by"])
    assert second["started_at"] is not None
    with world.hub.running.hub.reading() as unit:
        left = probes.still_open(unit, Purpose.CONFORMANCE, first["id"])
        assert {probes.look(unit, name).state for name in left} == {JobState.CANCELING}
    # the first comes back, and leaves what is the other's alone
    world.clock.advance(16)
    connector.client.report(ReportCall(level=JoinLevel.TRADE))
    while checker(world.hub).turn():
        pass
    third, *_ = runs(world)
    assert third["started_at"] is not None
    assert [run["ended_at"] is None for run in runs(world)] == [True, False, False]
    counts_are_whole(world.hub)


JOINING = {"state": "connected", "level": "trade", "admitted_at": None}


def joining(world: World, connector: SignedConnector, **columns: object) -> None:
    set_up(world, connector, **{**JOINING, "gate_from": world.template.now + timedelta(milliseconds=1), **columns})


def test_a_connector_of_a_joining_platform_is_checked_once_by_itself(world: World, connector: SignedConnector) -> None:
    world.hub.settle()
    assert runs(world) == []
    joining(world, connector)
    world.hub.settle()
    (run,) = runs(world)
    assert (run["asked_by"], run["started_at"] is None) == ("hub", False)
    hub = world.hub.running.hub
    hub.writer.run(lambda unit: conformance.end(unit, run["id"], ConformanceReport.skipped(Fault.NO_ROOM)))
    world.hub.settle()
    assert len(runs(world)) == 1, "once for a key and an inventory"
    set_up(world, connector, state="live")
    connector.client.inventory(offering(cpu="2"))
    joining(world, connector)
    world.hub.settle()
    assert len(runs(world)) == 2


@pytest.mark.parametrize(
    "way",
    [{"level": "observe"}, {"accepting": False}, {"probe_cap": ProbeCap(seconds=1).model_dump_json()}],
    ids=["observes", "accepts nothing", "cap too small"],
)
def test_a_run_that_could_not_be_made_is_made_once_the_way_is_free(
    world: World, connector: SignedConnector, way: dict[str, object]
) -> None:
    joining(world, connector, **way)
    ask(world)
    world.clock.advance(21)
    for _ in range(3):
        world.hub.settle()
    (skipped,) = runs(world)
    assert skipped["ended_at"] is not None
    free = {"level": "trade", "accepting": True, "probe_cap": ProbeCap().model_dump_json()}
    joining(world, connector, **free)
    world.hub.settle()
    assert [run["started_at"] is not None for run in runs(world)] == [True, True]
    world.hub.settle()
    assert len(runs(world)) == 2


def test_nothing_begins_by_itself_at_a_platform_that_observes_or_has_joined(
    world: World, connector: SignedConnector
) -> None:
    joining(world, connector, level="observe")
    world.hub.settle()
    assert runs(world) == []
    for state in ("applied", "suspended", "withdrawn"):
        joining(world, connector, state=state)
        world.hub.settle()
        assert runs(world) == [], state


def test_events_tell_who_asked_and_how_it_ended(world: World, connector: SignedConnector) -> None:
    connector.client.inventory(offering(probes=ProbeCap(cpu=Decimal(0))))
    (run,) = ask(world)
    world.hub.settle()
    found = world.ok("operator", "GET", "/v1/events?type=conformance.ended")["items"]
    assert [(e["subject"], e["data"]["run"], e["data"]["passed"]) for e in found] == [(connector.id, run["id"], False)]
    assert found[0]["source"] == "worker conformance"


def test_runs_are_paged_newest_first(world: World, connector: SignedConnector) -> None:
    connector.client.inventory(offering(probes=ProbeCap(cpu=Decimal(0))))
    for _ in range(3):
        ask(world)
        world.hub.settle()
        world.clock.advance(1)
    page = world.person("provider").get(PATH, limit=2).json()
    rest = world.person("provider").get(PATH, limit=2, cursor=page["next"]).json()
    listed = [run["id"] for run in page["items"] + rest["items"]]
    assert listed == sorted(listed, reverse=True)
    assert set(listed) >= {run["id"] for run in runs(world)}
    assert len(runs(world)) == 3
