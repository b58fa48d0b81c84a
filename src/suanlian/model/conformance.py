"""What a conformance run asks of a connector, sees of it, and says of it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from suanlian.model.base import LongText, Name, Text, Utc, Value
from suanlian.model.ids import AttemptId, ConnectorId, PlatformId
from suanlian.model.job import JobState, Outcome
from suanlian.model.probe import ProbeCap
from suanlian.model.quantity import Resources
from suanlian.model.usage import UsageSegment

PROBES_AT_ONCE: Final = 8
"""So many probes of one run are there at once at most: the cap is shared among them."""
LONGEST_S: Final = 15
"""So long a probe of a run takes at most, in seconds."""
LEAST_MILLICORES: Final = 50
"""Less than this is too little for an interpreter to start in time."""
NEEDED: Final = ProbeCap(
    cpu=Decimal(PROBES_AT_ONCE * LEAST_MILLICORES) / 1000, seconds=LONGEST_S, per_day=PROBES_AT_ONCE
)
"""The least cap with which a run can be made."""


class Check(StrEnum):
    """What is checked. ``RESTART`` in the connector's own selftest only: a hub restarts nobody's connector."""

    VERSIONS = "versions"
    """An answer in a version that is not the connector's changes nothing there."""
    DOUBLED = "doubled-delivery"
    """The same instruction twice runs once."""
    CLOCK = "clock-skew"
    CANCEL_QUEUED = "cancel-queued"
    CANCEL_RUNNING = "cancel-running"
    LOG = "log-streaming"
    """Output comes while the job runs, whole and once."""
    USAGE = "usage"
    """Every finished job is accounted for, from its start to its end."""
    OVERCOMMIT = "over-commitment"
    """More than the share has is refused."""
    TOKEN = "stale-token"  # noqa: S105 - the name of a check
    """An instruction with an older fencing token changes nothing."""
    RESTART = "restart"


HUB_CHECKS: Final = tuple(check for check in Check if check is not Check.RESTART)
"""What a hub checks."""


class Result(StrEnum):
    """How a check ended. A run passes when every check did: what was skipped is not known."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Fault(StrEnum):
    """Why a check failed or was skipped; what to do about it is told in ``i18n/conformance.py``."""

    NO_START = "no-start"
    NO_END = "no-end"
    WRONG_END = "wrong-end"
    VERSION_TAKEN = "version-taken"
    NO_POLL = "no-poll"
    RAN_TWICE = "ran-twice"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    RAN_CANCELLED = "ran-though-cancelled"
    CANCEL_IGNORED = "cancel-ignored"
    LOG_LATE = "log-late"
    LOG_WRONG = "log-wrong"
    USAGE_MISSING = "usage-missing"
    USAGE_GAP = "usage-gap"
    OVERCOMMITTED = "over-committed"
    STALE_OBEYED = "stale-obeyed"
    LOST = "lost-over-restart"
    # of what was skipped
    LEVEL_OBSERVE = "level-observe"
    CAP_TOO_SMALL = "probe-cap-too-small"
    OWNER_REFUSES = "owner-refuses"
    NO_ROOM = "no-room"
    NO_PROBES = "no-probe-environment"
    SILENT = "silent"
    NOT_ACCEPTING = "not-accepting"
    CLOSED = "platform-closed"
    BROKE_OFF = "broke-off"


class Finding(Value):
    """The report of one check: how it ended, why, and the figures that were seen."""

    check: Check
    result: Result
    why: Fault | None = None
    said: LongText = Field(default="", description="the connector's own reason, where it gave one")
    figures: Mapping[Name, Text] = Field(default_factory=dict)


class ConformanceReport(Value):
    """What a run found, a finding a check."""

    share: Name | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return bool(self.findings) and all(finding.result is Result.PASSED for finding in self.findings)

    @classmethod
    def skipped(
        cls, why: Fault, checks: Iterable[Check] = HUB_CHECKS, figures: Mapping[str, str] | None = None
    ) -> "ConformanceReport":
        """The report of a run that could not be made."""
        found = {"result": Result.SKIPPED, "why": why, "figures": figures or {}}
        return cls(findings=tuple(Finding.model_validate({"check": check, **found}) for check in checks))


class ConformanceRun(Value):
    """A run at one connector. What it found ``holds`` while the connector has the same key and inventory."""

    id: str
    platform_id: PlatformId
    platform: Name
    connector_id: ConnectorId
    connector: Name
    asked_by: Text
    asked_at: Utc
    started_at: Utc | None = None
    ended_at: Utc | None = None
    passed: bool | None = Field(default=None, description="none while it has not ended")
    holds: bool = False
    report: ConformanceReport | None = None


class Room(Value):
    """Where a run is made: what the share and its node have, and what the owner lets probes take."""

    share: Name
    capacity: Resources
    node: Resources
    cap: ProbeCap


def too_small(cap: ProbeCap) -> dict[str, str]:
    """What the owner's cap lacks for a run: what is needed of each, empty where it is large enough."""
    needed = {name: getattr(NEEDED, name) for name in ("cpu", "seconds", "per_day")}
    return {name: str(least) for name, least in needed.items() if getattr(cap, name) < least}


class Seen(Value):
    """What is known of one probe at a moment: as it was reported, logged and accounted for by then."""

    at: Utc
    attempt_id: AttemptId
    state: JobState
    made_at: Utc
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: Outcome = Outcome()
    stdout: bytes = b""
    pieces: Annotated[int, Field(ge=0)] = 0
    """In how many pieces its standard output came."""
    segments: tuple[UsageSegment, ...] = ()


class Staged(Value):
    """What became of an answer that was put in a connector's way; none where that has not happened yet."""

    told_revision: int | None = Field(default=None, description="up to which revision it told")
    asked_revision: int | None = Field(default=None, description="from which revision the connector asked next")
