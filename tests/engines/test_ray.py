"""The Ray driver against a real head: the contract, hostile jobs, a head that goes away, forgets, changes its token."""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.install_engines import RAY_BINARIES
from suanlian.drivers.contract import DriverError, EnvironmentSetup, Fault, Limits, NativeId
from suanlian.drivers.ray.driver import RayDriver, RayOptions
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.testing.drivers import POSIX, DriverBench, DriverContract, running
from suanlian.testing.ray import RayHead, ray_head

pytestmark = [
    pytest.mark.engine("ray"),
    pytest.mark.skipif(not (RAY_BINARIES / "ray").exists(), reason="Ray is not installed: make test-engines"),
    pytest.mark.timeout(300),
]

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with ray_head(RAY_BINARIES) as started:
        yield started


def options(head: RayHead, root: Path) -> RayOptions:
    setup = EnvironmentSetup(path=(Path(sys.prefix) / "bin",))
    return RayOptions(
        address=head.address, root=root, token_file=head.token_file, environments={"python": setup}, grace_s=0.5
    )


@pytest.fixture
def bench(head: RayHead, tmp_path: Path) -> DriverBench:
    chosen = options(head, tmp_path / "shared")
    return DriverBench(lambda: RayDriver(chosen), tmp_path / "staging", POSIX, "python", patience_s=PATIENCE_S, many=6)


def ray(bench: DriverBench) -> RayDriver:
    assert isinstance(bench.driver, RayDriver)
    return bench.driver


class TestContract(DriverContract):
    pass


def root_of(bench: DriverBench) -> Path:
    return bench.staging.parent / "shared"


