"""Data levels and residency at a hub: who checks, what is placed where, and what the hub itself may keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from suanlian.model.levels import USUAL_LEVELS, HubRules, LevelRules
from suanlian.model.platform import Site
from suanlian.rules.levels import today
from suanlian.services import deciding, placing
from suanlian.services.market import Memory
from suanlian.services.ordering import Ordering
from suanlian.services.placing import Placed
from suanlian.testing.hub import InProcessHub
from tests.hub.world import Stores, World, inventory, job, offer

CHECK = {"grade": 3, "region": "340200", "number": "34020099001-26001", "why": "filing and report seen"}
RESTRICTED = {"platform": "wuhu-cluster", "data_level": 3, "residency": ["34"]}


@contextmanager
def hub_in(world: World, stores: Stores, **settings: object) -> Iterator[World]:
    """The world's hub as one whose operator says where it lies and how well it is protected."""
    said = {"hub_region": "340000", "hub_protection": 4, **settings}
    home = stores.copy(world.template).model_copy(update=said)
    with InProcessHub(home, clock=world.clock) as hub:
        yield World(hub, world.clock, world.template)
    stores.drop(home)


@pytest.fixture
def keeper(world: World, stores: Stores) -> Iterator[World]:
    with hub_in(world, stores) as made:
        yield made


def claim(world: World, *, grade: int = 3, region: str = "340200") -> None:
    site = Site(name="main", region=region, protection_grade=grade)
    world.connector().publish(inventory().model_copy(update={"sites": (site,)}), offer())


def check(world: World, by: str = "operator", site: str = "main", days: int = 300, **changes: object) -> Any:  # noqa: ANN401 - a response
    until = today(world.clock()) + timedelta(days=days)
    said = {**CHECK, "valid_until": until.isoformat(), **changes}
    return world.person(by).post(f"/v1/platforms/wuhu-cluster/sites/{site}/checks", said)


def outcome(world: World, wants: dict[str, object] | None = None) -> str:
    """Submit, let the workers act; where it went, or the filters that the one platform did not pass."""
    made = world.submit(wants=wants or RESTRICTED)
    world.hub.settle()
    told = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    if told["winner"] is not None:
        return str(told["candidates"][told["winner"]]["platform"])
    nearest = told["candidates"][told["nearest"]]
    return ",".join(f["filter"] for f in nearest["failed"] if f["filter"] != "wanted-platform")


def test_a_claim_alone_is_worth_nothing_and_a_check_makes_it_count(keeper: World) -> None:
    assert outcome(keeper) == "data-level,residency"
    claim(keeper)
    waiting = keeper.submit(wants=RESTRICTED)
    keeper.hub.settle()
    text = keeper.job(waiting["id"])["waiting"]
    assert "protection grade 0 (3 claimed, not checked)" in text
    assert "340200 (claimed, not checked)" in text
    assert check(keeper).status_code == 200
    # the check wakes the placer: what waited goes
    keeper.hub.settle()
    (told,) = [i for i in keeper.connector().poll().instructions if i.job_id == waiting["id"]]
    assert told.relied is not None
    assert (told.relied.grade, told.relied.region) == (3, "340200")
    assert outcome(keeper, {**RESTRICTED, "data_level": 4}) == "data-level"
    assert outcome(keeper, {**RESTRICTED, "protection_min": 4}) == "protection"
    assert outcome(keeper, {"data_level": 1, "platform": "wuhu-cluster"}) == "wuhu-cluster"


def test_the_lower_of_claim_and_check_counts_and_a_moved_site_is_unchecked(keeper: World) -> None:
    claim(keeper, grade=2)
    check(keeper, grade=4)
    assert outcome(keeper) == "data-level"
    claim(keeper, grade=4, region="340300")
    assert outcome(keeper) == "residency"
    check(keeper, region="340300", grade=4)
    assert outcome(keeper) == "wuhu-cluster"
    check(keeper, grade=0, region="340300", why="certificate withdrawn")
    assert outcome(keeper) == "data-level"


