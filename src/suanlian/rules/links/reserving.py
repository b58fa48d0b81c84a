"""How much of a link may still be reserved, and what does it cost? Capacity is never promised twice at any moment."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from suanlian.model.link import Hours, NewLink
from suanlian.model.money import round_charge
from suanlian.model.party import CHINA

MAX_SPAN: Final = timedelta(days=92)
"""A reservation is at most so long."""
_BITS: Final = 8
_MB_OF_GB: Final = 1000


class Held(NamedTuple):
    """Mbit/s from one moment until another."""

    start: datetime
    end: datetime
    mbps: Decimal


def left(capacity_mbps: Decimal, held: Iterable[Held], start: datetime, end: datetime) -> Decimal:
    """Mbit/s that nobody holds at any moment of a time; never below 0."""
    inside = [one for one in held if one.start < end and one.end > start]
    most = Decimal(0)
    for at in {start, *(one.start for one in inside if one.start > start)}:
        most = max(most, sum((one.mbps for one in inside if one.start <= at < one.end), Decimal(0)))
    return max(capacity_mbps - most, Decimal(0))


def cost(link: NewLink, start: datetime, end: datetime, mbps: Decimal) -> Decimal:
    """CNY: what passes at this rate in this time, at the price of the link."""
    seconds = Decimal((end - start) // timedelta(seconds=1))
    return round_charge(mbps * seconds / _BITS / _MB_OF_GB * link.cny_per_gb)


def is_open(hours: Sequence[Hours], start: datetime, end: datetime) -> bool:
    """Whether a link may be used throughout a time; one without hours always may."""
    if not hours:
        return True
    at, steps = start.astimezone(CHINA), 0
    until = end.astimezone(CHINA)
    while at < until and steps <= MAX_SPAN.days * len(hours) + len(hours):
        further = max((_until(at, one) for one in hours), default=at)
        if further <= at:
            return False
        at, steps = further, steps + 1
    return at >= until


def _until(at: datetime, hours: Hours) -> datetime:
    """When hours that a moment lies in end; the moment itself where it lies in none of them."""
    for day in (at.date() - timedelta(days=1), at.date()):
        begin = datetime.combine(day, hours.start, CHINA)
        end = datetime.combine(day + timedelta(days=hours.end < hours.start), hours.end, CHINA)
        if begin <= at < end:
            return end
    return at
