"""What do runs that were seen say of how long the next one takes? A log-normal model with shrinkage. Pure.

The logarithm of a run's seconds on flavor f is m + x(f) + e(f) + noise: m is the job's own size, x(f) what figures say
of the flavor (the slowest at 0, faster ones below), e(f) how far that is off for this job, with a variance that is
known beforehand, and noise is what differs from run to run. m is estimated from all flavors on which the job was seen,
e(f) is shrunk towards 0 the more, the fewer runs were seen there (the usual estimator of a one-way random-effects
model). So one run moves the estimate a little, many runs replace the figures, and what was seen elsewhere still helps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.model.ids import FlavorId
from suanlian.model.throughput import Runs, Seen

OFF_BY: Final = math.log(3.2 / 1.9)
"""How far a ratio of peaks is off, as a standard deviation: H100/A100 is 3.2 by dense FP16 and was measured 1.9 on
ResNet-50 (and 4.2 on BERT): the larger of the two deviations."""

UNKNOWN_OFF_BY: Final = 1.0
"""The same where no figure is known: a factor of e. Our own choice."""

USUAL_NOISE: Final = 0.2
"""The usual spread from run to run, worth ``NOISE_RUNS`` runs of evidence: our own choice, soon replaced by what is
seen."""
NOISE_RUNS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Shift:
    """What is thought of a flavor: how much it shifts the logarithm of the time, and the variance of that."""

    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What is thought after runs were seen: the job's own size and, by flavor, its shift; all of logarithms."""

    size: float
    size_variance: float
    shifts: Mapping[FlavorId, Shift]
    weights: Mapping[FlavorId, float]

    def log_seconds(self, flavor: FlavorId) -> tuple[float, float]:
        """The expected logarithm of the seconds on a flavor, and its variance."""
        shift, weight = self.shifts[flavor], self.weights.get(flavor, 0.0)
        return self.size + shift.mean, (1 - weight) ** 2 * self.size_variance + shift.variance


def fit(shifts: Mapping[FlavorId, Shift], seen: Seen) -> Fit | None:
    """Fit what was seen on flavors of which something is thought beforehand; None where nothing was seen on them.

    First all other jobs of the name; then, where the array itself was seen, its own tasks with what the others taught.
    """
    own = {runs.flavor: runs for runs in seen.array}
    others = [runs.minus(own[runs.flavor]) if runs.flavor in own else runs for runs in seen.named]
    by_name = _fit(shifts, others)
    by_array = _fit(shifts if by_name is None else by_name.shifts, seen.array)
    return by_name if by_array is None else by_array


def _fit(shifts: Mapping[FlavorId, Shift], every: Sequence[Runs]) -> Fit | None:
    seen = [runs for runs in every if runs.count > 0.5 and runs.flavor in shifts]  # noqa: PLR2004 - halved counts
    if not seen:
        return None
    noise = _noise(seen)
    off = {runs.flavor: runs.sum_log / runs.count - shifts[runs.flavor].mean for runs in seen}
    spread = {runs.flavor: shifts[runs.flavor].variance + noise / runs.count for runs in seen}
    certainty = sum(1 / variance for variance in spread.values())
    size = sum(off[flavor] / spread[flavor] for flavor in off) / certainty
    weights = {flavor: shifts[flavor].variance / spread[flavor] for flavor in off}
    after = {
        flavor: Shift(
            shift.mean + weights.get(flavor, 0.0) * (off.get(flavor, size) - size),
            shift.variance * (1 - weights.get(flavor, 0.0)),
        )
        for flavor, shift in shifts.items()
    }
    return Fit(size, 1 / certainty, after, weights)


def _noise(seen: Sequence[Runs]) -> float:
    """The variance from run to run within a flavor, pooled over flavors, with what is usual as a beginning."""
    within = sum(max(0.0, runs.sum_log_squared - runs.sum_log**2 / runs.count) for runs in seen)
    free = sum(max(0.0, runs.count - 1) for runs in seen)
    return (NOISE_RUNS * USUAL_NOISE**2 + within) / (NOISE_RUNS + free)


def within_factor(variance: float) -> float:
    """The factor that one standard deviation of a logarithm is."""
    return math.exp(min(math.sqrt(variance), 20.0))
