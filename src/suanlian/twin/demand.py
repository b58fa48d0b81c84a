"""Whatever file a demand came from: checked columns become a trace, and rows that cannot be meant are named.

Stated behaviour, each told in the notes: rows out of order are sorted; jobs that took no time are left out, for they
took nothing; times begin at the first submission; columns that nobody knows are passed over. An error: a negative
time, an id twice, a value that is no number, a column in another unit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from suanlian.i18n import _
from suanlian.i18n.told import T_
from suanlian.twin.results import Bools, Floats, Ints
from suanlian.twin.trace import Trace, TraceError

Where = Callable[[int], str]
"""How a row is named to people: ``line 7``, ``row 7``."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "job": ("job", "id", "job_id"),
    "home": ("platform", "cluster", "home", "site"),
    "submit": ("submit_s",),
    "duration": ("duration_s",),
    "units": ("gpus", "units", "cards", "accelerators"),
    "estimate": ("estimate_s",),
    "movable": ("portable", "movable"),
    "account": ("account", "user"),
    "priority": ("priority",),
    "deadline": ("deadline_s",),
    "data_gb": ("data_gb",),
}
"""Array of the trace -> the names that a column of it may have."""

NEEDED: Final = ("submit", "duration", "units")
_TIMES: Final = ("submit", "duration", "estimate", "deadline", "wait", "runtime")
_LONGEST_S: Final = 2 * 366 * 86_400.0
_SPAN_S: Final = 100 * 366 * 86_400.0
_MOST: Final = 1_000_000_000
"""No count or priority in a recording is larger."""
_GAP_S: Final = 7 * 86_400.0
_TRUE: Final = frozenset({"1", "true", "yes", "t", "y", "1.0"})
_FALSE: Final = frozenset({"0", "false", "no", "f", "n", "0.0", ""})


@dataclass(frozen=True, slots=True)
class Demand:
    """A trace with the names of the platforms that its ``home`` counts; ``notes`` of the trace say what was done."""

    trace: Trace
    names: tuple[str, ...]


def wrong(where: str, what: str, todo: str, code: str = "trace_row") -> TraceError:
    """An error that names the place, what stands there and what to do."""
    return TraceError(code, f"{where}: {what} {todo}")


def demand_of(columns: Mapping[str, Sequence[Any]], where: Where, source: str, notes: Sequence[str] = ()) -> Demand:
    """Checked columns as a demand. All have one length; ``where`` names a row. Raises ``TraceError``."""
    named, passed = chosen(tuple(columns), source)
    count = len(columns[named["submit"]])
    if count == 0:
        raise wrong(source, _("there is no job in it."), _("Give a file with at least one row."), "trace_empty")
    taken = _Taken({name: columns[column] for name, column in named.items()}, where, count)
    homes, names = taken.labels("home", "platform")
    accounts, account_names = taken.labels("account", "")
    trace = Trace(
        job=taken.ids(),
        home=homes,
        submit=taken.times("submit"),
        duration=taken.times("duration"),
        units=taken.whole("units", 1),
        estimate=taken.times("estimate") if "estimate" in named else taken.times("duration"),
        movable=taken.flags("movable"),
        account=accounts if "account" in named else homes,
        priority=taken.whole("priority", None) if "priority" in named else np.zeros(count, dtype=np.int64),
        deadline=taken.moments("deadline") if "deadline" in named else np.full(count, np.inf),
        data_gb=taken.amounts("data_gb") if "data_gb" in named else np.zeros(count),
        accounts=account_names if "account" in named else names,
        source=source,
    )
    said = [*notes, *([T_("Columns passed over: {0}.").format(", ".join(passed))] if passed else [])]
    return Demand(tidied(trace, said), names)


