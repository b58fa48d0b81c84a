"""What a job can see and reach: in the sandbox only its own things, and as root it is somebody else."""

import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from suanlian.drivers.contract import NativeId, Observation
from suanlian.drivers.local.driver import LocalDriver
from suanlian.drivers.local.machine import bwrap
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverBench, running
from tests.drivers.benches import ALL_WAYS, BARE_POLLING, SANDBOX, Way, local_bench, options

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
INSIDE_SUITE = pytest.mark.skipif("SUANLIAN_TEST_ORDINARY_USER" in os.environ, reason="is what starts this run")


@pytest.fixture
def bench(tmp_path: Path) -> DriverBench:
    made = local_bench(tmp_path, SANDBOX)
    assert made.driver.probe().isolated, made.driver.probe().isolation
    return made


def said(bench: DriverBench, *command: str, **changes: object) -> str:
    native_id, seen = bench.run(command, None, **changes)
    assert isinstance(bench.driver, LocalDriver)
    assert seen.state is JobState.COMPLETE, (seen, bench.driver.read_log(native_id, "stderr", 0, 2000))
    return bench.driver.read_log(native_id, "stdout", 0, 100_000).decode()


def test_it_sees_neither_the_agents_directory_nor_another_job(bench: DriverBench, tmp_path: Path) -> None:
    secret = tmp_path / "root" / "agent.key"
    secret.write_text("secret")
    other = bench.start(("sleep", "60"))
    bench.wait(other, running)
    look = f"ls {tmp_path} {secret} {secret.parent}/jobs/{other}; cat {secret}"
    seen = said(bench, "sh", "-c", f"({look}) 2>/dev/null; ls /; id -un; ls -A /tmp").split()
    # its /tmp is its own: nothing there but what leads to a Python that lies below /tmp itself
    below = {Path(prefix).parts[2] for prefix in (sys.prefix, sys.base_prefix) if Path(prefix).parts[1] == "tmp"}
    me = seen.index("job", seen.index("usr"))
    assert set(seen[me + 1 :]) == below
    optional = {name for name in ("lib32", "libx32") if Path("/" + name).exists()}
    system = {"bin", "dev", "etc", "job", "lib", "lib64", "proc", "run", "sbin", "tmp", "usr"}
    assert set(seen[:me]) == system | optional | _inside_parents()
    bench.driver.cancel(other)
    bench.wait(other)


def _inside_parents() -> set[str]:
    tops = {Path(prefix).parts[1] for prefix in (sys.prefix, sys.base_prefix)}
    return tops - {"usr", "tmp"}


def test_it_sees_no_process_of_others(bench: DriverBench) -> None:
    names = said(bench, "sh", "-c", "cat /proc/[0-9]*/comm")
    assert set(names.split()) <= {"bwrap", "sh", "cat"}


def test_it_writes_only_to_its_own_places(bench: DriverBench) -> None:
    tried = "for d in / /etc /usr /dev /run /proc/sys; do touch $d/x 2>/dev/null && echo $d; done"
    script = f"{tried}; touch /tmp/x /dev/shm/x x && ls"
    assert said(bench, "sh", "-c", script) == "x\n"


def test_it_writes_where_its_environment_shares_a_directory(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="suanlian-shared-") as home:
        Path(home).chmod(0o777)
        python = options(tmp_path, SANDBOX).environments["python"]
        shares = {"python": dataclasses.replace(python, shared=(Path(home),))}
        bench = local_bench(tmp_path, SANDBOX, environments=shares)
        assert (
            said(bench, "sh", "-c", f"echo kept > {home}/x; cat {home}/x; touch {home}/../y || echo no") == "kept\nno\n"
        )
        assert (Path(home) / "x").read_text() == "kept\n"


def test_users_of_jobs_are_none_of_the_systems(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="base_uid is 0"):
        options(tmp_path, SANDBOX, base_uid=0)


