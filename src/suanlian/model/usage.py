"""What was used: segments unique by (attempt, sequence), disjoint, together covering the billable run time.

A segment is never edited; a correction is a further row that names the segment it corrects.
"""

from typing import Final, Self

from pydantic import Field, model_validator

from suanlian.model.base import LongText, Utc, Value
from suanlian.model.ids import AttemptId, ConnectorId
from suanlian.model.money import Amount
from suanlian.model.quantity import Resources

USAGE_TYPE: Final = "suanlian-usage"
"""The ``typ`` of a signed usage batch."""


class UsageSegment(Value):
    """What one attempt held from ``started_at`` until ``ended_at``; ``cpu_s`` and ``peak_memory_mib`` were measured."""

    attempt_id: AttemptId
    sequence: int = Field(ge=0, le=10_000_000)
    started_at: Utc
    ended_at: Utc
    granted: Resources
    cpu_s: Amount = Field(ge=0)
    peak_memory_mib: int = Field(ge=0)
    final: bool = False

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.ended_at < self.started_at:
            msg = "the segment ends before it starts"
            raise ValueError(msg)
        return self


class UsageBatch(Value):
    """Segments as a connector signs them: a detached JWS (Ed25519) over the RFC 8785 bytes of this value."""

    connector_id: ConnectorId
    number: int = Field(ge=0, le=2**53)
    segments: tuple[UsageSegment, ...] = Field(min_length=1, max_length=500)


class UsageCorrection(Value):
    """A further row that changes what a segment counts for, never the segment itself."""

    attempt_id: AttemptId
    sequence: int = Field(ge=0)
    corrected_s: Amount = Field(description="seconds to add to the segment's length; below zero takes away")
    reason: LongText = Field(min_length=1)
