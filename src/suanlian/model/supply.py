"""Truth of supply: at which moments the hub claims capacity that is reported free, by a seed that nobody can choose.

Before a period begins the digest of its seed stands in the journal; after it has ended the seed does. Anybody can then
draw the due times again (``due_at``) and see that no platform was picked and no moment chosen.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from suanlian.model.base import LongText, Name, Sha256, Text, Utc, Value, Wire
from suanlian.model.ids import ShareId
from suanlian.model.money import Amount

SEED_BYTES: Final = 32
_DRAW_BYTES: Final = 8
_LATEST: Final = 0.9
"""A check is due within this part of its period, so that it can be finished within it."""


class SupplyOutcome(StrEnum):
    """What came of a check."""

    HELD = "held"
    """The capacity was given, and a product made with it in time."""
    REFUSED = "refused"
    """It was reported free, before and after, and not given."""
    SILENT = "silent"
    """It was reported free, the connector called on, and did nothing."""
    EXCUSED = "excused"
    """Nothing is said of the platform; ``reason`` tells why."""


PHANTOM: Final = frozenset({SupplyOutcome.REFUSED, SupplyOutcome.SILENT})
"""Outcomes that say that capacity was reported which was not there."""


class Excuse(StrEnum):
    """Why a check says nothing of the platform."""

    NOT_LIVE = "not-live"
    OBSERVES = "observes"
    NOT_ACCEPTING = "not-accepting"
    NOT_HEARD = "not-heard"
    NOT_TOLD = "not-told"
    NO_PROBES = "no-probes"
    NOTHING_FREE = "nothing-free"
    PROBE_CAP = "probe-cap"
    STATE_CHANGED = "state-changed"
    NO_LATER_STATE = "no-later-state"
    LATE = "late"
    PROGRAM_FAILED = "program-failed"
    """It was given and ran, but the probe's own program failed, as it does without numpy."""
    BUSY = "busy"


class SupplyPeriod(Wire):
    """A period with its commitment, and its seed once it is over."""

    number: int
    start_at: Utc
    end_at: Utc
    digest: Sha256
    committed_at: Utc
    seed: Annotated[str, Field(pattern="^[0-9a-f]*$")] = Field(default="", description="empty before it is revealed")
    revealed_at: Utc | None = None


class DrawnCheck(Wire):
    """When a share was checked in a period, without what came of it: enough to draw it again."""

    share_id: ShareId
    due_at: Utc


class SupplyDraw(Wire):
    """A period and every check that was made in it."""

    period: SupplyPeriod
    checks: tuple[DrawnCheck, ...]


class SupplyCheck(Wire):
    """One check of one share: what was reported free, what was asked, what came of it."""

    id: str
    period: int
    platform: Name
    share: Name
    due_at: Utc
    asked_at: Utc | None = None
    ended_at: Utc | None = None
    asked_cores: Amount = Decimal(0)
    free_cores: Amount = Field(default=Decimal(0), description="reported free when it was asked")
    free_age_s: Amount | None = Field(default=None, description="how old that report was")
    outcome: SupplyOutcome | None = None
    phantom: bool = False
    reason: LongText = ""
    answered_s: Amount | None = Field(default=None, description="from the telling to the product")
    reply: LongText = Field(default="", description="what the owner says to it")


class Reply(Value):
    """What the owner of a platform says to a check, once."""

    text: LongText = Field(min_length=1)


class Shown(Wire):
    """The most cores of a share that were seen at once, and when."""

    cores: Amount
    at: Utc
    source: Text = ""


def commitment(seed: bytes) -> str:
    """What is told of a seed before its period begins."""
    return hashlib.sha256(seed).hexdigest()


def period_of(moment: datetime, length_s: int) -> int:
    """The number of the period that a moment lies in; periods count from 1970."""
    return int(moment.timestamp()) // length_s


def start_of(number: int, length_s: int) -> datetime:
    """When a period begins."""
    return datetime.fromtimestamp(number * length_s, UTC)


def due_at(seed: bytes, period: SupplyPeriod, share_id: str) -> datetime:
    """When a share is checked in a period: a function of the seed, the period's bounds and the share alone."""
    drawn = hmac.new(seed, f"{period.number}/{share_id}".encode(), hashlib.sha256).digest()
    part = int.from_bytes(drawn[:_DRAW_BYTES], "big") / 2 ** (8 * _DRAW_BYTES)
    span_s = (period.end_at - period.start_at).total_seconds() * _LATEST
    return period.start_at + timedelta(microseconds=int(part * span_s * 1_000_000))


def misdrawn(draw: SupplyDraw) -> list[str]:
    """What of a revealed draw does not follow from its seed; empty when all does. Raises ValueError for no seed yet."""
    seed = bytes.fromhex(draw.period.seed)
    if not seed:
        msg = f"the seed of period {draw.period.number} is not revealed yet"
        raise ValueError(msg)
    wrong = [] if commitment(seed) == draw.period.digest else ["the seed is not the one that was committed to"]
    if draw.period.committed_at > draw.period.start_at:
        wrong.append("the commitment was made after the period had begun")
    wrong += [
        f"share {check.share_id} was due at {check.due_at.isoformat()}"
        for check in draw.checks
        if due_at(seed, draw.period, check.share_id) != check.due_at
    ]
    return wrong
