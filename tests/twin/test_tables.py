import gzip
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from suanlian.twin.demand import Demand
from suanlian.twin.generate import Recipe, generate, with_data
from suanlian.twin.parquet import read_parquet, write_parquet
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.swf import read_swf
from suanlian.twin.tables import read, read_csv
from suanlian.twin.trace import COLUMNS, TraceError
from suanlian.twin.world import sized

GOOD = "job,cluster,submit_s,duration_s,gpus\n7,b,10,60,1\n8,a,10,30,8\n"


def csv(text: str) -> Demand:
    return read_csv(StringIO(text), "t.csv")


def test_a_table_is_read_and_platforms_are_named_in_order() -> None:
    demand = csv(GOOD)
    assert demand.names == ("a", "b")
    assert demand.trace.home.tolist() == [1, 0]
    assert demand.trace.job.tolist() == [7, 8]
    assert demand.trace.submit.tolist() == [0, 0]
    assert demand.trace.estimate.tolist() == [60, 30]


def test_what_is_stated_of_odd_rows_is_done_and_told() -> None:
    week = 8 * 86_400
    demand = csv(f"submit_s,duration_s,gpus,colour\n{week},5,1,red\n100,0,1,red\n100,50,2,blue\n")
    assert demand.trace.submit.tolist() == [0, week - 100]
    assert demand.trace.duration.tolist() == [50, 5]
    told = "\n".join(demand.trace.notes)
    for words in ("colour", "took no time", "sorted", "gaps of more than 7 days"):
        assert words in told


def test_rows_that_overlap_are_demand_that_waits_and_equal_rows_are_jobs_of_their_own() -> None:
    demand = csv("submit_s,duration_s,gpus,deadline_s\n5,50,8,-1\n5,50,8,\n5,50,8,7\n")
    assert demand.trace.deadline.tolist() == [-6.0, np.inf, 2.0]
    results = simulate(sized(demand.names, [1]), demand.trace, Strategy.ALONE)
    assert results.start.tolist() == [0, 50, 100]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "trace_empty", "empty"),
        ("submit_s,duration_s,gpus\n", "trace_empty", "no job"),
        ("submit_s,duration_s,gpus\n0,0,1\n", "trace_empty", "took any time"),
        ("submit_s,duration_s\n0,1\n", "trace_column", "gpus"),
        ("submit_ms,duration_s,gpus\n0,1,1\n", "trace_unit", "submit_ms"),
        ("submit_s,duration_h,gpus\n0,1,1\n", "trace_unit", "duration_h"),
        ("submit,duration_s,gpus\n0,1,1\n", "trace_unit", "submit_s"),
        ("submit_s,duration_s,gpus,data_mb\n0,1,1,1\n", "trace_unit", "data_gb"),
        ("submit_s,duration_s,gpus,units\n0,1,1,1\n", "trace_column", "mean the same"),
        ("submit_s,duration_s,gpus\n0,1\n", "trace_row", "line 2"),
        ("submit_s,duration_s,gpus\n0,1,1\n\n5,-3,1\n", "trace_row", "line 4"),
        ("submit_s,duration_s,gpus\n0,1,1\n-5,3,1\n", "trace_row", "line 3"),
        ("submit_s,duration_s,gpus\n0,soon,1\n", "trace_row", "'soon'"),
        ("submit_s,duration_s,gpus\n0,nan,1\n", "trace_row", "line 2"),
        ("submit_s,duration_s,gpus\n0,inf,1\n", "trace_row", "line 2"),
        ("submit_s,duration_s,gpus\n0,5,0\n", "trace_row", "gpus|units"),
        ("submit_s,duration_s,gpus\n0,5,1.5\n", "trace_row", "whole number"),
        ("submit_s,duration_s,gpus\n0,5,1e30\n", "trace_row", "whole number"),
        ("submit_s,duration_s,gpus,priority\n0,5,1,inf\n", "trace_row", "whole number"),
        ("submit_s,duration_s,gpus,deadline_s\n0,5,1,nan\n", "trace_row", "no point in time"),
        ("submit_s,duration_s,gpus\n0,5,1\n1e300,5,1\n", "trace_unit", "hundred years"),
        ("submit_s,duration_s,gpus\n0,90000000,1\n", "trace_unit", "two years"),
        ("job,submit_s,duration_s,gpus\n4,0,5,1\n5,0,5,1\n4,9,5,1\n", "trace_twice", "line 4.*line 2"),
        ("submit_s,duration_s,gpus,portable\n0,5,1,maybe\n", "trace_row", "maybe"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_line_and_a_remedy(text: str, code: str, says: str) -> None:
    with pytest.raises(TraceError, match=says) as found:
        csv(text)
    assert found.value.code == code


def test_a_file_is_told_by_its_name(tmp_path: Path) -> None:
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(GOOD.encode()))
    assert len(read(packed).trace) == 2
    odd = tmp_path / "t.xlsx"
    odd.write_text("x")
    with pytest.raises(TraceError) as found:
        read(odd)
    assert found.value.code == "trace_kind"
    for name, content in (("t.csv", b"\xff\xfe\x00"), ("u.csv.gz", b"no gzip"), ("t.parquet", b"no parquet")):
        broken = tmp_path / name
        broken.write_bytes(content)
        with pytest.raises(TraceError) as broke:
            read(broken)
        assert broke.value.code in {"trace_kind", "trace_column"}


