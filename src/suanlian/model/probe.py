"""The hub's own small jobs, by which it finds out for itself what a platform can do, and the owner's cap on them."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from suanlian.model.base import Value
from suanlian.model.money import Amount

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
