"""Bytes that the hub carries: uploaded inputs, live logs, outputs. Each with its owner and its bounds."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, insert, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit


def add_object(unit: Unit, row: Row) -> bool:
    """Keep an uploaded input; false when this account has it already."""
    return insert_new(unit.connection, t.object_, [row]) == 1


def find_object(unit: Unit, account_id: str, sha256: str) -> bytes | None:
    """The bytes of an account's own object."""
    query = select(t.object_.c.data).where(t.object_.c.account_id == account_id, t.object_.c.sha256 == sha256)
    return unit.connection.execute(query).scalar_one_or_none()


def has_objects(unit: Unit, account_id: str, digests: Sequence[str]) -> frozenset[str]:
    """Which of these the account has."""
    query = select(t.object_.c.sha256).where(t.object_.c.account_id == account_id, t.object_.c.sha256.in_(digests))
    return frozenset(unit.connection.execute(query).scalars())


def hold_bytes(unit: Unit, account_id: str, more: int, most: int) -> bool:
    """Count so many bytes more for the account, unless that passes ``most``; one statement, so that no two slip by."""
    fits = (t.account.c.id == account_id) & (t.account.c.held_bytes + more <= most)
    counted = update(t.account).where(fits).values(held_bytes=t.account.c.held_bytes + more)
    return unit.connection.execute(counted).rowcount == 1


def log_length(unit: Unit, attempt_id: str, stream: str) -> int:
    """How many bytes of the stream are here."""
    query = select(func.max(t.log_chunk.c.start + t.log_chunk.c.length))
    query = query.where(t.log_chunk.c.attempt_id == attempt_id, t.log_chunk.c.stream == stream)
    return int(unit.connection.execute(query).scalar_one() or 0)


def log_pieces(unit: Unit, attempt_id: str, stream: str) -> int:
    """In how many pieces the stream came so far."""
    query = select(func.count()).where(t.log_chunk.c.attempt_id == attempt_id, t.log_chunk.c.stream == stream)
    return int(unit.connection.execute(query).scalar_one())


def add_log(unit: Unit, row: Row) -> None:
    """Append a chunk that starts where the last one ends."""
    unit.connection.execute(insert(t.log_chunk).values(**row))


def read_log(unit: Unit, attempt_id: str, stream: str, offset: int, limit: int) -> bytes:
    """Up to about ``limit`` bytes from ``offset``."""
    query = (
        select(t.log_chunk.c.start, t.log_chunk.c.data)
        .where(t.log_chunk.c.attempt_id == attempt_id, t.log_chunk.c.stream == stream)
        .where(t.log_chunk.c.start + t.log_chunk.c.length > offset)
        .order_by(t.log_chunk.c.start)
    )
    taken = bytearray()
    for start, data in unit.connection.execute(query):
        taken += data[max(0, offset - start) :]
        if len(taken) >= limit:
            break
    return bytes(taken[:limit])


def pieces(unit: Unit, attempt_id: str, stream: str) -> list[tuple[bytes, datetime | None]]:
    """The stream in the pieces in which it came, each with when."""
    query = select(t.log_chunk.c.data, t.log_chunk.c.arrived_at)
    query = query.where(t.log_chunk.c.attempt_id == attempt_id, t.log_chunk.c.stream == stream)
    return [(bytes(data), at) for data, at in unit.connection.execute(query.order_by(t.log_chunk.c.start))]


def add_output(unit: Unit, row: Row) -> bool:
    """Keep an output; false when it is here already."""
    return insert_new(unit.connection, t.output, [row]) == 1


def find_output(unit: Unit, attempt_id: str, path: str) -> Row | None:
    """One output with its bytes."""
    query = select(t.output).where(t.output.c.attempt_id == attempt_id, t.output.c.path == path)
    return unit.connection.execute(query).mappings().one_or_none()


def newest_outputs(unit: Unit, job_id: str, index: int | None, *, after: tuple[int, str], limit: int) -> Sequence[Row]:
    """What the newest attempts of a job's tasks brought, without the bytes, by index and path, from ``after`` on."""
    last = newest_attempts(job_id, None if index is None else [index]).subquery()
    behind = (t.attempt.c.idx > after[0]) | ((t.attempt.c.idx == after[0]) & (t.output.c.path > after[1]))
    columns = (t.attempt.c.idx.label("task_index"), t.output.c.path, t.output.c.size, t.output.c.sha256)
    query = (
        select(*columns)
        .join(t.attempt, t.attempt.c.id == t.output.c.attempt_id)
        .join(last, (t.attempt.c.idx == last.c.idx) & (t.attempt.c.number == last.c.number))
        .where(t.attempt.c.job_id == job_id, t.attempt.c.idx >= after[0], behind)
    )
    return unit.connection.execute(query.order_by(t.attempt.c.idx, t.output.c.path).limit(limit)).mappings().all()


def newest_attempts(job_id: str, indices: Sequence[int] | None) -> Select[tuple[int, int]]:
    """The newest attempt of each of these tasks (None: of all that have one), by index and number."""
    query = select(t.attempt.c.idx, func.max(t.attempt.c.number).label("number")).where(t.attempt.c.job_id == job_id)
    query = query if indices is None else query.where(t.attempt.c.idx.in_(list(indices)))
    return query.group_by(t.attempt.c.idx)
