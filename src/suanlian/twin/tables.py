"""A recorded demand from a file: CSV with a header (also .gz), the Standard Workload Format, Parquet."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from suanlian.i18n import _
from suanlian.twin.demand import Demand, demand_of, wrong
from suanlian.twin.parquet import read_parquet
from suanlian.twin.swf import read_swf

_MOST_FAULTS: Final = 10


def read(path: Path) -> Demand:
    """The demand of a file, told by its name: .csv, .swf, .parquet, the first two also with .gz.

    Raises ``TraceError`` that names the line and what to do, and ``OSError``.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2].casefold()
    if kind == "parquet":
        return read_parquet(path)
    if kind not in ("csv", "swf"):
        raise wrong(
            path.name, _("the name does not say what it is."), _("Call it .csv, .swf or .parquet."), "trace_kind"
        )
    with opened(path) as source:
        try:
            return read_csv(source, path.name) if kind == "csv" else read_swf(source, path.name)
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise wrong(path.name, str(error), _("Save it as UTF-8 text, whole."), "trace_kind") from error


def opened(path: Path) -> IO[str]:
    """A text file, unpacked where its name ends with .gz."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_csv(source: IO[str], name: str) -> Demand:
    """A table with a header; cells parted by commas."""
    rows = csv.reader(source)
    header = next(rows, None)
    if not header:
        raise wrong(name, _("it is empty."), _("The first line names the columns."), "trace_empty")
    columns: list[list[str]] = [[] for _column in header]
    lines: list[int] = []
    for line, cells in _cells(rows):
        if len(cells) != len(header):
            what = _("there are {n} cells, the first line names {wanted}.").format(n=len(cells), wanted=len(header))
            raise wrong(
                _("{name}, line {line}").format(name=name, line=line), what, _("Put it right, or take the row out.")
            )
        lines.append(line)
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    by_name = dict(zip(header, columns, strict=True))
    return demand_of(by_name, lambda row: _("{name}, line {line}").format(name=name, line=lines[row]), name)


def _cells(rows: "csv.Reader") -> Iterator[tuple[int, list[str]]]:  # type: ignore[name-defined]
    for cells in rows:
        if cells:
            yield rows.line_num, cells
