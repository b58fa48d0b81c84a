"""What must survive a crash? Attempts, usage, the poll's revision and the owner's flags, in one SQLite file.

Every change is one transaction, on the disk before it is acted upon (WAL, synchronous=FULL). Several threads and
processes may use one ledger: `suanlian-agent pause` works beside a running agent and without one.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Final

from suanlian.agent.row import Row, Step, first_row, told
from suanlian.model.ids import AttemptId
from suanlian.model.protocol import Instruction, ItemAnswer, PollAnswer, UsageCall, Verdict
from suanlian.model.usage import UsageSegment

TOMBSTONE_DAYS: Final = 30
"""How long a forgotten attempt is remembered; an answer of the hub expires after minutes."""
MAX_BATCH_SEGMENTS: Final = 500
_BUSY_S: Final = 20.0
SAFE: Final = "PRAGMA synchronous=FULL"
"""What was committed survives a power cut."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS attempts (
  attempt_id TEXT PRIMARY KEY, step TEXT NOT NULL, body TEXT NOT NULL, instruction TEXT, changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_step ON attempts (step);
CREATE TABLE IF NOT EXISTS segments (
  attempt_id TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL, batch INTEGER, verdict TEXT, reason TEXT,
  PRIMARY KEY (attempt_id, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS segments_unbatched ON segments (attempt_id) WHERE batch IS NULL;
CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, body TEXT NOT NULL, answered INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fenced (attempt_id TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS probes (attempt_id TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS flags (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

_WHOLE: Final = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_PART: Final = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))

Accounted = Callable[[Row], tuple[Row, UsageSegment | None]]
"""A change of a row, and the usage segment that it cuts."""


class Ledger:
    """One file, one connection a process, one writer at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises sqlite3.Error where it is damaged or not ours."""
        self._lock = RLock()
        self._within = 0
        self._read: dict[str, tuple[str, Row]] = {}
        path.touch(mode=0o600)  # what SQLite makes beside it takes the same mode
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(SAFE)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes that are made within are one: on the disk when it ends, or none of them.

        Nobody else reads or writes meanwhile: nothing may be waited for within.
        """
        with self._unit():
            self._within += 1
            try:
                yield
            finally:
                self._within -= 1

    @contextmanager
    def _unit(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            begin, end, undo = _PART if self._within else _WHOLE
            self._db.execute(begin)
            try:
                yield self._db
            except BaseException:
                for statement in undo:
                    self._db.execute(statement)
                raise
            self._db.execute(end)

    def unit(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction, on the disk when it is left; for tables that other parts of the agent keep in this file."""
        return self._unit()

    def rows(self) -> list[Row]:
        """Every attempt but the forgotten ones, in the order in which they came."""
        with self._lock:
            found = self._db.execute(
                "SELECT attempt_id, body FROM attempts WHERE step != ? ORDER BY rowid", (Step.FORGOTTEN,)
            )
            self._read = {attempt_id: self._parsed(attempt_id, body) for attempt_id, body in found}
            return [row for _body, row in self._read.values()]

    def _parsed(self, attempt_id: str, body: str) -> tuple[str, Row]:
        """A row is made anew only where its text has changed."""
        before = self._read.get(attempt_id)
        return before if before is not None and before[0] == body else (body, Row.model_validate_json(body))

    def _find(self, attempt_id: str) -> Row | None:
        found = self._db.execute("SELECT body FROM attempts WHERE attempt_id = ?", (attempt_id,)).fetchone()
        return None if found is None else self._parsed(attempt_id, found[0])[1]

    def _write(self, row: Row, now: datetime) -> None:
        text = row.model_dump_json()
        self._db.execute(
            "INSERT INTO attempts (attempt_id, step, body, changed_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (attempt_id) DO UPDATE"
            " SET step = excluded.step, body = excluded.body, changed_at = excluded.changed_at",
            (row.attempt_id, row.step, text, now.isoformat()),
        )
        self._read[row.attempt_id] = text, row  # where this is undone the text differs, and the row is made anew

    def row(self, attempt_id: AttemptId) -> Row | None:
        """One attempt, forgotten or not."""
        with self._lock:
            return self._find(attempt_id)

    def instruction(self, attempt_id: AttemptId) -> Instruction | None:
        """The instruction that brought the spec; None when it brought none, or was forgotten."""
        with self._lock:
            found = self._db.execute("SELECT instruction FROM attempts WHERE attempt_id = ?", (attempt_id,)).fetchone()
        return Instruction.model_validate_json(found[0]) if found and found[0] else None

    def take(self, answer: PollAnswer, now: datetime) -> int:
        """Take in what the hub wishes, with the revision to ask next; returns how many rows changed."""
        changed = 0
        with self._unit() as db:
            for said in answer.instructions:
                if said.fenced:
                    db.execute("INSERT OR IGNORE INTO fenced (attempt_id) VALUES (?)", (said.attempt_id,))
                before = self._find(said.attempt_id)
                after = first_row(said) if before is None else told(before, said)
                if after == before:
                    continue
                changed += 1
                self._write(after, now)
                # what ran once must not lose its spec to a later instruction that brings none
                if said.spec is not None and after.step is not Step.FORGOTTEN:
                    text = said.model_dump_json()
                    db.execute("UPDATE attempts SET instruction = ? WHERE attempt_id = ?", (text, said.attempt_id))
            _set(db, "revision", str(answer.revision))
        return changed

    def change(self, attempt_id: AttemptId, change: Callable[[Row], Row], now: datetime) -> Row:
        """Change one row as it is now; returns it. Raises KeyError if absent."""
        return self.account(attempt_id, lambda row: (change(row), None), now)

    def account(self, attempt_id: AttemptId, change: Accounted, now: datetime) -> Row:
        """Change one row as it is now, together with the usage that the change cuts. Raises KeyError if absent."""
        with self._unit() as db:
            before = self._find(attempt_id)
            if before is None:
                raise KeyError(attempt_id)
            after, segment = change(before)
            if after != before:
                self._write(after, now)
            if after.step is Step.FORGOTTEN:
                db.execute("UPDATE attempts SET instruction = NULL WHERE attempt_id = ?", (attempt_id,))
            if segment is not None:
                db.execute(
                    "INSERT INTO segments (attempt_id, sequence, body) VALUES (?, ?, ?)",
                    (attempt_id, segment.sequence, segment.model_dump_json()),
                )
        return after

    def gone(self) -> list[AttemptId]:
        """Fenced attempts of which nothing is left here, and of which the hub has not been told so."""
        with self._lock:
            found = self._db.execute(
                "SELECT attempt_id FROM fenced JOIN attempts USING (attempt_id) WHERE step = ?", (Step.FORGOTTEN,)
            )
            return [AttemptId(attempt_id) for (attempt_id,) in found]

    def told_gone(self, attempts: Collection[AttemptId]) -> None:
        """The hub knows of these."""
        with self._unit() as db:
            db.executemany("DELETE FROM fenced WHERE attempt_id = ?", [(attempt,) for attempt in attempts])

    def probes_since(self, moment: datetime) -> list[AttemptId]:
        """The hub's own small jobs that were let in from then on."""
        with self._lock:
            found = self._db.execute("SELECT attempt_id FROM probes WHERE at >= ? ORDER BY at", (moment.isoformat(),))
            return [AttemptId(attempt_id) for (attempt_id,) in found]

    def count_probe(self, attempt_id: AttemptId, now: datetime) -> None:
        """Count a probe that is let in; the same one is counted once."""
        with self._unit() as db:
            db.execute("INSERT OR IGNORE INTO probes (attempt_id, at) VALUES (?, ?)", (attempt_id, now.isoformat()))

    def revision(self) -> int:
        """From where to ask next; 0 at the beginning."""
        return int(self.flag("revision") or 0)

    def flag(self, name: str) -> str | None:
        """A value that is kept under a name."""
        with self._lock:
            found = self._db.execute("SELECT value FROM flags WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_flag(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        with self._unit() as db:
            _set(db, name, value)

    def make_batch(self, sign: Callable[[int, tuple[UsageSegment, ...]], UsageCall]) -> bool:
        """Put segments that are in no batch into a signed one; False where there are none."""
        with self._unit() as db:
            found = db.execute(
                "SELECT body FROM segments WHERE batch IS NULL ORDER BY attempt_id, sequence LIMIT ?",
                (MAX_BATCH_SEGMENTS,),
            ).fetchall()
            if not found:
                return False
            segments = tuple(UsageSegment.model_validate_json(body) for (body,) in found)
            number = int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM batches").fetchone()[0])
            text = sign(number, segments).model_dump_json()
            db.execute("INSERT INTO batches (number, body, answered) VALUES (?, ?, 0)", (number, text))
            db.executemany(
                "UPDATE segments SET batch = ? WHERE attempt_id = ? AND sequence = ?",
                [(number, segment.attempt_id, segment.sequence) for segment in segments],
            )
        return True

    def unanswered_batches(self) -> list[UsageCall]:
        """Batches to send again, the oldest first."""
        with self._lock:
            found = self._db.execute("SELECT body FROM batches WHERE answered = 0 ORDER BY number").fetchall()
        return [UsageCall.model_validate_json(body) for (body,) in found]

    def answer_batch(self, call: UsageCall, answers: tuple[ItemAnswer, ...]) -> None:
        """Note the hub's verdict on each segment; the batch is not sent again."""
        with self._unit() as db:
            db.execute("UPDATE batches SET answered = 1 WHERE number = ?", (call.batch.number,))
            db.executemany(
                "UPDATE segments SET verdict = ?, reason = ? WHERE attempt_id = ? AND sequence = ?",
                [
                    (said.verdict.value, said.reason, segment.attempt_id, segment.sequence)
                    for segment, said in zip(call.batch.segments, answers, strict=True)
                ],
            )

    def refused_segments(self) -> list[tuple[str, int, str]]:
        """Attempt, sequence and reason of every segment that the hub did not take."""
        with self._lock:
            return self._db.execute(
                "SELECT attempt_id, sequence, reason FROM segments WHERE verdict = ?", (Verdict.REFUSED,)
            ).fetchall()

    def segments(self, attempt_id: AttemptId) -> list[UsageSegment]:
        """All usage of one attempt, in order."""
        with self._lock:
            found = self._db.execute(
                "SELECT body FROM segments WHERE attempt_id = ? ORDER BY sequence", (attempt_id,)
            ).fetchall()
        return [UsageSegment.model_validate_json(body) for (body,) in found]

    def prune(self, now: datetime) -> None:
        """Drop tombstones that are old enough, with their usage where the hub has answered."""
        old = (now - timedelta(days=TOMBSTONE_DAYS)).isoformat()
        with self._unit() as db:
            db.execute(
                "DELETE FROM segments WHERE verdict IS NOT NULL AND attempt_id IN"
                " (SELECT attempt_id FROM attempts WHERE step = ? AND changed_at < ?)",
                (Step.FORGOTTEN, old),
            )
            db.execute("DELETE FROM attempts WHERE step = ? AND changed_at < ?", (Step.FORGOTTEN, old))
            db.execute("DELETE FROM probes WHERE at < ?", (old,))
            # the highest number stays, or the next batch would take a number that was used
            db.execute(
                "DELETE FROM batches WHERE answered = 1 AND number < (SELECT max(number) FROM batches)"
                " AND number NOT IN (SELECT batch FROM segments WHERE batch IS NOT NULL)"
            )


def _set(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute(
        "INSERT INTO flags (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
