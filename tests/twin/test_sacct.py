from io import StringIO

import numpy as np
import pytest

from suanlian.twin.mine import mine, peak
from suanlian.twin.request import Unit
from suanlian.twin.sacct import Accounting, moment, read_sacct, seconds
from suanlian.twin.trace import TraceError

HEAD = "JobID|User|State|Submit|Eligible|Start|End|Elapsed|Timelimit|AllocTRES|AllocNodes\n"


def row(  # noqa: PLR0913, PLR0917 - a column each
    job: str = "1",
    state: str = "COMPLETED",
    submit: str = "2026-03-01T10:00:00",
    start: str = "2026-03-01T10:00:10",
    elapsed: str = "00:01:00",
    tres: str = "cpu=8,gres/gpu=2,mem=64G,node=1",
    eligible: str = "",
    end: str = "",
) -> str:
    return f"{job}|ann|{state}|{submit}|{eligible or submit}|{start}|{end}|{elapsed}|01:00:00|{tres}|1\n"


def read(*rows: str, head: str = HEAD) -> Accounting:
    return read_sacct(StringIO(head + "".join(rows)), "mine.txt")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("00:00:00", 0),
        ("01:02:03", 3723),
        ("2-01:00:00", 176_400),
        ("10-00:00:01", 864_001),
        ("02:03", 123),
        ("00:01.500", 1.5),
        ("3-12", 302_400),
        ("90", 90),
        ("", 0),
        ("INVALID", 0),
    ],
)
def test_lengths_of_time_as_slurm_writes_them(text: str, wanted: float) -> None:
    assert seconds(text, "x") == wanted


def test_moments_as_slurm_writes_them() -> None:
    assert moment("1970-01-02T00:00:00", "x") == 86_400
    assert moment("1700000000", "x") == 1_700_000_000
    assert moment("Unknown", "x") is None
    with pytest.raises(TraceError, match="SLURM_TIME_FORMAT"):
        moment("Mon Mar 2", "x")


def test_steps_waiting_jobs_and_those_that_never_ran_are_left_out_and_counted() -> None:
    found = read(
        row("1"),
        row("1.batch", state="CANCELLED", tres="cpu=8,mem=1G,node=1"),
        row("1.extern"),
        row("1.0"),
        row("2_[3,5-9%2]", state="PENDING", start="Unknown", elapsed="00:00:00", tres=""),
        row("3", state="PENDING", start="Unknown", elapsed="00:00:00", tres=""),
        row("4", state="CANCELLED by 1000", start="None", elapsed="00:00:00", tres=""),
        row("5+0", state="RUNNING", tres="cpu=4,gres/gpu:a100=4,node=1"),
        row("6_2", state="FAILED", elapsed="1-00:00:00"),
    )
    assert [record.job for record in found.records] == ["1", "5+0", "6_2"]
    assert [record.gpus for record in found.records] == [2, 4, 2]
    assert found.records[2].elapsed == 86_400
    told = "\n".join(found.notes)
    for words in ("3 job steps", "7 jobs or tasks of arrays wait", "1 jobs ended without", "1 jobs run still"):
        assert words in told


def test_cards_told_twice_count_once_and_columns_stand_in_any_order() -> None:
    head = "AllocTRES|Start|JobID|Submit|ElapsedRaw|TimelimitRaw|\n"
    tres = "billing=9,cpu=32,gres/gpu:a100=3,gres/gpu:h100=1,gres/gpu=4,node=2"
    line = f"{tres}|2026-03-01T10:00:10|7|2026-03-01T10:00:00|60|5|\n"
    (found,) = read(line, head=head).records
    assert (found.gpus, found.cpus, found.nodes, found.elapsed, found.limit) == (4, 32, 2, 60, 300)


def test_a_held_job_waits_from_when_it_could_start() -> None:
    found = read(row(eligible="2026-03-01T10:00:05"))
    assert found.records[0].start - found.records[0].eligible == 5
    assert any("could not start when submitted" in note for note in found.notes)


def test_a_suspended_job_counts_by_what_it_ran() -> None:
    found = read(row(end="2026-03-01T12:00:10"))
    assert found.records[0].elapsed == 60
    assert any("suspended" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1.*header"),
        ("hello\n", "line 1.*header"),
        ("JobID|Submit|Elapsed|AllocTRES\n", "start"),
        (HEAD, "took any time.*--starttime"),
        (HEAD + row() + "2|ann|COMPLETED\n", "line 3.*cells"),
        (HEAD + row(state="WHATEVER"), "line 2.*WHATEVER"),
        (HEAD + row(job="JobID"), "line 2.*no job id"),
        (HEAD + row(elapsed="an hour"), "line 2.*an hour"),
        (HEAD + row(submit="yesterday", eligible="Unknown"), "line 2.*yesterday"),
        (HEAD + row(submit="Unknown"), "line 2.*never submitted"),
        (HEAD + row(tres="cpu=8,gres/gpu=many"), "line 2.*many"),
    ],
)
def test_what_is_no_output_of_sacct_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(TraceError, match=says):
        read_sacct(StringIO(text), "mine.txt")


def test_the_platform_is_the_least_that_holds_what_ran_at_once() -> None:
    own = mine(
        read(
            row("1", tres="cpu=8,gres/gpu=8,node=1"),
            row("2", tres="cpu=16,gres/gpu=16,node=2", start="2026-03-01T10:00:30", submit="2026-03-01T10:00:20"),
            row("3", tres="cpu=1,gres/gpu=1,node=1", start="2026-03-01T11:00:00", submit="2026-03-01T10:00:40"),
            row("4", tres="cpu=1,node=1"),
        )
    )
    assert own.unit is Unit.GPU
    assert (own.world.nodes.tolist(), own.world.node_units.tolist()) == ([3], [8])
    assert own.waited.tolist() == [10, 10, 3560]
    assert own.ids == ("1", "2", "3")
    assert own.demand.trace.estimate.tolist() == [3600] * 3, "the limit that was asked for"
    assert any("1 jobs have no gpu" in note for note in own.demand.trace.notes)


def test_more_at_once_than_the_nodes_that_are_said_to_be_there_is_an_overlap() -> None:
    found = read(row("1"), row("2"), row("3"))
    with pytest.raises(TraceError) as overlap:
        mine(found, nodes=2, node_units=2)
    assert overlap.value.code == "trace_overlap"
    assert mine(found, nodes=3, node_units=2).world.units.tolist() == [6]


def test_a_cluster_without_cards_counts_cores() -> None:
    own = mine(read(row(tres="cpu=8,mem=64G,node=1")))
    assert own.unit is Unit.CPU
    assert own.demand.trace.units.tolist() == [8]
    with pytest.raises(TraceError, match="gpu"):
        mine(read(row(tres="cpu=8,mem=64G,node=1")), unit=Unit.GPU)


def test_what_ends_is_free_for_what_begins_then() -> None:

    start, end = np.array([0.0, 5.0]), np.array([5.0, 9.0])
    assert peak(start, end, np.array([3, 4])) == 4
