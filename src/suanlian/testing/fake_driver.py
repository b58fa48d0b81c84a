"""A driver without an engine: jobs live in memory and end as the script says, when the clock says."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from suanlian.drivers.contract import (
    DriverError,
    DriverStatus,
    EngineLoad,
    Fault,
    Measured,
    NativeId,
    Observation,
    Work,
)
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share
from suanlian.model.quantity import Resources


@dataclass(frozen=True, slots=True)
class Ending:
    """How a scripted job goes: after how many seconds it ends, in which state, with what output and files."""

    after_s: float = 0.0
    state: JobState = JobState.COMPLETE
    exit_code: int | None = 0
    reason: str = ""
    limit: str | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    cpu_s: Decimal = Decimal("0.01")
    peak_memory_mib: int = 1
    files: Mapping[str, bytes] | None = None
    made: Mapping[str, bytes] | None = None
    """What lies there from the first moment, while it runs."""
    on_signal: "Ending | None" = None
    """How it goes on from the moment of a signal; None: it does not listen."""
    fault: Fault | None = None


Script = Callable[[Work, int], Ending]
"""From the work and the task index to how it goes."""


def complete_at_once(work: Work, index: int) -> Ending:
    """The script when none is given: every job completes at once and says what it was told to run."""
    del index
    return Ending(stdout=(" ".join(work.command) + "\n").encode())


@dataclass(slots=True)
class _Job:
    ending: Ending
    directory: Path
    started_at: datetime
    ended: Observation | None = None
    paused: bool = False
    signals: list[str] = field(default_factory=list)
    told_at: datetime | None = None


class FakeDriver:
    """Driver, Streams, Stages, Lists, Loads and Probes in memory. ``starts`` counts starts by attempt, at most one."""

    def __init__(
        self,
        root: Path,
        *,
        script: Script = complete_at_once,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        flavors: Sequence[Flavor] = (),
        isolated: bool = True,
    ) -> None:
        """Staged directories are moved below ``root``; time is what ``clock`` says."""
        self._root, self._script, self._clock, self._flavors = root, script, clock, flavors
        self._isolated = isolated
        self._jobs: dict[str, _Job] = {}
        self.starts: dict[str, int] = {}
        self.loads: dict[str, EngineLoad | Exception] = {}
        """What is told, or raised, of a share by its name; else nothing is in use."""
        self.trouble: DriverError | None = None
        """When set, every call that talks to the engine raises it."""
        self.probes: Architecture | None = None
        """Of which architecture the environment of probes is; None: there is none."""

    def _engine(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def probe(self) -> DriverStatus:
        """Ready unless in trouble."""
        detail = "" if self.trouble is None else str(self.trouble)
        return DriverStatus(self.trouble is None, self._isolated, "fake: nothing runs", detail)

    def describe(self) -> Sequence[Flavor]:
        """The flavors that were given."""
        self._engine()
        return self._flavors

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Remember each key once; the staged directory becomes the working directory."""
        self._engine()
        for index, key in keys.items():
            if key not in self._jobs:
                self.starts[key] = self.starts.get(key, 0) + 1
                ending = self._script(work, index)
                directory = self._take_over(work, key)
                _write(directory, ending.made or {})
                self._jobs[key] = _Job(ending, directory, self._clock())
        return {index: NativeId(key) for index, key in keys.items()}

    def _take_over(self, work: Work, key: AttemptId) -> Path:
        directory = self._root / key
        if key in work.staged:
            shutil.move(work.staged[key], directory)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """Running until the scripted moment, then ended as scripted; unknown is lost."""
        self._engine()
        return {native_id: self._observe(native_id) for native_id in ids}

    def _observe(self, native_id: NativeId) -> Observation:
        job = self._jobs.get(native_id)
        if job is None:
            return Observation(state=JobState.QUEUED, reason="unknown", lost=True)
        ending = job.ending
        since = job.told_at or job.started_at
        if job.ended is None and not job.paused and self._clock() >= since + timedelta(seconds=ending.after_s):
            _write(job.directory, ending.files or {})
            job.ended = Observation(
                state=ending.state,
                started_at=job.started_at,
                ended_at=since + timedelta(seconds=ending.after_s),
                fault=ending.fault,
                exit_code=ending.exit_code,
                reason=ending.reason,
                limit=ending.limit,
                measured=Measured(ending.cpu_s, ending.peak_memory_mib),
            )
        state = JobState.PAUSED if job.paused else JobState.RUNNING
        return job.ended or Observation(state=state, started_at=job.started_at)

    def cancel(self, native_id: NativeId) -> None:
        """End it now, unless it has ended."""
        self._engine()
        job = self._jobs.get(native_id)
        if job is not None and (now := self._observe(native_id)).ended_at is None:
            measured = Measured(job.ending.cpu_s, job.ending.peak_memory_mib)
            job.ended = replace(
                now, state=JobState.CANCELED, ended_at=self._clock(), reason="canceled", measured=measured
            )

    def forget(self, native_id: NativeId) -> None:
        """Drop an ended job and its directory. Raises DriverError while it runs."""
        self._engine()
        job = self._jobs.get(native_id)
        if job is None:
            return
        if self._observe(native_id).ended_at is None:
            raise DriverError(f"job {native_id} still runs")
        shutil.rmtree(job.directory, ignore_errors=True)
        del self._jobs[native_id]

    def lose(self, native_id: NativeId) -> None:
        """Make the engine forget a job, as if its node had burned down."""
        self._jobs.pop(native_id, None)

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """The scripted output, all of it there from the start. Raises DriverError for what is unknown."""
        self._engine()
        job = self._jobs.get(native_id)
        if job is None or stream not in {"stdout", "stderr"}:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r}")
        content = job.ending.stdout if stream == "stdout" else job.ending.stderr
        return content[offset : offset + limit]

    def working_directory(self, native_id: NativeId) -> Path:
        """The directory that was staged. Raises DriverError when it is gone."""
        if native_id not in self._jobs:
            raise DriverError(f"job {native_id!r} has no working directory")
        return self._jobs[native_id].directory

    def probe_architecture(self) -> Architecture | None:
        """As set."""
        return self.probes

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every job not forgotten."""
        for key in tuple(self._jobs):
            yield NativeId(key), AttemptId(key)

    def load(self, share: Share) -> EngineLoad:
        """As set in ``loads``, else idle. Raises what is set there."""
        self._engine()
        told = self.loads.get(share.name, EngineLoad(Resources()))
        if isinstance(told, Exception):
            raise told
        return told


class LivelyDriver(FakeDriver):
    """The same, whose jobs can be sent signals and stand still."""

    def probe(self) -> DriverStatus:
        """With the features."""
        return replace(super().probe(), features=frozenset({Feature.SIGNALS, Feature.SUSPEND}))

    def signal(self, native_id: NativeId, name: str) -> None:
        """Remember it; a job that listens goes on as its script says."""
        self._engine()
        job = self._jobs.get(native_id)
        if job is None or self._observe(native_id).ended_at is not None:
            return
        job.signals.append(name)
        if job.ending.on_signal is not None:
            job.ending, job.told_at = job.ending.on_signal, self._clock()

    def signals(self, native_id: NativeId) -> Sequence[str]:
        """The signals that a job was sent."""
        return tuple(self._jobs[native_id].signals)

    def suspend(self, native_id: NativeId) -> None:
        """Let it stand still."""
        self._engine()
        if native_id in self._jobs:
            self._jobs[native_id].paused = True

    def resume(self, native_id: NativeId) -> None:
        """Let it go on."""
        self._engine()
        if native_id in self._jobs:
            self._jobs[native_id].paused = False


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
