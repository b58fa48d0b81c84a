"""Checkpoints of tasks as whole sets: pieces as they come, counted only when the set is whole, the newest one kept."""

import json
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

_c, _p = t.checkpoint.c, t.checkpoint_piece.c


def find(unit: Unit, set_id: str) -> Row | None:
    """One set, locked until the unit ends."""
    query = select(t.checkpoint).where(_c.id == set_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


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


def pieces(unit: Unit, set_id: str, path: str) -> Sequence[tuple[int, bytes]]:
    """The pieces of a file in their order, each with where it begins."""
    query = select(_p.start, _p.data).where(_p.checkpoint_id == set_id, _p.path == path).order_by(_p.start)
    return [(int(start), bytes(data)) for start, data in unit.connection.execute(query)]


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
    query = select(t.checkpoint).where(_c.job_id == job_id, _c.idx == index, _c.whole_at.is_not(None))
    return unit.connection.execute(query.order_by(_c.whole_at.desc()).limit(1)).mappings().one_or_none()


def manifest_of(row: Row) -> list[dict[str, object]]:
    """The files of a whole set: path, size, sha256."""
    found: list[dict[str, object]] = json.loads(row["manifest"])
    return found


def others_of_task(unit: Unit, row: Row) -> Sequence[Row]:
    """Every other set of the same task, whole or not."""
    query = select(t.checkpoint).where(_c.job_id == row["job_id"], _c.idx == row["idx"], _c.id != row["id"])
    return unit.connection.execute(query).mappings().all()


def unfinished_of(unit: Unit, attempt_id: str) -> Sequence[Row]:
    """Sets of an attempt that were begun and are not whole."""
    query = select(t.checkpoint).where(_c.attempt_id == attempt_id, _c.whole_at.is_(None))
    return unit.connection.execute(query).mappings().all()


def over(unit: Unit, limit: int) -> Sequence[Row]:
    """Sets of jobs that have ended."""
    query = select(t.checkpoint).join(t.job, t.job.c.id == _c.job_id).where(t.job.c.ended_at.is_not(None))
    return unit.connection.execute(query.limit(limit)).mappings().all()


def remove(unit: Unit, row: Row) -> None:
    """Remove a set with its pieces; its bytes are the account's again."""
    unit.connection.execute(delete(t.checkpoint_piece).where(_p.checkpoint_id == row["id"]))
    unit.connection.execute(delete(t.checkpoint).where(_c.id == row["id"]))
    mine = t.account.c.id == row["account_id"]
    left = func.coalesce(t.account.c.held_bytes, 0) - row["size"]
    unit.connection.execute(
        update(t.account).where(mine, t.account.c.held_bytes >= row["size"]).values(held_bytes=left)
    )


def remove_of_attempt(unit: Unit, attempt_id: str) -> None:
    """All that an attempt wrote."""
    query = select(t.checkpoint).where(_c.attempt_id == attempt_id)
    for row in unit.connection.execute(query).mappings().all():
        remove(unit, row)
