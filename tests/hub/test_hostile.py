"""What a careless or hostile party could do to others by what it states: absurd times, prices, sizes, revisions."""

import asyncio
from collections.abc import Iterator, MutableMapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select

from suanlian.model.errors import UnavailableError
from suanlian.model.job import JobState
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.protocol import Verdict, Wish
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.services import usage
from suanlian.store import tables as t
from suanlian.store.writer import Writer
from tests.hub.world import World, inventory, job, offer, segment


def test_nobody_pays_for_the_time_before_an_attempt_was_placed(world: World) -> None:
    made, told = world.at("wuhu-cluster")
    connector, placed = world.connector(), world.clock()
    long_ago = placed - timedelta(days=365)
    assert connector.use(segment(told, long_ago, 3600))[0].verdict is Verdict.REFUSED
    refused = connector.report(told, JobState.RUNNING, started_at=long_ago)
    assert refused.verdict is Verdict.REFUSED
    assert "clock" in refused.reason
    assert connector.report(told, JobState.RUNNING, started_at=placed + timedelta(hours=1)).verdict is Verdict.REFUSED
    assert connector.report(told, JobState.RUNNING, started_at=placed - timedelta(seconds=50)).verdict is Verdict.TAKEN
    assert connector.use(segment(told, long_ago, 3600, 1))[0].verdict is Verdict.REFUSED
    world.hub.settle()
    assert world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/charges")["items"] == []


def test_an_absurd_charge_is_not_written_and_holds_up_no_other(world: World) -> None:
    much = Resources.model_validate({"cpu": "4", "memory": "8388608TiB", "disk": "40GiB"})
    big = inventory()
    flavor, share = big.flavors[0], big.shares[0]
    big = big.model_copy(
        update={
            "flavors": (flavor.model_copy(update={"node": much}),),
            "shares": (share.model_copy(update={"capacity": much}),),
        }
    )
    rates = (
        Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.1")),
        Rate(kind=ResourceKind.MEMORY, per_unit_hour=Decimal(10) ** 6),
    )
    world.connector().publish(big, NewOffer(name="o1", share="s1", rates=rates))
    absurd, told = world.at("wuhu-cluster", resources={"cpu": "1", "memory": "8388608TiB"})
    plain, other = world.at("suzhou-cloud")
    for at, one in (("wuhu-cluster", told), ("suzhou-cloud", other)):
        start = world.clock()
        world.connector(at).report(one, JobState.RUNNING, started_at=start)
        world.clock.advance(60)
        assert world.connector(at).use(segment(one, start, 60))[0].verdict is Verdict.TAKEN
    world.hub.settle()
    assert world.ok("buyer", "GET", f"/v1/jobs/{absurd['id']}/charges")["items"] == []
    assert len(world.ok("buyer", "GET", f"/v1/jobs/{plain['id']}/charges")["items"]) == 1
    events = world.ok("operator", "GET", "/v1/events?type=charge.written")["items"]
    assert [f"{told.attempt_id}/0"] in [event["data"]["not_charged"] for event in events]
    with world.hub.running.hub.reading() as unit:
        assert not usage.any_unrated(unit)


def test_a_thousand_applications_stand_in_nobodys_way(world: World) -> None:
    with world.hub.running.hub.store.writing.begin() as connection:
        entity = connection.execute(select(t.entity.c.id).limit(1)).scalar_one()
        shared = {"entity_id": entity, "title": "", "title_zh": "", "kind": "compute", "label": None}
        shared |= {"state": "applied", "applied_at": world.clock()}
        rows = [
            {**shared, "id": f"00000000-0000-7000-8000-{n:012}", "public_id": f"x{n}", "name": f"p{n}"}
            for n in range(1001)
        ]
        connection.execute(insert(t.platform), rows)
    world.clock.advance(5)  # what was known of the places is asked anew
    world.submit()
    world.clock.advance(1)
    assert len(world.ok("buyer", "GET", "/v1/capacity")["items"]) == 2
    assert world.ok("supervisor", "GET", "/v1/supervision/report")["jobs"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/supervision/report?since=2020-01-01T00:00:00",
        "/v1/supervision/report?since=0001-01-01T00:00:00%2B14:00",
        "/v1/supervision/report?until=never",
        "/v1/events?cursor=99999999999999999999999",
    ],
)
def test_times_and_numbers_that_cannot_be_meant_are_refused(world: World, path: str) -> None:
    answer = world.person("supervisor").get(path)
    assert answer.status_code == 422
    assert answer.json()["code"] == "field_invalid"


