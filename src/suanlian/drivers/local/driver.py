"""The local driver: jobs as processes of this machine, each kept by its own keeper that survives the agent.

A job is a directory ``root/jobs/ATTEMPT``: ``spec.json`` (its existence is the journal), ``work/``, ``stdout``,
``stderr``, ``lock`` (held by the keeper), ``started``, ``exit.json``. All truth is in these files, none in the driver.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from suanlian.drivers import kept, probing, tree
from suanlian.drivers.contract import (
    DriverError,
    DriverStatus,
    EngineLoad,
    EnvironmentSetup,
    NativeId,
    Observation,
    Work,
)
from suanlian.drivers.local import inside, machine, parse, room
from suanlian.drivers.local.compose import compose, slot_locks
from suanlian.drivers.local.keeper import leftover, processes, record, verdict
from suanlian.drivers.local.keeper.spec import Spec
from suanlian.drivers.local.options import LocalOptions
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_STREAMS: Final = frozenset({"stdout", "stderr"})
_SOURCE: Final = str(Path(__file__).resolve().parents[3])
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from suanlian.drivers.local.keeper.main import main; main(sys.argv[1:])"
)
_ALWAYS: Final = frozenset({Feature.SUSPEND, Feature.SIGNALS})
_SIGNALS: Final = {name: signal.Signals[f"SIG{name}"] for name in ("TERM", "INT", "USR1", "USR2")}
_UNKNOWN: Final = Observation(state=JobState.QUEUED, reason="this machine knows no such job", lost=True)

__all__ = ["EnvironmentSetup", "LocalDriver", "LocalOptions"]


class LocalDriver:
    """One machine, one root directory. Capabilities: Streams, Stages, Lists, Loads, Probes, Suspends, Signals.

    Keepers must outlive the agent: a service ends only the agent's own process (systemd: KillMode=process). Without
    sandbox, control groups and an own user a job that wipes its environment and daemonises outlives a keeper that is
    killed with SIGKILL; ``probe`` then says ``isolated=False``.
    """

    def __init__(self, options: LocalOptions) -> None:
        """Make the directories below ``options.root``. Raises DriverError when that cannot be done."""
        self._options = options
        self._jobs, self._fresh = options.root / "jobs", options.root / "new"
        self._machine: machine.Machine | None = None
        self._busy: room.Busy | None = None
        try:
            for directory in (options.root, self._jobs, self._fresh):
                directory.mkdir(parents=True, exist_ok=True)
                # searchable, not listable: without a sandbox a job walks through here to its own directory
                directory.chmod(0o711)
            locks = slot_locks(options)
            locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DriverError(f"{options.root} cannot be used for jobs: {error}") from error

    def _found(self) -> machine.Machine:
        if self._machine is None:
            self._machine = machine.inspect(self._options)
        return self._machine

    def probe(self) -> DriverStatus:
        """Whether jobs can run, and what keeps them apart; the machine is looked at once."""
        try:
            found = self._found()
            free_mib = shutil.disk_usage(self._jobs).free // 2**20
        except OSError as error:
            return DriverStatus(ready=False, isolated=False, isolation="", detail=f"{self._options.root}: {error}")
        return DriverStatus(
            ready=True,
            isolated=found.host is not None,
            isolation=found.isolation(),
            detail=f"{free_mib} MiB free",
            features=_ALWAYS | ({Feature.MOUNTS} if found.host is not None else set()),
        )

    def describe(self) -> Sequence[Flavor]:
        """The owner's flavors, as set."""
        return self._options.flavors

    # ------------------------------------------------------------------ submit

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Journal each key, take its staged directory, start a keeper each; what was started stays as it is.

        Raises DriverError: unknown environment, an image, a bad key, nothing staged; transient when the disk fails.
        """
        for key in keys.values():
            _checked(key)
        specs = {key: compose(work, self._options, self._found(), (index, key)) for index, key in keys.items()}
        try:
            with contextlib.ExitStack() as gates:
                for key in sorted(specs):
                    self._journal(specs[key])
                    gates.callback(_release, record.lock(self._jobs / key / "gate", wait=True))
                    kept.take_over(work.staged.get(key), self._jobs / key / record.WORK)
                    self._lay_out(work, self._jobs / key)
                self._spawn([self._jobs / key for key in specs], work.secret_env)
        except OSError as error:
            raise DriverError(f"the job cannot be set up: {error}", transient=True) from error
        return {index: NativeId(key) for index, key in keys.items()}

    def _journal(self, spec: Spec) -> None:
        """Create the job's directory with its spec, whole or not at all; a second time changes nothing."""
        job = self._jobs / spec.attempt
        if job.exists():
            return
        fresh = self._fresh / f"{spec.attempt}.{os.getpid()}.{os.urandom(4).hex()}"
        fresh.mkdir(mode=0o711)
        fresh.chmod(0o711)
        record.write(fresh / record.SPEC, spec.to_json())
        try:
            fresh.rename(job)
        except OSError:  # somebody else was first
            tree.remove(fresh)
            if not job.exists():
                raise
            return
        record.sync(self._jobs)

    def _lay_out(self, work: Work, job: Path) -> None:
        """Make what mounts and the checkpoint lead to, before the job can put links there."""
        if not (job / record.STARTED).exists():
            inside.lay_out(work, job / record.WORK)

    def _spawn(self, jobs: Sequence[Path], secret_env: Mapping[str, str]) -> None:
        """Start a keeper for each job that nobody keeps and that has not begun; returns when all are held."""
        idle = [job for job in jobs if not ((job / record.EXIT).exists() or (job / record.STARTED).exists())]
        if not idle:
            return
        command = [sys.executable, "-I", "-S", "-c", _BOOT, _SOURCE, *map(str, idle)]
        quiet = subprocess.DEVNULL
        if any(set(_spec(job).secret_names) - set(secret_env) for job in idle):
            raise DriverError("the job needs its secrets to start")
        try:
            # no timeout: waiting with one polls, and costs up to 50 ms a job
            given = json.dumps(dict(secret_env)).encode()
            subprocess.run(command, input=given, stdout=quiet, stderr=quiet, start_new_session=True, check=True)
        except subprocess.SubprocessError as error:
            raise DriverError(f"the keeper did not start: {error}", transient=True) from error

    # ------------------------------------------------------------------ observe, cancel, forget

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each. A job whose keeper vanished is ended here with all its processes, and told as lost."""
        try:
            return {native_id: self._observe(native_id) for native_id in ids}
        except OSError as error:
            raise DriverError(f"the jobs cannot be read: {error}", transient=True) from error

    def _observe(self, native_id: NativeId) -> Observation:
        job = self._known(native_id)
        if job is None:
            return _UNKNOWN
        started, live = record.read(job / record.STARTED), record.read(job / record.LIVE)
        held = record.held(job / record.LOCK)
        # read after the lock: a keeper writes the exit record before it lets go
        if (content := record.read(job / record.EXIT)) is not None:
            return parse.ended(content)
        if held or (started is None and record.held(job / "gate")):
            paused, ending = (job / record.PAUSED).exists(), (job / record.ENDING).exists()
            return parse.running(record.read(job / record.STARTED), live, paused=paused, ending=ending)
        if record.read(job / record.STARTED) is None:
            return parse.lost(None, None, "no keeper started it: submit it again")
        leftover.clear(job)
        return parse.lost(started, live, "keeper vanished")

    def cancel(self, native_id: NativeId) -> None:
        """Leave word, then wake the keeper: SIGTERM to the job, after the grace the end. Never begun: it never will."""
        job = self._known(native_id)
        if job is None or (job / record.EXIT).exists():
            return
        try:
            record.write(job / record.CANCEL, {})
            lock = record.lock(job / record.LOCK)
            if lock is not None:
                _cancel_unheld(job)
                _release(lock)
            elif (keeper := record.read(job / record.KEEPER)) and processes.born(keeper["pid"]) == keeper["born"]:
                processes.send([keeper["pid"]], signal.SIGTERM)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be cancelled: {error}", transient=True) from error

    def forget(self, native_id: NativeId) -> None:
        """Remove the directory and whatever a vanished keeper left. Raises DriverError while it runs."""
        job = self._known(native_id)
        if job is None:
            return
        # a keeper that has written its record is about to let go
        lock = record.lock(job / record.LOCK, wait=(job / record.EXIT).exists())
        if lock is None:
            raise DriverError(f"job {native_id} still runs: cancel it, and forget it when it has ended")
        try:
            if not leftover.clear(job):
                raise DriverError(f"job {native_id} has processes that do not end", transient=True)
            gone = self._fresh / f"{native_id}.gone.{os.urandom(4).hex()}"
            job.rename(gone)
            tree.remove(gone)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be removed: {error}", transient=True) from error
        finally:
            _release(lock)

    # ------------------------------------------------------------------ capabilities

    def suspend(self, native_id: NativeId) -> None:
        """Leave word: its keeper freezes it, group or processes, at once. The wall time stands still meanwhile."""
        job = self._known(native_id)
        if job is not None and not (job / record.EXIT).exists():
            try:
                record.write(job / record.PAUSE, {})
            except OSError as error:
                raise DriverError(f"job {native_id} cannot be paused: {error}", transient=True) from error

    def resume(self, native_id: NativeId) -> None:
        """Take the word back."""
        job = self._known(native_id)
        if job is not None:
            try:
                (job / record.PAUSE).unlink(missing_ok=True)
            except OSError as error:
                raise DriverError(f"job {native_id} cannot go on: {error}", transient=True) from error

    def signal(self, native_id: NativeId, name: str) -> None:
        """To those of its processes that handle the signal; where none does, to all. Raises DriverError: no such name.

        A job that stands still gets it when it goes on.
        """
        if name not in _SIGNALS:
            raise DriverError(f"there is no signal {name!r} for jobs: {', '.join(_SIGNALS)}")
        job = self._known(native_id)
        keeper = None if job is None or (job / record.EXIT).exists() else record.read(job / record.KEEPER)
        if job is not None and keeper and processes.born(keeper["pid"]) == keeper["born"]:
            found = processes.inside(keeper["pid"], sandboxed=bool(_spec(job).sandbox))
            processes.notify(found, _SIGNALS[name])

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """Bytes of ``stdout`` or ``stderr`` as the job wrote them, terminal escapes and all. Raises DriverError."""
        job = self._known(native_id)
        if job is None or stream not in _STREAMS:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r} here")
        try:
            with (job / stream).open("rb") as file:
                file.seek(max(0, offset))
                return file.read(max(0, limit))
        except FileNotFoundError:  # it has not begun
            return b""

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie. They are a stranger's: links may point anywhere and must not be followed.

        Raises DriverError when it is gone.
        """
        job = self._known(native_id)
        if job is None or not (job / record.WORK).is_dir():
            raise DriverError(f"job {native_id!r} has no working directory here")
        return job / record.WORK

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every job with a directory here, ended or not; the native id is the attempt."""
        for entry in sorted(self._jobs.iterdir()):
            if _NAME.match(entry.name):
                yield NativeId(entry.name), AttemptId(entry.name)

    def load(self, share: Share) -> EngineLoad:
        """By the machine's cores and memory, whoever uses them: since the last look, at first since it was started.

        It tells nothing of disk and cards, and counts no jobs: a machine has no queue. Raises DriverError.
        """
        try:
            seen = room.look(self._busy)
        except (OSError, ValueError, KeyError) as error:
            raise DriverError(f"the machine does not tell its load: {error}", transient=True) from error
        self._busy = seen.busy
        return EngineLoad(room.in_use(share.capacity, seen))

    def probe_architecture(self) -> Architecture | None:
        """This machine's own; None where the probes' program is not installed beside this file."""
        return probing.architecture()

    def _known(self, native_id: str) -> Path | None:
        job = self._jobs / native_id if _NAME.match(native_id) else None
        return job if job is not None and job.is_dir() else None


def _spec(job: Path) -> Spec:
    spec = Spec.load(job)
    if spec is None:
        raise DriverError(f"the job in {job} has lost its spec")
    return spec


def _checked(key: str) -> None:
    if not _NAME.match(key):
        raise DriverError(f"attempt {key[:100]!r} cannot name a directory")


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _cancel_unheld(job: Path) -> None:
    if not (job / record.STARTED).exists() and not (job / record.EXIT).exists():
        record.write(job / record.EXIT, verdict.never_ran("CANCELED", "canceled before it started"))
