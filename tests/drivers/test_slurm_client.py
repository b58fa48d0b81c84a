"""The client of slurmrestd over real HTTP: answers that are none, slowness, tokens that end and come, versions."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from suanlian.drivers.slurm.client import RestClient, Tokens, expiry
from suanlian.drivers.slurm.records import Request, SlurmError

Answer = tuple[int, str]
PATHS: Mapping[str, Any] = {"paths": {"/slurm/v0.0.38/ping": {}, "/slurm/v0.0.40/ping/": {}}}


class Door:
    """What a slurmrestd of tests answers; ``asked`` holds method, path, token and body."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, str]] = []
        self.answer: Callable[[str, str, str], Answer] = lambda _method, _path, _token: (200, "{}")
        door = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                token = self.headers["X-SLURM-USER-TOKEN"]
                door.asked.append((self.command, self.path, token, body))
                status, text = (
                    (200, json.dumps(PATHS))
                    if self.path == "/openapi/v3"
                    else door.answer(self.command, self.path, token)
                )
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_DELETE = _do  # noqa: N815 - the names of http.server

            def log_message(self, *_arguments: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def client(door: Door, tmp_path: Path, **changes: object) -> RestClient:
    path = tmp_path / "u.jwt"
    if not path.exists():
        path.write_text("first\n")
    said = {"api": "v0.0.38", "timeout_s": 0.5, **changes}
    return RestClient(door.url, Tokens(str(tmp_path / "{user}.jwt"), ()), "u", **said)  # type: ignore[arg-type]


def jwt(ends: float) -> str:
    said = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return f"h.{said}.s"


REQUEST = Request("n", "c", "#!/bin/sh\n", "/d", "/o", cpus=1, memory_mib=1, time_limit_s=1)


@pytest.mark.parametrize("said", [(500, "<html>oops</html>"), (502, ""), (500, "{}"), (503, "[]")])
def test_an_answer_that_is_none_is_transient(door: Door, tmp_path: Path, said: Answer) -> None:
    door.answer = lambda *_what: said
    with pytest.raises(SlurmError) as wrong:
        client(door, tmp_path).jobs([1])
    assert wrong.value.transient
    with pytest.raises(SlurmError) as unsure:
        client(door, tmp_path).submit(REQUEST, "u")
    assert unsure.value.unsure


def test_slowness_has_a_bound(door: Door, tmp_path: Path) -> None:
    let_go = threading.Event()

    def slowly(*_what: str) -> Answer:
        let_go.wait(20)
        return 200, "{}"

    door.answer = slowly
    with pytest.raises(SlurmError, match="Timeout") as slow:
        client(door, tmp_path).submit(REQUEST, "u")
    let_go.set()
    assert slow.value.transient
    assert slow.value.unsure


def test_nobody_there_is_transient(tmp_path: Path) -> None:
    (tmp_path / "u.jwt").write_text("t")
    with pytest.raises(SlurmError) as away:
        RestClient("http://127.0.0.1:9", Tokens(str(tmp_path / "{user}.jwt"), ()), "u", api="v0.0.38").jobs([1])
    assert away.value.transient


@pytest.mark.parametrize("said", [(401, "Authentication failure"), (500, '{"errors": [{"error_number": -1}]}')])
def test_a_refused_token_is_read_again_and_the_new_one_shown(door: Door, tmp_path: Path, said: Answer) -> None:
    rest = client(door, tmp_path)
    door.answer = lambda _method, _path, token: (200, '{"jobs": []}') if token == "second" else said
    with pytest.raises(SlurmError):
        rest.jobs([1])
    (tmp_path / "u.jwt").write_text("SLURM_JWT=second\n")
    assert rest.jobs([1]) == []
    assert [token for _method, _path, token, _body in door.asked] == ["first", "second"]


def test_a_command_is_asked_for_a_new_token_before_the_old_one_ends(tmp_path: Path) -> None:
    count = tmp_path / "count"
    now = time.time()
    script = f'echo x >> {count}; echo "SLURM_JWT=$0-{{user}}"'
    tokens = Tokens(None, ("sh", "-c", script, jwt(now + 100)), clock=lambda: now)
    first = tokens.of("u")
    assert first == f"{jwt(now + 100)}-u"
    assert tokens.of("u") == first
    assert count.read_text() == "x\n"
    tokens.clock = lambda: now + 90
    tokens.of("u")
    assert count.read_text() == "x\nx\n"
    assert not tokens.ended("u")
    tokens.clock = lambda: now + 101
    assert tokens.ended("u")


def test_without_a_token_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SlurmError, match="token_file or token_command"):
        Tokens(None, ()).of("u")
    with pytest.raises(SlurmError, match="cannot be read"):
        Tokens(str(tmp_path / "nothing"), ()).of("u")
    with pytest.raises(SlurmError, match="fails"):
        Tokens(None, ("false",)).of("u")


@pytest.mark.parametrize("text", ["", "a.b.c", "a", "a.e30.c", "..."])
def test_a_token_that_says_no_end_has_none(text: str) -> None:
    assert expiry(text) is None


def test_the_newest_version_is_found_once(door: Door, tmp_path: Path) -> None:
    rest = client(door, tmp_path, api="auto")
    door.answer = lambda *_what: (200, '{"jobs": []}')
    rest.jobs([1])
    rest.jobs([2])
    assert [path for _method, path, _token, _body in door.asked] == [
        "/openapi/v3",
        "/slurm/v0.0.40/job/1",
        "/slurm/v0.0.40/job/2",
    ]


def test_a_submission_tells_its_job_and_a_doubt_is_no_refusal(door: Door, tmp_path: Path) -> None:
    door.answer = lambda *_what: (200, '{"job_id": 7, "errors": [{"error_code": 2068, "error": "node is down"}]}')
    assert client(door, tmp_path).submit(REQUEST, "u") == 7
    door.answer = lambda *_what: (500, '{"errors": [{"error_code": 2000, "error": "Invalid partition"}]}')
    with pytest.raises(SlurmError, match="Invalid partition") as refused:
        client(door, tmp_path).submit(REQUEST, "u")
    assert not refused.value.transient


def test_many_jobs_are_one_question(door: Door, tmp_path: Path) -> None:
    job = {"job_id": 5, "job_state": "RUNNING", "name": "n"}
    door.answer = lambda *_what: (200, json.dumps({"jobs": [job, {**job, "job_id": 99}]}))
    assert [found.job_id for found in client(door, tmp_path).jobs(range(1, 20))] == [5]
    assert len(door.asked) == 1


def test_to_end_what_is_over_is_no_error(door: Door, tmp_path: Path) -> None:
    rest = client(door, tmp_path)
    door.answer = lambda *_what: (500, '{"errors": [{"error_number": 2017, "error": "Invalid job id specified"}]}')
    rest.cancel("7_3", "u")
    rest.signal("7", "USR1", "u")
    assert [path for _method, path, _token, _body in door.asked] == [
        "/slurm/v0.0.38/job/7_3",
        "/slurm/v0.0.38/job/7?signal=USR1",
    ]
    door.answer = lambda *_what: (500, '{"errors": [{"error_number": 2045, "error": "not yours"}]}')
    with pytest.raises(SlurmError, match="not yours"):
        rest.cancel("7", "u")
