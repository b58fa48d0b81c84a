"""What has left this platform? Every request, journalled before it goes, to be read without asking any hub.

A body is kept whole; of log and output bytes, of manifests and of grants, digest and length. The journal is bounded by
age and size, and what was dropped from it is itself told.
"""

import hashlib
import json
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from suanlian.agent.config import SentBounds
from suanlian.sdk.connector import Departure
from suanlian.sdk.transport import Clock

_EVERY: Final = 200
_BUSY_S: Final = 20.0
_MIB: Final = 1024 * 1024
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sent (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL,
  size INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS dropped (
  id INTEGER PRIMARY KEY CHECK (id = 1), entries INTEGER NOT NULL, until TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: ``sha256`` and ``size`` are of the body as it went, ``body`` what is kept of it."""

    number: int
    at: str
    path: str
    sha256: str
    size: int
    body: str

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many entries were dropped to keep the bounds, and up to when they were."""

    entries: int
    until: str

    def as_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"dropped": asdict(self)})


class SentJournal:
    """One SQLite file. Its loss would lose a record, not a job: synchronous=NORMAL."""

    def __init__(self, path: Path, clock: Clock, bounds: SentBounds) -> None:
        """Open or make the file."""
        self._clock, self._bounds, self._lock = clock, bounds, Lock()
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def record(self, departure: Departure) -> None:
        """Note what is about to leave."""
        body = departure.body
        kept = _SHORTENED.get(departure.path, _whole)(body)
        entry = (self._clock().isoformat(), departure.path, hashlib.sha256(body).hexdigest(), len(body), kept)
        with self._lock:
            number = self._db.execute(
                "INSERT INTO sent (at, path, sha256, size, body) VALUES (?, ?, ?, ?, ?)", entry
            ).lastrowid
            if number is not None and number % _EVERY == 0:
                self._rotate()

    def rotate(self) -> None:
        """Drop what is beyond the bounds, and note that it was."""
        with self._lock:
            self._rotate()

    def entries(self) -> Iterator[Sent]:
        """All that is kept, the oldest first."""
        with self._lock:
            found = self._db.execute("SELECT number, at, path, sha256, size, body FROM sent ORDER BY number").fetchall()
        return (Sent(*entry) for entry in found)

    def dropped(self) -> Dropped | None:
        """What was dropped so far; None where nothing was."""
        with self._lock:
            found = self._db.execute("SELECT entries, until FROM dropped").fetchone()
        return Dropped(*found) if found else None

    def _rotate(self) -> None:
        old = (self._clock() - timedelta(days=self._bounds.days)).isoformat()
        last = self._db.execute(
            "SELECT max(number), max(at) FROM"
            " (SELECT number, at, sum(length(body) + 200) OVER (ORDER BY number DESC) AS kept FROM sent)"
            " WHERE at < ? OR kept > ?",
            (old, self._bounds.mib * _MIB),
        ).fetchone()
        if last[0] is None:
            return
        self._db.execute("BEGIN IMMEDIATE")
        gone = self._db.execute("DELETE FROM sent WHERE number <= ?", (last[0],)).rowcount
        self._db.execute(
            "INSERT INTO dropped (id, entries, until) VALUES (1, ?, ?) ON CONFLICT (id)"
            " DO UPDATE SET entries = entries + excluded.entries, until = excluded.until",
            (gone, last[1]),
        )
        self._db.execute("COMMIT")


def _whole(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _without_data(body: bytes) -> str:
    said = json.loads(body)
    data = b64decode(said.pop("data"))
    return json.dumps(said | {"data_sha256": hashlib.sha256(data).hexdigest(), "data_bytes": len(data)})


def _without_files(body: bytes) -> str:
    """Of a page of a manifest the first and the last file, and how many there are: the digest is of all."""
    said = json.loads(body)
    files = said.pop("files", None) or []
    return json.dumps(said | {"files_told": len(files), "first": files[:1], "last": files[-1:]}, ensure_ascii=False)


def _without_seal(body: bytes) -> str:
    said = json.loads(body)
    sealed = said.pop("sealed", None) or ""
    return json.dumps(said | {"sealed_sha256": hashlib.sha256(sealed.encode()).hexdigest(), "chars": len(sealed)})


_SHORTENED: Final = {
    "/connector/v1/logs": _without_data,
    "/connector/v1/outputs": _without_data,
    "/connector/v1/checkpoint": _without_data,
    "/connector/v1/data/files": _without_files,
    "/connector/v1/data/grants": _without_seal,
}
"""How what is too long to be kept is told."""
