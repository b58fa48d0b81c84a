"""What every driver must do: the contract as a test class. Subclass it with a ``bench`` fixture, run it by pytest.

The engine must run ``ok`` (ends with 0 after writing ``hello`` and a newline to stdout and ``out.txt``), ``bad`` (ends
with a code other than 0) and ``long`` (runs for a minute unless it is ended).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from suanlian.drivers.contract import (
    Driver,
    DriverError,
    Limits,
    Lists,
    Loads,
    NativeId,
    Observation,
    Stages,
    Streams,
    Work,
)
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources


@dataclass(slots=True)
class DriverBench:
    """A driver and how to give it work."""

    make: Callable[[], Driver]
    """A new driver over the same engine, as after a restart of the agent."""
    staging: Path
    commands: Mapping[str, tuple[str, ...]]
    """``ok``, ``bad`` and ``long``."""
    environment: str | None = None
    patience_s: float = 20.0
    driver: Driver = field(init=False)

    def __post_init__(self) -> None:
        """Make the first driver."""
        self.driver = self.make()

    def stage(self, files: Mapping[str, bytes] | None = None) -> tuple[AttemptId, Path]:
        """A new attempt with its staged directory."""
        key = AttemptId(new_id())
        directory = self.staging / key
        directory.mkdir(parents=True)
        for name, content in (files or {}).items():
            (directory / name).write_bytes(content)
        return key, directory

    def work(self, command: tuple[str, ...], staged: Mapping[AttemptId, Path], **changes: object) -> Work:
        """Work with modest limits; ``granted`` (base units), ``env``, ``limits``, ``network`` can be changed."""
        granted = {"cpu": 1000, "memory": 256, "disk": 64, **(changes.get("granted") or {})}  # type: ignore[dict-item]
        return Work(
            command=command,
            environment=self.environment,
            image=None,
            env=changes.get("env") or {},  # type: ignore[arg-type]
            granted=Resources.of(granted),
            limits=changes.get("limits") or Limits(wall_time_s=60, stream_bytes=1_000_000),  # type: ignore[arg-type]
            network=bool(changes.get("network")),
            staged=staged,
        )

    def start(self, command: tuple[str, ...], **changes: object) -> NativeId:
        """Submit one plain job."""
        key, directory = self.stage()
        return self.driver.submit(self.work(command, {key: directory}, **changes), keys={0: key})[0]

    def wait(self, native_id: NativeId, until: Callable[[Observation], bool] | None = None) -> Observation:
        """Observe until it has ended or is lost (or ``until`` says so). Raises AssertionError when patience ends."""
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            seen = self.driver.observe([native_id])[native_id]
            if (until or (lambda o: o.lost or o.state in ENDED))(seen):
                return seen
            time.sleep(0.01)
        raise AssertionError(f"{native_id} is still {seen} after {self.patience_s} s")

    def run(self, command: tuple[str, ...], **changes: object) -> tuple[NativeId, Observation]:
        """Submit one plain job and wait for its end."""
        native_id = self.start(command, **changes)
        return native_id, self.wait(native_id)


def running(seen: Observation) -> bool:
    """Whether the job has begun."""
    return seen.state is not JobState.INITIALIZING and seen.state is not JobState.QUEUED


class DriverContract:
    """Mix into a test class that has a fixture ``bench``."""

    def test_it_says_what_it_isolates(self, bench: DriverBench) -> None:
        """`probe` answers and has words for buyers."""
        status = bench.driver.probe()
        assert status.ready
        assert status.isolation

    def test_a_job_completes_with_code_times_and_usage(self, bench: DriverBench) -> None:
        """The end is whole: state, code, ordered times, measured usage."""
        _, seen = bench.run(bench.commands["ok"])
        assert (seen.state, seen.exit_code, seen.lost, seen.limit) == (JobState.COMPLETE, 0, False, None)
        assert seen.started_at is not None
        assert seen.ended_at is not None
        assert seen.started_at.utcoffset() == timedelta(0)
        assert seen.ended_at >= seen.started_at
        assert seen.measured.cpu_s > 0
        assert seen.measured.peak_memory_mib > 0

    def test_a_bad_command_is_the_programs_fault(self, bench: DriverBench) -> None:
        """EXECUTOR_ERROR with the code and a reason."""
        _, seen = bench.run(bench.commands["bad"])
        assert seen.state is JobState.EXECUTOR_ERROR
        assert seen.exit_code not in (0, None)
        assert seen.reason

    def test_the_same_key_again_is_the_same_job(self, bench: DriverBench) -> None:
        """While it runs, after it ended, and through another driver over the same engine."""
        key, directory = bench.stage()
        work = bench.work(bench.commands["ok"], {key: directory})
        first = bench.driver.submit(work, keys={0: key})
        assert bench.driver.submit(work, keys={0: key}) == first
        ended = bench.wait(first[0])
        assert bench.driver.submit(work, keys={0: key}) == first
        assert bench.make().submit(work, keys={0: key}) == first
        assert bench.driver.observe([first[0]])[first[0]] == ended

    def test_an_array_is_one_job_a_key(self, bench: DriverBench) -> None:
        """Index by index, each with its own directory."""
        staged = dict(bench.stage() for _ in range(3))
        keys = dict(zip((4, 5, 9), staged, strict=True))
        native = bench.driver.submit(bench.work(bench.commands["ok"], staged), keys=keys)
        assert set(native) == {4, 5, 9}
        assert len(set(native.values())) == 3  # noqa: PLR2004 - as many as keys
        assert all(bench.wait(native_id).state is JobState.COMPLETE for native_id in native.values())

    def test_what_nobody_knows_is_lost(self, bench: DriverBench) -> None:
        """One entry an id, unknown ones as lost; hostile ids too."""
        ids = [NativeId("no-such-job"), NativeId("../../etc"), NativeId("")]
        seen = bench.driver.observe(ids)
        assert set(seen) == set(ids)
        assert all(entry.lost and entry.state not in ENDED for entry in seen.values())

    def test_cancelling_ends_it(self, bench: DriverBench) -> None:
        """And once more, or something unknown, is no error."""
        native_id = bench.start(bench.commands["long"])
        bench.wait(native_id, running)
        bench.driver.cancel(native_id)
        seen = bench.wait(native_id)
        assert seen.state is JobState.CANCELED
        bench.driver.cancel(native_id)
        bench.driver.cancel(NativeId("no-such-job"))
        assert bench.driver.observe([native_id])[native_id] == seen

    def test_forgetting_is_for_what_has_ended(self, bench: DriverBench) -> None:
        """Running: refused. Ended: gone. Unknown: no error."""
        native_id = bench.start(bench.commands["long"])
        bench.wait(native_id, running)
        try:
            bench.driver.forget(native_id)
        except DriverError:
            pass
        else:
            raise AssertionError("a running job was forgotten")
        bench.driver.cancel(native_id)
        bench.wait(native_id)
        bench.driver.forget(native_id)
        bench.driver.forget(native_id)
        assert bench.driver.observe([native_id])[native_id].lost

    def test_streams_are_read_by_offset(self, bench: DriverBench) -> None:
        """Any cut gives the same bytes; beyond the end there is nothing."""
        driver = bench.driver
        if isinstance(driver, Streams):
            native_id, _ = bench.run(bench.commands["ok"])
            assert driver.read_log(native_id, "stdout", 0, 1000) == b"hello\n"
            assert driver.read_log(native_id, "stdout", 2, 3) == b"llo"
            assert driver.read_log(native_id, "stdout", 6, 10) == b""
            assert driver.read_log(native_id, "stderr", 0, 10) == b""

    def test_staged_files_and_results_share_a_directory(self, bench: DriverBench) -> None:
        """What was staged is there at the end, with what the job wrote, until it is forgotten."""
        driver = bench.driver
        if isinstance(driver, Stages):
            key, directory = bench.stage({"input.bin": b"\0\xff"})
            native_id = driver.submit(bench.work(bench.commands["ok"], {key: directory}), keys={0: key})[0]
            bench.wait(native_id)
            place = driver.working_directory(native_id)
            assert (place / "input.bin").read_bytes() == b"\0\xff"
            assert (place / "out.txt").read_bytes() == b"hello\n"
            driver.forget(native_id)
            assert not place.exists()

    def test_a_load_never_exceeds_the_share(self, bench: DriverBench) -> None:
        """Asked twice, of a small share and of a large one; while a job runs, too."""
        driver = bench.driver
        if isinstance(driver, Loads):
            native_id = bench.start(bench.commands["long"])
            bench.wait(native_id, running)
            for amount in ({"cpu": 1, "memory": 1}, {"cpu": 10**6, "memory": 10**6, "disk": 10, "accelerator": 2}):
                share = Share(name="s", site="main", flavor="f", capacity=Resources.of(amount))
                for _time in range(2):
                    told = driver.load(share)
                    assert told.in_use.fits(share.capacity)
                    assert min(told.running or 0, told.queued or 0) >= 0
            driver.cancel(native_id)
            bench.wait(native_id)

    def test_what_it_knows_can_be_listed(self, bench: DriverBench) -> None:
        """Ended or not, until it is forgotten."""
        driver = bench.driver
        if isinstance(driver, Lists):
            native_id, _ = bench.run(bench.commands["ok"])
            assert native_id in {known for known, _ in driver.known()}
            driver.forget(native_id)
            assert native_id not in {known for known, _ in driver.known()}
