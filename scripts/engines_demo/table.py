"""What the demonstration shows at its end: one row for each thing that was to be shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One thing: what it was, where it ran, what came of it, whether that was right, how long it took."""

    what: str
    where: str
    result: str
    right: bool
    seconds: float


def show(console: Console, rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("what", "where", "result", "right", "s"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row.what, row.where, row.result, "yes" if row.right else "NO", f"{row.seconds:.1f}")
    console.print(table)
