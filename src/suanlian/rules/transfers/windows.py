"""From bytes of each slot to rates: what shares a link in a slot gets the same, unless it needs more.

Max-min fair, and never more than passes: the small ones are through early, the large ones take the slot.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from suanlian.rules.transfers.book import Placed
from suanlian.rules.transfers.ready import Ready

_BITS: Final = 8


class Window(NamedTuple):
    """From one moment until another so many bytes of a leg (0, 1) go over a link, at a rate.

    ``reserved``: within what its account has reserved.
    """

    leg: int
    link: str
    start: datetime
    end: datetime
    bytes: int
    mbps: float
    reserved: bool


class _Piece(NamedTuple):
    job: int
    leg: int
    row: int
    slot: int
    amount: int


class _Span(NamedTuple):
    leg: int
    row: int
    start: int
    end: int
    amount: int
    tour: bool = False


def windows(ready: Ready, placed: Sequence[Placed | None]) -> list[tuple[Window, ...]]:
    """Of each job, leg by leg and in time; their bytes add up exactly to what was placed."""
    problem, grid, room, jobs = ready
    by_slot: dict[tuple[int, int], list[_Piece]] = defaultdict(list)
    for n, one in enumerate(placed):
        for leg, pieces in enumerate(one.pieces if one is not None else ()):
            for row, slot, amount in zip(*(column.tolist() for column in pieces), strict=True):
                by_slot[row, slot].append(_Piece(n, leg, row, slot, amount))
    spans: list[list[_Span]] = [[] for _ in jobs]
    for members in by_slot.values():
        _share(members, ready, spans)
    links = len(problem.links)
    lane_of = {row: link for (link, _account), row in room.lanes.items()}
    return [
        tuple(
            Window(
                one.leg,
                problem.links[lane_of.get(one.row, one.row)].name,
                grid.moment + timedelta(microseconds=one.start),
                grid.moment + timedelta(microseconds=one.end),
                one.amount,
                one.amount * _BITS / (one.end - one.start),
                one.row >= links,
            )
            for one in _joined(sorted(mine, key=lambda one: (one.leg, one.start, one.row)))
        )
        for mine in spans
    ]


def _share(members: list[_Piece], ready: Ready, spans: list[list[_Span]]) -> None:
    _problem, grid, room, _jobs = ready
    row, slot = members[0].row, members[0].slot
    start, end = int(grid.starts[slot]), int(grid.ends[slot])
    if int(room.arrive[row, slot]) != end:  # a courier: it is under way for a whole tour
        for one in members:
            spans[one.job].append(_Span(one.leg, row, start, int(room.arrive[row, slot]), one.amount, tour=True))
        return
    level = _level([one.amount for one in members], int(room.free[row, slot]))
    for one in members:
        # so long at the level, or the whole slot where it needs more than that
        took = -(-one.amount * (end - start) // max(level, one.amount))
        spans[one.job].append(_Span(one.leg, row, start, start + min(took, end - start), one.amount))


def _level(amounts: Sequence[int], free: int) -> int:
    """Bytes a slot that each of them may take at least, so that all together take no more than is free."""
    rest, count = free, len(amounts)
    for amount in sorted(amounts, reverse=True):
        if amount * count <= rest:
            break
        rest, count = rest - amount, count - 1
    return rest // count if count else 0


def _joined(spans: list[_Span]) -> list[_Span]:
    """Those that go on at the same rate are one."""
    joined: list[_Span] = []
    for one in spans:
        last = joined[-1] if joined and not one.tour else None
        if last is not None and (last.leg, last.row, last.end) == (one.leg, one.row, one.start) and _alike(last, one):
            joined[-1] = _Span(last.leg, last.row, last.start, one.end, last.amount + one.amount)
        else:
            joined.append(one)
    return joined


def _alike(a: _Span, b: _Span) -> bool:
    """Whether both go at the same rate, but for a byte."""
    ours, theirs = a.end - a.start, b.end - b.start
    return abs(a.amount * theirs - b.amount * ours) <= 2 * max(ours, theirs)
