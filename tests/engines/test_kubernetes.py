"""The contract over a real API server and kubelet; what they say is kept as recordings by `make test-kubernetes`."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from scripts.build_kubernetes import PYTHON, UNPACKED, is_built
from scripts.kubernetes_cluster import RealCluster, cluster, files_below, image_archive
from suanlian.agent.selftest import selftest
from suanlian.drivers.kubernetes.client import OfficialWire
from tests.drivers.kubernetes_bench import (
    NAMESPACE,
    NO_SHELL,
    OTHER_MACHINE,
    RECORDINGS,
    SMALL,
    KubernetesBench,
    bench,
    options,
)
from tests.drivers.kubernetes_scenarios import KubernetesScenarios
from tests.drivers.kubernetes_wires import RecordingWire, save

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "attach-kubernetes.md"
PYTHON_IMAGE = "localhost/suanlian/python:1"
AGENT = """
hub = "http://127.0.0.1:9"
platform = "jiashan"
connector = "jiashan-1"
level = "trade"
usage_segment_s = 1
[policy]
own_entity = "jiashan"
[driver]
name = "kubernetes"
[driver.options]
kubeconfig = "{kubeconfig}"
image_pull_policy = "Never"
probe_image = "{image}"
grace_s = 2
staging = {{ root = "{shared}", host_path = "{shared}" }}
[[inventory.sites]]
name = "main"
region = "330421"
[[inventory.shares]]
name = "pods"
site = "main"
flavor = "amd64"
capacity = {{ cpu = "2", memory = "4GiB", disk = "10GiB" }}
"""
_WANTED = os.environ.get("SUANLIAN_TEST_KUBERNETES") == "1"
pytestmark = [
    pytest.mark.engine("kubernetes"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (_WANTED and is_built() and os.geteuid() == 0), reason="by make test-kubernetes, as root"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A cluster with the namespaces, the quota and the account of the how-to."""
    with cluster(tmp_path_factory.mktemp("k8s")) as made:
        for name in (NAMESPACE, SMALL):
            made.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        for name, value in (("humble", 10), ("important", 1000)):
            made.call(
                "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": value}
            )
        quota = {"metadata": {"name": "all"}, "spec": {"hard": {"requests.cpu": "1", "requests.memory": "1Gi"}}}
        made.call("POST", f"/api/v1/namespaces/{SMALL}/resourcequotas", quota)
        for thing in yaml.safe_load_all(HOW_TO.read_text().partition("```yaml\n")[2].partition("```")[0]):
            group = "/apis/rbac.authorization.k8s.io/v1"
            spaces = [""] if thing["kind"].startswith("Cluster") else [f"/namespaces/{n}" for n in (NAMESPACE, SMALL)]
            for space in spaces:
                thing["metadata"].pop("namespace", None)
                made.call("POST", f"{group}{space}/{thing['kind'].lower()}s", thing)
        # the head of a program for a processor that nothing here can run
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (0x53).to_bytes(2, "little") + bytes(44)
        made.import_image(image_archive(OTHER_MACHINE, {"bin/sh": head}, ["/bin/sh"]))
        made.import_image(image_archive(PYTHON_IMAGE, python_files(), ["/bin/sh"]))
        made.import_image(image_archive(NO_SHELL, {"bin/program": head}, ["/bin/program"]))
        yield made


def open_to_pods(place: Path) -> None:
    """Pods run as another user, and walk through here."""
    for directory in (place, *place.parents):
        if directory.is_relative_to("/tmp") and directory != Path("/tmp"):  # noqa: S108 - pytest's own
            directory.chmod(0o755)


def python_files() -> dict[str, bytes]:
    """A small Python and a shell; no documentation, no character sets."""
    files = {name: content for name, content in files_below(PYTHON).items() if "/share/" not in name}
    files = {name: content for name, content in files.items() if "/gconv/" not in name}
    files["bin/busybox"] = (UNPACKED / "bin/busybox").read_bytes()
    return {**files, "bin/sh": b"-> /bin/busybox", "bin/python3": b"-> /usr/bin/python3.11"}


def test_a_connector_on_it_passes_the_checks_of_a_hub(real: RealCluster, tmp_path: Path) -> None:
    open_to_pods(tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    kubeconfig = real.kubeconfig(real.account, "account")
    file = tmp_path / "agent.toml"
    file.write_text(AGENT.format(kubeconfig=kubeconfig, image=PYTHON_IMAGE, shared=shared))
    made = selftest(file)
    said = [(finding.check.value, finding.result.value, finding.why) for finding in made.report.findings]
    assert made.passed, said


class TestKubernetes(KubernetesScenarios):
    @pytest.fixture(name="bench")
    def _bench(self, request: pytest.FixtureRequest, real: RealCluster, tmp_path: Path) -> Iterator[KubernetesBench]:
        yield from self._recorded(request, real, tmp_path)

    @pytest.fixture
    def bare(self, request: pytest.FixtureRequest, real: RealCluster, tmp_path: Path) -> Iterator[KubernetesBench]:
        yield from self._recorded(request, real, tmp_path, staging=None)

    @staticmethod
    def _recorded(
        request: pytest.FixtureRequest, real: RealCluster, place: Path, **changes: object
    ) -> Iterator[KubernetesBench]:
        open_to_pods(place)
        (place / "shared").mkdir()
        official = OfficialWire(real.kubeconfig(real.account, "account"), None)
        wire = RecordingWire(official, place / "shared")
        failed = request.session.testsfailed
        yield bench(options(place / "shared", **changes), place, wire, owner=real.call, node=real.node)
        official.close()
        if os.environ.get("SUANLIAN_RECORD") == "1" and request.session.testsfailed == failed:
            version = real.call("GET", "/version")["gitVersion"]
            about = {"recorded": datetime.now(UTC).date().isoformat(), "server": version, "test": request.node.name}
            save(RECORDINGS / f"{request.node.name}.json", about, wire.calls)
