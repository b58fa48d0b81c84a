"""Do clients of GA4GH TES that others wrote run through the hub? py-tes, old and new, against real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from suanlian.model.party import Role
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
NEWEST = HERE.parent.parent / ".cache" / "py-tes-1.1"
ENDS = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")
OLD = "py-tes 0.4"
NEW = "py-tes 1.1"


@dataclass(frozen=True)
class Site:
    """A hub with one platform of two cores, whose software stands for images by name."""

    hub: HubProcess
    agent: AgentProcess
    key: str
    root: Path
    """A directory that the operator opened to the buyer's entity."""

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx2.Client(base_url=f"{self.hub.url}/ga4gh/tes/v1", headers=headers, trust_env=False) as http:
            answer = http.request(method, path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, *commands: str, **changes: object) -> str:
        executors = [{"image": "python:3", "command": ["/bin/sh", "-c", command]} for command in commands]
        task = {"executors": executors, **changes}
        return str(self.call("POST", "/tasks", {**task, "executors": changes.get("executors", executors)})["id"])

    def ended(self, ref: str) -> dict[str, Any]:
        """The task in full, once it has ended."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.call("GET", f"/tasks/{ref}?view=FULL")
            return found if found["state"] in ENDS else None

        return until(f"{ref} has ended", look)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Processes() as started:
        root = started.root / "open"
        root.mkdir()
        hub = make_hub(started, "national", env={"SUANLIAN_FILE_ROOTS": json.dumps({"lab": [str(root)]})})
        slots = Slots(cores=2, probes=NO_PROBES, images=("python:3",))
        yield Site(hub, make_platform(started, hub, "wuhu", slots), hub.let_in("lab", Role.BUYER), root)


def round_of(site: Site, url: str, path: Path | None) -> dict[str, Any]:
    env = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    done = subprocess.run(
        [sys.executable, HERE / "tes_client.py", url, site.key], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stderr[-4000:], site.agent.daemon.tail())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", [OLD, pytest.param(NEW, marks=pytest.mark.engine(NEW))])
def test_py_tes_runs_its_round(site: Site, version: str) -> None:
    if version == NEW and not NEWEST.is_dir():
        pytest.skip("make test installs py-tes 1.1 below .cache")
    # the old one knows /v1 alone, so it is told the rest
    told = round_of(site, site.hub.url + ("/ga4gh/tes" if version == OLD else ""), NEWEST if version == NEW else None)
    first, failing, long = told["ids"]
    assert [told[name]["state"] for name in ("ended", "failed", "canceled")] == [
        "COMPLETE",
        "EXECUTOR_ERROR",
        "CANCELED",
    ]
    (newest, rest) = told["listed"]
    assert [*newest, rest[0]] == [long, failing, first]
    one, two, three = told["full"]["logs"][0]["logs"]
    assert (one["stdout"], one["stderr"], one["exit_code"]) == ("HELLO TES\n", "counted 9\n", 0)
    assert two["stdout"] == "it's $HOME\n/data/out/all\n"
    assert three["stdout"].endswith("/data/out/all/sub:\na\n\n/scratch:\n")
    assert three["stderr"] == "counted 9\n"
    outputs = told["full"]["logs"][0]["outputs"]
    assert [(each["path"], each["size_bytes"]) for each in outputs] == [
        ("/data/out/upper.txt", 10),
        ("/data/out/all/sub/a", 10),
    ]
    assert told["full"]["inputs"][0]["content"] == "hello tes"
    assert "content" not in told["basic"]["inputs"][0]
    assert [each["exit_code"] for each in told["basic"]["logs"][0]["logs"]] == [0, 0, 0]
    (failed,) = told["failing"]["logs"][0]["logs"]
    assert (failed["stdout"], failed["stderr"], failed["exit_code"]) == ("so far\n", "no further\n", 3)
    assert told["failing"]["logs"][0]["system_logs"][-1] == "exit code 3"


def test_files_go_from_a_directory_through_two_tasks_into_a_directory(site: Site) -> None:
    (site.root / "in").mkdir()
    for name in ("b", "a"):
        (site.root / "in" / name).write_text(f"{name}\n")
    first = site.create(
        inputs=[{"path": "/in", "url": f"file://{site.root}/in", "type": "DIRECTORY"}],
        outputs=[{"path": "/work/[cs]*.txt", "path_prefix": "/work", "url": "suanlian:"}],
        executors=[
            {"image": "python:3", "command": ["/bin/sh", "-c", command], "workdir": "/work"}
            for command in ("cat /in/* > all.txt; sort all.txt > sorted.txt", "wc -l < sorted.txt > count.txt")
        ],
    )
    found = site.ended(first)
    assert found["state"] == "COMPLETE", found
    urls = {each["path"]: each["url"] for each in found["logs"][0]["outputs"]}
    assert sorted(urls) == ["/work/count.txt", "/work/sorted.txt"]
    second = site.create(
        "cat /in/count /in/sorted > /out/made",
        inputs=[
            {"path": "/in/count", "url": urls["/work/count.txt"]},
            {"path": "/in/sorted", "url": urls["/work/sorted.txt"]},
        ],
        outputs=[{"path": "/out/made", "url": f"file://{site.root}/results/made"}],
    )
    assert site.ended(second)["state"] == "COMPLETE"
    assert (site.root / "results" / "made").read_text() == "2\na\nb\n"


def test_a_running_task_ends_canceled_and_shows_what_it_had_written(site: Site) -> None:
    ref = site.create("echo first", "echo second; sleep 600")
    until("it runs", lambda: site.call("GET", f"/tasks/{ref}")["state"] == "RUNNING")
    seen = until(
        "the first executor has its log", lambda: site.call("GET", f"/tasks/{ref}?view=FULL")["logs"][0]["logs"]
    )
    assert [(each["stdout"], each["exit_code"]) for each in seen] == [("first\n", 0)]
    site.call("POST", f"/tasks/{ref}:cancel")
    found = site.ended(ref)
    assert found["state"] == "CANCELED"
    assert [each["stdout"] for each in found["logs"][0]["logs"]] == ["first\n", "second\n"]


def test_an_output_that_is_missing_and_a_place_that_is_read_only_are_told(site: Site) -> None:
    missing = site.ended(site.create("true", outputs=[{"path": "/out/none", "url": "suanlian:"}]))
    assert missing["state"] == "EXECUTOR_ERROR"
    assert "out/none" in missing["logs"][0]["system_logs"][-1]
    refused = site.ended(site.create("echo x > /else"))
    assert (refused["state"], "/else" in refused["logs"][0]["logs"][0]["stderr"]) == ("EXECUTOR_ERROR", True)
