"""What is written into the files of a cluster of tests? Pure: a shape in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRES: Final = "gres.conf"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: cores and MiB that it says it has, and its cards."""

    name: str
    cpus: int = 4
    memory_mib: int = 4000
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster is like. ``partitions``: name to what stands behind it, nodes first; the first is the default.

    In a partition's nodes ``{tag}`` stands for what is behind their names: ``Nodes=n1{tag}``.
    """

    name: str = "suanlian"
    nodes: tuple[Node, ...] = (Node("n1", gpus=2), Node("n2", gpus=2), Node("n3"))
    partitions: tuple[tuple[str, str], ...] = (("main", "Nodes=ALL"),)
    address: str = "127.0.0.1"
    min_job_age_s: int = 300
    """How long Slurm remembers a job that has ended."""
    completion: str = "filetxt"
    """``filetxt`` or ``none``: whether ended jobs are written down."""
    accounts: bool = False
    """Whether there is a slurmdbd, with a MariaDB: some seconds more."""
    extra: tuple[str, ...] = ()
    """More lines of slurm.conf."""


@dataclass(frozen=True, slots=True)
class Ground:
    """On what a cluster stands: its directory, the machine, its ports, the controller's first, then one a node.

    ``tag`` is behind each node's name: control groups are named by nodes, and clusters stand side by side.
    """

    directory: Path
    host: str
    ports: Sequence[int]
    tag: str
    accounting: Sequence[str]
    """What slurm.conf says of accounting."""
    groups: bool
    """Whether control groups hold the jobs, with their memory and all that they start."""


CGROUP_CONF: Final = """CgroupAutomount=no
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
MinRAMSpace=10
"""


def controller_conf(shape: Shape, ground: Ground) -> str:
    """The text of slurm.conf."""
    directory, host, ports = ground.directory, ground.host, ground.ports
    lines = [
        f"ClusterName={shape.name}",
        f"SlurmctldHost={host}({shape.address})",
        f"SlurmctldPort={ports[0]}",
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={directory}/munge/socket",
        "AuthAltTypes=auth/jwt",
        f"AuthAltParameters=jwt_key={directory}/jwt.key",
        "CredType=cred/munge",
        f"StateSaveLocation={directory}/state",
        f"SlurmdSpoolDir={directory}/spool/%n",
        f"SlurmctldPidFile={directory}/controller.pid",
        f"SlurmdPidFile={directory}/slurmd.%n.pid",
        f"SlurmctldLogFile={directory}/log/controller.log",
        f"SlurmdLogFile={directory}/log/slurmd.%n.log",
        "SlurmdParameters=config_overrides",  # a node has what we say, not what the machine has
        f"ProctrackType=proctrack/{'cgroup' if ground.groups else 'linuxproc'}",
        f"TaskPlugin=task/{'cgroup' if ground.groups else 'none'}",
        "MpiDefault=none",
        "SwitchType=switch/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "DefMemPerCPU=100",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=10000,sched_interval=1,bf_interval=1",
        "MaxArraySize=100001",
        "MaxJobCount=200000",
        f"JobAcctGatherType=jobacct_gather/{'cgroup' if ground.groups else 'linux'}",
        "JobAcctGatherFrequency=task=1",
        f"JobCompType=jobcomp/{shape.completion}",
        f"JobCompLoc={directory}/jobcomp.txt",
        *ground.accounting,
        f"MinJobAge={shape.min_job_age_s}",
        "KillWait=2",
        "ReturnToService=2",
        "SlurmdTimeout=30",
        "MailProg=/bin/true",
        "GresTypes=gpu",
        *shape.extra,
    ]
    for node, port in zip(shape.nodes, ports[1:], strict=True):
        cards = f" Gres=gpu:{node.gpus}" if node.gpus else ""
        lines.append(
            f"NodeName={node.name}{ground.tag} NodeHostname={host} NodeAddr={shape.address} Port={port} "
            f"CPUs={node.cpus} RealMemory={node.memory_mib}{cards} State=UNKNOWN"
        )
    for place, (name, rest) in enumerate(shape.partitions):
        nodes, default = rest.replace("{tag}", ground.tag), "NO" if place else "YES"
        lines.append(f"PartitionName={name} {nodes} Default={default} MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


def gres_conf(shape: Shape, ground: Ground) -> str:
    """The text of gres.conf: device files of our own, which stand for no card."""
    lines = [
        f"NodeName={node.name}{ground.tag} Name=gpu File={ground.directory}/gpu[0-{node.gpus - 1}]"
        for node in shape.nodes
        if node.gpus
    ]
    return "\n".join(lines) + "\n"
