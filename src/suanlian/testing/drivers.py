"""What every driver must do: the contract as a test class. Subclass it with a ``bench`` fixture, run it by pytest.

The engine must run ``ok`` (ends with 0 after writing ``hello`` and a newline to stdout and ``out.txt``), ``bad`` (ends
with a code other than 0) and ``long`` (runs for a minute unless it is ended). What a driver can besides is proved by
further commands; ``POSIX`` has them all for engines whose jobs have a shell.
"""

import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from suanlian.drivers.contract import (
    Driver,
    DriverError,
    Fault,
    Limits,
    Lists,
    Loads,
    NativeId,
    Observation,
    Signals,
    Stages,
    Streams,
    Suspends,
    Work,
)
from suanlian.model.demand import Checkpoint, Mount
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Feature, Share
from suanlian.model.quantity import Resources

_POLITE: Final = (
    'for s in TERM INT USR1 USR2; do trap "echo $s > $SUANLIAN_CHECKPOINT_DIR/state; exit 0" $s; done; '
    "echo up > up; while :; do sleep 0.05; done"
)
POSIX: Final[Mapping[str, tuple[str, ...]]] = types.MappingProxyType(
    {
        "ok": ("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo hello | tee out.txt"),
        "bad": ("sh", "-c", "echo no >&2; exit 3"),
        "long": ("sleep", "60"),
        # one more line in the file ``ticks`` every moment
        "ticks": ("sh", "-c", "while :; do echo tick >> ticks; sleep 0.05; done"),
        # makes the file ``up``; at a signal writes its name into ``state`` of the checkpoint and ends with 0
        "polite": ("sh", "-c", _POLITE),
        # the same below a shell that handles no signal
        "launched": ("sh", "-c", f"sh -c '{_POLITE}'; echo after"),
        # from two mounts into a third
        "mounted": ("sh", "-c", "cat /suanlian/in/x /suanlian/one.txt > /suanlian/out/y"),
    }
)
"""The commands of the contract for engines whose jobs have a POSIX shell."""


@dataclass(slots=True)
class DriverBench:
    """A driver and how to give it work."""

    make: Callable[[], Driver]
    """A new driver over the same engine, as after a restart of the agent."""
    staging: Path
    commands: Mapping[str, tuple[str, ...]]
    """``ok``, ``bad`` and ``long``; by what the driver can also ``ticks``, ``polite``, ``launched``, ``mounted``."""
    environment: str | None = None
    image: str | None = None
    image_runtime: str | None = None
    bad_images: Mapping[str, str] = field(default_factory=dict)
    """Images that cannot be used, by a word that the reason must have (``not found``, ``aarch64``)."""
    many: int = 20
    """So many jobs are started at once."""
    patience_s: float = 60.0
    """So long an end is waited for: an engine or a machine may be busy."""
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
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        return key, directory

    def work(self, command: tuple[str, ...], staged: Mapping[AttemptId, Path], **changes: object) -> Work:
        """Work with modest limits; any field can be changed, of ``granted`` (base units) one resource."""
        granted = {"cpu": 1000, "memory": 256, "disk": 64, **(changes.pop("granted", None) or {})}  # type: ignore[dict-item]
        work = Work(
            command=command,
            environment=self.environment,
            image=self.image,
            env={},
            granted=Resources.of(granted),
            limits=Limits(wall_time_s=60, stream_bytes=1_000_000),
            network=False,
            staged=staged,
            image_runtime=self.image_runtime,
        )
        return replace(work, **changes)  # type: ignore[arg-type]

    def start(self, command: tuple[str, ...], files: Mapping[str, bytes] | None = None, **changes: object) -> NativeId:
        """Submit one plain job."""
        key, directory = self.stage(files)
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

    def run(
        self, command: tuple[str, ...], files: Mapping[str, bytes] | None = None, **changes: object
    ) -> tuple[NativeId, Observation]:
        """Submit one plain job and wait for its end."""
        native_id = self.start(command, files, **changes)
        return native_id, self.wait(native_id)


