"""Checkpoints of tasks as whole sets: pieces as they come, counted only when the set is whole, the newest one kept.

A set may have a gibibyte. What is to go is dropped at once, which is one mark, and nobody's from then on; its pieces go
some at a time, so that who else has to write does not wait for them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

_c, _p = t.checkpoint.c, t.checkpoint_piece.c
CLEARED_BYTES: Final = 8 * 1024 * 1024
"""So much is removed in one unit of work: who else has to write waits a tenth of a second, not for a whole set."""
_AT_ONCE: Final = 50
_PIECES: Final = 200
_KEPT = _c.dropped_at.is_(None)


def find(unit: Unit, set_id: str) -> Row | None:
    """One set, locked until the unit ends."""
    query = select(t.checkpoint).where(_c.id == set_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def look(unit: Unit, set_id: str) -> Row | None:
    """One set as it is."""
    return unit.connection.execute(select(t.checkpoint).where(_c.id == set_id)).mappings().one_or_none()


def begin(unit: Unit, row: Row) -> None:
    """Begin a set."""
    unit.connection.execute(insert(t.checkpoint).values(**row))


def add_piece(unit: Unit, row: Row) -> bool:
    """Keep a piece; false where it is here already."""
    return insert_new(unit.connection, t.checkpoint_piece, [row]) == 1


def grow(unit: Unit, set_id: str, more: int) -> None:
    """Count a piece."""
    unit.connection.execute(update(t.checkpoint).where(_c.id == set_id).values(size=_c.size + more))


def lengths(unit: Unit, set_id: str) -> dict[str, int]:
    """How many bytes of each file are here."""
    query = select(_p.path, func.sum(_p.length)).where(_p.checkpoint_id == set_id).group_by(_p.path)
    return {path: int(length) for path, length in unit.connection.execute(query)}


def pieces(unit: Unit, set_id: str, path: str) -> Iterator[tuple[int, bytes]]:
    """The pieces of a file in their order, each with where it begins; one at a time is in memory."""
    query = select(_p.start, _p.data).where(_p.checkpoint_id == set_id, _p.path == path).order_by(_p.start)
    for start, data in unit.connection.execute(query.execution_options(yield_per=1)):
        yield int(start), bytes(data)


def read(unit: Unit, set_id: str, path: str, start: int, length: int) -> bytes:
    """Up to so many bytes of a file from ``start``."""
    end = start + length
    query = select(_p.start, _p.data).where(_p.checkpoint_id == set_id, _p.path == path)
    query = query.where(_p.start < end, _p.start + _p.length > start).order_by(_p.start)
    found = [(int(at), bytes(data)) for at, data in unit.connection.execute(query)]
    return b"".join(data[max(0, start - at) : end - at] for at, data in found)


def make_whole(unit: Unit, set_id: str, manifest: str) -> None:
    """All of it is here."""
    unit.connection.execute(update(t.checkpoint).where(_c.id == set_id).values(whole_at=unit.now, manifest=manifest))


def newest(unit: Unit, job_id: str, index: int) -> Row | None:
    """The newest whole set of a task."""
    query = select(t.checkpoint).where(_c.job_id == job_id, _c.idx == index, _c.whole_at.is_not(None), _KEPT)
    return unit.connection.execute(query.order_by(_c.whole_at.desc()).limit(1)).mappings().one_or_none()


def manifest_of(row: Row) -> list[dict[str, object]]:
    """The files of a whole set: path, size, sha256."""
    found: list[dict[str, object]] = json.loads(row["manifest"])
    return found


def others_of_task(unit: Unit, row: Row) -> Sequence[Row]:
    """Every other set of the same task, whole or not."""
    query = select(t.checkpoint).where(_c.job_id == row["job_id"], _c.idx == row["idx"], _c.id != row["id"], _KEPT)
    return unit.connection.execute(query).mappings().all()


def unfinished_of(unit: Unit, attempt_id: str) -> Sequence[Row]:
    """Sets of an attempt that were begun and are not whole."""
    query = select(t.checkpoint).where(_c.attempt_id == attempt_id, _c.whole_at.is_(None), _KEPT)
    return unit.connection.execute(query).mappings().all()


def over(unit: Unit, limit: int) -> Sequence[Row]:
    """Sets of jobs that have ended."""
    query = select(t.checkpoint).join(t.job, t.job.c.id == _c.job_id).where(t.job.c.ended_at.is_not(None), _KEPT)
    return unit.connection.execute(query.limit(limit)).mappings().all()


def drop(unit: Unit, row: Row) -> None:
    """A set that was kept is nobody's any more, and its bytes are the account's again; ``clear`` removes it."""
    unit.connection.execute(update(t.checkpoint).where(_c.id == row["id"]).values(dropped_at=unit.now))
    mine = t.account.c.id == row["account_id"]
    left = func.coalesce(t.account.c.held_bytes, 0) - row["size"]
    unit.connection.execute(
        update(t.account).where(mine, t.account.c.held_bytes >= row["size"]).values(held_bytes=left)
    )


def drop_of_attempt(unit: Unit, attempt_id: str) -> None:
    """All that an attempt wrote."""
    query = select(t.checkpoint).where(_c.attempt_id == attempt_id, _KEPT)
    for row in unit.connection.execute(query).mappings().all():
        drop(unit, row)


def clear(unit: Unit, account_id: str | None = None) -> bool:
    """Remove some of what was dropped, of one account or of all; whether there is more.

    Pieces of about ``CLEARED_BYTES`` in all, one at least, and the sets of which nothing is left.
    """
    query = select(_c.id).where(_c.dropped_at.is_not(None))
    if account_id is not None:
        query = query.where(_c.account_id == account_id)
    found = unit.connection.execute(query.order_by(_c.dropped_at).limit(_AT_ONCE)).scalars().all()
    left = CLEARED_BYTES
    for set_id in found:
        left = _clear(unit, set_id, left)
        if left <= 0:
            return True
    return len(found) == _AT_ONCE


def _clear(unit: Unit, set_id: str, most_bytes: int) -> int:
    """Remove the first pieces of a set, or all of it; how many bytes may still go. Zero or less: something is left."""
    mine = _p.checkpoint_id == set_id
    query = select(_p.path, _p.start, _p.length).where(mine).order_by(_p.path, _p.start).limit(_PIECES)
    left, last = most_bytes, None
    found = unit.connection.execute(query).all()
    for path, start, length in found:
        if left <= 0:
            break
        left, last = left - length, (path, start)
    if last is not None:
        until = (_p.path < last[0]) | ((_p.path == last[0]) & (_p.start <= last[1]))
        unit.connection.execute(delete(t.checkpoint_piece).where(mine, until))
    if left <= 0 or len(found) == _PIECES:
        return min(left, 0)
    unit.connection.execute(delete(t.checkpoint).where(_c.id == set_id))
    return left
