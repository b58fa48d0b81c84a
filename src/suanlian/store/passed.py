"""What an attempt may read besides the inputs of its job: named on its own row, byte for byte, when it got its place.

A source says where the bytes lie. Whoever passes on another kind of file adds a kind here.
"""

from collections.abc import Sequence

from sqlalchemy import select

from suanlian.model.demand import SOURCES, Source, SourceKind
from suanlian.store import checkpoints, files
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


class MissingError(Exception):
    """Something that a task is to be handed is not there; ``str`` is the reason, beginning with its code."""


def text(sources: Sequence[Source]) -> str | None:
    """As the attempt's row keeps them."""
    return SOURCES.dump_json(tuple(sources)).decode() if sources else None


def of_row(attempt: Row) -> tuple[Source, ...]:
    """What this attempt may read."""
    return SOURCES.validate_json(attempt["passed"]) if attempt["passed"] else ()


def find(unit: Unit, attempt: Row, sha256: str, start: int = 0, length: int = 0) -> bytes | None:
    """The bytes of something that was passed to this very attempt; None where nothing of that digest was.

    From ``start``, at most ``length`` (0: all).
    """
    for source in of_row(attempt):
        if source.passed.sha256 == sha256 and source.kind is SourceKind.CHECKPOINT and length:
            # a checkpoint may be large: only the pieces that bear on the question are read
            return checkpoints.read(unit, source.attempt_id, source.path, start, length)
        if source.passed.sha256 == sha256:
            data = _READ[source.kind](unit, source)
            if data is not None:
                return data[start : start + length] if length else data[start:]
    return None


def _output(unit: Unit, source: Source) -> bytes | None:
    row = files.find_output(unit, source.attempt_id, source.path)
    return bytes(row["data"]) if row is not None and row["sha256"] == source.passed.sha256 else None


def _checkpoint(unit: Unit, source: Source) -> bytes | None:
    found = checkpoints.pieces(unit, source.attempt_id, source.path)
    data = b"".join(data for _start, data in found)
    return data if len(data) == source.passed.size else None


_READ = {SourceKind.OUTPUT: _output, SourceKind.CHECKPOINT: _checkpoint}


def outputs_below(unit: Unit, job_id: str, indices: Sequence[int] | None, path: str, limit: int) -> Sequence[Row]:
    """What the newest attempts of these tasks (None: of all) brought at a path or below it, without the bytes."""
    last = files.newest_attempts(job_id, indices).subquery()
    is_newest = (t.attempt.c.idx == last.c.idx) & (t.attempt.c.number == last.c.number)
    inside = t.output.c.path.startswith(f"{path}/", autoescape=True)
    query = (
        select(t.output.c.attempt_id, t.attempt.c.idx, t.output.c.path, t.output.c.size, t.output.c.sha256)
        .join(t.attempt, t.attempt.c.id == t.output.c.attempt_id)
        .join(last, is_newest)
        .where(t.attempt.c.job_id == job_id, (t.output.c.path == path) | inside)
        .order_by(t.attempt.c.idx, t.output.c.path)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()