def ended_well(bench: DriverBench, native_id: NativeId) -> Path:
    """The working directory of a job that has to complete; what it said otherwise."""
    driver, seen = bench.driver, bench.wait(native_id)
    said = driver.read_log(native_id, "stderr", 0, 2000) if isinstance(driver, Streams) else b""
    assert seen.state is JobState.COMPLETE, (seen, said)
    assert isinstance(driver, Stages)
    return driver.working_directory(native_id)


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

    def test_its_features_are_what_it_can(self, bench: DriverBench) -> None:
        """No feature without the protocol, and none of these protocols kept back."""
        features = bench.driver.probe().features
        assert (Feature.SUSPEND in features) == isinstance(bench.driver, Suspends)
        assert (Feature.SIGNALS in features) == isinstance(bench.driver, Signals)

    def test_many_start_at_once(self, bench: DriverBench) -> None:
        """Each runs, once, in a directory of its own."""
        staged = dict(bench.stage() for _ in range(bench.many))
        work = bench.work(bench.commands["ok"], staged, granted={"cpu": 100})
        native = bench.driver.submit(work, keys=dict(enumerate(staged)))
        assert len(set(native.values())) == bench.many
        for native_id in native.values():
            seen = bench.wait(native_id)
            assert (seen.state, seen.fault) == (JobState.COMPLETE, None), seen
            if isinstance(bench.driver, Stages):
                assert (bench.driver.working_directory(native_id) / "out.txt").read_bytes() == b"hello\n"

    def test_mounts_lead_to_the_jobs_own_files(self, bench: DriverBench) -> None:
        """A directory, a file, and one that is not there yet; what is written there is among the results."""
        if Feature.MOUNTS in bench.driver.probe().features:
            mounts = (
                Mount(path="/suanlian/in", source="data/in"),
                Mount(path="/suanlian/one.txt", source="one.txt"),
                Mount(path="/suanlian/out", source="made/out"),
            )
            files = {"data/in/x": b"x\n", "one.txt": b"one\n"}
            place = ended_well(bench, bench.start(bench.commands["mounted"], files, mounts=mounts))
            assert (place / "made/out/y").read_bytes() == b"x\none\n"

    def test_suspended_it_stands_still_and_goes_on(self, bench: DriverBench) -> None:
        """PAUSED, nothing happens meanwhile; resumed it goes on; each twice is no error, nor for what is unknown."""
        driver = bench.driver
        if isinstance(driver, Suspends):
            assert isinstance(driver, Stages)
            native_id = bench.start(bench.commands["ticks"])
            ticks = driver.working_directory(native_id) / "ticks"
            bench.wait(native_id, lambda _: ticks.is_file())
            for _time in range(2):
                driver.suspend(native_id)
            bench.wait(native_id, lambda seen: seen.state is JobState.PAUSED)
            before = ticks.stat().st_size
            time.sleep(0.3)
            assert ticks.stat().st_size == before
            for _time in range(2):
                driver.resume(native_id)
            bench.wait(native_id, lambda seen: seen.state is JobState.RUNNING and ticks.stat().st_size > before)
            driver.cancel(native_id)
            ended = bench.wait(native_id)
            for done in (native_id, NativeId("no-such-job")):
                driver.suspend(done)
                driver.resume(done)
            assert driver.observe([native_id])[native_id] == ended

    def test_what_is_suspended_can_be_cancelled(self, bench: DriverBench) -> None:
        """It ends, and nothing of it stands still for ever."""
        driver = bench.driver
        if isinstance(driver, Suspends):
            native_id = bench.start(bench.commands["long"])
            bench.wait(native_id, running)
            driver.suspend(native_id)
            bench.wait(native_id, lambda seen: seen.state is JobState.PAUSED)
            driver.cancel(native_id)
            assert bench.wait(native_id).state is JobState.CANCELED
            driver.forget(native_id)

    def test_a_signal_reaches_the_program(self, bench: DriverBench) -> None:
        """It may write its checkpoint and end as it likes; also where a shell that handles nothing has launched it."""
        driver = bench.driver
        if isinstance(driver, Signals):
            assert isinstance(driver, Stages)
            for command, name in (("polite", "TERM"), ("polite", "USR1"), ("launched", "USR2"), ("launched", "TERM")):
                checkpoint = Checkpoint(path="kept/here", signal=name)  # type: ignore[arg-type]
                native_id = bench.start(bench.commands[command], checkpoint=checkpoint)
                place = driver.working_directory(native_id)
                bench.wait(native_id, lambda _, place=place: (place / "up").is_file())  # type: ignore[misc]
                driver.signal(native_id, name)
                seen = bench.wait(native_id)
                assert (place / "kept/here/state").read_text() == f"{name}\n", (command, name, seen)
                driver.signal(native_id, name)
            driver.signal(NativeId("no-such-job"), "TERM")

    def test_an_image_that_cannot_be_used_is_told_as_such(self, bench: DriverBench) -> None:
        """The platform's end with the fault ``image``, and which of the cases it is in words."""
        for word, image in bench.bad_images.items():
            native_id, seen = bench.run(bench.commands["ok"], image=image)
            assert (seen.state, seen.fault, seen.lost) == (JobState.SYSTEM_ERROR, Fault.IMAGE, False), seen
            assert word in seen.reason
            bench.driver.forget(native_id)
