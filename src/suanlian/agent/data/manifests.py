"""What is known of the files at a place: sizes, digests and times, kept beside the ledger.

It is a copy of what the hub has, and what only this machine knows: when each file was last changed as it was read. Its
loss costs reading files anew, so it need not survive a power cut.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from suanlian.model.data import DataFile

_BUSY_S: Final = 20.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS files (
  storage TEXT NOT NULL, place TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  stamp INTEGER, PRIMARY KEY (storage, place, path)
) STRICT, WITHOUT ROWID;
"""


class Manifests:
    """One SQLite file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        self._lock = Lock()
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def keep(self, storage: str, place: str, files: Iterable[DataFile], stamps: Mapping[str, int]) -> None:
        """What lies at a place from now on. ``stamps``: nanoseconds by path, where the storage tells them."""
        rows = [(storage, place, file.path, file.size, file.sha256, stamps.get(file.path)) for file in files]
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM files WHERE storage = ? AND place = ?", (storage, place))
            self._db.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def files(self, storage: str, place: str) -> Sequence[DataFile]:
        """What is known to lie there, by path; empty where nothing is."""
        with self._lock:
            found = self._db.execute(
                "SELECT path, size, sha256 FROM files WHERE storage = ? AND place = ? ORDER BY path", (storage, place)
            ).fetchall()
        return [DataFile(path=path, size=size, sha256=sha256) for path, size, sha256 in found]

    def stamps(self, storage: str, place: str) -> dict[str, int]:
        """When each file was last changed, as far as it is known."""
        with self._lock:
            found = self._db.execute(
                "SELECT path, stamp FROM files WHERE storage = ? AND place = ? AND stamp IS NOT NULL", (storage, place)
            ).fetchall()
        return dict(found)

    def drop(self, storage: str, place: str) -> None:
        """Nothing is known of a place any more."""
        with self._lock:
            self._db.execute("DELETE FROM files WHERE storage = ? AND place = ?", (storage, place))
