"""The hub's own small jobs, by which it finds out for itself what a platform can do, and the owner's cap on them.

A probe is told by values, never by a command: the connector writes the command itself (``probe_spec``), so that no hub
can get a platform to run anything else as a probe.
"""

import math
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, TypeAdapter

from suanlian.model.base import Name, Value
from suanlian.model.job import JobSpec, Variant
from suanlian.model.money import Amount
from suanlian.model.performance import Architecture, Precision
from suanlian.model.platform import NamedEnvironment
from suanlian.model.quantity import Resources

PROBE_ENVIRONMENT: Final = "suanlian-probe"
"""The environment in which probes run; a connector offers it to probes alone, and no submitted job may name it."""


class Purpose(StrEnum):
    """What the hub wants to find out by a probe."""

    CONFORMANCE = "conformance"
    """Whether the connector keeps the protocol."""
    VERIFICATION = "verification"
    """How fast a flavor is."""
    SUPPLY = "supply"
    """Whether capacity that is reported free is there."""


class ProbeCap(Value):
    """What the owner lets the hub's probes take: cores at once, seconds each, how many a day."""

    cpu: Annotated[Amount, Field(ge=0, le=10_000)] = Decimal(1)
    seconds: int = Field(default=60, ge=0, le=3600)
    per_day: int = Field(default=200, ge=0, le=100_000)


class Tick(Value):
    """Lines in even intervals: ``begin TOKEN``, ``tick 1`` ... ``tick N``. No two processes say the same."""

    program: Literal["tick"] = "tick"
    lines: int = Field(default=10, ge=0, le=10_000)
    interval_ms: int = Field(default=100, ge=0, le=60_000)
    outputs: ClassVar[tuple[str, ...]] = ()

    @property
    def seconds(self) -> int:
        """How long it takes at most, rounded up; the interpreter's start comes on top."""
        return math.ceil(self.lines * self.interval_ms / 1000)

    @property
    def output_bytes(self) -> int:
        """It brings nothing."""
        return 0


class Hold(Value):
    """Keeps so much memory in use for so long, and says ``held`` at its end."""

    program: Literal["hold"] = "hold"
    hold_ms: int = Field(default=1000, ge=0, le=3_600_000)
    memory_mib: int = Field(default=0, ge=0, le=16_777_216)
    outputs: ClassVar[tuple[str, ...]] = ()

    @property
    def seconds(self) -> int:
        """How long it takes at most, rounded up."""
        return math.ceil(self.hold_ms / 1000)

    @property
    def output_bytes(self) -> int:
        """It brings nothing."""
        return 0


class Multiply(Value):
    """Multiplies seeded matrices (``suanlian.probe.workload``), commits to the product, hands it in."""

    program: Literal["matmul"] = "matmul"
    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]
    precision: Precision
    n: int = Field(ge=1, le=4096)
    segments: int = Field(ge=1, le=100_000_000)
    threads: int = Field(default=1, ge=1, le=4096)
    device: Name = Field(default="cpu", description="else the entry of an accelerator")
    memory_mib: int = Field(default=0, ge=0, le=16_777_216, description="filled before, and kept until the end")
    hold_ms: int = Field(default=0, ge=0, le=3_600_000, description="it ends no sooner after its beginning")
    seconds: int = Field(default=1, ge=1, le=3600, description="how long it takes at most, rounded up")
    outputs: ClassVar[tuple[str, ...]] = ("product",)

    @property
    def output_bytes(self) -> int:
        """How many bytes an output has at most: a matrix of eight bytes a number."""
        return 8 * self.n**2


AnyProbe = Tick | Hold | Multiply
ProbeTask = Annotated[AnyProbe, Field(discriminator="program")]
"""What a probe does: one of the programs of ``suanlian.probe`` with its values."""

PROBE_TASK: Final[TypeAdapter[AnyProbe]] = TypeAdapter(ProbeTask)
"""Reads and writes a ``ProbeTask``."""


def probe_spec(
    task: Tick | Hold | Multiply, granted: Resources, architecture: Architecture, wall_time_s: int
) -> JobSpec:
    """The job that a probe is, written from its values alone."""
    command = (task.program, task.model_dump_json())
    return JobSpec(
        name=f"probe-{task.program}",
        resources=granted,
        variants=(Variant(architecture=architecture, environment=PROBE_ENVIRONMENT, command=command),),
        wall_time_s=max(1, wall_time_s),
        outputs=task.outputs,
        attempts=1,
    )


def probe_environment(architecture: Architecture) -> NamedEnvironment:
    """The environment of probes as a flavor declares it."""
    description = "the hub's own small jobs, within the owner's cap"
    return NamedEnvironment(name=PROBE_ENVIRONMENT, architecture=architecture, description=description)
