"""What is known of the way from a site to another, each figure by the best: measured, declared, estimated.

Measurements go from storage to storage: by which of several links they went nobody knows, so they count for each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.model.link import LinkGrade, LinkSample, LinkView, NewLink
from suanlian.rules.links.classes import latency_class

LAST: Final = 20
"""So many of the newest samples count."""
MAX_AGE: Final = timedelta(days=7)
"""Older ones are history."""
HALF_LIFE: Final = timedelta(hours=6)
"""A sample so much older weighs half."""
_STEP: Final = Decimal("0.001")
_BITS: Final = 8
_MEGA: Final = 10**6


@dataclass(frozen=True, slots=True)
class Declared:
    """A link, and the entity that offers it."""

    carrier: str
    link: NewLink


@dataclass(frozen=True, slots=True)
class Guess:
    """A latency that nobody measured, and how it is known: a distance, or the word of a platform."""

    one_way_ms: Decimal
    source: str
    grade: LinkGrade = LinkGrade.ESTIMATED


@dataclass(frozen=True, slots=True)
class Seen:
    """What samples say, each figure by those that have it."""

    one_way_ms: Decimal | None
    jitter_ms: Decimal | None
    loss: Decimal | None
    mbps: Decimal | None
    latency_at: datetime | None
    mbps_at: datetime | None
    samples: int


def seen(samples: Iterable[LinkSample], now: datetime) -> Seen:
    """Medians of the newest samples weighted by age, the mean of losses."""
    recent = sorted((one for one in samples if now - MAX_AGE <= one.at), key=lambda one: one.at, reverse=True)[:LAST]
    weights = [Decimal(2) ** -_halves(now - one.at) for one in recent]

    def column(name: str) -> list[tuple[Decimal, Decimal]]:
        values = ((getattr(one, name), weight) for one, weight in zip(recent, weights, strict=True))
        return [(value, weight) for value, weight in values if value is not None]

    rtt, losses = _median(column("rtt_ms")), column("loss")
    whole = sum((weight for _value, weight in losses), Decimal(0))
    return Seen(
        one_way_ms=None if rtt is None else _rounded(rtt / 2),
        jitter_ms=_median(column("jitter_ms")),
        loss=_rounded(sum((value * weight for value, weight in losses), Decimal(0)) / whole) if whole else None,
        mbps=_median(column("mbps")),
        latency_at=next((one.at for one in recent if one.rtt_ms is not None), None),
        mbps_at=next((one.at for one in recent if one.mbps is not None), None),
        samples=len(recent),
    )


def _halves(age: timedelta) -> Decimal:
    return Decimal(max(age, timedelta(0)) // timedelta(minutes=1)) / Decimal(HALF_LIFE // timedelta(minutes=1))


def _median(values: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The least value up to which half of the weight lies."""
    ordered, half = sorted(values), sum((weight for _value, weight in values), Decimal(0)) / 2
    total = Decimal(0)
    for value, weight in ordered:
        total += weight
        if total >= half:
            return value
    return None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_STEP)


def views(
    pair: tuple[str, str],
    declared: Sequence[Declared],
    samples: Sequence[LinkSample],
    guess: Guess | None,
    now: datetime,
) -> tuple[LinkView, ...]:
    """The links of a pair of sites, in the order given; where no wire is declared what was measured or estimated."""
    known = seen(samples, now)
    told = tuple(_of_link(pair, one, known, guess) for one in declared)
    wires = any(not one.courier for one in told)
    if wires or (guess is None and known.one_way_ms is None and known.mbps is None):
        return told
    return (*told, _view(pair, known, guess, {}))


def _of_link(pair: tuple[str, str], declared: Declared, known: Seen, guess: Guess | None) -> LinkView:
    link = declared.link
    about: dict[str, object] = {
        "carrier": declared.carrier,
        "name": link.name,
        "capacity_mbps": link.capacity_mbps,
        "cny_per_gb": link.cny_per_gb,
        "hours": link.hours,
    }
    if link.courier_hours is not None and link.courier_bytes is not None:
        rate = min(_courier_mbps(link.courier_bytes, link.courier_hours), link.capacity_mbps)
        start, end = pair
        return LinkView(
            start=start,
            end=end,
            courier=True,
            courier_hours=link.courier_hours,
            courier_bytes=link.courier_bytes,
            mbps=rate,
            mbps_grade=LinkGrade.DECLARED,
            **about,  # type: ignore[arg-type]  # fields by name
        )
    word = guess
    if link.one_way_ms is not None:
        word = Guess(link.one_way_ms, declared.carrier, LinkGrade.DECLARED)
    return _view(pair, known, word, about)


def _courier_mbps(carried: int, hours: Decimal) -> Decimal:
    """What a tour comes to as a rate."""
    return _rounded(Decimal(carried) * _BITS / (hours * 3600) / _MEGA)


def _view(pair: tuple[str, str], known: Seen, guess: Guess | None, about: dict[str, object]) -> LinkView:
    start, end = pair
    latency, grade = known.one_way_ms, LinkGrade.MEASURED
    if latency is None and guess is not None:
        latency, grade = guess.one_way_ms, guess.grade
    capacity = about.get("capacity_mbps")
    declared = capacity if isinstance(capacity, Decimal) else None
    mbps, mbps_grade = known.mbps, LinkGrade.MEASURED
    if mbps is None:
        mbps, mbps_grade = declared, LinkGrade.DECLARED
    elif declared is not None:
        mbps = min(mbps, declared)
    return LinkView(
        start=start,
        end=end,
        one_way_ms=latency,
        jitter_ms=known.jitter_ms,
        loss=known.loss,
        latency_grade=None if latency is None else grade,
        latency_class=None if latency is None else latency_class(latency),
        mbps=mbps,
        mbps_grade=None if mbps is None else mbps_grade,
        measured_at=known.latency_at,
        mbps_measured_at=known.mbps_at,
        samples=known.samples,
        source=guess.source if guess is not None and grade is not LinkGrade.MEASURED else "",
        **about,  # type: ignore[arg-type]  # fields by name
    )
