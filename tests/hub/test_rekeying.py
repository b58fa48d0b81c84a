"""A connector's key gives way to another without a gap; what the one before signed stays its own."""

from dataclasses import replace
from typing import Any

import pytest

from suanlian.crypto.documents import sign_document
from suanlian.crypto.keys import KeyPair
from suanlian.crypto.lineage import body_of
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import ConnectorId
from suanlian.model.job import JobState
from suanlian.model.protocol import EnrolCall, PollCall, UsageCall, Verdict
from suanlian.model.rekey import REKEY_TYPE, NewKey, RecoverCall, RekeyCall
from suanlian.model.usage import USAGE_TYPE, UsageBatch
from suanlian.testing.hub import SignedConnector, _client
from tests.hub.described import draft, hand_in
from tests.hub.test_bad_input import refused
from tests.hub.world import World, segment

RECOVERY = "/v1/platforms/wuhu-cluster/connectors/c1/recovery"


def with_key(connector: SignedConnector, keypair: KeyPair) -> SignedConnector:
    return replace(connector, keypair=keypair)


def introduce(connector: SignedConnector, fresh: KeyPair, *, by: KeyPair | None = None, of: str = "") -> RekeyCall:
    said = NewKey(connector_id=ConnectorId(of or connector.id), public_key=fresh.public_text)
    return RekeyCall(public_key=fresh.public_text, proof=sign_document(body_of(said), by or fresh, typ=REKEY_TYPE))


def code(work: Any) -> str:  # noqa: ANN401 - a call
    with pytest.raises(SuanlianError) as caught:
        work()
    return caught.value.code


def in_use(world: World) -> str:
    (found,) = world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/connectors")["items"]
    key: str = found["public_key"]
    return key


def test_the_old_key_holds_until_the_new_one_has_signed(world: World) -> None:
    old, fresh = world.connector(), KeyPair.generate()
    new = with_key(old, fresh)
    assert code(new.poll) == "signature_invalid"
    answer = old.client.rekey(introduce(old, fresh))
    assert (answer.public_key, answer.next_key) == (old.keypair.public_text, fresh.public_text)
    # doubled, as when its answer was lost; and the old key goes on
    assert old.client.rekey(introduce(old, fresh)).next_key == fresh.public_text
    old.poll()
    assert in_use(world) == old.keypair.public_text
    new.poll()
    assert in_use(world) == fresh.public_text
    # what the old one had under way still arrives, and takes nothing back
    old.poll()
    assert in_use(world) == fresh.public_text
    world.clock.advance(61)
    assert code(old.poll) == "signature_invalid"
    new.poll()
    (event,) = world.ok("operator", "GET", "/v1/events?type=connector.rekeyed")["items"]
    assert (event["data"]["before"], event["data"]["after"]) == (old.keypair.public_text, fresh.public_text)
    assert event["source"] == f"connector {old.id}"


def test_a_next_key_that_was_never_used_gives_way_to_another(world: World) -> None:
    old, first, second = world.connector(), KeyPair.generate(), KeyPair.generate()
    old.client.rekey(introduce(old, first))
    old.client.rekey(introduce(old, second))
    assert code(with_key(old, first).poll) == "signature_invalid"
    assert code(lambda: old.client.rekey(introduce(old, first))) == "duplicate_key"
    with_key(old, second).poll()
    assert in_use(world) == second.public_text


def test_a_key_is_introduced_by_who_has_both(world: World) -> None:
    old, other, fresh = world.connector(), world.connector("suzhou-cloud"), KeyPair.generate()
    before = world.hub.rows()["connector_key"]
    assert code(lambda: old.client.rekey(introduce(old, fresh, by=old.keypair))) == "signature_invalid"
    assert code(lambda: old.client.rekey(introduce(old, fresh, of=other.id))) == "signature_invalid"
    assert code(lambda: old.client.rekey(introduce(old, other.keypair))) == "duplicate_key"
    # by the new key alone: anybody could
    assert code(lambda: with_key(old, fresh).client.rekey(introduce(old, fresh))) == "key_unknown"
    assert code(lambda: with_key(other, fresh).client.rekey(introduce(other, fresh))) == "key_unknown"
    assert world.hub.rows()["connector_key"] == before
    assert in_use(world) == old.keypair.public_text


def test_usage_that_was_signed_before_the_key_changed_is_taken_after(world: World) -> None:
    _made, told = world.at("wuhu-cluster")
    old, fresh = world.connector(), KeyPair.generate()
    started = world.clock()
    old.report(told, JobState.RUNNING, started_at=started)
    world.clock.advance(36)
    waiting = old.usage_call(segment(told, started, 36))
    new = with_key(old, fresh)
    old.client.rekey(introduce(old, fresh))
    new.poll()
    world.clock.advance(3600)
    assert [answer.verdict for answer in new.client.usage(waiting).segments] == [Verdict.TAKEN]
    # a stranger's batch is not, whoever brings it
    batch = UsageBatch(connector_id=ConnectorId(old.id), number=9, segments=(segment(told, started, 36, 1),))
    forged = sign_document(batch.model_dump(mode="json"), KeyPair.generate(), typ=USAGE_TYPE)
    assert code(lambda: new.client.usage(UsageCall(batch=batch, signature=forged))) == "signature_invalid"


