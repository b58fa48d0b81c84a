"""The contract and more over recordings of a real API server. `make test-kubernetes` makes them anew."""

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
