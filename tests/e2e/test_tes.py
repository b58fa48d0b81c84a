"""Do clients of GA4GH TES that others wrote run through the hub? py-tes, old and new, against real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from suanlian.model.party import Role
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
NEWEST = HERE.parent.parent / ".cache" / "py-tes-1.1"
OLD = "py-tes 0.4"
NEW = "py-tes 1.1"


@dataclass(frozen=True)
class Site:
    """A hub with one platform of two cores, whose software stands for images by name."""

    hub: HubProcess
    agent: AgentProcess
    key: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Processes() as started:
        hub = make_hub(started, "national")
        slots = Slots(cores=2, probes=NO_PROBES, images=("python:3",))
        yield Site(hub, make_platform(started, hub, "wuhu", slots), hub.let_in("lab", Role.BUYER))


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
    assert told["listed"] == [[long, failing], [first]]
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
