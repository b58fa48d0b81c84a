"""Which figures does a flavor claim, which of them can the hub verify, and was a claim shown? Pure.

A claim for which there is no method of verification stays a claim and holds nobody up.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from suanlian.model.gates import FlavorFacts
from suanlian.model.performance import Grade, Precision
from suanlian.model.place import is_simulated
from suanlian.model.platform import Flavor

MATMUL: Final = "matmul"
"""The dense matrix product, in tera-operations per second."""
VERIFIABLE: Final = frozenset({(MATMUL, Precision.FP64), (MATMUL, Precision.FP32)})
"""The one list of what the hub has a method for: metric and precision, on processors without an accelerator."""
SHOWN_SHARE: Final = Decimal("0.8")
"""A claim counts as shown when the median reached this much of it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure that a flavor claims of one of its nodes; ``value`` in the metric's unit."""

    flavor: str
    metric: str
    precision: Precision
    value: Decimal


def claims_of(flavor: Flavor) -> tuple[Claim, ...]:
    """The figures that the flavor claims; none where it simulates something."""
    if is_simulated(flavor):
        return ()
    figures = (figure for figure in flavor.performance if figure.grade is not Grade.SIMULATED)
    return tuple(Claim(flavor.name, MATMUL, figure.precision, figure.tera_per_s) for figure in figures)


def verifiable(flavor: Flavor) -> tuple[Claim, ...]:
    """The claims of the flavor that the hub has a method for."""
    if flavor.chip is not None or flavor.node.accelerator:
        return ()
    return tuple(claim for claim in claims_of(flavor) if (claim.metric, claim.precision) in VERIFIABLE)


def unshown(facts: FlavorFacts) -> tuple[Claim, ...]:
    """The claims that must be shown and were not: never tried, or the claim is more than what was shown allows."""
    known = {(one.metric, one.precision): one.value for one in facts.shown}
    return tuple(
        claim
        for claim in verifiable(facts.flavor)
        if known.get((claim.metric, claim.precision.value), Decimal(0)) < SHOWN_SHARE * claim.value
    )
