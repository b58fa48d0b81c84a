"""What is reported free is claimed for seconds, at moments that nobody chose: who lies is found, who is away is not."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.job import JobState, Outcome
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.probe import Multiply
from suanlian.model.protocol import ReportCall
from suanlian.model.quantity import Resources
from suanlian.model.supply import SupplyDraw, misdrawn, period_of, start_of
from suanlian.probe.workload import Chains
from suanlian.store import tables
from suanlian.testing.hub import SignedConnector
from suanlian.workers.supply import Supply
from tests.hub.laws import all_laws
from tests.hub.probing import Probed, honestly
from tests.hub.world import World, inventory

WUHU = "wuhu-cluster"
LENGTH_S = 3600
CHECKS = f"/v1/platforms/{WUHU}/supply"


def says(connector: SignedConnector, at: datetime, used: Resources | None = None) -> None:
    """The heartbeat: it is there, and so much of its share is in use."""
    load = ShareLoad(share="s1", in_use=used or Resources(), observed_at=at)
    connector.client.report(ReportCall(level=JoinLevel.TRADE, loads=(load,)))


@pytest.fixture
def probed(world: World) -> Probed:
    found = Probed(world, took_s=(2.0,))
    found.publish(inventory())
    return found


def beat(probed: Probed, used: Resources | None = None) -> None:
    probed.connector.poll()
    says(probed.connector, probed.world.clock(), used)


def until_due(probed: Probed, *, used: Resources | None = None) -> dict[str, Any]:
    """Commit to the next period, and go on in small steps until the share's check is written."""
    world = probed.world
    world.hub.settle()
    start = start_of(period_of(world.clock(), LENGTH_S) + 1, LENGTH_S)
    world.clock.advance((start - world.clock()).total_seconds())
    for _ in range(LENGTH_S // 30):
        beat(probed, used)
        world.hub.settle(Supply)  # nothing else is due in these hours
        if world.ok("operator", "GET", CHECKS)["items"]:
            world.hub.settle()
            found: dict[str, Any] = world.ok("operator", "GET", CHECKS)["items"][0]
            return found
        world.clock.advance(30)
    raise AssertionError("no check came due")


def judged(probed: Probed, seconds: int = 120) -> dict[str, Any]:
    for _ in range(seconds // 10):
        probed.world.hub.settle()
        (found,) = probed.world.ok("operator", "GET", CHECKS)["items"]
        if found["outcome"]:
            return dict(found)
        probed.world.clock.advance(10)
        beat(probed)
    raise AssertionError(found)


def capacity(world: World) -> list[dict[str, Any]]:
    return [row for row in world.ok("buyer", "GET", "/v1/capacity")["items"] if row["platform"] == WUHU]


def test_who_is_honest_holds_what_was_reported_free(probed: Probed) -> None:
    made = until_due(probed)
    assert (made["outcome"], made["asked_cores"], made["free_cores"]) == (None, "1", "4")
    assert probed.go_on()
    found = judged(probed)
    assert (found["outcome"], found["phantom"]) == ("held", False)
    assert float(found["answered_s"]) == 2
    (row,) = capacity(probed.world)
    assert row["shown_free"]["cores"] == "1"
    assert row["seen_in_jobs"] is None
    all_laws(probed.world.hub)
    probed.world.clock.advance(30 * 86400)
    assert capacity(probed.world)[0]["shown_free"]["cores"] == "1"
    # what was seen longer ago is told no more
    probed.world.clock.advance(130)
    assert capacity(probed.world)[0]["shown_free"] is None


def test_who_reports_free_and_refuses_has_phantom_capacity(probed: Probed) -> None:
    until_due(probed)
    liar = replace(probed, refuses=(0,), reason="no room")
    assert liar.go_on()
    probed.world.clock.advance(10)
    beat(liar)
    found = judged(liar)
    assert (found["outcome"], found["phantom"], found["reason"]) == ("refused", True, "no room")
    probed.world.clock.advance(1)
    report = probed.world.ok("supervisor", "GET", "/v1/supervision/report")
    (row,) = [row for row in report["supply"] if row["platform"] == WUHU]
    assert (row["checks"], row["phantom"], row["held"], row["claimed"], row["shown_free"]) == (1, 1, 0, "4", "0")


def test_who_reports_free_and_does_nothing_has_phantom_capacity_and_the_room_stays_taken(probed: Probed) -> None:
    until_due(probed)
    (said,) = probed.told()
    found = judged(probed)
    assert (found["outcome"], found["phantom"]) == ("silent", True)
    # never given away blind: it is free again when its connector says that it has ended
    assert [row["used"]["cpu"] for row in capacity(probed.world)] == ["1"]
    probed.connector.report(said, JobState.CANCELED, outcome=Outcome())
    assert [row["used"]["cpu"] for row in capacity(probed.world)] == ["0"]


def test_who_was_away_is_no_liar(probed: Probed) -> None:
    until_due(probed)
    probed.world.clock.advance(200)
    probed.world.hub.settle()
    (found,) = probed.world.ok("operator", "GET", CHECKS)["items"]
    assert (found["outcome"], found["phantom"], found["reason"]) == ("excused", False, "not-told")


def test_who_says_meanwhile_that_it_is_full_is_no_liar(probed: Probed) -> None:
    until_due(probed)
    busy = replace(probed, refuses=(0,), reason="no room")
    assert busy.go_on()
    probed.world.clock.advance(10)
    beat(busy, Resources.of({"cpu": 3500}))
    (found,) = [judged_now(busy)]
    assert (found["outcome"], found["phantom"], found["reason"]) == ("excused", False, "state-changed")


def judged_now(probed: Probed) -> dict[str, Any]:
    probed.world.hub.settle()
    (found,) = probed.world.ok("operator", "GET", CHECKS)["items"]
    return dict(found)


def test_what_is_not_reported_free_is_not_claimed(probed: Probed) -> None:
    made = until_due(probed, used=Resources.of({"cpu": 4000}))
    assert (made["outcome"], made["reason"], made["asked_at"]) == ("excused", "nothing-free", None)
    assert probed.told() == []


def test_a_wrong_product_is_no_capacity(probed: Probed) -> None:
    until_due(probed)
    cheat = replace(probed, multiply=lambda work: b"\0" * (work.n**2 * 8))
    assert cheat.go_on()
    probed.world.clock.advance(10)
    beat(cheat)
    found = judged(cheat)
    assert (found["outcome"], found["phantom"]) == ("refused", True)


@contextmanager
def events(world: World, kind: str) -> Iterator[list[dict[str, Any]]]:
    yield world.ok("operator", "GET", f"/v1/events?type={kind}")["items"]


def test_the_seed_is_committed_to_before_and_told_after_and_anybody_can_draw_again(probed: Probed) -> None:
    world = probed.world
    made = until_due(probed)
    probed.go_on()
    judged(probed)
    number = made["period"]
    with events(world, "supply.committed") as committed:
        (digest,) = [event["data"]["digest"] for event in committed if event["subject"] == str(number)]
        assert committed[0]["at"] < committed[0]["data"]["start"].replace(" ", "T")
    hidden = SupplyDraw.model_validate(world.ok("buyer", "GET", f"/v1/supply/periods/{number}"))
    assert (hidden.period.seed, hidden.checks) == ("", ())
    world.clock.advance(LENGTH_S)
    beat(probed)
    world.hub.settle()
    shown = SupplyDraw.model_validate(world.ok("buyer", "GET", f"/v1/supply/periods/{number}"))
    assert shown.period.digest == digest
    assert len(shown.checks) >= 1
    assert misdrawn(shown) == []
    with events(world, "supply.revealed") as revealed:
        assert shown.period.seed in [event["data"]["seed"] for event in revealed]


def test_a_share_is_checked_once_a_period(probed: Probed) -> None:
    until_due(probed)
    probed.go_on()
    judged(probed)
    for _ in range(3):
        beat(probed)
        probed.world.hub.settle()
    with probed.world.hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(tables.supply_check.c.share_id, tables.supply_check.c.period)).all()
    assert len(rows) == len(set(rows))
    assert probed.told() == []


def test_no_seed_of_a_period_that_has_begun_is_used(probed: Probed) -> None:
    """The first period of a hub has no commitment, so nothing is checked in it."""
    beat(probed)
    probed.world.hub.settle()
    left_s = LENGTH_S - probed.world.clock().timestamp() % LENGTH_S
    probed.world.clock.advance(left_s - 1)
    beat(probed)
    probed.world.hub.settle()
    assert probed.world.ok("operator", "GET", CHECKS)["items"] == []


def test_its_owner_says_one_thing_to_a_check_and_nobody_else_does(probed: Probed) -> None:
    world = probed.world
    check = until_due(probed, used=Resources.of({"cpu": 4000}))["id"]
    path = f"/v1/supply/checks/{check}/reply"
    assert world.person("provider2").post(path, {"text": "not mine"}).status_code == 404
    world.ok("provider", "POST", path, {"text": "we were moving racks"})
    assert world.ok("provider", "GET", CHECKS)["items"][0]["reply"] == "we were moving racks"
    again = world.person("provider").post(path, {"text": "and more"})
    assert (again.status_code, again.json()["code"]) == (409, "already_done")


def test_what_jobs_really_held_is_seen_and_probes_are_no_jobs(probed: Probed) -> None:
    world = probed.world
    until_due(probed)
    probed.go_on()
    judged(probed)
    _job, said = world.at(WUHU)
    began = world.clock()
    probed.connector.report(said, JobState.RUNNING, started_at=began)
    world.clock.advance(5)
    probed.connector.report(said, JobState.COMPLETE, started_at=began, outcome=Outcome(exit_code=0))
    world.clock.advance(LENGTH_S)
    beat(probed)
    world.hub.settle()
    rows = [row for row in world.ok("buyer", "GET", "/v1/capacity")["items"] if row["platform"] == WUHU]
    assert [row["seen_in_jobs"]["cores"] for row in rows] == ["1"]
    (cores,) = [
        row
        for row in world.ok("buyer", "GET", f"/v1/capabilities?platform={WUHU}")["items"]
        if row["metric"] == "cores"
    ]
    assert (cores["claimed"]["value"], cores["seen_in_jobs"]["value"], cores["verified"]["value"]) == ("4", "1", "1")


def outcome_now(probed: Probed) -> tuple[str | None, str]:
    found = judged_now(probed)
    return found["outcome"], found["reason"]


def test_who_has_not_yet_called_is_neither_excused_nor_blamed_at_once(probed: Probed) -> None:
    """A poll that comes a few seconds later is no way out of the check, and no honest connector misses it."""
    until_due(probed)
    for _ in range(3):
        probed.world.clock.advance(5)
        assert outcome_now(probed) == (None, "")
    assert probed.go_on()
    assert judged(probed)["outcome"] == "held"


def test_who_hands_in_the_product_and_never_says_that_it_ended_is_judged_and_holds_up_nobody(probed: Probed) -> None:
    until_due(probed)
    (said,) = probed.told()
    assert isinstance(said.task, Multiply)
    product = honestly(Chains(said.task.seed, said.task.precision.value, said.task.n, said.task.segments))
    probed.world.clock.advance(2)
    probed.commit(said, hashlib.sha256(product).hexdigest())
    probed.hand_in(said, product)
    assert outcome_now(probed) == (None, "")
    assert judged(probed)["outcome"] == "held"
    # what it held stays held until its connector says that it has ended
    assert [row["used"]["cpu"] for row in capacity(probed.world)] == ["1"]
