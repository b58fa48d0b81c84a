"""How is a claim put to the test, and did it hold? Five probes fixed beforehand, their median against the claim. Pure.

A probe's time runs from the hub's answer that told it to the arrival of the commitment, so what stands between hub and
platform counts against the platform: a figure that holds, holds all the more without it. A figure that does not hold
while the way there takes more than a twentieth of the time is *too short to tell*, and is tried once more for longer.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from suanlian.model.performance import Grade, Precision
from suanlian.model.place import is_simulated
from suanlian.model.platform import Flavor
from suanlian.model.probe import ProbeCap
from suanlian.model.verification import Judged, RunOutcome
from suanlian.probe.workload import segments_for

PROBES: Final = 5
HELD_SHARE: Final = Decimal("0.8")
"""The median must reach this much of the claim."""
TIMES_OVERHEAD: Final = 20
"""A probe is long enough when it takes so many times what a probe takes that multiplies nothing."""
MOST_RUNS: Final = 3
"""So many runs one claim gets within ``EXPIRES``; all of them are shown."""
EXPIRES: Final = timedelta(days=30)
"""A verified figure is tried again after so long."""
METHODS: Final = (Precision.FP64, Precision.FP32)
"""The precisions of a processor that probes multiply in."""
BASELINE_N: Final = 32
"""The matrices of the probe that only shows the overhead."""
_SIZES: Final = (1024, 512, 256, 128)
_TERA: Final = Decimal(10) ** 12
_MILLI: Final = Decimal(1000)
_SIX: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure of one node that can be put to the test, in tera-operations per second."""

    precision: Precision
    tera_per_s: Decimal


@dataclass(frozen=True, slots=True)
class Size:
    """How much one probe multiplies, on how many cores, and how long that takes if the claim is true."""

    n: int
    segments: int
    millicores: int
    expected_s: float

    @property
    def threads(self) -> int:
        """Threads for its cores, at least one."""
        return max(1, self.millicores // 1000)


def claims_of(flavor: Flavor) -> tuple[Claim, ...]:
    """What a flavor claims and probes can multiply: real processors, no accelerator, a precision that has a method."""
    if is_simulated(flavor) or flavor.node.accelerator or not flavor.node.cpu:
        return ()
    figures = (f for f in flavor.performance if f.grade is not Grade.SIMULATED and f.precision in METHODS)
    return tuple(Claim(figure.precision, figure.tera_per_s) for figure in figures)


def size_of(claim: Claim, flavor: Flavor, cap: ProbeCap, target_s: float) -> Size | None:
    """A probe of about ``target_s`` seconds by the claim, within the owner's cap; None where that lets nothing in."""
    millicores = min(flavor.node.cpu, int(cap.cpu * _MILLI))
    seconds = min(target_s, cap.seconds / 2)
    if millicores <= 0 or seconds <= 0 or cap.per_day <= PROBES:
        return None
    operations = float(claim.tera_per_s * _TERA * part(millicores, flavor)) * seconds
    # large matrices are nearer to what BLAS can do; at least two segments, so that no start counts for much
    n = next((n for n in _SIZES if 2 * segments_for(1, n) * 16 * n**3 <= operations), _SIZES[-1])
    segments = segments_for(operations, n)
    return Size(n, segments, millicores, seconds * max(1.0, segments * 16 * n**3 / operations))


def part(millicores: int, flavor: Flavor) -> Decimal:
    """Which part of a node so many cores are; the rest is extrapolated."""
    return Decimal(millicores) / flavor.node.cpu


def rate_of(operations: int, took_s: float, share: Decimal) -> Decimal:
    """Tera-operations per second of a whole node, by a probe that held ``share`` of it; 0 for what took no time."""
    if took_s <= 0:
        return Decimal(0)
    return (Decimal(operations) / Decimal(str(took_s)) / _TERA / share).quantize(_SIX)


def judge(rates: Sequence[Decimal], took_s: Sequence[float], overhead_s: float | None, claim: Decimal) -> Judged:
    """Judge the five: a probe that failed counts 0 among ``rates``; ``took_s`` of those that did not."""
    median = statistics.median(rates)
    if median >= HELD_SHARE * claim:
        return Judged(median, RunOutcome.HELD)
    if not took_s or sum(1 for rate in rates if rate) <= len(rates) // 2:
        return Judged(median, RunOutcome.FAILED)
    is_short = overhead_s is not None and statistics.median(took_s) < TIMES_OVERHEAD * overhead_s
    return Judged(median, RunOutcome.TOO_SHORT_TO_TELL if is_short else RunOutcome.BELOW_CLAIM)


def next_target_s(target_s: float, overhead_s: float | None) -> float:
    """How long probes are to be after a run that was too short to tell."""
    return target_s if overhead_s is None else max(target_s, TIMES_OVERHEAD * overhead_s)


@dataclass(frozen=True, slots=True)
class Commitment:
    """Which product a probe says it has, and when the hub had heard it."""

    digest: str
    heard_at: datetime


def commitment_in(pieces: Iterable[tuple[bytes, datetime | None]]) -> Commitment | None:
    """The first line of a log that commits to a product; it is heard when the piece arrives that ends it."""
    line = b""
    for data, arrived in pieces:
        *ended, rest = (line + data).split(b"\n")
        for whole in ended:
            digest = _digest_in(whole)
            if digest is not None and arrived is not None:
                return Commitment(digest, arrived)
        line = rest
    return None


def _digest_in(line: bytes) -> str | None:
    if b'"commitment"' not in line:
        return None
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    digest = said.get("commitment") if isinstance(said, dict) else None
    return digest if isinstance(digest, str) else None
