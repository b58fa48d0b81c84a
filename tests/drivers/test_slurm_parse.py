"""Slurm's answers in types: v0.0.38 and the commands as a real 22.05.8 gave them, v0.0.40 to 42 by the published shape.

The files in ``slurm_golden`` were recorded from a cluster of tests, with the names of the machine taken out.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.drivers.slurm import parse, parse_cli
from suanlian.drivers.slurm.compose import span
from suanlian.drivers.slurm.records import JobRecord, Queue, Request, SlurmError
from suanlian.model.quantity import Resources

GOLDEN = Path(__file__).parent / "slurm_golden"
REQUEST = Request(
    name="suanlian-b",
    comment="suanlian e s",
    script="#!/bin/sh\n",
    directory="/d",
    output="/d/%a/slurm",
    cpus=2,
    memory_mib=300,
    time_limit_s=61,
    gres="gpu:1",
    nodes=2,
    array="0-3",
    partition="main",
    nice=5,
    environment={"PATH": "/bin"},
)


def answer(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((GOLDEN / name).read_text())
    return said


def by_name(records: list[JobRecord]) -> dict[str, list[JobRecord]]:
    found: dict[str, list[JobRecord]] = {}
    for record in records:
        found.setdefault(record.name, []).append(record)
    return found


REST = by_name(parse.jobs(answer("jobs.json")))
COMMANDS = by_name(parse_cli.jobs((GOLDEN / "jobs.txt").read_text()))


@pytest.mark.parametrize("jobs", [REST, COMMANDS], ids=["rest", "commands"])
@pytest.mark.parametrize(
    ("name", "state", "status"),
    [
        ("completed", "COMPLETED", 0),
        ("failed", "FAILED", 3 << 8),
        ("killed", "FAILED", 9),
        ("timeout", "TIMEOUT", None),
        ("memory", "OUT_OF_MEMORY", None),
        ("cancelled", "CANCELLED", None),
        ("preempted", "PREEMPTED", None),
        ("nodefail", "NODE_FAIL", None),
        ("suspended", "SUSPENDED", None),
        ("running", "RUNNING", None),
        ("launch", "FAILED", None),
    ],
)
def test_each_state_is_read(jobs: dict[str, list[JobRecord]], name: str, state: str, status: int | None) -> None:
    (record,) = jobs[name]
    assert record.state == state
    assert (record.array_id, record.task, record.waiting) == (0, None, "")
    assert status is None or record.status == status
    assert record.submitted > 1_700_000_000
    assert record.started >= record.submitted


def test_both_ways_tell_the_same() -> None:
    assert set(REST) == set(COMMANDS)
    for name, records in REST.items():
        for ours, theirs in zip(
            sorted(records, key=lambda r: r.job_id), sorted(COMMANDS[name], key=lambda r: r.job_id), strict=True
        ):
            for field in ("job_id", "state", "array_id", "task", "submitted", "restarts"):
                assert getattr(ours, field) == getattr(theirs, field), (name, field)


@pytest.mark.parametrize("jobs", [REST, COMMANDS], ids=["rest", "commands"])
def test_tasks_are_told_apart_and_those_that_wait_share_a_record(jobs: dict[str, list[JobRecord]]) -> None:
    array = jobs["array"]
    assert {record.task for record in array} == {0, 1, 5}
    assert len({record.array_id for record in array}) == 1
    assert {record.task: record.status for record in array} == {0: 0, 1: 1 << 8, 5: 5 << 8}
    waiting = next(record for record in jobs["waiting"] if record.waiting)
    assert waiting.task is None
    assert waiting.array_id == waiting.job_id
    assert 40 in (parse.tasks(waiting.waiting) or ())


@pytest.mark.parametrize("jobs", [REST, COMMANDS], ids=["rest", "commands"])
def test_why_a_job_waits_is_told(jobs: dict[str, list[JobRecord]]) -> None:
    assert jobs["never"][0].reason == "PartitionNodeLimit"
    assert jobs["launch"][0].reason == "JobLaunchFailure"


def test_nodes_are_read_alike() -> None:
    rest = {node.name: node for node in parse.nodes(answer("nodes.json"))}
    commands = {node.name: node for node in parse_cli.nodes((GOLDEN / "nodes.txt").read_text())}
    for nodes in (rest, commands):
        assert nodes["n1"].has == Resources.of({"cpu": 4000, "memory": 4000, "accelerator": 2})
        assert (nodes["n1"].architecture, nodes["n1"].partitions) == ("x86_64", ("main", "urgent"))
    assert rest["n1"].taken == commands["n1"].taken
    assert rest["n1"].taken.accelerator == 1


def test_what_jobcomp_wrote_is_found_by_number_and_task() -> None:
    lines = (GOLDEN / "jobcomp.txt").read_text().splitlines()
    array = REST["array"][0].array_id
    from_file = {record.task: record for record in parse_cli.completed(lines, frozenset({array}), None)}
    assert {task: record.status for task, record in from_file.items()} == {0: 0, 1: 1 << 8, 5: 5 << 8}
    assert all(record.name == "array" and record.array_id == array for record in from_file.values())
    assert parse_cli.completed(["rubbish", "JobId=x JobState=COMPLETED"], frozenset({1}), None) == []


def test_answers_to_submissions() -> None:
    assert parse.submitted(answer("submitted.json")) == REST["completed"][0].job_id
    assert parse.faults(answer("submitted.json")) == []
    refused = parse.refusal(parse.faults(answer("refused.json")), "no")
    assert parse.submitted(answer("refused.json")) is None
    assert not refused.transient
    assert "partition" in str(refused)
    assert {code for code, _text in parse.faults(answer("unknown_job.json"))} == {parse.NO_SUCH_JOB}
    assert parse_cli.submitted("17;cluster\n") == 17
    with pytest.raises(SlurmError):
        parse_cli.submitted("sbatch: what?")


def test_a_controller_that_is_away_is_transient() -> None:
    away = parse.refusal([(-1, "Unspecified error")], "no")
    assert (away.transient, away.unsure) == (True, True)
    said = parse_cli.refusal("sbatch", "error: Unable to contact slurm controller (connect failure)")
    assert (said.transient, said.unsure) == (True, True)
    assert not parse_cli.refusal("sbatch", "error: invalid partition specified: x").transient


# ------------------------------------------------------------------ v0.0.40 to 42, by hand from the published shape

NEWER = {
    "jobs": [
        {
            "job_id": 17,
            "name": "suanlian-b",
            "job_state": ["COMPLETED", "COMPLETING"],
            "array_job_id": {"set": True, "infinite": False, "number": 17},
            "array_task_id": {"set": True, "infinite": False, "number": 3},
            "array_task_string": "",
            "state_reason": "None",
            "submit_time": {"set": True, "infinite": False, "number": 1795724247},
            "start_time": {"set": True, "infinite": False, "number": 1795724248},
            "end_time": {"set": True, "infinite": False, "number": 1795724249},
            "exit_code": {
                "status": ["ERROR"],
                "return_code": {"set": True, "infinite": False, "number": 3},
                "signal": {"id": {"set": False, "infinite": False, "number": 0}, "name": ""},
            },
            "restart_cnt": 0,
            "nodes": "n1",
        },
        {
            "job_id": 18,
            "name": "plain",
            "job_state": ["RUNNING"],
            "array_job_id": {"set": True, "infinite": False, "number": 0},
            "array_task_id": {"set": False, "infinite": False, "number": 0},
            "submit_time": {"set": True, "infinite": False, "number": 1795724247},
            "start_time": {"set": True, "infinite": False, "number": 1795724248},
            "end_time": {"set": False, "infinite": True, "number": 0},
            "exit_code": {"status": ["PENDING"], "return_code": {"set": False}, "signal": {"id": {"set": False}}},
        },
    ]
}


def test_the_newer_shape_of_jobs_is_read() -> None:
    task, plain = parse.jobs(NEWER)
    assert (task.array_id, task.task, task.state, task.flags) == (17, 3, "COMPLETED", frozenset({"COMPLETING"}))
    assert (task.status, task.started, task.ended) == (3 << 8, 1795724248, 1795724249)
    assert (plain.array_id, plain.task, plain.status, plain.ended) == (0, None, None, 0)


@pytest.mark.parametrize("api", ["v0.0.40", "v0.0.41", "v0.0.42"])
def test_the_newer_shape_of_submissions_is_written(api: str) -> None:
    body = parse.submission(REQUEST, api)
    job = body["job"]
    assert job["environment"] == ["PATH=/bin"]
    assert job["time_limit"] == {"set": True, "infinite": False, "number": 2}
    assert job["memory_per_node"]["number"] == 300
    assert (job["tres_per_node"], job["requeue"]) == ("gres/gpu:1", False)
    assert (job["minimum_nodes"], job["tasks"], job["cpus_per_task"]) == (2, 2, 2)
    assert (body if api == "v0.0.40" else job)["script"] == "#!/bin/sh\n"
    assert parse.submitted({"result": {"job_id": 4}}) == 4


def test_the_older_shape_of_submissions_is_written() -> None:
    job = parse.submission(REQUEST, "v0.0.38")["job"]
    assert job["environment"] == {"PATH": "/bin"}
    assert (job["time_limit"], job["memory_per_node"], job["gres"], job["no_requeue"]) == (2, 300, "gpu:1", True)


def test_slurmdbd_is_read_in_both_shapes() -> None:
    older = {
        "job_id": 17,
        "name": "suanlian-b",
        "array": {"job_id": 17, "task_id": 3},
        "state": {"current": "FAILED", "reason": "None"},
        "time": {"submission": 5, "start": 6, "end": 9, "total": {"seconds": 2, "microseconds": 500_000}},
        "exit_code": {"status": "ERROR", "return_code": 3},
        "steps": [{"tres": {"requested": {"max": [{"type": "mem", "count": 20 * 2**20}]}}}],
    }
    newer = {
        **older,
        "array": {"job_id": 17, "task_id": {"set": True, "infinite": False, "number": 3}},
        "state": {"current": ["FAILED"], "reason": "None"},
        "exit_code": {"status": ["ERROR"], "return_code": {"set": True, "infinite": False, "number": 3}, "signal": {}},
    }
    for said in (older, newer):
        (record,) = parse.accounted({"jobs": [said]})
        assert (record.state, record.status, record.array_id, record.task) == ("FAILED", 3 << 8, 17, 3)
        assert (record.cpu_s, record.peak_memory_mib) == (Decimal("2.5"), 20)


def test_slurmdbd_as_it_was_recorded_tells_usage_and_not_how_it_failed() -> None:
    failed, good = parse.accounted(answer("slurmdb_job.json"))
    assert (failed.state, failed.task, failed.status) == ("FAILED", 1, None)
    assert (good.state, good.task, good.status, good.array_id) == ("COMPLETED", 0, 0, failed.array_id)
    assert failed.cpu_s == Decimal("0.670612")
    assert failed.peak_memory_mib == 60


def test_sacct_as_it_was_recorded_tells_all() -> None:
    good, failed = parse_cli.accounted((GOLDEN / "sacct.txt").read_text())
    assert (failed.state, failed.task, failed.status, failed.name) == ("FAILED", 1, 7 << 8, "array")
    assert (good.state, good.cpu_s, good.peak_memory_mib) == ("COMPLETED", Decimal("0.885"), 60)


def test_sacct_is_read() -> None:
    line = (
        "17_3|20|FAILED|3:0|2026-11-26T20:17:27|2026-11-26T20:17:28|2026-11-26T20:17:30|1-00:00:01.500||n1|suanlian-b"
    )
    step = "17_3.batch|20.batch|FAILED|3:0||||00:01.500|20480K|n1|batch"
    (record,) = parse_cli.accounted(f"{line}\n{step}\n".replace("|", "\x1f"))
    assert (record.job_id, record.array_id, record.task, record.status) == (20, 17, 3, 3 << 8)
    assert (record.cpu_s, record.peak_memory_mib) == (Decimal("86401.5"), 20)


# ------------------------------------------------------------------ plain values


def test_the_newest_version_that_both_know_is_taken() -> None:
    known = ("v0.0.38", "v0.0.40", "v0.0.41")
    assert parse.newest(["/slurm/v0.0.38/ping", "/slurm/v0.0.40/ping/", "/slurm/v0.0.44/ping"], known) == "v0.0.40"
    assert parse.newest(["/slurm/v0.0.36/ping"], known) is None


@given(st.sets(st.integers(0, 500), max_size=60))
def test_a_list_of_tasks_is_written_and_read_alike(places: set[int]) -> None:
    assert parse.tasks(span(sorted(places))) == frozenset(places)


def test_a_list_that_slurm_cut_short_says_nothing() -> None:
    assert parse.tasks("0-3,7,9,...") is None
    assert parse.tasks("0-8:2%3") == frozenset({0, 2, 4, 6, 8})


@pytest.mark.parametrize(
    ("gres", "count"),
    [("gpu:2", 2), ("gpu:a100:4(S:0-1),npu:8", 12), ("gpu:(null):1(IDX:0)", 1), ("", 0), ("gres/gpu:3", 3)],
)
def test_cards_are_counted(gres: str, count: int) -> None:
    assert parse.cards(gres) == count


def test_a_queue_counts_waiting_tasks() -> None:
    jobs = [
        {"job_state": "PENDING", "partition": "main", "array_task_string": "0-4"},
        {"job_state": "RUNNING", "partition": "main"},
        {"job_state": "RUNNING", "partition": "other"},
        {"job_state": ["PENDING"], "partition": "main,other", "array_task_string": ""},
    ]
    assert parse.queue({"jobs": jobs}, "main") == Queue(running=1, queued=6)
