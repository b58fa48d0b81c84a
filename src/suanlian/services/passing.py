"""What is a task handed besides its inputs? Asked when it gets its place, and kept on the attempt: it stays so."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from suanlian.model.demand import PassedFile, PassedObject, Source, SourceKind
from suanlian.model.job import JobSpec
from suanlian.rules.dependencies import FAILED, indices, laid
from suanlian.store import checkpoints, edges
from suanlian.store.passed import MissingError, outputs_below
from suanlian.store.unit import Row, Unit

MAX_PASSED: Final = 4096
"""So many files are handed to a task at most."""


def sources(unit: Unit, row: Row, index: int) -> tuple[Source, ...]:
    """All that the task of this index is handed. Raises MissingError where something of it is not there."""
    spec = _spec(row["spec"])
    of_others = _of_others(unit, row, spec, index) if any(one.files for one in spec.after) else ()
    return (*of_others, *_checkpoint(unit, row, index)) if spec.checkpoint is not None else of_others


def _checkpoint(unit: Unit, row: Row, index: int) -> tuple[Source, ...]:
    """The newest whole checkpoint of the task; nothing where it never wrote one."""
    newest = checkpoints.newest(unit, row["id"], index)
    if newest is None:
        return ()
    return tuple(
        Source(
            passed=PassedObject.model_validate(file),
            kind=SourceKind.CHECKPOINT,
            attempt_id=newest["id"],
            path=str(file["path"]),
        )
        for file in checkpoints.manifest_of(newest)
    )


@lru_cache(maxsize=16)
def _spec(text: str) -> JobSpec:
    """One array asks for each of its tasks."""
    return JobSpec.model_validate_json(text)


def _of_others(unit: Unit, row: Row, spec: JobSpec, index: int) -> tuple[Source, ...]:
    found: list[Source] = []
    for edge, one in zip(edges.of_job(unit, row["id"]), spec.after, strict=True):
        for file in one.files:
            found += _of_one(unit, (edge, file), own=index, tasks=spec.tasks)
    if len(found) > MAX_PASSED:
        raise MissingError(f"{FAILED}: more than {MAX_PASSED} files would be handed on")
    return tuple(found)


def _of_one(unit: Unit, which: tuple[Row, PassedFile], *, own: int, tasks: int) -> list[Source]:
    edge, file = which
    try:
        wanted = indices(file, own=own, tasks=tasks, upstream_tasks=edge["tasks"])
    except ValueError as error:
        raise MissingError(f"{FAILED}: {edge['name']}: {error}") from error
    rows = outputs_below(unit, edge["upstream_id"], wanted, file.output, MAX_PASSED + 1)
    try:
        found = _laid(file, rows, every=wanted is None)
    except ValueError as error:
        raise MissingError(f"{FAILED}: a path of {edge['name']} is too long to be handed on") from error
    if not found:
        raise MissingError(f"{FAILED}: {edge['name']} brought no {file.output[:200]}")
    return found


def _laid(file: PassedFile, rows: Sequence[Row], *, every: bool) -> list[Source]:
    made = []
    for row in rows:
        path = laid(file, row["path"], row["idx"] if every else None)
        if path is not None:
            passed = PassedObject(path=path, sha256=row["sha256"], size=row["size"])
            made.append(Source(passed=passed, attempt_id=row["attempt_id"], path=row["path"]))
    return made