def test_a_descriptor_follows_the_key(world: World) -> None:
    old, fresh = world.connector(), KeyPair.generate()
    hand_in(old, draft(old))
    old.client.rekey(introduce(old, fresh))
    new = with_key(old, fresh)
    world.clock.advance(1)
    answer = hand_in(new, draft(new))
    assert answer.version == 2
    path = f"/v1/identifiers/{answer.identifier}/descriptors"
    keys = [world.ok("nobody", "GET", f"{path}/{n}")["descriptor"]["key"] for n in (1, 2)]
    assert keys == [old.keypair.public_text, fresh.public_text]


def recovered(world: World, token: str, fresh: KeyPair, name: str = "c1") -> SignedConnector:
    call = RecoverCall(token=token, name=name, public_key=fresh.public_text)
    answer = _client(world.wire, fresh, fresh.public_text).recover(call)
    return SignedConnector(world.wire, fresh, answer.connector_id)


def test_a_lost_key_is_replaced_by_a_token_of_the_owners(world: World) -> None:
    made, told = world.at("wuhu-cluster")
    lost, fresh = world.connector(), KeyPair.generate()
    lost.report(told, JobState.RUNNING, started_at=world.clock())
    token = world.ok("provider", "POST", RECOVERY)["token"]
    assert code(lambda: recovered(world, token, fresh, "c2")) == "token_of_another_connector"
    new = recovered(world, token, fresh)
    assert new.id == lost.id
    # again, as when the answer was lost; but not for another key
    assert recovered(world, token, fresh).id == lost.id
    assert code(lambda: recovered(world, token, KeyPair.generate())) == "join_token_invalid"
    assert code(lost.poll) == "signature_invalid"
    # what ran goes on under the new key
    assert [one.attempt_id for one in new.client.poll(PollCall(revision=0)).instructions] == [told.attempt_id]
    new.report(told, JobState.COMPLETE, started_at=world.clock(), version=2)
    world.hub.settle()
    assert world.job(made["id"])["state"] == "COMPLETE"


def test_tokens_of_the_owner_before_open_nothing_after_a_transfer(world: World) -> None:
    token = world.ok("provider", "POST", RECOVERY)["token"]
    named = {"connectors": [{"name": "c9"}]}
    world.ok("provider", "POST", "/v1/platforms/wuhu-cluster/connectors", named)
    (join,) = world.ok("provider", "POST", "/v1/platforms/wuhu-cluster/tokens", {})["tokens"]
    path = f"/v1/identifiers/{world.ok('buyer', 'GET', '/v1/platforms/wuhu-cluster')['public_id']}/transfers"
    at = f"/v1/transfers/{world.ok('operator', 'POST', path, {'why': 'sold', 'to': 'suzhou'})['id']}"
    world.ok("operator2", "POST", f"{at}/second")
    world.ok("provider2", "POST", f"{at}/accept")
    assert code(lambda: recovered(world, token, KeyPair.generate())) == "join_token_invalid"
    fresh = KeyPair.generate()
    call = EnrolCall(token=join["join_token"], name="c9", public_key=fresh.public_text)
    assert code(lambda: _client(world.wire, fresh, fresh.public_text).enrol(call)) == "join_token_invalid"


def test_a_recovery_token_is_the_owners_for_one_connector_and_once(world: World) -> None:
    for who, status, said in (
        ("provider2", 404, "not_found"),
        ("operator", 403, "forbidden"),
        ("buyer", 403, "forbidden"),
    ):
        refused(world.person(who).post(RECOVERY), status, said)
    refused(world.person("provider").post(RECOVERY.replace("c1", "c9")), 404, "not_found")
    token = world.ok("provider", "POST", RECOVERY)["token"]
    world.clock.advance(8 * 24 * 3600)
    assert code(lambda: recovered(world, token, KeyPair.generate())) == "join_token_invalid"
    other = world.connector("suzhou-cloud").keypair
    token = world.ok("provider", "POST", RECOVERY)["token"]
    assert code(lambda: recovered(world, token, other)) == "duplicate_key"
    assert code(lambda: recovered(world, "jt_x_y", KeyPair.generate())) == "join_token_invalid"
    # it enrols nobody
    with pytest.raises(SuanlianError) as caught:
        SignedConnector.enrol(world.wire, token)
    assert caught.value.code == "join_token_invalid"
    events = world.ok("operator", "GET", "/v1/events?limit=200")
    assert token not in str(events)
