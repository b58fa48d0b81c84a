"""Links are offered by who may carry, known by what was measured, and no part of one is promised twice."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.ids import PrincipalId, new_id
from suanlian.model.link import LinkSample, NewReservation
from suanlian.model.party import Caller, Role
from suanlian.model.platform import Site
from suanlian.model.version import Subject
from suanlian.services import links
from suanlian.store import links as rows
from suanlian.store import parties, platforms, published
from suanlian.store import tables as t
from suanlian.store.unit import Unit
from suanlian.testing.onboarding import entity_fields
from tests.hub.test_trace import told
from tests.hub.world import WHY, World

HERE, THERE = "wuhu-cluster/main", "suzhou-cloud/main"
WEST = "wuhu-cluster/west"
LINE = {"name": "line", "start": HERE, "end": THERE, "capacity_mbps": "1000", "cny_per_gb": "0.1"}


def offer(world: World, by: str = "provider", **changes: object) -> dict[str, Any]:
    return dict(world.ok(by, "POST", "/v1/links", {**LINE, **changes}))


def refused(world: World, by: str, path: str, body: Mapping[str, object]) -> tuple[int, str]:
    answer = world.person(by).post(path, body)
    return answer.status_code, answer.json()["code"]


def held(world: World, start: float, end: float, mbps: str = "100", *, link: str = "line") -> dict[str, object]:
    now = world.clock()
    return {
        "link": link,
        "start": (now + timedelta(hours=start)).isoformat(),
        "end": (now + timedelta(hours=end)).isoformat(),
        "mbps": mbps,
    }


def in_unit(world: World, work: Any) -> Any:  # noqa: ANN401 - whatever it returns
    return world.hub.running.hub.writer.run(work)


def third_site(world: World) -> None:
    """A site in Zhongwei; NOT REAL: written beside the inventory of a platform."""

    def add(unit: Unit) -> None:
        platform = platforms.find(unit, "wuhu-cluster")
        assert platform is not None
        like = next(row for row in published.current(unit, subjects=["site"]) if row["platform_id"] == platform["id"])
        body = Site(name="west", region="640500").model_dump_json()
        fresh = {"id": new_id(), "public_id": "CN-SITE-WEST", "subject": Subject.SITE.value, "name": "west"}
        published.add(unit, [{**like, **fresh, "body": body}])

    in_unit(world, add)


def test_a_link_is_offered_listed_and_withdrawn(world: World) -> None:
    made = offer(world, one_way_ms="3")
    assert (made["carrier"], made["name"], made["latency_grade"], made["latency_class"]) == (
        "wuhu",
        "line",
        "declared",
        "5ms",
    )
    for who in ("operator", "supervisor", "provider2", "buyer"):
        assert world.ok(who, "GET", "/v1/links")["items"] == [made]
    assert refused(world, "provider2", "/v1/links", LINE) == (409, "duplicate_name")
    assert refused(world, "provider2", "/v1/links/line/withdraw", {}) == (404, "no_such_link")
    world.ok("provider", "POST", "/v1/links/line/withdraw", {})
    assert world.ok("buyer", "GET", "/v1/links")["items"] == []
    offer(world, "provider2")  # the name is free again
    (event,) = told(world, EventType.LINK_WITHDRAWN)
    assert event["name"] == "line"
    assert [one["name"] for one in told(world, EventType.LINK_OFFERED)] == ["line", "line"]


def test_pages_hold_every_link_once(world: World) -> None:
    names = [f"line-{n}" for n in range(5)]
    for name in names:
        offer(world, name=name)
    found, cursor = [], ""
    while cursor is not None:
        page = world.ok("buyer", "GET", f"/v1/links?limit=2&cursor={cursor}")
        found += [one["name"] for one in page["items"]]
        cursor = page["next"]
    assert found == names


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"end": "suzhou-cloud/nowhere"}, (404, "no_such_site")),
        ({"end": HERE}, (422, "field_invalid")),
        ({"capacity_mbps": "-1"}, (422, "field_invalid")),
        ({"cny_per_gb": 0.1}, (422, "field_invalid")),
        ({"courier_hours": "20"}, (422, "field_invalid")),
        ({"hours": [{"start": "22:00", "end": "22:00"}]}, (422, "field_invalid")),
    ],
)
def test_what_cannot_be_meant_is_refused(world: World, changes: dict[str, object], code: tuple[int, str]) -> None:
    assert refused(world, "provider", "/v1/links", {**LINE, **changes}) == code
    assert world.ok("buyer", "GET", "/v1/links")["items"] == []


def test_carriers_offer_links_and_those_of_other_kinds_or_unchecked_ones_do_not(world: World) -> None:
    codes = {"telco": ("carrier", True), "shop": ("buyer", True), "fresh": ("carrier", False)}
    for name, (kind, checked) in codes.items():
        region = {"title": name, "region": "310000"}
        world.ok("operator", "POST", "/v1/entities", {"name": name, "kind": kind, **region, **_proof(name)})
        if checked:
            world.ok("operator", "POST", f"/v1/entities/{name}/check", WHY)
        key = world.ok("operator", "POST", "/v1/principals", {"name": "p", "role": "provider", "entity": name})["key"]
        answer = world.hub.person(key).post("/v1/links", {**LINE, "name": name})
        told_code = answer.json().get("code", "")
        assert (answer.status_code, told_code) == {
            "telco": (200, ""),
            "shop": (403, "role_not_of_kind"),
            "fresh": (409, "entity_unchecked"),
        }[name]


def _proof(name: str) -> dict[str, object]:
    return {
        key: value
        for key, value in entity_fields(name, "provider").items()
        if key not in {"name", "kind", "title", "region"}
    }


def test_a_part_is_held_once_and_costs_what_would_pass(world: World) -> None:
    offer(world)
    made = world.ok("buyer", "POST", "/v1/links/reservations", held(world, 1, 2, "800"))
    assert (made["account"], made["mbps"], made["cost_cny"]) == ("lab", "800", "36")
    assert refused(world, "buyer2", "/v1/links/reservations", held(world, 1.5, 3, "201")) == (409, "link_full")
    world.ok("buyer2", "POST", "/v1/links/reservations", held(world, 1.5, 3, "200"))
    world.ok("buyer2", "POST", "/v1/links/reservations", held(world, 2, 3, "800"))
    assert [one["account"] for one in world.ok("buyer", "GET", "/v1/links/reservations")["items"]] == ["lab"]
    assert world.ok("provider2", "GET", "/v1/links/reservations")["items"] == []
    for who in ("provider", "operator", "supervisor"):
        assert len(world.ok(who, "GET", "/v1/links/reservations")["items"]) == 3
    assert refused(world, "provider", "/v1/links/line/withdraw", {}) == (409, "state_conflict")


def test_what_is_given_back_is_free_again_and_only_its_holder_gives_it_back(world: World) -> None:
    offer(world)
    made = world.ok("buyer", "POST", "/v1/links/reservations", held(world, 1, 2, "1000"))
    path = f"/v1/links/reservations/{made['id']}/give-back"
    assert refused(world, "buyer2", path, {}) == (404, "not_found")
    assert world.ok("buyer", "POST", path, {})["ended_at"] is not None
    assert refused(world, "buyer", path, {}) == (409, "already_done")
    world.ok("buyer2", "POST", "/v1/links/reservations", held(world, 1, 2, "1000"))
    assert [one["link"] for one in told(world, EventType.LINK_GIVEN_BACK)] == ["line"]
    assert [one["mbps"] for one in told(world, EventType.LINK_RESERVED)] == ["1000", "1000"]
    world.clock.advance(3 * 3600)
    world.ok("provider", "POST", "/v1/links/line/withdraw", {})


@pytest.mark.parametrize(
    ("start", "end", "link", "code"),
    [
        (-2, 1, "line", (422, "field_invalid")),
        (24 * 400, 24 * 401, "line", (422, "field_invalid")),
        (1, 24 * 100, "line", (422, "field_invalid")),
        (2, 1, "line", (422, "field_invalid")),
        (1, 2, "no-line", (404, "no_such_link")),
        (1, 2, "road", (422, "field_invalid")),
        (0, 24, "night", (409, "link_closed")),
    ],
)
def test_no_part_is_held_out_of_time(world: World, start: float, end: float, link: str, code: tuple[int, str]) -> None:
    offer(world)
    offer(world, name="road", courier_hours="20", courier_bytes=10**14)
    offer(world, name="night", hours=[{"start": "22:00", "end": "06:00"}])
    assert refused(world, "buyer", "/v1/links/reservations", held(world, start, end, link=link)) == code


_PARTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(1, 700)), min_size=1, max_size=14)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_PARTS)
def test_no_moment_of_a_link_is_promised_twice(world: World, asked: list[tuple[int, int, int]]) -> None:
    name = f"line-{new_id()}"
    offer(world, name=name)
    buyer = _caller(world)
    for start, hours, mbps in asked:
        body = NewReservation.model_validate(held(world, start, start + hours, str(mbps), link=name))
        with suppress(ConflictError):
            in_unit(world, lambda unit, body=body: links.reserve(unit, buyer, body))
    with world.hub.running.hub.reading() as unit:
        found = [one for one in rows.ahead(unit) if one["link"] == name]
    assert found
    for hour in range(53):
        at = world.clock() + timedelta(hours=hour)
        assert sum(one["mbps"] for one in found if one["start_at"] <= at < one["end_at"]) <= 1000


def _caller(world: World) -> Caller:
    with world.hub.running.hub.reading() as unit:
        entity = parties.find_entity(unit, "lab")
        assert entity is not None
        account = parties.account_of(unit, entity["id"])
        assert account is not None
        project = parties.first_project(unit, account["id"])
        assert project is not None
    return Caller(
        principal_id=PrincipalId(new_id()),
        role=Role.BUYER,
        entity_id=entity["id"],
        account_id=account["id"],
        project_id=project["id"],
    )


def test_what_is_measured_counts_before_what_is_declared_and_only_the_newest_stay(world: World) -> None:
    offer(world, one_way_ms="3")
    now = world.clock()

    def measure(unit: Unit) -> None:
        for n in range(rows.KEPT + 30):
            at = now - timedelta(minutes=n)
            links.keep_sample(
                unit, HERE, THERE, LinkSample(at=at, rtt_ms=Decimal(9), mbps=Decimal(300), loss=Decimal(0))
            )
        links.keep_sample(unit, THERE, HERE, LinkSample(at=now + timedelta(days=9), rtt_ms=Decimal(1)))

    in_unit(world, measure)
    back, there = world.ok("buyer", "GET", "/v1/links")["items"]
    assert (back["start"], back["name"], back["one_way_ms"], back["mbps"]) == (THERE, None, "0.500", None)
    assert back["measured_at"] == now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert (there["one_way_ms"], there["mbps"], there["mbps_grade"], there["samples"]) == (
        "4.500",
        "300",
        "measured",
        20,
    )
    with world.hub.running.hub.reading() as unit:
        count = select(func.count()).select_from(t.link_sample).where(t.link_sample.c.start == HERE)
        assert unit.connection.execute(count).scalar_one() == rows.KEPT
        oldest = unit.connection.execute(select(func.min(t.link_sample.c.at))).scalar_one()
    assert _moment(oldest) >= now - timedelta(minutes=rows.KEPT)
    shares = world.ok("supervisor", "GET", "/v1/links/classes")
    assert (shares["pairs"], shares["measured"], shares["within"]) == (2, 2, {"1ms": 1, "5ms": 2, "20ms": 2})


def _moment(at: object) -> datetime:
    assert isinstance(at, datetime)
    return at


def test_the_way_from_a_site_to_another_with_the_best_relay(world: World) -> None:
    third_site(world)
    path = f"/v1/paths?start={HERE}&end={WEST}"
    alone = world.ok("buyer", "GET", path)
    assert (alone["direct"]["latency_grade"], alone["direct"]["one_way_ms"], alone["why"]) == (
        "estimated",
        "16.7",
        "unknown",
    )
    assert "estimate" in alone["direct"]["source"]
    offer(world, name="slow", end=WEST, capacity_mbps="50")
    offer(world, name="first")
    offer(world, name="second", start=THERE, end=WEST)
    quick = world.ok("buyer", "GET", path)
    assert (quick["relay"], quick["why"], quick["relay_mbps"], quick["relay_copy_mbps"]) == (
        THERE,
        "quicker",
        "1000",
        "500.000",
    )
    assert [leg["name"] for leg in quick["legs"]] == ["first", "second"]
    assert world.person("buyer").get(f"/v1/paths?start={HERE}&end={HERE}").status_code == 422
    assert world.person("buyer").get(f"/v1/paths?start={HERE}&end=x/y").json()["code"] == "no_such_site"


def test_the_planner_is_handed_links_and_what_is_held_of_them(world: World) -> None:
    offer(world)
    world.ok("buyer", "POST", "/v1/links/reservations", held(world, 1, 2, "800"))
    with world.hub.running.hub.reading() as unit:
        found, parts = links.for_plan(unit)
        assumed, _parts = links.for_plan(unit, 50.0)
    assert [(one.name, one.mbps) for one in found] == [("line", 1000.0)]
    assert [(one.link, one.mbps) for one in parts] == [("line", 800.0)]
    assert {one.name: one.mbps for one in assumed} == {"line": 1000.0, f"{THERE}>{HERE}": 50.0}
