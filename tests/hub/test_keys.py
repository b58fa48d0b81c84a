"""Keys, links and idempotency: what opens, what no longer opens, and what is done once only."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from suanlian.store.unit import Unit
from suanlian.testing.hub import InProcessHub
from tests.hub.test_bad_input import refused
from tests.hub.world import World, inventory, job, offer

DAY = 24 * 3600


@pytest.mark.parametrize("key", ["", "x", "sl_aaaaaaaa_" + "A" * 43, "Basic x", "sl_", "é" * 20])
def test_a_key_that_is_not_one_opens_nothing(world: World, key: str) -> None:
    answer = world.hub.http.get("/v1/me", headers={b"authorization": b"Bearer " + key.encode()})
    assert refused(answer, 401, "unauthenticated")["todo"]
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_with_the_right_prefix_and_a_wrong_secret_opens_nothing(world: World) -> None:
    key = world.template.keys["buyer"]
    forged = key[:-1] + ("A" if key[-1] != "A" else "B")
    refused(world.hub.person(forged).get("/v1/me"), 401, "unauthenticated")
    assert world.hub.person(key).get("/v1/me").status_code == 200


def test_a_revoked_key_opens_nothing_and_its_owner_may_have_another(world: World) -> None:
    key = world.template.keys["buyer"]
    prefix = key.split("_")[1]
    assert world.person("operator").post(f"/v1/keys/{prefix}/revoke").status_code == 204
    refused(world.hub.person(key).get("/v1/me"), 401, "unauthenticated")
    refused(world.person("operator").post(f"/v1/keys/{prefix}/revoke"), 404, "not_found")
    new = world.ok("operator", "POST", "/v1/principals", {"name": "buyer", "role": "buyer", "entity": "lab"})["key"]
    assert world.hub.person(new).get("/v1/me").json()["name"] == "buyer"


def test_a_key_that_is_revoked_while_it_is_looked_up_opens_nothing_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, known = world.template.keys["buyer"], world.hub.running.hub.known
    world.ok("operator", "GET", "/v1/me")
    reading = known._reading  # noqa: SLF001 - between the look and what is kept of it

    @contextmanager
    def slowly() -> Iterator[Unit]:
        with reading() as unit:
            yield unit
        monkeypatch.undo()
        world.ok("operator", "POST", f"/v1/keys/{key.split('_')[1]}/revoke")

    monkeypatch.setattr(known, "_reading", slowly)
    assert world.hub.person(key).get("/v1/me").status_code == 200  # it was read before
    refused(world.hub.person(key).get("/v1/me"), 401, "unauthenticated")


def own_key(world: World, scopes: list[str], who: str = "buyer", **more: object) -> str:
    key: str = world.ok(who, "POST", "/v1/keys", {"scopes": scopes, **more})["key"]
    return key


def test_a_holder_lists_mints_and_revokes_keys_of_their_own(world: World) -> None:
    key = own_key(world, ["read", "jobs"], label="nightly", valid_days=30)
    person = world.hub.person(key)
    mine = person.get("/v1/me").json()
    assert (mine["name"], mine["entity"]) == ("buyer", "lab")
    assert mine["key"]["scopes"] == ["read", "jobs"]
    listed = {row["prefix"]: row for row in world.ok("buyer", "GET", "/v1/keys")["items"]}
    assert listed[key.split("_")[1]]["label"] == "nightly"
    assert key not in str(listed)
    assert len(listed) == 2
    assert len(world.ok("buyer2", "GET", "/v1/keys")["items"]) == 1
    world.ok("buyer", "POST", f"/v1/keys/{key.split('_')[1]}/revoke")
    refused(person.get("/v1/me"), 401, "unauthenticated")


def test_a_key_opens_what_its_scopes_name_and_nothing_else(world: World) -> None:
    reads = world.hub.person(own_key(world, ["read"]))
    assert reads.get("/v1/jobs").status_code == 200
    before = world.hub.rows()
    told = refused(reads.post("/v1/jobs", job()), 403, "scope_missing")
    assert told["detail"] == "This key has the scope read; job.submit needs jobs."
    refused(reads.post("/v1/keys", {}), 403, "scope_missing")
    assert world.hub.rows() == before
    works = world.hub.person(own_key(world, ["jobs"]))
    assert works.post("/v1/jobs", job()).status_code == 200
    assert works.get("/v1/offers").status_code == 200
    refused(works.get("/v1/keys"), 403, "scope_missing")
    runs = world.hub.person(own_key(world, ["jobs"], who="operator"))
    refused(runs.post("/v1/entities", {"name": "x"}), 403, "scope_missing")
    # the role is asked first: a scope takes away and never adds
    refused(world.hub.person(own_key(world, ["admin"])).post("/v1/entities", {"name": "x"}), 403, "forbidden")


def test_a_key_hands_on_no_more_than_it_has(world: World) -> None:
    person = world.hub.person(own_key(world, ["keys", "read"]))
    before = world.hub.rows()
    for scopes in (["all"], ["jobs"], ["read", "admin"]):
        refused(person.post("/v1/keys", {"scopes": scopes}), 403, "scope_missing")
    assert world.hub.rows() == before
    assert person.post("/v1/keys", {"scopes": ["read"]}).status_code == 200
    refused(person.post("/v1/keys", {"scopes": []}), 422, "field_invalid", "scopes")
    refused(person.post("/v1/keys", {"scopes": ["root"]}), 422, "field_invalid")
    refused(person.post("/v1/keys", {"valid_days": 4000}), 422, "field_invalid", "valid_days")


def test_a_job_is_not_resolved_by_a_key_that_may_not_read_jobs(world: World) -> None:
    made = world.submit()
    person = world.hub.person(own_key(world, ["keys"]))
    refused(person.get(f"/v1/identifiers/{made['public_id']}"), 404, "not_found")


def test_a_key_expires(world: World) -> None:
    new = {"name": "temp", "role": "buyer", "entity": "lab", "valid_days": 1}
    person = world.hub.person(world.ok("operator", "POST", "/v1/principals", new)["key"])
    world.clock.advance(DAY - 1)
    assert person.get("/v1/me").status_code == 200
    world.clock.advance(1)
    refused(person.get("/v1/me"), 401, "unauthenticated")


def test_a_name_keeps_its_role(world: World) -> None:
    new = {"name": "buyer", "role": "provider", "entity": "lab"}
    refused(world.person("operator").post("/v1/principals", new), 409, "duplicate_name", "role")
    new = {"name": "x", "role": "buyer", "entity": "nobody"}
    refused(world.person("operator").post("/v1/principals", new), 404, "not_found", "entity")
    refused(world.person("operator").post("/v1/entities", {"name": "lab"}), 409, "duplicate_name", "name")


def test_the_link_of_the_first_operator_works_once(new_world: World) -> None:
    hub, link = new_world.hub, new_world.template.link
    refused(
        hub.person().post("/v1/operators/claim", {"link": link[:-2] + "AA", "name": "op"}), 403, "link_invalid", "link"
    )
    with ThreadPoolExecutor(8) as pool:
        names = [f"op{n}" for n in range(8)]
        answers = list(
            pool.map(lambda name: hub.person().post("/v1/operators/claim", {"link": link, "name": name}), names)
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 7
    assert hub.rows()["principal"] == 1
    assert hub.rows()["entity"] == 1


def test_the_link_of_the_first_operator_expires(new_world: World) -> None:
    new_world.clock.advance(DAY)
    body = {"link": new_world.template.link, "name": "op"}
    refused(new_world.hub.person().post("/v1/operators/claim", body), 403, "link_invalid", "link")
    assert new_world.hub.rows()["principal"] == 0


def submit(world: World, key: str, body: dict[str, Any], who: str = "buyer") -> Any:  # noqa: ANN401 - a response
    return world.person(who).post("/v1/jobs", body, headers={"Idempotency-Key": key})


def test_the_same_key_and_body_get_the_very_same_answer(world: World) -> None:
    first = submit(world, "k1", job())
    world.hub.settle()
    again = submit(world, "k1", job())
    assert first.status_code == 200
    assert again.content == first.content
    assert world.hub.rows()["job"] == 1
    # a key is the caller's own
    assert submit(world, "k1", job(), "buyer2").json()["id"] != first.json()["id"]


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    submit(world, "k1", job())
    before = world.hub.rows()
    refused(submit(world, "k1", job(name="other")), 409, "idempotency_conflict", "Idempotency-Key")
    batch = world.person("buyer").post("/v1/jobs:batch", {"jobs": [job()]}, headers={"Idempotency-Key": "k1"})
    refused(batch, 409, "idempotency_conflict", "Idempotency-Key")
    assert world.hub.rows() == before


def test_the_same_call_many_times_at_once_is_done_once(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submit(world, "k1", job(array_size=3)), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert world.hub.rows()["job"] == 1
    assert world.hub.rows()["task"] == 3


def test_a_batch_and_everything_else_that_creates_is_done_once(world: World) -> None:
    calls = (
        ("buyer", "/v1/jobs:batch", {"jobs": [job(), job(name="b")]}),
        ("operator", "/v1/entities", {"name": "new"}),
        ("provider", "/v1/platforms", {"name": "new"}),
    )
    for who, path, body in calls:
        answers = [world.person(who).post(path, body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert answers[0].status_code == 200, answers[0].text
        assert answers[0].content == answers[1].content
    assert world.hub.rows()["job"] == 2


def test_an_answer_is_kept_over_a_restart_of_the_hub(world: World) -> None:
    first = submit(world, "k1", job())
    with InProcessHub(world.hub.settings, clock=world.clock) as other:
        person = other.person(world.template.keys["buyer"])
        again = person.post("/v1/jobs", job(), headers={"Idempotency-Key": "k1"})
        assert again.content == first.content
    assert world.hub.rows()["job"] == 1


def test_a_call_that_was_refused_leaves_its_key_free(world: World) -> None:
    refused(submit(world, "k1", job(wants={"platform": "nowhere"})), 404, "no_such_platform")
    assert submit(world, "k1", job()).status_code == 200


def test_an_idempotency_key_has_at_most_a_hundred_characters(world: World) -> None:
    refused(submit(world, "k" * 101, job()), 422, "field_invalid")


def test_the_same_call_at_two_replicas_at_once_is_done_once(world: World) -> None:
    with InProcessHub(world.hub.settings, clock=world.clock) as other:
        people = [hub.person(world.template.keys["buyer"]) for hub in (world.hub, other)] * 4

        def send(number: int) -> Any:  # noqa: ANN401 - a response
            return people[number].post("/v1/jobs", job(), headers={"Idempotency-Key": "k1"})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    assert world.hub.rows()["job"] == 1


def test_a_kept_answer_is_given_again_though_the_catalogue_has_changed(world: World) -> None:
    first = submit(world, "k1", job(resources={"cpu": "3", "memory": "1GiB"}))
    for name in ("wuhu-cluster", "suzhou-cloud"):
        world.connector(name).publish(inventory("1"), offer())
    world.clock.advance(5)
    again = submit(world, "k1", job(resources={"cpu": "3", "memory": "1GiB"}))
    assert again.content == first.content
