"""The tasks on storage in the agent's ledger, and the places that replicas had: every change is one transaction."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from suanlian.agent.data.row import Step, TaskRow, told
from suanlian.agent.ledger import Ledger
from suanlian.model.base import Value
from suanlian.model.data_protocol import StorageTask

KEPT_DAYS: Final = 30
"""How long a forgotten task is remembered; an answer of the hub expires after minutes."""
_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS storage_tasks (
  task_id TEXT PRIMARY KEY, step TEXT NOT NULL, body TEXT NOT NULL, changed_at TEXT NOT NULL
) STRICT""",
    "CREATE INDEX IF NOT EXISTS storage_tasks_step ON storage_tasks (step)",
    """CREATE TABLE IF NOT EXISTS storage_places (
  storage TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL, replica_id TEXT NOT NULL, files INTEGER NOT NULL,
  bytes INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (storage, place)
) STRICT""",
)


class PlaceState(StrEnum):
    """What became of a place, which is one replica's for ever."""

    WHOLE = "whole"
    BROKEN = "broken"
    """Something in it is not as its manifest says: nothing is read from there."""
    DELETED = "deleted"


class Place(Value):
    """What is known of one place."""

    storage: str
    place: str
    state: PlaceState
    replica_id: str
    files: int
    bytes: int


class DataBook:
    """Over the ledger's one connection. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        """Make the tables where they are not there."""
        self._ledger, self._clock = ledger, clock
        self._read: dict[str, tuple[str, TaskRow]] = {}
        with ledger.unit() as db:
            for statement in _SCHEMA:
                db.execute(statement)

    # ------------------------------------------------------------------ tasks

    def take(self, tasks: Iterable[StorageTask]) -> int:
        """Take in what the hub wants; how many rows changed."""
        changed = 0
        with self._ledger.together():
            for said in tasks:
                before = self.row(said.id)
                after = told(before, said)
                if after != before:
                    self._write(after)
                    changed += 1
        return changed

    def row(self, task_id: str) -> TaskRow | None:
        """One task, forgotten or not."""
        return next(iter(self._where("task_id = ?", task_id)), None)

    def rows(self) -> list[TaskRow]:
        """Every task but the forgotten ones, in the order in which they came."""
        return self._where("step != ?", Step.FORGOTTEN.value)

    def change(self, task_id: str, change: Callable[[TaskRow], TaskRow]) -> TaskRow:
        """Change one as it is now, durably. Raises KeyError if absent."""
        with self._ledger.together():
            before = self.row(task_id)
            if before is None:
                raise KeyError(task_id)
            after = change(before)
            if after != before:
                self._write(after)
        return after

    def _write(self, row: TaskRow) -> None:
        with self._ledger.unit() as db:
            db.execute(
                "INSERT INTO storage_tasks (task_id, step, body, changed_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (task_id) DO UPDATE"
                " SET step = excluded.step, body = excluded.body, changed_at = excluded.changed_at",
                (row.task.id, row.step.value, row.model_dump_json(), self._clock().isoformat()),
            )

    def _where(self, which: str, *values: str) -> list[TaskRow]:
        query = f"SELECT task_id, body FROM storage_tasks WHERE {which} ORDER BY rowid"  # noqa: S608 - our own words
        with self._ledger.unit() as db:
            found = db.execute(query, values).fetchall()
            return [self._parsed(task_id, body) for task_id, body in found]

    def _parsed(self, task_id: str, body: str) -> TaskRow:
        """A row is made anew only where its text has changed: all are looked at several times a second."""
        before = self._read.get(task_id)
        if before is None or before[0] != body:
            before = self._read[task_id] = body, TaskRow.model_validate_json(body)
        return before[1]

    # ------------------------------------------------------------------ places

    def place(self, storage: str, place: str) -> Place | None:
        """What is known of a place; None where nothing ever was done with it here."""
        return self._place("storage = ? AND place = ?", storage, place)

    def _place(self, which: str, *values: str) -> Place | None:
        query = f"SELECT storage, place, state, replica_id, files, bytes FROM storage_places WHERE {which}"  # noqa: S608 - our own words
        with self._ledger.unit() as db:
            found = db.execute(query, values).fetchone()
        names = ("storage", "place", "state", "replica_id", "files", "bytes")
        return None if found is None else Place.model_validate(dict(zip(names, found, strict=True)))

    def note(self, place: Place) -> None:
        """Keep what became of a place; one that was deleted stays so."""
        with self._ledger.unit() as db:
            db.execute(
                "INSERT INTO storage_places (storage, place, state, replica_id, files, bytes, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (storage, place) DO UPDATE SET state = excluded.state,"
                " replica_id = excluded.replica_id, files = excluded.files, bytes = excluded.bytes, at = excluded.at"
                " WHERE state != ?",
                (
                    place.storage, place.place, place.state.value, place.replica_id, place.files, place.bytes,
                    self._clock().isoformat(), PlaceState.DELETED.value,
                ),
            )  # fmt: skip

    def prune(self) -> None:
        """Drop tombstones of tasks that are old enough; those of places stay, for they are never used again."""
        old = (self._clock() - timedelta(days=KEPT_DAYS)).isoformat()
        with self._ledger.unit() as db:
            db.execute("DELETE FROM storage_tasks WHERE step = ? AND changed_at < ?", (Step.FORGOTTEN.value, old))
            self._read.clear()
