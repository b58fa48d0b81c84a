from pathlib import Path

import pytest

from suanlian.drivers.contract import Limits, NativeId, Work
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverBench, DriverContract
from suanlian.testing.fake_driver import Ending, FakeDriver
from tests.drivers.benches import COMMANDS, WAYS, Way, local_bench


class TestLocalDriver(DriverContract):
    @pytest.fixture(params=WAYS, ids=str)
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> DriverBench:
        way: Way = request.param
        return local_bench(tmp_path, way)


def _script(work: Work, index: int) -> Ending:
    del index
    name = next(name for name, command in COMMANDS.items() if command == work.command)
    return {
        "ok": Ending(stdout=b"hello\n", files={"out.txt": b"hello\n"}),
        "bad": Ending(state=JobState.EXECUTOR_ERROR, exit_code=3, reason="exit code 3"),
        "long": Ending(after_s=60.0),
    }[name]


class TestFakeDriver(DriverContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> DriverBench:
        fake = FakeDriver(tmp_path / "jobs", script=_script)
        return DriverBench(make=lambda: fake, staging=tmp_path / "staging", commands=COMMANDS)

    def test_a_lost_job_is_lost_and_counted_once(self, bench: DriverBench) -> None:
        assert isinstance(bench.driver, FakeDriver)
        native_id = bench.start(COMMANDS["long"], limits=Limits(wall_time_s=5))
        bench.driver.lose(native_id)
        assert bench.driver.observe([native_id])[NativeId(native_id)].lost
        assert set(bench.driver.starts.values()) == {1}
