"""A run in which the hub puts one claim to the test: what was fixed beforehand, what probes showed, how it ended."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from suanlian.model.base import LongText, Name, Text, Utc, Value, Wire
from suanlian.model.ids import AttemptId
from suanlian.model.measurement import Metric
from suanlian.model.money import Amount
from suanlian.model.performance import Precision


class RunOutcome(StrEnum):
    """How a run ended."""

    HELD = "held"
    BELOW_CLAIM = "below-claim"
    TOO_SHORT_TO_TELL = "too-short-to-tell"
    FAILED = "failed"
    """Most of its probes brought no product, or a wrong one."""
    CAP_TOO_SMALL = "probe-cap-too-small"
    """The owner's cap on probes does not let it in."""
    GONE = "gone"
    """What was to be verified is no longer published so."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run showed: the median rate of a node, and how it ended."""

    rate: Decimal
    outcome: RunOutcome


class ProbeTrial(Value):
    """One probe: its work, fixed before the run began, and what it showed. ``rate`` is of a whole node."""

    seed: str
    n: int
    segments: int
    attempt_id: AttemptId | None = None
    told_at: Utc | None = None
    heard_at: Utc | None = Field(default=None, description="when the commitment to the product had arrived")
    took_s: float | None = None
    rate: Amount | None = None
    residual: float | None = Field(default=None, description="of the check, relative to the product")
    why: LongText = Field(default="", description="why it counts nothing")
    done: bool = False
    voids: int = Field(default=0, description="so often it was begun anew, because the hub itself had stopped")


class Series(Value):
    """All that was fixed beforehand: a probe that multiplies nothing to speak of, and the five."""

    millicores: int
    target_s: float
    baseline: ProbeTrial
    probes: tuple[ProbeTrial, ...]

    @property
    def overhead_s(self) -> float | None:
        """What a probe takes that multiplies nothing; None where that one failed."""
        return self.baseline.took_s if self.baseline.rate is not None else None

    def trial(self, index: int) -> ProbeTrial:
        """The baseline is number -1, the five count from 0."""
        return self.baseline if index < 0 else self.probes[index]

    def with_trial(self, index: int, trial: ProbeTrial) -> "Series":
        """The series with one probe as it is now."""
        if index < 0:
            return self.model_copy(update={"baseline": trial})
        probes = (*self.probes[:index], trial, *self.probes[index + 1 :])
        return self.model_copy(update={"probes": probes})

    def current(self) -> int | None:
        """The first probe that is not done; None when all are."""
        every = ((-1, self.baseline), *enumerate(self.probes))
        return next((index for index, trial in every if not trial.done), None)


class VerificationRun(Wire):
    """A run as it is shown; seeds are shown once the run has ended."""

    id: str
    platform: Name
    connector: Name
    flavor: Name
    metric: Metric
    precision: Precision
    unit: Text
    claim: Amount
    number: int = Field(description="which run of this claim it is")
    asked_by: Text
    asked_at: Utc
    started_at: Utc | None = None
    ended_at: Utc | None = None
    outcome: RunOutcome | None = None
    rate: Amount | None = Field(default=None, description="the median of the five, for a whole node")
    overhead_s: float | None = None
    measured: Amount = Field(default=Decimal(0), description="on so many cores ...")
    of: Amount = Field(default=Decimal(0), description="... of so many: the rest is extrapolated")
    probes: tuple[ProbeTrial, ...] = ()


class VerificationRuns(Wire):
    """The runs that were asked for at once."""

    items: tuple[VerificationRun, ...]
