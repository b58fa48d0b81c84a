"""One probe of a verification: what it is told to do, and what its product proves. No row is read or written here."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from suanlian.model.base import plain_text
from suanlian.model.performance import Precision
from suanlian.model.probe import Multiply
from suanlian.model.quantity import Resources
from suanlian.model.verification import Judged, ProbeTrial, RunOutcome, Series
from suanlian.probe.workload import Chains
from suanlian.rules import freivalds
from suanlian.rules.verification import judge, rate_of

SECRETS: Final = freivalds.SECRETS
SECRET_BYTES: Final = freivalds.SECRET_BYTES
OUTPUT: Final = Multiply.outputs[0]
_BASE_MIB: Final = 192
_DISK_MIB: Final = 64
_MATRICES: Final = 10
"""So many matrices of its size a probe has in memory at most."""
_NUMBER_BYTES: Final = 8
_MIB: Final = 1024 * 1024
_MILLI: Final = 1000
_MOST_WHY: Final = 500


@dataclass(frozen=True, slots=True)
class Handed:
    """What a probe handed in, when it was told and when its commitment had arrived; vectors that were drawn since."""

    product: bytes
    commitment: str
    told_at: datetime
    heard_at: datetime
    secrets: Sequence[bytes]


def task(trial: ProbeTrial, precision: str, millicores: int, seconds: int) -> Multiply:
    """What the connector is told: values alone, the command it writes itself."""
    return Multiply(
        seed=trial.seed,
        precision=Precision(precision),
        n=trial.n,
        segments=trial.segments,
        threads=max(1, millicores // _MILLI),
        seconds=max(1, seconds),
    )


def room(trial: ProbeTrial, millicores: int) -> Resources:
    """What the probe is given."""
    matrices = -(-_MATRICES * _NUMBER_BYTES * trial.n**2 // _MIB)
    return Resources.of({"cpu": millicores, "memory": _BASE_MIB + matrices, "disk": _DISK_MIB})


def failed(trial: ProbeTrial, why: str) -> ProbeTrial:
    """It counts nothing, for this reason."""
    shown = "".join(char if char.isprintable() else " " for char in why)[:_MOST_WHY]
    return trial.model_copy(update={"done": True, "why": plain_text(shown)})


def proved(trial: ProbeTrial, precision: str, share: Decimal, handed: Handed) -> ProbeTrial:
    """What the product shows: the rate of a node of which ``share`` was at work, or why it counts nothing."""
    timed = {"told_at": handed.told_at, "heard_at": handed.heard_at}
    if hashlib.sha256(handed.product).hexdigest() != handed.commitment:
        return failed(trial.model_copy(update=timed), "the product is another than the one it had committed to")
    work = Chains(trial.seed, precision, trial.n, trial.segments)
    finding = freivalds.check(work, handed.product, handed.secrets)
    if not finding.fits:
        return failed(trial.model_copy(update=timed), finding.why)
    took_s = (handed.heard_at - handed.told_at).total_seconds()
    shown = {"took_s": took_s, "rate": rate_of(work.operations, took_s, share), "residual": finding.residual}
    return trial.model_copy(update={**timed, **shown, "done": True})


def is_proved(trial: ProbeTrial, precision: str, handed: Handed) -> bool:
    """Whether the product is the one that was committed to, and the right one."""
    return not proved(trial, precision, Decimal(1), handed).why


def judged(series: Series, claim: Decimal) -> Judged:
    """How a run whose probes are all done ends: those that failed count nothing."""
    rates = [Decimal(0) if trial.rate is None else trial.rate for trial in series.probes]
    took_s = [trial.took_s for trial in series.probes if trial.rate and trial.took_s is not None]
    return judge(rates, took_s, series.overhead_s, claim)


def without_figure(outcome: RunOutcome) -> Judged:
    """A run that ends before it showed anything."""
    return Judged(Decimal(0), outcome)
