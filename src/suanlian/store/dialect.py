"""What SQLite and PostgreSQL do differently, one function each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


@contextmanager
def rebuilding(connection: Connection) -> Iterator[None]:
    """Tables may be made anew while others refer to them: SQLite changes a table by copying and dropping it.

    To be entered before a transaction begins; in one, SQLite passes over the switch (sqlite.org/lang_altertable.html).
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    direct = connection.connection.cursor()
    try:
        direct.execute("PRAGMA foreign_keys=OFF")
        yield
    finally:
        direct.execute("PRAGMA foreign_keys=ON")
        direct.close()


def check_references(connection: Connection) -> None:
    """Find rows that refer to nothing, before what was made anew is committed. Raises ValueError naming tables."""
    if connection.dialect.name == "sqlite":
        broken = {str(row[0]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
        if broken:
            raise ValueError(f"rows of {sorted(broken)} refer to nothing: the store is left as it was")


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


def lines_of(connection: Connection, query: Select[Any]) -> list[str]:
    """The rows of a query, in its order, each as a line of words: its values have no blanks in them and are never null.

    Before each row SQLite's driver lets other threads of this process go first, and while one computes that takes
    milliseconds: thousands of rows come as one.
    """
    if connection.dialect.name != "sqlite":
        return [" ".join(map(str, row)) for row in connection.execute(query)]
    rows = query.subquery()
    line = func.printf(" ".join(["%s"] * len(rows.c)), *rows.c)
    text = connection.execute(select(func.group_concat(line, "\n"))).scalar_one()
    return text.split("\n") if text else []
