"""Files of TES tasks that lie elsewhere: read before a task gets a place, brought after its end."""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from suanlian.model.job import JobState
from suanlian.model.protocol import Instruction, ObjectCall
from suanlian.model.tes import Bytes
from suanlian.testing.hub import FrozenClock, InProcessHub
from tests.hub.laws import all_laws
from tests.hub.test_tes import OUT, TES, create, end, listed, placed, show, task, with_images
from tests.hub.world import Stores, Template, World


@dataclass
class Store:
    """An HTTP server that keeps what is put there; for each path a status may be said beforehand."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    say: dict[str, list[int]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)


@contextmanager
def served() -> Iterator[Store]:
    store = Store("")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes = b"") -> None:
            said = store.say.get(self.path, [])
            self.send_response(said.pop(0) if said else status)
            if self.path in store.moved:
                self.send_header("Location", store.moved[self.path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            found = store.files.get(self.path)
            status = 302 if self.path in store.moved else 404 if found is None else 200
            self._answer(status, found or b"")

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if not store.say.get(self.path):
                store.files[self.path] = data
            self._answer(200)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield store
        server.shutdown()
        thread.join()


@dataclass
class Open:
    """A world whose operator opened a server and a directory to the first buyer's entity."""

    world: World
    store: Store
    root: Path


@pytest.fixture
def opened(template: Template, stores: Stores, tmp_path: Path) -> Iterator[Open]:
    root = tmp_path / "srv"
    root.mkdir()
    settings = stores.copy(template)
    with served() as store:
        changes = {"input_origins": (store.url,), "output_origins": (store.url,), "file_roots": {"lab": (str(root),)}}
        clock = FrozenClock(template.now)
        with InProcessHub(settings.model_copy(update=changes), clock=clock) as hub:
            yield Open(with_images(World(hub, clock, template)), store, root)
    stores.drop(settings)


def inputs_of(of: Instruction) -> dict[str, Any]:
    assert of.spec is not None
    return {item.path: item for item in of.spec.inputs}


def fetched(opened: Open, of: Instruction, path: str) -> bytes:
    """What the platform gets as this input."""
    item = inputs_of(of)[path]
    assert item.object
    call = ObjectCall(attempt_id=of.attempt_id, token=of.token, sha256=item.sha256)
    return base64.b64decode(opened.world.connector().client.fetch_object(call).data)


def test_inputs_are_read_before_the_task_gets_a_place(opened: Open) -> None:
    opened.store.files |= {"/a": b"over http", "/c": b"behind"}
    opened.store.moved["/b"] = f"{opened.store.url}/c"
    (opened.root / "deep").mkdir()
    (opened.root / "deep" / "d.txt").write_bytes(b"a file")
    ref = create(
        opened.world,
        inputs=[
            {"path": "/in/a", "url": f"{opened.store.url}/a"},
            {"path": "/in/b", "url": f"{opened.store.url}/b"},
            {"path": "/in/d", "url": f"file://{opened.root}/deep/d.txt"},
            {"path": "/in/dir", "url": f"{opened.root}/deep", "type": "DIRECTORY"},
        ],
    )
    of = placed(opened.world, ref)
    expected = {"a": b"over http", "b": b"behind", "d": b"a file", "dir/d.txt": b"a file"}
    assert {name: fetched(opened, of, f"tes/in/{name}") for name in expected} == expected
    all_laws(opened.world.hub)


