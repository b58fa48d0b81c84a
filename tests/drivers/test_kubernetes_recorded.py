"""The contract and more over recordings of a real API server. `make test-kubernetes` makes them anew."""

import inspect
import json
import re
from pathlib import Path

import pytest

from tests.drivers.kubernetes_bench import RECORDINGS, KubernetesBench, bench, options
from tests.drivers.kubernetes_scenarios import KubernetesScenarios
from tests.drivers.kubernetes_wires import PlayedWire, load


def played(request: pytest.FixtureRequest, place: Path, **changes: object) -> KubernetesBench:
    """A bench over the recording of this test."""
    _, calls = load(RECORDINGS / f"{request.node.name}.json")
    shared = place / "shared"
    wire = PlayedWire(calls, shared)
    return bench(options(shared, **changes), place, wire, lambda: wire.now)


class TestKubernetesRecorded(KubernetesScenarios):
    @pytest.fixture(name="bench")
    def _bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> KubernetesBench:
        return played(request, tmp_path)

    @pytest.fixture
    def bare(self, request: pytest.FixtureRequest, tmp_path: Path) -> KubernetesBench:
        return played(request, tmp_path, staging=None)


ABOUT = [load(file)[0] for file in sorted(RECORDINGS.glob("*.json"))]
CARD = Path(__file__).parents[2] / "docs" / "reference" / "drivers" / "kubernetes.md"


def test_the_card_says_which_server_was_recorded_when() -> None:
    told = re.search(r"\| tested on \| (.*) \|", CARD.read_text(encoding="utf-8"))
    assert told
    assert max(about["recorded"] for about in ABOUT) in told[1]
    assert {about["server"].removeprefix("v") for about in ABOUT} == set(
        re.findall(r"Kubernetes ([0-9.]+[0-9])", told[1])
    )


def test_every_case_has_its_recording_and_every_recording_its_case() -> None:
    cases = {name for name, _ in inspect.getmembers(TestKubernetesRecorded) if name.startswith("test_")}
    assert {about["test"] for about in ABOUT} == cases


def test_a_recording_says_nothing_of_its_machine() -> None:
    for file in RECORDINGS.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"/tmp/|/roo[t]/|/hom[e]/|machineID|Bearer|[0-9]{1,3}(\.[0-9]{1,3}){3}", text), file.name  # noqa: S108
        assert json.loads(text)["calls"] is not None
