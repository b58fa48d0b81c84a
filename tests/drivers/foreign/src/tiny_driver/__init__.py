"""A whole driver in one file: jobs are processes that record their own end. It knows of suanlian the contract alone."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from suanlian.drivers.contract import DriverError, DriverStatus, Measured, NativeId, Observation, Work
from suanlian.model.ids import AttemptId
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Flavor

STARTED: list[subprocess.Popen[bytes]] = []  # outlive the driver that started them
UNKNOWN = Observation(state=JobState.QUEUED, lost=True)


@dataclass(frozen=True)
class TinyOptions:
    root: Path
    greeting: str = ""


class TinyDriver:
    def __init__(self, options: TinyOptions) -> None:
        self.root, self.options = options.root, options
        self.root.mkdir(parents=True, exist_ok=True)

    def probe(self) -> DriverStatus:
        return DriverStatus(ready=True, isolated=False, isolation="none", detail=self.options.greeting)

    def describe(self) -> Sequence[Flavor]:
        return ()

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        for index, key in keys.items():
            job = self.root / key
            try:
                job.mkdir()
            except FileExistsError:
                continue
            if key in work.staged:
                work.staged[key].rename(job / "work")
            environment = {**os.environ, **work.env, "SUANLIAN_TASK_INDEX": str(index)}
            command = [sys.executable, __file__, str(job), *work.command]
            STARTED.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return {index: NativeId(key) for index, key in keys.items()}

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        return {native_id: self._observe(native_id) for native_id in ids}

    def _observe(self, native_id: NativeId) -> Observation:
        job = self._job(native_id)
        if job is None:
            return UNKNOWN
        if (job / "end").exists():
            end = json.loads((job / "end").read_text())
            state = (
                JobState.CANCELED if end["code"] < 0 else JobState.EXECUTOR_ERROR if end["code"] else JobState.COMPLETE
            )
            return Observation(
                state=state,
                started_at=datetime.fromtimestamp(end["began"], UTC),
                ended_at=datetime.fromtimestamp(end["ended"], UTC),
                exit_code=end["code"],
                reason="" if state is JobState.COMPLETE else f"exit code {end['code']}",
                measured=Measured(Decimal(str(end["cpu"])), end["peak"]),
            )
        if not (job / "pid").exists():
            return Observation(state=JobState.INITIALIZING)
        return Observation(
            state=JobState.RUNNING, started_at=datetime.fromtimestamp((job / "pid").stat().st_mtime, UTC)
        )

    def cancel(self, native_id: NativeId) -> None:
        job = self._job(native_id)
        if job is not None and not (job / "end").exists() and (job / "pid").exists():
            os.killpg(int((job / "pid").read_text()), signal.SIGTERM)

    def forget(self, native_id: NativeId) -> None:
        job = self._job(native_id)
        if job is None:
            return
        if self._observe(native_id).state not in ENDED:
            raise DriverError(f"{native_id} still runs")
        shutil.rmtree(job)

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        for entry in self.root.iterdir():
            yield NativeId(entry.name), AttemptId(entry.name)

    def working_directory(self, native_id: NativeId) -> Path:
        job = self._job(native_id)
        if job is None:
            raise DriverError("it is gone")
        return job / "work"

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        job = self._job(native_id)
        if job is None or stream not in {"stdout", "stderr"}:
            raise DriverError("there is no such stream")
        return (job / stream).read_bytes()[offset : offset + limit] if (job / stream).exists() else b""

    def _job(self, native_id: str) -> Path | None:
        job = self.root / native_id
        return job if native_id and "/" not in native_id and job.is_dir() else None


def hold(job: Path, command: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (job / "work").mkdir(exist_ok=True)
    began = time.time()
    with (job / "stdout").open("wb") as out, (job / "stderr").open("wb") as err:
        default = lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL)  # noqa: E731
        process = subprocess.Popen(command, cwd=job / "work", stdout=out, stderr=err, preexec_fn=default)  # noqa: PLW1509
    (job / "pid.new").write_text(str(os.getpid()))
    (job / "pid.new").rename(job / "pid")
    code = process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    end = {"code": code, "began": began, "ended": time.time(), "cpu": used.ru_utime + used.ru_stime}
    (job / "end.new").write_text(json.dumps({**end, "peak": -(-used.ru_maxrss // 1024)}))
    (job / "end.new").rename(job / "end")


if __name__ == "__main__":
    hold(Path(sys.argv[1]), sys.argv[2:])
