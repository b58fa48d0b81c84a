"""The same hub at a real port: bodies that are too long are refused as they come, polls wake, workers work."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from suanlian.model.protocol import MAX_POLL_S
from suanlian.testing.hub import ServedHub, SignedConnector, Wire
from suanlian.workers.place import Placer
from tests.hub.world import Stores, Template, job

MIB = 1024 * 1024


@pytest.fixture
def served(template: Template, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedHub]:
    # whom nothing wakes looks so late that the tests tell the difference, however busy the machine is
    monkeypatch.setattr(Placer, "every_s", 2.0 * MAX_POLL_S)
    settings = stores.copy(template)
    with ServedHub(settings) as hub:
        yield hub
    stores.drop(settings)


def chunked(hub: ServedHub, key: str, path: str, mebibytes: int) -> bytes:
    """Send a body in chunks, its length untold; what is answered before or after its end."""
    with socket.create_connection((urlsplit(hub.url).hostname or "", urlsplit(hub.url).port or 0), timeout=30) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        try:
            for _ in range(mebibytes):
                line.sendall(f"{MIB:x}\r\n".encode() + b" " * MIB + b"\r\n")
            line.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # the hub has heard enough
        answer = bytearray()
        while part := _received(line):
            answer += part
            if b"}" in part:
                break
        return bytes(answer)


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except OSError:
        return b""


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs:batch", "/v1/entities", "/connector/v1/report"])
def test_fifty_megabytes_of_untold_length_are_refused(served: ServedHub, template: Template, path: str) -> None:
    answer = chunked(served, template.keys["operator" if "entities" in path else "buyer"], path, 50)
    # a stranger's body at the connector's door is not even read
    status, code = (b" 401 ", "signature_missing") if "connector" in path else (b" 413 ", "body_too_large")
    assert status in answer.split(b"\r\n", 1)[0]
    assert json.loads(answer[answer.index(b"{") :])["code"] == code
    assert served.person().get("/healthz").json()["status"] == "ok"


def test_a_job_goes_all_the_way_while_its_connector_waits(served: ServedHub, template: Template) -> None:
    identity = template.connectors["wuhu-cluster"]
    connector = SignedConnector(
        Wire(served.http, served.url, served.key, served.running.hub.clock), identity.keypair, identity.id
    )
    revision, arrived = connector.poll().revision, list[float]()

    def wait() -> None:
        (told,) = connector.poll(revision, wait_s=MAX_POLL_S).instructions
        arrived.append(time.monotonic())
        connector.run(told)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    buyer, sent = served.person(template.keys["buyer"]), time.monotonic()
    made = buyer.post("/v1/jobs", job(wants={"platform": "wuhu-cluster"})).json()
    waiting.join(timeout=2 * MAX_POLL_S)
    assert arrived
    # placed by the worker, which the submission woke, and heard of by the poll, which the placing woke
    assert arrived[0] - sent < MAX_POLL_S / 2
    assert buyer.get(f"/v1/jobs/{made['id']}").json()["state"] == "COMPLETE"
