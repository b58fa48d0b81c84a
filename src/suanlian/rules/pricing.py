"""What is owed for what was held, and what a job is expected to cost?

Rounding, stated once: a quantity is rounded half-even to twelve decimals of a unit-hour; its cost is that rounded
quantity times the rate, rounded half-even to ``money.CHARGE_STEP``. So a line can be worked out from its own figures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final

from suanlian.model.job import JobSpec, Variant
from suanlian.model.money import Currency, round_charge
from suanlian.model.offer import NewOffer
from suanlian.model.place import Moving
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind, Resources
from suanlian.model.throughput import Basis, Expected
from suanlian.model.usage import UsageCorrection, UsageSegment

QUANTITY_STEP: Final = Decimal("0.000000000001")
"""The smallest part of a unit-hour, or of a currency unit in an estimate, that is told apart."""

MUST_BE_PRICED: Final = frozenset({ResourceKind.CPU, ResourceKind.ACCELERATOR})
"""Kinds that need a rate when they are wanted; memory and disk without a rate are free."""

_HOUR_S: Final = 3600
_ONE: Final = Decimal(1)
_MAX_ESTIMATE: Final = Decimal(10) ** 15
_EXACT: Final = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a charge: ``quantity`` in unit-hours, ``rate`` per unit-hour, ``cost`` their rounded product."""

    kind: ResourceKind
    quantity: Decimal
    rate: Decimal
    cost: Decimal


