"""The Ray driver: a job is a submission of the Jobs API whose entrypoint is our runner, and a directory all nodes see.

``root/jobs/ATTEMPT`` holds ``spec.json`` (its existence is the journal), ``work/``, ``stdout``, ``stderr``, ``claim``
(whoever made it decides whether the command is started), ``started``, ``live`` and ``exit.json``. An end that stands in
the exit record is true whatever Ray remembers; Ray alone tells of a job that has none.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

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
from suanlian.drivers.ray import parse, runner
from suanlian.drivers.ray.client import RayClient
from suanlian.drivers.ray.options import RayOptions
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share
from suanlian.model.probe import PROBE_ENVIRONMENT

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_STREAMS: Final = frozenset({"stdout", "stderr"})
_SYSTEM_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin")
_INHERITED: Final = ("RAY_ADDRESS", "CUDA_VISIBLE_DEVICES", "RAY_JOB_ID", "VIRTUAL_ENV")
"""What Ray tells a job, and the job may need: how to reach the cluster, and which cards are its own."""
_MIB: Final = 1024 * 1024
_ONE_BY_ONE: Final = 4
"""Up to so many jobs are asked for one by one; more by one list."""
_UNKNOWN: Final = Observation(state=JobState.QUEUED, reason="this cluster knows no such job", lost=True)

__all__ = ["EnvironmentSetup", "RayDriver", "RayOptions"]


class RayDriver:
    """One Ray cluster. Capabilities: Streams, Stages, Lists, Loads, Probes, Suspends, Signals.

    Ray keeps jobs apart by nothing but what it counts: all run as the user of its workers. So ``isolated`` is False.
    """

    def __init__(self, options: RayOptions) -> None:
        """Make the directories below ``options.root``. Raises DriverError when that cannot be done."""
        self._options, self._client = options, RayClient(options)
        self._jobs = options.root / "jobs"
        try:
            self._jobs.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(runner.__file__, options.root / "runner.py.new")
            (options.root / "runner.py.new").replace(options.root / "runner.py")
        except OSError as error:
            raise DriverError(f"{options.root} cannot be used for jobs: {error}") from error

    def probe(self) -> DriverStatus:
        """Whether the dashboard answers; jobs of a cluster share the user of its workers."""
        isolation = "none: jobs run as the user of Ray's workers, apart by directory and by what Ray counts"
        features = frozenset({Feature.SUSPEND, Feature.SIGNALS})
        try:
            version = self._client.version()
        except DriverError as error:
            return DriverStatus(ready=False, isolated=False, isolation=isolation, detail=str(error), features=features)
        detail = f"Ray {version.get('ray_version', '?')}"
        return DriverStatus(ready=True, isolated=False, isolation=isolation, detail=detail, features=features)

    def describe(self) -> Sequence[Flavor]:
        """The kinds of node that are alive; the owner's word on one stands before. Raises DriverError."""
        here = probing.architecture() or Architecture.X86_64
        own = {flavor.name: flavor for flavor in self._options.flavors}
        found = {flavor.name: flavor for flavor in parse.flavors(self._client.nodes(), here)}
        return tuple((found | own).values())

    # ------------------------------------------------------------------ submit

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Write each job's directory, then submit it under the attempt's id: what Ray has under it stays as it is.

        Raises DriverError: unknown environment, image, several nodes, bad key; transient when Ray or the disk fail.
        """
        setup = self._setup(work)
        for key in keys.values():
            if not _NAME.match(key):
                raise DriverError(f"attempt {key[:100]!r} cannot name a job")
        try:
            for index, key in keys.items():
                self._prepare(work, setup, index, key)
        except OSError as error:
            raise DriverError(f"the job cannot be set up in {self._jobs}: {error}", transient=True) from error
        for key in keys.values():
            if not (self._jobs / key / "claim").exists():
                self._client.submit(self._body(work, key))
        return {index: NativeId(key) for index, key in keys.items()}

    def _setup(self, work: Work) -> EnvironmentSetup:
        if work.image is not None:
            raise DriverError(f"this cluster runs no images (wanted {work.image}): its owner may name an environment")
        if work.nodes > 1 or work.mounts:
            raise DriverError("this driver starts a job on one node, and shows it no other paths than its directory")
        if work.environment is None:
            return EnvironmentSetup()
        if work.environment == PROBE_ENVIRONMENT and self.probe_architecture() is not None:
            return self._probes()
        setup = self._options.environments.get(work.environment)
        if setup is None and work.environment in self._options.runtime_envs:
            return EnvironmentSetup()
        if setup is None:
            known = ", ".join(sorted({*self._options.environments, *self._options.runtime_envs})) or "none"
            raise DriverError(f"this cluster has no environment {work.environment!r}; it has: {known}")
        return setup

    def _probes(self) -> EnvironmentSetup:
        try:
            return probing.carried(self._options.root, self._options.probe_python)
        except OSError as error:
            raise DriverError(f"the probes' program cannot be copied: {error}", transient=True) from error

    def _prepare(self, work: Work, setup: EnvironmentSetup, index: int, key: AttemptId) -> None:
        """The job's directory, made whole under another name first; a second time it changes nothing."""
        job = self._jobs / key
        if not job.exists():
            fresh = self._options.root / f"new.{key}.{os.urandom(4).hex()}"
            (fresh / "signals").mkdir(parents=True)
            (fresh / "tmp").mkdir()
            for name in ("stdout", "stderr"):
                (fresh / name).touch(mode=0o600)
            runner.write(fresh / "spec.json", self._spec(work, setup, index, key))
            fresh.rename(job)
        target, staged = job / "work", work.staged.get(key)
        kept.take_over(staged, target)
        if work.checkpoint is not None:
            (target / work.checkpoint.path).mkdir(parents=True, exist_ok=True)
        if work.secret_env and not (job / "claim").exists():
            descriptor = os.open(job / "secrets.json", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(dict(work.secret_env), file)

    def _spec(self, work: Work, setup: EnvironmentSetup, index: int, key: AttemptId) -> dict[str, Any]:
        job = self._jobs / key
        kept = {} if work.checkpoint is None else {"SUANLIAN_CHECKPOINT_DIR": str(job / "work" / work.checkpoint.path)}
        return {
            "argv": [*setup.launcher, *work.command],
            "env": {
                "PATH": ":".join([*map(str, setup.path), *_SYSTEM_PATH]),
                "HOME": str(job / "work"),
                "TMPDIR": str(job / "tmp"),
                "LANG": "C.UTF-8",
                **setup.env,
                **work.env,
                **kept,
                "SUANLIAN_TASK_INDEX": str(index),
            },
            "inherit": list(_INHERITED),
            "memory_mib": work.granted.memory,
            "disk_mib": work.granted.disk or self._options.disk_mib_if_none,
            "wall_s": work.limits.wall_time_s,
            "stream_bytes": work.limits.stream_bytes,
            "grace_s": self._options.grace_s,
        }

    def _body(self, work: Work, key: AttemptId) -> dict[str, Any]:
        command = [self._options.python, "-I", "-S", str(self._options.root / "runner.py"), str(self._jobs / key)]
        body: dict[str, Any] = {
            "entrypoint": f"exec {shlex.join(command)}",
            "submission_id": key,
            "metadata": {"suanlian": key},
            "entrypoint_num_cpus": work.granted.cpu / 1000,
            "entrypoint_num_gpus": work.granted.accelerator,
            "entrypoint_memory": work.granted.memory * _MIB,
        }
        runtime_env = self._options.runtime_envs.get(work.environment or "")
        return body if runtime_env is None else body | {"runtime_env": dict(runtime_env)}

    # ------------------------------------------------------------------ observe, cancel, forget

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each: by its files where it has ended, else by its files and Ray. Raises DriverError."""
        try:
            seen = {native_id: self._by_files(native_id) for native_id in ids}
            open_ids = [native_id for native_id, known in seen.items() if known is None]
            told = self._told(open_ids)
            return {native_id: known or self._by_ray(native_id, told[native_id]) for native_id, known in seen.items()}
        except (OSError, KeyError, ValueError) as error:
            raise DriverError(f"the jobs cannot be read: {error}", transient=True) from error

    def _told(self, ids: Sequence[NativeId]) -> Mapping[NativeId, Mapping[str, Any] | None]:
        if len(ids) <= _ONE_BY_ONE:
            return {native_id: self._client.job(native_id) for native_id in ids}
        every = {str(job["submission_id"]): job for job in self._client.jobs()}
        return {native_id: every.get(native_id) for native_id in ids}

    def _by_files(self, native_id: NativeId) -> Observation | None:
        job = self._known(native_id)
        if job is None:
            return _UNKNOWN
        record = runner.read(job / "exit.json")
        return None if record is None else parse.ended(record)

    def _by_ray(self, native_id: NativeId, told: Mapping[str, Any] | None) -> Observation:
        job = self._jobs / native_id
        started, live = runner.read(job / "started"), runner.read(job / "live")
        # read after Ray was asked: the runner writes it before it ends
        if (record := runner.read(job / "exit.json")) is not None:
            return parse.ended(record)
        if started is None:
            return parse.waiting(told)
        if told is not None and told["status"] not in parse.ENDED:
            return parse.running(started, live, paused=(job / "paused").exists())
        return parse.fallen(started, live, told, canceled=(job / "cancel").exists())

    def cancel(self, native_id: NativeId) -> None:
        """Leave word for the runner; where none has begun, none ever will. Asked again, Ray ends it the hard way."""
        job = self._known(native_id)
        if job is None or (job / "exit.json").exists():
            return
        asked_before = (job / "cancel").exists()
        try:
            (job / "cancel").touch()
            if runner.claim(job):
                runner.write(job / "exit.json", _never_ran())
                (job / "secrets.json").unlink(missing_ok=True)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be cancelled: {error}", transient=True) from error
        if asked_before and not (job / "exit.json").exists():
            self._client.stop(native_id)

    def forget(self, native_id: NativeId) -> None:
        """Remove the directory and what Ray remembers. Raises DriverError while it runs."""
        job = self._known(native_id)
        if job is None:
            return
        seen = self.observe([native_id])[native_id]
        if not seen.lost and seen.state not in _ENDED:
            raise DriverError(f"job {native_id} still runs: cancel it, and forget it when it has ended")
        if not self._client.delete(native_id):
            # it waits for resources that never came, or its runner is just leaving: it will find nothing to do
            self._client.stop(native_id)
        try:
            gone = self._options.root / f"gone.{native_id}.{os.urandom(4).hex()}"
            job.rename(gone)
            tree.remove(gone)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be removed: {error}", transient=True) from error

    # ------------------------------------------------------------------ capabilities

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """Bytes of ``stdout`` or ``stderr`` as the job wrote them. Raises DriverError."""
        job = self._known(native_id)
        if job is None or stream not in _STREAMS:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r} here")
        try:
            # a job shares a user with what holds it: what it puts in the place of a stream is not followed
            descriptor = os.open(job / stream, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DriverError(f"the stream {stream} of {native_id} cannot be read: {error}", transient=True) from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            file.seek(max(0, offset))
            return file.read(max(0, limit))

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie; links in it may point anywhere. Raises DriverError when it is gone."""
        job = self._known(native_id)
        if job is None or not (job / "work").is_dir():
            raise DriverError(f"job {native_id!r} has no working directory here")
        return job / "work"

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every job with a directory here, ended or not; the native id is the attempt."""
        for entry in sorted(self._jobs.iterdir()):
            if _NAME.match(entry.name):
                yield NativeId(entry.name), AttemptId(entry.name)

    def load(self, share: Share) -> EngineLoad:
        """By what Ray has given away over the whole cluster; it tells nothing of disk. Raises DriverError."""
        try:
            return parse.load(self._client.cluster(), self._client.jobs(), share.capacity)
        except (KeyError, TypeError, ValueError) as error:
            raise DriverError(f"Ray does not tell its load: {error}", transient=True) from error

    def probe_architecture(self) -> Architecture | None:
        """This connector's own, where the owner lets probes run: the nodes are taken to be of the same kind."""
        return probing.architecture() if self._options.probes else None

    def suspend(self, native_id: NativeId) -> None:
        """Leave word for the runner to stop the job where it is; Ray keeps its resources for it."""
        job = self._known(native_id)
        if job is not None and not (job / "exit.json").exists():
            with _told():
                (job / "pause").touch()

    def resume(self, native_id: NativeId) -> None:
        """Take that word back."""
        job = self._known(native_id)
        if job is not None:
            with _told():
                (job / "pause").unlink(missing_ok=True)

    def signal(self, native_id: NativeId, name: str) -> None:
        """Leave a signal for the runner to send."""
        job = self._known(native_id)
        if job is None or (job / "exit.json").exists():
            return
        if name not in {"TERM", "INT", "USR1", "USR2"}:
            raise DriverError(f"{name!r} is none of the signals TERM, INT, USR1, USR2")
        with _told():
            number = len(list((job / "signals").iterdir()))
            (job / "signals" / f"{number:06d}-{name}").touch()

    def _known(self, native_id: str) -> Path | None:
        job = self._jobs / native_id if _NAME.match(native_id) else None
        return job if job is not None and job.is_dir() else None


_ENDED: Final = frozenset(
    {JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.CANCELED, JobState.PREEMPTED}
)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """A word left for the runner; what the shared directory refuses is the engine's trouble, and may pass."""
    try:
        yield
    except OSError as error:
        raise DriverError(f"the shared directory does not take it: {error}", transient=True) from error


def _never_ran() -> dict[str, Any]:
    words = {"state": "CANCELED", "exit_code": None, "reason": "canceled before it started", "limit": None}
    now = datetime.now(UTC).timestamp()
    return words | {"fault": None, "started": None, "ended": now, "cpu_s": 0.0, "peak_kib": 0}
