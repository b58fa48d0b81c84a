"""Is an input's address read only where it may be, and are its bytes checked?"""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from suanlian.agent.fetch import Fetcher
from suanlian.model.errors import SuanlianError, TooLargeError, UnavailableError
from suanlian.model.job import Input, JobState
from suanlian.sdk.connector import Departure
from suanlian.sdk.strangers import resolve_by_system
from suanlian.sdk.transport import open_client
from tests.agent.bench import Bench, run, sha256, spec

BODY = b"some input\n"


class Files(BaseHTTPRequestHandler):
    hosts: list[str]
    led: str
    wbufsize = -1

    def do_GET(self) -> None:
        type(self).hosts.append(self.headers["Host"])
        kind, _slash, rest = self.path[1:].partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
            return
        if kind == "led":
            self.wfile.write(f"HTTP/1.0 302 Found\r\nLocation: {self.led}\r\n\r\n".encode())
            return
        if kind == "round":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        self.send_response({"gone": 404, "down": 503}.get(kind, 200))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        del format, args


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    Files.hosts = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def fetcher(*allowed: str, addresses: tuple[str, ...] = (), max_bytes: int = 1000) -> Fetcher:
    def resolve(host: str, _port: int) -> list[str]:
        return list(addresses) or [host.strip("[]")]

    sent: list[Departure] = []
    return Fetcher(open_client(), allowed, max_bytes, sent.append, resolve)


def code(work: Fetcher, url: str, target: Path, digest: str = sha256(BODY)) -> str:
    with pytest.raises(SuanlianError) as caught:
        work.fetch(url, digest, target)
    return caught.value.code


def test_what_lies_at_a_listed_origin_is_read(tmp_path: Path, server: str) -> None:
    fetcher(server).fetch(server + "/a", sha256(BODY), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


def test_the_connection_goes_to_the_address_that_was_judged(tmp_path: Path, server: str) -> None:
    port = server.rpartition(":")[2]
    named = f"http://files.example:{port}"
    work = fetcher(named, addresses=("127.0.0.1",))
    work.fetch(named + "/a", sha256(BODY), tmp_path / "a")
    assert Files.hosts[-1] == f"files.example:{port}"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "http://user:pw@example.org/a",
        "http://127.0.0.1:1/a",
        "http://127.1.2.3/a",
        "http://[::1]/a",
        "http://[::ffff:10.0.0.1]/a",
        "http://[64:ff9b::7f00:1]/a",
        "http://[2002:7f00:1::]/a",
        "http://10.1.2.3/a",
        "http://172.16.0.1/a",
        "http://192.168.1.1/a",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/a",
        "http://0.0.0.0/a",
        "http://224.0.0.1/a",
        "http://240.0.0.1/a",
        "http://[fe80::1]/a",
        "http://[fc00::1]/a",
        "http://[fec0::1]/a",
    ],
)
def test_an_address_that_is_not_public_is_refused(tmp_path: Path, url: str) -> None:
    assert code(fetcher(), url, tmp_path / "a") == "input_origin_refused"
    assert not (tmp_path / "a").exists()


def test_a_name_with_one_private_address_is_refused(tmp_path: Path) -> None:
    work = fetcher(addresses=("93.184.216.34", "10.0.0.1"))
    assert code(work, "http://two.example/a", tmp_path / "a") == "input_origin_refused"


