from collections.abc import Sequence
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.quantity import ResourceKind, Resources
from suanlian.rules.capacity import Hold, admit, draining, free, peak
from tests.rules.worlds import NOW, after, amounts, moments, resources

intervals = st.tuples(moments, st.none() | moments)
holds_of_one = st.lists(st.builds(Hold, st.just(ResourceKind.CPU), st.integers(0, 5), moments, st.none() | moments))
requests = st.lists(st.tuples(amounts, moments, st.none() | moments), max_size=12)


def level(holds: Sequence[Hold], moment: datetime, kind: ResourceKind) -> int:
    """The oracle: what is held at one moment, added up by looking at every hold."""
    alive = (h for h in holds if h.kind is kind and h.start <= moment and (h.end is None or moment < h.end))
    return sum(hold.quantity for hold in alive)


def moments_of(holds: Sequence[Hold], start: datetime, end: datetime | None) -> list[datetime]:
    """All moments at which the level can be highest: the start, and wherever a hold begins."""
    inside = [start, *(hold.start for hold in holds)]
    return [moment for moment in inside if start <= moment and (end is None or moment < end)]


def holds_for(wanted: Resources, start: datetime, end: datetime | None) -> list[Hold]:
    return [Hold(kind, amount, start, end) for kind, amount in wanted.base().items()]


@given(holds_of_one, intervals)
def test_the_peak_is_the_highest_level_at_any_moment(
    holds: list[Hold], interval: tuple[datetime, datetime | None]
) -> None:
    levels = [level(holds, moment, ResourceKind.CPU) for moment in moments_of(holds, *interval)]
    assert peak(holds, *interval) == max(levels, default=0)


@given(amounts, requests)
def test_what_is_admitted_never_exceeds_the_capacity_at_any_moment(
    capacity: Resources, asked: list[tuple[Resources, datetime, datetime | None]]
) -> None:
    book: list[Hold] = []
    for wanted, start, end in asked:
        if not admit(capacity, book, wanted, start, end):
            book += holds_for(wanted, start, end)
    for kind, has in capacity.base().items():
        assert all(level(book, hold.start, kind) <= has for hold in book)
    assert not draining(capacity, book, NOW)


@given(amounts, amounts, requests, intervals)
def test_a_refusal_names_the_kinds_that_would_be_over_committed_and_no_others(
    capacity: Resources,
    wanted: Resources,
    held: list[tuple[Resources, datetime, datetime | None]],
    interval: tuple[datetime, datetime | None],
) -> None:
    book = [hold for request in held for hold in holds_for(*request)]
    over = admit(capacity, book, wanted, *interval)
    for kind, amount in wanted.base().items():
        levels = [level(book, moment, kind) for moment in moments_of(book, *interval)]
        assert (kind in over) == any(amount and taken + amount > capacity.base()[kind] for taken in levels)


@given(amounts, amounts, requests, intervals)
def test_after_a_shrink_nothing_of_a_draining_kind_is_admitted_while_it_is_over(
    shrunk: Resources,
    wanted: Resources,
    held: list[tuple[Resources, datetime, datetime | None]],
    interval: tuple[datetime, datetime | None],
) -> None:
    book = [hold for request in held for hold in holds_for(*request)]
    over = draining(shrunk, book, NOW)
    assert over == tuple(
        kind for kind in ResourceKind if any(level(book, h.start, kind) > shrunk.base()[kind] for h in book)
    )
    refused = admit(shrunk, book, wanted, *interval)
    for kind in over:
        over_within = [m for m in moments_of(book, *interval) if level(book, m, kind) > shrunk.base()[kind]]
        assert bool(over_within and wanted.base()[kind]) <= (kind in refused)


@given(amounts, requests, intervals)
def test_what_is_free_is_the_most_that_is_admitted(
    capacity: Resources,
    held: list[tuple[Resources, datetime, datetime | None]],
    interval: tuple[datetime, datetime | None],
) -> None:
    book = [hold for request in held for hold in holds_for(*request)]
    room = free(capacity, book, *interval)
    assert admit(capacity, book, room, *interval) == ()
    start, end = interval
    if end is None or start < end:
        more = room.plus(resources(1, 1, 1, 1))
        assert admit(capacity, book, more, start, end) == tuple(ResourceKind)


def test_a_hold_ends_as_the_next_begins() -> None:
    book = holds_for(resources(cpu=2), NOW, after(5))
    assert admit(resources(cpu=2), book, resources(cpu=2), after(5), None) == ()
    assert admit(resources(cpu=2), book, resources(cpu=1), after(4), None) == (ResourceKind.CPU,)