def test_its_environment_is_the_jobs_alone(bench: DriverBench) -> None:
    os.environ["SUANLIAN_TEST_LEAK"] = "leak"
    try:
        text = said(bench, "env", env={"A": "b c", "SUANLIAN_ARRAY_SIZE": "3"})
    finally:
        del os.environ["SUANLIAN_TEST_LEAK"]
    names = {line.partition("=")[0] for line in text.splitlines()}
    ours = {"PATH", "HOME", "TMPDIR", "LANG", "SUANLIAN_TASK_INDEX", "SUANLIAN_ATTEMPT_ID"}
    assert names == {"A", "SUANLIAN_ARRAY_SIZE", *ours}
    assert "HOME=/job\n" in text


def test_there_is_no_network_unless_asked(bench: DriverBench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        attempt = f"socket.create_connection(('127.0.0.1', {port}), 2); print('in')"
        connect = f"import socket\ntry: {attempt}\nexcept OSError: print('out')"
        assert said(bench, "python", "-c", connect) == "out\n"
        assert said(bench, "python", "-c", connect, network=True) == "in\n"


def test_the_environments_python_runs_with_its_libraries(bench: DriverBench) -> None:
    code = "import sys, pydantic, multiprocessing as m; m.Lock(); print(sys.prefix)"
    assert said(bench, "python", "-c", code) == f"{sys.prefix}\n"


def test_it_holds_no_rights(bench: DriverBench) -> None:
    text = said(bench, "cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def _has_said(driver: LocalDriver, native_id: NativeId, _: Observation) -> bool:
    return driver.read_log(native_id, "stdout", 0, 100).count(b"\n") == 2


@AS_ROOT
@pytest.mark.parametrize("way", ALL_WAYS, ids=str)
def test_as_root_each_running_job_is_another_user(way: Way, tmp_path: Path) -> None:
    first, second = local_bench(tmp_path / "a", way), local_bench(tmp_path / "b", way)
    jobs = [
        (bench, bench.start(("sh", "-c", "id -u; id -G; touch made; sleep 60"))) for bench in (first, first, second)
    ]
    users = set()
    for bench, native_id in jobs:
        driver = bench.driver
        assert isinstance(driver, LocalDriver)
        bench.wait(native_id, partial(_has_said, driver, native_id))
        uid, groups = driver.read_log(native_id, "stdout", 0, 100).split()
        assert uid == groups
        users.add(int(uid))
    assert len(users) == 3
    assert min(users) >= 200_000
    for bench, native_id in jobs:
        bench.driver.cancel(native_id)
        bench.wait(native_id)
        assert isinstance(bench.driver, LocalDriver)
        # the outputs belong to the agent again
        assert (bench.driver.working_directory(native_id) / "made").stat().st_uid == 0
        bench.driver.forget(native_id)


@AS_ROOT
def test_bare_jobs_of_root_cannot_read_each_other(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, BARE_POLLING)
    other = bench.start(("sh", "-c", "echo mine > mine; sleep 60"))
    bench.wait(other, running)
    jobs = tmp_path / "root" / "jobs"
    native_id, seen = bench.run(
        ("sh", "-c", f"ls {jobs}; cd {jobs}/{other}; cat spec.json work/mine stdout; kill -9 -1; cat work/mine")
    )
    assert seen.state is JobState.EXECUTOR_ERROR
    assert isinstance(bench.driver, LocalDriver)
    assert bench.driver.read_log(native_id, "stdout", 0, 100) == b""
    assert bench.driver.observe([other])[other].state is JobState.RUNNING
    bench.driver.cancel(other)
    bench.wait(other)


@AS_ROOT
@INSIDE_SUITE
@pytest.mark.slow
def test_an_ordinary_user_is_served_as_well(tmp_path: Path) -> None:
    """The same tests as a user without rights: root of this machine, but nobody within a user namespace."""
    program = bwrap()
    assert program is not None
    user = ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    whole = ["--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent"]
    here = Path(__file__).parent
    names = ("contract_suite", "local_limits", "local_isolation", "local_lives", "local_mounts", "local_paused")
    suite = [
        "-m",
        "pytest",
        "-q",
        "-k",
        "not agent_is_killed and not two_processes",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path}/ordinary",
    ]
    done = subprocess.run(
        [str(program), *user, *whole, sys.executable, *suite, *(str(here / f"test_{name}.py") for name in names)],
        env={**os.environ, "SUANLIAN_TEST_ORDINARY_USER": "1"},
        cwd=here.parents[1],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
