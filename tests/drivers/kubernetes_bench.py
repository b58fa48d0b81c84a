"""What the tests of the Kubernetes driver share: its bench, over a real cluster or over recordings of one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.kubernetes.client import Wire
from suanlian.drivers.kubernetes.driver import KubernetesDriver, utc_now
from suanlian.drivers.kubernetes.options import ImageEnvironment, KubernetesOptions, ShareSetup, Staging
from suanlian.testing.drivers import DriverBench
from tests.drivers.benches import COMMANDS
from tests.drivers.kubernetes_wires import Clock

RECORDINGS: Final = Path(__file__).parent / "recordings" / "kubernetes"
NAMESPACE: Final = "suanlian"
SMALL: Final = "suanlian-small"
"""A namespace with a quota."""
IMAGE: Final = "localhost/suanlian/busybox:1"
OTHER_MACHINE: Final = "localhost/suanlian/other-machine:1"
NO_SHELL: Final = "localhost/suanlian/no-shell:1"
MISSING: Final = "localhost/suanlian/missing:1"


@dataclass
class KubernetesBench(DriverBench):
    """A driver with its options, and the hand of the cluster's owner, which recordings do not need."""

    options: KubernetesOptions = field(kw_only=True)
    owner: Callable[..., Any] = field(default=lambda *_: None, kw_only=True)
    """``owner(method, path, body)``: a call of the API as administrator."""
    node: Callable[[bool], None] = field(default=lambda _: None, kw_only=True)
    """``node(False)``: nothing is heard of the node any more; ``node(True)``: it is there again."""


def options(shared: Path, **changes: Any) -> KubernetesOptions:  # noqa: ANN401
    values: dict[str, Any] = {
        "namespace": NAMESPACE,
        "environments": {"busybox": ImageEnvironment(IMAGE), "nowhere": ImageEnvironment("localhost/suanlian/no:1")},
        "shares": {"small": ShareSetup(SMALL), "humble": ShareSetup(NAMESPACE, priority_class="humble")},
        "image_pull_policy": "Never",
        "staging": Staging(root=shared, host_path=str(shared)),
        "grace_s": 2,
        "node_patience_s": 5,
    }
    return KubernetesOptions(**{**values, **changes})


def bench(chosen: KubernetesOptions, place: Path, wire: Wire, clock: Clock = utc_now, **more: Any) -> KubernetesBench:  # noqa: ANN401
    return KubernetesBench(
        make=lambda: KubernetesDriver(chosen, wire=wire, clock=clock),
        staging=place / "staging",
        commands=COMMANDS,
        environment="busybox",
        bad_images={"another architecture": OTHER_MACHINE, "has no /bin/sh": NO_SHELL, "cannot be had": MISSING},
        many=5,
        patience_s=90.0,
        options=chosen,
        **more,
    )
