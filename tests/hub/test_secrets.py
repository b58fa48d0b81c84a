"""Secrets at a hub: set and never told again, sealed in the store, sealed anew for the one connector that starts."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from suanlian.agent.vault import TYP
from suanlian.crypto.errors import SealError
from suanlian.crypto.sealing import SealingKey, SealingRing
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError, SuanlianError
from suanlian.model.job import JobState
from suanlian.model.probe import Purpose
from suanlian.model.protocol import Instruction, SecretsCall
from suanlian.model.secret import MAX_BYTES, MAX_PER_ACCOUNT, SecretContents
from suanlian.services import secrets
from suanlian.store import tables as t
from tests.hub.world import World, inventory, job, offer

SECRET = "swordfish-of-the-deep"
OTHERS = "the-mill-has-its-own"
RING = SealingRing.generate()
USES = [{"name": "db", "env": "DB_PASSWORD"}]


@pytest.fixture
def keeper(world: World) -> World:
    """The buyer has a secret, the other buyer one of the same name, and the platform a key to seal to."""
    world.connector().publish(inventory(), offer(), sealing_key=RING.current.text)
    for who, value in (("buyer", SECRET), ("buyer2", OTHERS)):
        assert put(world, "db", value, by=who).status_code == 200
    return world


def put(world: World, name: str, value: object, by: str = "buyer") -> Any:  # noqa: ANN401 - a response
    return world.person(by).send("PUT", f"/v1/secrets/{name}", {"value": value})


def placed(world: World, by: str = "buyer") -> Instruction:
    made = world.submit(by, wants={"platform": "wuhu-cluster"}, secrets=USES)
    world.hub.settle()
    (told,) = [i for i in world.connector().poll().instructions if i.job_id == made["id"]]
    return told


def opened(world: World, told: Instruction, *, by: str = "wuhu-cluster", token: int | None = None) -> dict[str, bytes]:
    connector = world.connector(by)
    call = SecretsCall(attempt_id=told.attempt_id, token=told.token if token is None else token)
    sealed = connector.client.secrets(call).sealed
    bound = {"attempt": told.attempt_id, "token": str(told.token), "connector": connector.id}
    values = SecretContents.model_validate_json(RING.open(sealed, TYP, bound)).values
    return {name: base64.b64decode(value) for name, value in values.items()}


def stored(world: World) -> str:
    """Every column of every row."""
    with world.hub.running.hub.reading() as unit:
        rows = [unit.connection.execute(select(table)).all() for table in t.metadata.sorted_tables]
    return repr(rows)


def test_a_secret_is_set_listed_by_name_and_removed(keeper: World) -> None:
    first = keeper.ok("buyer", "GET", "/v1/secrets")["items"]
    assert [set(one) for one in first] == [{"name", "created_at", "changed_at"}]
    keeper.clock.advance(5)
    again = put(keeper, "db", "another-long-value").json()
    assert (again["created_at"], again["changed_at"] > again["created_at"]) == (first[0]["created_at"], True)
    assert put(keeper, "api", "x" * 8).status_code == 200
    names = [one["name"] for one in keeper.ok("buyer", "GET", "/v1/secrets")["items"]]
    assert names == ["api", "db"]
    page = keeper.person("buyer").get("/v1/secrets", limit=1).json()
    assert [one["name"] for one in keeper.person("buyer").get("/v1/secrets", cursor=page["next"]).json()["items"]] == [
        "db"
    ]
    person = keeper.person("buyer")
    assert person.send("DELETE", "/v1/secrets/api").status_code == 204
    assert person.send("DELETE", "/v1/secrets/api").json()["code"] == "no_such_secret"
    assert [one["name"] for one in keeper.ok("buyer2", "GET", "/v1/secrets")["items"]] == ["db"]


def test_no_answer_no_event_and_no_column_says_it(keeper: World) -> None:
    told = placed(keeper)
    assert opened(keeper, told) == {"db": SECRET.encode()}
    assert opened(keeper, placed(keeper, "buyer2")) == {"db": OTHERS.encode()}
    found = stored(keeper)
    for text in (SECRET, base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex()):
        assert text not in found
    for path in ("/v1/secrets", f"/v1/jobs/{told.job_id}", "/v1/events?limit=200", "/v1/jobs", "/openapi.json"):
        for who in ("operator", "supervisor", "provider", "buyer", "buyer2"):
            assert SECRET not in keeper.person(who).get(path).text
    assert SECRET not in told.model_dump_json()
    kinds = [e["type"] for e in keeper.ok("operator", "GET", "/v1/events?limit=200")["items"] if "secret" in e["type"]]
    assert sorted(kinds) == ["secret.sent", "secret.sent", "secret.set", "secret.set"]


@pytest.mark.parametrize(
    "value",
    [
        "swrdfsh",
        "",
        " " * 12,
        "nul\x00nul\x00nul",
        "x" * (MAX_BYTES + 1),
        "é" * (MAX_BYTES // 2 + 1),
        12345678,
        None,
        ["a"],
    ],
    ids=range(9),
)
def test_what_cannot_be_a_secret_is_refused_and_not_repeated(keeper: World, value: object) -> None:
    rows = keeper.hub.rows()
    answer = put(keeper, "new", value)
    assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid"), answer.text
    assert keeper.hub.rows() == rows
    if isinstance(value, str) and value.strip():
        assert value[:8] not in answer.text


def test_a_lone_surrogate_and_a_wrong_name_are_refused(keeper: World) -> None:
    person = keeper.person("buyer")
    for path, content in (
        ("/v1/secrets/new", b'{"value": "\\ud800-secret-value"}'),
        ("/v1/secrets/Bad%20Name", b'{"value": "a-long-value"}'),
        ("/v1/secrets/new", b'{"value": "a-long-value", "more": 1}'),
    ):
        answer = person._http.request(  # noqa: SLF001 - a body that no JSON writer makes
            "PUT",
            path,
            content=content,
            headers={**person._headers, "Content-Type": "application/json"},  # noqa: SLF001
        )
        assert answer.status_code in (400, 422), answer.text
        assert "secret-value" not in answer.text


def test_an_account_has_so_many_and_no_more(keeper: World) -> None:
    for number in range(MAX_PER_ACCOUNT - 1):
        assert put(keeper, f"n{number}", "long-enough").status_code == 200
    assert put(keeper, "too-many", "long-enough").json()["code"] == "quota_exceeded"
    assert put(keeper, "db", "long-enough").status_code == 200


def test_a_job_names_what_its_own_account_has(keeper: World) -> None:
    assert put(keeper, "mine", "long-enough").status_code == 200
    rows = keeper.hub.rows()
    body = job(secrets=[{"name": "mine", "env": "A"}, {"name": "none", "path": "b"}])
    for who, missing in (("buyer", "none"), ("buyer2", "mine")):
        for path, sent in (
            ("/v1/jobs", body),
            ("/v1/jobs:batch", {"jobs": [job(), body]}),
            ("/v1/jobs:estimate", body),
        ):
            answer = keeper.person(who).post(path, sent)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_such_secret")
            assert f"'{missing}'" in answer.json()["detail"]
    assert keeper.hub.rows() == rows


@pytest.mark.parametrize(
    "bad",
    [
        [{"name": "db"}],
        [{"name": "db", "env": "A", "path": "b"}],
        [{"name": "db", "env": "A"}, {"name": "db", "env": "A"}],
        [{"name": "db", "path": "a"}, {"name": "db", "path": "a"}],
        [{"name": "db", "path": "../a"}],
        [{"name": "db", "env": "1A"}],
        [{"name": "db", "env": f"A{n}"} for n in range(17)],
        [{"name": "db", "path": "in"}],
        [{"name": "db", "env": "HERE"}],
    ],
    ids=range(9),
)
def test_a_reference_that_cannot_be_meant_is_refused(keeper: World, bad: object) -> None:
    body = job(secrets=bad, inputs=[{"path": "in", "content": "x"}], env={"HERE": "x"})
    assert keeper.person("buyer").post("/v1/jobs", body).status_code == 422


def test_without_a_key_to_seal_to_a_job_waits_and_says_so(world: World) -> None:
    put(world, "db", SECRET)
    made = world.submit("buyer", secrets=USES)
    world.hub.settle()
    assert "no key to which the job's secrets could be sealed" in world.job(made["id"])["waiting"]
    plain = world.submit("buyer", wants={"platform": "wuhu-cluster"})
    world.connector().publish(inventory(), offer(), sealing_key=RING.current.text)
    world.hub.settle()
    told = {i.job_id for i in world.connector().poll().instructions}
    assert {made["id"], plain["id"]} <= told


def test_a_connector_gets_the_secrets_of_its_own_live_attempt_alone(keeper: World) -> None:
    told = placed(keeper)
    keeper.connector("suzhou-cloud").publish(inventory(), offer(), sealing_key=RING.current.text)
    for by, token in (("suzhou-cloud", None), ("wuhu-cluster", told.token + 1)):
        with pytest.raises(ConflictError) as caught:
            opened(keeper, told, by=by, token=token)
        assert caught.value.code == "report_stale"
    keeper.connector().run(told)
    with pytest.raises(ConflictError) as caught:
        opened(keeper, told)
    assert caught.value.code == "report_stale"


def test_a_secret_removed_before_the_start_ends_the_job(keeper: World) -> None:
    told = placed(keeper)
    keeper.person("buyer").send("DELETE", "/v1/secrets/db")
    with pytest.raises(NotFoundError) as caught:
        opened(keeper, told)
    connector = keeper.connector()
    reason = f"{caught.value.code}: {caught.value.wrong}"
    connector.report(told, JobState.SYSTEM_ERROR, outcome={"reason": reason})
    assert keeper.job(told.job_id)["state"] == "SYSTEM_ERROR"


def test_a_probe_has_no_secrets(keeper: World) -> None:
    told = placed(keeper)
    keeper.hub.running.hub.writer.run(
        lambda unit: unit.connection.execute(
            update(t.job).where(t.job.c.id == told.job_id).values(purpose=Purpose.SUPPLY.value)
        )
    )
    assert opened(keeper, told) == {}


def test_the_newest_key_is_sealed_to_and_a_wrong_one_changes_nothing(keeper: World) -> None:
    told, new = placed(keeper), SealingRing.generate()
    connector = keeper.connector()
    rows = keeper.hub.rows()
    for bad in ("x25519:AAAA", "ed25519:" + "A" * 43):
        with pytest.raises(InvalidError) as caught:
            connector.publish(inventory("2"), offer(), sealing_key=bad)
        assert caught.value.code == "key_malformed"
    left = {name: count for name, count in keeper.hub.rows().items() if name != "nonce"}
    assert left == {name: count for name, count in rows.items() if name != "nonce"}
    connector.publish(inventory(), offer(), sealing_key=new.current.text)
    with pytest.raises(SealError):
        opened(keeper, told)
    # a connector of before tells none: the key that is known stays
    connector.publish(inventory(), offer())
    call = SecretsCall(attempt_id=told.attempt_id, token=told.token)
    bound = {"attempt": told.attempt_id, "token": str(told.token), "connector": connector.id}
    assert new.open(connector.client.secrets(call).sealed, TYP, bound)
    events = keeper.ok("operator", "GET", "/v1/events?limit=200")["items"]
    told_of = [e["data"] for e in events if e["type"] == "connector.sealing-key" and e["subject"] == connector.id]
    keys = {"before": RING.current.key_id, "after": new.current.key_id}
    assert keys in told_of


def test_a_row_moved_to_another_name_or_account_does_not_open(keeper: World) -> None:
    told = placed(keeper, "buyer2")
    hub = keeper.hub.running.hub

    def swap(unit: Any) -> None:  # noqa: ANN401 - a unit of work
        mine, theirs = unit.connection.execute(select(t.secret).order_by(t.secret.c.id)).mappings().all()
        unit.connection.execute(update(t.secret).where(t.secret.c.id == theirs["id"]).values(sealed=mine["sealed"]))

    hub.writer.run(swap)
    with pytest.raises(ConflictError) as caught:
        opened(keeper, told)
    assert caught.value.code == "secret_unreadable"
    assert SECRET not in str(caught.value)


def test_with_another_key_file_nothing_opens(keeper: World) -> None:
    told = placed(keeper)
    hub = keeper.hub.running.hub
    call = SecretsCall(attempt_id=told.attempt_id, token=told.token)
    with hub.reading() as unit:
        released = secrets.release(unit, keeper.connector().id, call)
    other = type(hub.secrets)(pepper=b"p" * 32, random_bytes=hub.secrets.random_bytes, at_rest=b"k" * 32)
    with pytest.raises(SuanlianError) as caught:
        secrets.seal(released, other)
    assert caught.value.code == "secret_unreadable"
    assert secrets.seal(released, hub.secrets).count(".") == 4


def test_the_key_file_is_its_owners_alone_and_no_part_of_the_store(keeper: World) -> None:
    path = keeper.hub.settings.hub_home / "secrets.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert path.read_bytes().hex() not in stored(keeper)
    assert SealingKey.parse(RING.current.text).text in json.dumps(stored(keeper))


@pytest.fixture(autouse=True)
def _no_fault_of_ours(world: World) -> Iterator[None]:
    yield
    assert world.hub.person().get("/healthz").status_code == 200
