"""Why a task went where it went, or why it waits: every candidate, each failed filter, each term of the cost.

An explanation is data (codes and values with units); ``i18n/reasons.py`` turns it into Chinese or English.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

from pydantic import Field

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.ids import AssignmentId, AttemptId, ShareId
from suanlian.model.money import Amount
from suanlian.model.outlook import Outlook
from suanlian.model.performance import Architecture
from suanlian.model.quantity import Resources
from suanlian.model.throughput import Expected
from suanlian.model.version import VersionRef


class Filter(StrEnum):
    """What a candidate must pass, in the order in which it is asked."""

    PLATFORM_LIVE = "platform-live"
    ADMITTED = "admitted"
    LEVEL = "level"
    ACCEPTING = "accepting"
    CLOSING = "closing"
    NOT_AT_HOME = "not-at-home"
    WANTED_PLATFORM = "wanted-platform"
    WANTED_SITE = "wanted-site"
    WANTED_FLAVOR = "wanted-flavor"
    ARCHITECTURE = "architecture"
    CHIP = "chip"
    ENVIRONMENT = "environment"
    STACK = "stack"
    FEATURES = "features"
    NOTICE = "notice"
    ISOLATION = "isolation"
    NODE_SIZE = "node-size"
    SHARE_SIZE = "share-size"
    SECRETS = "secrets"
    LATENCY = "latency"
    GREEN = "green"
    DATA_LEVEL = "data-level"
    PROTECTION = "protection"
    RESIDENCY = "residency"
    DATA = "data"
    OWNERS = "owners"
    WEST = "west"
    TIER = "tier"
    PRICED = "priced"
    MAX_COST = "max-cost"
    CARBON = "carbon"
    ELSEWHERE = "elsewhere"
    OWNER_REFUSED = "owner-refused"
    ROOM = "room"
    UNKNOWN = "unknown"
    """One that a newer hub has and this version does not know; never asked."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


ASKED: Final = tuple(name for name in Filter if name is not Filter.UNKNOWN)
"""The filters that are asked, in their order."""


class FailedFilter(Wire):
    """A filter that a candidate did not pass: what was wanted and what it had, with units, as people read it."""

    filter: Filter
    wanted: Text
    had: Text


class Term(StrEnum):
    """The parts of a candidate's cost."""

    RENT = "rent"
    LATENCY = "latency"
    SCARCITY = "scarcity"
    """What the work takes of a share that is scarce, at its shadow price: a weight, billed to nobody."""
    DATA = "data"
    CARBON = "carbon"
    LATENESS = "lateness"
    TIME = "time"
    """What the expected hours weigh, where the job prefers to be done soon."""
    UNKNOWN = "unknown"
    """One that a newer hub has and this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


BILLED: Final = frozenset({Term.RENT, Term.DATA})
"""Terms that somebody pays; all others are weights, billed to nobody."""


class CostTerm(Wire):
    """One part of the cost in CNY, with how it came about (``0.25 core x 0.05 CNY/core-hour x 0.5 h``)."""

    term: Term
    amount: Amount
    how: Text


class Candidate(Wire):
    """One share with one variant: passed when ``failed`` is empty."""

    share_id: ShareId
    platform: Name
    site: Name
    share: Name
    flavor: Name
    variant: int = Field(ge=0, description="index of the job's variant")
    architecture: Architecture
    simulated: bool
    failed: tuple[FailedFilter, ...] = ()
    terms: tuple[CostTerm, ...] = ()
    cost: Amount | None = None
    g_co2: Amount | None = Field(default=None, description="of the task, estimated; none: not known")
    expected: Expected | None = Field(default=None, description="how long, where the job tells places apart by speed")

    @property
    def billed(self) -> Decimal | None:
        """What of the cost somebody pays, by estimate; None where the place has no price."""
        if self.cost is None:
            return None
        return sum((term.amount for term in self.terms if term.term in BILLED), start=Decimal(0))


class ShutBy(StrEnum):
    """What keeps a platform from taking anything new."""

    UNHEARD = "unheard"
    """Its connector is not heard of."""
    CLEARING = "clearing"
    """It has yet to end what was given to others while it was not heard of."""
    OPERATOR = "operator"
    """The hub's operator empties it."""
    OWNER = "owner"
    """Its owner empties it."""
    DOWNTIME = "downtime"
    """Its owner's calendar."""
    PAUSED = "paused"
    """Its owner takes no new jobs at present."""
    STATE = "state"
    """It is not live; ``why`` is its state."""


class Shut(Wire):
    """Why a platform takes nothing new as things are, or will not for long: by whom, since when, until when, why.

    ``until``: all is out by then, or what keeps it from taking anything is over then.
    """

    platform: Name
    by: ShutBy
    since: Utc | None = None
    until: Utc | None = None
    why: Text = ""


class MarketView(Wire):
    """By which prices of scarcity a decision was made: those of a tick of the matcher, or none."""

    tick: Name | None = Field(default=None, description="its id; none: every price of scarcity is 0")
    at: Utc | None = Field(default=None, description="when its prices were made")
    prices_hash: Name | None = Field(default=None, description="of the prices, rounded as they are used")
    policy: int = Field(default=0, ge=0, description="version of the market's policy")


class Queueing(Wire):
    """How the job stood among those that waited when it was decided of."""

    place: int = Field(ge=1, description="its turn, 1 is the next")
    of: int = Field(ge=1, description="so many jobs waited")
    waited_s: int = Field(ge=0)
    fair: Decimal = Field(
        default=Decimal(0), ge=0, description="what the account used of its fair share; 1 is all of it"
    )
    reserved: Text | None = Field(default=None, description="the platform and share that are reserved for it")
    reserved_at: Utc | None = Field(
        default=None, description="from when on, if what runs and stands before it takes as long as estimated"
    )


class Explanation(Wire):
    """The whole comparison. ``winner``, ``runner_up`` and ``nearest`` (miss of waiting work) index ``candidates``.

    What was compared is as of ``at``; ``shut``, ``in_doubt`` and ``outlook`` are as of the asking, and kept nowhere.
    """

    at: Utc
    candidates: tuple[Candidate, ...]
    winner: int | None = None
    runner_up: int | None = None
    nearest: int | None = None
    left_out: int = Field(default=0, ge=0, description="further candidates that were compared and are not kept")
    shut: tuple[Shut, ...] = Field(default=(), description="which of the platforms take nothing new now, and why")
    in_doubt: bool = Field(
        default=False, description="the hub hears so few connectors that its own line is in doubt: nothing is given up"
    )
    missed: Mapping[Filter, int] = Field(
        default_factory=dict, description="of all candidates, how many failed which filter as their most stubborn one"
    )
    market: MarketView | None = None
    queueing: Queueing | None = None
    outlook: Outlook | None = Field(default=None, description="what is to be expected, and what could be changed")

    @property
    def won(self) -> Candidate | None:
        """The candidate that was chosen, if any."""
        return None if self.winner is None else self.candidates[self.winner]


class Assignment(Value):
    """A task given to a place: what was granted, by which versions, and why."""

    id: AssignmentId
    attempt_id: AttemptId
    share_id: ShareId
    granted: Resources
    versions: tuple[VersionRef, ...]
    explanation: Explanation
