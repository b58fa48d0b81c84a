"""DELETE, and what is left of a task: what is thrown away when it is to be stopped, or when its end is recorded."""

import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Final

from suanlian.agent.data.book import Place, PlaceState
from suanlian.agent.data.keeping import forget_kept
from suanlian.agent.data.kit import Fields, Kit, Run
from suanlian.agent.data.moving import empty_inbox, journal_key
from suanlian.agent.data.places import is_own, own_place, reader_of
from suanlian.agent.data.row import TaskRow
from suanlian.agent.row import Step as AttemptStep
from suanlian.model.data_protocol import Direction, StorageTask, TaskKind, TaskReport, TaskState
from suanlian.model.ids import AttemptId
from suanlian.storage.contract import Code, StorageError, Writable

_BRINGS: Final = frozenset({TaskKind.MOVE, TaskKind.TAKE, TaskKind.KEEP})
JOURNAL_DAYS: Final = 7
"""So long the journal of a move that did not end well waits for another try."""


def remove(kit: Kit, run: Run) -> Fields:
    """Remove a replica that is managed. That nothing is read or written there any more is on the disk before."""
    task = run.task
    if not is_own(reader_of(task), task.place):
        raise StorageError(Code.REFUSED, "only a replica's own place is removed: what was registered stays")
    storage = kit.stores.writable(task.storage)
    if kit.book.place(task.storage, task.place) is None:
        own_place(task, None)
    kit.book.note(
        Place(
            storage=task.storage, place=task.place, state=PlaceState.DELETED, replica_id=task.replica_id,
            files=0, bytes=0,
        )
    )  # fmt: skip
    kit.manifests.drop(task.storage, task.place)
    _throw_away(kit, storage, task)
    return {}


def give_up(kit: Kit, task: StorageTask) -> None:
    """It is to be stopped: what came of it is thrown away, but not a replica that is whole."""
    if task.kind in _BRINGS and task.direction is Direction.READ:
        known = kit.book.place(task.storage, task.place)
        if known is None and is_own(reader_of(task), task.place):
            _throw_away(kit, kit.stores.writable(task.storage), task)
    elif task.kind is TaskKind.MOVE:
        kit.journal(journal_key(task)).unlink(missing_ok=True)
    if task.kind is TaskKind.TAKE or (task.kind is TaskKind.GRANT and task.direction is Direction.WRITE):
        empty_inbox(kit.stores.writable(task.storage), task.source_place)


def forget(kit: Kit, row: TaskRow) -> None:
    """Its end is recorded: its traces go. Never a replica: a ledger that was lost knows of none that is whole.

    What came of a move that is forgotten half-way waits for another try, or for the deletion of its replica.
    """
    task = row.task
    if task.kind is TaskKind.KEEP:
        forget_kept(kit, task)
    if task.kind is TaskKind.TAKE:
        empty_inbox(kit.stores.writable(task.storage), task.source_place)
    if task.kind in _BRINGS and _done(row.end):
        kit.journal(journal_key(task)).unlink(missing_ok=True)


def _done(end: TaskReport | None) -> bool:
    return end is not None and end.state is TaskState.DONE


def _throw_away(kit: Kit, storage: Writable, task: StorageTask) -> None:
    for place in {storage.coming(task.place, task.replica_id), task.place}:
        storage.abort_below(place)
        storage.delete_below(place)
    kit.journal(journal_key(task)).unlink(missing_ok=True)


def sweep(kit: Kit) -> None:
    """Remove what nobody comes back for: grants that ran out, journals and pieces of moves that were given up."""
    now, rows = kit.desk.clock(), kit.book.rows()
    live = {row.task.replica_id for row in rows if row.task.replica_id}
    keys = {kit.journal(journal_key(row.task)).name for row in rows}
    old = (now - timedelta(days=JOURNAL_DAYS)).timestamp()
    if kit.moves.is_dir():
        for path in kit.moves.iterdir():
            if path.name not in keys and path.stat().st_mtime < old:
                path.unlink(missing_ok=True)
    for name in kit.stores.names:
        with suppress(StorageError):
            kit.stores.writable(name).sweep(now, live)
    _sweep_kept(kit, {row.task.attempt_id for row in rows if row.task.kind is TaskKind.KEEP})
    kit.book.prune()


def _sweep_kept(kit: Kit, wanted: Collection[str]) -> None:
    """What was set aside of attempts that nobody asked to keep within a week of their end."""
    old = (kit.desk.clock() - timedelta(days=JOURNAL_DAYS)).timestamp()
    if not kit.desk.home.kept.is_dir():
        return
    for path in kit.desk.home.kept.iterdir():
        row = kit.desk.ledger.row(AttemptId(path.name))
        is_gone = row is None or row.step is AttemptStep.FORGOTTEN
        if is_gone and path.name not in wanted and path.stat().st_mtime < old:
            shutil.rmtree(path, ignore_errors=True)