def test_an_index_beyond_all_arrays_is_refused(world: World) -> None:
    made = world.submit()
    assert world.person("buyer").get(f"/v1/jobs/{made['id']}/tasks?index={10**30}").status_code == 422


def test_a_connector_that_is_ahead_of_a_restored_hub_is_told_all(world: World) -> None:
    _made, told = world.at("wuhu-cluster")
    answer = world.connector().poll(10**6)
    assert [one.attempt_id for one in answer.instructions] == [told.attempt_id]
    assert answer.revision < 10**6


def test_a_poll_from_nothing_brings_no_history_after_it(world: World) -> None:
    _made, told = world.at("wuhu-cluster")
    for _ in range(2):
        _other, ended = world.at("wuhu-cluster")
        world.connector().run(ended)
    first = world.connector().poll(0)
    assert [(one.attempt_id, one.wish) for one in first.instructions] == [(told.attempt_id, Wish.RUN)]
    assert world.connector().poll(first.revision).instructions == ()


def test_a_strangers_body_is_not_read(world: World) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(8):
            read += 1
            yield b"x" * 65536

    for path in ("/v1/jobs", "/v1/jobs:batch", "/v1/jobs:estimate", f"/v1/objects?sha256={'0' * 64}"):
        answer = asyncio.run(_call(world, path, pieces()))
        assert (answer, read) == (401, 0), path


async def _call(world: World, path: str, body: Iterator[bytes]) -> int:
    """Call the application itself; a piece of the body is taken when it asks for it."""
    status = 0

    async def receive() -> dict[str, object]:
        piece = next(body, b"")
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    plain, _, query = path.partition("?")
    headers = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": plain, "query_string": query.encode(), "headers": headers}
    await world.hub.app({**scope, "scheme": "http", "server": ("testserver", 80)}, receive, send)
    return status


def test_a_price_beyond_reason_is_refused(world: World) -> None:
    body = offer().model_dump(mode="json") | {"rates": [{"kind": "cpu", "per_unit_hour": "1000001"}]}
    answer = world.person("provider").post("/v1/platforms/wuhu-cluster/offers", body)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["field"] == "rates.0.per_unit_hour"
    assert world.person("buyer").post("/v1/jobs", job()).status_code == 200


def test_what_was_taken_under_a_key_is_answered_alike_after_the_catalogue_has_shrunk(world: World) -> None:
    again, other = {"Idempotency-Key": "k1"}, {"Idempotency-Key": "k2"}
    buyer = world.person("buyer")
    batch = {"jobs": [job(name="b")]}
    taken, many = buyer.post("/v1/jobs", job(), headers=again), buyer.post("/v1/jobs:batch", batch, headers=other)
    for platform in ("wuhu-cluster", "suzhou-cloud"):
        world.connector(platform).publish(inventory("0.5"), offer())
    assert buyer.post("/v1/jobs", job()).json()["code"] == "job_too_large"
    assert buyer.post("/v1/jobs", job(), headers=again).text == taken.text
    assert buyer.post("/v1/jobs:batch", batch, headers=other).text == many.text
    assert buyer.post("/v1/jobs", job(name="x"), headers=again).json()["code"] == "idempotency_conflict"


def test_a_fault_after_commit_does_not_end_the_writer(world: World) -> None:
    def fail(_topics: list[str]) -> None:
        raise RuntimeError("a fault of our own")

    writer = Writer(world.hub.running.hub.store, clock=world.clock, on_commit=fail)
    assert writer.run(lambda unit: unit.wake("topic")) is None
    assert writer.run(lambda _unit: "still here") == "still here"
    writer.stop()
    with pytest.raises(UnavailableError, match="ending"):
        writer.run(lambda _unit: None)
