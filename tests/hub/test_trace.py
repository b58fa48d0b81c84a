"""Every act leaves its row in the journal, refusals that matter too; what is secret is in none of them."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.event import EventType
from suanlian.model.protocol import PollCall
from suanlian.rules.access import ACTIONS, Door
from suanlian.services.refusals import MOST_ROWS, Refusal, Refusals
from suanlian.store import tables as t
from suanlian.store.unit import Row
from suanlian.testing.hub import SignedConnector
from tests.hub.test_access import SECRET, TABLE, WHO, api_routes, call, done, policies
from tests.hub.test_bad_input import refused
from tests.hub.world import World, job

__all__ = ["done"]

BY_CONNECTORS = {
    "POST /connector/v1/enrol": EventType.CONNECTOR_ENROLLED,
    "POST /connector/v1/report": EventType.ATTEMPT_STARTED,
    "POST /connector/v1/usage": EventType.USAGE_RECORDED,
    "POST /connector/v1/inventory": EventType.INVENTORY_CHANGED,
    "POST /connector/v1/logs": EventType.LOG_BEGUN,
    "POST /connector/v1/outputs": EventType.OUTPUT_KEPT,
}
"""What of a connector's calls the world of these tests has made, and the row that each leaves."""
ELSEWHERE = {
    "POST /v1/operators/claim": "test_the_first_operator_leaves_a_row, below",
    "POST /v1/keys/{prefix}/revoke": "test_a_key_that_is_revoked_leaves_a_row, below",
    "POST /v1/jobs/{ref}/cancel": "test_a_job_that_is_cancelled_leaves_a_row, below",
    "POST /connector/v1/supervision": "tests/hub/test_two_hubs.py: report.received",
    "POST /connector/v1/audit": "tests/hub/test_witness.py: audit.witnessed",
    "POST /v1/sessions": "tests/hub/test_sign_in.py: key.minted, with a provider",
    "POST /v1/sessions/redeem": "tests/hub/test_sign_in.py: key.minted, with a provider",
    "POST /v1/me/identities": "tests/hub/test_sign_in.py: identity.linked, with a provider",
    "POST /v1/entities/{ref}/change": "test_a_change_of_details_leaves_a_row, below; the table's changes nothing",
    "POST /v1/platforms/{ref}/connectors": "tests/hub/test_onboarding.py; the table's names what is named already",
    "POST /v1/platforms/{ref}/tokens": "tests/hub/test_onboarding.py; in the table every connector has its key",
    "POST /v1/platforms/{ref}/check-documents": "tests/hub/test_onboarding.py: platform.moved, when it has applied",
    "POST /v1/platforms/{ref}/go-live": "tests/hub/test_onboarding.py: proposal.made, when it is verified",
    "POST /v1/platforms/{ref}/lift": "tests/hub/test_onboarding.py: proposal.made, when it is suspended",
    "POST /v1/proposals/{ref}/confirm": "tests/hub/test_onboarding.py: proposal.decided, by a second operator",
    "POST /v1/proposals/{ref}/decline": "tests/hub/test_onboarding.py: proposal.decided, by a second operator",
    "POST /v1/platforms/{ref}/verifications": "tests/hub/test_verification.py: verification.asked",
    "POST /v1/jobs/{ref}/move": "tests/hub/test_moving.py: job.moving",
    "POST /v1/jobs/{ref}/pause": "tests/hub/test_moving.py: job.pausing",
    "POST /v1/jobs/{ref}/resume": "tests/hub/test_moving.py: job.resuming",
    "POST /connector/v1/checkpoint": "a piece changes nothing that anybody sees; checkpoint.kept when the set is whole",
    "POST /connector/v1/checkpoint-whole": "tests/hub/test_moving.py: checkpoint.kept",
    "POST /v1/platforms/{ref}/undrain": "tests/hub/test_moving.py: platform.undrained, when it is drained",
    "POST /v1/me/erase": "tests/hub/test_erasing.py: account.erasing, account.erased",
    "POST /v1/supply/checks/{check_id}/reply": "tests/hub/test_supply.py: supply.replied",
    "POST /v1/links/{name}/withdraw": "tests/hub/test_links.py: link.withdrawn",
    "POST /v1/links/reservations": "tests/hub/test_links.py: link.reserved",
    "POST /v1/links/reservations/{reservation}/give-back": "tests/hub/test_links.py: link.given-back",
    "POST /connector/v1/rekey": "tests/hub/test_rekeying.py: connector.rekeyed",
    "POST /connector/v1/recover": "tests/hub/test_rekeying.py: connector.rekeyed",
    "POST /connector/v1/delegation": "tests/hub/test_delegation.py: delegation.signed",
    "POST /connector/v1/lend": "tests/hub/test_lending.py: lend.offered",
    "POST /connector/v1/lend-confirm": "tests/hub/test_lending.py: job.submitted",
    "POST /connector/v1/lent-cancel": "tests/hub/test_lending.py: lend.withdrawn, job.canceling",
    "POST /ga4gh/tes/v1/tasks": "tests/hub/test_tes.py: tes.created, job.submitted",
    "POST /ga4gh/tes/v1/tasks/{ref}:cancel": "tests/hub/test_tes.py: job.canceling",
    "DELETE /v1/secrets/{name}": "tests/hub/test_secrets.py: secret.removed",
    "POST /connector/v1/secrets": "tests/hub/test_secrets.py: secret.sent",
    "POST /connector/v1/descriptor": "tests/hub/test_identifiers.py: identifier.registered, identifier.changed",
    "POST /v1/transfers/{transfer}/second": "tests/hub/test_identifiers.py: by two operators",
    "POST /v1/transfers/{transfer}/accept": "tests/hub/test_identifiers.py: by the new owner",
    "POST /v1/transfers/{transfer}/decline": "tests/hub/test_identifiers.py: by the new owner",
    "POST /v1/identifiers/{identifier}/thaw": "tests/hub/test_identifiers.py: after a freeze",
    "POST /v1/identifiers/{identifier}/revoke": "tests/hub/test_identifiers.py: after a freeze",
    "POST /v1/datasets/{ref}/replicas": "tests/hub/test_datasets.py: data.asked, replica.added",
    "DELETE /v1/datasets/{ref}/replicas/{replica}": "tests/hub/test_datasets.py: replica.moved",
    "POST /v1/datasets/{ref}/replicas/{replica}/pin": "tests/hub/test_datasets.py: replica.pinned",
    "POST /v1/datasets/{ref}/seal": "tests/hub/test_datasets.py: version.sealed, once it is taken",
    "POST /v1/datasets/{ref}/verify": "tests/hub/test_datasets.py: replica.verifying",
    "POST /v1/datasets/{ref}/uploads": "tests/hub/test_datasets.py: data.granted",
    "POST /v1/datasets/{ref}/downloads": "tests/hub/test_datasets.py: data.granted",
    "DELETE /v1/grants/{grant}": "tests/hub/test_datasets.py: data.grant-ended",
    "POST /v1/transfers/{ref}/cancel": "tests/hub/test_datasets.py: data.moved",
    "POST /v1/transfers/{ref}/retry": "tests/hub/test_datasets.py: data.asked",
    "DELETE /v1/copy-rules/{ref}": "tests/hub/test_datasets.py: copy-rule.ended",
    "POST /connector/v1/data/report": "tests/hub/test_datasets.py: replica.moved, version.sealed, data.moved",
    "POST /connector/v1/data/files": "pages change nothing that anybody reads before version.sealed",
    "POST /connector/v1/data/grants": "pages are read by whoever uses the grant: data.moved, data.granted",
    "POST /connector/v1/measurements": "tests/hub/test_capabilities.py: measurement.taken",
}
"""Changing routes that the table of test_access.py does not get to succeed: where their row is looked for instead."""
CHANGING = [route for route in TABLE if not route.startswith("GET ")]


