"""What has the cluster, and how full is it? Nodes as flavors, quotas and pods as the load of a share. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from suanlian.drivers.contract import DriverError, EngineLoad
from suanlian.drivers.kubernetes import parse
from suanlian.drivers.kubernetes.options import FlavorSetup, KubernetesOptions
from suanlian.drivers.kubernetes.parse import Node
from suanlian.model.performance import Architecture, ComputeClass, Grade
from suanlian.model.platform import Chip, Flavor, NamedEnvironment, Share
from suanlian.model.quantity import ResourceKind, Resources, total

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Used:
    """What is there besides the nodes: the pods of all namespaces that hold something, the quotas of one of them."""

    namespace: str
    pods: Sequence[Json]
    quotas: Sequence[Json]


def flavors(nodes: Sequence[Node], options: KubernetesOptions) -> tuple[Flavor, ...]:
    """The owner's, by their labels, else one for each kind of node. A flavor without nodes is left out."""
    if not options.flavors:
        found = {name: (FlavorSetup(labels), alike) for name, (labels, alike) in parse.kinds(nodes).items()}
    else:
        found = {name: (made, _of(made, nodes)) for name, made in options.flavors.items()}
    return tuple(_flavor(name, made, alike, options) for name, (made, alike) in sorted(found.items()) if alike)


def setup(name: str, nodes: Sequence[Node], options: KubernetesOptions) -> FlavorSetup:
    """The labels and the resource of a flavor. Raises DriverError for one that is not here."""
    if (made := options.flavors.get(name)) is not None:
        return FlavorSetup(made.selector, made.resource or _card(_of(made, nodes)), made.tolerations)
    kinds = parse.kinds(nodes)
    if not options.flavors and len(kinds) == 1:  # whatever its owner calls it, there is no other
        name = next(iter(kinds))
    if options.flavors or name not in kinds:
        raise DriverError(f"this cluster has no flavor {name!r}; it has: {', '.join(sorted(options.flavors or kinds))}")
    labels, alike = kinds[name]
    return FlavorSetup(labels, _card(alike))


def _of(made: FlavorSetup, nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.architecture is not None and node.has(made.selector)]


def _card(nodes: Sequence[Node]) -> str | None:
    return next((node.card for node in nodes if node.card), None)


def _flavor(name: str, made: FlavorSetup, nodes: Sequence[Node], options: KubernetesOptions) -> Flavor:
    first, card = nodes[0], made.resource or _card(nodes)
    architectures = {node.architecture for node in nodes}
    if len(architectures) != 1 or first.architecture is None:
        raise DriverError(f"flavor {name!r} has nodes of several architectures: add kubernetes.io/arch to its labels")
    family, label = parse.CARDS.get(card or "", (None, ""))
    chip = None
    if family is not None:
        chip = Chip(family=family, model=first.labels.get(label, card or ""), grade=Grade.CLAIMED)
    return Flavor(
        name=name,
        compute_class=ComputeClass.GENERAL if chip is None else ComputeClass.INTELLIGENT,
        architecture=first.architecture,
        node=parse.smallest(nodes, card),
        chip=chip,
        environments=_environments(first.architecture, options),
        image_runtime=first.runtime or "kubernetes",
        note=f"{len(nodes)} nodes, kubelet {first.kubelet}",
    )


def _environments(architecture: Architecture, options: KubernetesOptions) -> tuple[NamedEnvironment, ...]:
    return tuple(
        NamedEnvironment(name=name, architecture=architecture, description=made.image, images=(made.image,))
        for name, made in sorted(options.environments.items())
        if not made.architectures or architecture in made.architectures
    )


def load(share: Share, made: FlavorSetup, nodes: Sequence[Node], used: Used) -> EngineLoad:
    """In use is what neither the share's nodes nor the quota of its namespace have left, within the share."""
    own = {node.name: node for node in _of(made, nodes)}
    held: dict[str, list[Resources]] = {name: [] for name in own}
    for pod in used.pods:
        if (name := (pod.get("spec") or {}).get("nodeName")) in held:
            held[name].append(parse.asked(pod, made.resource))
    free = total(
        parse.resources(node.allocatable, made.resource).minus(total(held[node.name]))
        for node in own.values()
        if node.open
    )
    left = [free.base(), *(_left(quota, made.resource) for quota in used.quotas)]
    capacity = share.capacity.base()
    in_use: dict[str, int] = {kind: max(0, n - min(each.get(kind, n) for each in left)) for kind, n in capacity.items()}
    phases = [
        (pod.get("status") or {}).get("phase")
        for pod in used.pods
        if (pod.get("metadata") or {}).get("namespace") == used.namespace
    ]
    return EngineLoad(Resources.of(in_use), phases.count("Running"), phases.count("Pending"))


_QUOTA_NAMES: Final = {
    ResourceKind.CPU: ("requests.cpu", "cpu", "limits.cpu"),
    ResourceKind.MEMORY: ("requests.memory", "memory", "limits.memory"),
    ResourceKind.DISK: ("requests.ephemeral-storage", "ephemeral-storage", "limits.ephemeral-storage"),
}
_RESOURCE: Final = {ResourceKind.CPU: "cpu", ResourceKind.MEMORY: "memory", ResourceKind.DISK: "ephemeral-storage"}


def _left(quota: Json, card: str | None) -> dict[ResourceKind, int]:
    """What a quota has left, by those kinds that it bounds."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    of = {**_QUOTA_NAMES, **({ResourceKind.ACCELERATOR: (f"requests.{card}",)} if card else {})}
    resource = {**_RESOURCE, **({ResourceKind.ACCELERATOR: card} if card else {})}
    found: dict[ResourceKind, int] = {}
    for kind, written in of.items():
        for name in (name for name in written if name in hard):
            has, uses = (parse.resources({resource[kind]: side.get(name, 0)}, card) for side in (hard, used))
            rest = has.minus(uses).base()[kind]
            found[kind] = min(found.get(kind, rest), rest)
    return found
