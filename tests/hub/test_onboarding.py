"""How a platform comes in, step by step and by four eyes; join tokens; what it publishes, version by version."""

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
    asked = {"name": name, "connectors": [{"name": "c1"}], **fields}
    made: dict[str, Any] = world.ok("provider", "POST", "/v1/platforms", asked)
    return made


def approve(world: World, name: str = "new", connector: str = "c1") -> str:
    return world.token(name, connector)


def state(world: World, name: str = "new") -> str:
    found: str = world.ok("buyer", "GET", f"/v1/platforms/{name}")["state"]
    return found


def enrol_code(world: World, token: str, **fields: Any) -> str:  # noqa: ANN401 - of SignedConnector.enrol
    """The code with which the hub refuses."""
    with pytest.raises(SuanlianError) as caught:
        SignedConnector.enrol(world.wire, token, **fields)
    return caught.value.code


def missing(world: World, by: str = "provider", name: str = "new") -> list[str]:
    """The codes of what is missing."""
    return [one["code"] for one in world.ok(by, "GET", f"/v1/platforms/{name}/onboarding")["missing"]]


def act(world: World, by: str, verb: str, name: str = "new") -> str:
    """The code with which an act is refused; empty when it is done or proposed."""
    answer = world.person(by).post(f"/v1/platforms/{name}/{verb}", {"why": "test", **MEND.get(verb, {})})
    return "" if answer.status_code == 200 else str(answer.json()["code"])


MEND: dict[str, dict[str, str]] = {"rectify": {"mend": "the clock"}}


def test_a_platform_comes_in_step_by_step(world: World) -> None:
    made = apply(world, title="New", title_zh="新")
    assert (made["state"], made["documents_at"], SCHEME.parse(made["public_id"]).kind) == (
        "applied",
        None,
        Kind.PLATFORM,
    )
    assert missing(world) == ["documents-checked"]
    refused(world.person("provider").post("/v1/platforms/new/tokens", {}), 409, "state_conflict")
    assert act(world, "operator", "check-documents") == ""
    assert missing(world) == ["token-minted"]
    token = world.ok("provider", "POST", "/v1/platforms/new/tokens", {})["tokens"][0]["join_token"]
    assert missing(world) == ["connector-enrolled"]
    connector = SignedConnector.enrol(world.wire, token)
    world.hub.settle()
    assert (state(world), missing(world)) == ("connected", ["inventory-published"])
    assert connector.publish(inventory(), offer()) == 4
    world.hub.settle()
    # the run began by itself and could not be made: this connector offers no probes
    assert (state(world), missing(world)) == ("connected", ["conformance-passed"])
    assert act(world, "operator", "go-live") == "state_conflict"
    world.pass_gates("new")
    assert (state(world), missing(world)) == ("verified", ["go-live-proposed"])
    assert act(world, "operator", "go-live") == ""
    assert (state(world), missing(world)) == ("verified", ["go-live-confirmed"])
    assert act(world, "operator", "go-live") == "same_person"
    assert act(world, "operator2", "go-live") == ""
    assert (state(world), missing(world)) == ("live", [])
    steps = world.ok("provider", "GET", "/v1/platforms/new/onboarding")["steps"]
    assert [(one["act"], one["to_state"], one["actor"]) for one in steps] == [
        ("apply", "applied", "provider (wuhu)"),
        ("check-documents", "documents-checked", "op (national)"),
        ("connect", "connected", "hub"),
        ("pass-conformance", "conformance-passed", "hub"),
        ("verify", "verified", "hub"),
        ("go-live", "live", "op2 (national)"),
    ]
    events = world.ok("operator", "GET", "/v1/events?limit=200")["items"]
    moved = [event["data"] for event in events if event["subject"] == made["id"] and "after" in event["data"]]
    assert [one["after"] for one in moved] == [step["to_state"] for step in steps[1:]]


