"""What the owner of a Slurm cluster sets; handed down as values, read by nobody here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from suanlian.drivers.contract import EnvironmentSetup
from suanlian.model.platform import Flavor


@dataclass(frozen=True, slots=True)
class Place:
    """Where the jobs of a share go. What is left out is Slurm's default."""

    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    reservation: str | None = None
    constraint: str | None = None


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """The settings of the Slurm driver. Times in seconds."""

    root: Path
    """Where jobs live: a directory that every node sees under the same path."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Entity to unix user. An entity that is not named here is refused; root is refused for everybody."""
    shares: Mapping[str, Place] = field(default_factory=dict)
    """Share to partition, QOS and account; a share that is not named goes to Slurm's defaults."""
    flavors: tuple[Flavor, ...] = ()
    """Left out: what the nodes say they are."""
    environments: Mapping[str, EnvironmentSetup] = field(default_factory=dict)
    gres: Mapping[str, str] = field(default_factory=dict)
    """Flavor to the name of its accelerators in Slurm, ``gpu`` or ``npu:910b``; ``gpu`` where none is said."""
    rest_url: str | None = None
    """Where slurmrestd listens; None: Slurm's commands are called."""
    api: Literal["auto", "v0.0.38", "v0.0.40", "v0.0.41", "v0.0.42"] = "auto"
    """The version of slurmrestd's API; ``auto``: the newest that both know."""
    token_file: str | None = None
    """The file of a user's token, ``{user}`` stands for the user. It is read again when it changes."""
    token_command: tuple[str, ...] = ()
    """A command that prints a user's token, as `scontrol token username={user} lifespan=600`."""
    reader: str | None = None
    """In whose name the cluster is asked; None: the first of ``users``. It must see the jobs of all of them."""
    conf: Path | None = None
    """slurm.conf for Slurm's commands, where it is not the system's."""
    commands: Path | None = None
    """The directory of Slurm's commands; None: PATH."""
    timeout_s: float = 15.0
    """How long one call may take. A slurmrestd that does not reach its controller needs about 9 s to say so."""
    jobcomp: Path | None = None
    """The file of jobcomp/filetxt, by which jobs are known that Slurm has forgotten."""
    slurmdbd: bool = False
    """Whether ended jobs are asked of slurmdbd (by slurmrestd, or by sacct)."""
    max_array: int = 1000
    """The most tasks of one job array; at most MaxArraySize - 1 of slurm.conf."""
    isolated: bool | None = None
    """Whether jobs of different entities are kept apart; None: where no two entities share a user."""
    probes: bool = True
    """Whether the hub's own small jobs may run here; a platform without them cannot pass conformance."""
    probe_python: str | None = None
    """An interpreter of the nodes that every mapped user may start, for probes; None: the agent's own, at its path."""
    probe_user: str | None = None
    """The unix user of the hub's own small jobs, whoever asks for them; None: the user of the entity that asks."""
