"""Every limit really holds, in every way that the local driver can hold a job on this machine."""

import os
import time
from pathlib import Path

import pytest

from suanlian.drivers.contract import Limits, NativeId, Observation
from suanlian.drivers.local.driver import LocalDriver
from suanlian.model.job import ENDED, JobState
from suanlian.testing.drivers import DriverBench
from tests.drivers.benches import ALL_WAYS, BARE_POLLING, Way, local_bench, processes_with

HOG = "head -c 400m /dev/zero | tail >/dev/null"


@pytest.fixture(params=ALL_WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture
def bench(way: Way, tmp_path: Path) -> DriverBench:
    return local_bench(tmp_path, way)


def told(bench: DriverBench, native_id: NativeId) -> str:
    assert isinstance(bench.driver, LocalDriver)
    return bench.driver.read_log(native_id, "stderr", 0, 1_000_000).decode(errors="replace")


def ended_by(seen: Observation) -> tuple[JobState, str | None]:
    return seen.state, seen.limit


def test_memory_is_limited_even_when_the_command_hides_it(bench: DriverBench) -> None:
    native_id, seen = bench.run(("sh", "-c", f"{HOG}; exit 0"), granted={"memory": 64})
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "memory")
    assert 48 <= seen.measured.peak_memory_mib <= 200
    peak = seen.measured.peak_memory_mib
    assert f"suanlian: memory limit of 64 MiB reached (peak {peak} MiB); the job was ended\n" in told(bench, native_id)


def test_wall_time_is_limited(bench: DriverBench) -> None:
    native_id, seen = bench.run(("sleep", "60"), limits=Limits(wall_time_s=1))
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "wall-time")
    assert seen.started_at is not None
    assert seen.ended_at is not None
    assert 0.9 <= (seen.ended_at - seen.started_at).total_seconds() <= 3
    assert told(bench, native_id) == "suanlian: wall time limit of 1 s reached; the job was ended\n"


@pytest.mark.parametrize(
    "command",
    [
        "head -c 100m /dev/zero > one",
        "i=0; while :; do i=$((i+1)); head -c 1m /dev/zero > f$i; done",
    ],
    ids=["one file", "many files"],
)
def test_the_working_directory_is_limited(bench: DriverBench, command: str) -> None:
    native_id, seen = bench.run(("sh", "-c", command), granted={"disk": 8})
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "disk")
    assert "suanlian: disk limit of 8 MiB reached" in told(bench, native_id)


def test_a_flood_of_output_is_cut(bench: DriverBench) -> None:
    limits = Limits(wall_time_s=30, stream_bytes=10_000)
    native_id, seen = bench.run(("sh", "-c", "yes"), limits=limits)
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "output")
    assert isinstance(bench.driver, LocalDriver)
    assert bench.driver.read_log(native_id, "stdout", 0, 100_000) == b"y\n" * 5000
    assert told(bench, native_id) == "suanlian: output limit of 10000 bytes reached on stdout; the job was ended\n"


def test_endless_lines_and_binary_rubbish_arrive_as_they_are(bench: DriverBench) -> None:
    native_id, seen = bench.run(("sh", "-c", r"printf '\000\377\033[31m'; head -c 900000 /dev/zero"))
    assert seen.state is JobState.COMPLETE
    assert isinstance(bench.driver, LocalDriver)
    content = bench.driver.read_log(native_id, "stdout", 0, 2_000_000)
    assert content == b"\x00\xff\x1b[31m" + bytes(900_000)


def test_a_fork_bomb_is_bounded_and_ended(bench: DriverBench, way: Way) -> None:
    mark = f"8{os.getpid()}{time.monotonic_ns() % 10**6}"
    native_id = bench.start(("sh", "-c", f"while :; do sleep {mark} & done"))
    most = 0
    while (seen := bench.driver.observe([native_id])[native_id]).state not in ENDED:
        most = max(most, len(processes_with(mark)))
    # refused by the machine the shell gives up by itself, else the keeper ends it
    assert (seen.state, seen.limit in {None, "processes"}) == (JobState.EXECUTOR_ERROR, True)
    assert most <= (80 if way.use_cgroups else 1000)
    assert processes_with(mark) == []


def test_cpu_is_limited_to_the_grant(bench: DriverBench, way: Way) -> None:
    # without control groups whole processors are the best there is
    granted = 0.5 if way.use_cgroups else 1.0
    spin = "timeout 0.9 sh -c 'while :; do :; done' & timeout 0.9 sh -c 'while :; do :; done' & wait"
    begun = time.monotonic()
    _, seen = bench.run(("sh", "-c", spin), granted={"cpu": 500})
    assert seen.state is JobState.COMPLETE
    wall_s = time.monotonic() - begun
    # how much it got of a busy machine is not ours to say; that it was measured is
    assert 0.05 <= float(seen.measured.cpu_s) <= 1.3 * granted * wall_s + 0.1


def test_the_program_is_told_from_what_cannot_start(bench: DriverBench) -> None:
    native_id, seen = bench.run(("nosuch", "--flag"))
    assert (seen.exit_code, seen.reason) == (127, "cannot start 'nosuch': No such file or directory")
    assert told(bench, native_id) == "suanlian: cannot start 'nosuch': No such file or directory\n"
    native_id, seen = bench.run(("sh", "-c", "exit 127"))
    assert (seen.state, seen.exit_code, seen.reason) == (JobState.EXECUTOR_ERROR, 127, "exit code 127")


def test_limits_of_an_ordinary_job_leave_it_alone(bench: DriverBench) -> None:
    granted = {"memory": 64, "disk": 4}
    _, seen = bench.run(("sh", "-c", "head -c 2m /dev/zero > f; echo fine"), granted=granted)
    assert (seen.state, seen.limit, seen.reason) == (JobState.COMPLETE, None, "")


def test_directories_nested_without_end_are_refused_and_removed(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, BARE_POLLING)
    dig = "while :; do mkdir d && cd d || exit 1; done"
    native_id, seen = bench.run(("sh", "-c", dig))
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "disk")
    bench.driver.forget(native_id)
    assert not (tmp_path / "root" / "jobs" / native_id).exists()
    assert list((tmp_path / "root" / "new").iterdir()) == []