def test_from_each_state_only_the_next_ones_are_reached(world: World) -> None:
    apply(world)
    codes = {act(world, "operator", verb) for verb in ("suspend", "freeze", "lift", "rectify", "go-live")}
    assert codes == {"state_conflict"}
    connector = SignedConnector.enrol(world.wire, approve(world))
    connector.publish(inventory(), offer())
    world.go_live("new")
    assert [act(world, "operator", verb) for verb in ("check-documents", "lift", "suspend", "suspend")] == [
        "state_conflict",
        "state_conflict",
        "",
        "same_person",
    ]
    # an inventory is taken while it is suspended, tokens are not minted
    connector.publish(inventory("2"), offer())
    refused(world.person("provider").post("/v1/platforms/new/tokens", {}), 409, "state_conflict")
    assert [act(world, "operator", "go-live"), act(world, "operator", "lift")] == ["state_conflict", "same_person"]
    assert [act(world, "operator2", "lift"), state(world)] == ["", "live"]
    assert [act(world, "operator", "freeze"), state(world)] == ["", "frozen"]
    with pytest.raises(SuanlianError) as caught:
        connector.publish(inventory("3"), offer())
    assert caught.value.code == "state_conflict"
    assert [act(world, "operator2", "freeze"), act(world, "operator2", "lift")] == ["", "state_conflict"]
    assert [act(world, "operator2", "go-live"), state(world)] == ["", "frozen"]
    assert [act(world, "operator", "go-live"), state(world)] == ["", "live"]
    answer = world.person("operator").post("/v1/platforms/none/go-live", {"why": "x"})
    refused(answer, 404, "no_such_platform", "platform")


def test_what_is_to_be_mended_is_passed_anew(world: World) -> None:
    name = "wuhu-cluster"
    assert [act(world, "operator", "rectify", name), state(world, name)] == ["", "rectifying"]
    assert missing(world, name=name) == ["conformance-run"]
    world.hub.settle()
    assert state(world, name) == "rectifying"  # the run of before counts no longer
    assert act(world, "operator", "go-live", name) == "state_conflict"
    world.clock.advance(1)
    world.go_live(name)
    why = world.ok("provider", "GET", f"/v1/platforms/{name}/onboarding")["steps"][-4]["why"]
    assert why == "test (to mend: the clock)"


def test_its_owner_withdraws_at_once_and_operators_as_two(world: World) -> None:
    assert [act(world, "operator", "withdraw", "suzhou-cloud"), state(world, "suzhou-cloud")] == ["", "live"]
    assert [act(world, "operator2", "withdraw", "suzhou-cloud"), state(world, "suzhou-cloud")] == ["", "withdrawn"]
    assert act(world, "provider2", "withdraw", "wuhu-cluster") == "not_found"
    assert [act(world, "provider", "withdraw", "wuhu-cluster"), state(world, "wuhu-cluster")] == ["", "withdrawn"]
    acts = ("check-documents", "go-live", "suspend", "freeze", "lift", "rectify", "withdraw")
    assert {act(world, "operator", verb, "wuhu-cluster") for verb in acts} == {"state_conflict"}


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
    assert enrol_code(world, token, name="c2") == "token_of_another_connector"
    assert enrol_code(world, token[:-2] + "AA") == "join_token_invalid"
    assert enrol_code(world, "jt_x") == "join_token_invalid"
    pair = KeyPair.generate()
    first = SignedConnector.enrol(world.wire, token, keypair=pair)
    before = world.hub.rows()
    # its answer may have been lost: the same key gets it again
    assert SignedConnector.enrol(world.wire, token, keypair=pair).id == first.id
    assert enrol_code(world, token, name="c1") == "join_token_invalid"
    assert world.hub.rows()["connector"] == before["connector"]
    assert enrol_code(world, world.template.keys["buyer"]) == "join_token_invalid"


def test_a_join_token_expires(world: World) -> None:
    apply(world)
    token = approve(world)
    world.clock.advance(30 * DAY)
    assert enrol_code(world, token) == "join_token_invalid"
    assert SignedConnector.enrol(world.wire, approve(world)).id


def test_a_platform_has_many_connectors_each_with_its_own_shares(world: World) -> None:
    first = world.connector()
    refused(
        world.person("provider").post("/v1/platforms/wuhu-cluster/tokens", {"connector": "c1"}), 409, "already_done"
    )
    token = approve(world, "wuhu-cluster", "c2")
    second = SignedConnector.enrol(world.wire, token, "c2")
    with pytest.raises(SuanlianError) as caught:
        second.publish(inventory("8"), offer())
    assert caught.value.code == "duplicate_name"
    other = offer(share="s2").model_copy(update={"name": "o2"})
    assert second.publish(inventory("8", name="s2"), other) == 2
    made = world.submit(array_size=12, wants={"platform": "wuhu-cluster"})
    world.hub.settle()
    # what it publishes is shown, and not placed on before it has passed the gates itself
    assert [len(answer.instructions) for answer in (first.poll(), second.poll())] == [4, 0]
    world.clock.advance(1)
    world.pass_gates("wuhu-cluster")
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
    reason = "waits: no platform has published a share yet"
    assert hub.person(key).get(f"/v1/jobs/{made['id']}").json()["waiting"] == reason
    assert hub.person(key).get(f"/v1/jobs/{made['id']}/explanation").json()["candidates"] == []
