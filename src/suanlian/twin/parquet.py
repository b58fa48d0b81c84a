"""A demand as a Parquet file, in and out: the columns of a CSV with their types. The only file that knows pyarrow."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suanlian.i18n import _
from suanlian.twin.demand import COLUMNS, Demand, demand_of, wrong


def read_parquet(path: Path) -> Demand:
    """The demand of a Parquet file. Raises ``TraceError`` and ``OSError``."""
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise wrong(path.name, str(error).splitlines()[0], _("Give a whole Parquet file."), "trace_kind") from error
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    return demand_of(columns, lambda row: _("{name}, row {row}").format(name=path.name, row=row + 1), path.name)


def write_parquet(demand: Demand, path: Path) -> None:
    """Write a demand so that ``read_parquet`` gives it back: labels as text, times in seconds from the first."""
    trace = demand.trace
    arrays = {COLUMNS[name][0]: getattr(trace, name) for name in COLUMNS if name not in ("home", "account")}
    arrays["platform"] = np.array(demand.names)[trace.home]
    arrays["account"] = np.array(trace.accounts)[trace.account]
    pq.write_table(pa.table(arrays), path)