def test_a_redirect_is_judged_like_the_first_address(tmp_path: Path, server: str) -> None:
    inward = server.replace("127.0.0.1", "127.0.0.2")
    assert code(fetcher(server), f"{server}/to/{inward}/a", tmp_path / "a") == "input_origin_refused"
    assert code(fetcher(server), f"{server}/to/file:///etc/passwd", tmp_path / "a") == "input_origin_refused"
    assert code(fetcher(server), f"{server}/round/", tmp_path / "a") == "input_origin_refused"
    fetcher(server).fetch(f"{server}/to//a", sha256(BODY), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize(
    "led", ["/x\x01y", "/" + "a" * 9000, "http://\u2603.example/a", "http://[::1/a", "http://a:b@c/"]
)
def test_a_redirect_to_what_is_no_address_is_refused_and_ends_the_attempt(
    tmp_path: Path, server: str, led: str
) -> None:
    Files.led = led
    assert code(fetcher(server), server + "/led", tmp_path / "a") == "input_origin_refused"
    with Bench(tmp_path, policy=f'allowed_origins = ["{server}"]') as bench:
        said = run(spec(inputs=(Input(path="a", url=server + "/led", sha256=sha256(BODY)),)))
        bench.hub.wish(said)
        bench.rounds(bench.agent())
        report = bench.hub.last(said.attempt_id)
        assert report.state is JobState.SYSTEM_ERROR
        assert report.outcome.reason.startswith("input_origin_refused: ")


def test_other_bytes_too_many_bytes_and_no_bytes_are_told_apart(tmp_path: Path, server: str) -> None:
    assert code(fetcher(server), server + "/a", tmp_path / "a", "0" * 64) == "checksum_mismatch"
    with pytest.raises(TooLargeError):
        fetcher(server, max_bytes=3).fetch(server + "/a", sha256(BODY), tmp_path / "b")
    assert code(fetcher(server), server + "/gone", tmp_path / "c") == "not_found"
    with pytest.raises(UnavailableError):
        fetcher(server).fetch(server + "/down", sha256(BODY), tmp_path / "d")


@pytest.mark.parametrize(
    ("end", "url", "digest"),
    [
        ("checksum_mismatch", "/a", "0" * 64),
        ("input_origin_refused", "/to/http://127.0.0.2:9/a", sha256(BODY)),
        ("not_found", "/gone", sha256(BODY)),
    ],
)
def test_a_job_whose_input_is_not_to_be_had_starts_nothing(
    tmp_path: Path, server: str, end: str, url: str, digest: str
) -> None:
    with Bench(tmp_path, policy=f'allowed_origins = ["{server}"]') as bench:
        said = run(spec(inputs=(Input(path="a", url=server + url, sha256=digest),)))
        bench.hub.wish(said)
        bench.rounds(bench.agent())
        report = bench.hub.last(said.attempt_id)
        assert report.state is JobState.SYSTEM_ERROR
        assert report.outcome.reason.startswith(f"{end}: ")
        assert bench.engine.starts == {}


def test_a_name_that_does_not_exist_is_told_from_a_resolver_that_is_silent(tmp_path: Path) -> None:
    def failing(error: Exception) -> Fetcher:
        def resolve(_host: str, _port: int) -> list[str]:
            raise error

        return Fetcher(open_client(), (), 1000, lambda _departure: None, resolve)

    url = "http://files.example/a"
    absent = failing(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    silent = failing(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    assert code(absent, url, tmp_path / "a") == "input_host_unknown"
    assert code(silent, url, tmp_path / "a") == "hub_unavailable"
    system = Fetcher(open_client(), (), 1000, lambda _departure: None, resolve_by_system)
    assert code(system, f"http://{'a' * 70}.example/a", tmp_path / "a") == "input_host_unknown"


def test_a_host_that_does_not_exist_ends_the_attempt_within_ten_seconds(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        # a label of 70 characters is in no name: it needs no resolver that answers
        said = run(spec(inputs=(Input(path="a", url=f"http://{'a' * 70}.example/a", sha256=sha256(BODY)),)))
        bench.hub.wish(said)
        agent, began = bench.agent(), bench.clock.now
        bench.rounds(agent, 4)
        assert bench.hub.last(said.attempt_id).state is JobState.INITIALIZING
        bench.rounds(agent, 6)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.SYSTEM_ERROR
        assert end.outcome.reason.startswith("input_host_unknown: The input http://aaa")
        assert end.ended_at is None or (end.ended_at - began).total_seconds() < 10
        assert bench.clock.now - began <= timedelta(seconds=11)


def test_a_job_gets_its_input_by_url(tmp_path: Path, server: str) -> None:
    with Bench(tmp_path, policy=f'allowed_origins = ["{server}"]') as bench:
        said = run(spec(inputs=(Input(path="d/a", url=server + "/a", sha256=sha256(BODY)),), outputs=("d",)))
        bench.hub.wish(said)
        bench.rounds(bench.agent())
        assert bench.hub.outputs[said.attempt_id] == {"d/a": BODY}