def rows(world: World) -> Sequence[Row]:
    """The journal; what waits to be written is written first."""
    world.hub.running.hub.writer.run(lambda _unit: None)
    with world.hub.running.hub.reading() as unit:
        return unit.connection.execute(select(t.event).order_by(t.event.c.number)).mappings().all()


def told(world: World, kind: EventType = EventType.CALL_REFUSED) -> list[dict[str, Any]]:
    """The events of one kind, with their data read."""
    return [{**row, **json.loads(row["data"])} for row in rows(world) if row["type"] == kind.value]


def actors(found: Iterable[Row]) -> set[tuple[str, str]]:
    return {(row["actor"], row["source"]) for row in found}


@pytest.mark.parametrize("route", CHANGING)
def test_every_route_that_changes_anything_leaves_a_row(world: World, done: dict[str, Any], route: str) -> None:
    (found,) = [
        one for one in api_routes(world.hub.app) for method in one.methods or () if f"{method} {one.path}" == route
    ]
    rule = ACTIONS[policies(found)[0].action]
    if rule.door is Door.CONNECTOR:
        kind = BY_CONNECTORS.get(route)
        assert kind is not None or rule.reads or route in ELSEWHERE, f"{route}: say which row it leaves"
        if kind is not None:
            ids = {identity.id for identity in world.template.connectors.values()}
            made = [row for row in rows(world) if row["type"] == kind.value]
            assert made
            assert actors(made) <= {(one, f"connector {one}") for one in ids}
        return
    before = len(rows(world))
    succeeded = next((who for who in WHO if call(world, who, route, done) < 300), None)
    fresh = [row for row in rows(world)[before:] if row["type"] != EventType.CALL_REFUSED.value]
    if rule.reads:
        assert fresh == []
        return
    assert succeeded is not None or route in ELSEWHERE, f"{route}: nobody succeeds; say where its row is looked for"
    if succeeded is not None and route not in ELSEWHERE:
        me = world.ok(succeeded, "GET", "/v1/me")["id"]
        assert actors(fresh) == {(me, "api testclient")}
        assert all(row["request_id"] for row in fresh)


