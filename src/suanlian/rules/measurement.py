"""Can a measurement be meant? Negative, absurd, stale and inconsistent ones are refused, each for its own reason. Pure.

A figure is absurd beyond ten times the best chip that is known at its precision, for each card that the node has, or
beyond fifty times what the owner claims. The peaks are those of Epoch AI's machine learning hardware database
(https://epoch.ai/data/machine-learning-hardware, copy of January 2026, CC-BY-4.0; changed: the largest dense figure of
each column, BF16 taken as FP16). A processor is held to the same bound as one card.
"""

import statistics
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.model.errors import InvalidError
from suanlian.model.measurement import UNITS, Measurement, Metric, Reading
from suanlian.model.performance import Precision
from suanlian.model.platform import Flavor

BEST_CHIP: Final[Mapping[Precision, tuple[str, Decimal]]] = {
    Precision.FP64: ("AMD Radeon Instinct MI308X", Decimal("81.72")),
    Precision.FP32: ("Biren BR100", Decimal(256)),
    Precision.TF32: ("NVIDIA GB200", Decimal(1250)),
    Precision.BF16: ("AMD Instinct MI355X", Decimal("2516.6")),
    Precision.FP16: ("AMD Instinct MI355X", Decimal("2516.6")),
    Precision.FP8: ("NVIDIA GB300 (Blackwell Ultra)", Decimal(5000)),
    Precision.INT8: ("AMD Instinct MI355X", Decimal("5033.2")),
}
"""Precision -> the best known chip and its dense peak in tera-operations per second."""

MOST_GB_PER_S: Final[Mapping[Metric, Decimal]] = {
    # on-chip memory of one accelerator of the same database (GroqChip, 80 TB/s), ten times
    Metric.TRIAD: Decimal(800_000),
    # no source: more than any file system of a whole cluster is known to give one node
    Metric.DISK_WRITE: Decimal(10_000),
    Metric.DISK_READ: Decimal(10_000),
}
ABSURD: Final = 10
"""So many times the best known chip is absurd."""
ABSURD_TO_CLAIM: Final = 50
STALE: Final = timedelta(hours=24)
"""A measurement that was made longer ago says nothing of today."""
SKEW: Final = timedelta(seconds=60)
"""So far a connector's clock may be off."""
_SAME: Final = Decimal("0.000001")


def check(made: Measurement, flavor: Flavor, now: datetime, newest: datetime | None) -> None:
    """Refuse what cannot be meant; ``newest``: when the newest one that was taken of this flavor was made.

    Raises InvalidError with the codes ``measurement_stale``, ``measurement_negative``, ``measurement_inconsistent``,
    ``measurement_absurd``.
    """
    _check_time(made, now, newest)
    seen: set[tuple[Metric, Precision | None, str]] = set()
    for number, reading in enumerate(made.readings):
        field = f"measurement.readings.{number}"
        what = (reading.metric, reading.precision, reading.device)
        if what in seen:
            raise _inconsistent(f"{reading.metric} stands there twice", field)
        seen.add(what)
        _check_reading(reading, field)
        _check_bound(reading, flavor, made.cores, field)


def _check_time(made: Measurement, now: datetime, newest: datetime | None) -> None:
    todo = "Measure again: suanlian-agent measure; and look at this machine's clock."
    if not now - STALE <= made.measured_at <= now + SKEW:
        wrong = f"It was made at {made.measured_at.isoformat()}, which is not within the last 24 hours."
        raise InvalidError("measurement_stale", wrong, todo=todo, field="measurement.measured_at")
    if newest is not None and made.measured_at < newest:
        wrong = f"A newer one, made at {newest.isoformat()}, is here already."
        raise InvalidError("measurement_stale", wrong, todo=todo, field="measurement.measured_at")


def _check_reading(reading: Reading, field: str) -> None:
    if min(reading.value, *reading.samples) <= 0:
        wrong = f"{reading.metric} has a figure that is not above zero."
        raise InvalidError("measurement_negative", wrong, todo="Measure again.", field=field)
    if (reading.precision is None) is (reading.metric is Metric.MATMUL):
        raise _inconsistent(f"{reading.metric} and precision {reading.precision} do not go together", field)
    if reading.metric is Metric.CORES:
        raise _inconsistent("cores are not measured by their owner", field)
    median = statistics.median(reading.samples)
    if abs(median - reading.value) > _SAME * median:
        raise _inconsistent(f"{reading.value} is not the median of its samples, which is {median}", field)


def _check_bound(reading: Reading, flavor: Flavor, cores: Decimal, field: str) -> None:
    bound, why = bound_of(reading, flavor, cores)
    worst = max(reading.value, *reading.samples)
    if worst > bound:
        unit, precision = UNITS[reading.metric], f" at {reading.precision}" if reading.precision else ""
        wrong = f"{worst:f} {unit}{precision} is beyond {bound:.6g} {unit}: {why}."
        raise InvalidError("measurement_absurd", wrong, todo="Correct the clock or the claim; measure.", field=field)


def bound_of(reading: Reading, flavor: Flavor, cores: Decimal) -> tuple[Decimal, str]:
    """The largest figure that is believed, and by what it is bounded."""
    if reading.precision is None:
        return MOST_GB_PER_S[reading.metric], "more than is known of any node"
    chip, peak = BEST_CHIP[reading.precision]
    bound, why = peak * ABSURD, f"{ABSURD} times the best chip known ({chip}, {peak})"
    part = part_of(reading.device, flavor, cores)
    claims = [figure.tera_per_s for figure in flavor.performance if figure.precision is reading.precision]
    claimed = max(claims, default=None)
    if claimed is not None and claimed * part * ABSURD_TO_CLAIM < bound:
        return claimed * part * ABSURD_TO_CLAIM, f"{ABSURD_TO_CLAIM} times the claim of {claimed:f} for a node"
    return bound, why


def part_of(device: str, flavor: Flavor, cores: Decimal) -> Decimal:
    """Which part of a node was at work: one of its cards, or so many of its cores."""
    if device != "cpu":
        return Decimal(1) / max(1, flavor.node.accelerator)
    return min(Decimal(1), cores * 1000 / flavor.node.cpu) if flavor.node.cpu else Decimal(1)


def _inconsistent(wrong: str, field: str) -> InvalidError:
    return InvalidError("measurement_inconsistent", f"{wrong}.", todo="Send what was measured.", field=field)
