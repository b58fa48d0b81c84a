"""Keepers, agents and jobs that die, double or refuse to: a job runs once, ends once and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, NativeId, Work
from suanlian.drivers.local.driver import LocalDriver
from suanlian.model.ids import new_id
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverBench
from suanlian.testing.processes import until
from tests.drivers.benches import WAYS, Way, local_bench, processes_with

SUBMIT = """
import sys
from pathlib import Path
from suanlian.drivers.contract import Limits, Work
from suanlian.model.quantity import Resources
from tests.drivers.benches import Way, local_bench
place, key, isolation, groups, *command = sys.argv[1:]
bench = local_bench(Path(place), Way(isolation, groups == "True"))
staged = bench.staging / key
sys.stdin.readline()
bench.driver.submit(bench.work(tuple(command), {key: staged}), keys={0: key})
print("submitted", flush=True)
sys.stdin.readline()
"""
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture
def bench(way: Way, tmp_path: Path) -> DriverBench:
    return local_bench(tmp_path, way)


def submitter(place: Path, key: str, way: Way, *command: str) -> subprocess.Popen[str]:
    """Another process, as the agent is one, ready to submit when a line is written to it."""
    words = [sys.executable, "-c", SUBMIT, str(place), key, way.isolation, str(way.use_cgroups), *command]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def keeper_of(place: Path, native_id: str) -> int:
    number = json.loads((place / "root" / "jobs" / native_id / "keeper.json").read_text())["pid"]
    assert isinstance(number, int)
    return number


def wait_gone(mark: str) -> None:
    until(f"nothing of {mark} is left", lambda: not processes_with(mark))


def test_two_processes_submit_at_once_and_it_runs_once(bench: DriverBench, way: Way, tmp_path: Path) -> None:
    key, staged = bench.stage({"ran": b""})
    assert staged.exists()
    agents = [submitter(tmp_path, key, way, "sh", "-c", "echo x >> ran; sleep 0.2") for _ in range(2)]
    for agent in agents:
        say(agent)
    for agent in agents:
        assert agent.communicate("\n", timeout=20)[0] == "submitted\n"
    assert bench.wait(NativeId(key)).state is JobState.COMPLETE
    assert isinstance(bench.driver, LocalDriver)
    assert (bench.driver.working_directory(NativeId(key)) / "ran").read_text() == "x\n"


def test_the_agent_is_killed_and_the_job_goes_on(bench: DriverBench, way: Way, tmp_path: Path) -> None:
    key, _ = bench.stage()
    agent = submitter(tmp_path, key, way, "sh", "-c", "sleep 0.4; echo done")
    with agent:
        say(agent)
        assert agent.stdout is not None
        assert agent.stdout.readline() == "submitted\n"
        agent.kill()
    seen = bench.wait(NativeId(key))
    assert (seen.state, seen.exit_code) == (JobState.COMPLETE, 0)
    assert isinstance(bench.driver, LocalDriver)
    assert bench.driver.read_log(NativeId(key), "stdout", 0, 100) == b"done\n"


def test_the_keeper_is_killed_then_the_job_is_lost_and_nothing_is_left(bench: DriverBench, tmp_path: Path) -> None:
    mark = f"6{os.getpid()}{time.monotonic_ns() % 10**6}"
    native_id = bench.start(("sh", "-c", f"setsid sleep {mark} & sleep {mark}"))
    bench.wait(native_id, lambda _: len(processes_with(mark)) >= 2)
    os.kill(keeper_of(tmp_path, native_id), signal.SIGKILL)
    seen = bench.wait(native_id)
    assert (seen.lost, seen.reason) == (True, "keeper vanished")
    wait_gone(mark)
    assert bench.driver.observe([native_id])[native_id].lost
    bench.driver.forget(native_id)


def test_what_was_lost_is_not_run_again(bench: DriverBench, tmp_path: Path) -> None:
    key, staged = bench.stage({"ran": b""})
    work = bench.work(("sh", "-c", "echo x >> ran; sleep 60"), {key: staged})
    native_id = bench.driver.submit(work, keys={0: key})[0]
    assert isinstance(bench.driver, LocalDriver)
    ran = bench.driver.working_directory(native_id) / "ran"
    bench.wait(native_id, lambda _: ran.read_text() == "x\n")
    os.kill(keeper_of(tmp_path, native_id), signal.SIGKILL)
    assert bench.wait(native_id).lost
    assert bench.driver.submit(work, keys={0: key}) == {0: native_id}
    assert bench.wait(native_id).lost
    assert ran.read_text() == "x\n"


def test_a_job_that_ignores_the_polite_signal_is_ended(bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    bench.wait(native_id, lambda _: driver.read_log(native_id, "stdout", 0, 10) == b"up\n")
    driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED


def test_a_job_may_tidy_up_when_it_is_cancelled(bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    bench.wait(native_id, lambda _: driver.read_log(native_id, "stdout", 0, 10) == b"up\n")
    driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED
    assert driver.read_log(native_id, "stdout", 0, 100) == b"up\ntidy\n"


def test_what_forks_away_ends_with_its_job(bench: DriverBench) -> None:
    mark = f"7{os.getpid()}{time.monotonic_ns() % 10**6}"
    _, seen = bench.run(("sh", "-c", f"(setsid env -i sleep {mark} & ) & sleep 0.1; echo fine"))
    assert seen.state is JobState.COMPLETE
    assert processes_with(mark) == []


def test_cancelled_between_journal_and_start_it_never_runs(bench: DriverBench, tmp_path: Path) -> None:
    """The agent died after the journal: what it left is exactly a directory with a spec."""
    key, staged = bench.stage({"ran": b""})
    work = bench.work(("sh", "-c", "echo x >> ran"), {key: staged})
    native_id = bench.driver.submit(work, keys={0: key})[0]
    bench.wait(native_id)
    again = new_id()
    journal = tmp_path / "root" / "jobs" / again
    journal.mkdir()
    spec = json.loads((tmp_path / "root" / "jobs" / key / "spec.json").read_text())
    (journal / "spec.json").write_text(json.dumps({**spec, "attempt": again}))
    assert bench.driver.observe([NativeId(again)])[NativeId(again)].lost
    bench.driver.cancel(NativeId(again))
    assert bench.driver.observe([NativeId(again)])[NativeId(again)].state is JobState.CANCELED
    key_again = type(key)(again)
    assert bench.driver.submit(_without_staging(work), keys={0: key_again}) == {0: again}
    assert bench.driver.observe([NativeId(again)])[NativeId(again)].state is JobState.CANCELED


def _without_staging(work: Work) -> Work:
    return Work(
        command=work.command,
        environment=work.environment,
        image=None,
        env={},
        granted=work.granted,
        limits=work.limits,
        network=False,
        staged={},
    )


def test_links_in_a_staged_tree_are_not_followed(bench: DriverBench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "kept").write_text("kept")
    key, staged = bench.stage()
    (staged / "link").symlink_to(outside)
    script = "mkdir -p a/b && touch a/b/f && ln -s / root && chmod 000 a/b a; echo fine"
    native_id = bench.driver.submit(bench.work(("sh", "-c", script), {key: staged}), keys={0: key})[0]
    assert bench.wait(native_id).state is JobState.COMPLETE
    assert outside.stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_uid == os.geteuid()
    bench.driver.forget(native_id)
    assert (outside / "kept").read_text() == "kept"


def test_what_this_machine_does_not_have_is_refused(bench: DriverBench) -> None:
    key, staged = bench.stage()
    work = bench.work(("true",), {key: staged})
    unknown = Work(work.command, "fortran77", None, {}, work.granted, work.limits, False, work.staged)  # noqa: FBT003
    with pytest.raises(DriverError, match="no environment 'fortran77'; it has: python"):
        bench.driver.submit(unknown, keys={0: key})
    image = Work(work.command, None, "a@sha256:" + "0" * 64, {}, work.granted, work.limits, False, work.staged)  # noqa: FBT003
    with pytest.raises(DriverError, match="runs no images"):
        bench.driver.submit(image, keys={0: key})
    with pytest.raises(DriverError, match="cannot name a directory"):
        bench.driver.submit(work, keys={0: type(key)("../../etc")})
    assert staged.exists()
    assert bench.driver.observe([NativeId(key)])[NativeId(key)].lost