def test_the_first_operator_leaves_a_row(new_world: World) -> None:
    body = {"link": new_world.template.link, "name": "op"}
    assert new_world.hub.person().post("/v1/operators/claim", body).status_code == 200
    assert rows(new_world)
    assert new_world.template.link not in dump(new_world)


def test_a_key_that_is_revoked_leaves_a_row(world: World) -> None:
    prefix = world.ok("buyer", "POST", "/v1/keys", {"scopes": ["read"]})["key"].split("_")[1]
    world.ok("buyer", "POST", f"/v1/keys/{prefix}/revoke")
    (row,) = told(world, EventType.KEY_REVOKED)
    assert row["subject"] == prefix
    assert row["actor"] == world.ok("buyer", "GET", "/v1/me")["id"]


def test_a_job_that_is_cancelled_leaves_a_row(world: World) -> None:
    made = world.submit()
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    assert [row["subject"] for row in told(world, EventType.JOB_CANCELING)] == [made["id"]]


def test_a_change_of_details_leaves_a_row_without_the_details(world: World) -> None:
    contact = {"name": "Planted Person", "role": "duty", "phone": "13800000000", "email": "planted@example.org"}
    world.ok("provider", "POST", "/v1/entities/wuhu/change", {"contacts": [contact]})
    (row,) = told(world, EventType.ENTITY_CHANGED)
    assert row["fields"] == ["contacts"]
    assert [text for text in contact.values() if text in dump(world) and text != "duty"] == []


def dump(world: World) -> str:
    """Every text of every row."""
    return "\n".join(str(value) for row in rows(world) for value in row.values())


@pytest.mark.usefixtures("done")
def test_nothing_secret_stands_in_any_row(world: World) -> None:
    planted = "planted0secret"
    key = world.ok("buyer", "POST", "/v1/keys", {"scopes": ["read"]})["key"]
    nobody, buyer = world.hub.person(f"sl_{planted}"), world.person("buyer")
    assert nobody.get("/v1/me").status_code == 401
    assert world.person("nobody").get(f"/v1/jobs/{planted}").status_code == 401
    assert world.person("provider").get(f"/v1/jobs/{planted}/log", stream=planted).status_code == 403
    assert buyer.get("/v1/events", type=planted).status_code == 403
    assert nobody.post("/v1/operators/claim", {"link": f"ot_{planted}", "name": "x"}).status_code in (401, 403)
    spec = job(name="named", env={"PASSWORD": planted}, inputs=[{"path": planted, "content": planted}])
    assert buyer.post("/v1/jobs", spec).status_code == 200
    connector = world.connector()
    body = PollCall(revision=0).model_dump_json().encode()
    assert (
        connector.send(
            "/connector/v1/poll", body, connector.signed("/connector/v1/poll", body, keyid=planted)
        ).status_code
        == 401
    )
    world.hub.settle()
    found = dump(world)
    assert "call.refused" in found
    secrets = [SECRET, planted, key, *world.template.keys.values()]
    assert [text for text in secrets if text in found] == []


