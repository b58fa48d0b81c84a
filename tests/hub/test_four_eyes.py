"""One person never does both halves; every step is kept; doing it again changes nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from suanlian.model.errors import SuanlianError
from suanlian.services.onboarding import PROPOSAL_LIFE
from suanlian.testing.hub import Person, SignedConnector
from tests.hub.test_bad_input import refused
from tests.hub.test_entities import licence, unchanged
from tests.hub.world import WHY, Stores, Template, World, running

NAME = "wuhu-cluster"
PATH = f"/v1/platforms/{NAME}"
ACTS = ("check-documents", "go-live", "suspend", "freeze", "lift", "rectify", "withdraw")
MEND = {"rectify": {"mend": "the clock"}}


def minted(world: World, by: str = "operator", name: str = "puppet") -> Person:
    """An operator whose key another one minted."""
    new = {"name": name, "role": "operator", "entity": "national"}
    return world.hub.person(world.ok(by, "POST", "/v1/principals", new)["key"])


def act(person: Person, verb: str, path: str = PATH) -> Any:  # noqa: ANN401 - an answer
    return person.post(f"{path}/{verb}", {**WHY, **MEND.get(verb, {})})


def state(world: World) -> str:
    found: str = world.ok("buyer", "GET", PATH)["state"]
    return found


def invited(world: World, name: str, *by: str) -> Person:
    """An operator who came in by the link that the last of these was shown."""
    answers = [world.ok(who, "POST", "/v1/operators/invite", {"name": name, **WHY}) for who in by]
    assert [bool(answer["link"]) for answer in answers] == [False] * (len(by) - 1) + [True]
    claim = {"link": answers[-1]["link"], "name": "ignored"}
    key = world.person("nobody").post("/v1/operators/claim", claim).json()
    assert key["principal"]["name"] == name
    return world.hub.person(key["key"])


def test_whose_key_one_minted_is_no_second_person(world: World) -> None:
    puppet, of_puppet = minted(world), minted(world, name="of-puppet")
    world.ok("operator", "POST", f"{PATH}/suspend", WHY)
    for person in (world.person("operator"), puppet, of_puppet):
        refused(act(person, "suspend"), 403, "same_person")
        refused(act(person, "lift"), 403, "same_person")
    assert state(world) == "suspended"
    assert act(world.person("operator2"), "suspend").json()["proposal"]["verdict"] == "confirmed"
    # two whose keys the same operator minted are one person too
    assert act(puppet, "go-live").status_code == 200
    refused(act(of_puppet, "go-live"), 403, "same_person")
    refused(act(world.person("operator"), "go-live"), 403, "same_person")
    assert act(world.person("operator2"), "go-live").json()["platform"]["state"] == "live"


def test_nobody_decides_about_their_own_through_an_operator_of_another_entity(world: World) -> None:
    """Whose key one minted is one person with them, so their own entity is that of each of them."""
    new = {"name": "own-puppet", "role": "operator", "entity": "wuhu"}
    insider = world.hub.person(world.ok("operator", "POST", "/v1/principals", new)["key"])
    refused(act(insider, "suspend"), 403, "own_platform")
    refused(act(world.person("operator"), "suspend"), 403, "own_platform")
    refused(world.person("operator").post("/v1/entities/wuhu/check", WHY), 403, "own_entity")
    assert act(world.person("operator2"), "suspend").status_code == 200


def test_a_key_for_another_operator_is_not_minted(world: World) -> None:
    new = {"name": "op2", "role": "operator", "entity": "national"}
    refused(unchanged(world, "/v1/principals", new), 403, "same_person", "name")
    assert world.person("operator2").post("/v1/principals", new).status_code == 200


def test_the_third_operator_is_invited_by_two(world: World) -> None:
    answer = world.person("operator").post("/v1/operators/invite", {"name": "op3", **WHY}).json()
    assert (answer["link"], answer["proposal"]["act"]) == ("", "invite-operator")
    refused(unchanged(world, "/v1/operators/invite", {"name": "op3", **WHY}), 403, "same_person")
    # it is confirmed by inviting too, so that the link is shown to one of them alone
    path = f"/v1/proposals/{answer['proposal']['id']}/confirm"
    refused(world.person("operator2").post(path, WHY), 409, "state_conflict")
    third = invited(world, "op3", "operator2")
    world.ok("operator", "POST", f"{PATH}/freeze", WHY)
    assert act(third, "lift").json()["platform"]["state"] == "live"
    refused(unchanged(world, "/v1/operators/invite", {"name": "op3", **WHY}), 409, "duplicate_name", "name")
    events = world.ok("operator", "GET", "/v1/events?type=operator.invited")["items"]
    assert [event["data"]["name"] for event in events] == ["op2", "op3"]


def test_a_link_works_once_and_for_a_day(world: World) -> None:
    world.ok("operator", "POST", "/v1/operators/invite", {"name": "op3", **WHY})
    link = world.ok("operator2", "POST", "/v1/operators/invite", {"name": "op3", **WHY})["link"]
    world.clock.advance(86400)
    claim = {"link": link, "name": "x"}
    refused(unchanged(world, "/v1/operators/claim", claim), 403, "link_invalid", "link")


def test_an_invitation_of_a_colleague_makes_no_operator(world: World) -> None:
    refused(unchanged(world, "/v1/invitations", {"role": "operator"}), 403, "forbidden")


def test_nobody_decides_on_a_platform_of_their_own_entity(world: World) -> None:
    world.ok("operator", "POST", "/v1/entities/national/change", {"kind": "both"})
    new = {"name": "desk", "role": "provider", "entity": "national"}
    owner = world.hub.person(world.ok("operator", "POST", "/v1/principals", new)["key"])
    assert owner.post("/v1/platforms", {"name": "ours"}).status_code == 200
    for verb in ACTS:
        refused(act(world.person("operator"), verb, "/v1/platforms/ours"), 403, "own_platform")


def test_a_proposal_lapses_and_a_suspension_does_not(world: World) -> None:
    world.ok("operator", "POST", f"{PATH}/suspend", WHY)
    world.ok("operator", "POST", "/v1/platforms/suzhou-cloud/withdraw", WHY)
    both = world.ok("supervisor", "GET", "/v1/proposals")["items"]
    assert [(one["act"], one["expires_at"] is None) for one in both] == [("suspend", True), ("withdraw", False)]
    world.clock.advance(PROPOSAL_LIFE / timedelta(seconds=1))
    refused(unchanged(world, f"/v1/proposals/{both[1]['id']}/confirm", WHY, by="operator2"), 409, "already_done")
    world.hub.settle()
    assert [one["act"] for one in world.ok("operator", "GET", "/v1/proposals")["items"]] == ["suspend"]
    found = world.ok("provider2", "GET", "/v1/platforms/suzhou-cloud/onboarding")["proposals"]
    assert [(one["verdict"], one["decided_by"]) for one in found if one["act"] == "withdraw"] == [("lapsed", "")]
    # it may be proposed anew, and lifting still takes another
    world.ok("operator", "POST", "/v1/platforms/suzhou-cloud/withdraw", WHY)
    refused(unchanged(world, f"{PATH}/lift", WHY), 403, "same_person")
    world.ok("operator2", "POST", f"/v1/proposals/{both[0]['id']}/decline", WHY)
    assert state(world) == "live"


def test_a_declined_proposal_moves_nothing_and_one_that_is_overtaken_is_void(world: World) -> None:
    proposed = act(world.person("operator"), "withdraw").json()["proposal"]
    # its proposer may take it back
    taken_back = world.ok("operator", "POST", f"/v1/proposals/{proposed['id']}/decline", WHY)
    assert (taken_back["proposal"]["verdict"], taken_back["platform"]["state"]) == ("declined", "live")
    refused(unchanged(world, f"/v1/proposals/{proposed['id']}/confirm", WHY, by="operator2"), 409, "already_done")
    proposed = act(world.person("operator"), "withdraw").json()["proposal"]
    act(world.person("operator2"), "freeze")
    refused(unchanged(world, f"/v1/proposals/{proposed['id']}/confirm", WHY, by="operator2"), 409, "already_done")
    assert state(world) == "frozen"


def test_a_freeze_over_a_suspension_is_lifted_back_to_it(world: World) -> None:
    act(world.person("operator"), "suspend")
    act(world.person("operator2"), "suspend")
    act(world.person("operator"), "freeze")
    assert act(world.person("operator2"), "lift").json()["platform"]["state"] == "suspended"
    # that was confirmed before, and is not lifted by one
    refused(act(world.person("operator2"), "lift"), 409, "state_conflict")


def test_who_reads_a_platforms_way_in(world: World) -> None:
    statuses = [world.person(who).get(f"{PATH}/onboarding").status_code for who in ("provider2", "buyer", "nobody")]
    assert statuses == [404, 403, 401]
    assert world.ok("supervisor", "GET", f"{PATH}/onboarding")["steps"][0]["act"] == "apply"


WHO = ("operator", "operator2", "puppet", "provider")
Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    """Makes a world of its own for each example."""
    return lambda: running(template, stores)


def person_behind(actor: str) -> str:
    """Who an actor of a step is, as the test knows it: the puppet is the operator."""
    return "op (national)" if actor == "puppet (national)" else actor


@given(steps=st.lists(st.tuples(st.sampled_from(WHO), st.sampled_from((*ACTS, "pass"))), min_size=6, max_size=16))
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # each example is a hub: shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_they_try_it_takes_two_persons(begin: Begin, steps: list[tuple[str, str]]) -> None:
    with begin() as world:
        people = {who: world.person(who) for who in WHO if who != "puppet"} | {"puppet": minted(world)}
        for who, verb in steps:
            before = (state(world), world.hub.rows())
            if verb == "pass":
                world.clock.advance(1)
                world.pass_gates(NAME)
                continue
            answer = act(people[who], verb)
            if answer.status_code != 200:
                assert (state(world), world.hub.rows()) == before
        found = world.ok("operator", "GET", f"{PATH}/onboarding")
        chain = found["steps"]
        # every step begins where the one before ended, and the last is where it is now
        assert [one["from_state"] for one in chain[1:]] == [one["to_state"] for one in chain[:-1]]
        assert chain[-1]["to_state"] == found["state"] == state(world)
        two_persons(found["proposals"], chain)


def two_persons(proposals: list[dict[str, Any]], chain: list[dict[str, Any]]) -> None:
    """Each act that two must want has a confirmed proposal of two different persons behind it."""
    for one in proposals:
        if one["verdict"] == "confirmed":
            assert person_behind(one["proposed_by"]) != person_behind(one["decided_by"]), one
    wanted = sum(step["act"] == "go-live" for step in chain)
    assert sum(one["act"] == "go-live" and one["verdict"] == "confirmed" for one in proposals) == wanted
    lifted = [step for step in chain if step["act"] == "lift"]
    for step in lifted:
        stops = [one for one in proposals if one["verdict"] == "declined" and one["act"] in ("suspend", "freeze")]
        decided = [one for one in stops if one["decided_at"] == step["at"] and one["decided_by"] == step["actor"]]
        assert decided, step
        assert all(person_behind(o["proposed_by"]) != person_behind(step["actor"]) for o in decided)


def test_supervision_reads_what_is_stopped_and_what_runs_out(world: World) -> None:
    world.ok("operator", "POST", f"{PATH}/suspend", {"why": "flood"})
    world.ok("provider", "POST", "/v1/entities/wuhu/change", {"qualifications": [licence(world, 20)]})
    world.ok("operator", "POST", "/v1/entities/wuhu/check", WHY)
    world.clock.advance(1)
    report = world.ok("supervisor", "GET", "/v1/supervision/report")
    assert report["platforms_by_state"] == {"live": 1, "suspended": 1}
    assert [(one["platform"], one["why"], one["confirmed"]) for one in report["stopped"]] == [(NAME, "flood", False)]
    assert [(one["entity"], one["qualification"]) for one in report["expiring"]] == [("wuhu", "licence")]
    world.ok("operator2", "POST", f"{PATH}/suspend", WHY)
    assert world.ok("supervisor", "GET", "/v1/supervision/report")["stopped"][0]["confirmed"] is True


def test_many_connectors_are_named_at_once_and_each_has_its_token(world: World) -> None:
    names = [f"dc-{n:02}" for n in range(34)]
    asked = {"name": "many", "connectors": [{"name": name, "title": name.upper()} for name in names]}
    world.ok("provider", "POST", "/v1/platforms", asked)
    world.ok("operator", "POST", "/v1/platforms/many/check-documents", WHY)
    tokens = world.ok("provider", "POST", "/v1/platforms/many/tokens", {})["tokens"]
    assert [one["connector"] for one in tokens] == names
    assert len({one["join_token"] for one in tokens}) == 34
    # again it mints none, and a renewed one ends the one before
    assert world.ok("provider", "POST", "/v1/platforms/many/tokens", {})["tokens"] == []
    (fresh,) = world.ok("provider", "POST", "/v1/platforms/many/tokens", {"connector": "dc-07"})["tokens"]
    with pytest.raises(SuanlianError) as caught:
        SignedConnector.enrol(world.wire, tokens[7]["join_token"], "dc-07")
    assert caught.value.code == "join_token_invalid"
    SignedConnector.enrol(world.wire, fresh["join_token"], "dc-07")
    shown = world.ok("provider", "GET", "/v1/platforms/many/onboarding")["connectors"]
    assert [one["name"] for one in shown if one["connector"]] == ["dc-07"]
    assert (shown[0]["title"], shown[0]["missing"][0]["code"]) == ("DC-00", "connector-enrolled")
    refused(unchanged(world, "/v1/platforms/many/tokens", {"connector": "dc-99"}, by="provider"), 404, "not_found")
    twice = {"name": "twice", "connectors": [{"name": "a"}, {"name": "a"}]}
    refused(unchanged(world, "/v1/platforms", twice, by="provider"), 422, "field_invalid")
    events = world.ok("operator", "GET", "/v1/events?type=token.minted&limit=200")["items"]
    assert "jt_" not in str(events)
