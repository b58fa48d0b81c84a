"""What the owner of a cluster sets for the Kubernetes driver; handed down as values, read by nobody here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from suanlian.model.performance import Architecture

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Staging:
    """A directory that the agent's machine and the nodes share: inputs go in by it, outputs and streams come out."""

    root: Path
    """Where the agent sees it."""
    host_path: str | None = None
    """Where every node sees it; else ``claim``."""
    claim: str | None = None
    """A PersistentVolumeClaim (ReadWriteMany), of this name in each namespace that jobs run in."""
    sub_path: str = ""
    """Where in the claim ``root`` lies."""

    def __post_init__(self) -> None:
        """Say what cannot be meant. Raises ValueError."""
        if (self.host_path is None) == (self.claim is None):
            msg = "staging needs exactly one of host_path and claim"
            raise ValueError(msg)
        if self.sub_path.startswith("/") or ".." in self.sub_path.split("/"):
            msg = "staging.sub_path is relative, without '..'"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ImageEnvironment:
    """How a named environment is made here: an image, what stands before the command, what is set."""

    image: str
    launcher: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[Architecture, ...] = ()
    """For which the image was built; empty: for every kind of node here."""


@dataclass(frozen=True, slots=True)
class FlavorSetup:
    """Which nodes a flavor is, and by which name the cluster counts its cards."""

    selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that a node must have; ``kubernetes.io/arch`` is among those of every node."""
    resource: str | None = None
    """The extended resource of its accelerators, such as ``nvidia.com/gpu``; None: as the nodes tell."""
    tolerations: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ShareSetup:
    """Where the jobs of a share run: a namespace, whose ResourceQuota bounds it, and what they carry there."""

    namespace: str
    priority_class: str | None = None
    runtime_class: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """On its Jobs, such as ``kueue.x-k8s.io/queue-name``."""


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """The Kubernetes driver's settings. Times in seconds."""

    kubeconfig: Path | None = None
    """None: the file that ``kubectl`` would take, or the pod's own account where the agent runs in the cluster."""
    context: str | None = None
    namespace: str = "suanlian"
    """Where the jobs of shares run that ``shares`` does not name. It must exist."""
    instance: str = "agent"
    """Tells connectors apart that use the same namespace."""
    shares: Mapping[str, ShareSetup] = field(default_factory=dict)
    flavors: Mapping[str, FlavorSetup] = field(default_factory=dict)
    """By name; what is left out is found: one flavor for each kind of node."""
    environments: Mapping[str, ImageEnvironment] = field(default_factory=dict)
    probe_image: str | None = None
    """An image with Python 3.9 or newer, better with numpy, for the hub's own small jobs; None: they do not run here,
    and a hub that asks for them lets nothing be traded."""
    probe_architecture: Architecture = Architecture.X86_64
    """For which that image is."""
    staging: Staging | None = None
    """None: jobs have no inputs and bring nothing back but their log."""
    run_as_user: int | None = None
    """The user of all jobs; None: the agent's own, or 65532 where the agent is root."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    pull_patience_s: int = 300
    """How long an image may fail to come, where the registry does not say that it never will."""
    start_patience_s: int = 900
    """How long a pod may take from its node to its start, the pull of its image included."""
    node_patience_s: int = 120
    """How long a node may be silent until its jobs are given up."""
    grace_s: int = 10
    """Between SIGTERM and SIGKILL, where a job names no checkpoint."""
    closed_network: Literal["policy", "given", "open"] = "policy"
    """How jobs without network are kept from it: by a NetworkPolicy that the driver makes, or that is there by its name
    (``suanlian-closed``); ``open``: by nothing, and buyers are told so."""
    network_policies_hold: bool = False
    """The owner's word that the cluster's network enforces NetworkPolicies; the API cannot tell."""

    def __post_init__(self) -> None:
        """Say what cannot be meant. Raises ValueError."""
        for name in (self.namespace, self.instance, *(share.namespace for share in self.shares.values())):
            if not _LABEL.fullmatch(name):
                msg = f"{name!r} is no name of Kubernetes: small letters, digits and '-', at most 63"
                raise ValueError(msg)