def tidied(trace: Trace, notes: Sequence[str] = ()) -> Trace:
    """Without jobs that took no time, from zero on, in order; what was done stands in the notes."""
    said = list(notes)
    idle = trace.duration <= 0
    if np.any(idle):
        said.append(T_("{0} jobs took no time and are left out.").format(int(idle.sum())))
        trace = trace.take(~idle)
    if not len(trace):
        raise wrong(
            trace.source, _("no job in it took any time."), _("Give a recording of jobs that ran."), "trace_empty"
        )
    trace = replace(trace, estimate=np.where(trace.estimate > 0, trace.estimate, trace.duration))
    if np.any(np.diff(trace.submit) < 0):
        said.append(T_("Rows were not in order of submission; they were sorted."))
    trace = trace.ordered()
    first = float(trace.submit[0])
    if float(trace.submit[-1]) - first > _SPAN_S:
        raise wrong(
            trace.source,
            _("from the first submission to the last there are more than a hundred years."),
            _("Times are in seconds: turn them, or take out the row whose time is none."),
            "trace_unit",
        )
    if first:
        trace = replace(trace, submit=trace.submit - first, deadline=trace.deadline - first)
    gaps = np.diff(trace.submit) > _GAP_S
    if np.any(gaps):
        said.append(
            T_("{0} gaps of more than {1} days without a submission stay as they are; longest: {2}.").format(
                int(gaps.sum()), round(_GAP_S / 86_400), f"{float(np.diff(trace.submit).max()) / 86_400:.1f}"
            )
        )
    return replace(trace, notes=(*trace.notes, *said))


def chosen(names: Sequence[str], source: str) -> tuple[dict[str, str], list[str]]:
    """Which column is which array, and which are passed over. Raises ``TraceError`` ``trace_column``."""
    folded = {name.strip().casefold(): name for name in names}
    found: dict[str, str] = {}
    for array, aliases in COLUMNS.items():
        have = [folded[alias] for alias in aliases if alias in folded]
        if len(have) > 1:
            raise wrong(
                source,
                _("columns {names} mean the same.").format(names=", ".join(have)),
                _("Keep one."),
                "trace_column",
            )
        found |= dict.fromkeys([array], have[0]) if have else {}
    rest = [name for name in names if name not in found.values()]
    for name in rest:
        _refuse_unit(name, source)
    for array in NEEDED:
        if array not in found:
            raise wrong(
                source,
                _("there is no column {name} (columns: {have}).").format(
                    name=" / ".join(COLUMNS[array]), have=", ".join(names)
                ),
                _("Name it so in the first line; times are in seconds."),
                "trace_column",
            )
    return found, rest


def _refuse_unit(name: str, source: str) -> None:
    stem, _under, unit = name.strip().casefold().partition("_")
    if stem in _TIMES[:4] and unit not in ("s", ""):
        what = _("column {name} is not in seconds.").format(name=name)
    elif stem in _TIMES[:4] or (stem == "data" and unit != "gb"):
        what = _("column {name} does not say its unit.").format(name=name)
    else:
        return
    right = "data_gb" if stem == "data" else f"{stem}_s"
    raise wrong(source, what, _("Turn it and call it {right}.").format(right=right), "trace_unit")


