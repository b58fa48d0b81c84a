"""How a platform comes in: applied, approved, live, suspended; join tokens; what it publishes, version by version."""

from typing import Any

import pytest

from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import SCHEME, Kind
from suanlian.testing.hub import SignedConnector
from tests.hub.test_bad_input import refused
from tests.hub.world import World, inventory, offer

DAY = 24 * 3600


def apply(world: World, name: str = "new", **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = world.ok("provider", "POST", "/v1/platforms", {"name": name, **fields})
    return made


def approve(world: World, name: str = "new") -> str:
    token: str = world.ok("operator", "POST", f"/v1/platforms/{name}/approve")["join_token"]
    return token


def state(world: World, name: str = "new") -> str:
    found: str = world.ok("buyer", "GET", f"/v1/platforms/{name}")["state"]
    return found


def enrol_code(world: World, token: str, **fields: Any) -> str:  # noqa: ANN401 - of SignedConnector.enrol
    """The code with which the hub refuses."""
    with pytest.raises(SuanlianError) as caught:
        SignedConnector.enrol(world.wire, token, **fields)
    return caught.value.code


def test_a_platform_comes_in_step_by_step(world: World) -> None:
    made = apply(world, title="New", title_zh="新")
    assert (made["state"], made["approved_at"], SCHEME.parse(made["public_id"]).kind) == (
        "applied",
        None,
        Kind.PLATFORM,
    )
    connector = SignedConnector.enrol(world.wire, approve(world))
    assert state(world) == "approved"
    assert connector.publish(inventory(), offer()) == 4
    assert state(world) == "live"
    kinds = [event["type"] for event in world.ok("operator", "GET", "/v1/events?limit=200")["items"]]
    wanted = ["platform.applied", "platform.approved", "connector.enrolled", "platform.live", "inventory.changed"]
    assert [kind for kind in kinds if kind in wanted][-5:] == wanted


def test_from_each_state_only_the_next_ones_are_reached(world: World) -> None:
    apply(world)
    operator = world.person("operator")

    def code(verb: str) -> str:
        answer = operator.post(f"/v1/platforms/new/{verb}", {"why": "x"} if verb == "suspend" else None)
        return "" if answer.status_code == 200 else str(answer.json()["code"])

    assert [code(verb) for verb in ("suspend", "resume")] == ["state_conflict", "state_conflict"]
    token = approve(world)
    assert code("resume") == "state_conflict"
    connector = SignedConnector.enrol(world.wire, token)
    connector.publish(inventory(), offer())
    assert [code("resume"), code("suspend"), code("suspend"), code("approve")] == [
        "state_conflict",
        "",
        "state_conflict",
        "state_conflict",
    ]
    with pytest.raises(SuanlianError) as caught:
        connector.publish(inventory("2"), offer())
    assert caught.value.code == "state_conflict"
    assert [code("resume"), state(world), code("approve")] == ["", "live", ""]
    refused(operator.post("/v1/platforms/none/approve"), 404, "no_such_platform", "platform")


def test_a_name_is_taken_once_and_a_label_is_for_hubs(world: World) -> None:
    apply(world)
    person = world.person("provider2")
    refused(person.post("/v1/platforms", {"name": "new"}), 409, "duplicate_name", "name")
    refused(person.post("/v1/platforms", {"name": "x", "label": "YRD"}), 422, "field_invalid", "label")
    refused(person.post("/v1/platforms", {"name": "x", "kind": "hub"}), 422, "field_invalid", "label")
    refused(person.post("/v1/platforms", {"name": "../x"}), 422, "field_invalid", "name")


def test_a_join_token_enrols_one_connector(world: World) -> None:
    apply(world)
    token = approve(world)
    assert enrol_code(world, token[:-2] + "AA") == "join_token_invalid"
    assert enrol_code(world, "jt_x") == "join_token_invalid"
    pair = KeyPair.generate()
    first = SignedConnector.enrol(world.wire, token, keypair=pair)
    before = world.hub.rows()
    # its answer may have been lost: the same key gets it again
    assert SignedConnector.enrol(world.wire, token, keypair=pair).id == first.id
    assert enrol_code(world, token, name="c2") == "join_token_invalid"
    assert world.hub.rows()["connector"] == before["connector"]
    assert enrol_code(world, world.template.keys["buyer"]) == "join_token_invalid"


def test_a_join_token_expires(world: World) -> None:
    apply(world)
    token = approve(world)
    world.clock.advance(7 * DAY)
    assert enrol_code(world, token) == "join_token_invalid"
    assert SignedConnector.enrol(world.wire, approve(world)).id


def test_a_platform_has_many_connectors_each_with_its_own_shares(world: World) -> None:
    first = world.connector()
    token = approve(world, "wuhu-cluster")
    assert enrol_code(world, token, name="c1") == "duplicate_name"
    second = SignedConnector.enrol(world.wire, token, "c2")
    with pytest.raises(SuanlianError) as caught:
        second.publish(inventory("8"), offer())
    assert caught.value.code == "duplicate_name"
    other = offer(share="s2").model_copy(update={"name": "o2"})
    assert second.publish(inventory("8", name="s2"), other) == 2
    made = world.submit(array_size=12, wants={"platform": "wuhu-cluster"})
    world.hub.settle()
    told = [first.poll(), second.poll()]
    assert [len(answer.instructions) for answer in told] == [4, 8]
    assert {i.share for i in told[1].instructions} == {"s2"}
    assert world.job(made["id"])["waiting"] == ""
    rows = world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/connectors")["items"]
    assert [(row["name"], row["revision"]) for row in rows] == [("c1", 4), ("c2", 8)]
    # what one leaves out is withdrawn; the other's stays
    second.publish(inventory("8", name="s3"), offer(share="s3").model_copy(update={"name": "o3"}))
    shares = world.ok("buyer", "GET", "/v1/shares?platform=wuhu-cluster")["items"]
    assert {share["body"]["name"] for share in shares} == {"s1", "s3"}


def test_what_is_published_has_versions_and_the_same_again_makes_none(world: World) -> None:
    connector = world.connector()
    assert connector.publish(inventory(), offer()) == 0
    world.clock.advance(1)
    assert connector.publish(inventory("5"), offer("0.2")) == 2
    (share,) = world.ok("buyer", "GET", "/v1/shares?platform=wuhu-cluster")["items"]
    assert (share["version"], share["body"]["capacity"]["cpu"]) == (2, "5")
    found = world.ok("nobody", "GET", f"/v1/identifiers/{share['public_id']}")
    assert (found["standing"], found["kind"], found["name"], found["state"]) == ("found", "H", "s1", "version 2")
    renamed = inventory("5", name="s9")
    connector.publish(renamed, offer("0.2", share="s9"))
    assert world.ok("nobody", "GET", f"/v1/identifiers/{share['public_id']}")["state"] == "withdrawn"


def test_what_people_see_of_a_platform_is_resolved_by_its_identifier(world: World) -> None:
    row = world.ok("buyer", "GET", "/v1/platforms/wuhu-cluster")
    for ref in (row["id"], row["public_id"], row["public_id"].lower()):
        if ref.islower() and ref != row["id"]:
            assert world.ok("nobody", "GET", f"/v1/identifiers/{ref}")["name"] == "wuhu-cluster"
        else:
            assert world.ok("buyer", "GET", f"/v1/platforms/{ref}")["name"] == "wuhu-cluster"
    unknown = SCHEME.format(SCHEME.parse(row["public_id"])._replace(uuid="01990000-0000-7000-8000-000000000000"))
    refused(world.person("nobody").get(f"/v1/identifiers/{unknown}"), 404, "not_found", "identifier")


def test_a_job_waits_with_its_reason_until_there_is_a_platform(new_world: World) -> None:
    hub = new_world.hub
    key = hub.person().post("/v1/operators/claim", {"link": new_world.template.link, "name": "op"}).json()["key"]
    operator = hub.person(key)
    operator.post("/v1/entities", {"name": "lab"})
    key = operator.post("/v1/principals", {"name": "b", "role": "buyer", "entity": "lab"}).json()["key"]
    spec = {"name": "a", "resources": {"cpu": "1", "memory": "1GiB"}}
    variant = {"architecture": "x86_64", "environment": "python", "command": ["true"]}
    made = hub.person(key).post("/v1/jobs", {**spec, "variants": [variant]}).json()
    hub.settle()
    assert hub.person(key).get(f"/v1/jobs/{made['id']}").json()["waiting"]
    refused(hub.person(key).get(f"/v1/jobs/{made['id']}/explanation"), 404, "not_found")
