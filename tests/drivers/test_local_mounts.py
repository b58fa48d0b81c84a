"""Mounts of the local driver: nothing of the sandbox is covered, no link leads out, and what is inside is the job's."""

from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError
from suanlian.drivers.local.driver import LocalDriver
from suanlian.model.demand import Checkpoint, Mount
from suanlian.model.job import JobState
from suanlian.model.platform import Feature
from suanlian.testing.drivers import DriverBench, ended_well
from tests.drivers.benches import BARE_POLLING, SANDBOX, local_bench


@pytest.fixture
def bench(tmp_path: Path) -> DriverBench:
    return local_bench(tmp_path, SANDBOX)


@pytest.mark.parametrize(
    "path",
    ["/usr", "/usr/share/x", "/etc", "/etc/ld.so.preload", "/lib", "/run", "/run/suanlian/launcher.py", "/job/x"],
)
def test_nothing_of_the_sandbox_can_be_covered(bench: DriverBench, path: str) -> None:
    with pytest.raises(DriverError, match="would cover"):
        bench.start(("true",), mounts=(Mount(path=path, source="data"),))


def test_a_link_leads_nowhere(bench: DriverBench, tmp_path: Path) -> None:
    for paths in (("/data", "link"), ("/data", "link/below")):
        key, staged = bench.stage()
        (staged / "link").symlink_to(tmp_path)
        work = bench.work(("ls", "/data"), {key: staged}, mounts=(Mount(path=paths[0], source=paths[1]),))
        with pytest.raises(DriverError, match="symbolic link"):
            bench.driver.submit(work, keys={0: key})


def test_one_mount_may_lie_in_another(bench: DriverBench) -> None:
    mounts = (Mount(path="/vol/in/x", source="one.txt"), Mount(path="/vol", source="volume"))
    command = ("sh", "-c", "cat /vol/in/x > /vol/out; ls /vol")
    place = ended_well(bench, bench.start(command, {"one.txt": b"one\n"}, mounts=mounts))
    assert (place / "volume" / "out").read_bytes() == b"one\n"


@pytest.mark.parametrize("path", ["/tmp/x", "/opt", "/data/deep/er", "/home"])  # noqa: S108 - the sandbox's own
def test_ordinary_places_are_taken_and_written(bench: DriverBench, path: str) -> None:
    place = ended_well(bench, bench.start(("sh", "-c", f"echo x > {path}/y"), mounts=(Mount(path=path, source="d"),)))
    assert (place / "d" / "y").read_bytes() == b"x\n"


def test_where_there_is_no_sandbox_it_is_not_offered(tmp_path: Path) -> None:
    bench = local_bench(tmp_path, BARE_POLLING)
    assert Feature.MOUNTS not in bench.driver.probe().features
    with pytest.raises(DriverError, match="no sandbox"):
        bench.start(("true",), mounts=(Mount(path="/data", source="data"),))


@pytest.mark.parametrize("way", [SANDBOX, BARE_POLLING], ids=str)
def test_the_checkpoint_is_seen_from_inside_and_outside(tmp_path: Path, way: object) -> None:
    bench = local_bench(tmp_path, way)  # type: ignore[arg-type]
    files = {"state/old": b"7\n"}
    command = ("sh", "-c", "cat $SUANLIAN_CHECKPOINT_DIR/old > $SUANLIAN_CHECKPOINT_DIR/new; sleep 60")
    native_id = bench.start(command, files, checkpoint=Checkpoint(path="state"))
    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    new = driver.working_directory(native_id) / "state" / "new"
    bench.wait(native_id, lambda _: new.is_file() and new.read_bytes() == b"7\n")
    driver.cancel(native_id)
    assert bench.wait(native_id).state is JobState.CANCELED
    assert new.read_bytes() == b"7\n"
