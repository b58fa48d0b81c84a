"""What was found on a machine: its hardware, its accelerators, its engines. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from suanlian.model.performance import Architecture


@dataclass(frozen=True, slots=True)
class Cards:
    """Equal accelerators. ``model`` is what the vendor's own tool says, or the device's number where none is there."""

    family: str
    model: str
    count: int
    by: str
    """What told of them: ``nvidia-smi``, ``npu-smi``, ``lspci``."""
    memory_mib: int = 0
    stack: str = ""
    """The vendor's software and its version, such as ``cuda 12.4``; empty where no tool told."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. Sizes in MiB."""

    architecture: Architecture | None
    cores: int
    memory_mib: int
    disk_mib: int
    product: str
    cards: tuple[Cards, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """Nodes of one kind in a queue of an engine, such as a Slurm partition; a second kind has a number behind it."""

    name: str
    partition: str
    nodes: int
    cores: int
    memory_mib: int
    cards: int = 0
    card: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers here, and the options by which its driver would reach it."""

    driver: str
    evidence: str
    options: Mapping[str, object] = field(default_factory=dict)
    queues: tuple[Queue, ...] = ()
    missing: tuple[str, ...] = ()
    """Options that only the owner can give, by name."""


@dataclass(frozen=True, slots=True)
class Found:
    """All of it; the first engine is the one that is proposed."""

    machine: Machine
    engines: tuple[Engine, ...]
