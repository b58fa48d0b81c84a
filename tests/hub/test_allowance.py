"""What somebody whom nobody has checked may use: processors, so many core-hours, reserved when they submit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from suanlian.model.job import JobState
from suanlian.testing.hub import InProcessHub, Person
from suanlian.testing.oidc_provider import TestProvider
from tests.hub.test_bad_input import refused
from tests.hub.world import World, job, segment


@pytest.fixture
def provider(world: World) -> Iterator[TestProvider]:
    with TestProvider(world.clock) as running:
        yield running


@contextmanager
def giving(world: World, provider: TestProvider, together: str) -> Iterator[InProcessHub]:
    more = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "hub",
        "free_core_hours": Decimal(2),
        "free_core_hours_together": Decimal(together),
        "session_minutes": 1440,
    }
    with InProcessHub(world.hub.settings.model_copy(update=more), clock=world.clock) as running:
        yield running


@pytest.fixture
def hub(world: World, provider: TestProvider) -> Iterator[InProcessHub]:
    with giving(world, provider, "1000") as running:
        yield running


def newcomer(hub: InProcessHub, provider: TestProvider, subject: str = "u1") -> Person:
    provider.subject = subject
    return hub.person(hub.person().post("/v1/sessions", {"id_token": provider.id_token()}).json()["key"])


def left(person: Person) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in person.get("/v1/me").json()["allowance"].items()}


def hours(value: str, **more: object) -> dict[str, Any]:
    """A job of one core that takes so many hours at most."""
    return job(wall_time_s=int(Decimal(value) * 3600), **more)


def test_a_newcomer_submits_at_once_and_up_to_the_sum(hub: InProcessHub, provider: TestProvider) -> None:
    person = newcomer(hub, provider)
    assert left(person) == {"core_hours": 2, "used": 0, "reserved": 0, "left": 2}
    assert person.post("/v1/jobs", hours("1.5")).status_code == 200
    assert left(person) == {"core_hours": 2, "used": 0, "reserved": Decimal("1.5"), "left": Decimal("0.5")}
    before = hub.rows()
    told = refused(person.post("/v1/jobs", hours("0.6")), 409, "allowance_exceeded")
    for number in ("0.6", "free 2", "1.5 reserved", "0 are used"):
        assert number in told["detail"]
    refused(person.post("/v1/jobs:batch", {"jobs": [hours("0.3"), hours("0.3")]}), 409, "allowance_exceeded")
    refused(person.post("/v1/jobs", hours("0.3", array_size=2)), 409, "allowance_exceeded")
    assert hub.rows() == before
    assert person.post("/v1/jobs", hours("0.5")).status_code == 200


def test_no_accelerator_is_free(hub: InProcessHub, provider: TestProvider) -> None:
    person = newcomer(hub, provider)
    asked = job(resources={"cpu": "1", "memory": "1GiB", "accelerator": "1"})
    before = hub.rows()
    for path in ("/v1/jobs", "/v1/jobs:estimate"):
        refused(person.post(path, asked), 409, "entity_unchecked", "resources")
    assert hub.rows() == before


def test_what_did_not_run_comes_back_and_what_ran_does_not(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    person = newcomer(hub, provider)
    made = person.post("/v1/jobs", hours("1", wants={"platform": "wuhu-cluster"})).json()
    waiting = person.post("/v1/jobs", hours("1", wants={"platform": "suzhou-cloud"})).json()
    hub.settle()
    connector = world.connector()
    told = next(i for i in connector.poll().instructions if i.job_id == made["id"])
    started = world.clock()
    connector.report(told, JobState.RUNNING, started_at=started)
    world.clock.advance(900)
    connector.use(segment(told, started, 900))
    connector.report(told, JobState.COMPLETE, started_at=started)
    assert left(person) == {"core_hours": 2, "used": Decimal("0.25"), "reserved": 1, "left": Decimal("0.75")}
    person.post(f"/v1/jobs/{waiting['id']}/cancel")
    other = world.connector("suzhou-cloud")
    for instruction in other.poll().instructions:
        other.report(instruction, JobState.CANCELED)
    assert left(person)["reserved"] == 0
    refused(person.post("/v1/jobs", hours("1.76")), 409, "allowance_exceeded")
    assert person.post("/v1/jobs", hours("1.75")).status_code == 200


def test_a_free_charge_keeps_its_price_and_the_hub_owes_it(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    person = newcomer(hub, provider)
    made = person.post("/v1/jobs", hours("1", wants={"platform": "wuhu-cluster"})).json()
    hub.settle()
    connector, started = world.connector(), world.clock()
    told = next(i for i in connector.poll().instructions if i.job_id == made["id"])
    connector.report(told, JobState.RUNNING, started_at=started)
    world.clock.advance(36)
    connector.use(segment(told, started, 36))
    hub.settle()
    [line] = person.get("/v1/charges").json()["items"]
    assert (line["free"], line["payer"]) == (True, "hub")
    assert Decimal(line["cost"]["amount"]) == Decimal("0.001")
    assert Decimal(line["payable"]["amount"]) == 0
    correction = {"attempt_id": told.attempt_id, "sequence": 0, "corrected_s": "-18", "reason": "test"}
    operator = hub.person(world.template.keys["operator"])
    assert operator.post(f"/v1/jobs/{made['id']}/corrections", correction).status_code == 204
    assert all(one["payer"] == "hub" for one in person.get("/v1/charges").json()["items"])


def test_a_checked_entity_pays_and_is_asked_nothing(world: World, hub: InProcessHub) -> None:
    buyer = hub.person(world.template.keys["buyer"])
    assert buyer.get("/v1/me").json()["allowance"] is None
    assert buyer.post("/v1/jobs", hours("300")).status_code == 200
    assert hub.rows()["free_job"] == 0
    statements: list[str] = []
    engine = hub.running.hub.store.writing
    event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    assert buyer.post("/v1/jobs", hours("300")).status_code == 200
    assert any("INSERT INTO job" in said for said in statements)
    assert not [said for said in statements if "free_job" in said or "FROM entity" in said]


def test_all_newcomers_together_are_bounded(world: World, provider: TestProvider) -> None:
    with giving(world, provider, "3") as hub:
        assert newcomer(hub, provider).post("/v1/jobs", hours("2")).status_code == 200
        second = newcomer(hub, provider, "u2")
        refused(second.post("/v1/jobs", hours("1.5")), 409, "allowance_exceeded")
        assert second.post("/v1/jobs", hours("1")).status_code == 200
        third = newcomer(hub, provider, "u3")
        refused(third.post("/v1/jobs", hours("0.1")), 409, "allowance_exceeded")
        world.clock.advance(31 * 24 * 3600)
        assert newcomer(hub, provider, "u3").post("/v1/jobs", hours("0.1")).status_code == 200


def test_the_same_rest_is_given_once(hub: InProcessHub, provider: TestProvider) -> None:
    person = newcomer(hub, provider)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: person.post("/v1/jobs", hours("0.5")), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 8
    assert left(person)["left"] == 0


def test_an_answer_under_a_key_is_given_again_though_nothing_is_left(hub: InProcessHub, provider: TestProvider) -> None:
    person = newcomer(hub, provider)
    answers = [person.post("/v1/jobs", hours("2"), headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].status_code == 200
    assert answers[0].content == answers[1].content


def test_once_checked_nothing_is_free_any_more(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    person = newcomer(hub, provider)
    entity = person.get("/v1/me").json()["entity"]
    refused(person.post("/v1/jobs", hours("3")), 409, "allowance_exceeded")
    operator = hub.person(world.template.keys["operator"])
    assert operator.post(f"/v1/entities/{entity}/check", {"why": "seen"}).status_code == 200
    assert person.get("/v1/me").json()["allowance"] is None
    assert person.post("/v1/jobs", hours("3")).status_code == 200
    assert hub.rows()["free_job"] == 0
