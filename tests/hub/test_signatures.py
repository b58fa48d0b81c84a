"""The connector's door: what is not signed rightly, by the right key, for this hub, now and once, changes nothing."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import func, select

from suanlian.crypto.httpsig import SignedResponse, verify_response
from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import SuanlianError
from suanlian.model.job import JobState
from suanlian.model.protocol import LogCall, ObjectCall, OutputCall, PollCall, ReportCall
from suanlian.sdk.connector import random_nonce
from suanlian.store import tables as t
from suanlian.testing.hub import SignedConnector
from tests.hub.test_bad_input import refused
from tests.hub.world import World, inventory, offer

POLL = "/connector/v1/poll"
BODY = PollCall(revision=0).model_dump_json().encode()
SHA = hashlib.sha256(b"x").hexdigest()


def test_a_call_without_a_signature_is_refused(world: World) -> None:
    before = world.hub.rows()
    for name in ("enrol", "poll", "report", "usage", "inventory", "logs", "outputs", "objects", "supervision"):
        answer = world.connector().send(f"/connector/v1/{name}", BODY, {"Content-Type": "application/json"})
        refused(answer, 401, "signature_missing")
    assert world.hub.rows() == before


def bad_terms(world: World) -> dict[str, tuple[dict[str, Any], str]]:
    other = world.connector("suzhou-cloud")
    now = world.clock()
    ages = {"expired": -181, "early": 120}
    moments = {name: now.fromtimestamp(now.timestamp() + age, now.tzinfo) for name, age in ages.items()}
    return {
        "a key that nobody enrolled": ({"keypair": KeyPair.generate()}, "signature_invalid"),
        "another platform's key": ({"keypair": other.keypair}, "signature_invalid"),
        "another platform's id": ({"keyid": other.id}, "signature_invalid"),
        "an id that nobody has": ({"keyid": "01990000-0000-7000-8000-000000000000"}, "key_unknown"),
        "for another hub": ({"audience": other.keypair.public.key_id}, "signature_invalid"),
        "another path": ({"url": "http://testserver/connector/v1/report"}, "signature_invalid"),
        "a query": ({"url": f"http://testserver{POLL}?x=1"}, "signature_invalid"),
        "expired": ({"now": moments["expired"]}, "signature_expired"),
        "early": ({"now": moments["early"]}, "signature_expired"),
    }


def test_a_call_that_is_signed_wrongly_is_refused(world: World) -> None:
    connector, before = world.connector(), world.hub.rows()
    seen = world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/connectors")
    world.clock.advance(1)
    for name, (terms, code) in bad_terms(world).items():
        answer = connector.send(POLL, BODY, connector.signed(POLL, BODY, **terms))
        assert (answer.status_code, answer.json()["code"]) == (401, code), name
    assert world.hub.rows() == before
    assert world.ok("provider", "GET", "/v1/platforms/wuhu-cluster/connectors") == seen


def test_a_body_or_header_that_was_changed_is_refused(world: World) -> None:
    connector = world.connector()
    headers = connector.signed(POLL, BODY)
    refused(connector.send(POLL, BODY + b" ", headers), 401, "digest_mismatch")
    without = {name: value for name, value in headers.items() if name != "Content-Digest"}
    refused(connector.send(POLL, BODY, without), 401, "signature_missing")
    torn = {**headers, "Signature": headers["Signature"][:-10] + "AAAAAAAAA:"}
    refused(connector.send(POLL, BODY, torn), 401, "signature_invalid")
    for odd in ("", "suanlian=()", "x" * 2000):
        refused(connector.send(POLL, BODY, {**headers, "Signature-Input": odd}), 401, "signature_missing")
    for odd in (f'suanlian=();keyid="{connector.id}"', f'x;keyid="{connector.id}"' * 40):
        refused(connector.send(POLL, BODY, {**headers, "Signature-Input": odd}), 401, "signature_invalid")
    charset = {**headers, "Content-Type": "application/json; charset=utf-8"}
    refused(connector.send(POLL, BODY, charset), 401, "signature_invalid")


def test_a_call_counts_once(world: World) -> None:
    connector = world.connector()
    headers = connector.signed(POLL, BODY)
    assert connector.send(POLL, BODY, headers).status_code == 200
    refused(connector.send(POLL, BODY, headers), 401, "signature_replayed")
    # once its time is over, its nonce may be forgotten: the clock refuses it
    world.clock.advance(600)
    world.hub.settle()
    with world.hub.running.hub.reading() as unit:
        assert unit.connection.execute(select(func.count()).select_from(t.nonce)).scalar_one() == 0
    refused(connector.send(POLL, BODY, headers), 401, "signature_expired")


def test_the_nonce_of_one_connector_is_not_anothers(world: World) -> None:
    nonce = random_nonce()
    for platform in ("wuhu-cluster", "suzhou-cloud"):
        connector = world.connector(platform)
        assert connector.send(POLL, BODY, connector.signed(POLL, BODY, nonce=nonce)).status_code == 200


def test_every_answer_to_a_known_connector_is_signed_refusals_too(world: World) -> None:
    connector = world.connector()
    bodies: Mapping[str, bytes] = {
        "poll": BODY,
        "report": b"{",
        "usage": b"{}",
        "logs": b"[]",
        "inventory": b'{"protocol": 2}',
        "outputs": json.dumps({"protocol": 99}).encode(),
    }
    for name, body in bodies.items():
        path, nonce = f"/connector/v1/{name}", random_nonce()
        answer = connector.send(path, body, connector.signed(path, body, nonce=nonce))
        said = SignedResponse(answer.status_code, dict(answer.headers), answer.content)
        verified = verify_response(said, lambda _: world.hub.key, request_nonce=nonce, now=world.clock())
        assert verified.nonce == nonce
        assert answer.status_code == (200 if name == "poll" else 400 if name == "report" else 422), answer.text


def test_another_protocol_version_is_refused(world: World) -> None:
    connector, before = world.connector(), world.hub.rows()
    # it has spoken 1 before
    for protocol, code in ((0, "protocol_downgrade"), (2, "protocol_unsupported"), (10**30, "protocol_unsupported")):
        body = json.dumps({"protocol": protocol, "revision": "0"}).encode()
        refused(connector.send(POLL, body), 422, code, "protocol")
    body = json.dumps({"protocol": "one", "revision": "0"}).encode()
    refused(connector.send(POLL, body), 422, "field_invalid", "protocol")
    assert world.hub.rows() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "-1"},
        {"revision": "99999999999999999999999999"},
        {"revision": "0", "wait_s": 31},
        {"revision": "0", "wait_s": -1},
        {},
    ],
)
def test_a_poll_that_cannot_be_meant_is_refused(world: World, changes: dict[str, Any]) -> None:
    refused(world.connector().send(POLL, json.dumps(changes).encode()), 422, "field_invalid")


def test_a_newer_connector_may_say_more(world: World) -> None:
    body = json.dumps({"revision": "0", "mood": "good"}).encode()
    assert world.connector().send(POLL, body).status_code == 200


def test_a_name_that_climbs_and_a_control_character_are_refused(world: World) -> None:
    _, told = world.at("wuhu-cluster")
    connector, before = world.connector(), world.hub.rows()
    fields = {"attempt_id": told.attempt_id, "token": str(told.token), "sha256": SHA, "data": "eA=="}
    for path, code in (("../x", "path_escapes"), ("/x", "field_invalid"), ("a\nb", "control_character")):
        body = json.dumps({**fields, "path": path}).encode()
        refused(connector.send("/connector/v1/outputs", body), 422, code, "path")
    report = {"attempt_id": told.attempt_id, "token": "1", "version": "1", "state": "RUNNING"}
    body = json.dumps({"attempts": [{**report, "outcome": {"reason": "a\u001b[2Jb"}}]}).encode()
    refused(connector.send("/connector/v1/report", body), 422, "control_character", "attempts.0.outcome.reason")
    assert world.hub.rows() == before


def test_an_output_has_the_digest_that_it_states(world: World) -> None:
    _, told = world.at("wuhu-cluster")
    connector, before = world.connector(), world.hub.rows()
    call = OutputCall(attempt_id=told.attempt_id, token=told.token, path="o", sha256=SHA, data="eQ==")
    with pytest.raises(SuanlianError) as caught:
        connector.client.output(call)
    assert caught.value.code == "checksum_mismatch"
    assert world.hub.rows() == before
    right = call.model_copy(update={"data": "eA=="})
    connector.client.output(right)
    connector.client.output(right)
    other = call.model_copy(update={"sha256": hashlib.sha256(b"y").hexdigest()})
    with pytest.raises(SuanlianError) as caught:
        connector.client.output(other)
    assert caught.value.code == "already_done"
    assert world.hub.rows()["output"] == 1


def test_another_platforms_connector_can_do_nothing_with_an_attempt(world: World) -> None:
    data = b"x"
    world.person("buyer").post(f"/v1/objects?sha256={SHA}", content=data)
    made, told = world.at("wuhu-cluster", inputs=[{"path": "a", "object": True, "sha256": SHA}])
    other, before = world.connector("suzhou-cloud"), world.hub.rows()
    ids: dict[str, Any] = {"attempt_id": told.attempt_id, "token": told.token}
    calls: tuple[Callable[[SignedConnector], object], ...] = (
        lambda who: who.client.log(LogCall(**ids, stream="stdout", offset=0, data="eA==")),
        lambda who: who.client.output(OutputCall(**ids, path="o", sha256=SHA, data="eA==")),
        lambda who: who.client.fetch_object(ObjectCall(**ids, sha256=SHA)),
    )
    for call in calls:
        with pytest.raises(SuanlianError) as caught:
            call(other)
        assert caught.value.code == "report_stale"
    assert other.report(told, JobState.RUNNING).verdict == "stale"
    after = world.hub.rows()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {}
    assert world.job(made["id"])["state"] == "QUEUED"
    for call in calls:
        call(world.connector())


def test_a_connector_reads_only_the_objects_that_its_job_names(world: World) -> None:
    world.person("buyer").post(f"/v1/objects?sha256={SHA}", content=b"x")
    _, told = world.at("wuhu-cluster")
    with pytest.raises(SuanlianError) as caught:
        world.connector().client.fetch_object(ObjectCall(attempt_id=told.attempt_id, token=told.token, sha256=SHA))
    assert caught.value.code == "not_found"


def test_an_inventory_that_does_not_fit_together_is_refused_whole(world: World) -> None:
    connector, before = world.connector(), world.hub.rows()
    with pytest.raises(SuanlianError) as caught:
        connector.publish(inventory("8"), offer(share="other"))
    assert (caught.value.code, caught.value.field or caught.value.faults[0].field) == ("field_invalid", "offers.share")
    body = json.loads(inventory().model_dump_json())
    wrong: tuple[dict[str, Any], ...] = ({"sites": []}, {"flavors": body["flavors"] * 2})
    for broken in wrong:
        content = json.dumps({"inventory": {**body, **broken}}).encode()
        refused(connector.send("/connector/v1/inventory", content), 422, "field_invalid", "inventory")
    assert world.hub.rows() == before


def test_a_report_that_is_too_long_is_refused(world: World) -> None:
    _, told = world.at("wuhu-cluster")
    one = {"attempt_id": told.attempt_id, "token": "1", "version": "1", "state": "RUNNING"}
    body = json.dumps({"attempts": [one] * 201}).encode()
    refused(world.connector().send("/connector/v1/report", body), 422, "field_invalid", "attempts")


def test_a_stranger_is_told_nothing_and_the_others_go_on(world: World) -> None:
    connector = world.connector()
    stranger = SignedConnector(world.wire, KeyPair.generate(), "01990000-0000-7000-8000-000000000000")
    answer = stranger.send("/connector/v1/report", ReportCall().model_dump_json().encode())
    refused(answer, 401, "key_unknown")
    assert connector.poll().connector_id == connector.id
