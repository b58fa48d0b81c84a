"""How much of a share is held at each moment, and may more be? The law: never more than there is, at any moment.

All intervals are half open, ``[start, end)``; an ``end`` of None is open. Amounts are base units (``model.quantity``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suanlian.model.quantity import ResourceKind, Resources


@dataclass(frozen=True, slots=True)
class Hold:
    """One row of the capacity book: ``quantity`` base units of one kind, from ``start`` until ``end``."""

    kind: ResourceKind
    quantity: int
    start: datetime
    end: datetime | None = None


def peak(holds: Iterable[Hold], start: datetime, end: datetime | None) -> int:
    """The most that is held at one moment of ``[start, end)``; give holds of one kind. One sweep, O(n log n)."""
    level, steps = 0, list[tuple[datetime, int]]()
    for hold in holds:
        begins = max(hold.start, start)
        if not _within(begins, end) or (hold.end is not None and hold.end <= begins):
            continue
        if begins == start:
            level += hold.quantity
        else:
            steps.append((begins, hold.quantity))
        if hold.end is not None:
            steps.append((hold.end, -hold.quantity))
    highest = level
    # at one moment what ends goes before what begins: a negative step sorts first
    for _, step in sorted(steps):
        level += step
        highest = max(highest, level)
    return highest


def held(holds: Sequence[Hold], start: datetime, end: datetime | None) -> dict[ResourceKind, int]:
    """The peak of each kind within ``[start, end)``, every kind present."""
    return {kind: peak((hold for hold in holds if hold.kind is kind), start, end) for kind in ResourceKind}


def admit(
    capacity: Resources, holds: Sequence[Hold], wanted: Resources, start: datetime, end: datetime | None
) -> tuple[ResourceKind, ...]:
    """The kinds that ``wanted`` would over-commit at some moment of ``[start, end)``; empty: it may be held.

    A kind of which nothing is wanted never stands in the way, even while the share drains.
    """
    if not _within(start, end):
        return ()
    has, taken = capacity.base(), held(holds, start, end)
    return tuple(kind for kind, amount in wanted.base().items() if amount and taken[kind] + amount > has[kind])


def over_committed(
    capacity: Resources | None, rows: Iterable[Mapping[Any, Any]], wanted: Resources, start: datetime
) -> tuple[ResourceKind, ...]:
    """As ``admit`` for what begins now and has no end yet, over rows of the capacity book; without capacity, all."""
    if capacity is None:
        return tuple(ResourceKind)
    holds = [Hold(ResourceKind(row["kind"]), row["quantity"], row["start_at"], row["end_at"]) for row in rows]
    return admit(capacity, holds, wanted, start, None)


def free(capacity: Resources, holds: Sequence[Hold], start: datetime, end: datetime | None) -> Resources:
    """What can be held during the whole of ``[start, end)``; never below zero."""
    has, taken = capacity.base(), held(holds, start, end)
    return Resources.of({kind: max(0, has[kind] - taken[kind]) for kind in ResourceKind})


def draining(capacity: Resources, holds: Sequence[Hold], now: datetime) -> tuple[ResourceKind, ...]:
    """The kinds of which more is held, now or later, than there is: the owner shrank the share below them."""
    has, taken = capacity.base(), held(holds, now, None)
    return tuple(kind for kind in ResourceKind if taken[kind] > has[kind])


def _within(moment: datetime, end: datetime | None) -> bool:
    return end is None or moment < end
