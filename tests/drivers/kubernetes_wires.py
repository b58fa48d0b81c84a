"""Recordings of a real API server: how they are made, what is left out of them, and how they answer in its place.

A recording is a list of calls with their answers, in order; an answer that says nothing new is left out. Attempts are
written as ``{attempt-1}`` in the order in which they appear, so that each run may have its own. What pods wrote into
the shared directory is told beside the answer before which it was there.
"""

import base64
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.contract import DriverError
from suanlian.drivers.kubernetes import launcher, names
from suanlian.drivers.kubernetes.client import Answer, Request, Wire

_ATTEMPT: Final = re.compile(r"sl-([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})")
_DROPPED: Final = frozenset(
    [
        "managedFields",
        "selfLink",
        "resourceVersion",
        "images",
        "addresses",
        "hostIP",
        "podIP",
        "podIPs",
        "machineID",
        "systemUUID",
        "bootID",
        "kernelVersion",
        "osImage",
        "containerID",
        "imageID",
        "controller-uid",
        "eventTime",
        "daemonEndpoints",
        "kubeProxyVersion",
        "buildDate",
        "gitCommit",
        "goVersion",
        "compiler",
        "source",
        "platform",
        "ownerReferences",
        "lastHeartbeatTime",
    ]
)
_SCRIPTS: Final = {
    launcher.SCRIPT: "{launcher}",
    launcher.escaped(launcher.SCRIPT): "{launcher}",
    **{launcher.before_stop(name)[2]: f"{{before-stop-{name}}}" for name in launcher.SIGNALS},
}
_ELSEWHERE: Final = re.compile(r"/tmp/[^ \"]*")  # noqa: S108
"""The shared directories of other tests, in lists of all pods."""
_OF_ITS_MACHINE: Final = frozenset({"runAsUser", "runAsGroup", "fsGroup", "runAsNonRoot"})
_KEPT_BYTES: Final = 4096
"""Of a file; what is longer is endless."""
_STALE: Final = 5
"""After so many answers that say nothing new, one that this run does not ask for is passed over."""


@dataclass
class Names:
    """Attempts and the shared directory of this run, by what recordings call them."""

    staging: Path
    attempts: list[str] = field(default_factory=list)

    def neutral(self, text: str) -> str:
        """Without what is this run's own."""
        for found in _ATTEMPT.findall(text):
            if found not in self.attempts:
                self.attempts.append(found)
        for number, attempt in enumerate(self.attempts, 1):
            text = text.replace(attempt, f"{{attempt-{number}}}")
        return text.replace(str(self.staging), "{staging}")

    def own(self, text: str) -> str:
        """With what is this run's own."""
        for number, attempt in enumerate(self.attempts, 1):
            text = text.replace(f"{{attempt-{number}}}", attempt)
        return text.replace("{staging}", str(self.staging))


def cleaned(thing: Any) -> Any:  # noqa: ANN401 - JSON
    """An answer without what says more of the machine than of the job; the launcher by its name."""
    if isinstance(thing, dict):
        return {name: cleaned(value) for name, value in thing.items() if name not in _DROPPED}
    if isinstance(thing, list):
        return [cleaned(each) for each in thing]
    return _ELSEWHERE.sub("{elsewhere}", _SCRIPTS.get(thing, thing)) if isinstance(thing, str) else thing


def asked(request: Request, own: Names) -> dict[str, Any]:
    """What was asked, in the words of recordings: times and the machine's own users left out."""
    body = cleaned(json.loads(own.neutral(json.dumps(request.body)))) if request.body is not None else None
    said = _annotations(body)
    for annotation, value in list(said.items()):
        if annotation in {names.SEEN, names.PAUSED} and value is not None:
            said[annotation] = "{time}"
        if annotation == names.END:
            said[annotation] = {**json.loads(value), "at": "{time}"}
    return {"method": request.method, "path": own.neutral(request.path), "body": _without(body, _OF_ITS_MACHINE)}


