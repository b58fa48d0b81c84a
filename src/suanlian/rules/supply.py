"""What does a check of supply say of a platform? Nothing, unless it could have known better. Pure.

Phantom capacity is a hard word, so all of this must be true: the connector was told, it called on afterwards, it took
work all the time, and a load that it told later (where it tells loads) still said that the amount was free.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.load import ShareLoad
from suanlian.model.probe import ProbeCap
from suanlian.model.quantity import Resources
from suanlian.model.supply import Excuse, SupplyOutcome

GRACE: Final = timedelta(seconds=20)
"""For the way there and back and the start of a process."""
CALLS_WITHIN: Final = timedelta(seconds=90)
"""So long it is waited for that a connector calls and is told; one that takes longer counts as away."""
LATER_STATE: Final = timedelta(seconds=60)
"""So long a later load is waited for before nothing is said."""
LEAST_MILLICORES: Final = 50
MOST_MEMORY_MIB: Final = 1024
BASE_MIB: Final = 192
DISK_MIB: Final = 64
N: Final = 128
OPERATIONS_PER_CORE: Final = 1e9
"""What one core is to multiply: any does it within a second or two."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A share and its connector just now. ``free``: by the capacity book and by the load that was told, the less."""

    live: bool
    observes: bool
    accepting: bool
    heard: bool
    offers_probes: bool
    free: Resources
    node: Resources
    cap: ProbeCap


def excuse_before(now: Standing) -> Excuse | None:
    """Why nothing is asked at all; None where the capacity is claimed."""
    told = (
        (now.live, Excuse.NOT_LIVE),
        (not now.observes, Excuse.OBSERVES),
        (now.accepting, Excuse.NOT_ACCEPTING),
        (now.heard, Excuse.NOT_HEARD),
        (now.offers_probes, Excuse.NO_PROBES),
        (amount_of(now, capped=False) is not None, Excuse.NOTHING_FREE),
        (amount_of(now) is not None, Excuse.PROBE_CAP),
    )
    return next((excuse for true, excuse in told if not true), None)


def amount_of(now: Standing, *, capped: bool = True) -> Resources | None:
    """What is claimed: as many free cores as the owner's cap lets in, and some memory; None where that is little."""
    cap = int(now.cap.cpu * 1000) if now.cap.seconds and now.cap.per_day else 0
    cpu = min(now.free.cpu, now.node.cpu, cap if capped else now.free.cpu)
    memory = BASE_MIB + held_memory(now)
    asked = Resources.of({"cpu": cpu, "memory": memory, "disk": DISK_MIB})
    return asked if cpu >= LEAST_MILLICORES and asked.fits(now.free) and asked.fits(now.node) else None


def held_memory(now: Standing) -> int:
    """MiB that the probe fills besides its own: a quarter of what is free, at most a gibibyte."""
    return min(MOST_MEMORY_MIB, now.free.memory // 4)


@dataclass(frozen=True, slots=True)
class Course:
    """How a check went. ``proved``: the product fitted; None where none came. ``later``: the newest load told."""

    asked: Resources
    asked_at: datetime
    capacity: Resources
    told_at: datetime | None
    seen_at: datetime | None
    accepting: bool
    ended_at: datetime | None
    answered_at: datetime | None
    proved: bool | None
    reason: str
    program_failed: bool
    later: ShareLoad | None
    tells_loads: bool


def goes_on(course: Course, now: datetime, hold: timedelta) -> bool:
    """Whether it has neither ended nor had all the time that it may take; then there is nothing to judge yet."""
    until = course.asked_at + CALLS_WITHIN if course.told_at is None else course.told_at + hold + GRACE
    return course.ended_at is None and now <= until


def verdict(course: Course, now: datetime, hold: timedelta) -> tuple[SupplyOutcome, str] | None:
    """The outcome with its reason; None where it is too early to say."""
    if goes_on(course, now, hold):
        return None
    deadline = None if course.told_at is None else course.told_at + hold + GRACE
    if course.proved is True and course.answered_at is not None and deadline is not None:
        return (SupplyOutcome.HELD, "") if course.answered_at <= deadline else _excused(Excuse.LATE)
    if course.reason.startswith("probe_cap"):
        return _excused(Excuse.PROBE_CAP)
    if course.program_failed:
        return _excused(Excuse.PROGRAM_FAILED)
    return _unanswered(course, now)


def _unanswered(course: Course, now: datetime) -> tuple[SupplyOutcome, str] | None:
    if course.told_at is None:
        return _excused(Excuse.NOT_TOLD)
    if not course.accepting:
        return _excused(Excuse.NOT_ACCEPTING)
    unsure = _unsure(course, course.told_at)
    if unsure is not None:
        # what comes later may still tell
        is_late = now > (course.ended_at or course.told_at + GRACE) + LATER_STATE
        return _excused(unsure) if is_late or unsure is Excuse.STATE_CHANGED else None
    if course.ended_at is None:
        return SupplyOutcome.SILENT, "it was told, called on, and neither began nor refused"
    return SupplyOutcome.REFUSED, course.reason or "it ended without the product"


def _unsure(course: Course, told_at: datetime) -> Excuse | None:
    """Why it cannot be said that the amount was free all the time; None where it can."""
    if course.seen_at is None or course.seen_at <= told_at:
        return Excuse.NOT_HEARD
    later = course.later
    if not course.tells_loads:
        return None
    if later is None or later.observed_at <= told_at:
        return Excuse.NO_LATER_STATE
    is_free = later.in_use is not None and course.asked.fits(_free_but_for_us(course, later))
    return None if is_free else Excuse.STATE_CHANGED


def _free_but_for_us(course: Course, later: ShareLoad) -> Resources:
    """What is free by a load, the check itself not counted, which a connector may count as given."""
    used = course.capacity if later.in_use is None else later.in_use
    mine = course.asked if course.asked.fits(later.ours) else Resources()
    return course.capacity.minus(used.minus(mine))


def _excused(excuse: Excuse) -> tuple[SupplyOutcome, str]:
    return SupplyOutcome.EXCUSED, excuse.value


def peak(spans: Iterable[tuple[datetime, datetime, int]]) -> int:
    """The most that was held at one moment of these spans ``[start, end)`` of an amount each."""
    changes: list[tuple[datetime, int]] = []
    for start, end, amount in spans:
        if end > start:
            changes += [(start, amount), (end, -amount)]
    most = held = 0
    # at one moment what ends goes before what begins
    for _moment, amount in sorted(changes):
        held += amount
        most = max(most, held)
    return most