def test_refusals_that_matter_are_told_with_who_where_and_why(world: World) -> None:
    world.person("nobody").get("/v1/jobs/x")
    world.person("supervisor").post("/v1/jobs", job())
    connector, path, body = world.connector(), "/connector/v1/poll", b"{}"
    connector.send(path, body, connector.signed(path, b"[]"))
    connector.send(path, body, connector.signed(path, body, keyid="x" * 20))
    world.person("buyer").post("/v1/jobs", {"name": "no spec"})
    found = [(row["subject"], row["code"], row["status"], row["source"]) for row in told(world)]
    assert found == [
        ("GET /v1/jobs/{ref}", "unauthenticated", 401, "api testclient"),
        ("POST /v1/jobs", "forbidden", 403, "api testclient"),
        ("POST /connector/v1/poll", "digest_mismatch", 401, "api testclient"),
        ("POST /connector/v1/poll", "key_unknown", 401, "api testclient"),
    ]
    me = world.ok("supervisor", "GET", "/v1/me")["id"]
    assert [row["actor"] for row in told(world)] == ["nobody", me, "nobody", "nobody"]


def test_a_call_of_another_protocol_and_a_doubled_one_are_told_by_their_connector(world: World) -> None:
    connector, path = world.connector(), "/connector/v1/poll"
    later = PollCall(revision=0, protocol=2).model_dump_json().encode()
    refused(connector.send(path, later), 422, "protocol_unsupported")
    body = PollCall(revision=0).model_dump_json().encode()
    headers = connector.signed(path, body)
    assert connector.send(path, body, headers).status_code == 200
    refused(connector.send(path, body, headers), 401, "signature_replayed")
    by = (connector.id, f"connector {connector.id}")
    assert [(row["code"], (row["actor"], row["source"])) for row in told(world)] == [
        ("protocol_unsupported", by),
        ("signature_replayed", by),
    ]


def test_a_signed_call_that_was_refused_is_not_heard_a_second_time(world: World) -> None:
    connector, path, body = world.connector(), "/connector/v1/report", b'{"attempts": 7}'
    headers = connector.signed(path, body)
    before = count(world, t.nonce)
    refused(connector.send(path, body, headers), 422, "field_invalid")
    assert count(world, t.nonce) == before + 1


def test_who_enrols_in_vain_fills_no_table(world: World) -> None:
    before = count(world, t.nonce)
    for _ in range(3):
        with pytest.raises(Exception, match="join token"):
            SignedConnector.enrol(world.wire, "jt_nothing")
    assert count(world, t.nonce) == before
    assert {row["code"] for row in told(world)} == {"join_token_invalid"}


def count(world: World, table: Any) -> int:  # noqa: ANN401 - a table
    with world.hub.running.hub.reading() as unit:
        return len(unit.connection.execute(select(table)).all())


def test_the_same_refusal_is_one_row_a_minute_and_is_counted(world: World) -> None:
    for _ in range(50):
        world.person("nobody").get("/v1/me")
    assert [row["count"] for row in told(world)] == [1]
    world.clock.advance(61)
    world.hub.settle()
    assert [row["count"] for row in told(world)] == [1, 49]
    world.person("nobody").get("/v1/me")
    assert [row["count"] for row in told(world)] == [1, 49, 1]


def test_nobody_fills_the_journal_by_being_refused(world: World) -> None:
    hub = world.hub.running.hub
    refusals = Refusals(hub.writer, world.clock)
    for _ in range(3):
        for number in range(10 * MOST_ROWS):
            refusals.note(Refusal("GET /v1/me", "unauthenticated", 401, None, f"api 10.0.0.{number}"))
        assert len(told(world)) <= MOST_ROWS * 3
    world.clock.advance(timedelta(minutes=1).total_seconds())
    refusals.flush()
    found = told(world)
    assert len(found) <= 2 * MOST_ROWS + 1
    assert sum(row["count"] for row in found) == 30 * MOST_ROWS
    assert [row["subject"] for row in found][-1] == "others"


def test_what_is_refused_for_its_content_alone_is_not_told(world: World) -> None:
    refused(world.person("buyer").get("/v1/jobs/nothing"), 404, "not_found")
    refused(world.person("buyer").post("/v1/jobs", {}), 422, "field_invalid")
    assert told(world) == []