def _annotations(body: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = ((body or {}).get("metadata") or {}).get("annotations") or {}
    return found


def _without(thing: Any, dropped: Iterable[str]) -> Any:  # noqa: ANN401
    if isinstance(thing, dict):
        return {name: _without(value, dropped) for name, value in thing.items() if name not in dropped}
    return [_without(each, dropped) for each in thing] if isinstance(thing, list) else thing


class RecordingWire:
    """Passes calls on, and keeps what was said."""

    def __init__(self, wire: Wire, staging: Path) -> None:
        self._wire, self._names, self.calls = wire, Names(staging), list[dict[str, Any]]()
        self._last: dict[str, Any] = {}
        self._files: dict[str, bytes] = {}

    def call(self, request: Request) -> Answer:
        try:
            answer = self._wire.call(request)
        except DriverError as error:
            self._keep(asked(request, self._names), {"error": str(error)})
            raise
        self._keep(asked(request, self._names), {"status": answer.status, **self._body(answer)})
        return answer

    def execute(self, path: str) -> str:
        said = self._wire.execute(path)
        self._keep({"method": "EXEC", "path": self._names.neutral(path), "body": None}, {"status": 200, "text": said})
        return said

    def _body(self, answer: Answer) -> dict[str, Any]:
        try:
            text = self._names.neutral(answer.body.decode())
        except UnicodeDecodeError:  # a log
            return {"base64": base64.b64encode(answer.body).decode()}
        try:
            return {"json": cleaned(json.loads(text))}
        except ValueError:
            return {"text": text}

    def _keep(self, what: dict[str, Any], said: dict[str, Any]) -> None:
        written = self._written()
        key = f"{what['method']} {what['path']}"
        if what["method"] == "GET" and not written and self._last.get(key) == said:
            return
        if what["method"] != "GET":
            self._last.clear()
        self._last[key] = said
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.calls.append({**what, "at": at, **said, **({"files": written} if written else {})})

    def _written(self) -> dict[str, str]:
        """What is new in the shared directory since the last look."""
        found: dict[str, bytes] = {}
        for parent, _, files in os.walk(self._names.staging / "jobs"):
            for name in files:
                file = Path(parent, name)
                if file.is_file() and not file.is_symlink() and ".part" not in parent:
                    found[self._names.neutral(str(file))] = file.read_bytes()[:_KEPT_BYTES]
        new = {name: content for name, content in found.items() if self._files.get(name) != content}
        self._files |= new
        return {name: base64.b64encode(content).decode() for name, content in new.items()}


class PlayedWire:
    """Answers as the recorded server did. A call that it does not know is the test's failure."""

    def __init__(self, calls: list[dict[str, Any]], staging: Path) -> None:
        self._calls, self._names = calls, Names(staging)
        self._at, self._stale = 0, 0
        self._last: dict[str, dict[str, Any]] = {}
        self.now = datetime.fromisoformat(calls[0]["at"]) if calls else datetime.now(UTC)

    def call(self, request: Request) -> Answer:
        said = self._next(asked(request, self._names))
        if "error" in said:
            raise DriverError(said["error"], transient=True)
        if "base64" in said:
            return Answer(said["status"], base64.b64decode(said["base64"]))
        text = json.dumps(said["json"]) if "json" in said else said["text"]
        return Answer(said["status"], self._names.own(text).encode())

    def execute(self, path: str) -> str:
        return str(self._next({"method": "EXEC", "path": self._names.neutral(path), "body": None})["text"])

    def _next(self, what: dict[str, Any]) -> dict[str, Any]:
        key = f"{what['method']} {what['path']}"
        for position in range(self._at, len(self._calls)):
            there = self._calls[position]
            if all(there[part] == what[part] for part in ("method", "path", "body")):
                if position > self._at and key in self._last and self._stale < _STALE:
                    break
                return self._take(key, position)
            if there["method"] != "GET":
                break
        self._stale += 1
        self._let_time_pass()
        if what["method"] == "GET" and key in self._last:
            return self._last[key]
        expected = self._calls[self._at] if self._at < len(self._calls) else "nothing more"
        text = f"the recording does not go on with {what}\nbut with {expected}\n: record again, by make test-kubernetes"
        raise AssertionError(text)

    def _let_time_pass(self) -> None:
        """Who waits long enough sees the hour of what comes next; at the end, each look is a second."""
        if self._at == len(self._calls):
            self.now += timedelta(seconds=1)
        elif self._stale >= _STALE:
            self.now = max(self.now, datetime.fromisoformat(self._calls[self._at]["at"]))

    def _take(self, key: str, position: int) -> dict[str, Any]:
        said = self._calls[position]
        self._at, self._stale = position + 1, 0
        if said["method"] != "GET":
            self._last.clear()
        self._last[key] = said
        self.now = max(self.now, datetime.fromisoformat(said["at"]))
        # what was there before the next call may have been there before this one was looked at
        for call in self._calls[position : position + 2]:
            for name, content in call.get("files", {}).items():
                file = Path(self._names.own(name))
                if file.parent.is_dir():
                    file.write_bytes(base64.b64decode(content))
        return said


def save(file: Path, about: dict[str, str], calls: list[dict[str, Any]]) -> None:
    """Write a recording, a call a line."""
    lines = [json.dumps(call, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for call in calls]
    file.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps(about, ensure_ascii=False)
    file.write_text(f'{{"about":{head},"calls":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def load(file: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What is said of a recording, and its calls."""
    said = json.loads(file.read_text(encoding="utf-8"))
    return said["about"], said["calls"]


Clock = Callable[[], datetime]
