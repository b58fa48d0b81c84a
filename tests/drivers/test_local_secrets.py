"""Variables that are secrets reach the job and no file; without them it does not start."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError, NativeId
from suanlian.drivers.local.driver import LocalDriver
from suanlian.drivers.local.keeper import record
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverBench
from tests.drivers.benches import WAYS, Way, local_bench

SECRET = "swordfish-of-the-deep é\n\"'"
PROGRAM = 'printf %s "$DB" | sha256sum; echo "$PLAIN"'


@pytest.fixture(params=WAYS, ids=str)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> DriverBench:
    way: Way = request.param
    return local_bench(tmp_path, way)


def submit(bench: DriverBench, secret_env: Mapping[str, str], *, key: str = "") -> NativeId:
    made, directory = bench.stage()
    attempt = key or made
    work = bench.work(("sh", "-c", PROGRAM), {made: directory}, env={"PLAIN": "here"})
    return bench.driver.submit(replace(work, secret_env=secret_env), keys={0: attempt})[0]  # type: ignore[dict-item]


def test_the_job_sees_it_and_no_file_holds_it(bench: DriverBench, tmp_path: Path) -> None:
    native = submit(bench, {"DB": SECRET})
    assert bench.wait(native).state is JobState.COMPLETE
    assert isinstance(bench.driver, LocalDriver)
    digest = sha256(SECRET.encode()).hexdigest()
    assert bench.driver.read_log(native, "stdout", 0, 1000).decode() == f"{digest}  -\nhere\n"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == record.SPEC for path in files)
    for path in files:
        content = path.read_bytes()
        assert b"swordfish" not in content, path
    spec = record.read(next(path for path in files if path.name == record.SPEC))
    assert spec is not None
    assert spec["secret_names"] == ["DB"]


def test_what_was_journalled_and_not_started_needs_them_again(
    bench: DriverBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    driver = bench.driver
    assert isinstance(driver, LocalDriver)
    driver.probe()  # looks at the machine once, by commands of its own
    with monkeypatch.context() as patched:
        patched.setattr("suanlian.drivers.local.driver.subprocess.run", crash)
        with pytest.raises(KeyboardInterrupt):
            submit(bench, {"DB": SECRET}, key="attempt-1")
    with pytest.raises(DriverError, match="needs its secrets"):
        submit(bench, {}, key="attempt-1")
    native = submit(bench, {"DB": SECRET}, key="attempt-1")
    assert bench.wait(native).state is JobState.COMPLETE
    # once it ran, a doubled submission needs nothing
    assert submit(bench, {}, key="attempt-1") == native
