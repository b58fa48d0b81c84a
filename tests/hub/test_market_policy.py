"""Do an operator's weights order what waits, in versions that all may read, and is nothing lost that was promised?"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from suanlian.model.event import EventType
from suanlian.model.job import JobState
from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.market_policy import MarketPolicy
from suanlian.services import deciding, market
from suanlian.services.market import Memory
from suanlian.services.ordering import USUAL, Ordering
from suanlian.store import tables as t
from suanlian.testing.hub import Person
from suanlian.testing.matching import FixedMatching
from suanlian.workers.place import Placer
from tests.hub.laws import all_laws
from tests.hub.test_dependencies import WUHU, told
from tests.hub.test_market import SUZHOU, full, heard, matcher, prices
from tests.hub.test_ordering import AT_WUHU, placed_in_order
from tests.hub.test_trace import told as told_of
from tests.hub.world import World, inventory, job, offer

__all__ = ["full"]

PATH = "/v1/market/policy"


def set_to(world: World, why: str = "tried in the twin", **weights: object) -> dict[str, Any]:
    return dict(world.ok("operator", "POST", PATH, {**weights, "why": why}))


def test_until_somebody_sets_one_the_usual_policy_holds(world: World) -> None:
    held = world.ok("buyer", "GET", PATH)
    assert (held["version"], held["at"], held["by"], held["why"]) == (0, None, "", "")
    assert MarketPolicy.model_validate(held["policy"]) == MarketPolicy()
    assert world.ok("buyer", "GET", f"{PATH}/versions")["items"] == []
    # the weights that were those of every hub before there was a policy
    assert (USUAL.short, USUAL.age, USUAL.fair, USUAL.half_life_s) == (1.0, 1.0, 21_600.0, 604_800.0)
    assert (USUAL.reservations, USUAL.move_s, USUAL.hysteresis, USUAL.learn) == (48, 600.0, 0.0, 0.02)
    assert MarketPolicy().detour == Decimal("0.05")


def test_a_change_makes_a_version_and_leaves_the_other_weights(world: World) -> None:
    first = set_to(world, "labs wait too long", fair_s=43_200)
    world.clock.advance(60)
    second = set_to(world, "and gangs", reservations=8, detour="0.1")
    assert (first["version"], second["version"]) == (1, 2)
    assert second["policy"] == first["policy"] | {"reservations": 8, "detour": "0.1"}
    assert (second["by"], second["why"]) == ("op (national)", "and gangs")
    for who in ("operator", "supervisor", "provider", "buyer2"):
        assert world.ok(who, "GET", PATH) == second
        assert world.ok(who, "GET", f"{PATH}/versions")["items"] == [second, first]
    page = world.ok("buyer", "GET", f"{PATH}/versions?limit=1")
    assert page["items"] == [second]
    assert world.ok("buyer", "GET", f"{PATH}/versions?limit=1&cursor={page['next']}") == {
        "items": [first],
        "next": None,
    }


@pytest.mark.parametrize("same", [{}, {"fair_s": 100}, {"fair_s": 100.0, "age": 1}, {"detour": "0.050"}])
def test_what_changes_nothing_makes_no_version_and_no_event(world: World, same: Mapping[str, object]) -> None:
    first = set_to(world, fair_s=100)
    world.clock.advance(60)
    assert set_to(world, "again", **same) == first
    assert len(told_of(world, EventType.MARKET_POLICY_CHANGED)) == 1


def test_a_change_is_in_the_journal_with_what_was_before(world: World) -> None:
    set_to(world, "fairer", fair_s=43_200, learn=0)
    (event,) = told_of(world, EventType.MARKET_POLICY_CHANGED)
    assert event["version"] == 1
    assert event["before"] == {"fair_s": 21_600.0, "learn": 0.02}
    assert event["after"] == {"fair_s": 43_200.0, "learn": 0.0}
    assert event["why"] == "fairer"
    assert event["actor"] == world.ok("operator", "GET", "/v1/me")["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fair_s": -1}, "fair_s"),
        ({"reservations": 257}, "reservations"),
        ({"reservations": 0}, "reservations"),
        ({"half_life_s": 0}, "half_life_s"),
        ({"learn": 1.01}, "learn"),
        ({"detour": "0.21"}, "detour"),
        ({"short": "NaN"}, "short"),
        ({"age": "inf"}, "age"),
        ({"priority": 1}, "priority"),
        ({"why": ""}, "why"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_field(world: World, body: Mapping[str, object], field: str) -> None:
    answer = world.person("operator").post(PATH, {"why": "test", **body})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["faults"]] == [field]
    assert world.ok("operator", "GET", PATH)["version"] == 0


def test_without_a_reason_nothing_is_changed(world: World) -> None:
    assert world.person("operator").post(PATH, {"fair_s": 1}).status_code == 422
    assert world.ok("operator", "GET", PATH)["version"] == 0


@pytest.mark.parametrize("who", ["supervisor", "provider", "buyer"])
def test_nobody_else_sets_weights(world: World, who: str) -> None:
    assert world.person(who).post(PATH, {"fair_s": 1, "why": "mine first"}).status_code == 403
    assert world.ok("operator", "GET", PATH)["version"] == 0


@pytest.mark.parametrize(
    ("weights", "order"), [({}, ["short", "long"]), ({"short": 0}, ["long", "short"])], ids=["usual", "first-come"]
)
def test_jobs_that_wait_are_ordered_by_the_newest_weights(
    world: World, weights: Mapping[str, Any], order: Sequence[str]
) -> None:
    world.connector().publish(inventory("1"), offer())
    first = world.submit(wants=AT_WUHU, wall_time_s=600)
    (said,) = told(world, first["id"])
    world.submit(name="long", wants=AT_WUHU, wall_time_s=600)
    world.clock.advance(1)
    world.submit(name="short", wants=AT_WUHU, wall_time_s=60)
    world.hub.settle()
    set_to(world, **weights)
    world.hub.settle()
    world.clock.advance(60)
    for _ in range(2):
        world.connector().run(said)
        world.hub.settle()
        with world.hub.running.hub.reading() as unit:
            (next_,) = unit.connection.execute(
                select(t.attempt.c.job_id).where(t.attempt.c.ended_at.is_(None))
            ).scalars()
        (said,) = told(world, next_)
    assert placed_in_order(world) == ["hello", *order]
    all_laws(world.hub)


def look(world: World, ordering: Ordering) -> None:
    with world.hub.running.hub.reading() as unit:
        deciding.decide(unit, ordering, limit=100)


def of_wuhu(world: World) -> Person:
    """A buyer of the entity whose platform wuhu is: its jobs are promised what they had there alone."""
    body = {"name": "own", "role": "buyer", "entity": "wuhu"}
    return world.hub.person(world.ok("operator", "POST", "/v1/principals", body)["key"])


def carried(world: World, ordering: Ordering) -> tuple[dict[str, list[float]], dict[str, float]]:
    assert ordering._line is not None  # noqa: SLF001 - what the queue keeps is looked at
    kept = ordering._line.carried(world.clock().timestamp())  # noqa: SLF001
    return {name: list(at) for name, at in kept.promised.items()}, dict(kept.used)


def test_what_was_promised_and_used_is_taken_over(world: World) -> None:
    """A later own job runs in the gap meanwhile, so that who forgot the promise would make a later one."""
    connector = world.connector()
    connector.publish(inventory("2"), offer())
    owner, ordering = of_wuhu(world), Ordering(Memory(USUAL_LEVELS))
    whole = {"cpu": "2", "memory": "256MiB"}
    running = [world.submit(wants=AT_WUHU, wall_time_s=600)["id"]]
    connector.report(told(world, running[0])[0], JobState.RUNNING, started_at=world.clock())
    waits = owner.post("/v1/jobs", job(name="whole", wants=AT_WUHU, resources=whole, wall_time_s=600)).json()["id"]
    look(world, ordering)
    promised, used = carried(world, ordering)
    assert promised == {waits: [world.clock().timestamp()]}
    assert any(used.values())
    world.clock.advance(30)
    running.append(owner.post("/v1/jobs", job(name="gap", wants=AT_WUHU, wall_time_s=60)).json()["id"])
    connector.report(told(world, running[1])[0], JobState.RUNNING, started_at=world.clock())
    set_to(world, short=0, fair_s=0, reservations=4)
    look(world, ordering)
    assert ordering.policy.reservations == 4
    after, still = carried(world, ordering)
    assert after == promised
    before = {account: amount for account, amount in used.items() if amount}
    assert {account: still[account] for account in before} == pytest.approx(before, rel=1e-3)
    anew = Ordering(Memory(USUAL_LEVELS))
    look(world, anew)
    assert carried(world, anew)[0][waits] > promised[waits]


def test_what_a_move_costs_is_asked_anew_of_what_waits(world: World) -> None:
    for platform in (WUHU, SUZHOU):
        world.connector(platform).publish(inventory("1"), offer())
        world.submit(wants={"platform": platform}, wall_time_s=600)
    world.hub.settle()
    ordering = Ordering(Memory(USUAL_LEVELS))
    assert of_wuhu(world).post("/v1/jobs", job()).status_code == 200

    def dearest() -> float:
        look(world, ordering)
        (own,) = [stands for stands in ordering.known.values() if stands is not None and stands.home is not None]
        return float(max(own.cost[np.isfinite(own.cost)]))

    usual = dearest()
    set_to(world, move_s=50)
    assert usual - dearest() == pytest.approx(550)


def test_the_placer_looks_when_the_policy_changes() -> None:
    assert EventType.MARKET_POLICY_CHANGED in Placer.follows


def test_an_explanation_says_by_which_version_it_was_decided(full: World) -> None:
    def asked() -> Any:  # noqa: ANN401 - JSON
        return full.ok("buyer", "POST", "/v1/jobs:plan", job())["market"]

    assert asked() is None
    set_to(full, fair_s=100)
    assert asked() == {"tick": None, "at": None, "prices_hash": None, "policy": 1}
    matcher(full, FixedMatching(prices(full, wuhu=0.5))).turn()
    assert (asked()["policy"], asked()["tick"] is None) == (1, False)
    set_to(full, fair_s=200)
    assert asked()["policy"] == 2
    full.hub.settle()
    for said in full.connector(WUHU).poll().instructions[:1]:
        full.connector(WUHU).run(said)
    full.hub.settle()
    placed = full.ok("buyer", "GET", "/v1/jobs?limit=50")["items"]
    by = [full.ok("buyer", "GET", f"/v1/jobs/{one['id']}/explanation") for one in placed]
    assert {one["market"]["policy"] for one in by if one["market"] and one["winner"] is not None} == {2}


def test_nobody_is_sent_further_than_the_policys_detour(full: World) -> None:
    """Suzhou costs 4 % more, wuhu is scarce: by the usual detour of 5 % the job goes to suzhou, by 3 % it does not."""

    def winner() -> str:
        said = full.ok("buyer", "POST", "/v1/jobs:estimate", job())
        return str(said["candidates"][said["winner"]]["platform"])

    matcher(full, FixedMatching(prices(full, wuhu=0.5))).turn()
    for platform in (WUHU, SUZHOU):
        for said in full.connector(platform).poll().instructions:
            full.connector(platform).run(said)
    full.hub.settle()
    heard(full)
    assert winner() == SUZHOU
    set_to(full, detour="0.03")
    assert winner() == WUHU
    with full.hub.running.hub.reading() as unit:
        assert market.current(unit).detour == Decimal("0.03")
