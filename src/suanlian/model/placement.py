"""Why a task went where it went, or why it waits: every candidate, each failed filter, each term of the cost.

An explanation is data (codes and values with units); ``i18n/reasons.py`` turns it into Chinese or English.
"""

from enum import StrEnum

from pydantic import Field

from suanlian.model.base import Name, Text, Utc, Value
from suanlian.model.ids import AssignmentId, AttemptId, ShareId
from suanlian.model.money import Amount
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
    PRICED = "priced"
    MAX_COST = "max-cost"
    ELSEWHERE = "elsewhere"
    OWNER_REFUSED = "owner-refused"
    ROOM = "room"


class FailedFilter(Value):
    """A filter that a candidate did not pass: what was wanted and what it had, with units, as people read it."""

    filter: Filter
    wanted: Text
    had: Text


class Term(StrEnum):
    """The parts of a candidate's cost."""

    RENT = "rent"
    LATENCY = "latency"


class CostTerm(Value):
    """One part of the cost in CNY, with how it came about (``0.25 core x 0.05 CNY/core-hour x 0.5 h``)."""

    term: Term
    amount: Amount
    how: Text


class Candidate(Value):
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
    expected: Expected | None = Field(default=None, description="how long, where the job tells places apart by speed")


class Explanation(Value):
    """The whole comparison. ``winner``, ``runner_up`` and ``nearest`` (miss of waiting work) index ``candidates``."""

    at: Utc
    candidates: tuple[Candidate, ...]
    winner: int | None = None
    runner_up: int | None = None
    nearest: int | None = None
    left_out: int = Field(default=0, ge=0, description="further candidates that were compared and are not kept")

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
