"""Opening the store: SQLite in WAL mode by default, PostgreSQL by URL. What differs sits here and in ``dialect``."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA temp_store=MEMORY",
)
"""How each connection to SQLite is set: what was committed survives a power cut."""
_READERS: Final = 16


@dataclass(frozen=True, slots=True)
class Store:
    """Two engines over one database: many readers, one writing connection a process."""

    readers: Engine
    writing: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.writing.dialect.name == "sqlite"

    def close(self) -> None:
        """Give every connection back."""
        self.readers.dispose()
        self.writing.dispose()


def _prepare_sqlite(engine: Engine, *, begin: str, checkpoints: bool) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        # Only the writing connection checkpoints: SQLite before 3.51.3 has a fault when two connections reset the WAL.
        for pragma in (*SQLITE_PRAGMAS, f"PRAGMA wal_autocheckpoint={1000 if checkpoints else 0}"):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: object) -> None:
        connection.exec_driver_sql(begin)  # type: ignore[attr-defined]  # the event hands a Connection, typed loosely


def open_store(url: str) -> Store:
    """Open ``sqlite:///path`` or ``postgresql+psycopg://...``. Nothing is created; see ``migrate``."""
    if url.startswith("sqlite"):
        # The driver's own transaction control is off: it begins too late, and a SAVEPOINT would outlive a rollback.
        arguments = {"isolation_level": None, "check_same_thread": False}
        readers = create_engine(url, connect_args=arguments, pool_size=_READERS, max_overflow=32)
        writing = create_engine(url, connect_args=arguments, pool_size=1, max_overflow=0)
        _prepare_sqlite(readers, begin="BEGIN", checkpoints=False)
        _prepare_sqlite(writing, begin="BEGIN IMMEDIATE", checkpoints=True)
        return Store(readers, writing)
    # A reader sees one state, as on SQLite: a poll would else read rows, then a revision that is newer than they are.
    readers = create_engine(
        url, pool_size=_READERS, max_overflow=32, pool_pre_ping=True, isolation_level="REPEATABLE READ"
    )
    writing = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    return Store(readers, writing)
