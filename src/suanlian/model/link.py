"""Links between sites: how far, how fast, how dear, by whom, and how that is known."""

from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.money import Amount

SiteRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,63}/[a-z0-9._-]{1,63}$")]
"""A site as people write it: ``platform/site``."""

Mbps = Annotated[Amount, Field(ge=0, le=100_000_000)]
"""Megabits (10^6 bits) per second."""


class LinkGrade(StrEnum):
    """How something of a link is known, the best first."""

    MEASURED = "measured"
    DECLARED = "declared"
    """A carrier says so."""
    ESTIMATED = "estimated"
    """By distance alone: no measurement."""


class LinkClass(StrEnum):
    """Classes of latency of East Data West Computing, one way."""

    CITY = "1ms"
    REGION = "5ms"
    HUB = "20ms"
    FAR = "over-20ms"


class Hours(Value):
    """From one time of a day until another (China Standard Time); over midnight where it ends earlier."""

    start: time
    end: time

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            msg = "hours begin and end at different times, written 22:00 without a zone"
            raise ValueError(msg)
        return self


class NewLink(Value):
    """What a carrier offers between two sites, each way. Price in CNY for 10^9 bytes."""

    name: Name
    start: SiteRef
    end: SiteRef
    capacity_mbps: Mbps
    one_way_ms: Annotated[Amount, Field(ge=0, le=10_000)] | None = None
    cny_per_gb: Annotated[Amount, Field(ge=0, le=1_000_000)] = Decimal(0)
    hours: tuple[Hours, ...] = Field(default=(), max_length=24, description="when it may be used; none: always")
    courier_hours: Annotated[Amount, Field(gt=0, le=1000)] | None = Field(
        default=None, description="disks by road: so long a tour takes, whatever they hold"
    )
    courier_bytes: int | None = Field(default=None, gt=0, description="what a tour carries at most")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.start == self.end:
            msg = "a link leads from one site to another"
            raise ValueError(msg)
        if (self.courier_hours is None) != (self.courier_bytes is None):
            msg = "a courier has both courier_hours and courier_bytes"
            raise ValueError(msg)
        return self


class LinkSample(Value):
    """One measurement of a way from storage to storage."""

    at: Utc
    rtt_ms: Annotated[Amount, Field(ge=0, le=60_000)] | None = None
    jitter_ms: Annotated[Amount, Field(ge=0, le=60_000)] | None = None
    loss: Annotated[Amount, Field(ge=0, le=1)] | None = Field(default=None, description="of calls, those that failed")
    mbps: Mbps | None = None
    bytes: int = Field(default=0, ge=0)


class LinkView(Wire):
    """What is known of the way from a site to another, each figure with its grade and age."""

    start: SiteRef
    end: SiteRef
    carrier: Name | None = None
    name: Name | None = None
    one_way_ms: Amount | None = None
    jitter_ms: Amount | None = None
    loss: Amount | None = None
    latency_grade: LinkGrade | None = None
    latency_class: LinkClass | None = None
    mbps: Amount | None = None
    mbps_grade: LinkGrade | None = None
    cny_per_gb: Amount = Decimal(0)
    capacity_mbps: Amount | None = Field(default=None, description="what its carrier offers")
    hours: tuple[Hours, ...] = ()
    measured_at: Utc | None = Field(default=None, description="the newest measurement of the latency")
    mbps_measured_at: Utc | None = None
    samples: int = Field(default=0, ge=0)
    courier: bool = False
    courier_hours: Amount | None = None
    courier_bytes: int | None = None
    source: Text = Field(default="", description="where the worst figure comes from: an estimate says how it is made")


class PathWhy(StrEnum):
    """What the best relay is to the direct way."""

    QUICKER = "quicker"
    CHEAPER = "cheaper"
    ONLY_WAY = "only-way"
    """No link leads there directly."""
    DIRECT = "direct"
    """No relay is better."""
    UNKNOWN = "unknown"
    """Neither the direct way nor one over a third site has a known throughput."""


class PathView(Wire):
    """The way from a site to another: direct, and by the best relay where that is better."""

    start: SiteRef
    end: SiteRef
    direct: LinkView | None = None
    others: tuple[LinkView, ...] = Field(default=(), description="further links that lead there directly")
    relay: SiteRef | None = None
    legs: tuple[LinkView, ...] = ()
    relay_mbps: Amount | None = Field(default=None, description="the least of both legs: what a stream gets")
    relay_copy_mbps: Amount | None = Field(
        default=None, description="of a copy that is brought there whole first, then on: the time of both legs"
    )
    relay_one_way_ms: Amount | None = None
    relay_cny_per_gb: Amount | None = None
    why: PathWhy = PathWhy.UNKNOWN


class LatencyShares(Wire):
    """Of pairs of sites, how many are measured, and within which class of latency; each class counts those below it."""

    pairs: int = Field(ge=0)
    measured: int = Field(ge=0)
    estimated: int = Field(default=0, ge=0, description="further pairs of which only an estimate is known")
    within: dict[LinkClass, int] = Field(default_factory=dict, description="measured pairs, by class")


class NewReservation(Value):
    """So much of a link from one moment until another."""

    link: Name
    start: Utc
    end: Utc
    mbps: Annotated[Mbps, Field(gt=0)]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            msg = "a reservation ends after its start"
            raise ValueError(msg)
        return self


class Reservation(Wire):
    """Capacity of a link that an account holds."""

    id: str
    account: Name
    link: Name
    start: Utc
    end: Utc
    mbps: Amount
    cost_cny: Amount = Decimal(0)
    ended_at: Utc | None = None
