"""By which weights are a job's places compared, and how far above the least bill may they lead? Presets. Pure.

A job says what it prefers, not numbers: so each word has a stated meaning, and what is billed is the same under all.
``cost``: the least bill, weights decide only among nearly equal ones. ``time``: an hour weighs about ten times what it
usually costs. ``green``: CO2 weighs a hundred times what it costs on the market. What a job limits itself goes before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from suanlian.model.demand import Prefer
from suanlian.model.energy import Emission
from suanlian.model.job import JobSpec, Wants
from suanlian.model.placement import Candidate, Term
from suanlian.model.quantity import ResourceKind
from suanlian.rules.pricing import lines_at, plain

_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Preset:
    """``carbon``: CO2 weighs so many times its price. ``hour``: CNY for a unit-hour of a kind, to be done sooner.

    ``detour``: so far above the least bill it may lead; None: as far as the market's own detour. ``by``: the term that
    is the job's own wish. ``unknown_g``: grams for a card and hour where nothing is known of them.
    """

    carbon: Decimal = Decimal(1)
    hour: Mapping[ResourceKind, Decimal] = field(default_factory=dict)
    detour: Decimal | None = None
    by: Term | None = None
    unknown_g: Decimal | None = None


PRESETS: Final[Mapping[Prefer, Preset]] = {
    Prefer.COST: Preset(),
    Prefer.TIME: Preset(
        hour={ResourceKind.CPU: Decimal(1), ResourceKind.ACCELERATOR: Decimal(50)},
        detour=Decimal("0.5"),
        by=Term.TIME,
    ),
    # a card of 1 kW at a grid of 1 kg/kWh: more than any that is known, so that nobody gains by not saying
    Prefer.GREEN: Preset(carbon=Decimal(100), detour=Decimal("0.2"), by=Term.CARBON, unknown_g=Decimal(1000)),
}
"""Our own choice, all of it."""


def preset_of(wants: Wants) -> Preset:
    """What the job's word means."""
    return PRESETS[wants.prefer]


def most_dearer(wants: Wants, detour: Decimal) -> Decimal:
    """So far above the least bill its place may be, as a share; ``detour``: the market's own."""
    preset = preset_of(wants)
    most = detour if preset.detour is None else preset.detour
    return most if wants.detour is None else min(wants.detour, most)


def time_weight(spec: JobSpec, hours: Decimal) -> tuple[Decimal, str]:
    """What so many hours weigh, and how that came about; nothing where the job does not prefer time."""
    return lines_at(spec.total, preset_of(spec.wants).hour, hours)


def unknown_g(spec: JobSpec, hours: Decimal) -> Emission | None:
    """What a task counts as emitting where that is not known; None: nothing is counted."""
    each, cards = preset_of(spec.wants).unknown_g, spec.total.accelerator
    if each is None or not cards:
        return None
    return Emission(cards * each * hours, f"{cards} card x {plain(hours, 4)} h x {plain(each)} g/h, not known")


def reach(passed: Sequence[Candidate], wants: Wants, detour: Decimal) -> list[bool]:
    """Which of these may be chosen. ``detour``: so far at most for the sake of others.

    The bill stays within what the job's word allows above the least one; and bill and own wish together stay within
    the detour of the least bill above the best: scarcity leads nobody farther than without a wish.
    """
    most, by = most_dearer(wants, detour), preset_of(wants).by
    own = min(detour, most)
    bills = [candidate.billed or _NONE for candidate in passed]
    wished = [bill + _of(candidate, by) for bill, candidate in zip(bills, passed, strict=True)]
    least = min(bills, default=_NONE)
    affordable = [bill <= least * (1 + most) for bill in bills]
    best = min((wish for wish, may in zip(wished, affordable, strict=True) if may), default=_NONE)
    return [may and wish <= best + least * own for wish, may in zip(wished, affordable, strict=True)]


def _of(candidate: Candidate, term: Term | None) -> Decimal:
    return sum((one.amount for one in candidate.terms if one.term is term), start=_NONE)
