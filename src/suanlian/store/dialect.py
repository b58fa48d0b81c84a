"""What SQLite and PostgreSQL do differently, one function each."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def lock_name(connection: Connection, name: str) -> None:
    """Hold the lock called ``name`` until the transaction ends. On SQLite the one writer is the lock."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose key is not there yet; returns how many were new."""
    if not rows:
        return 0
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    inserted = 0
    for row in rows:
        statement = make(table).values(**row).on_conflict_do_nothing()
        # without the option an INSERT has no row count on PostgreSQL
        inserted += connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount
    return inserted
