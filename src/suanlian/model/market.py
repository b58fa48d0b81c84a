"""What the matcher tells the market: shadow prices of scarce shares, and how far a detour for their sake may go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pydantic import Field, TypeAdapter

from suanlian.model.base import Name, Text, Utc, Wire
from suanlian.model.energy import NO_ENERGY, Energy
from suanlian.model.ids import ShareId
from suanlian.model.money import Amount
from suanlian.model.placement import MarketView
from suanlian.model.quantity import ResourceKind

USUAL_DETOUR: Final = Decimal("0.05")
"""Nobody is sent where the bill is more than so much above the least one with room, for the sake of others."""

PRICE_STEP: Final = Decimal("0.000001")
"""Shadow prices are rounded to so much of a CNY for a unit-hour, before anything uses them."""


WINDOW: Final = timedelta(hours=24)
"""What is scarce is so within the next so many hours."""

MOST_WAITING: Final = 20_000
"""So many waiting jobs are matched and stand in line at most, by their turns; others follow when these are gone."""

FRESH: Final = timedelta(seconds=90)
"""Prices no older than this are those of now."""

LASTING: Final = timedelta(minutes=10)
"""Older prices rank nothing any more."""


@dataclass(frozen=True, slots=True)
class Market:
    """By which shadow prices places are compared.

    ``scarcity``: CNY for a unit-hour of a kind in a share, multiples of ``PRICE_STEP``; what is not in it costs 0.
    They rank places and never refuse one. ``detour``: see ``USUAL_DETOUR``. ``view``: what an explanation keeps of it.
    ``energy``: what work draws and emits, and what that weighs.
    """

    scarcity: Mapping[ShareId, Mapping[ResourceKind, Decimal]] = field(default_factory=dict)
    detour: Decimal = USUAL_DETOUR
    view: MarketView | None = None
    energy: Energy = NO_ENERGY


NO_MARKET: Final = Market()
"""Nothing is scarce, as before the first tick."""


class TickState(StrEnum):
    """How a tick of the matcher ended."""

    OK = "ok"
    TIMEOUT = "timeout"
    """It took longer than it may; the prices before it hold on for a while."""
    DIED = "died"
    REFUSED = "refused"
    """The matcher says that what it was asked cannot be meant, or is too large for it."""
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "TickState | None":
        return cls.UNKNOWN if isinstance(value, str) else None


class Tick(Wire):
    """One batch: all that waited matched at once. Money is CNY by estimate."""

    id: Name
    at: Utc
    state: TickState
    why: Text = ""
    demands: int = Field(ge=0, description="pieces of jobs that were matched")
    jobs: int = Field(ge=0, description="of so many jobs")
    places: int = Field(ge=0)
    unserved: int = Field(ge=0, description="demands for which the window has no room")
    total: float = Field(ge=0, description="what the matching costs, what is not served counted at its worth")
    bound: float | None = Field(default=None, ge=0, description="no matching can cost less; proven")
    gap: float | None = Field(default=None, ge=0, description="(total - bound) / bound: how far from the best at most")
    took_ms: int = Field(ge=0)
    prices_hash: Name


class ScarcePrice(Wire):
    """What an hour more of a resource in a share would be worth above its list price."""

    platform: Name
    share: Name
    kind: ResourceKind
    price: Amount = Field(description="CNY for a unit-hour, a weight that nobody is billed")


class Acts(StrEnum):
    """Which moves of running work the hub makes itself; it proposes them in any case."""

    NONE = "none"
    PREEMPTIBLE = "preemptible"
    """Of jobs that take preemptible terms and declare a checkpoint."""


DWELL: Final = timedelta(hours=1)
"""What was moved stays for so long, and goes back to where it was no sooner."""


class MoveProposal(Wire):
    """Running work that would better go on elsewhere. CNY by estimate, of what is left of it, its weights inside."""

    job: Name
    index: int = Field(ge=0)
    attempt: Name
    from_platform: Name
    from_share: Name
    to_platform: Name
    to_share: Name
    share_id: ShareId = Field(description="of the share where it would go")
    home: float = Field(description="what going on where it is costs")
    there: float = Field(description="what it costs there, with the work that has to be done again")
    moving: float = Field(description="what the move costs: saving, transfer, start")
    gain: float = Field(description="what all together save by it, room at its shadow price")
    lost_s: int = Field(ge=0, description="so long it ran since it was saved last: that is done again")
    told: bool = Field(default=False, description="it was told to make room")

    @property
    def part(self) -> float:
        """The part that it saves of what going on costs."""
        return 1 - (self.there + self.moving) / self.home if self.home else 0.0


MOVES: Final = TypeAdapter(tuple[MoveProposal, ...])
"""Reads and writes the proposals of a tick."""


class MarketNow(Wire):
    """What the matcher says of the market now: for operators and those who supervise."""

    newest: Tick | None = None
    fresh: bool = Field(default=False, description="whether placement goes by these prices now")
    scarce: tuple[ScarcePrice, ...] = Field(default=(), description="the dearest first")
    gap_median: float | None = Field(default=None, description="of the ticks of the last 24 hours that had a bound")
    gap_max: float | None = None
    ticks: int = Field(default=0, description="of the last 24 hours")
    failed: int = Field(default=0, description="of these, those that did not end well")
    moves: tuple[MoveProposal, ...] = Field(default=(), description="proposed when running work was last looked at")
