"""Usage and charges: signed, counted once, priced by the very version of the offer that the assignment names."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import SuanlianError
from suanlian.model.job import JobState
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import Resources
from suanlian.store import tables as t
from suanlian.testing.hub import SignedConnector
from tests.hub.world import World, inventory, offer, segment

WUHU = "wuhu-cluster"
FIELDS = ("sequence", "kind", "quantity", "rate")


def started(world: World, **changes: object) -> tuple[dict[str, Any], Instruction, SignedConnector]:
    """A job that runs, and its connector."""
    made, told = world.at(WUHU, **changes)
    connector = world.connector()
    connector.report(told, JobState.RUNNING, started_at=world.clock())
    return made, told, connector


def charges(world: World, ref: str) -> Sequence[dict[str, Any]]:
    world.hub.settle()
    found: list[dict[str, Any]] = world.ok("buyer", "GET", f"/v1/jobs/{ref}/charges?limit=200")["items"]
    return sorted(found, key=lambda charge: (charge["sequence"], charge["written_at"], charge["kind"]))


def total(lines: Sequence[dict[str, Any]]) -> Decimal:
    return sum((Decimal(line["cost"]["amount"]) for line in lines), start=Decimal(0))


def verdicts(answers: Sequence[Any]) -> list[str]:
    return [answer.verdict.value for answer in answers]


def test_an_hour_of_a_core_costs_its_price(world: World) -> None:
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(3600)
    segments = [segment(told, start, 1800, 0), segment(told, segment(told, start, 1800).ended_at, 1800, 1, final=True)]
    assert verdicts(connector.use(*segments)) == ["taken", "taken"]
    connector.report(told, JobState.COMPLETE, started_at=start)
    lines = charges(world, made["id"])
    assert [tuple(line[name] for name in FIELDS) for line in lines] == [
        (0, "cpu", "0.500000000000", "0.10"),
        (1, "cpu", "0.500000000000", "0.10"),
    ]
    assert total(lines) == Decimal("0.1")
    assert {(line["offer"]["name"], line["offer"]["version"], line["simulated"]) for line in lines} == {
        ("o1", 1, False)
    }
    assert (
        world.ok("buyer", "GET", "/v1/charges")["items"]
        == world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/charges")["items"]
    )
    shown = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/usage")["items"]
    assert [one["sequence"] for one in shown] == [0, 1]


def test_the_same_batch_or_segment_again_counts_once(world: World) -> None:
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(60)
    call = connector.usage_call(segment(told, start, 30, 0))
    assert verdicts(connector.client.usage(call).segments) == ["taken"]
    assert verdicts(connector.client.usage(call).segments) == ["known"]
    # the same segment in another batch
    assert verdicts(connector.use(segment(told, start, 30, 0))) == ["known"]
    lines = charges(world, made["id"])
    assert len(lines) == 1
    assert charges(world, made["id"]) == lines


def test_a_segment_that_contradicts_another_is_refused(world: World) -> None:
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(100)
    late = segment(told, start, 40).ended_at
    assert verdicts(connector.use(segment(told, start, 60, 0))) == ["taken"]
    answers = connector.use(
        segment(told, start, 61, 0),
        segment(told, late, 60, 1),
        segment(told, start, 60, 2),
        segment(told, segment(told, start, 60).ended_at, 40, 3),
    )
    assert verdicts(answers) == ["refused", "refused", "refused", "taken"]
    assert all(answer.reason for answer in answers[:3])
    assert [line["sequence"] for line in charges(world, made["id"])] == [0, 3]


def test_a_segment_out_of_its_bounds_is_refused(world: World) -> None:
    _, told, connector = started(world)
    start = world.clock()
    world.clock.advance(100)
    more = Resources.model_validate({"cpu": "2", "memory": "256MiB"}).model_dump()
    answers = connector.use(
        segment(told, start, 131, 0),
        segment(told, segment(told, start, -0).started_at, 10, 1, granted=more),
    )
    assert verdicts(answers) == ["refused", "refused"]
    world.clock.advance(-100)
    early = segment(told, start, 10, 2, started_at=start.replace(year=start.year - 1))
    assert verdicts(connector.use(early)) == ["refused"]
    assert verdicts(world.connector("suzhou-cloud").use(segment(told, start, 1, 3))) == ["stale"]
    assert world.hub.rows()["usage_segment"] == 0


def test_a_batch_that_is_not_signed_by_its_connector_is_refused(world: World) -> None:
    _, told, connector = started(world)
    world.clock.advance(60)
    start, before = world.clock(), world.hub.rows()
    call = connector.usage_call(segment(told, start, 30))
    stranger = SignedConnector(world.wire, KeyPair.generate(), connector.id)
    other = world.connector("suzhou-cloud")
    wrong = (
        call.model_copy(update={"signature": stranger.usage_call(segment(told, start, 30)).signature}),
        call.model_copy(update={"signature": "x"}),
        connector.usage_call(segment(told, start, 29), number=call.batch.number).model_copy(
            update={"signature": call.signature}
        ),
        other.usage_call(segment(told, start, 30)),
    )
    for one in wrong:
        with pytest.raises(SuanlianError) as caught:
            connector.client.usage(one)
        assert caught.value.code == "signature_invalid"
    assert world.hub.rows() == before


def test_a_price_that_changes_meanwhile_changes_nothing_for_what_runs(world: World) -> None:
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(1)
    new = {"name": "o1", "share": "s1", "rates": [{"kind": "cpu", "per_unit_hour": "9"}]}
    published = world.ok("provider", "POST", f"/v1/platforms/{WUHU}/offers", new)
    assert published["version"] == 2
    later, told_later, _ = started(world)
    world.clock.advance(3600)
    hour = segment(told, start, 3600)
    connector.use(hour, segment(told_later, hour.ended_at, 0.36, 0), segment(told, hour.ended_at, 1, 1))
    old, fresh = charges(world, made["id"]), charges(world, later["id"])
    assert {(line["rate"], line["offer"]["version"]) for line in old} == {("0.10", 1)}
    assert {(line["rate"], line["offer"]["version"]) for line in fresh} == {("9", 2)}
    assert (old[0]["cost"]["amount"], fresh[0]["cost"]["amount"]) == ("0.1", "0.0009")
    with world.hub.running.hub.reading() as unit:
        named = unit.connection.execute(select(t.assignment.c.attempt_id, t.assignment.c.offer_version)).all()
    assert {tuple(row) for row in named} == {(told.attempt_id, 1), (told_later.attempt_id, 2)}


def test_a_price_may_begin_later_but_not_in_the_past(world: World) -> None:
    person, path = world.person("provider"), f"/v1/platforms/{WUHU}/offers"
    new = {"name": "o1", "share": "s1", "rates": [{"kind": "cpu", "per_unit_hour": "9"}]}
    past = world.clock().replace(year=world.clock().year - 1).isoformat()
    answer = person.post(path, {**new, "valid_from": past})
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "valid_from")
    assert person.post(path, {**new, "share": "none"}).status_code == 404
    world.clock.advance(30)
    tomorrow = world.clock()
    world.clock.advance(-30)
    assert person.post(path, {**new, "valid_from": tomorrow.isoformat()}).status_code == 200

    def rates() -> set[str]:
        items = world.ok("buyer", "GET", f"/v1/offers?platform={WUHU}")["items"]
        return {item["body"]["rates"][0]["per_unit_hour"] for item in items}

    assert rates() == {"0.10"}
    world.clock.advance(30)
    assert rates() == {"9"}


def test_a_correction_is_a_further_row(world: World) -> None:
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(3600)
    connector.use(segment(told, start, 3600))
    first = charges(world, made["id"])
    world.clock.advance(1)
    path = f"/v1/jobs/{made['id']}/corrections"
    body = {"attempt_id": told.attempt_id, "sequence": 0, "corrected_s": "-1800", "reason": "the clock ran ahead"}
    assert world.person("operator").post(path, body).status_code == 204
    lines = charges(world, made["id"])
    assert lines[0] == first[0]
    assert (lines[1]["quantity"], lines[1]["cost"]["amount"]) == ("-0.500000000000", "-0.05")
    assert total(lines) == Decimal("0.05")
    # it counts for half an hour now: no more than that can be taken away
    for wrong, status in ((body | {"corrected_s": "-1801"}, 422), (body | {"sequence": 7}, 404)):
        assert world.person("operator").post(path, wrong).status_code == status
    assert world.person("operator").post(path, body | {"sequence": 10**12}).status_code == 422
    assert world.person("operator").post(path, body).status_code == 204
    assert total(charges(world, made["id"])) == 0
    assert [one["ended_at"] for one in world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/usage")["items"]] == [
        lines[0]["ended_at"]
    ]


def test_what_is_simulated_says_so_in_the_bill(world: World) -> None:
    world.connector().publish(inventory(simulated=True), offer())
    made, told, connector = started(world)
    start = world.clock()
    world.clock.advance(60)
    connector.use(segment(told, start, 60))
    assert {line["simulated"] for line in charges(world, made["id"])} == {True}
    assert world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks")["items"][0]["attempts"][0]["simulated"]
    shown = {row["platform"]: row["simulated"] for row in world.ok("buyer", "GET", "/v1/capacity")["items"]}
    assert shown == {"wuhu-cluster": True, "suzhou-cloud": False}
    report = world.ok("supervisor", "GET", "/v1/supervision/report")
    assert Decimal(report["cost"]) == 0 < Decimal(report["cost_simulated"])


def test_each_attempt_is_charged_for_itself(world: World) -> None:
    made = world.submit(attempts=2)
    spent = Decimal(0)
    for _ in range(2):
        world.hub.settle()
        for name in ("wuhu-cluster", "suzhou-cloud"):
            connector = world.connector(name)
            for told in [i for i in connector.poll().instructions if i.wish == "run"]:
                start = world.clock()
                connector.report(told, JobState.RUNNING, started_at=start)
                world.clock.advance(36)
                connector.use(segment(told, start, 36))
                connector.report(told, JobState.SYSTEM_ERROR)
                spent += Decimal("0.001")
    lines = charges(world, made["id"])
    assert total(lines) == spent == Decimal("0.002")
    assert len({line["attempt_id"] for line in lines}) == 2
