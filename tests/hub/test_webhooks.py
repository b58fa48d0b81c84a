"""The end of a job is told to whom its owner chose: signed, once at least, to no address that was not judged."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from suanlian.model.errors import InvalidError
from suanlian.model.job import JobState
from suanlian.rules.addresses import refused_ip
from suanlian.sdk.outside import Deliverer
from suanlian.services import telling
from suanlian.testing.hub import InProcessHub
from suanlian.workers.loop import Worker
from tests.hub.laws import all_laws
from tests.hub.test_dependencies import told
from tests.hub.world import Stores, World, job

AT_WUHU = {"platform": "wuhu-cluster"}
SECRET = "0123456789abcdef0123456789abcdef!"


@dataclass
class Receiver:
    """Takes what is told and answers with these statuses in turn, the last one for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def status(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(receiver.status())
            self.send_header("Location", receiver.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@contextmanager
def telling_to(world: World, stores: Stores, *origins: str) -> Iterator[World]:
    home = stores.copy(world.template).model_copy(update={"webhook_origins": origins})
    with InProcessHub(home, clock=world.clock) as hub:
        yield World(hub, world.clock, world.template)
    stores.drop(home)


@pytest.fixture
def teller(world: World, stores: Stores, receiver: Receiver) -> Iterator[World]:
    with telling_to(world, stores, receiver.url) as made:
        yield made


def ended(world: World, state: JobState = JobState.COMPLETE, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - of a job
    made = world.submit(wants=AT_WUHU, **changes)
    for said in told(world, made["id"]):
        world.connector().run(said, state, exit_code=0 if state is JobState.COMPLETE else 3)
    world.hub.settle()
    return world.job(made["id"])


def test_an_end_is_told_as_a_signed_cloud_event(teller: World, receiver: Receiver) -> None:
    assert teller.person("buyer").send("PUT", "/v1/secrets/hook", {"value": SECRET}).status_code in (200, 204)
    found = ended(teller, webhook={"url": f"{receiver.url}/x?y=1", "secret": "hook"})
    assert found["webhook"] == "delivered"
    ((path, headers, body),) = receiver.got
    assert (path, headers["content-type"]) == ("/x?y=1", "application/cloudevents+json")
    event = json.loads(body)
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "suanlian.job.ended", found["public_id"])
    assert (event["data"]["state"], event["data"]["tally"], event["id"]) == (
        "COMPLETE",
        {"COMPLETE": 1},
        f"{found['id']}-ended",
    )
    said = f"{event['id']}.{headers['webhook-timestamp']}.".encode() + body
    by_secret, by_hub = (part.split(",")[1] for part in headers["webhook-signature"].split())
    assert hmac.compare_digest(base64.b64decode(by_secret), hmac.new(SECRET.encode(), said, hashlib.sha256).digest())
    teller.hub.key.verifying.verify(base64.b64decode(by_hub), said)
    assert teller.hub.rows()["consequence"] == 0
    all_laws(teller.hub)


def test_what_is_not_taken_is_told_again_a_bounded_number_of_times(teller: World, receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 200]
    found = ended(teller, JobState.EXECUTOR_ERROR, webhook={"url": receiver.url})
    assert found["webhook"] == "waiting: failed: status 500"
    for wait in telling.WAITS[:2]:
        teller.clock.advance(wait - 1)
        teller.hub.settle()
        before = len(receiver.got)
        teller.clock.advance(1)
        teller.hub.settle()
        assert len(receiver.got) == before + 1
    assert teller.job(found["id"])["webhook"] == "delivered"
    assert len({json.loads(body)["id"] for _, _, body in receiver.got}) == 1
    assert {path for path, _, _ in receiver.got} == {"/"}
    receiver.statuses = [503]
    found = ended(teller, webhook={"url": receiver.url})
    for wait in telling.WAITS:
        teller.clock.advance(wait)
        teller.hub.settle()
    assert teller.job(found["id"])["webhook"] == "failed: status 503"
    assert teller.hub.rows()["consequence"] == 0


def test_a_job_that_never_began_is_told_too(teller: World, receiver: Receiver) -> None:
    made = teller.submit(wants=AT_WUHU, webhook={"url": receiver.url})
    teller.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    teller.hub.settle()
    assert [json.loads(body)["data"]["state"] for _, _, body in receiver.got] == ["CANCELED"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost/x",
        "http://10.1.2.3/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://2130706433/x",
        "https://example.org:8443/x",
        "https://☃.example.com/x",
    ],
)
def test_an_address_that_is_none_is_refused_when_the_job_is_submitted(world: World, url: str) -> None:
    answer = world.person("buyer").post("/v1/jobs", job(webhook={"url": url}))
    assert (answer.status_code, answer.json()["code"]) == (422, "input_origin_refused"), answer.text


class Delivering:
    """A way to receivers that does what is handed in."""

    def __init__(self, post: Callable[[str], int]) -> None:
        self._post = post
        self.told: list[str] = []

    def post(self, url: str, *_rest: object) -> int:
        self.told.append(url)
        return self._post(url)


def by_way_of(world: World, delivers: object) -> Worker:
    worker = next(one for one in world.hub.running.workers if one.name == "webhook")
    worker._delivers = delivers  # type: ignore[attr-defined]  # noqa: SLF001 - the port is handed in there
    return worker


def cancelled(world: World, by: str, url: str) -> str:
    made = world.submit(by, webhook={"url": url})
    world.ok(by, "POST", f"/v1/jobs/{made['id']}/cancel")
    world.clock.advance(1)
    return str(made["id"])


def test_a_name_is_judged_at_each_try_by_what_it_leads_to_then(world: World, receiver: Receiver) -> None:
    """Submitted with a name that looks public; when it is told the name leads inside: nobody is called."""
    calls: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        calls.append(f"{host}:{port}")
        return ["93.184.216.34", "127.0.0.1"]

    by_way_of(world, Deliverer(refused_ip, (), rebinding))
    found = ended(world, webhook={"url": "http://example.org/hook"})
    assert found["webhook"] == "waiting: failed: the address is refused"
    assert calls == ["example.org:80"]
    assert receiver.got == []


def test_a_call_that_fails_as_nobody_thought_of_is_a_try_and_holds_up_no_other(world: World) -> None:
    def post(url: str) -> int:
        if "bad" in url:
            raise RuntimeError(url)
        return 204

    delivers = Delivering(post)
    by_way_of(world, delivers)
    bad = cancelled(world, "buyer", "https://bad.example/")
    good = cancelled(world, "buyer2", "https://good.example/")
    for wait in (0, *telling.WAITS):
        world.clock.advance(wait)
        world.hub.settle()
    assert delivers.told.count("https://good.example/") == 1
    assert world.ok("buyer2", "GET", f"/v1/jobs/{good}")["webhook"] == "delivered"
    assert delivers.told.count("https://bad.example/") == 1 + len(telling.WAITS)
    assert world.job(bad)["webhook"] == "failed: RuntimeError"
    assert world.hub.rows()["consequence"] == 0


def test_slow_addresses_of_one_account_hold_up_that_account_alone(world: World) -> None:
    go_on = Event()

    def post(url: str) -> int:
        return 204 if "good" in url or go_on.wait(60) else 500

    delivers = Delivering(post)
    worker = by_way_of(world, delivers)
    for _ in range(70):
        cancelled(world, "buyer", "https://slow.example/")
    good = cancelled(world, "buyer2", "https://good.example/")
    for _ in range(4):
        assert worker.turn()
    assert world.ok("buyer2", "GET", f"/v1/jobs/{good}")["webhook"] == "delivered"
    assert sorted(delivers.told) == ["https://good.example/", "https://slow.example/", "https://slow.example/"]
    go_on.set()
    world.hub.settle()
    assert world.hub.rows()["consequence"] == 0


def test_a_secret_that_could_be_guessed_signs_nothing(teller: World, receiver: Receiver) -> None:
    assert teller.person("buyer").send("PUT", "/v1/secrets/short", {"value": "too-short-to-sign"}).is_success
    found = ended(teller, webhook={"url": receiver.url, "secret": "short"})
    assert found["webhook"] == "failed: its secret has fewer than 32 bytes"
    unknown = teller.person("buyer").post("/v1/jobs", job(webhook={"url": receiver.url, "secret": "none"}))
    assert unknown.json()["code"] == "no_such_secret"
    assert receiver.got == []


@given(st.lists(st.ip_addresses(), min_size=1, max_size=4))
def test_no_address_is_called_unless_all_of_its_host_are_public(addresses: list[Any]) -> None:
    refusing = Deliverer(refused_ip, (), lambda _host, _port: list(map(str, addresses)))
    assume(any(refused_ip(address) is not None for address in addresses))
    with pytest.raises(InvalidError):
        refusing.post("https://example.org/x", b"{}", {})
