"""The TES door: what its clients send and are answered, against the whole hub in this process."""

import base64
import hashlib
import threading
from collections.abc import Mapping
from typing import Any, Final

import pytest

from suanlian.model.job import JobState, Outcome, OutputFile
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Inventory, NamedEnvironment
from suanlian.model.protocol import Instruction, LogCall, OutputCall
from tests.hub.laws import all_laws
from tests.hub.world import World, inventory, offer

TES: Final = "/ga4gh/tes/v1"
IN: Final = {"path": "/data/a", "content": "x"}
OUT: Final = {"path": "/data/b", "url": "suanlian:"}


def capable(*images: str) -> Inventory:
    """A platform whose software stands for these images and that has mounts."""
    made = inventory()
    (flavor,) = made.flavors
    software = NamedEnvironment(name="python", architecture=Architecture.X86_64, images=images)
    changes = {"environments": (software,), "features": (Feature.MOUNTS,)}
    return made.model_copy(update={"flavors": (flavor.model_copy(update=changes),)})


def with_images(world: World) -> World:
    """The world whose first platform knows python:3.12 and alpine."""
    world.connector().publish(capable("python:3.12", "library/alpine"), offer())
    world.hub.settle()
    return world


@pytest.fixture
def tes(world: World) -> World:
    return with_images(world)


def task(**changes: object) -> dict[str, Any]:
    return {"name": "Hello World", "executors": [{"image": "alpine", "command": ["echo", "hello"]}], **changes}


def create(world: World, by: str = "buyer", **changes: object) -> str:
    answer = world.person(by).post(f"{TES}/tasks", task(**changes))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def show(world: World, ref: str, view: str = "FULL", by: str = "buyer") -> dict[str, Any]:
    world.clock.advance(6)  # old enough not to be waited for
    answer = world.person(by).get(f"{TES}/tasks/{ref}", view=view)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def placed(world: World, ref: str) -> Instruction:
    """The task's instruction, once it has a place."""
    world.hub.settle()
    return next(told for told in world.connector().poll().instructions if told.job_id == ref)