def test_a_check_that_ran_out_counts_no_more_also_between_decision_and_placing(keeper: World) -> None:
    claim(keeper)
    check(keeper, days=1)
    keeper.submit(wants=RESTRICTED)
    with keeper.hub.running.hub.reading() as unit:
        (decision,) = deciding.decide(unit, Ordering(Memory(USUAL_LEVELS)), limit=10).decisions
    assert isinstance(decision, Placed)
    keeper.clock.advance(2 * 24 * 3600)
    writer = keeper.hub.running.hub.writer
    assert not writer.run(lambda unit: placing.apply(unit, decision))
    claim(keeper)
    check(keeper)
    assert writer.run(lambda unit: placing.apply(unit, decision))


def test_only_an_operator_of_another_entity_checks_what_there_is(keeper: World) -> None:
    rows = keeper.hub.rows()
    for who in ("provider", "buyer", "supervisor"):
        assert check(keeper, by=who).status_code == 403
    for answer, code in (
        (check(keeper, site="none"), "not_found"),
        (check(keeper, days=-1), "qualification_expired"),
        (check(keeper, grade=5), "field_invalid"),
        (check(keeper, number=""), "field_invalid"),
        (check(keeper, region="34"), "field_invalid"),
    ):
        assert answer.json()["code"] == code, answer.text
    key = keeper.ok("operator", "POST", "/v1/principals", {"name": "own", "role": "operator", "entity": "wuhu"})["key"]
    path = "/v1/platforms/wuhu-cluster/sites/main/checks"
    said = {**CHECK, "valid_until": today(keeper.clock()).isoformat()}
    assert keeper.hub.person(key).post(path, said).json()["code"] == "own_platform"
    changed = {name for name, count in keeper.hub.rows().items() if count != rows[name]}
    assert changed <= {"principal", "api_key", "event"}
    assert keeper.ok("buyer", "GET", "/v1/platforms/wuhu-cluster/checks")["items"] == []


def test_a_check_is_told_with_what_was_before_it(keeper: World) -> None:
    check(keeper, grade=2)
    check(keeper, grade=3)
    assert [found["grade"] for found in keeper.ok("buyer", "GET", "/v1/platforms/wuhu-cluster/checks")["items"]] == [
        3,
        2,
    ]
    told = [e for e in keeper.ok("operator", "GET", "/v1/events?limit=200")["items"] if e["type"] == "site.checked"]
    first, second = sorted(told, key=lambda event: event["number"])
    assert first["data"]["before"] is None
    assert (second["data"]["before"]["grade"], second["data"]["after"]["grade"]) == ("2", "3")
    assert second["data"]["why"] == CHECK["why"]


@pytest.mark.parametrize(
    ("settings", "wants", "code"),
    [
        ({"hub_region": None}, {"residency": ["34"]}, "residency_excludes_hub"),
        ({"hub_region": "310000"}, {"residency": ["34"]}, "residency_excludes_hub"),
        ({"hub_region": "310000"}, {"residency": ["34", "31"]}, None),
        ({"hub_protection": 0}, {"data_level": 2}, "protection_excludes_hub"),
        ({"hub_protection": 2}, {"protection_min": 3}, "protection_excludes_hub"),
        ({"hub_protection": 1, "level_grades": {2: 1}}, {"data_level": 2}, None),
        ({"level_grades": {1: 1}, "hub_protection": 0}, {}, "protection_excludes_hub"),
    ],
)
def test_the_hub_refuses_what_it_may_not_keep_itself(
    world: World, stores: Stores, settings: dict[str, object], wants: dict[str, object], code: str | None
) -> None:
    with hub_in(world, stores, **settings) as made:
        rows, person = made.hub.rows(), made.person("buyer")
        for path, body in (
            ("/v1/jobs", job(wants=wants)),
            ("/v1/jobs:estimate", job(wants=wants)),
            ("/v1/jobs:batch", {"jobs": [job(), job(wants=wants)]}),
        ):
            answer = person.post(path, body)
            assert (answer.json().get("code"), answer.status_code) == (code, 422 if code else 200), answer.text
        assert (made.hub.rows() == rows) == (code is not None)


def test_the_rules_come_from_the_settings(world: World, stores: Stores) -> None:
    with hub_in(world, stores, level_grades={2: 1, 3: 2}) as made:
        assert made.hub.running.hub.bounds.data == HubRules(
            levels=LevelRules(grades={2: 1, 3: 2}), region="340000", grade=4
        )
        claim(made)
        check(made, grade=2)
        assert outcome(made) == "wuhu-cluster"
