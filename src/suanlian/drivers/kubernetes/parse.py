"""The API's words turned into types: versions, times, quantities, nodes, pods. Pure: JSON in, values out."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from suanlian.drivers.contract import Measured
from suanlian.model.performance import Architecture
from suanlian.model.quantity import MAX_BASE, Resources, total

Json = Mapping[str, Any]
_MIB: Final = 1024 * 1024
_SUFFIX: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_QUANTITY: Final = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i))?")
_ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "amd64": Architecture.X86_64,
    "arm64": Architecture.AARCH64,
    "riscv64": Architecture.RISCV64,
}
ARCH_LABEL: Final = "kubernetes.io/arch"
_KIND_LABELS: Final = (ARCH_LABEL, "node.kubernetes.io/instance-type")
CARDS: Final[Mapping[str, tuple[str, str]]] = {
    "nvidia.com/gpu": ("nvidia", "nvidia.com/gpu.product"),
    "amd.com/gpu": ("amd", "amd.com/gpu.product-name"),
    "huawei.com/Ascend910": ("ascend", "accelerator"),
    "huawei.com/Ascend310P": ("ascend", "accelerator"),
    "hygon.com/dcu": ("dcu", "hygon.com/dcu.name"),
    "mthreads.com/gpu": ("musa", "mthreads.com/gpu.product"),
    "metax-tech.com/gpu": ("metax", "metax-tech.com/gpu.product"),
    "cambricon.com/mlu": ("mlu", "cambricon.com/mlu.product"),
}
"""Extended resources that are accelerators: the family of the chip, and the label that tells its model."""


class Version(NamedTuple):
    """Of an API server."""

    major: int
    minor: int


def version(said: Json) -> Version:
    """From ``/version``; providers write ``20+``. Raises ValueError."""
    numbers = [re.match(r"[0-9]+", str(said.get(part, ""))) for part in ("major", "minor")]
    if numbers[0] is None or numbers[1] is None:
        msg = f"the API server tells no version: {said!r:.100}"
        raise ValueError(msg)
    return Version(int(numbers[0][0]), int(numbers[1][0]))


def moment(text: str | None) -> datetime | None:
    """A time of the API (RFC 3339, UTC)."""
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def quantity(said: object) -> Decimal:
    """``250m``, ``1.5Gi``, ``1e3``, ``5``. Raises ValueError for anything else."""
    found = _QUANTITY.fullmatch(str(said))
    if found is None:
        msg = f"{said!r:.60} is no quantity of Kubernetes"
        raise ValueError(msg)
    number, exponent, suffix = found.groups()
    try:
        return Decimal(number + (exponent or "")) * _SUFFIX[suffix or ""]
    except InvalidOperation as error:
        msg = f"{said!r:.60} is no quantity of Kubernetes"
        raise ValueError(msg) from error


def resources(said: Json, card: str | None) -> Resources:
    """A list of resources in our units, rounded down; ``card``: the extended resource that is the accelerator."""

    def base(name: str, per: Decimal) -> int:
        return max(0, min(int(quantity(said.get(name, 0)) * per), MAX_BASE))

    return Resources.of(
        {
            "cpu": base("cpu", Decimal(1000)),
            "memory": base("memory", Decimal(1) / _MIB),
            "disk": base("ephemeral-storage", Decimal(1) / _MIB),
            "accelerator": 0 if card is None else base(card, Decimal(1)),
        }
    )


def asked(pod: Json, card: str | None) -> Resources:
    """What a pod holds of its node: the sum of its containers, or its largest step before them."""
    spec = pod.get("spec") or {}

    def of(container: Json) -> Resources:
        return resources((container.get("resources") or {}).get("requests") or {}, card)

    together = total(of(each) for each in spec.get("containers") or ())
    steps = [of(each) for each in spec.get("initContainers") or ()]
    return Resources.of({kind: max([n, *(s.base()[kind] for s in steps)]) for kind, n in together.base().items()})


@dataclass(frozen=True, slots=True)
class Node:
    """A node, as far as it matters here."""

    name: str
    labels: Mapping[str, str]
    allocatable: Json
    ready: bool
    open: bool
    """Ready, and not cordoned."""
    silent_since: datetime | None
    runtime: str
    kubelet: str

    @property
    def architecture(self) -> Architecture | None:
        """None for a processor that is not known here."""
        return _ARCHITECTURES.get(self.labels.get(ARCH_LABEL, ""))

    @property
    def card(self) -> str | None:
        """The extended resource of its accelerators."""
        return next((name for name in CARDS if quantity(self.allocatable.get(name, 0)) > 0), None)

    def has(self, selector: Mapping[str, str]) -> bool:
        """Whether it has these labels."""
        return all(self.labels.get(name) == value for name, value in selector.items())


def node(said: Json) -> Node:
    """One item of a list of nodes."""
    status = said.get("status") or {}
    metadata = said.get("metadata") or {}
    ready: Json = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True"
    info = status.get("nodeInfo") or {}
    return Node(
        name=metadata.get("name", ""),
        labels=metadata.get("labels") or {},
        allocatable=status.get("allocatable") or {},
        ready=is_ready,
        open=is_ready and not (said.get("spec") or {}).get("unschedulable"),
        silent_since=None if is_ready else moment(ready.get("lastTransitionTime")),
        runtime=str(info.get("containerRuntimeVersion", "")).partition(":")[0],
        kubelet=str(info.get("kubeletVersion", "")),
    )


def kinds(nodes: Iterable[Node]) -> dict[str, tuple[dict[str, str], list[Node]]]:
    """Nodes of one kind together, by a name that their labels make: the labels that tell them apart, and the nodes."""
    found: dict[str, tuple[dict[str, str], list[Node]]] = {}
    for each in nodes:
        if each.architecture is None:
            continue
        names = [*_KIND_LABELS, *([CARDS[each.card][1]] if each.card else [])]
        labels = {name: each.labels[name] for name in names if name in each.labels}
        words = "-".join([*labels.values(), *([CARDS[each.card][0]] if each.card else [])])
        name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:63].strip("-")
        found.setdefault(name, (labels, []))[1].append(each)
    return found


def smallest(nodes: Iterable[Node], card: str | None) -> Resources:
    """What each of the nodes has at least."""
    each = [resources(n.allocatable, card).base() for n in nodes]
    return Resources.of({kind: min(n[kind] for n in each) for kind in each[0]}) if each else Resources()


def measured(message: str | None) -> Measured | None:
    """What the launcher left in the termination message; None when it left nothing."""
    used = record(message)
    if used is None:
        return None
    peak = -(-used["peak_bytes"] // _MIB)
    return Measured(cpu_s=Decimal(used["cpu_us"]).scaleb(-6), peak_memory_mib=min(peak, MAX_BASE))


def record(message: str | None) -> dict[str, int] | None:
    """The launcher's three numbers; a program can write there too, so nothing else is believed."""
    try:
        found = json.loads(message or "")
        numbers = {name: int(found[name]) for name in ("cpu_us", "peak_bytes", "oom_kills")}
    except (ValueError, TypeError, KeyError):
        return None
    return numbers if all(0 <= n <= MAX_BASE for n in numbers.values()) else None


