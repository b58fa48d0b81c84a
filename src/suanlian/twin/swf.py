"""A demand in the Standard Workload Format of the Parallel Workloads Archive: 18 numbers a line, comments after ``;``.

Jobs that did not run (run time or processors unknown, -1) are left out and counted. The processors allocated count, or
those requested where that is unknown. A partition is a platform, a user an account. Source of the format: Chapin et
al., "Benchmarks and standards for the evaluation of parallel job schedulers", 1999.
"""

from collections.abc import Mapping
from typing import IO, Any, Final

import numpy as np

from suanlian.i18n import _
from suanlian.i18n.told import T_
from suanlian.twin.demand import Demand, demand_of, wrong

_FIELDS: Final = 18
_JOB, _SUBMIT, _RUN, _ALLOCATED, _REQUESTED, _ASKED_S, _USER, _PARTITION = 0, 1, 3, 4, 7, 8, 11, 15
_TAKEN: Final = (_JOB, _SUBMIT, _RUN, _ALLOCATED, _REQUESTED, _ASKED_S, _USER, _PARTITION)


def read_swf(source: IO[str], name: str) -> Demand:
    """The demand of a workload. Raises ``TraceError`` that names the line."""
    lines: list[int] = []
    rows: list[list[float]] = []
    for line, text in enumerate(source, start=1):
        said = text.partition(";")[0].split()
        if said:
            rows.append(_row(said, name, line))
            lines.append(line)
    if not rows:
        raise wrong(name, _("there is no job in it."), _("Give a file with at least one row."), "trace_empty")
    table = np.array(rows)
    units = np.where(table[:, 3] > 0, table[:, 3], table[:, 4])
    ran = (table[:, 2] >= 0) & (units > 0)
    notes = [] if ran.all() else [T_("{0} jobs never ran and are left out.").format(int((~ran).sum()))]
    at = np.array(lines)[ran]
    if not ran.any():
        raise wrong(name, _("no job in it took any time."), _("Give a recording of jobs that ran."), "trace_empty")
    return demand_of(_columns(table[ran], units[ran]), lambda row: f"{name}, {_('line')} {at[row]}", name, notes)


def _row(said: list[str], name: str, line: int) -> list[float]:
    where = _("{name}, line {line}").format(name=name, line=line)
    if len(said) != _FIELDS:
        what = _("there are {n} numbers, a line of this format has {wanted}.").format(n=len(said), wanted=_FIELDS)
        raise wrong(where, what, _("Put it right, or take the row out."))
    try:
        return [float(said[field]) for field in _TAKEN]
    except ValueError as error:
        raise wrong(where, str(error), _("Put it right, or take the row out.")) from error


def _columns(table: Any, units: Any) -> Mapping[str, Any]:  # noqa: ANN401 - arrays of any shape
    asked = np.where(table[:, 5] > 0, table[:, 5], table[:, 2])
    return {
        "job": table[:, 0].astype(np.int64),
        "submit_s": table[:, 1],
        "duration_s": table[:, 2],
        "units": units,
        "estimate_s": asked,
        "account": np.char.add("user ", table[:, 6].astype(np.int64).astype(str)),
        "platform": np.char.add("partition ", table[:, 7].astype(np.int64).astype(str)),
    }
