"""A hub on loopback that answers what it was told and remembers what it was asked, for tests of clients of people."""

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

_TITLES: Final[Mapping[int, str]] = {404: "Not found", 409: "Conflict", 422: "Invalid", 503: "Unavailable"}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names in lower case, the path unquoted."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> object:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def problem(status: int, code: str, detail: str, **fields: object) -> Answer:
    """A refusal as RFC 9457 writes it."""
    document = {"type": f"urn:suanlian:{code}", "title": _TITLES.get(status, "Refused"), "status": status}
    body = json.dumps({**document, "code": code, "detail": detail, **fields}).encode()
    return Answer(status, body, {"Content-Type": "application/problem+json"})


class PeopleHub:
    """Use in a ``with``; ``url`` is its address. What it was not told to answer is a 404 problem ``route_unknown``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def says(self, call: str, *answers: object) -> None:
        """Answer ``call`` (``GET /v1/node``) with these in turn, the last one for ever: an Answer, or a document."""
        method, path = call.split(" ", 1)
        for answer in answers:
            made = answer if isinstance(answer, Answer) else Answer(body=json.dumps(answer).encode())
            self._answers[method, path].append(made)

    def lists(self, path: str, *items: object) -> None:
        """Answer a GET of ``path`` with one page of these."""
        self.says(f"GET {path}", {"items": list(items), "next": None})

    def answer(self, asked: Asked) -> Answer:
        """What to answer now."""
        self.asked.append(asked)
        answers = self._answers.get((asked.method, asked.path))
        if not answers:
            return problem(404, "route_unknown", f"The hub has no {asked.method} {asked.path}.")
        return answers.popleft() if len(answers) > 1 else answers[0]


def _door(hub: PeopleHub) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def do_PUT(self) -> None:
            self._reply()

        def do_DELETE(self) -> None:
            self._reply()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            """Stay silent: the tests read ``asked``."""

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
            answer = hub.answer(asked)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    return Door
