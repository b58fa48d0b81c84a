"""How does a command answer? As a table for people or as JSON with --json; remarks go to standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from suanlian.cli.visible import visible
from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.model.base import Value

T = TypeVar("T", bound=Value | Mapping[str, object])

R = TypeVar("R")
Columns = Sequence[tuple[str, Callable[[R], object]]]
"""Title and cell of each column."""

_PIPE_WIDTH: Final = 240
_WIDE: Final = 120

AsJson = Annotated[bool, typer.Option("--json", help=N_("Print JSON instead of a table."))]


def listing(rows: Iterable[T], columns: Columns[T], *, as_json: bool) -> None:
    """Print a list; a remark when it is empty."""
    if as_json:
        print_json([plain(row) for row in rows])
    else:
        table(rows, columns)


def table(rows: Iterable[R], columns: Columns[R]) -> None:
    """Print rows for people."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, _cell in columns:
        grid.add_column(title, overflow="fold")
    for row in rows:
        grid.add_row(*(_text(cell(row)) for _title, cell in columns))
    if grid.row_count:
        _print(grid)
    else:
        remark(_("Nothing to show."))


def record(value: Value, fields: Sequence[tuple[str, object]], *, as_json: bool) -> None:
    """Print one thing, a line a field; fields that are empty are left out."""
    if as_json:
        print_json(plain(value))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for title, shown in fields:
        if shown not in ("", None):
            grid.add_row(_text(title), _text(shown))
    _print(grid)


def plain(value: Value | Mapping[str, object]) -> object:
    """The value as JSON knows it."""
    return value.model_dump(mode="json") if isinstance(value, Value) else dict(value)


def print_json(document: object) -> None:
    """Print JSON in characters that no terminal obeys."""
    typer.echo(visible(json.dumps(document, ensure_ascii=False, indent=2)))


def say(text: str) -> None:
    """Print a line."""
    typer.echo(visible(text))


def remark(text: str) -> None:
    """Print a line beside the answer, on standard error."""
    typer.echo(visible(text), err=True)


def is_narrow() -> bool:
    """Whether a table of many columns would be cut into slivers where this is read."""
    return sys.stdout.isatty() and Console(file=sys.stdout).width < _WIDE


def _text(shown: object) -> Text:
    return Text(visible(str(shown if shown is not None else "")))


def _print(grid: Table) -> None:
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(grid)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
