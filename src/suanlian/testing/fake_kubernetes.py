"""A Kubernetes that is none: an API server, a controller of Jobs and a kubelet in one object, pods as plain processes.

For what no cluster is at hand to show: Jobs of many as servers from 1.29 on run them. It is written from the documents
of the API, so what passes here is only as true as they were read. Nothing is isolated; commands run as who runs tests.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from suanlian.drivers.kubernetes import launcher, names
from suanlian.drivers.kubernetes.client import Answer, Request

Json = dict[str, Any]
_GRACE_KEY = "terminationGracePeriodSeconds"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class _Run:
    """The process of a pod."""

    process: subprocess.Popen[bytes]
    said: Path
    ends_at: float
    killed_at: float | None = None


@dataclass
class FakeKubernetes:
    """A wire of the driver, and what is behind it. ``close`` ends all processes."""

    place: Path
    minor: int = 29
    images: frozenset[str] = frozenset()
    """What can be run; anything else is missing."""
    other_machine: frozenset[str] = frozenset()
    """Of these, what the kernel would refuse."""
    objects: dict[str, Json] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    """How often each directory of a job was run in."""
    _runs: dict[str, _Run] = field(default_factory=dict)
    _ended: dict[str, tuple[set[int], set[int]]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Make what control groups would tell."""
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "cpu.stat").write_text("usage_usec 1000\n")
        (self.place / "memory.peak").write_text("1048576\n")

    # ------------------------------------------------------------------ the wire

    def call(self, request: Request) -> Answer:
        """One call of the API."""
        self._go_on()
        path, _, query = request.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/version":
            return _answer(200, {"major": "1", "minor": str(self.minor)})
        if path == "/api/v1/nodes":
            return _answer(200, {"items": [_NODE]})
        if path.endswith("/log"):
            return Answer(200, b"")
        return getattr(self, f"_{request.method.lower()}")(path, request.body, asked)  # type: ignore[no-any-return]

    def execute(self, path: str) -> str:
        """What the driver runs beside a program: signals, by their commands."""
        self._go_on()
        pod, _, query = path.partition("/exec?")
        run = self._runs.get(unquote(pod))
        words = parse_qs(query)["command"]
        if run is not None and run.process.poll() is None:
            for name in launcher.SIGNALS:
                if words == launcher.signal(name):
                    _tell(run.process.pid, signal.Signals[f"SIG{name}"])
            for still, number in ((True, signal.SIGSTOP), (False, signal.SIGCONT)):
                if words == launcher.stand(still=still):
                    _send(_group(run.process.pid), number)
        return ""

    def _get(self, path: str, _body: Json | None, asked: dict[str, str]) -> Answer:
        if path in self.objects:
            return _answer(200, self.objects[path])
        kind = path.rpartition("/")[2]
        if kind not in {"jobs", "pods", "events", "resourcequotas", "secrets"}:
            return _answer(404, {"message": "not found"})
        inside = path.partition("/namespaces/")[2]
        found = [
            thing
            for at, thing in self.objects.items()
            if f"/{kind}/" in at and at.partition("/namespaces/")[2].startswith(inside) and _chosen(thing, asked)
        ]
        return _answer(200, {"items": found})

    def _post(self, path: str, body: Json | None, _asked: dict[str, str]) -> Answer:
        made = json.loads(json.dumps(body or {}))
        at = f"{path}/{made['metadata']['name']}"
        if at in self.objects:
            return _answer(409, {"message": "already exists"})
        made["metadata"] |= {"creationTimestamp": _now(), "uid": f"uid-{next(self._numbers)}"}
        if path.endswith("/jobs"):
            made["status"] = {"startTime": _now()}
        self.objects[at] = made
        return _answer(201, made)

    def _patch(self, path: str, body: Json | None, _asked: dict[str, str]) -> Answer:
        if path not in self.objects:
            return _answer(404, {"message": "not found"})
        _merge(self.objects[path], body or {})
        return _answer(200, self.objects[path])

    def _delete(self, path: str, _body: Json | None, _asked: dict[str, str]) -> Answer:
        thing = self.objects.get(path)
        if thing is None:
            return _answer(404, {"message": "not found"})
        if "/pods/" in path:
            thing["metadata"].setdefault("deletionTimestamp", _now())
        else:
            del self.objects[path]
            self._ended.pop(path, None)
            for at, pod in list(self.objects.items()):
                if "/jobs/" in path and "/pods/" in at and pod["metadata"]["labels"].get(names.NAME) == _name(thing):
                    self._kill(at)
                    del self.objects[at]
        return _answer(200, thing)

    # ------------------------------------------------------------------ what goes on behind it

    def _go_on(self) -> None:
        for at, job in list(self.objects.items()):
            if "/jobs/" in at:
                self._control(at, job)
        for at, pod in list(self.objects.items()):
            if "/pods/" in at:
                self._look_after(at, pod)

    def _control(self, at: str, job: Json) -> None:
        """Each index has one pod, once; what has ended is written down."""
        many, status = job["spec"].get("completionMode") == "Indexed", job["status"]
        base = at.partition("/jobs/")[0].replace("/apis/batch/v1", "/api/v1") + "/pods/"
        pods = {path: pod for path, pod in self.objects.items() if path.startswith(f"{base}{_name(job)}-")}
        by_slot = {int(pod["metadata"]["annotations"].get(names.SLOT, 0)): pod for pod in pods.values()}
        done, failed = self._ended.setdefault(at, (set(), set()))
        for slot in range(job["spec"]["completions"]):
            pod = by_slot.get(slot)
            phase = None if pod is None else pod["status"]["phase"]
            if phase in {"Succeeded", "Failed"}:
                (done if phase == "Succeeded" else failed).add(slot)
            elif pod is None and job["spec"]["parallelism"] and slot not in done | failed:
                self._make_pod(base, job, slot if many else None)
            if phase == "Pending" and not job["spec"]["parallelism"]:
                by_slot[slot]["metadata"].setdefault("deletionTimestamp", _now())
            if pod is not None and pod["metadata"].get("deletionTimestamp") and phase in {"Succeeded", "Failed"}:
                self.objects.pop(next(path for path, each in pods.items() if each is pod))
        if many:
            status |= {"completedIndexes": _written(done), "failedIndexes": _written(failed)}
        if len(done) + len(failed) == job["spec"]["completions"] and "conditions" not in status:
            kind = "Failed" if failed else "Complete"
            status["conditions"] = [{"type": kind, "status": "True", "lastTransitionTime": _now()}]
            status.update({} if failed else {"completionTime": _now()})

    def _make_pod(self, base: str, job: Json, slot: int | None) -> None:
        template = json.loads(json.dumps(job["spec"]["template"]))
        name = f"{_name(job)}-{'' if slot is None else f'{slot}-'}{next(self._numbers)}"
        annotations = {} if slot is None else {names.SLOT: str(slot)}
        placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": _now()}
        template["metadata"] |= {
            "name": name,
            "namespace": job["metadata"]["namespace"],
            "annotations": annotations,
            "creationTimestamp": _now(),
        }
        template["status"] = {"phase": "Pending", "conditions": [placed]}
        self.objects[base + name] = template

    def _look_after(self, at: str, pod: Json) -> None:
        status, container = pod["status"], pod["spec"]["containers"][0]
        run = self._runs.get(at)
        if run is None and status["phase"] == "Pending":
            if pod["metadata"].get("deletionTimestamp"):
                status["phase"] = "Failed"
            elif container["image"] not in self.images:
                _state(pod, {"waiting": {"reason": "ErrImageNeverPull", "message": "is not present"}})
            elif not all(path in self.objects for path in _secrets(at, container)):
                _state(pod, {"waiting": {"reason": "CreateContainerConfigError", "message": "secret not found"}})
            else:
                self._start(at, pod, container)
            return
        if run is None or status["phase"] in {"Succeeded", "Failed"}:
            return
        run.ends_at = min(run.ends_at, _epoch(status["startTime"]) + pod["spec"]["activeDeadlineSeconds"])
        self._end_in_time(run, pod)
        if (code := run.process.poll()) is not None:
            said = run.said.read_text(errors="replace") if run.said.exists() else ""
            times = {"startedAt": status["containerStatuses"][0]["state"]["running"]["startedAt"], "finishedAt": _now()}
            code = 128 - code if code < 0 else code
            reason = "Error" if code else "Completed"
            _state(pod, {"terminated": {"exitCode": code, "reason": reason, "message": said, **times}})
            status["phase"] = "Failed" if code or status.get("reason") else "Succeeded"

    @staticmethod
    def _end_in_time(run: _Run, pod: Json) -> None:
        """Over its deadline, or removed: SIGTERM, and SIGKILL after its grace."""
        late, now = time.time() >= run.ends_at, time.time()
        if run.killed_at is None and (late or pod["metadata"].get("deletionTimestamp")):
            run.killed_at = now + pod["spec"].get(_GRACE_KEY, 30)
            if late:
                pod["status"]["reason"] = "DeadlineExceeded"
            _tell(run.process.pid, signal.SIGTERM)
            _send(_group(run.process.pid), signal.SIGCONT)
        if run.killed_at is not None and now >= run.killed_at:
            _send([*_group(run.process.pid), run.process.pid], signal.SIGKILL)

    def _start(self, at: str, pod: Json, container: Json) -> None:
        said = self.place / f"said-{next(self._numbers)}"
        slot = pod["metadata"]["annotations"].get(names.SLOT, "")
        root = pod["spec"]["volumes"][0]["hostPath"]["path"]
        seen = {"/sys/fs/cgroup": str(self.place), launcher.TERMINATION: str(said)}
        for mount in container["volumeMounts"]:
            within = mount.get("subPathExpr", mount.get("subPath")).replace(f"$({launcher.SLOT})", slot)
            seen[mount["mountPath"]] = f"{root}/{within}"
        env = {"PATH": os.environ["PATH"]}
        for each in container["env"]:
            env[each["name"]] = slot if "valueFrom" in each else _inside(each["value"].replace("$$", "$"), seen)
        for path in _secrets(at, container):
            env |= self.objects[path]["stringData"]
        words = [_inside(word.replace("$$", "$"), seen) for word in container["command"]]
        if container["image"] in self.other_machine:
            words = ["/bin/sh", "-c", f"printf '%s' 'exec /bin/sh: exec format error' >{said}; exit 1"]
        work = seen[launcher.WORK]
        self.starts[work] = self.starts.get(work, 0) + 1
        process = subprocess.Popen(
            words, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        pod["status"] |= {"phase": "Running", "startTime": _now()}
        _state(pod, {"running": {"startedAt": _now()}})
        self._runs[at] = _Run(process, said, time.time() + pod["spec"]["activeDeadlineSeconds"])

    def _kill(self, at: str) -> None:
        if (run := self._runs.pop(at, None)) is not None:
            _send([*_group(run.process.pid), run.process.pid], signal.SIGKILL)
            run.process.wait()

    def close(self) -> None:
        """End every process."""
        for at in list(self._runs):
            self._kill(at)


_NODE: Json = {
    "metadata": {"name": "fake", "labels": {"kubernetes.io/arch": "amd64"}},
    "status": {
        "allocatable": {"cpu": "64", "memory": "64Gi", "ephemeral-storage": "100Gi"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"containerRuntimeVersion": "fake://1", "kubeletVersion": "v1.29.0"},
    },
}


def _answer(status: int, body: Json) -> Answer:
    return Answer(status, json.dumps(body).encode())


def _written(slots: set[int]) -> str:
    return ",".join(map(str, sorted(slots)))


def _name(thing: Json) -> str:
    return str(thing["metadata"]["name"])


def _chosen(thing: Json, asked: dict[str, str]) -> bool:
    """Whether a label selector takes it: ``a=b``, ``a in (b,c)``."""
    labels = thing["metadata"].get("labels") or {}
    text = asked.get("labelSelector", "")
    before, found, among = text.partition(" in (")
    parts = [part for part in before.split(",") if "=" in part]
    if found and labels.get(before.rpartition(",")[2]) not in among.rstrip(")").split(","):
        return False
    return all(labels.get(part.partition("=")[0]) == part.partition("=")[2] for part in parts)


def _merge(thing: Json, change: Json) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            _merge(thing.setdefault(name, {}), value)
        elif value is None:
            thing.pop(name, None)
        else:
            thing[name] = value


def _state(pod: Json, state: Json) -> None:
    pod["status"]["containerStatuses"] = [{"name": names.CONTAINER, "state": state}]


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _secrets(at: str, container: Json) -> list[str]:
    base = at.partition("/pods/")[0]
    return [f"{base}/secrets/{source['secretRef']['name']}" for source in container.get("envFrom", ())]


def _inside(text: str, seen: dict[str, str]) -> str:
    for inside in sorted(seen, key=len, reverse=True):
        text = text.replace(inside, seen[inside])
    return text


def _group(leader: int) -> list[int]:
    """The processes of a session besides its first, which is the launcher."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != leader:
            with suppress(OSError, IndexError):
                after = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(after[3]) == leader:
                    found.append(int(entry.name))
    return found


def _send(processes: list[int], number: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _tell(leader: int, number: int) -> None:
    """To those that handle it, where none does to all."""
    group = _group(leader)
    handling = []
    for process in group:
        with suppress(OSError):
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            caught = next(line for line in lines if line.startswith("SigCgt"))
            if int(caught.split()[1], 16) >> (number - 1) & 1:
                handling.append(process)
    _send(handling or group, number)
