"""The capacity book: who holds how much of which share, from when until when.

``change``, ``take_all`` and ``release_all`` alone write.

Rows are never removed. A release ends the row; what was held stays readable for ever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Update, bindparam, case, func, or_, select, update

from suanlian.model.quantity import ResourceKind, Resources
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.dialect import lock_name
from suanlian.store.unit import Row, Unit


@dataclass(frozen=True, slots=True)
class Taking:
    """A wish to hold ``amount`` of a share from ``start`` until ``end`` (None: until released)."""

    share_id: str
    amount: Resources
    start: datetime
    end: datetime | None
    holder_kind: str
    holder_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Releasing:
    """The end of all that a holder holds."""

    holder_kind: str
    holder_id: str
    at: datetime


def change(unit: Unit, wish: Taking | Releasing, admit: Callable[[Sequence[Row]], Sequence[ResourceKind]]) -> bool:
    """Write the book, under the share's lock. ``admit`` gets what overlaps and names what would be too much.

    What is held from before on and has no end is one row a kind there: thousands of attempts are added up by the store.

    Returns False, with nothing written, when anything would be. A holder that holds already holds once.
    """
    if isinstance(wish, Releasing):
        release_all(unit, wish.holder_kind, [wish.holder_id], wish.at)
        return True
    lock_name(unit.connection, f"share:{wish.share_id}")
    if _holds(unit, wish):
        return True
    if admit([*_steady(unit, wish), *_passing(unit, wish)]):
        return False
    _take(unit, wish)
    return True


def take_all(
    unit: Unit, wishes: Sequence[Taking], admit: Callable[[Sequence[Row], Resources], Sequence[ResourceKind]]
) -> bool:
    """Let several new holders hold as much of one share from one moment on, all of them or none; as ``change`` else.

    ``admit`` gets what overlaps, added up as there, and what all want together.
    """
    first = wishes[0]
    lock_name(unit.connection, f"share:{first.share_id}")
    if admit([*_steady(unit, first), *_passing(unit, first)], first.amount.times(len(wishes))):
        return False
    insert_rows(unit.connection, t.capacity, [row for wish in wishes for row in _rows(wish, unit.now)])
    return True


def release_all(unit: Unit, holder_kind: str, holder_ids: Sequence[str], at: datetime) -> None:
    """End all that these holders hold."""
    if holder_ids:
        unit.connection.execute(_RELEASE, [{"of": holder_kind, "by": holder, "at": at} for holder in holder_ids])


def _take(unit: Unit, wish: Taking) -> None:
    insert_rows(unit.connection, t.capacity, _rows(wish, unit.now))


def _rows(wish: Taking, now: datetime) -> list[Row]:
    shared = {
        "share_id": wish.share_id,
        "start_at": wish.start,
        "end_at": wish.end,
        "holder_kind": wish.holder_kind,
        "holder_id": wish.holder_id,
        "token": wish.token,
        "written_at": now,
    }
    amounts = [(kind, amount) for kind, amount in wish.amount.base().items() if amount]
    return [{**shared, "kind": kind.value, "quantity": amount} for kind, amount in amounts]


def _released() -> Update:
    at = bindparam("at", type_=t.capacity.c.end_at.type)
    mine = (t.capacity.c.holder_kind == bindparam("of")) & (t.capacity.c.holder_id == bindparam("by"))
    still = or_(t.capacity.c.end_at.is_(None), t.capacity.c.end_at > at)
    ended = case((t.capacity.c.start_at > at, t.capacity.c.start_at), else_=at)
    return update(t.capacity).where(mine & still).values(end_at=ended)


_RELEASE: Final = _released()
"""Made once: thousands end in a minute, and making it costs more than executing it."""


def _overlapping(wish: Taking) -> ColumnElement[bool]:
    """What holds at some moment of the time that is wished for."""
    reaches = (t.capacity.c.share_id == wish.share_id) & or_(
        t.capacity.c.end_at.is_(None), t.capacity.c.end_at > wish.start
    )
    return reaches if wish.end is None else reaches & (t.capacity.c.start_at < wish.end)


def _holds(unit: Unit, wish: Taking) -> bool:
    mine = (t.capacity.c.holder_id == wish.holder_id) & (t.capacity.c.token == wish.token)
    query = select(t.capacity.c.id).where(_overlapping(wish) & mine).limit(1)
    return unit.connection.execute(query).first() is not None


def _steady(unit: Unit, wish: Taking) -> Sequence[Row]:
    """What is held before the wish begins and has no end, added up by kind."""
    held = t.capacity.c.end_at.is_(None) & (t.capacity.c.start_at <= wish.start)
    query = (
        select(t.capacity.c.kind, func.sum(t.capacity.c.quantity))
        .where((t.capacity.c.share_id == wish.share_id) & held)
        .group_by(t.capacity.c.kind)
    )
    return [
        {"kind": kind, "quantity": int(quantity), "start_at": wish.start, "end_at": None}
        for kind, quantity in unit.connection.execute(query)
    ]


def _passing(unit: Unit, wish: Taking) -> Sequence[Row]:
    """What else overlaps: it ends or begins at some moment of the wish."""
    passes = t.capacity.c.end_at.is_not(None) | (t.capacity.c.start_at > wish.start)
    return unit.connection.execute(select(t.capacity).where(_overlapping(wish) & passes)).mappings().all()


def held_now(unit: Unit) -> dict[str, Resources]:
    """What is held of each share at this moment."""
    holds = or_(t.capacity.c.end_at.is_(None), t.capacity.c.end_at > unit.now) & (t.capacity.c.start_at <= unit.now)
    query = (
        select(t.capacity.c.share_id, t.capacity.c.kind, func.sum(t.capacity.c.quantity).label("quantity"))
        .where(holds)
        .group_by(t.capacity.c.share_id, t.capacity.c.kind)
    )
    held: dict[str, dict[str, int]] = {}
    for share_id, kind, quantity in unit.connection.execute(query):
        held.setdefault(share_id, {})[kind] = int(quantity)
    return {share_id: Resources.of(amounts) for share_id, amounts in held.items()}


def rows_between(unit: Unit, start: datetime, end: datetime) -> Sequence[Row]:
    """Every row that held at some moment of [start, end), over all shares."""
    reaches = or_(t.capacity.c.end_at.is_(None), t.capacity.c.end_at > start)
    query = select(t.capacity).where(reaches, t.capacity.c.start_at < end).order_by(t.capacity.c.id)
    return unit.connection.execute(query).mappings().all()
