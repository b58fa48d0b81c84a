"""Descriptors are taken, kept and proved; an identifier is frozen, revoked, moved, given on; doubles are found."""

import json
from datetime import timedelta
from typing import Any

import pytest

from suanlian.crypto.keys import KeyPair
from suanlian.model.descriptor import Descriptor
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import Kind, public_id
from suanlian.rules.identifiers import JUNK_SERIALS, hardware_digest
from suanlian.sdk.verify import checked
from suanlian.testing.hub import SignedConnector
from tests.hub.described import draft, hand_in
from tests.hub.test_bad_input import refused
from tests.hub.world import World

WHY = {"why": "for a test"}


def identifier(world: World, platform: str = "wuhu-cluster") -> str:
    found: str = world.ok("buyer", "GET", f"/v1/platforms/{platform}")["public_id"]
    return found


def second_operator(world: World) -> Any:  # noqa: ANN401 - a person
    return world.person("operator2")


def code(connector: SignedConnector, new: Descriptor, **how: Any) -> str:  # noqa: ANN401 - of hand_in
    with pytest.raises(SuanlianError) as caught:
        hand_in(connector, new, **how)
    return caught.value.code


def events(world: World, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.ok("operator", "GET", f"/v1/events?type={kind}&limit=200")["items"]
    return found


def test_a_descriptor_is_registered_kept_and_proved_without_the_hub(world: World) -> None:
    connector, name = world.connector(), identifier(world)
    first = hand_in(connector, draft(connector))
    world.clock.advance(1)
    second = hand_in(connector, draft(connector, endpoints=["https://wuhu.example"]))
    assert (first.version, second.version, second.identifier) == (1, 2, name)
    kept = world.ok("nobody", "GET", f"/v1/identifiers/{name}/descriptors")["items"]
    assert [(entry["part"], entry["version"], entry["digest"]) for entry in kept] == [
        ("c1", 1, first.digest),
        ("c1", 2, second.digest),
    ]
    for version, endpoints in ((1, ()), (2, ("https://wuhu.example",))):
        text = world.person("nobody").get(f"/v1/identifiers/{name}/descriptors/{version}").content
        found = checked(text, world.hub.key.text)
        assert (found.descriptor.version, found.descriptor.endpoints) == (version, endpoints)
        assert found.status is not None
        assert (found.status.standing, found.status.state) == ("active", "live")
    newest = world.ok("nobody", "GET", f"/v1/identifiers/{name}/descriptor?part=c1")
    assert newest["descriptor"]["previous"] == first.digest
    history = world.ok("nobody", "GET", f"/v1/identifiers/{name}/history")["items"]
    assert [(entry["act"], entry["version"], entry["actor"]) for entry in history] == [
        ("registered", 1, ""),
        ("changed", 2, ""),
    ]
    assert [event["data"]["after"] for event in events(world, "identifier.changed")] == [second.digest]
    refused(world.person("nobody").get(f"/v1/identifiers/{name}/descriptors/3"), 404, "not_found")
    refused(world.person("nobody").get("/v1/identifiers/nowhere/descriptor"), 404, "not_found")


def test_the_same_descriptor_again_changes_nothing(world: World) -> None:
    connector = world.connector()
    new = draft(connector)
    first, before = hand_in(connector, new), world.hub.rows()
    again = hand_in(connector, new)
    assert (again.version, again.digest, again.registered_at) == (1, first.digest, first.registered_at)
    after = world.hub.rows()
    assert {name: n for name, n in after.items() if name != "nonce"} == {
        name: n for name, n in before.items() if name != "nonce"
    }


def test_a_forged_descriptor_is_refused(world: World) -> None:
    connector, other = world.connector(), world.connector("suzhou-cloud")
    new, thief = draft(connector), KeyPair.generate()
    before = world.hub.rows()["descriptor"]
    assert code(connector, new, by=thief) == "descriptor_forged"
    assert code(other, new, by=connector.keypair) == "descriptor_forged"
    foreign = public_id("CN", Kind.PLATFORM, "01990000-0000-7000-8000-000000000001")
    for changes in (
        {"identifier": foreign},
        {"platform": "suzhou-cloud"},
        {"part": "c2"},
        {"entity": foreign},
        {"issuer": "CN.YRD"},
        {"key": thief.public_text},
    ):
        assert code(connector, new.model_copy(update=changes)) == "descriptor_forged"
    assert world.hub.rows()["descriptor"] == before


def test_a_stale_descriptor_is_refused(world: World) -> None:
    connector = world.connector()
    first = draft(connector)
    old, early = world.clock() - timedelta(hours=1), world.clock() + timedelta(hours=1)
    for changes in ({"version": 2}, {"made_at": old}, {"made_at": early}, {"previous": f"sha-256:{'0' * 64}"}):
        assert code(connector, first.model_copy(update=changes)) == "descriptor_stale"
    hand_in(connector, first)
    world.clock.advance(1)
    second = draft(connector, level="trade")
    hand_in(connector, second)
    # the first one again is not the last one
    assert code(connector, first) == "descriptor_stale"
    assert code(connector, second.model_copy(update={"version": 3, "previous": first.previous})) == "descriptor_stale"
    assert world.hub.rows()["descriptor"] == 2


def test_one_operator_freezes_and_another_decides_further(world: World) -> None:
    name, path = identifier(world), f"/v1/identifiers/{identifier(world)}"
    connector, other = world.connector(), second_operator(world)
    frozen = world.ok("operator", "POST", f"{path}/freeze", WHY)
    assert frozen["status"]["standing"] == "frozen"
    assert code(connector, draft(connector)) == "identifier_frozen"
    refused(world.person("operator").post(f"{path}/freeze", WHY), 409, "state_conflict")
    for verb in ("thaw", "revoke"):
        refused(world.person("operator").post(f"{path}/{verb}", WHY), 403, "same_person")
    assert other.post(f"{path}/thaw", WHY).json()["status"]["standing"] == "active"
    hand_in(connector, draft(connector))
    assert other.post(f"{path}/freeze", WHY).status_code == 200
    refused(other.post(f"{path}/revoke", WHY), 403, "same_person")
    assert world.ok("operator", "POST", f"{path}/revoke", WHY)["status"]["standing"] == "revoked"
    for verb in ("freeze", "thaw", "revoke"):
        refused(other.post(f"{path}/{verb}", WHY), 409, "state_conflict")
    world.clock.advance(1)
    assert code(connector, draft(connector, level="run")) == "identifier_revoked"
    assert world.ok("nobody", "GET", f"{path}/status")["status"]["standing"] == "revoked"
    seen = world.ok("supervisor", "GET", f"{path}/history")["items"]
    assert [(entry["act"], entry["why"] == WHY["why"]) for entry in seen] == [
        ("frozen", True),
        ("thawed", True),
        ("registered", False),
        ("frozen", True),
        ("revoked", True),
    ]
    assert not any(entry["why"] for entry in world.ok("buyer", "GET", f"{path}/history")["items"])
    assert any(entry["why"] for entry in world.ok("provider", "GET", f"{path}/history")["items"])
    (event,) = events(world, "identifier.revoked")
    assert (event["subject"], event["data"]["before"], event["data"]["after"]) == (name, "frozen", "revoked")


def test_a_moved_identifier_names_the_new_one(world: World) -> None:
    path, new = f"/v1/identifiers/{identifier(world)}", identifier(world, "suzhou-cloud")
    refused(world.person("operator").post(f"{path}/move", {**WHY, "to": "nowhere"}), 422, "identifier_invalid")
    refused(world.person("operator").post(f"{path}/move", {**WHY, "to": identifier(world)}), 422, "field_invalid")
    refused(world.person("operator").post(f"{path}/move", {"to": new}), 422, "field_invalid")
    moved = world.ok("operator", "POST", f"{path}/move", {**WHY, "to": new})["status"]
    assert (moved["standing"], moved["moved_to"]) == ("moved", new)


def test_a_transfer_takes_two_operators_and_the_new_owner(world: World) -> None:
    path, other = f"/v1/identifiers/{identifier(world)}", second_operator(world)
    transfer = world.ok("operator", "POST", f"{path}/transfers", {**WHY, "to": "suzhou"})
    at = f"/v1/transfers/{transfer['id']}"
    refused(world.person("operator").post(f"{path}/transfers", {**WHY, "to": "suzhou"}), 409, "state_conflict")
    refused(world.person("operator").post(f"{at}/second"), 403, "same_person")
    refused(world.person("provider").post(f"{at}/accept"), 404, "not_found")
    assert world.ok("provider2", "POST", f"{at}/accept")["done_at"] is None
    assert world.ok("buyer", "GET", "/v1/platforms/wuhu-cluster")["entity_id"] == platform_owner(world, "provider")
    assert other.post(f"{at}/second").json()["done_at"] is not None
    assert world.ok("buyer", "GET", "/v1/platforms/wuhu-cluster")["entity_id"] == platform_owner(world, "provider2")
    refused(other.post(f"{at}/second"), 409, "state_conflict")
    (event,) = events(world, "identifier.transferred")
    assert event["data"]["before"] != event["data"]["after"]
    # the new owner speaks through the same connector, under its own name from now on
    connector = world.connector()
    new = draft(connector)
    assert new.entity == event["data"]["after"]
    hand_in(connector, new)


def platform_owner(world: World, who: str) -> str:
    found: str = world.ok(who, "GET", "/v1/me")["entity_id"]
    return found


def test_a_transfer_lapses_and_is_declined(world: World) -> None:
    path, other = f"/v1/identifiers/{identifier(world)}", second_operator(world)
    propose = {**WHY, "to": "suzhou"}
    for wrong, status, said in (
        ({**WHY, "to": "nobody"}, 404, "not_found"),
        ({**WHY, "to": "wuhu"}, 422, "field_invalid"),
    ):
        refused(world.person("operator").post(f"{path}/transfers", wrong), status, said)
    first = world.ok("operator", "POST", f"{path}/transfers", propose)["id"]
    world.clock.advance(8 * 24 * 3600)
    refused(other.post(f"/v1/transfers/{first}/second"), 409, "state_conflict")
    second = world.ok("operator", "POST", f"{path}/transfers", propose)["id"]
    assert world.ok("provider2", "POST", f"/v1/transfers/{second}/decline")["ended_at"] is not None
    refused(other.post(f"/v1/transfers/{second}/second"), 409, "state_conflict")
    assert len(world.ok("provider2", "GET", f"{path}/transfers")["items"]) == 2
    world.ok("operator", "POST", f"{path}/freeze", WHY)
    refused(world.person("operator").post(f"{path}/transfers", propose), 409, "state_conflict")


def test_one_address_or_key_stands_under_one_identifier(world: World) -> None:
    wuhu, suzhou = world.connector(), world.connector("suzhou-cloud")
    hand_in(wuhu, draft(wuhu, endpoints=["https://gpu.example/"]))
    double = draft(suzhou, "suzhou-cloud", endpoints=["https://GPU.example"])
    with pytest.raises(SuanlianError) as caught:
        hand_in(suzhou, double)
    assert caught.value.code == "duplicate_endpoint"
    assert "wuhu" not in str(caught.value)
    hand_in(suzhou, draft(suzhou, "suzhou-cloud"))
    # an address that is given up is free
    world.clock.advance(1)
    hand_in(wuhu, draft(wuhu))
    world.clock.advance(1)
    hand_in(suzhou, draft(suzhou, "suzhou-cloud", endpoints=["https://gpu.example"]))


def test_a_key_is_enrolled_at_one_platform(world: World) -> None:
    world.ok("provider2", "POST", "/v1/platforms", {"name": "third"})
    token = world.token("third", by="provider2")
    with pytest.raises(SuanlianError) as caught:
        SignedConnector.enrol(world.wire, token, keypair=world.connector().keypair)
    assert caught.value.code == "duplicate_key"
    SignedConnector.enrol(world.wire, token)


def test_one_machine_under_two_owners_is_flagged_and_junk_is_not(world: World) -> None:
    wuhu, suzhou = world.connector(), world.connector("suzhou-cloud")
    hub_id = world.hub.running.hub.node.id
    serial = hardware_digest(hub_id, "SN-4711-XY")
    junk = tuple(hardware_digest(hub_id, one) for one in sorted(JUNK_SERIALS))
    hand_in(wuhu, draft(wuhu), hardware=(serial, *junk))
    assert world.ok("operator", "GET", "/v1/duplicates")["items"] == []
    hand_in(suzhou, draft(suzhou, "suzhou-cloud"), hardware=(serial, *junk))
    (found,) = world.ok("supervisor", "GET", "/v1/duplicates")["items"]
    both = sorted([identifier(world), identifier(world, "suzhou-cloud")])
    assert (found["kind"], sorted(found["identifiers"]), len(found["entities"])) == ("hardware", both, 2)
    (event,) = events(world, "identifier.doubled")
    assert (event["subject"], event["data"]["others"]) == (
        both[1] if both[1] != identifier(world) else both[0],
        [identifier(world)],
    )
    # no digest leaves the hub again, and what is kept is not what came
    for path in ("/v1/duplicates", "/v1/events?limit=200", f"/v1/identifiers/{both[0]}/descriptor"):
        assert serial not in json.dumps(world.ok("operator", "GET", path))


@pytest.mark.parametrize(
    "path",
    [
        "descriptors/0",
        f"descriptors/{10**30}",
        "descriptors/x",
        f"history?cursor={10**30}",
        "history?cursor=-1",
        "descriptors?part=A%20b",
        "descriptors?limit=0",
    ],
)
def test_what_cannot_be_meant_is_refused(still: World, path: str) -> None:
    refused(still.person("nobody").get(f"/v1/identifiers/{identifier(still)}/{path}"), 422, "field_invalid")


@pytest.mark.parametrize("cursor", ["x", ":", f"c1:{10**30}", "c1:٣", "%3A%3A"])
def test_a_cursor_that_we_never_gave_begins_anew(still: World, cursor: str) -> None:
    answer = still.person("nobody").get(f"/v1/identifiers/{identifier(still)}/descriptors?cursor={cursor}")
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


@pytest.mark.parametrize("name", ["%00", "a%00b", "%F0%9F%92%A5", "x" * 300, "%2F"])
def test_an_odd_name_is_no_identifier(still: World, name: str) -> None:
    for tail in ("", "/status", "/descriptor", "/history", "/descriptors"):
        answer = still.person("operator").get(f"/v1/identifiers/{name}{tail}")
        assert answer.status_code in (404, 422), (tail, answer.text)
    assert still.person("operator").get(f"/v1/identifiers/{name}/resolution").status_code in (404, 422)
    assert still.person("operator").post(f"/v1/transfers/{name}/second").status_code in (404, 422)