def test_parquet_gives_back_what_was_written(tmp_path: Path) -> None:
    world, demand = generate(Recipe(jobs=300, platforms=5, portable=0.5))
    demand = Demand(with_data(demand.trace, 20, 0), demand.names)
    write_parquet(demand, tmp_path / "d.parquet")
    again = read_parquet(tmp_path / "d.parquet")
    assert again.names == world.names
    first = demand.trace.submit[0]
    for name in set(COLUMNS) - {"account", "submit", "deadline"}:
        assert np.array_equal(getattr(again.trace, name), getattr(demand.trace, name)), name
    assert np.allclose(again.trace.submit, demand.trace.submit - first)
    labels = (np.array(one.trace.accounts)[one.trace.account].tolist() for one in (demand, again))
    assert next(labels) == next(labels)


SWF = """; Version: 2.2
; MaxNodes: 4
1 100 5 60 4 -1 -1 8 600 -1 1 3 1 1 1 2 -1 -1
2 101 0 30 -1 -1 -1 2 -1 -1 1 4 1 1 1 1 -1 -1
3 102 -1 -1 -1 -1 -1 2 60 -1 5 4 1 1 1 1 -1 -1
"""


def test_odd_rows_of_a_workload_are_sorted_left_out_and_told() -> None:
    late = f"4 {90 + 8 * 86_400} 0 7 1 -1 -1 1 9 -1 1 3 1 1 1 2 -1 -1\n"
    none = "5 99 0 0 1 -1 -1 1 9 -1 1 3 1 1 1 2 -1 -1\n"
    early = "6 90 0 9 1 -1 -1 1 9 -1 1 3 1 1 1 2 -1 -1\n"
    demand = read_swf(StringIO(SWF + late + none + early), "t.swf")
    assert demand.trace.job.tolist() == [6, 1, 2, 4]
    told = "\n".join(demand.trace.notes)
    for words in ("took no time", "sorted", "gaps of more than 7 days"):
        assert words in told


def test_the_standard_workload_format() -> None:
    demand = read_swf(StringIO(SWF), "t.swf")
    assert demand.names == ("partition 1", "partition 2")
    assert demand.trace.job.tolist() == [1, 2]
    assert demand.trace.units.tolist() == [4, 2], "allocated, else requested"
    assert demand.trace.estimate.tolist() == [600, 30], "the time asked for, else the run time"
    assert demand.trace.submit.tolist() == [0, 1]
    assert any("1 jobs never ran" in note for note in demand.trace.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [("1 2 3\n", "line 1.*18"), (SWF.replace("1 100 5", "1 x 5"), "line 3"), ("; nothing\n", "no job")],
)
def test_a_workload_that_is_none_is_named(text: str, says: str) -> None:
    with pytest.raises(TraceError, match=says):
        read_swf(StringIO(text), "t.swf")
