"""Object storage in memory at a port of loopback, and the connector that keeps it, played over a served hub."""

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, unquote

from suanlian.crypto.sealing import SealingKey, SealingPair, seal_to
from suanlian.model.data import MAX_FILES_PAGE, DataFile, StorageShare, manifest_digest
from suanlian.model.data_protocol import (
    GRANT_TYPE,
    MAX_GRANT_ITEMS,
    DataFilesCall,
    DataGrantsCall,
    DataPollCall,
    DataReportCall,
    Direction,
    GrantPage,
    StorageTask,
    TaskKind,
    TaskReport,
    TaskState,
    TaskWish,
    grant_bound,
)
from suanlian.testing.hub import SignedConnector

KEY: Final = SealingPair.generate().public.text


class Objects:
    """GET (with ranges) and PUT of objects; use in a ``with``. ``refuse``: a PUT of such a name is refused so often."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/bucket"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def puts(self) -> list[str]:
        """What was written, in order."""
        return [name for method, name in self.calls if method == "PUT"]


def _door(objects: Objects) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _name(self) -> str:
            return unquote(self.path.removeprefix("/bucket/").partition("?")[0])

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            name = self._name()
            objects.calls.append(("PUT", name))
            left = next((part for part, count in objects.refuse.items() if count and name.endswith(part)), None)
            if left is not None:
                objects.refuse[left] -= 1
                self._answer(403, b"")
                return
            objects.held[name] = data
            self._answer(200, b"")

        def do_GET(self) -> None:
            name = self._name()
            objects.calls.append(("GET", name))
            if name not in objects.held:
                self._answer(404, b"")
                return
            data, given = objects.held[name], self.headers.get("Range")
            if given is None:
                self._answer(200, data)
                return
            start, _dash, end = given.removeprefix("bytes=").partition("-")
            found = data[int(start) : int(end) + 1 if end else None]
            self._answer(206 if found else 416, found)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Door


@dataclass
class Lake:
    """A connector with storage that does what it is told, in a thread; use in a ``with``.

    ``lead``: to which endpoint its addresses lead, where that is not the one it publishes. ``trouble``: codes by which
    kinds fail, the next first, and whether again may do.
    """

    connector: SignedConnector
    objects: Objects
    lead: str = ""
    trouble: dict[TaskKind, list[tuple[str, bool]]] = field(default_factory=dict)
    life_s: float = 3600
    folder: str = ""
    errors: list[Exception] = field(default_factory=list)
    _tasks: dict[str, StorageTask] = field(default_factory=dict)
    _done: set[tuple[str, int]] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _mark: str = ""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        assert not self.errors, self.errors

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self.work()
            except Exception as error:  # noqa: BLE001 - the test is told at its end
                self.errors.append(error)
                return

    @property
    def client(self) -> Any:  # noqa: ANN401 - the shipped client
        """The shipped client."""
        return self.connector.client

    def work(self) -> None:
        """Poll, and do what was not done."""
        answer = self.client.data_poll(DataPollCall(seen=self._mark))
        self._mark = answer.mark
        for task in answer.tasks:
            if task.wish is TaskWish.FORGET:
                self._tasks.pop(task.id, None)
            else:
                self._tasks[task.id] = task
        for task in sorted(self._tasks.values(), key=lambda one: one.kind is not TaskKind.GRANT):
            if (task.id, task.token) not in self._done:
                self._done.add((task.id, task.token))
                self._do(task)

    def _do(self, task: StorageTask) -> None:
        if self.trouble.get(task.kind):
            code, again = self.trouble[task.kind].pop(0)
            self._say(task, TaskState.FAILED, code=code, reason="as the test wants", again=again)
        elif task.kind is TaskKind.GRANT:
            self._mint(task)
        elif task.kind is TaskKind.TAKE:
            self._take(task)
        elif task.kind is TaskKind.SCAN:
            self._scan(task)
        else:
            self._say(task, TaskState.DONE, bytes_done=task.bytes, files_done=task.files)

    def _say(self, task: StorageTask, state: TaskState, **more: object) -> None:
        said = TaskReport.model_validate({"task_id": task.id, "token": task.token, "state": state, **more})
        self.client.data_report(DataReportCall(reports=(said,)))

    def _manifest(self, task: StorageTask) -> list[DataFile]:
        found = list[DataFile]()
        while len(found) < task.files:
            call = DataFilesCall(task_id=task.id, token=task.token, start=len(found))
            found += self.client.data_files(call).files
        return found

    def _mint(self, task: StorageTask) -> None:
        files, place = self._manifest(task), task.source_place or task.place
        expires_at = datetime.now(UTC) + timedelta(seconds=self.life_s)
        for start in range(0, max(1, len(files)), MAX_GRANT_ITEMS):
            urls = dict[str, str]()
            for file in files[start : start + MAX_GRANT_ITEMS]:
                url = f"{self.lead or self.objects.url}/{quote(f'{place}/{file.path}')}?sign=x"
                urls[file.path] = url
                if task.direction is Direction.WRITE:
                    urls[f"{file.path}//read"] = url
            page = GrantPage(direction=task.direction, expires_at=expires_at, urls={} if self.folder else urls)
            page = page.model_copy(update={"folder": self.folder})
            key = SealingKey.parse(task.sealing_key)
            sealed = seal_to(page.model_dump_json().encode(), key, GRANT_TYPE, grant_bound(task.id, task.token))
            self.client.data_grants(
                DataGrantsCall(
                    task_id=task.id,
                    token=task.token,
                    page=start // MAX_GRANT_ITEMS,
                    sealed=sealed,
                    expires_at=expires_at,
                )
            )
        self._say(task, TaskState.DONE)

    def _take(self, task: StorageTask) -> None:
        for file in self._manifest(task):
            data = self.objects.held.pop(f"{task.source_place}/{file.path}", None)
            if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
                self._say(task, TaskState.FAILED, code="checksum_mismatch", reason="it is other", path=file.path)
                return
            self.objects.held[f"{task.place}/{file.path}"] = data
        self._say(task, TaskState.DONE, bytes_done=task.bytes, files_done=task.files)

    def _scan(self, task: StorageTask) -> None:
        within = f"{task.place}/"
        files = [
            DataFile(path=name.removeprefix(within), size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in sorted(self.objects.held.items())
            if name.startswith(within)
        ]
        for start in range(0, len(files), MAX_FILES_PAGE):
            page = tuple(files[start : start + MAX_FILES_PAGE])
            call = DataFilesCall(task_id=task.id, token=task.token, start=start, reading=1, files=page)
            self.client.data_files(call)
        size = sum(file.size for file in files)
        self._say(task, TaskState.DONE, files=len(files), bytes=size, digest=manifest_digest(files))


def storage(name: str, endpoint: str, **changes: object) -> StorageShare:
    """S3 storage of a platform's site ``main``."""
    said = {"name": name, "site": "main", "kind": "s3", "endpoint": endpoint}
    return StorageShare.model_validate({**said, **changes})
