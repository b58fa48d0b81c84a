"""A local job that stands still: all of it, by whatever means the machine has, and nothing of it for ever."""

import os
import signal
import time
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, Limits, NativeId
from suanlian.drivers.local import cgroup
from suanlian.drivers.local.driver import LocalDriver
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverBench
from tests.drivers.benches import ALL_WAYS, Way, local_bench, processes_with
from tests.drivers.test_local_lives import keeper_of, wait_gone

TICKING = "while :; do echo x >> ticks; sleep 0.02; done"


@pytest.fixture(params=ALL_WAYS, ids=str)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> DriverBench:
    way: Way = request.param
    return local_bench(tmp_path, way)


def paused(bench: DriverBench, *command: str, wall_time_s: int = 60) -> NativeId:
    """A job that was seen to stand still after it had begun its work."""
    native_id = bench.start(command, limits=Limits(wall_time_s=wall_time_s))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    ticks = driver.working_directory(native_id) / "ticks"
    bench.wait(native_id, lambda _: ticks.is_file())
    driver.suspend(native_id)
    bench.wait(native_id, lambda seen: seen.state is JobState.PAUSED)
    return native_id


def groups_of(native_id: str) -> list[str]:
    found, _ = cgroup.detect()
    named = [] if found is None else found.children(f"suanlian-{native_id}").directories.values()
    return [path for path in named if Path(path).exists()]


def test_it_stands_still_with_all_that_it_started(bench: DriverBench) -> None:
    native_id = paused(bench, "sh", "-c", f"(setsid sh -c '{TICKING}' &) ; {TICKING}")
    assert isinstance(bench.driver, LocalDriver)
    ticks = bench.driver.working_directory(native_id) / "ticks"
    before = ticks.stat().st_size
    time.sleep(0.3)
    assert ticks.stat().st_size == before
    bench.driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED
    bench.driver.forget(native_id)
    assert groups_of(native_id) == []


def test_the_wall_time_stands_still_with_it(bench: DriverBench) -> None:
    script = "echo x > ticks; sleep 0.3; echo done"
    native_id = paused(bench, "sh", "-c", script, wall_time_s=3)  # a busy machine takes its time to start and to pause
    time.sleep(3.5)
    assert isinstance(bench.driver, LocalDriver)
    bench.driver.resume(native_id)
    seen = bench.wait(native_id)
    assert (seen.state, seen.limit) == (JobState.COMPLETE, None)
    assert seen.started_at is not None
    assert seen.ended_at is not None
    # it held its place all the while
    assert (seen.ended_at - seen.started_at).total_seconds() >= 3.5


def test_a_keeper_that_is_killed_leaves_nothing_standing(bench: DriverBench, tmp_path: Path) -> None:
    mark = f"5{os.getpid()}{time.monotonic_ns() % 10**6}"
    native_id = paused(bench, "sh", "-c", f"echo x > ticks; sleep {mark} & sleep {mark}")
    os.kill(keeper_of(tmp_path, native_id), signal.SIGKILL)
    assert bench.wait(native_id).lost
    wait_gone(mark)
    bench.driver.forget(native_id)
    assert groups_of(native_id) == []
    assert processes_with(mark) == []


def test_a_new_agent_finds_it_standing_and_lets_it_go_on(bench: DriverBench) -> None:
    native_id = paused(bench, "sh", "-c", "echo x > ticks; sleep 0.2; echo done")
    again = bench.make()
    assert isinstance(again, LocalDriver)
    assert again.observe([native_id])[native_id].state is JobState.PAUSED
    again.resume(native_id)
    assert bench.wait(native_id).state is JobState.COMPLETE


def test_a_signal_finds_the_program_below_its_shells(bench: DriverBench) -> None:
    """The shells handle nothing: one that got it would end, and all with it."""
    inner = "trap 'echo saved > state; exit 0' USR1; echo x > ticks; while :; do sleep 0.02; done"
    native_id = bench.start(("sh", "-c", f'(sh -c "{inner}"; true); echo went on'))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    place = driver.working_directory(native_id)
    bench.wait(native_id, lambda _: (place / "ticks").is_file())
    driver.signal(native_id, "USR1")
    assert bench.wait(native_id).state is JobState.COMPLETE
    assert (place / "state").read_text() == "saved\n"
    assert driver.read_log(native_id, "stdout", 0, 100) == b"went on\n"


def test_a_signal_that_nobody_handles_ends_the_job(bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "echo x > ticks; exec sleep 60"))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    ticks = driver.working_directory(native_id) / "ticks"
    bench.wait(native_id, lambda _: ticks.is_file())
    driver.signal(native_id, "USR1")
    seen = bench.wait(native_id)
    assert (seen.state, seen.reason) == (JobState.EXECUTOR_ERROR, "ended by signal 10 (SIGUSR1)")
    with pytest.raises(DriverError, match="no signal 'KILL'"):
        driver.signal(native_id, "KILL")
