"""What people send that cannot be meant: code, field, status, and nothing half-written."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from suanlian.testing.hub import InProcessHub, Person
from tests.hub.world import Stores, World, job

VARIANT = job()["variants"][0]
SHA = hashlib.sha256(b"x").hexdigest()


def with_input(**fields: object) -> dict[str, Any]:
    return {"inputs": [{"path": "a", **fields}]}


def with_url(url: str) -> dict[str, Any]:
    return with_input(url=url, sha256=SHA)


def refused(answer: httpx2.Response, status: int, code: str, field: str | None = None) -> Mapping[str, Any]:
    """Check a refusal; its document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: Mapping[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert problem["type"] == f"urn:suanlian:error:{code}"
    assert problem["detail"]
    if field is not None:
        assert field in [fault["field"] for fault in problem["faults"]], answer.text
    return problem


SPECS: Mapping[str, tuple[dict[str, Any], int, str, str]] = {
    "flavor": ({"wants": {"flavor": "gpu9"}}, 404, "no_such_flavor", "wants.flavor"),
    "platform": ({"wants": {"platform": "nowhere"}}, 404, "no_such_platform", "wants.platform"),
    "owner": ({"wants": {"owners": {"never": ["nobody"]}}}, 404, "no_such_owner", "wants.owners.never"),
    "near nobody": ({"wants": {"near": "city"}}, 422, "field_invalid", "wants"),
    "no tier": ({"wants": {"tiers": []}}, 422, "field_invalid", "wants.tiers"),
    "prefers what nobody can weigh": ({"wants": {"prefer": "luck"}}, 422, "field_invalid", "wants.prefer"),
    "a long way round": ({"wants": {"detour": "0.06"}}, 422, "field_invalid", "wants.detour"),
    "longer than its end": ({"wall_time_s": 60, "estimate_s": 61}, 422, "field_invalid", "body"),
    "environment": (
        {"variants": [{**VARIANT, "environment": "cobol"}]},
        404,
        "no_such_environment",
        "variants.0.environment",
    ),
    "chip": ({"variants": [{**VARIANT, "chip_family": "nvida"}]}, 404, "no_such_chip", "variants.0.chip_family"),
    "too large": ({"resources": {"cpu": "5", "memory": "1GiB"}}, 422, "job_too_large", "resources"),
    "no object": (with_input(object=True, sha256=SHA), 404, "not_found", "inputs.sha256"),
    "negative cpu": ({"resources": {"cpu": "-1", "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "nan cpu": ({"resources": {"cpu": "NaN", "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "infinite cpu": ({"resources": {"cpu": "Infinity", "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "float cpu": ({"resources": {"cpu": 0.1, "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "fine cpu": ({"resources": {"cpu": "0.0001", "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "absurd cpu": ({"resources": {"cpu": "1e40", "memory": "1GiB"}}, 422, "field_invalid", "resources.cpu"),
    "absurd memory": (
        {"resources": {"cpu": "1", "memory": "999999999999TiB"}},
        422,
        "field_invalid",
        "resources.memory",
    ),
    "negative memory": ({"resources": {"cpu": "1", "memory": "-1GiB"}}, 422, "field_invalid", "resources.memory"),
    "half a card": (
        {"resources": {"cpu": "1", "memory": "1GiB", "accelerator": "0.5"}},
        422,
        "field_invalid",
        "resources.accelerator",
    ),
    "no cpu": ({"resources": {"memory": "1GiB"}}, 422, "field_invalid", "body"),
    "array of none": ({"array_size": 0}, 422, "field_invalid", "array_size"),
    "absurd array": ({"array_size": 10**30}, 422, "field_invalid", "array_size"),
    "no time": ({"wall_time_s": 0}, 422, "field_invalid", "wall_time_s"),
    "absurd time": ({"wall_time_s": 10**12}, 422, "field_invalid", "wall_time_s"),
    "negative latency": (
        {"wants": {"user_region": "310000", "max_latency_ms": "-1"}},
        422,
        "field_invalid",
        "wants.max_latency_ms",
    ),
    "nan cost": ({"wants": {"max_cost": "NaN"}}, 422, "field_invalid", "wants.max_cost"),
    "green beyond all": ({"wants": {"green_min": "1.5"}}, 422, "field_invalid", "wants.green_min"),
    "unknown field": ({"colour": "red"}, 422, "field_invalid", "colour"),
    "name control": ({"purpose": "a\u001b[31mb"}, 422, "control_character", "purpose"),
    "name bidi": ({"purpose": "a\u202eb"}, 422, "control_character", "purpose"),
    "nul in a command": (
        {"variants": [{**VARIANT, "command": ["a\u0000b"]}]},
        422,
        "field_invalid",
        "variants.0.command.0",
    ),
    "nul in env": ({"env": {"A": "a\u0000b"}}, 422, "field_invalid", "env.A"),
    "path up": (with_input(content="x") | {"outputs": ["../x"]}, 422, "path_escapes", "outputs.0"),
    "path root": ({"outputs": ["/etc/passwd"]}, 422, "field_invalid", "outputs.0"),
    "path inner": ({"outputs": ["a/../../x"]}, 422, "path_escapes", "outputs.0"),
    "path windows": ({"outputs": ["a\\..\\x"]}, 422, "field_invalid", "outputs.0"),
    "path control": ({"outputs": ["a\nb"]}, 422, "control_character", "outputs.0"),
    "input path up": ({"inputs": [{"path": "../x", "content": "x"}]}, 422, "path_escapes", "inputs.0.path"),
    "file": (with_url("file:///etc/passwd"), 422, "input_origin_refused", "inputs.0.url"),
    "userinfo": (with_url("http://a:b@example.com/"), 422, "input_origin_refused", "inputs.0.url"),
    "loopback": (with_url("http://127.0.0.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "short loopback": (with_url("http://127.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "number": (with_url("http://2130706433/x"), 422, "input_origin_refused", "inputs.0.url"),
    "hex": (with_url("http://0x7f000001/x"), 422, "input_origin_refused", "inputs.0.url"),
    "octal": (with_url("http://0177.0.0.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "loopback v6": (with_url("http://[::1]/x"), 422, "input_origin_refused", "inputs.0.url"),
    "mapped": (with_url("http://[::ffff:127.0.0.1]/x"), 422, "input_origin_refused", "inputs.0.url"),
    "localhost": (with_url("http://localhost:8080/x"), 422, "input_origin_refused", "inputs.0.url"),
    "localhost dot": (with_url("http://LOCALHOST./x"), 422, "input_origin_refused", "inputs.0.url"),
    "link-local": (with_url("http://169.254.169.254/x"), 422, "input_origin_refused", "inputs.0.url"),
    "link-local v6": (with_url("http://[fe80::1%25eth0]/x"), 422, "input_origin_refused", "inputs.0.url"),
    "private 10": (with_url("http://10.0.0.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "private 192": (with_url("https://192.168.1.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "private v6": (with_url("http://[fd00::1]/x"), 422, "input_origin_refused", "inputs.0.url"),
    "shared": (with_url("http://100.64.0.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "anything": (with_url("http://0.0.0.0/x"), 422, "input_origin_refused", "inputs.0.url"),
    "full width": (with_url("http://１２７.0.0.1/x"), 422, "input_origin_refused", "inputs.0.url"),
    "no such port": (with_url("http://example.com:99999/x"), 422, "input_origin_refused", "inputs.0.url"),
}


def test_a_spec_that_cannot_be_meant_is_refused_and_nothing_is_written(still: World) -> None:
    person, before = still.person("buyer"), still.hub.rows()
    faults = []
    for name, (changes, status, code, field) in SPECS.items():
        for path, body in (("/v1/jobs", job(**changes)), ("/v1/jobs:batch", {"jobs": [job(), job(**changes)]})):
            answer = person.post(path, body)
            prefix = "" if path == "/v1/jobs" or status == 404 or code == "job_too_large" else "jobs.1."
            try:
                refused(answer, status, code)
                named = [fault["field"] for fault in answer.json()["faults"]]
                assert any(one in (field, prefix + field, "jobs.1") for one in named), named
            except AssertionError as error:
                faults.append((name, path, str(error)[:300]))
    assert not faults
    assert still.hub.rows() == before


def test_an_origin_that_the_operator_listed_may_be_read(world: World, stores: Stores) -> None:
    settings = stores.copy(world.template).model_copy(update={"input_origins": ("http://127.0.0.1:8000",)})
    with InProcessHub(settings, clock=world.clock) as hub:
        person = hub.person(world.template.keys["buyer"])
        assert person.post("/v1/jobs", job(**with_url("http://127.0.0.1:8000/x"))).status_code == 200
        for other in ("http://127.0.0.1:8001/x", "https://127.0.0.1:8000/x", "http://127.0.0.1/x"):
            refused(person.post("/v1/jobs", job(**with_url(other))), 422, "input_origin_refused", "inputs.0.url")
    stores.drop(settings)


def test_an_upload_has_the_digest_that_it_states(world: World) -> None:
    person, before = world.person("buyer"), world.hub.rows()
    refused(person.post(f"/v1/objects?sha256={SHA}", content=b"y"), 422, "checksum_mismatch", "sha256")
    refused(person.post("/v1/objects?sha256=abc", content=b"y"), 422, "field_invalid", "sha256")
    assert world.hub.rows() == before
    for _ in range(2):
        assert person.post(f"/v1/objects?sha256={SHA}", content=b"x").json() == {"sha256": SHA, "size": 1}
    assert world.hub.rows()["object"] == 1


def test_an_account_has_a_quota_and_the_same_again_costs_nothing(world: World, stores: Stores) -> None:
    settings = stores.copy(world.template).model_copy(update={"account_bytes": 1500})
    data = bytes(1000)
    path = f"/v1/objects?sha256={hashlib.sha256(data).hexdigest()}"
    other = bytes(501)
    with InProcessHub(settings, clock=world.clock) as hub:
        person = hub.person(world.template.keys["buyer"])
        assert person.post(path, content=data).status_code == 200
        assert person.post(path, content=data).status_code == 200
        answer = person.post(f"/v1/objects?sha256={hashlib.sha256(other).hexdigest()}", content=other)
        refused(answer, 409, "quota_exceeded")
    stores.drop(settings)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs:batch", f"/v1/objects?sha256={SHA}", "/v1/entities"])
def test_fifty_megabytes_are_refused(still: World, path: str) -> None:
    person, before = still.person("buyer"), still.hub.rows()
    body = bytes(50 * 1024 * 1024)
    refused(person.post(path, content=body), 413, "body_too_large", "body")
    chunked = person.post(path, content=b"{}", headers={"Content-Length": str(len(body))})
    refused(chunked, 413, "body_too_large", "body")
    assert still.hub.rows() == before


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"nonsense", b'{"name": "\xff"}', b"[" * 100_000])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs:batch", "/v1/jobs:estimate", "/v1/jobs:plan"])
def test_what_is_not_json_is_refused(still: World, path: str, body: bytes) -> None:
    refused(still.person("buyer").post(path, content=body), 400, "body_not_json", "body")


def test_what_is_not_json_is_refused_at_every_other_door(still: World) -> None:
    person = still.person("operator")
    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000):
        refused(person.post("/v1/entities", content=body), 400, "body_not_json")
    refused(person.post("/v1/entities", content=b""), 422, "field_invalid", "body")
    refused(person.post("/v1/entities", []), 422, "field_invalid", "body")
    refused(person.post("/v1/entities", {"name": 1, "x": 2}), 422, "field_invalid", "name")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""])
def test_another_content_type_is_refused(still: World, media: str) -> None:
    person, before = still.person("buyer"), still.hub.rows()
    answer = person.post("/v1/jobs", content=json.dumps(job()).encode(), headers={"Content-Type": media})
    refused(answer, 415, "content_type_unsupported", "Content-Type")
    assert still.hub.rows() == before


def test_json_with_a_charset_is_json(world: World) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    content = json.dumps(job()).encode()
    assert world.person("buyer").post("/v1/jobs", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs?limit=0",
        "/v1/jobs?limit=201",
        "/v1/jobs?limit=-1",
        "/v1/jobs?limit=99999999999999999999999999",
        "/v1/jobs?limit=x",
        "/v1/events?cursor=-1",
        "/v1/events?cursor=99999999999999999999999999",
        "/v1/jobs/{job}/tasks?cursor=99999999999999999999999999",
        "/v1/jobs/{job}/explanation?index=-1",
        "/v1/jobs/{job}/explanation?index=99999999999999999999999999",
        "/v1/jobs/{job}/log?index=99999999999999999999999999",
        "/v1/jobs/{job}/log?offset=99999999999999999999999999",
        "/v1/jobs/{job}/log?offset=-1",
        "/v1/jobs/{job}/log?stream=neither",
        "/v1/jobs/{job}/outputs?index=99999999999999999999999999",
        "/v1/jobs/{job}/outputs/99999999999999999999999999/x",
    ],
)
def test_an_absurd_number_in_the_address_is_refused(still: World, path: str) -> None:
    who = "operator" if "events" in path else "buyer"
    waiting = still.ok("buyer", "GET", "/v1/jobs")["items"][0]["id"]
    refused(still.person(who).get(path.format(job=waiting)), 422, "field_invalid")


@pytest.mark.parametrize("cursor", ["x", "'; DROP TABLE job; --", "zzzz" * 50, "0", "😀"])
def test_any_cursor_gives_a_page(still: World, cursor: str) -> None:
    before = still.hub.rows()
    for path in ("/v1/jobs", "/v1/charges", "/v1/platforms"):
        answer = still.person("buyer").get(path, cursor=cursor)
        assert answer.status_code == 200
        assert isinstance(answer.json()["items"], list)
    assert still.hub.rows() == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/%00",
        "/v1/platforms/a%00b",
        "/v1/jobs?name=%00",
        "/v1/jobs?cursor=%00",
        "/v1/identifiers/%00",
        "/v1/jobs/x/outputs/0/a%00",
    ],
)
def test_the_character_nul_in_the_address_is_refused(still: World, path: str) -> None:
    refused(still.person("buyer").get(path), 422, "control_character")


@pytest.mark.parametrize(
    "path", ["/v1/jobs/..", "/v1/jobs/%2e%2e", "/v1/jobs/%ff", "/v1/jobs/x'y", "/v1/jobs/" + "x" * 3000]
)
def test_an_odd_name_in_the_address_is_not_there(still: World, path: str) -> None:
    assert still.person("buyer").get(path).status_code == 404


def test_an_output_is_found_by_its_name_alone(still: World) -> None:
    made = still.ok("buyer", "GET", "/v1/jobs")["items"][0]
    for path in ("../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd"):
        assert still.person("buyer").get(f"/v1/jobs/{made['id']}/outputs/0/{path}").status_code == 404


def test_an_unknown_route_or_method_is_told_as_a_problem(still: World) -> None:
    person: Person = still.person("buyer")
    refused(person.get("/v1/nothing"), 404, "route_unknown")
    answer = still.hub.http.delete("/v1/jobs")
    refused(answer, 404, "route_unknown")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "text",
    ["CN-J-x", "CN-J-01M81J2QNBEAG9SKD3AFPDZE6E-0", "", "ZZ-J-01M81J2QNBEAG9SKD3AFPDZE6E-L", "-" * 99, "中-J-1-2"],
)
def test_what_is_no_identifier_is_refused(still: World, text: str) -> None:
    answer = still.person("buyer").get(f"/v1/identifiers/{text or '%20'}")
    refused(answer, 422, "identifier_invalid", "identifier")


def test_who_goes_away_amid_a_call_is_no_fault_of_the_hub(still: World, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def call() -> None:
        parts = iter(({"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}))

        async def receive() -> Any:  # noqa: ANN401 - a message of ASGI
            return next(parts)

        async def send(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
            sent.append(message)

        key = still.template.keys["buyer"].encode()
        headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + key)]
        scope = {"type": "http", "method": "POST", "path": "/v1/jobs", "raw_path": b"/v1/jobs", "headers": headers}
        scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 1)}
        await still.hub.app({**scope, "client": ("127.0.0.1", 2)}, receive, send)

    asyncio.run(call())
    assert sent[0]["status"] == 400
    assert "unforeseen" not in caplog.text
