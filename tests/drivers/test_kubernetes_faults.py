"""The official client against a server that answers badly: what each answer means, and that nothing is retried here."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, Limits, NativeId, Work
from suanlian.drivers.kubernetes.client import Cluster, OfficialWire
from suanlian.drivers.kubernetes.driver import KubernetesDriver
from suanlian.drivers.kubernetes.options import ImageEnvironment, KubernetesOptions
from suanlian.model.demand import Mount
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.quantity import Resources


class Server:
    """An API server of few words: the next answers, and what was asked with which token."""

    def __init__(self, place: Path) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer.asked.append((f"{self.command} {self.path}", self.headers.get("Authorization")))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = outer.answers.pop(0) if outer.answers else (200, b'{"items":[]}')
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the library calls them so

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.kubeconfig = place / "kubeconfig"
        self.write("first")

    def write(self, token: str) -> None:
        cluster = {"name": "t", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "t",
            "clusters": [cluster],
            "users": [{"name": "t", "user": {"token": token}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        }
        self.kubeconfig.write_text(json.dumps(content))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def wire(server: Server) -> Iterator[OfficialWire]:
    made = OfficialWire(server.kubeconfig, None)
    yield made
    made.close()


def said(message: str) -> bytes:
    return json.dumps({"kind": "Status", "message": message}).encode()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((500, said("etcdserver: request timed out")), "transient", "etcdserver"),
        ((503, b"<html>no upstream</html>"), "transient", "no upstream"),
        ((429, said("Too many requests")), "transient", "Too many"),
        ((401, said("Unauthorized")), "transient", "Unauthorized"),
        ((403, said('jobs.batch is forbidden: User "x" cannot list')), "lasting", "role in the how-to"),
        ((403, said("pods is forbidden: exceeded quota: all")), "lasting", "exceeded quota"),
        ((422, said("Job.batch is invalid")), "lasting", "invalid"),
        ((200, b"\xff\xfe not json"), "transient", "without JSON"),
        ((200, b"[]"), "transient", "no object"),
    ],
)
def test_an_answer_that_is_none_is_told_in_its_words(
    server: Server, wire: OfficialWire, answer: tuple[int, bytes], kind: str, words: str
) -> None:
    server.answers = [answer]
    with pytest.raises(DriverError, match=words) as caught:
        Cluster(wire).listed("/apis/batch/v1/namespaces/x/jobs")
    assert caught.value.transient == (kind == "transient")
    assert len(server.asked) == 1  # the agent retries, not the driver


def test_a_server_that_is_away_is_transient_and_probe_tells_it(server: Server, wire: OfficialWire) -> None:
    driver = KubernetesDriver(KubernetesOptions(), wire=wire)
    server.stop()
    with pytest.raises(DriverError, match="does not answer") as caught:
        driver.observe([NativeId("suanlian/sl-a")])
    assert caught.value.transient
    status = driver.probe()
    assert not status.ready
    assert "does not answer" in status.detail


def test_a_token_that_has_run_out_is_read_again(server: Server, wire: OfficialWire) -> None:
    cluster = Cluster(wire)
    cluster.listed("/api/v1/nodes")
    server.answers = [(401, said("Unauthorized"))]
    with pytest.raises(DriverError):
        cluster.listed("/api/v1/nodes")
    server.write("second")
    cluster.listed("/api/v1/nodes")
    assert [token for _, token in server.asked] == ["Bearer first", "Bearer first", "Bearer second"]


def test_a_kubeconfig_that_is_not_there_is_the_owners_to_mend(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="cannot be read") as caught:
        Cluster(OfficialWire(tmp_path / "none", None)).version()
    assert not caught.value.transient


def test_long_lists_are_read_page_by_page(server: Server, wire: OfficialWire) -> None:
    pages = [{"items": [{"n": 1}], "metadata": {"continue": "a"}}, {"items": [{"n": 2}], "metadata": {}}]
    server.answers = [(200, json.dumps(page).encode()) for page in pages]
    assert Cluster(wire).listed("/api/v1/nodes") == [{"n": 1}, {"n": 2}]
    assert "continue=a" in server.asked[1][0]


def test_a_job_that_forgotten_jobs_server_no_longer_knows_is_lost(server: Server, wire: OfficialWire) -> None:
    server.answers = [(200, b'{"items":[]}'), (200, b'{"items":[]}')]
    seen = KubernetesDriver(KubernetesOptions(), wire=wire).observe([NativeId("suanlian/sl-a")])
    assert seen[NativeId("suanlian/sl-a")].lost


def work(staged: Path, **changes: object) -> tuple[Work, AttemptId]:
    key = AttemptId(new_id())
    values: dict[str, object] = {
        "command": ("true",),
        "environment": "python",
        "image": None,
        "env": {},
        "granted": Resources.of({"cpu": 100, "memory": 64}),
        "limits": Limits(60),
        "network": True,
        "staged": {key: staged},
    }
    return Work(**{**values, **changes}), key  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"environment": "none"}, "no environment 'none'; it has: python"),
        ({"nodes": 2}, "no gangs"),
        ({"mounts": (Mount(path="/suanlian", source="x"),)}, "would cover /suanlian/work"),
        ({"granted": Resources.of({"cpu": 1, "memory": 1, "accelerator": 1})}, "no extended resource"),
    ],
)
def test_what_cannot_run_here_is_refused_before_anything_is_made(
    server: Server, wire: OfficialWire, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    server.answers = [(200, b'{"major":"1","minor":"20"}')]
    made: Callable[..., KubernetesOptions] = KubernetesOptions
    driver = KubernetesDriver(made(environments={"python": ImageEnvironment("img")}), wire=wire)
    asked, key = work(tmp_path, **changes)
    with pytest.raises(DriverError, match=words):
        driver.submit(asked, keys={0: key})
    assert [what for what, _ in server.asked if not what.startswith("GET")] == []
