"""An engine's socket that fails as told: relays bytes to the real one, or answers 500, or not at all, or too late."""

import contextlib
import json
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

FAILED = b'{"cause":"disk full","message":"the engine has a bad day","response":500}'
VANISHED = b'{"cause":"no such process","message":"read /proc/15417/cgroup: no such process","response":500}'
"""What podman says of a container whose process left while it was looked at."""


_CHUNK = re.compile(rb"[0-9a-fA-F]{0,8}")


class _Relay(socketserver.StreamRequestHandler):
    server: "FlakyEngine"

    def handle(self) -> None:
        head = self.rfile.readline()
        if not head:
            return
        # one request a connection, so that each is judged
        lines = [head]
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if not line.lower().startswith(b"connection:"):
                lines.append(line)
        length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        request = b"".join(lines) + b"Connection: close\r\n\r\n" + self.rfile.read(length)
        way = self.server.way_of(head.decode())
        if way in ("500", "vanished"):
            said = FAILED if way == "500" else VANISHED
            size = str(len(said)).encode()
            self.wfile.write(b"HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: " + size + b"\r\n\r\n" + said)
        elif way == "rubbish":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n<?>")
        elif way == "slow":
            self.server.closing.wait(30)
        else:
            answer = self._asked(request)
            if way == "booted":
                answer = _after_a_boot(answer)
            if way in ("well", "booted"):
                self.wfile.write(answer)

    def _asked(self, request: bytes) -> bytes:
        answer = b""
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self.server.real))
            engine.sendall(request)
            while piece := engine.recv(65536):
                answer += piece
        return answer


def _after_a_boot(answer: bytes) -> bytes:
    """As podman 4.3.1 says of a container that ran when its machine went off: created, begun, never ended."""
    # it may come in chunks: what lies between the outermost braces, without the lengths between
    body = b"".join(line for line in answer.partition(b"\r\n\r\n")[2].split(b"\r\n") if not _CHUNK.fullmatch(line))
    container = json.loads(body)
    container["State"] |= {"Status": "created", "Running": False, "Pid": 0, "FinishedAt": "0001-01-01T00:00:00Z"}
    body = json.dumps(container).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


class FlakyEngine(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on loopback, with TLS where it has a certificate.

    ``way``: well, 500, vanished, rubbish, slow, mute, or booted: what ran is told as podman does after a power loss.

    ``failed``: the first lines of requests that did not go well.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, real: Path, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.real, self.way, self.only = real, "well", ""
        self.times, self.failed = 0, list[str]()
        self.closing = threading.Event()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"

    def fail(self, way: str, only: str = "", times: int = 1_000_000) -> None:
        """From now on so many requests whose first line has ``only`` in it fail so; ``mute``: done, not answered."""
        self.way, self.only, self.times, self.failed = way, only, times, []

    def way_of(self, head: str) -> str:
        """How the request with this first line goes."""
        if self.way == "well" or self.only not in head or len(self.failed) >= self.times:
            return "well"
        self.failed.append(head.strip())
        return self.way

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hung up has hung up."""


@contextlib.contextmanager
def flaky(real: Path, certificate: Path | None = None) -> Iterator[FlakyEngine]:
    server = FlakyEngine(real, certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