def length_s(segment: UsageSegment) -> Decimal:
    """The segment's length in seconds, exact to the microsecond."""
    return Decimal((segment.ended_at - segment.started_at) // timedelta(microseconds=1)).scaleb(-6)


def corrected(segment: UsageSegment, corrections: Iterable[UsageCorrection]) -> Decimal:
    """The seconds that the segment counts for after the corrections that name it; never below zero."""
    mine = (c.corrected_s for c in corrections if (c.attempt_id, c.sequence) == (segment.attempt_id, segment.sequence))
    return max(Decimal(0), sum(mine, start=length_s(segment)))


def charge_lines(segment: UsageSegment, offer: NewOffer) -> tuple[Line, ...]:
    """One line for each kind that was granted and that the offer prices, in the order of ``ResourceKind``."""
    return lines_for(segment.granted, length_s(segment), offer)


def lines_for(granted: Resources, seconds: Decimal, offer: NewOffer) -> tuple[Line, ...]:
    """The lines for holding ``granted`` for so many seconds, such as a corrected length.

    Raises ValueError below zero seconds: a correction is rated as the difference between two lengths, not by itself.
    """
    if seconds < 0:
        raise ValueError(f"{seconds} s is below zero")
    with localcontext(_EXACT):
        return tuple(_line(kind, amount, seconds, rate) for kind, amount, rate in _priced(granted, offer))


def _line(kind: ResourceKind, base: int, seconds: Decimal, rate: Decimal) -> Line:
    exact = base * seconds / (BASE_PER_UNIT[kind] * _HOUR_S)
    quantity = exact.quantize(QUANTITY_STEP, ROUND_HALF_EVEN)
    return Line(kind, quantity, rate, round_charge(quantity * rate))


def _priced(amounts: Resources, offer: NewOffer) -> tuple[tuple[ResourceKind, int, Decimal], ...]:
    rates = {rate.kind: rate.per_unit_hour for rate in offer.rates}
    return tuple((kind, base, rates[kind]) for kind, base in amounts.base().items() if base and kind in rates)


def unpriced(wanted: Resources, offer: NewOffer) -> tuple[ResourceKind, ...]:
    """The kinds that are wanted, need a rate and have none in the offer."""
    rated = {rate.kind for rate in offer.rates}
    return tuple(kind for kind, base in wanted.base().items() if base and kind in MUST_BE_PRICED - rated)


def speed_up(spec: JobSpec, variant: Variant) -> Decimal:
    """How many times faster the variant is than the slowest one whose throughput is known; 1 where it is not known."""
    known = [other.throughput for other in spec.variants if other.throughput is not None]
    return Decimal(1) if variant.throughput is None else variant.throughput / min(known)


def expected_hours(spec: JobSpec, variant: Variant) -> Decimal:
    """What the job estimates, else its whole wall time, for the slowest variant; less for one that is faster."""
    return spec.expected_s / speed_up(spec, variant) / _HOUR_S


def expected_rent(spec: JobSpec, variant: Variant, offer: NewOffer, expected: Expected | None = None) -> Decimal:
    """An estimate of one task's rent in the offer's currency: rate x amount x expected hours, summed over the kinds.

    ``expected``: how long it takes at the place in question (``rules.normalising``); else by the variant alone.
    An absurd price gives the largest amount that money can be, 10^15: it loses and does not stop the comparison.
    """
    hours = expected_hours(spec, variant) if expected is None else expected.seconds / _HOUR_S
    with localcontext(_EXACT):
        exact = (base * rate * hours / BASE_PER_UNIT[kind] for kind, base, rate in _priced(spec.total, offer))
        return min(sum(exact, start=Decimal(0)).quantize(QUANTITY_STEP, ROUND_HALF_EVEN), _MAX_ESTIMATE)


def data_cost(moving: Moving | None) -> Decimal:
    """What bringing a task's data to a place costs, in CNY; nothing where it is there already."""
    if moving is None:
        return Decimal(0)
    with localcontext(_EXACT):
        return min((moving.gb * moving.cny_per_gb).quantize(QUANTITY_STEP, ROUND_HALF_EVEN), _MAX_ESTIMATE)


def rent_text(spec: JobSpec, variant: Variant, offer: NewOffer, expected: Expected | None = None) -> str:
    """How ``expected_rent`` came about, with units."""
    products = (_product(kind, base, rate, offer.currency) for kind, base, rate in _priced(spec.total, offer))
    hours = expected_hours(spec, variant) if expected is None else expected.seconds / _HOUR_S
    why = _variant_text(spec, variant) if expected is None else time_text(expected)
    return f"({' + '.join(products)}) x {plain(hours, 4)} h{f' ({why})' if why else ''}, estimate"


def _variant_text(spec: JobSpec, variant: Variant) -> str:
    speed = speed_up(spec, variant)
    return "" if speed == 1 else f"{plain(speed, 2)} times the slowest variant"


def time_text(expected: Expected) -> str:
    """What an expected time rests on: the number, its precision, its grade, how many runs, and how sure it is."""
    if expected.basis is Basis.WALL_TIME:
        return "no figure: whole wall time"
    if expected.basis is Basis.ESTIMATE:
        return "no figure: the job's own estimate"
    parts = []
    if expected.basis is Basis.RUNS:
        elsewhere = f", {expected.elsewhere} elsewhere" if expected.elsewhere else ""
        parts.append(f"seen in jobs: {expected.here} here{elsewhere}")
    if expected.precision is not None and expected.grade is not None:
        parts.append(f"{plain(expected.faster or _ONE, 2)} x slowest by {expected.precision}, {expected.grade}")
    elif expected.faster is not None:
        parts.append(f"{plain(expected.faster, 2)} times the slowest variant")
    if expected.factor is not None:
        parts.append(f"within a factor of {plain(expected.factor, 2)}")
    return "; ".join(parts)


_UNIT_TEXT: Final = {
    ResourceKind.CPU: ("core", "core-hour"),
    ResourceKind.MEMORY: ("GiB memory", "GiB-hour"),
    ResourceKind.DISK: ("GiB disk", "GiB-hour"),
    ResourceKind.ACCELERATOR: ("card", "card-hour"),
}


def _product(kind: ResourceKind, base: int, rate: Decimal, currency: str) -> str:
    unit, hour = _UNIT_TEXT[kind]
    amount = plain(Decimal(base) / BASE_PER_UNIT[kind], 3)
    return f"{amount} {unit} x {plain(rate)} {currency}/{hour}"


def lines_at(wanted: Resources, prices: Mapping[ResourceKind, Decimal], hours: Decimal) -> tuple[Decimal, str]:
    """What so much would come to for so long at these prices (CNY for a unit-hour), and how that came about.

    Rounded to ``QUANTITY_STEP``; 0 and an empty text where none of what is wanted has a price.
    """
    priced = [(kind, base, prices[kind]) for kind, base in wanted.base().items() if base and prices.get(kind)]
    if not priced:
        return Decimal(0), ""
    with localcontext(_EXACT):
        exact = sum((base * rate / BASE_PER_UNIT[kind] for kind, base, rate in priced), start=Decimal(0)) * hours
        amount = min(exact.quantize(QUANTITY_STEP, ROUND_HALF_EVEN), _MAX_ESTIMATE)
    products = " + ".join(_product(kind, base, rate, Currency.CNY) for kind, base, rate in priced)
    return amount, f"({products}) x {plain(hours, 4)} h"


def plain(number: Decimal, decimals: int | None = None) -> str:
    """A decimal as people read it: no exponent, no trailing zeros, at most so many decimals."""
    rounded = number if decimals is None else number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return format(rounded.normalize(), "f") if rounded else "0"
