"""Entities: who they are is stated, checked by an operator of another entity, and stands until the next check."""

from datetime import timedelta
from typing import Any

import pytest

from suanlian.model.party import today
from suanlian.testing.onboarding import entity_fields, example_code
from tests.hub.test_bad_input import refused
from tests.hub.world import WHY, World, job

CODE = example_code("new")


def add(world: World, name: str = "new", **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = world.ok("operator", "POST", "/v1/entities", {**entity_fields(name), **fields})
    return made


def standing(world: World, name: str = "new") -> str:
    found: str = world.ok("operator", "GET", f"/v1/entities/{name}")["standing"]
    return found


def licence(world: World, days: int = 10, **fields: object) -> dict[str, Any]:
    """A licence that holds for so many days more."""
    return {"kind": "licence", "valid_until": str(today(world.clock()) + timedelta(days=days)), **fields}


def unchanged(world: World, path: str, body: object, *, by: str = "operator") -> Any:  # noqa: ANN401 - an answer
    """The refusal of a call that changed nothing."""
    before = world.hub.rows()
    answer = world.person(by).post(path, body)
    assert world.hub.rows() == before
    return answer


def test_an_entity_is_stated_and_then_checked(world: World) -> None:
    made = add(world, title_zh="新", kind="provider", contacts=[{"name": "Li", "phone": "1"}])
    assert (made["standing"], made["credit_code"], made["region"]) == ("registered", CODE, "310000")
    checked = world.ok("operator", "POST", "/v1/entities/new/check", {**WHY, "reference": "2026-17"})
    assert (checked["standing"], checked["decided_why"]) == ("checked", "test")
    events = world.ok("operator", "GET", "/v1/events?type=entity.checked&limit=200")["items"]
    told = next(event["data"] for event in events if event["subject"] == made["id"])
    assert (told["before"], told["after"], told["reference"]) == ("registered", "checked", "2026-17")
    assert world.ok("operator", "POST", "/v1/entities/new/refuse", WHY)["standing"] == "refused"


@pytest.mark.parametrize("code", [CODE[:-1] + ("0" if CODE[-1] != "0" else "1"), "91", CODE.replace("91", "O1", 1)])
def test_a_wrong_credit_code_is_refused_by_its_own_code(world: World, code: str) -> None:
    fields = {**entity_fields("new"), "credit_code": code}
    refused(unchanged(world, "/v1/entities", fields), 422, "credit_code_invalid", "credit_code")
    add(world, credit_code=None)
    answer = unchanged(world, "/v1/entities/new/change", {"credit_code": code})
    refused(answer, 422, "credit_code_invalid", "credit_code")


def test_a_credit_code_is_kept_as_the_standard_writes_it_and_is_one_entitys(world: World) -> None:
    assert add(world, credit_code=f" {CODE.lower()} ")["credit_code"] == CODE
    fields = {**entity_fields("twin"), "credit_code": CODE}
    refused(unchanged(world, "/v1/entities", fields), 409, "credit_code_taken", "credit_code")
    answer = unchanged(world, "/v1/entities/lab/change", {"credit_code": CODE})
    refused(answer, 409, "credit_code_taken", "credit_code")


@pytest.mark.parametrize("region", ["160000", "000000", "31000", "3100000", "99"])
def test_a_region_begins_with_a_province(world: World, region: str) -> None:
    refused(
        unchanged(world, "/v1/entities", {**entity_fields("new"), "region": region}), 422, "field_invalid", "region"
    )


def test_what_is_missing_or_over_is_not_checked(world: World) -> None:
    add(world, credit_code=None)
    refused(unchanged(world, "/v1/entities/new/check", WHY), 409, "entity_incomplete", "credit_code")
    add(world, "old", qualifications=[licence(world, -1)])
    refused(unchanged(world, "/v1/entities/old/check", WHY), 409, "qualification_expired", "qualifications")
    refused(unchanged(world, "/v1/entities/none/check", WHY), 404, "not_found")
    refused(unchanged(world, "/v1/entities/old/check", {"why": ""}), 422, "field_invalid", "why")
    # a person has no credit code
    world.ok("operator", "POST", "/v1/entities", {"name": "li", "kind": "person"})
    assert world.ok("operator", "POST", "/v1/entities/li/check", WHY)["standing"] == "checked"


def test_nobody_checks_their_own_entity(world: World) -> None:
    for verb in ("check", "refuse"):
        refused(unchanged(world, f"/v1/entities/national/{verb}", WHY), 403, "own_entity")
    assert standing(world, "national") == "checked"


def test_what_was_checked_stands_until_the_change_is_looked_at(world: World) -> None:
    change = {"title": "Wuhu Next Ltd", "contacts": [{"name": "Wang", "email": "w@example.org"}]}
    after = world.ok("provider", "POST", "/v1/entities/wuhu/change", change)
    assert (after["standing"], after["title"], after["pending"]["title"]) == ("checked", "wuhu Ltd", "Wuhu Next Ltd")
    assert after["contacts"][0]["name"] == "Wang"
    assert world.hub.rows()["attempt"] == 0
    world.at("wuhu-cluster")  # work goes on
    # a second change is one of the first, and an empty one changes nothing
    again = world.ok("provider", "POST", "/v1/entities/wuhu/change", {"title_zh": "芜湖"})
    assert (again["pending"]["title"], again["pending"]["title_zh"]) == ("Wuhu Next Ltd", "芜湖")
    events = world.ok("operator", "GET", "/v1/events?type=entity.changed")["items"]
    assert world.ok("provider", "POST", "/v1/entities/wuhu/change", {}) == again
    assert world.ok("operator", "GET", "/v1/events?type=entity.changed")["items"] == events
    # of persons: which fields, never what stands in them
    assert [event["data"]["fields"] for event in events] == [["title", "contacts"], ["title_zh"]]
    assert "Wang" not in str(events)
    dropped = world.ok("operator", "POST", "/v1/entities/wuhu/refuse", WHY)
    assert (dropped["standing"], dropped["title"], dropped["pending"]) == ("checked", "wuhu Ltd", None)
    world.ok("provider", "POST", "/v1/entities/wuhu/change", {"title": "Wuhu Next Ltd"})
    taken = world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    assert (taken["standing"], taken["title"], taken["pending"]) == ("checked", "Wuhu Next Ltd", None)


def test_whom_to_reach_is_told_to_itself_and_operators_alone(world: World) -> None:
    world.ok("provider", "POST", "/v1/entities/wuhu/change", {"contacts": [{"name": "Wang"}], "title": "W"})
    for who in ("operator", "provider"):
        assert world.ok(who, "GET", "/v1/entities/wuhu")["contacts"][0]["name"] == "Wang"
    for path in ("/v1/entities/wuhu", "/v1/entities"):
        assert "Wang" not in world.person("supervisor").get(path).text
    there, nowhere = (world.person("buyer").get(f"/v1/entities/{name}") for name in ("wuhu", "nowhere"))
    assert there.text.replace("wuhu", "X") == nowhere.text.replace("nowhere", "X")


def test_what_runs_out_takes_effect_by_itself_and_is_renewed_by_a_check(world: World) -> None:
    change = {"qualifications": [licence(world, 2)]}
    world.ok("provider", "POST", "/v1/entities/wuhu/change", change)
    world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    _made, running = world.at("wuhu-cluster")
    world.clock.advance(2 * 86400)
    assert standing(world, "wuhu") == "checked"  # the last day counts whole
    world.clock.advance(86400)
    assert standing(world, "wuhu") == "expired"
    world.connector().poll()
    waits = world.submit(wants={"platform": "wuhu-cluster"})
    world.hub.settle()
    assert "not admitted" in world.job(waits["id"])["waiting"]
    assert [i.attempt_id for i in world.connector().poll().instructions] == [running.attempt_id]
    onboarding = world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/onboarding")
    assert [one["code"] for one in onboarding["missing"]] == ["qualification-renewed"]
    world.ok("provider", "POST", "/v1/entities/wuhu/change", {"qualifications": [licence(world, 400)]})
    world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    world.hub.settle()
    assert world.job(waits["id"])["waiting"] == ""


def test_a_decision_falls_when_the_entity_does(world: World) -> None:
    made = world.submit(wants={"platform": "wuhu-cluster"})
    world.ok("operator", "POST", "/v1/entities/wuhu/refuse", WHY)
    world.hub.settle()
    assert world.hub.rows()["attempt"] == 0
    assert "not admitted" in world.job(made["id"])["waiting"]
    # its platform keeps its state, and gets work again once the entity is checked
    assert world.ok("buyer", "GET", "/v1/platforms/wuhu-cluster")["state"] == "live"
    world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    world.hub.settle()
    assert world.hub.rows()["attempt"] == 1


@pytest.mark.parametrize(("kind", "code"), [("buyer", "entity_unchecked"), ("carrier", "entity_unchecked")])
def test_documents_are_checked_only_of_who_may_own_a_platform(world: World, kind: str, code: str) -> None:
    world.ok("provider", "POST", "/v1/platforms", {"name": "new"})
    world.ok("operator", "POST", "/v1/entities/wuhu/change", {"kind": kind})
    world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    refused(unchanged(world, "/v1/platforms/new/check-documents", WHY), 409, code)


def test_a_platform_of_an_unchecked_entity_stays_applied(world: World) -> None:
    add(world)
    new = {"name": "desk", "role": "provider", "entity": "new"}
    owner = world.hub.person(world.ok("operator", "POST", "/v1/principals", new)["key"])
    assert owner.post("/v1/platforms", {"name": "fresh"}).status_code == 200
    refused(unchanged(world, "/v1/platforms/fresh/check-documents", WHY), 409, "entity_unchecked")
    found = owner.get("/v1/platforms/fresh/onboarding").json()["missing"]
    assert [(one["code"], one["by"]) for one in found] == [
        ("entity-checked", "operator"),
        ("documents-checked", "operator"),
    ]
    assert found[0]["says"] == "An operator has to check the entity new."
    world.ok("operator", "POST", "/v1/entities/new/check", WHY)
    world.ok("operator", "POST", "/v1/platforms/fresh/check-documents", WHY)


def test_what_is_estimated_says_that_an_owner_is_not_checked(world: World) -> None:
    world.ok("operator", "POST", "/v1/entities/wuhu/refuse", WHY)
    found = world.ok("buyer", "POST", "/v1/jobs:estimate", job(wants={"platform": "wuhu-cluster"}))
    wuhu = next(one for one in found["candidates"] if one["platform"] == "wuhu-cluster")
    assert "admitted" in [failed["filter"] for failed in wuhu["failed"]]


def test_nobody_of_a_buyer_reads_what_is_everybodys(world: World) -> None:
    new = {"name": "watcher", "role": "supervisor", "entity": "lab"}
    refused(unchanged(world, "/v1/principals", new), 422, "role_not_of_kind", "role")
    world.ok("operator", "POST", "/v1/principals", {**new, "entity": "ministry"})
