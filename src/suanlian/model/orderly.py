"""The policy of East Data West Computing as data: which classes may go west, which stay near, who helps whom."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from suanlian.model.demand import JobClass


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What holds for jobs of a class.

    ``west``: they may go west if they say nothing. ``within_ms``: so near to their users they stay, one way; None:
    anywhere. ``own_word``: what a job says itself goes before.
    """

    job_class: JobClass
    west: bool
    within_ms: Decimal | None = None
    own_word: bool = True


@dataclass(frozen=True, slots=True)
class Assistance:
    """Two clusters, by GB/T 2260 codes or beginnings of codes, that help each other.

    Where one is in use to at least ``above`` (0 to 1), the other takes what would have to stay.
    """

    between: tuple[str, str]
    above: Decimal


@dataclass(frozen=True, slots=True)
class Orderly:
    """The policy."""

    classes: tuple[ClassRule, ...] = ()
    assistance: tuple[Assistance, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """The policy as it stands at a moment: ``helps`` are pairs of a cluster that is full and one that takes over."""

    classes: tuple[ClassRule, ...] = ()
    helps: tuple[tuple[str, str], ...] = ()

    def rule(self, job_class: JobClass | None) -> ClassRule | None:
        """What holds for the class; None where nothing does."""
        return next((rule for rule in self.classes if rule.job_class is job_class), None)


NO_ORDER: Final = Order()
"""Every job may go anywhere."""