def test_an_input_too_long_to_keep_is_read_by_the_platform_by_its_digest(opened: Open) -> None:
    data = bytes(17 * 1024 * 1024)
    opened.store.files["/big"] = data
    of = placed(opened.world, create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/big"}]))
    item = inputs_of(of)["tes/in/a"]
    assert (item.url, item.sha256) == (f"{opened.store.url}/big", hashlib.sha256(data).hexdigest())


def test_an_output_that_lies_at_the_hub_is_the_input_of_the_next_task_of_the_same_account(opened: Open) -> None:
    world = opened.world
    first = create(world, outputs=[OUT])
    end(world, placed(world, first), files={"tes/data/b": b"four"})
    url = show(world, first)["logs"][0]["outputs"][0]["url"]
    of = placed(world, create(world, inputs=[{"path": "/in/a", "url": url}]))
    assert fetched(opened, of, "tes/in/a") == b"four"
    foreign = create(world, "buyer2", inputs=[{"path": "/in/a", "url": url}])
    world.hub.settle()
    found = show(world, foreign, by="buyer2")
    assert found["state"] == "SYSTEM_ERROR"
    assert "you have no such output" in found["logs"][0]["system_logs"][-1]


@pytest.mark.parametrize("url", ["{store}/none", "file://{root}/none", "file://{root}/link", "file://{root}/pipe"])
def test_an_input_that_is_not_there_ends_the_task_with_the_reason(opened: Open, url: str) -> None:
    (opened.root / "link").symlink_to("/etc/passwd")
    os.mkfifo(opened.root / "pipe")
    asked = url.format(store=opened.store.url, root=opened.root)
    ref = create(opened.world, inputs=[{"path": "/in/a", "url": asked}])
    opened.world.hub.settle()
    found = show(opened.world, ref)
    assert found["state"] == "SYSTEM_ERROR"
    assert found["logs"][0]["system_logs"][-1].startswith("input_unreadable: ")
    assert opened.world.connector().poll().instructions == ()
    all_laws(opened.world.hub)


def test_a_server_that_fails_for_a_while_is_asked_again(opened: Open) -> None:
    opened.store.files["/a"] = b"there"
    opened.store.say["/a"] = [503, 503]
    ref = create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/a"}])
    opened.world.hub.settle()
    assert "503" in show(opened.world, ref)["logs"][0]["system_logs"][-1]
    opened.world.hub.settle()
    opened.world.clock.advance(10)
    assert fetched(opened, placed(opened.world, ref), "tes/in/a") == b"there"


def until_settled(opened: Open) -> None:
    for _ in range(10):
        opened.world.clock.advance(60)
        opened.world.hub.settle()


def test_a_server_that_leads_astray_is_refused_and_holds_up_nobody(opened: Open) -> None:
    opened.store.files["/ok"] = b"ok"
    opened.store.moved["/b"] = "/x\x01y"
    bad = [create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/b"}]) for _ in range(16)]
    opened.world.clock.advance(1)
    good = create(opened.world, "buyer2", inputs=[{"path": "/in/a", "url": f"{opened.store.url}/ok"}])
    opened.world.hub.settle()
    assert fetched(opened, placed(opened.world, good), "tes/in/a") == b"ok"
    assert {show(opened.world, ref, "MINIMAL")["state"] for ref in bad} == {"SYSTEM_ERROR"}
    all_laws(opened.world.hub)


def test_a_reading_that_fails_as_nobody_thought_of_is_a_try_and_holds_up_nobody(opened: Open) -> None:
    def read(url: str) -> Bytes:
        if "bad" in url:
            raise RuntimeError(url)
        return Bytes(hashlib.sha256(b"ok").hexdigest(), 2, b"ok")

    worker = next(one for one in opened.world.hub.running.workers if one.name == "tes")
    worker._outside.read = read  # type: ignore[attr-defined]  # noqa: SLF001 - the port is handed in there
    bad = [create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/bad"}]) for _ in range(16)]
    opened.world.clock.advance(1)
    good = create(opened.world, "buyer2", inputs=[{"path": "/in/a", "url": f"{opened.store.url}/ok"}])
    until_settled(opened)
    assert fetched(opened, placed(opened.world, good), "tes/in/a") == b"ok"
    assert {show(opened.world, ref, "MINIMAL")["state"] for ref in bad} == {"SYSTEM_ERROR"}


def test_slow_addresses_of_one_account_hold_up_that_account_alone(opened: Open) -> None:
    go_on = threading.Event()
    asked: list[str] = []

    def read(url: str) -> Bytes:
        asked.append(url)
        assert "slow" not in url or go_on.wait(60)
        return Bytes(hashlib.sha256(b"ok").hexdigest(), 2, b"ok")

    worker = next(one for one in opened.world.hub.running.workers if one.name == "tes")
    worker._outside.read = read  # type: ignore[attr-defined]  # noqa: SLF001 - the port is handed in there
    for _ in range(20):
        create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/slow"}])
    opened.world.clock.advance(1)
    good = create(opened.world, "buyer2", inputs=[{"path": "/in/a", "url": f"{opened.store.url}/good"}])
    for _ in range(4):
        assert worker.turn()
    assert len(asked) == 3
    go_on.set()
    assert fetched(opened, placed(opened.world, good), "tes/in/a") == b"ok"


def test_a_task_whose_inputs_are_being_read_can_be_cancelled(opened: Open) -> None:
    ref = create(opened.world, inputs=[{"path": "/in/a", "url": f"{opened.store.url}/a"}])
    assert show(opened.world, ref)["logs"][0]["system_logs"] == ["waits: its inputs are being read"]
    opened.world.person("buyer").post(f"{TES}/tasks/{ref}:cancel")
    assert show(opened.world, ref, "MINIMAL")["state"] == "CANCELED"
    opened.world.hub.settle()
    assert show(opened.world, ref, "MINIMAL")["state"] == "CANCELED"
    all_laws(opened.world.hub)


def brought(opened: Open) -> str:
    """A task that has ended with outputs that are to be brought over HTTP and into a directory."""
    outputs = [
        {"path": "/out/a", "url": f"{opened.store.url}/a?sig=s3cret"},
        {"path": "/out/d", "url": f"file://{opened.root}/made/d", "type": "DIRECTORY"},
        {"path": "/out/*.txt", "url": f"{opened.store.url}/pat/", "path_prefix": "/out"},
    ]
    ref = create(opened.world, outputs=outputs)
    files = {"tes/out/a": b"A", "tes/out/d/x/y": b"Y", ".suanlian/out/2/out/1 2.txt": b"T"}
    end(opened.world, placed(opened.world, ref), files=files)
    return ref


def test_outputs_are_brought_after_the_end(opened: Open) -> None:
    ref = brought(opened)
    assert opened.store.files == {"/a?sig=s3cret": b"A", "/pat/1%202.txt": b"T"}
    assert (opened.root / "made" / "d" / "x" / "y").read_bytes() == b"Y"
    assert sorted(path.name for path in opened.root.rglob("*") if path.is_file()) == ["y"]
    found = show(opened.world, ref)
    assert found["state"] == "COMPLETE"
    assert [(each["path"], each["size_bytes"]) for each in found["logs"][0]["outputs"]] == [
        ("/out/a", "1"),
        ("/out/d/x/y", "1"),
        ("/out/1 2.txt", "1"),
    ]
    assert "s3cret" not in opened.world.person("buyer").get(f"{TES}/tasks/{ref}", view="BASIC").text
    all_laws(opened.world.hub)


def test_a_task_runs_until_its_outputs_are_there_and_fails_when_they_cannot_be_brought(opened: Open) -> None:
    opened.store.say["/a?sig=s3cret"] = [503] * 20
    ref = brought(opened)
    assert show(opened.world, ref, "MINIMAL")["state"] == "RUNNING"
    assert listed(opened.world, state="RUNNING") == [ref]
    for _ in range(10):
        opened.world.clock.advance(60)
        opened.world.hub.settle()
    found = show(opened.world, ref)
    assert (found["state"], listed(opened.world, state="SYSTEM_ERROR")) == ("SYSTEM_ERROR", [ref])
    (log,) = found["logs"]
    assert log["system_logs"][-1].startswith("output_undelivered: /out/a")
    assert "s3cret" not in log["system_logs"][-1]
    assert opened.world.job(ref)["state"] == "COMPLETE"


def test_bringing_is_refused_for_good_at_once(opened: Open) -> None:
    opened.store.say["/a?sig=s3cret"] = [403]
    assert show(opened.world, brought(opened), "MINIMAL")["state"] == "SYSTEM_ERROR"


def test_a_link_in_the_way_of_an_output_is_not_followed(opened: Open, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (opened.root / "made").symlink_to(elsewhere)
    assert show(opened.world, brought(opened), "MINIMAL")["state"] == "SYSTEM_ERROR"
    assert list(elsewhere.iterdir()) == []


def test_a_task_whose_outputs_wait_can_be_cancelled(opened: Open) -> None:
    opened.store.say["/a?sig=s3cret"] = [503] * 20
    ref = brought(opened)
    opened.world.person("buyer").post(f"{TES}/tasks/{ref}:cancel")
    opened.world.clock.advance(600)
    opened.world.hub.settle()
    assert show(opened.world, ref, "MINIMAL")["state"] == "CANCELED"
    assert not opened.store.files


def test_what_a_failed_task_has_is_brought_too(opened: Open) -> None:
    ref = create(opened.world, outputs=[{"path": "/out/a", "url": f"{opened.store.url}/a"}])
    end(opened.world, placed(opened.world, ref), JobState.EXECUTOR_ERROR, files={"tes/out/a": b"half"})
    assert show(opened.world, ref, "MINIMAL")["state"] == "EXECUTOR_ERROR"
    assert opened.store.files == {"/a": b"half"}


def test_directories_are_open_to_the_entity_that_they_are_opened_to(opened: Open) -> None:
    outputs = [{"path": "/out/a", "url": f"file://{opened.root}/a"}]
    for by, status in (("buyer", 200), ("buyer2", 400)):
        assert opened.world.person(by).post(f"{TES}/tasks", task(outputs=outputs)).status_code == status
    for path in (f"{opened.root}/../x", f"{opened.root}x/a", f"{opened.root}/%2e%2e/x"):
        asked = [{"path": "/out/a", "url": f"file://{path}"}]
        refused = opened.world.person("buyer").post(f"{TES}/tasks", task(outputs=asked))
        assert (refused.status_code, str(opened.root) in refused.text) == (400, True)
