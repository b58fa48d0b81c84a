"""What a Ray dashboard says, as types. The answers are those of a real head, 2.60.0, shortened."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from suanlian.drivers.contract import Fault
from suanlian.drivers.ray import parse
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.quantity import Resources

PENDING = {
    "type": "SUBMISSION",
    "submission_id": "x4",
    "status": "PENDING",
    "message": "Job has not started yet. It may be waiting for resources to become available.",
    "error_type": None,
    "start_time": 1795724155020,
    "end_time": None,
    "driver_exit_code": None,
}
FAILED = PENDING | {
    "status": "FAILED",
    "end_time": 1795724157746,
    "message": "Job entrypoint command failed with exit code 3, last available logs (truncated to 20,000):\nsecret\n",
}
STARTED = {"at": 1795724155.5, "pid": 7, "node": "n"}
LIVE = {"at": 1795724156.0, "cpu_s": 1.25, "peak_kib": 2049}
EXIT = {
    "state": "EXECUTOR_ERROR",
    "exit_code": 3,
    "reason": "exit code 3",
    "limit": None,
    "fault": None,
    "started": 1795724155.5,
    "ended": 1795724157.5,
    "cpu_s": 0.5,
    "peak_kib": 1,
}


def test_an_exit_record_says_all() -> None:
    seen = parse.ended(EXIT)
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.EXECUTOR_ERROR, 3, "exit code 3")
    assert seen.started_at == datetime(2026, 11, 26, 20, 15, 55, 500000, tzinfo=UTC)
    assert seen.ended_at is not None
    assert (seen.ended_at - seen.started_at).total_seconds() == 2
    assert (seen.measured.cpu_s, seen.measured.peak_memory_mib) == (Decimal("0.5"), 1)


def test_a_worker_that_left_is_the_nodes_fault() -> None:
    assert parse.ended(EXIT | {"state": "SYSTEM_ERROR", "fault": "node"}).fault is Fault.NODE


def test_what_has_not_begun_initializes_or_is_lost_or_was_refused() -> None:
    assert parse.waiting(PENDING).state is JobState.INITIALIZING
    assert parse.waiting(None).lost
    assert parse.waiting(FAILED).fault is Fault.NODE
    refused = parse.waiting(FAILED | {"message": "runtime_env setup failed: no such package\n  at line 3"})
    assert (refused.fault, refused.state) == (Fault.REQUEST, JobState.SYSTEM_ERROR)
    assert refused.reason == "Ray did not start it: runtime_env setup failed: no such package at line 3"


def test_logs_that_ray_appends_to_its_message_stay_out_of_the_reason() -> None:
    assert parse.said(FAILED) == "Job entrypoint command failed with exit code 3"
    assert "secret" not in parse.waiting(FAILED).reason


def test_a_job_that_fell_is_lost_cancelled_or_the_nodes_fault() -> None:
    lost = parse.fallen(STARTED, LIVE, None, canceled=False)
    assert (lost.lost, lost.state, lost.measured.peak_memory_mib) == (True, JobState.RUNNING, 3)
    assert parse.fallen(STARTED, LIVE, FAILED, canceled=True).state is JobState.CANCELED
    fallen = parse.fallen(STARTED, None, FAILED, canceled=False)
    assert (fallen.state, fallen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)
    early = parse.fallen(STARTED, None, FAILED | {"end_time": 1}, canceled=False)
    assert early.ended_at == early.started_at  # clocks of two machines: an end is never before its beginning


@pytest.mark.parametrize(("paused", "state"), [(False, JobState.RUNNING), (True, JobState.PAUSED)])
def test_what_runs_may_stand_still(*, paused: bool, state: JobState) -> None:
    assert parse.running(STARTED, LIVE, paused=paused).state is state


def test_flavors_are_kinds_of_living_nodes() -> None:
    big = {"CPU": 32.0, "memory": 256 * 2**30 + 5.0, "GPU": 8.0, "accelerator_type:H100": 1.0, "node:10.0.0.2": 1.0}
    small = {"CPU": 4.0, "memory": 24139566848.0, "node:10.0.0.3": 1.0}
    nodes = [{"state": "ALIVE", "resources_total": total} for total in (big, big, small)]
    nodes.append({"state": "DEAD", "resources_total": {"CPU": 1.0}})
    found = parse.flavors(nodes, Architecture.X86_64)
    assert [flavor.name for flavor in found] == ["ray-4c-22g", "ray-32c-256g-8xh100"]
    assert found[1].node == Resources.of({"cpu": 32000, "memory": 262144, "disk": 262144, "accelerator": 8})
    assert found[1].compute_class is ComputeClass.INTELLIGENT
    assert found[1].note == "2 such node(s); cards: H100"


def test_a_load_is_what_was_given_away_and_never_more_than_the_share() -> None:
    report = {"usage": {"CPU": [3.5, 4.0], "memory": [2.0**31, 2.0**34], "GPU": [1.0, 8.0]}}
    told = parse.load(
        report, [PENDING, FAILED, PENDING | {"status": "RUNNING"}], Resources.of({"cpu": 2000, "memory": 9000})
    )
    assert told.in_use == Resources.of({"cpu": 2000, "memory": 2048})
    assert (told.running, told.queued) == (1, 1)
