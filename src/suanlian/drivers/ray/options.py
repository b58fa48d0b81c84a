"""What the owner of a Ray cluster sets for the driver; handed down as values, read by nobody here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suanlian.drivers.contract import EnvironmentSetup
from suanlian.model.platform import Flavor


@dataclass(frozen=True, slots=True)
class RayOptions:
    """The Ray driver's settings. Sizes in MiB, times in seconds."""

    address: str
    """The dashboard, such as ``http://10.0.0.2:8265``."""
    root: Path
    """A directory that every node of the cluster sees under the same path: jobs live there."""
    token_file: Path | None = None
    """A file with the token that Ray asks for (``RAY_AUTH_MODE=token``); read at every call, so it may be replaced."""
    ca_file: Path | None = None
    """Certificates to trust besides the system's, where the dashboard stands behind TLS."""
    flavors: tuple[Flavor, ...] = ()
    """Stand before what the cluster describes, by name."""
    environments: Mapping[str, EnvironmentSetup] = field(default_factory=dict)
    runtime_envs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Ray's own ``runtime_env`` of an environment, by its name: packages, conda, a container."""
    python: str = "python3"
    """The interpreter of the nodes, 3.9 or newer, which holds a job; it needs nothing but itself."""
    probes: bool = True
    """Whether the hub's own small jobs may run here; a platform without them cannot pass conformance."""
    probe_python: str | None = None
    """An interpreter of the nodes for probes, with numpy for the larger ones; None: the connector's own."""
    timeout_s: float = 10.0
    """So long a call may take; the first submission on a node takes Ray some seconds."""
    grace_s: float = 2.0
    """Between SIGTERM and SIGKILL when a job is cancelled."""
    disk_mib_if_none: int = 1024
    """The working directory's bound for jobs that were granted no disk."""