def end(
    world: World,
    of: Instruction,
    state: JobState = JobState.COMPLETE,
    *,
    said: bytes = b"",
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Run it to its end, with what it wrote and brought."""
    connector, at = world.connector(), world.clock()
    connector.report(of, JobState.RUNNING, started_at=at)
    if said:
        data = base64.b64encode(said).decode()
        call = LogCall(attempt_id=of.attempt_id, token=of.token, stream="stdout", offset=0, data=data)
        connector.client.log(call)
    outputs = []
    for path, content in (files or {}).items():
        digest = hashlib.sha256(content).hexdigest()
        data = base64.b64encode(content).decode()
        call_ = OutputCall(attempt_id=of.attempt_id, token=of.token, path=path, sha256=digest, data=data)
        connector.client.output(call_)
        outputs.append(OutputFile(path=path, size=len(content), sha256=digest))
    code = 0 if state is JobState.COMPLETE else 3
    connector.report(of, state, started_at=at, outcome=Outcome(exit_code=code, outputs=tuple(outputs)))
    world.hub.settle()


def listed(world: World, by: str = "buyer", **query: Any) -> list[str]:  # noqa: ANN401 - a query
    answer = world.hub.http.get(f"{TES}/tasks", params=query, headers=bearer(world, by))
    assert answer.status_code == 200, answer.text
    return [found["id"] for found in answer.json()["tasks"]]


def bearer(world: World, by: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.template.keys[by]}"}


# ---------------------------------------------------------------- a task's life


def test_a_task_is_a_job_with_its_files_and_comes_back_with_its_log(tes: World) -> None:
    ref = create(tes, inputs=[IN], outputs=[OUT], description="why", tags={"run": "7"})
    assert show(tes, ref, "MINIMAL") == {"id": ref, "state": "QUEUED"}
    of = placed(tes, ref)
    assert of.spec is not None
    assert {item.path: item.content for item in of.spec.inputs}["tes/data/a"] == "x"
    assert (of.spec.name, of.spec.outputs) == ("hello-world", ("tes/data/b",))
    # where it may go was the hub's to decide, and older connectors do not know the word
    assert [variant.stands_for for variant in of.spec.variants] == [()]
    spec = tes.job(ref)["spec"]
    assert (spec["tags"], spec["variants"][0]["stands_for"]) == ({"run": "7"}, ["alpine:latest"])
    end(tes, of, said=b"hello\n", files={"tes/data/b": b"four"})
    found = show(tes, ref)
    assert (found["state"], found["name"], found["description"]) == ("COMPLETE", "Hello World", "why")
    (log,) = found["logs"]
    assert log["logs"][0]["stdout"] == "hello\n"
    assert log["metadata"]["software"] == "image alpine:latest is environment python at main"
    (output,) = log["outputs"]
    assert (output["path"], output["size_bytes"]) == ("/data/b", "4")
    kept = tes.person("buyer").get(output["url"].removeprefix(tes.hub.running.hub.node.url))
    assert kept.content == b"four"
    all_laws(tes.hub)


def test_a_task_that_fails_shows_what_it_wrote_and_how_it_ended(tes: World) -> None:
    ref = create(tes)
    end(tes, placed(tes, ref), JobState.EXECUTOR_ERROR, said=b"no further\n")
    found = show(tes, ref)
    (log,) = found["logs"]
    (executor,) = log["logs"]
    assert (found["state"], executor["exit_code"], executor["stdout"]) == ("EXECUTOR_ERROR", 3, "no further\n")


def test_a_full_view_of_a_young_task_waits_for_its_end(tes: World) -> None:
    ref = create(tes)
    of = placed(tes, ref)
    answers: list[dict[str, Any]] = []

    def look() -> None:
        answers.append(tes.person("buyer").get(f"{TES}/tasks/{ref}", view="FULL").json())

    looking = threading.Thread(target=look)
    looking.start()
    end(tes, of, JobState.EXECUTOR_ERROR, said=b"at once\n")
    looking.join()
    (found,) = answers
    assert (found["state"], found["logs"][0]["logs"][0]["stdout"]) == ("EXECUTOR_ERROR", "at once\n")


def test_a_waiting_task_says_why_and_ends_canceled_when_it_is_cancelled(tes: World) -> None:
    ref = create(tes, resources={"backend_parameters": {"suanlian.platform": "suzhou-cloud"}})
    tes.hub.settle()
    (log,) = show(tes, ref)["logs"]
    assert log["system_logs"][-1].startswith("waits: ")
    assert "suzhou-cloud" in log["system_logs"][-1]
    buyer = tes.person("buyer")
    assert buyer.post(f"{TES}/tasks/{ref}:cancel").json() == {}
    assert show(tes, ref, "MINIMAL")["state"] == "CANCELED"
    # again, it changes nothing
    assert buyer.post(f"{TES}/tasks/{ref}:cancel").json() == {}
    all_laws(tes.hub)


def test_a_running_task_that_is_cancelled_ends_when_its_connector_says_so(tes: World) -> None:
    ref = create(tes)
    of = placed(tes, ref)
    tes.connector().report(of, JobState.RUNNING, started_at=tes.clock())
    assert tes.person("buyer").post(f"{TES}/tasks/{ref}:cancel").status_code == 200
    assert show(tes, ref, "MINIMAL")["state"] == "CANCELING"
    tes.connector().report(of, JobState.CANCELED, version=3)
    assert show(tes, ref, "MINIMAL")["state"] == "CANCELED"


def test_what_has_ended_cannot_be_cancelled(tes: World) -> None:
    ref = create(tes)
    end(tes, placed(tes, ref))
    refused = tes.person("buyer").post(f"{TES}/tasks/{ref}:cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")


def test_a_preempted_task_waits_again_and_shows_both_tries(tes: World) -> None:
    ref = create(tes)
    of = placed(tes, ref)
    connector, at = tes.connector(), tes.clock()
    connector.report(of, JobState.RUNNING, started_at=at)
    connector.report(of, JobState.PREEMPTED, started_at=at, outcome=Outcome(reason="the owner takes it back"))
    found = show(tes, ref)
    assert found["state"] == "QUEUED"
    assert [log["system_logs"][-1].split(":")[0] for log in found["logs"]] == ["the owner takes it back", "waits"]


# ---------------------------------------------------------------- lists


def test_a_list_is_newest_first_by_pages_and_by_what_is_asked_for(tes: World) -> None:
    refs = [create(tes, name=f"run {n}", tags={"n": str(n), "all": ""}) for n in range(5)]
    create(tes, "buyer2")
    end(tes, placed(tes, refs[0]))
    newest = refs[::-1]
    assert listed(tes) == newest
    assert listed(tes, name_prefix="run 3") == [refs[3]]
    assert listed(tes, name_prefix="RUN") == listed(tes, name_prefix="un") == []
    assert listed(tes, state="COMPLETE") == [refs[0]]
    assert listed(tes, state="UNKNOWN") == []
    seen, token = list[str](), ""
    while True:
        page = tes.person("buyer").get(f"{TES}/tasks", page_size=2, page_token=token, view="BASIC").json()
        seen += [found["id"] for found in page["tasks"]]
        assert all(found["name"].startswith("run") for found in page["tasks"])
        token = page.get("next_page_token", "")
        if not token:
            break
    assert seen == newest


@pytest.mark.parametrize("query", [{"view": "HUGE"}, {"page_size": 99_999}, {"page_token": "zzz"}, {"state": "FINE"}])
def test_a_query_that_cannot_be_meant_is_told_as_clients_know_it(tes: World, query: dict[str, Any]) -> None:
    answer = tes.person("buyer").get(f"{TES}/tasks", **query)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


@pytest.mark.parametrize(
    ("asked", "tags", "fits"),
    [
        ({"foo": "bar"}, {"foo": "bar"}, True),
        ({"foo": "bar"}, {"foo": "bat"}, False),
        ({"foo": ""}, {"foo": ""}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar"}, {"foo": "bar", "baz": "bat"}, True),
        ({"foo": "bar", "baz": "bat"}, {"foo": "bar"}, False),
        ({"foo": ""}, {"foo": "bar"}, True),
        ({"foo": ""}, {}, False),
    ],
)
def test_tags_fit_as_the_standard_has_it(
    tes: World, asked: dict[str, str], tags: dict[str, str], *, fits: bool
) -> None:
    ref = create(tes, tags=tags)
    assert listed(tes, tag_key=list(asked), tag_value=list(asked.values())) == ([ref] if fits else [])


def test_a_key_without_a_value_fits_any(tes: World) -> None:
    ref = create(tes, tags={"foo": "bar"})
    assert listed(tes, tag_key="foo") == [ref]


def test_jobs_of_the_native_door_are_no_tasks(tes: World) -> None:
    made = tes.submit()
    assert listed(tes) == []
    assert tes.person("buyer").get(f"{TES}/tasks/{made['id']}").status_code == 404


# ---------------------------------------------------------------- who, and what is refused


def test_basic_authentication_with_the_key_as_password_opens_this_door_alone(tes: World) -> None:
    key = tes.template.keys["buyer"]
    http = tes.hub.http
    assert http.get(f"{TES}/tasks", auth=("anybody", key)).status_code == 200
    assert http.get(f"{TES}/tasks", auth=("anybody", key[:-1])).status_code == 401
    assert http.get(f"{TES}/tasks", auth=("anybody", "")).status_code == 401
    assert http.get(f"{TES}/tasks", headers={"Authorization": "Basic ***"}).status_code == 401
    assert http.get("/v1/jobs", auth=("anybody", key)).status_code == 401


def test_a_task_is_its_accounts_alone(tes: World) -> None:
    ref = create(tes)
    for other, status in (("buyer2", 404), ("operator", 403), ("provider", 403), ("nobody", 401)):
        person = tes.person(other)
        assert person.get(f"{TES}/tasks/{ref}").status_code == status
        assert person.post(f"{TES}/tasks/{ref}:cancel").status_code == status


def test_the_service_tells_of_itself_to_everybody_and_of_images_to_who_has_a_key(tes: World) -> None:
    told = tes.person("nobody").get(f"{TES}/service-info").json()
    assert told["type"] == {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}
    assert "suanlian.wall_time_s" in told["tesResources_backend_parameters"]
    assert tes.person("nobody").get(f"{TES}/images").status_code == 401
    images = tes.person("buyer").get(f"{TES}/images").json()["images"]
    assert [image["image"] for image in images] == ["alpine:latest", "python:3.12"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"executors": [{"image": "pyton", "command": ["x"]}]}, 400, "image_unknown"),
        ({"executors": []}, 400, "field_invalid"),
        ({"executors": None}, 400, "field_invalid"),
        ({"executors": [{"image": "alpine", "command": []}]}, 400, "field_invalid"),
        ({"executors": [{"image": "alpine", "command": ["x"], "workdir": "data"}]}, 400, "field_invalid"),
        ({"executors": [{"image": "alpine", "command": ["x"], "env": {"a b": "c"}}]}, 400, "field_invalid"),
        ({"executors": [{"image": "alpine", "command": ["x"], "ignore_errors": True}]}, 400, "field_invalid"),
        ({"inputs": [IN, IN]}, 400, "paths_collide"),
        ({"inputs": [{**IN, "content": "x" * (1024 * 1024 + 1)}]}, 400, "field_invalid"),
        ({"inputs": [{**IN, "content": "x" * (5 * 1024 * 1024)}]}, 413, "body_too_large"),
        ({"inputs": [{"path": "/data/../x", "content": "x"}]}, 400, "path_escapes"),
        ({"inputs": [{"path": "/data/a", "url": "file:///etc/passwd"}]}, 400, "address_unsupported"),
        ({"inputs": [{"path": "/data/a", "url": "http://127.0.0.1/x"}]}, 400, "input_origin_refused"),
        ({"inputs": [{"path": "/data/a", "url": "https://a.example:22/x"}]}, 400, "input_origin_refused"),
        ({"outputs": [{**OUT, "url": "/srv/x"}]}, 400, "address_unsupported"),
        ({"outputs": [{**OUT, "url": "http://169.254.169.254/x"}]}, 400, "input_origin_refused"),
        ({"outputs": [{**OUT, "path": "/data/*"}]}, 400, "wildcard_misused"),
        ({"resources": {"cpu_cores": -1}}, 400, "field_invalid"),
        ({"resources": {"cpu_cores": 5000}}, 400, "job_too_large"),
        (
            {"resources": {"backend_parameters": {"x": "y"}, "backend_parameters_strict": True}},
            400,
            "parameter_unknown",
        ),
        ({"resources": {"backend_parameters": {"suanlian.platform": "atlantis"}}}, 400, "no_such_platform"),
        ({"tags": {"x": "\x1b[31m"}}, 400, "control_character"),
        ({"name": "a\x00b"}, 400, "control_character"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    tes: World, changes: dict[str, Any], status: int, code: str
) -> None:
    before = tes.hub.rows()
    refused = tes.person("buyer").post(f"{TES}/tasks", task(**changes))
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert tes.hub.rows() == before


def test_the_same_idempotency_key_makes_one_task(tes: World) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (tes.person("buyer").post(f"{TES}/tasks", task(), headers=headers).json() for _ in range(2))
    assert first == again
    assert len(listed(tes)) == 1
    # the same answer although no platform knows the image any more
    tes.connector().publish(capable("python:3.12"), offer())
    tes.hub.settle()
    assert tes.person("buyer").post(f"{TES}/tasks", task(), headers=headers).json() == first
    assert tes.person("buyer").post(f"{TES}/tasks", task()).json()["code"] == "image_unknown"


def test_what_only_the_server_says_is_passed_over(tes: World) -> None:
    ref = create(tes, id="mine", state="COMPLETE", logs=[{"logs": []}], creation_time="2020-01-01T00:00:00Z")
    assert ref != "mine"
    assert show(tes, ref, "MINIMAL")["state"] == "QUEUED"