@dataclass(frozen=True, slots=True)
class _Taken:
    columns: Mapping[str, Sequence[Any]]
    where: Where
    count: int

    def numbers(self, name: str, empty: float | None = None) -> Floats:
        """The column as numbers, shape (N,); an empty cell is ``empty`` or an error."""
        column = self.columns[name]
        if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
            return column.astype(np.float64)
        try:
            return np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError):
            return np.array([self._number(name, row, text, empty) for row, text in enumerate(column)])

    def _number(self, name: str, row: int, text: object, empty: float | None) -> float:
        shown = "" if text is None else str(text).strip()
        if not shown and empty is not None:
            return empty
        try:
            return float(shown)
        except ValueError:
            raise self._wrong(
                row, _("{name} is {value!r}, which is no number.").format(name=name, value=shown[:40])
            ) from None

    def times(self, name: str) -> Floats:
        """Seconds, not below zero and not beyond what a recording can have."""
        values = self.amounts(name, None if name in NEEDED else 0.0)
        if name != "submit":
            self._refuse(
                values > _LONGEST_S,
                lambda row: _("{name} is {value:g} s, more than two years: it looks like another unit.").format(
                    name=name, value=float(values[row])
                ),
                "trace_unit",
            )
        return values

    def moments(self, name: str) -> Floats:
        """Points in time, also before the first submission; never (inf) where nothing stands."""
        values = self.numbers(name, np.inf)
        self._refuse(np.isnan(values), lambda _row: _("{name} is no point in time.").format(name=name))
        return values

    def amounts(self, name: str, empty: float | None = 0.0) -> Floats:
        """Finite numbers that are not below zero."""
        values = self.numbers(name, empty)
        self._refuse(
            ~(np.isfinite(values) & (values >= 0)),
            lambda row: _("{name} is {value:g}; it must not be below zero.").format(
                name=name, value=float(values[row])
            ),
        )
        return values

    def whole(self, name: str, least: int | None) -> Ints:
        """Whole numbers, none below ``least``."""
        values = self.numbers(name, 0.0 if least is None else None)
        low = -_MOST if least is None else least
        self._refuse(
            ~((values == np.floor(values)) & (values >= low) & (values <= _MOST)),
            lambda row: _("{name} is {value:g}; it must be a whole number from {least} to {most}.").format(
                name=name, value=float(values[row]), least=low, most=_MOST
            ),
        )
        return values.astype(np.int64)

    def ids(self) -> Ints:
        """The jobs' ids; their order in the file where there are none, or where they are no whole numbers."""
        if "job" not in self.columns:
            return np.arange(self.count, dtype=np.int64)
        column = np.asarray(self.columns["job"])
        values, first, counts = np.unique(column, return_index=True, return_counts=True)
        if len(values) != self.count:
            twice = values[np.argmax(counts > 1)]
            rows = np.flatnonzero(column == twice)[:2]
            raise wrong(
                self.where(int(rows[1])),
                _("job {job} stands at {other} already.").format(job=str(twice)[:40], other=self.where(int(rows[0]))),
                _("Give each job an id of its own, or leave the column out."),
                "trace_twice",
            )
        try:
            return column.astype(np.float64).astype(np.int64) if column.dtype.kind != "f" else column.astype(np.int64)
        except ValueError:
            del first
            return np.arange(self.count, dtype=np.int64)

    def labels(self, name: str, alone: str) -> tuple[Ints, tuple[str, ...]]:
        """Numbers of the labels and the labels, in the order of their names; one of them where there is no column."""
        if name not in self.columns:
            return np.zeros(self.count, dtype=np.int64), (alone or "all",)
        labels, index = np.unique(np.asarray(self.columns[name]).astype(str), return_inverse=True)
        return index.astype(np.int64), tuple(label or _("(none)") for label in labels.tolist())

    def flags(self, name: str) -> Bools:
        """Yes or no; yes where there is no column."""
        if name not in self.columns:
            return np.ones(self.count, dtype=np.bool_)
        texts: npt.NDArray[Any] = np.char.lower(np.char.strip(np.asarray(self.columns[name]).astype(str)))
        yes, no = np.isin(texts, list(_TRUE)), np.isin(texts, list(_FALSE))
        self._refuse(
            ~(yes | no),
            lambda row: _("{name} is {value!r}; write 1 or 0.").format(name=name, value=str(texts[row])[:40]),
        )
        return yes

    def _refuse(self, bad: Bools, what: Callable[[int], str], code: str = "trace_row") -> None:
        rows = np.flatnonzero(bad)
        if rows.size:
            raise self._wrong(int(rows[0]), what(int(rows[0])), int(rows.size), code)

    def _wrong(self, row: int, what: str, such: int = 1, code: str = "trace_row") -> TraceError:
        more = _("{n} rows are so.").format(n=such) if such > 1 else ""
        todo = _("Put it right, or take the row out.")
        return wrong(self.where(row), what, f"{todo} {more}".strip(), code)
