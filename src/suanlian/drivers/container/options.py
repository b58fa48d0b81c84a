"""What the owner of a container engine sets for its driver; handed down as values, read by nobody here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suanlian.model.platform import Flavor


@dataclass(frozen=True, slots=True)
class ContainerEnvironment:
    """A named environment is an image here, and what stands before the command."""

    image: str
    launcher: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """The container driver's settings. Sizes in MiB, times in seconds."""

    root: Path
    """Where jobs' directories lie: under the same path on the engine's machine, and on a disk with room."""
    url: str = "unix:///run/podman/podman.sock"
    """``unix:///PATH``, or ``tcp://HOST:PORT`` with the three files below."""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    """Take ``tcp://`` without TLS: whoever reaches that port owns the engine's machine."""
    timeout_s: float = 20.0
    """How long an answer of the engine may take."""
    flavors: tuple[Flavor, ...] = ()
    """Left out: one flavor, ``containers``, as the engine describes its machine."""
    environments: Mapping[str, ContainerEnvironment] = field(default_factory=dict)
    images: tuple[str, ...] = ("*",)
    """Which images jobs may name: patterns of whole references, such as ``registry.example.org/science/*``."""
    pull: bool = False
    """Fetch what is missing from its registry; else only images that lie at the engine."""
    pull_timeout_s: float = 600.0
    probe_image: str | None = None
    """Any image of this machine's architecture: the hub's own small jobs run in it, on this machine's Python."""
    base_uid: int = 300_000
    uids: int = 50_000
    """As root, a job runs as a user from ``base_uid`` on, one of so many; nobody else may use them."""
    network: str = "bridge"
    """The network of jobs that ask for one; all others have none."""
    accelerators: tuple[tuple[str, ...], ...] = ()
    """For each accelerator the device files that its job sees: ``/dev/NAME``, or ``/OUTSIDE:/dev/INSIDE``."""
    shared_devices: tuple[str, ...] = ()
    """Device files that each job with an accelerator sees besides."""
    device_driver: str = ""
    """With a name such as ``nvidia`` accelerators are asked for by number from that driver of the engine, too."""
    max_processes: int = 512
    open_files: int = 4096
    disk_mib_if_none: int = 1024
    """The working directory's bound for jobs that were granted no disk."""
    grace_s: float = 2.0
    """Between SIGTERM and SIGKILL when a job is cancelled."""
    use_cgroups: bool = True
    """Measure by a control group of our own above each container, where the engine is on this machine and lets us."""
