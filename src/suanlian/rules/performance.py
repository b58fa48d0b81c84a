"""Which figure of a flavor counts? By the kind of work one precision, by how it is known one word. Pure.

Figures of different precisions are never compared with each other, and a figure never loses its grade.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from suanlian.model.demand import JobClass
from suanlian.model.performance import Grade, Performance, Precision, Word
from suanlian.model.platform import Flavor
from suanlian.model.quantity import Resources
from suanlian.rules.supervision import grade_of
from suanlian.rules.verification import HELD_SHARE

BEST_FIRST: Final = (Grade.VERIFIED, Grade.SEEN_IN_JOBS, Grade.SELF_MEASURED, Grade.CLAIMED, Grade.SIMULATED)
"""Of several words on one figure the best known counts."""

UNTESTED: Final = frozenset({Grade.CLAIMED, Grade.SIMULATED})
"""What is only said counts for ``HELD_SHARE`` of itself: for as much as a test of it would have to show."""


_MOST_SOURCE: Final = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """What counts for a kind of work: precisions, the first that most places have a figure of; and on what."""

    precisions: tuple[Precision, ...]
    processors_only: bool = False


CLASSES: Final[Mapping[JobClass, Counts]] = {
    JobClass.TRAINING: Counts((Precision.BF16, Precision.FP16)),
    JobClass.INFERENCE: Counts((Precision.FP16, Precision.BF16, Precision.INT8, Precision.FP8)),
    JobClass.HPC: Counts((Precision.FP64,)),
    JobClass.CPU: Counts((Precision.FP64, Precision.FP32), processors_only=True),
}
"""Which figures say how fast a place is for which work."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one card or one core does, in tera-operations per second at one precision, and how that is known."""

    precision: Precision
    grade: Grade
    per_unit: Decimal


def best(figures: Iterable[Performance], precision: Precision) -> Performance | None:
    """The figure at this precision that is known best; of two that are known alike the smaller."""
    fitting = [figure for figure in figures if figure.precision is precision]
    return min(fitting, key=lambda figure: (BEST_FIRST.index(figure.grade), figure.tera_per_s), default=None)


def counted(figure: Performance) -> Decimal:
    """For how much the figure counts in a comparison."""
    return figure.tera_per_s * HELD_SHARE if figure.grade in UNTESTED else figure.tera_per_s


def rate_of(
    flavor: Flavor, figures: Iterable[Performance], asked: Resources, counts: Counts, precision: Precision
) -> Rate | None:
    """What each card (of a job that asks for cards) or core does there; None where no figure tells.

    A flavor's figures are of its accelerators where it has such, of its processors where it has none.
    """
    on_cards = bool(asked.accelerator) and not counts.processors_only
    cards, figure = flavor.node.accelerator, best(figures, precision)
    units = Decimal(cards) if on_cards else Decimal(flavor.node.cpu) / 1000
    if figure is None or not units or on_cards is not bool(cards):
        return None
    return Rate(precision, figure.grade, counted(figure) / units)


def own_words(flavor: Flavor) -> tuple[Performance, ...]:
    """What the owner says of the flavor, with the grade that this has: what an owner calls verified is a claim."""
    return tuple(
        figure.model_copy(update={"grade": grade_of(figure, flavor, verified=False)}) for figure in flavor.performance
    )


def figures_of(flavor: Flavor, words: Iterable[Word], table: Iterable[Performance]) -> tuple[Performance, ...]:
    """Every word on the figures of a flavor that holds for it as it is published now.

    A test of another claim than today's says nothing. Where a test of today's claim failed altogether nothing is known
    at that precision: the claim itself counts no more, nor does what a table has of the chip.
    """
    own = own_words(flavor)
    claims = {precision: max(f.tera_per_s for f in own if f.precision is precision) for precision in _precisions(own)}
    holding = [w for w in words if w.grade is not Grade.VERIFIED or w.claim == claims.get(w.precision)]
    failed = {word.precision for word in holding if word.grade is Grade.VERIFIED and not word.tera_per_s}
    said = (_figure(word) for word in holding if word.tera_per_s > 0)
    return tuple(figure for figure in (*said, *own, *table) if figure.precision not in failed)


def _precisions(figures: Iterable[Performance]) -> frozenset[Precision]:
    return frozenset(figure.precision for figure in figures)


def _figure(word: Word) -> Performance:
    return Performance(
        precision=word.precision, tera_per_s=word.tera_per_s, grade=word.grade, source=word.source[:_MOST_SOURCE]
    )
