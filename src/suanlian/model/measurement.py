"""What a connector measured of its own platform, signed; and every capability figure beside the other words on it."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Name, Sha256, Text, Utc, Value, Wire
from suanlian.model.ids import ConnectorId, PlatformId
from suanlian.model.money import Amount
from suanlian.model.performance import Grade, Precision
from suanlian.model.protocol import Call, Envelope

MEASUREMENT_TYPE: Final = "suanlian-measurement"
"""The ``typ`` of a signed measurement."""
MAX_SAMPLES: Final = 100


class Metric(StrEnum):
    """What is measured."""

    MATMUL = "matmul"
    """Dense matrix products, in tera-operations per second at one precision."""
    TRIAD = "triad"
    """Memory bandwidth by STREAM's triad, in GB/s (10^9 bytes)."""
    DISK_WRITE = "disk-write"
    """Sequential writing, the flush to the disk counted, in GB/s."""
    DISK_READ = "disk-read"
    """Sequential reading of what was written, in GB/s."""
    CORES = "cores"
    """Cores of a share that can be had; never measured, but claimed, seen in jobs and shown free."""


UNITS: Final[Mapping[Metric, str]] = {
    Metric.MATMUL: "T/s",
    Metric.TRIAD: "GB/s",
    Metric.DISK_WRITE: "GB/s",
    Metric.DISK_READ: "GB/s",
    Metric.CORES: "core",
}


class Reading(Value):
    """One figure with what it was made of: the samples in the order in which they came, and their median."""

    metric: Metric
    precision: Precision | None = None
    device: Name = "cpu"
    value: Amount
    samples: tuple[Amount, ...] = Field(min_length=1, max_length=MAX_SAMPLES)
    method: LongText


class Measurement(Value):
    """What one node of a flavor did, as its connector signs it: a detached JWS over the RFC 8785 bytes of this value.

    Figures are of ``cores`` cores of the machine, or of one card where ``device`` is not the processor.
    """

    connector_id: ConnectorId
    platform_id: PlatformId
    flavor: Name
    host: Text = Field(description="which machine, as a digest that means nothing elsewhere")
    cores: Annotated[Amount, Field(gt=0, le=Decimal(10) ** 6)]
    program: Text
    environment: dict[Name, LongText] = Field(max_length=40)
    measured_at: Utc
    readings: tuple[Reading, ...] = Field(min_length=1, max_length=64)


class MeasurementCall(Call):
    """A signed measurement. Path ``/connector/v1/measurements``. The same one twice changes nothing."""

    measurement: Measurement
    signature: Annotated[str, StringConstraints(max_length=1000)]


class MeasurementAnswer(Envelope):
    """How many figures were taken; 0 when they were here before."""

    taken: int


class Figure(Wire):
    """One word on a capability: how it is known, since when, over how much of the thing."""

    grade: Grade
    value: Amount
    at: Utc
    held: bool | None = Field(default=None, description="of a verification: whether the claim was reached")
    outcome: Name | None = Field(default=None, description="of a verification that did not hold: why")
    measured: Amount | None = Field(default=None, description="on so many cores or cards ...")
    of: Amount | None = Field(default=None, description="... of so many: the rest is extrapolated")
    source: Text = ""
    evidence: Sha256 | None = Field(default=None, description="digest of the signed measurement")


class Capability(Wire):
    """All words on one figure of a flavor or a share, side by side; nothing is added up and nothing chosen."""

    platform: Name
    flavor: Name
    share: Name | None = None
    metric: Metric
    precision: Precision | None = None
    unit: Text
    claimed: Figure | None = None
    self_measured: Figure | None = None
    seen_in_jobs: Figure | None = None
    verified: Figure | None = None
