"""How long is a task expected to take at each of these places? The ruler for one comparison of places. Pure.

The time that a job states is for the slowest place (or variant) that could run it. A place that is known to be so
many times faster is expected to take so much less; one of which nothing is known takes the whole wall time, a bound and
no guess. Runs that were seen correct this. All figures of one comparison are of one precision.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from suanlian.model.demand import JobClass
from suanlian.model.ids import FlavorId, ShareId
from suanlian.model.job import Variant
from suanlian.model.performance import Performance
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Filter
from suanlian.model.throughput import Basis, Expected, Seen
from suanlian.rules.feasibility import CHECKS, Question
from suanlian.rules.performance import CLASSES, Rate, own_words, rate_of
from suanlian.rules.pricing import speed_up
from suanlian.rules.throughput import OFF_BY, UNKNOWN_OFF_BY, Fit, Shift, fit, within_factor

LASTING: Final = (
    Filter.WANTED_PLATFORM,
    Filter.WANTED_SITE,
    Filter.WANTED_FLAVOR,
    Filter.ARCHITECTURE,
    Filter.CHIP,
    Filter.ENVIRONMENT,
    Filter.STACK,
    Filter.FEATURES,
    Filter.NODE_SIZE,
    Filter.SHARE_SIZE,
)
"""A place that passes these could run the job, if not now: the slowest of them is what the wall time is for."""

_UNKNOWN: Final = frozenset({Basis.WALL_TIME, Basis.ESTIMATE})
"""Of such a place no speed is known."""
_MICRO: Final = Decimal("0.000001")
_SHOWN: Final = Decimal("0.0001")


@dataclass(frozen=True)
class Known:
    """What is known besides what places publish: every word on figures by flavor, and runs that were seen."""

    figures: Mapping[FlavorId, tuple[Performance, ...]] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)


@dataclass(frozen=True, slots=True)
class _Before:
    """What is thought of one variant at one place before any run of it is looked at."""

    basis: Basis
    faster: Decimal = Decimal(1)
    rate: Rate | None = None

    @property
    def shift(self) -> Shift:
        off = UNKNOWN_OFF_BY if self.basis in _UNKNOWN else OFF_BY
        return Shift(-math.log(self.faster), off**2)


class Ruler:
    """Expected times of one job at these places. What could run it, whether free now or not, sets the slowest."""

    def __init__(self, demand: Demand, places: Sequence[Place], known: Known, now: datetime) -> None:
        """Nothing is compared where the job states neither a class nor a throughput."""
        self._spec, self._known = demand.spec, known
        stated = any(variant.throughput is not None for variant in demand.spec.variants)
        self._asked = stated or demand.spec.job_class is not None
        able = list(_able(demand, places, now)) if self._asked else []
        self._rates = self._chosen(able, demand.spec.job_class)
        self._slowest = min((rate.per_unit for rate in self._rates.values()), default=Decimal(0))
        self._thought = {p.flavor_id: self._before(p, v).shift for p, v in reversed(able) if p.flavor_id is not None}
        self._fit = fit(self._thought, known.seen) if known.seen.named else None

    def expected(self, place: Place, variant: Variant) -> Expected | None:
        """The expected time of the variant there; None where nothing was asked that would tell places apart."""
        if not self._asked:
            return None
        before, flavor = self._before(place, variant), place.flavor_id
        if self._fit is None or flavor is None or flavor not in self._thought:
            factor = None if before.basis in _UNKNOWN else within_factor(OFF_BY**2)
            return _stated(before, self._spec.expected_s / before.faster, factor)
        return self._by_runs(self._fit, flavor, before)

    def _chosen(self, able: Sequence[tuple[Place, Variant]], job_class: JobClass | None) -> Mapping[ShareId, Rate]:
        """The rates at the one precision of which most of the places have a figure, the first of several."""
        if job_class is None:
            return {}
        counts, every = CLASSES[job_class], []
        for precision in counts.precisions:
            found = {
                place.share_id: rate_of(place.flavor, self._figures(place), self._spec.resources, counts, precision)
                for place, _variant in able
            }
            every.append({share: rate for share, rate in found.items() if rate is not None})
        return max(every, key=len)

    def _figures(self, place: Place) -> tuple[Performance, ...]:
        known = None if place.flavor_id is None else self._known.figures.get(place.flavor_id)
        return own_words(place.flavor) if known is None else known

    def _before(self, place: Place, variant: Variant) -> _Before:
        if variant.throughput is not None:
            return _Before(Basis.THROUGHPUT, speed_up(self._spec, variant))
        rate = self._rates.get(place.share_id)
        if rate is None:
            return _Before(Basis.WALL_TIME if self._spec.estimate_s is None else Basis.ESTIMATE)
        return _Before(Basis.FIGURES, rate.per_unit / self._slowest, rate)

    def _by_runs(self, found: Fit, flavor: FlavorId, before: _Before) -> Expected:
        """Runs do not tell variants of one flavor apart: what is thought of this one beforehand does."""
        log_seconds, variance = found.log_seconds(flavor)
        log_seconds += before.shift.mean - self._thought[flavor].mean
        seconds = Decimal(repr(math.exp(min(log_seconds, math.log(self._spec.wall_time_s)))))
        counts = {runs.flavor: round(runs.count) for runs in self._known.seen.named}
        here = counts.get(flavor, 0)
        made = _stated(before, min(seconds, Decimal(self._spec.wall_time_s)), within_factor(variance))
        return made.model_copy(update={"basis": Basis.RUNS, "here": here, "elsewhere": sum(counts.values()) - here})


def _able(demand: Demand, places: Sequence[Place], now: datetime) -> Iterator[tuple[Place, Variant]]:
    """The places that could run the job, each with the first of its variants that could."""
    for place in places:
        questions = (Question(demand, place, variant, now) for variant in demand.spec.variants)
        fitting = next((q for q in questions if all(CHECKS[name](q) is None for name in LASTING)), None)
        if fitting is not None:
            yield place, fitting.variant


def _stated(before: _Before, seconds: Decimal, factor: float | None) -> Expected:
    return Expected(
        seconds=max(seconds.quantize(_MICRO, ROUND_HALF_EVEN), _MICRO),
        basis=before.basis,
        faster=None if before.basis in _UNKNOWN else _shown(before.faster),
        precision=None if before.rate is None else before.rate.precision,
        grade=None if before.rate is None else before.rate.grade,
        factor=None if factor is None else _shown(Decimal(repr(factor))),
    )


def _shown(number: Decimal) -> Decimal:
    return number.quantize(_SHOWN, ROUND_HALF_EVEN)