def container_state(pod: Json) -> Json:
    """``running``, ``waiting`` or ``terminated`` of its one container, with what is said of it; or nothing yet."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found: Json = (statuses[0].get("state") or {}) if statuses else {}
    return found


def is_running(pod: Json) -> bool:
    """Whether its program runs, its last grace included."""
    return "running" in container_state(pod)


def by_age(things: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The oldest first."""
    return sorted(things, key=lambda thing: str(thing["metadata"].get("creationTimestamp")))


def is_alive(pods: Iterable[Json]) -> bool:
    """Whether one of them runs."""
    return any(map(is_running, pods))


def has_begun(pod: Json) -> bool:
    """Whether its program runs or has run."""
    return not container_state(pod).keys().isdisjoint({"running", "terminated"})


def is_leaving(thing: Json) -> bool:
    """Whether somebody has removed it, and it is on its way out."""
    return bool((thing.get("metadata") or {}).get("deletionTimestamp"))


def annotations(thing: Json) -> Mapping[str, str]:
    """Its annotations."""
    found: Mapping[str, str] = (thing.get("metadata") or {}).get("annotations") or {}
    return found


def condition(thing: Json, kind: str) -> Json | None:
    """Its condition of this type, true or not."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind), None)


def is_over(job: Json) -> bool:
    """Whether the cluster says that a Job has ended."""
    found = [condition(job, kind) for kind in ("Complete", "Failed")]
    return any(c is not None and c.get("status") == "True" for c in found)
