"""Does the container driver keep its word over a real engine: podman with runc, on images that are made here?"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from suanlian.drivers.container.options import ContainerEnvironment
from suanlian.drivers.container.starting import secrets_path
from suanlian.drivers.contract import DriverError, Fault, Limits, Observation
from suanlian.model.job import ENDED, JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature
from suanlian.model.probe import Tick, probe_spec
from suanlian.model.quantity import Resources
from suanlian.testing.drivers import DriverBench, DriverContract, ended_well, running
from suanlian.testing.podman import Podman, missing
from suanlian.testing.processes import until
from tests.drivers.benches import processes_with
from tests.engines.containers import container_bench, driver_of, engine, said

pytestmark = [
    pytest.mark.engine("podman"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "is there"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with engine() as started:
        yield started


@pytest.fixture
def bench(podman: Podman, tmp_path: Path) -> DriverBench:
    return container_bench(podman, tmp_path)


class TestContainerDriver(DriverContract):
    """The contract; its fixture is the one above."""


def out(bench: DriverBench, script: str, **changes: object) -> str:
    native_id, seen = bench.run(("sh", "-c", script), None, **changes)
    assert seen.state is JobState.COMPLETE, (seen, said(bench, native_id, "stderr"))
    return said(bench, native_id).decode()


def ended_by(seen: Observation) -> tuple[JobState, str | None]:
    return seen.state, seen.limit


# ---------------------------------------------------------------------- limits and hostile jobs


@pytest.mark.parametrize(
    ("script", "limit", "granted"),
    [
        ("exec tail /dev/zero", "memory", {"memory": 64}),
        ("tail /dev/zero; sleep 30; exit 0", "memory", {"memory": 64}),
        ("head -c 100m /dev/zero > one", "disk", {"disk": 8, "memory": 64}),
        ("i=0; while :; do i=$((i+1)); head -c 1m /dev/zero > f$i; done", "disk", {"disk": 8}),
        ("while :; do mkdir d && cd d || sleep 30; done", "disk", {}),
        ("yes", "output", {}),
        ("head -c 50m /dev/zero; sleep 30", "output", {}),
        ("sh -c 'while :; do sleep 30 & done' 2>/dev/null; sleep 30; sleep 30", "processes", {}),
        ("sleep 60", "wall-time", {}),
    ],
)
def test_each_limit_holds_and_is_told(bench: DriverBench, script: str, limit: str, granted: Mapping[str, int]) -> None:
    wall_s = 1 if limit == "wall-time" else 60
    limits = Limits(wall_time_s=wall_s, stream_bytes=100_000)
    native_id, seen = bench.run(("sh", "-c", script), None, limits=limits, granted=granted)
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, limit), seen
    assert said(bench, native_id, "stderr").endswith(f"suanlian: {seen.reason}\n".encode())
    assert len(said(bench, native_id)) <= 100_000
    bench.driver.forget(native_id)


def test_rubbish_and_endless_lines_arrive_as_they_are(bench: DriverBench) -> None:
    script = r"head -c 200000 /dev/urandom | tee noise; printf '\000\r\n\033[31m'; head -c 100000 /dev/zero"
    native_id = bench.start(("sh", "-c", f"{script}; sleep 0.3; printf end"))
    driver, got = driver_of(bench), b""
    # by offset, in uneven pieces, while it runs
    while driver.observe([native_id])[native_id].state not in ENDED:
        got += driver.read_log(native_id, "stdout", len(got), 33_333)
    while piece := driver.read_log(native_id, "stdout", len(got), 33_333):
        got += piece
    noise = (ended_well(bench, native_id) / "noise").read_bytes()
    assert got == noise + b"\x00\r\n\x1b[31m" + bytes(100_000) + b"end"


def test_what_ignores_the_polite_signal_or_forks_away_is_ended_too(bench: DriverBench) -> None:
    mark = f"9{os.getpid()}{time.monotonic_ns() % 10**6}"
    script = f"trap '' TERM; (setsid sleep {mark} &); echo x > up; while :; do sleep 0.05; done"
    native_id = bench.start(("sh", "-c", script))
    up = driver_of(bench).working_directory(native_id) / "up"
    bench.wait(native_id, lambda _: up.is_file() and len(processes_with(mark)) > 0)
    bench.driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED
    assert processes_with(mark) == []


def test_nothing_is_left_of_a_job_that_is_forgotten(podman: Podman, bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "mkdir -p a/b; chmod 000 a; ln -s / root; sleep 60"), secret_env={"S": "x"})
    bench.wait(native_id, running)
    bench.driver.cancel(native_id)
    bench.wait(native_id)
    bench.driver.forget(native_id)
    root = bench.staging.parent
    assert list((root / "jobs").iterdir()) == list((root / "new").iterdir()) == []
    assert native_id not in podman.run("ps", "--all", "--format", "{{.Names}}")
    assert not secrets_path(native_id).exists()
    groups = f"*/suanlian-*/{native_id}*"
    # podman's monitor of the container leaves a moment after it
    until("the groups are gone", lambda: list(bench.driver.known()) == list(Path("/sys/fs/cgroup").glob(groups)) == [])  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- what it is held to


def test_it_is_nobody_and_reaches_nothing(bench: DriverBench) -> None:
    status = "grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status"
    tried = "for d in / /etc /bin /dev /proc/sys /sys; do touch $d/x 2>/dev/null && echo $d; done"
    text = out(bench, f"id -u; id -g; {status}; {tried}; ls -A /sys/class/net; ls /run; touch /tmp/x x && echo fine")
    lines = text.split()
    assert 300_000 <= int(lines[0]) == int(lines[1])
    assert lines[2:8] == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    assert "lo" in lines[8:]
    assert lines[-1] == "fine"
    assert not {"/", "/etc", "/bin", "/dev", "/proc/sys", "/sys", "podman", "eth0"} & set(lines)


def test_two_jobs_are_two_users_and_their_files_are_taken_back(bench: DriverBench) -> None:
    made = [bench.run(("sh", "-c", "id -u; touch made")) for _ in range(3)]
    assert len({said(bench, native_id) for native_id, _ in made}) > 1
    for native_id, _ in made:
        assert (driver_of(bench).working_directory(native_id) / "made").stat().st_uid == os.getuid()


def test_a_network_is_there_only_when_asked_for(podman: Podman, tmp_path: Path) -> None:
    bench = container_bench(podman, tmp_path, network="host")
    script = "ls /sys/class/net | wc -l"
    inside, outside = len(list(Path("/sys/class/net").iterdir())), out(bench, script, network=True)
    assert int(outside) == inside
    assert "eth" not in out(bench, "ls /sys/class/net")


def test_secrets_reach_the_job_and_stand_nowhere(podman: Podman, bench: DriverBench) -> None:
    value = 's3cr\'et\n$(id) "line"'
    native_id = bench.start(("sh", "-c", 'printf %s "$TOKEN" | sha256sum; sleep 60'), secret_env={"TOKEN": value})
    bench.wait(native_id, lambda _: said(bench, native_id) != b"")
    assert said(bench, native_id).decode().split()[0] == hashlib.sha256(value.encode()).hexdigest()
    assert "s3cr" not in podman.run("inspect", f"suanlian-{native_id}")
    assert secrets_path(native_id).read_bytes() == b""
    for top in (bench.staging.parent, podman.home):
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**6:
                assert b"s3cr" not in path.read_bytes(), path
    bench.driver.cancel(native_id)
    bench.wait(native_id)


def test_accelerators_are_given_once(podman: Podman, tmp_path: Path) -> None:
    for number in range(2):
        os.mknod(tmp_path / f"card{number}", 0o20666, os.makedev(1, 5))
        (tmp_path / f"card{number}").chmod(0o666)
    cards = tuple((f"{tmp_path}/card{number}:/dev/card{number}",) for number in range(2))
    bench = container_bench(podman, tmp_path, accelerators=cards, shared_devices=("/dev/full",))
    script = "ls /dev/card*; head -c 3 /dev/card* | wc -c; sleep 60"
    jobs = [bench.start(("sh", "-c", script), granted={"accelerator": 1}) for _ in range(2)]
    for job in jobs:
        bench.wait(job, lambda _, job=job: said(bench, job).count(b"\n") == 2)  # type: ignore[misc]
    assert {said(bench, job) for job in jobs} == {f"/dev/card{number}\n3\n".encode() for number in range(2)}
    with pytest.raises(DriverError, match="0 of 2 accelerators are free"):
        bench.start(("true",), granted={"accelerator": 1})
    _, seen = bench.run(("true",), granted={"accelerator": 3})
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.REQUEST)
    for job in jobs:
        bench.driver.cancel(job)
        bench.wait(job)
    assert bench.run(("true",), granted={"accelerator": 2})[1].state is JobState.COMPLETE


# ---------------------------------------------------------------------- images and programs


def test_an_image_may_be_forbidden_and_an_environment_is_one(podman: Podman, tmp_path: Path) -> None:
    named = ContainerEnvironment(podman.busybox(), ("sh",), {"COLOUR": "blue"})
    bench = container_bench(podman, tmp_path, images=("registry.example.org/*",), environments={"small": named})
    _, seen = bench.run(("true",))
    assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.IMAGE)
    assert seen.reason.startswith("not allowed: ")
    native_id, seen = bench.run(("-c", "echo $COLOUR"), image=None, environment="small")
    assert (seen.state, said(bench, native_id)) == (JobState.COMPLETE, b"blue\n")
    with pytest.raises(DriverError, match="no environment 'large'; it has: small"):
        bench.start(("true",), image=None, environment="large")


def test_a_program_that_cannot_start_is_told_from_an_engine_that_cannot(bench: DriverBench) -> None:
    native_id, seen = bench.run(("nosuch", "--flag"))
    assert (seen.state, seen.exit_code, seen.fault) == (JobState.EXECUTOR_ERROR, 127, None)
    assert seen.reason == "cannot start 'nosuch': No such file or directory"
    assert bench.driver.observe([native_id])[native_id] == seen
    assert bench.run(("/etc",))[1].exit_code == 126


def test_an_image_without_a_shell_runs_and_is_ended(podman: Podman, tmp_path: Path) -> None:
    bench = container_bench(podman, tmp_path)
    bench.image = podman.busybox("bare", shell=False)
    assert bench.run(("true",))[1].state is JobState.COMPLETE
    native_id = bench.start(("sleep", "60"))
    bench.wait(native_id, running)
    driver_of(bench).signal(native_id, "USR1")
    bench.driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED


def test_it_describes_the_engine(podman: Podman, bench: DriverBench, tmp_path: Path) -> None:
    status, (flavor,) = bench.driver.probe(), bench.driver.describe()
    assert status.isolated
    assert "Podman Engine" in status.isolation
    assert status.features == {Feature.MOUNTS, Feature.SUSPEND, Feature.SIGNALS}
    assert (flavor.image_runtime, flavor.architecture) == ("podman", Architecture.X86_64)
    assert flavor.node.cpu == (os.cpu_count() or 0) * 1000
    named = flavor.model_copy(update={"name": "mine", "image_runtime": None})
    again = container_bench(podman, tmp_path / "again", flavors=(named,))
    assert [(each.name, each.image_runtime) for each in again.driver.describe()] == [("mine", "podman")]


def test_the_hubs_probes_run_in_any_image_on_this_machines_python(podman: Podman, tmp_path: Path) -> None:
    bench = container_bench(podman, tmp_path, probe_image=podman.busybox())
    assert driver_of(bench).probe_architecture() is Architecture.X86_64
    spec = probe_spec(Tick(lines=3, interval_ms=20), Resources.of({"cpu": 500, "memory": 128}), Architecture.X86_64, 10)
    command, environment = spec.variants[0].command, spec.variants[0].environment
    native_id, seen = bench.run(command, image=None, environment=environment)
    assert seen.state is JobState.COMPLETE, (seen, said(bench, native_id, "stderr"))
    assert said(bench, native_id).endswith(b"tick 1\ntick 2\ntick 3\n")
    plain = container_bench(podman, tmp_path / "plain")
    assert driver_of(plain).probe_architecture() is None
    with pytest.raises(DriverError, match="probe_image"):
        plain.start(command, image=None, environment=environment)


def test_what_an_earlier_agent_started_is_held_to_its_wall_time(bench: DriverBench) -> None:
    native_id = bench.start(("sleep", "60"), limits=Limits(wall_time_s=1))
    later = bench.make()
    bench.driver = later
    seen = bench.wait(native_id)
    assert ended_by(seen) == (JobState.EXECUTOR_ERROR, "wall-time")


def test_the_wall_time_stands_still_while_it_is_paused(bench: DriverBench) -> None:
    native_id = bench.start(("sh", "-c", "sleep 0.5; echo done"), limits=Limits(wall_time_s=4))
    bench.wait(native_id, running)
    driver = driver_of(bench)
    driver.suspend(native_id)
    bench.wait(native_id, lambda seen: seen.state is JobState.PAUSED)
    time.sleep(5)
    driver.observe([native_id])
    driver.resume(native_id)
    seen = bench.wait(native_id)
    assert (seen.state, seen.limit) == (JobState.COMPLETE, None)
