"""Whoever asks to be erased is shut out at once; what they ran ends; nothing tells who they were, and books hold on."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.job import JobState
from suanlian.model.protocol import LogCall, OutputCall
from suanlian.store.tables import metadata
from suanlian.testing.hub import InProcessHub, Person
from suanlian.testing.oidc_provider import TestProvider
from tests.hub.test_bad_input import refused
from tests.hub.test_tes import capable
from tests.hub.world import World, job, offer, segment

SECRET = "swordfish"


@pytest.fixture
def provider(world: World) -> Iterator[TestProvider]:
    with TestProvider(world.clock) as running:
        running.name = f"{SECRET} Wei"
        running.subject = f"subject-{SECRET}"
        yield running


@pytest.fixture
def hub(world: World, provider: TestProvider) -> Iterator[InProcessHub]:
    more = {"oidc_issuer": provider.issuer, "oidc_client_id": "hub", "session_minutes": 1440}
    with InProcessHub(world.hub.settings.model_copy(update=more), clock=world.clock) as running:
        yield running


def entered(hub: InProcessHub, provider: TestProvider, **more: object) -> Person:
    body = {"id_token": provider.id_token(), **more}
    return hub.person(hub.person().post("/v1/sessions", body).json()["key"])


def everything(hub: InProcessHub) -> str:
    """All that lies in the store, bytes too."""
    with hub.running.hub.reading() as unit:
        rows = [unit.connection.execute(select(table)).fetchall() for table in metadata.sorted_tables]
    return str(rows)


def secretive(**more: object) -> dict[str, Any]:
    variant = {"architecture": "x86_64", "environment": "python", "command": ["echo", SECRET]}
    return job(
        name=f"{SECRET}-plan",
        purpose=SECRET,
        variants=[variant],
        env={"KEY": SECRET},
        inputs=[{"path": f"{SECRET}.txt", "content": SECRET}],
        outputs=["o"],
        wants={"platform": "wuhu-cluster"},
        **more,
    )


def ran(world: World, hub: InProcessHub, person: Person) -> Any:  # noqa: ANN401 - an instruction
    """A job that ran, with a log, an output and usage that all hold the secret."""
    made = person.post("/v1/jobs", secretive(), headers={"Idempotency-Key": "k"}).json()
    hub.settle()
    connector, started = world.connector(), world.clock()
    told = next(i for i in connector.poll().instructions if i.job_id == made["id"])
    connector.report(told, JobState.RUNNING, started_at=started)
    data = base64.b64encode(SECRET.encode()).decode()
    log = LogCall(attempt_id=told.attempt_id, token=told.token, stream="stdout", offset=0, data=data)
    connector.client.log(log)
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    connector.client.output(
        OutputCall(attempt_id=told.attempt_id, token=told.token, path="o", sha256=digest, data=data)
    )
    world.clock.advance(36)
    connector.use(segment(told, started, 36))
    outcome = {"exit_code": 1, "reason": f"no {SECRET}.txt"}
    connector.report(told, JobState.EXECUTOR_ERROR, started_at=started, outcome=outcome)
    hub.settle()
    return told


def asked_by_tes(world: World, hub: InProcessHub, person: Person) -> None:
    """A task whose name, tag, files and reason of failing all hold the secret."""
    world.connector().publish(capable("alpine"), offer())
    hub.settle()
    said = {
        "name": SECRET,
        "tags": {SECRET: SECRET},
        "executors": [{"image": "alpine", "command": [SECRET]}],
        "inputs": [
            {"path": "/data/a", "content": SECRET},
            {"path": "/data/b", "url": f"{hub.running.hub.node.url}/v1/jobs/{SECRET}/outputs/0/{SECRET}"},
        ],
    }
    short = {"backend_parameters": {"suanlian.wall_time_s": "60"}}  # within what is free
    made = person.post("/ga4gh/tes/v1/tasks", {**said, "resources": short}).json()
    hub.settle()
    assert person.get(f"/ga4gh/tes/v1/tasks/{made['id']}").json()["state"] == "SYSTEM_ERROR"


def erase(person: Person, name: str | None = None) -> Any:  # noqa: ANN401 - a response
    return person.post("/v1/me/erase", {"name": name or person.get("/v1/me").json()["name"]})


def test_nothing_is_left_but_ids_times_and_amounts(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    person = entered(hub, provider)
    data = SECRET.encode()
    digest = hashlib.sha256(data).hexdigest()
    assert person.post(f"/v1/objects?sha256={digest}", content=data).status_code == 200
    assert person.post("/v1/keys", {"label": SECRET}).status_code == 200
    secret = hub.http.put("/v1/secrets/mine", json={"value": SECRET}, headers=person._headers)  # noqa: SLF001
    assert secret.status_code == 200, secret.text
    asked_by_tes(world, hub, person)
    told = ran(world, hub, person)
    books = ("charge", "usage_segment", "usage_batch", "attempt", "assignment", "job", "task", "capacity")
    before = hub.rows()
    operator = hub.person(world.template.keys["operator"])
    shown = operator.get(f"/v1/jobs/{told.job_id}/charges").text
    report = operator.get("/v1/supervision/report").json()["jobs"]
    assert SECRET in everything(hub)
    assert erase(person).status_code == 202
    refused(person.get("/v1/me"), 401, "unauthenticated")
    hub.settle()
    assert SECRET not in everything(hub)
    after = hub.rows()
    assert after["secret"] == before["secret"] - 1
    assert {name: after[name] for name in books} == {name: before[name] for name in books}
    assert operator.get(f"/v1/jobs/{told.job_id}/charges").text == shown
    assert operator.get("/v1/supervision/report").json()["jobs"] == report
    assert operator.get(f"/v1/jobs/{told.job_id}").json()["name"] == "erased"
    assert operator.get(f"/v1/jobs/{told.job_id}/tasks").status_code == 200
    assert operator.get(f"/v1/jobs/{told.job_id}/explanation").status_code == 200
    # who comes again is somebody new
    assert entered(hub, provider).get("/v1/jobs").json()["items"] == []


def test_what_runs_is_ended_first_and_what_comes_late_is_not_taken(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    person = entered(hub, provider)
    made = person.post("/v1/jobs", secretive()).json()
    hub.settle()
    connector, started = world.connector(), world.clock()
    told = next(i for i in connector.poll().instructions if i.job_id == made["id"])
    connector.report(told, JobState.RUNNING, started_at=started)
    erase(person)
    hub.settle()
    wish = next(i for i in connector.poll().instructions if i.attempt_id == told.attempt_id)
    assert wish.wish == "cancel"
    assert SECRET in everything(hub)
    world.clock.advance(10)
    connector.report(told, JobState.CANCELED, started_at=started)
    hub.settle()
    assert SECRET not in everything(hub)
    data = base64.b64encode(SECRET.encode()).decode()
    log = LogCall(attempt_id=told.attempt_id, token=told.token, stream="stdout", offset=0, data=data)
    with pytest.raises(Exception, match=r"was erased"):
        connector.client.log(log)
    assert SECRET not in everything(hub)
    # the bill of what ran is taken all the same
    assert [answer.verdict for answer in connector.use(segment(told, started, 10))] == ["taken"]
    hub.settle()
    operator = hub.person(world.template.keys["operator"])
    assert operator.get(f"/v1/jobs/{made['id']}/charges").json()["items"]


def test_one_says_ones_name_to_mean_it(hub: InProcessHub, provider: TestProvider) -> None:
    person = entered(hub, provider)
    before = hub.rows()
    refused(erase(person, "somebody-else"), 422, "field_invalid", "name")
    assert hub.rows() == before
    assert person.get("/v1/me").status_code == 200


def test_of_a_member_only_the_member_goes(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    owner = hub.person(world.template.keys["buyer"])
    link = owner.post("/v1/invitations", {"role": "buyer"}).json()["link"]
    member = entered(hub, provider, invitation=link)
    made = member.post("/v1/jobs", job(name="of-the-lab")).json()
    assert erase(member).status_code == 202
    hub.settle()
    refused(member.get("/v1/me"), 401, "unauthenticated")
    assert SECRET not in everything(hub)
    assert owner.get(f"/v1/jobs/{made['id']}").json()["name"] == "of-the-lab"
    assert owner.get("/v1/me").json()["entity"] == "lab"


def test_an_erasure_goes_on_after_a_restart_and_done_twice_changes_nothing(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    person = entered(hub, provider)
    ran(world, hub, person)
    erase(person)
    # the lease of the worker that is gone runs out
    world.clock.advance(20)
    with InProcessHub(hub.settings, clock=world.clock) as other:
        other.settle()
        assert SECRET not in everything(other)
        before = other.rows()
        other.settle()
        assert other.rows() == before