def marked(text: str) -> list[int]:
    """Processes whose command line has the text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def gone(text: str) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while marked(text) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not marked(text)


def python(source: str) -> tuple[str, ...]:
    return ("python", "-c", source)


def test_the_cluster_is_described_with_its_version_and_nodes(bench: DriverBench) -> None:
    status = bench.driver.probe()
    assert status.detail == "Ray 2.60.0"
    assert not status.isolated
    [flavor] = bench.driver.describe()
    assert flavor.node.cpu == 4000
    assert flavor.name.startswith("ray-4c-")


def test_a_job_that_ignores_sigterm_and_forks_away_leaves_nothing(bench: DriverBench) -> None:
    mark = f"suanlian-{os.urandom(6).hex()}"
    forever = f"while :; do sleep 1; done # {mark}"
    away = f"trap '' TERM; setsid sh -c 'trap \"\" TERM; {forever}' & {forever}"
    native_id = bench.start(("sh", "-c", away))
    bench.wait(native_id, running)
    assert marked(mark)
    bench.driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED
    assert gone(mark)


@pytest.mark.parametrize(
    ("command", "changes", "limit"),
    [
        (python("x = bytearray(300 * 2**20)\nwhile True: x[::4096] = b'x' * len(x[::4096])"), {}, "memory"),
        (python("while True: open('big', 'ab').write(b'x' * 2**20)"), {}, "disk"),
        (("sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"), {}, "output"),
        (python("import os\nwhile True: os.write(2, b'\\0\\xff' * 50000)"), {}, "output"),
        (("sleep", "60"), {"limits": Limits(wall_time_s=1, stream_bytes=1000)}, "wall-time"),
    ],
)
def test_bounds_end_a_job_with_the_limit_in_words(
    bench: DriverBench, command: tuple[str, ...], changes: dict[str, Limits], limit: str
) -> None:
    native_id, seen = bench.run(command, None, **changes)
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, limit)
    assert "the job was ended" in seen.reason
    assert len(ray(bench).read_log(native_id, "stdout", 0, 10**9)) <= 1_000_000


def test_a_tree_of_any_depth_ends_the_job_and_is_removed(bench: DriverBench) -> None:
    source = "import os\nwhile True:\n    os.mkdir('d'); os.chdir('d')"
    native_id, seen = bench.run(python(source))
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "disk")
    assert "nested deeper" in seen.reason
    bench.driver.forget(native_id)
    assert not (root_of(bench) / "jobs" / native_id).exists()
    assert not list(root_of(bench).glob("gone.*"))


def test_what_a_job_puts_in_the_place_of_its_stream_is_not_followed(bench: DriverBench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for buyers")
    native_id, _ = bench.run(("sh", "-c", f"ln -sf {secret} ../stdout"))
    with pytest.raises(DriverError, match="cannot be read"):
        ray(bench).read_log(native_id, "stdout", 0, 100)


def test_what_waits_for_resources_is_cancelled_at_once_and_never_begins(bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "touch began"), granted={"cpu": 100_000})
    bench.wait(native_id, lambda seen: seen.state is JobState.INITIALIZING)
    bench.driver.cancel(native_id)
    seen = bench.driver.observe([native_id])[native_id]
    assert (seen.state, seen.started_at) == (JobState.CANCELED, None)
    bench.driver.forget(native_id)
    assert not (root_of(bench) / "jobs" / native_id).exists()


def test_a_paused_job_stands_still_and_goes_on(bench: DriverBench) -> None:
    native_id = bench.start(python("import time\nwhile True: print(1, flush=True); time.sleep(0.02)"))
    bench.wait(native_id, running)
    ray(bench).suspend(native_id)
    bench.wait(native_id, lambda seen: seen.state is JobState.PAUSED)
    before = ray(bench).read_log(native_id, "stdout", 0, 10**7)
    time.sleep(1)
    assert ray(bench).read_log(native_id, "stdout", 0, 10**7) == before
    ray(bench).resume(native_id)
    bench.wait(native_id, lambda seen: seen.state is JobState.RUNNING)
    deadline = time.monotonic() + PATIENCE_S
    while ray(bench).read_log(native_id, "stdout", 0, 10**7) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    bench.driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED


def test_a_signal_reaches_the_program_and_it_ends_by_itself(bench: DriverBench) -> None:
    saving = "lambda *_: (open('saved', 'w').write('7'), sys.exit(0))"
    source = f"import signal, sys, time\nsignal.signal(signal.SIGUSR1, {saving})"
    native_id = bench.start(python(f"{source}\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"))
    bench.wait(native_id, lambda _seen: ray(bench).read_log(native_id, "stdout", 0, 100) == b"ready\n")
    ray(bench).signal(native_id, "USR1")
    assert bench.wait(native_id).state is JobState.COMPLETE
    assert (ray(bench).working_directory(native_id) / "saved").read_text() == "7"


def test_secrets_are_seen_by_the_job_and_written_nowhere_where_they_stay(bench: DriverBench) -> None:
    key, directory = bench.stage()
    work = replace(bench.work(("sh", "-c", 'test "${#TOKEN}" = 6'), {key: directory}), secret_env={"TOKEN": "s3cret"})
    native_id = bench.driver.submit(work, keys={0: key})[0]
    assert bench.wait(native_id).state is JobState.COMPLETE
    job = root_of(bench) / "jobs" / native_id
    assert not any(b"s3cret" in file.read_bytes() for file in job.rglob("*") if file.is_file())


def test_an_engine_that_cannot_be_reached_is_told_and_may_come_back(head: RayHead, tmp_path: Path) -> None:
    driver = RayDriver(replace(options(head, tmp_path / "shared"), address="http://127.0.0.1:9", timeout_s=2.0))
    assert not driver.probe().ready
    assert "does not answer" in driver.probe().detail
    with pytest.raises(DriverError, match="does not answer") as failed:
        driver.describe()
    assert failed.value.transient


def test_a_token_that_expires_midway_is_read_anew(bench: DriverBench, head: RayHead) -> None:
    native_id = bench.start(POSIX["long"])
    bench.wait(native_id, running)
    head.token_file.write_text("0" * 64)
    try:
        with pytest.raises(DriverError, match="refuses the token: put a valid one into token_file") as failed:
            bench.driver.observe([native_id])
        assert failed.value.transient
    finally:
        head.token_file.write_text(head.token)
    assert bench.driver.observe([native_id])[native_id].state is JobState.RUNNING
    bench.driver.cancel(native_id)
    bench.wait(native_id)


def test_no_image_no_gang_no_strange_environment(bench: DriverBench) -> None:
    key, directory = bench.stage()
    work = bench.work(POSIX["ok"], {key: directory})
    image = f"busybox@sha256:{'0' * 64}"
    for changed, words in (
        (replace(work, image=image, environment=None), "runs no images"),
        (replace(work, nodes=2), "on one node"),
        (replace(work, environment="fortran"), "it has: python"),
    ):
        with pytest.raises(DriverError, match=words) as failed:
            bench.driver.submit(changed, keys={0: key})
        assert not failed.value.transient


def test_a_runtime_env_that_cannot_be_made_is_told_as_what_was_asked_for(head: RayHead, tmp_path: Path) -> None:
    broken = {"broken": {"working_dir": "file:///nowhere/at/all.zip"}}
    chosen = replace(options(head, tmp_path / "shared"), runtime_envs=broken)
    bench = DriverBench(lambda: RayDriver(chosen), tmp_path / "staging", POSIX, "broken", patience_s=PATIENCE_S)
    _, seen = bench.run(POSIX["ok"])
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.REQUEST)
    assert "did not start" in seen.reason


def test_a_node_that_kills_the_runner_is_at_fault(bench: DriverBench) -> None:
    native_id = bench.start(POSIX["long"])
    bench.wait(native_id, running)
    started = json.loads((root_of(bench) / "jobs" / native_id / "started").read_text())
    os.kill(started["pid"], 9)
    seen = bench.wait(native_id)
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)


def test_a_head_that_forgets_loses_what_ran_and_keeps_what_ended(bench: DriverBench, head: RayHead) -> None:
    mark = f"suanlian-{os.urandom(6).hex()}"
    done, _ = bench.run(POSIX["ok"])
    before = bench.driver.observe([done])[done]
    native_id = bench.start(("sh", "-c", f"sleep 60 # {mark}; true"))
    bench.wait(native_id, running)
    head.restart()
    seen = bench.wait(native_id)
    assert seen.lost or seen.fault is Fault.NODE
    assert seen.state not in ENDED or seen.state is JobState.SYSTEM_ERROR
    assert gone(mark)
    assert bench.driver.observe([done])[done] == before
    for ended in (native_id, done):
        bench.driver.forget(ended)
        assert bench.driver.observe([ended])[NativeId(ended)].lost


def test_a_load_counts_what_ray_gave_away(bench: DriverBench) -> None:
    native_id = bench.start(POSIX["long"], granted={"cpu": 2000, "memory": 512})
    bench.wait(native_id, running)
    share = Share(name="s", site="x", flavor="f", capacity=Resources.of({"cpu": 4000, "memory": 8192}))
    deadline = time.monotonic() + PATIENCE_S
    while ray(bench).load(share).in_use.cpu != 2000:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    bench.driver.cancel(native_id)
    bench.wait(native_id)
