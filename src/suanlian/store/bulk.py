"""Inserting thousands of rows in one go, at a third of what a general INSERT statement costs for each of them.

The statement is the plain one; values go through the columns' own types, so a row reads back as it would otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, new_only: bool = False
) -> None:
    """Insert rows that all have the same keys; ``new_only``: those whose key is not there yet."""
    if not rows:
        return
    names = list(rows[0])
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    prepare = connection.dialect.identifier_preparer
    columns = ", ".join(prepare.quote(name) for name in names)
    statement = f"INSERT INTO {prepare.quote(table.name)} ({columns}) VALUES ({', '.join([mark] * len(names))})"  # noqa: S608 - names of our own tables
    if new_only:
        statement += " ON CONFLICT DO NOTHING"
    connection.exec_driver_sql(statement, _tuples(connection, table, names, rows))


def _tuples(
    connection: Connection, table: Table, names: list[str], rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, ...]]:
    by_column = [list(map(itemgetter(name), rows)) for name in names]
    for place, name in enumerate(names):
        process = _processor(connection, table, name)
        if process is not None:
            by_column[place] = list(map(process, by_column[place]))
    return list(zip(*by_column, strict=True))


def _processor(connection: Connection, table: Table, name: str) -> Callable[[Any], Any] | None:
    kind = table.c[name].type
    return kind.dialect_impl(connection.dialect).bind_processor(connection.dialect)
