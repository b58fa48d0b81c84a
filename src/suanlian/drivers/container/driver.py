"""The container driver: jobs as containers of an engine that speaks the Docker-compatible API, podman or Docker.

A job is a directory ``root/jobs/ATTEMPT`` (see `place`) and a container ``suanlian-ATTEMPT``. What was journalled is
found by its name after a crash; what has ended stands in the directory, so that an engine may forget it.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from suanlian.drivers import kept, probing, tree
from suanlian.drivers.container import compose, parse, place, starting, verdict
from suanlian.drivers.container.client import RefusedError
from suanlian.drivers.container.engine import Engine
from suanlian.drivers.container.loads import in_use
from suanlian.drivers.container.options import ContainerOptions
from suanlian.drivers.container.place import Place, Spec
from suanlian.drivers.container.signalling import SCRIPT
from suanlian.drivers.container.watching import STREAMS, Watch
from suanlian.drivers.contract import DriverError, DriverStatus, EngineLoad, NativeId, Observation, Work
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Feature, Flavor, Share

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_SIGNALS: Final = ("TERM", "INT", "USR1", "USR2")
_FEATURES: Final = frozenset({Feature.MOUNTS, Feature.SUSPEND, Feature.SIGNALS})
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_ALIVE: Final = ("running", "paused")

__all__ = ["ContainerDriver", "ContainerOptions"]


class ContainerDriver:
    """One engine. Capabilities: Streams, Stages, Lists, Loads, Probes, Suspends, Signals."""

    def __init__(self, options: ContainerOptions) -> None:
        """Make the directories below ``options.root``. Raises DriverError when that cannot be done."""
        self._options = options
        self._engine = Engine(options)
        self._client = self._engine.client
        self._starter, self._watch = starting.Starter(self._engine), Watch(self._engine)
        self._boot = _boot_of(options.url)
        self._jobs, self._fresh = options.root / "jobs", options.root / "new"
        try:
            for directory in (options.root, self._jobs, self._fresh):
                directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            raise DriverError(f"{options.root} cannot be used for jobs: {error}") from error

    def probe(self) -> DriverStatus:
        """Whether the engine answers, and what it keeps apart."""
        try:
            self._client.version()
            facts = self._engine.facts()
        except DriverError as error:
            return DriverStatus(ready=False, isolated=False, isolation="", detail=str(error), features=_FEATURES)
        users = "user ids of their own" if os.geteuid() == 0 else "one user id, not root's"
        words = (
            f"containers ({facts.words}): own namespaces, read-only root, no capabilities, no new privileges, "
            f"no network unless asked; {users}; cpu, memory and processes bound"
        )
        lacking = f"the engine cannot bound {', '.join(facts.bounds)}" if facts.bounds else ""
        return DriverStatus(ready=True, isolated=True, isolation=words, detail=lacking, features=_FEATURES)

    def describe(self) -> Sequence[Flavor]:
        """The owner's flavors, run by this engine; without any the engine's machine as one. Raises DriverError."""
        facts = self._engine.facts()
        if self._options.flavors:
            return [each.model_copy(update={"image_runtime": facts.name}) for each in self._options.flavors]
        return [] if facts.flavor is None else [facts.flavor]

    # ------------------------------------------------------------------ submit

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Journal each key, take its staged directory, make and start a container each; what was started stays.

        Raises DriverError: unknown environment, a bad key, nothing staged; transient when disk or engine fail.
        """
        if bad := next((key for key in keys.values() if not _NAME.match(key)), None):
            raise DriverError(f"attempt {bad[:100]!r} cannot name a directory")
        if work.nodes > 1:
            raise DriverError("an engine is one machine: it runs no jobs of several nodes")
        kept = (compose.INSIDE_WORK, compose.INSIDE_SECRETS)
        if taken := next((mount.path for mount in work.mounts if mount.path in kept), None):
            raise DriverError(f"mount {taken!r} is the driver's own place in a container: use another path")
        chosen = self._starter.environment(work)
        try:
            for index, key in keys.items():
                here = Place(self._jobs, key)
                spec = compose.spec(work, self._options, chosen, (index, key))
                here.journal(spec, self._fresh)
                with here.locked():
                    here.take_over(work.staged.get(key))
                    self._starter.start(work, here, spec)
        except OSError as error:
            raise DriverError(f"the job cannot be set up: {error}", transient=True) from error
        return {index: NativeId(key) for index, key in keys.items()}

    # ------------------------------------------------------------------ observe, cancel, forget

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each; whoever is over a limit is ended here. Raises DriverError, mostly transient."""
        found: dict[NativeId, Observation] = {}
        refused: dict[NativeId, RefusedError] = {}
        for native_id in ids:
            try:
                found[native_id] = self._observe(native_id)
            except RefusedError as error:
                refused[native_id] = error
            except OSError as error:
                raise DriverError(f"the jobs cannot be read: {error}", transient=True) from error
        # trouble with one container is no reason to be blind for the others; with all of them it is the engine's
        if refused and not any(seen.ended_at is None and not seen.lost for seen in found.values()):
            raise next(iter(refused.values()))
        return found | {native_id: self._unsure(native_id, error) for native_id, error in refused.items()}

    def _unsure(self, native_id: NativeId, error: RefusedError) -> Observation:
        """A job of which the engine tells nothing now: taken for one that runs, and not billed meanwhile."""
        started = (Place(self._jobs, native_id).read(place.STARTED) or {}).get("started_at")
        return Observation(JobState.RUNNING, started_at=parse.moment(started), reason=str(error), ending=True)

    def _observe(self, native_id: NativeId) -> Observation:
        here = self._known(native_id)
        spec = here.spec() if here is not None else None
        if here is None or spec is None:
            return _lost("this engine's connector knows no such job")
        if (content := here.read(place.EXIT)) is not None:
            return kept.from_record(content)
        container = self._client.container(starting.name_of(native_id))
        return _gone(here) if container is None else self._judged(here, spec, parse.seen(container))

    def _judged(self, here: Place, spec: Spec, seen: parse.Seen) -> Observation:
        if seen.state in _ALIVE:
            if not here.has(place.STARTED) and seen.started_at is not None:
                here.write(place.STARTED, {"started_at": seen.started_at.isoformat(), "boot": self._boot})
            return self._watch.running(here, spec, seen)
        begun_at = here.read(place.STARTED)
        if begun_at is not None and verdict.fell_with_its_machine(seen, begun_at.get("boot", ""), self._boot):
            return _gone(here, "its machine was restarted while it ran")
        if seen.state == "exited":
            return self._watch.finish(here, spec, seen)
        begun = here.has(place.STARTING)
        return Observation(state=JobState.INITIALIZING) if begun else _lost("its container was not started")

    def cancel(self, native_id: NativeId) -> None:
        """Leave word and send SIGTERM; who looks after the grace ends it. Never begun: it never will."""
        here = self._known(native_id)
        if here is None and _NAME.match(native_id):
            self._client.kill(starting.name_of(native_id))  # whose directory is gone, so that it can be forgotten
        if here is None or here.has(place.EXIT):
            return
        container = self._client.container(starting.name_of(native_id))
        state = parse.seen(container).state if container is not None else ""
        if state in _ALIVE:
            if not here.has(place.CANCEL):
                here.write(place.CANCEL, {"at": datetime.now(UTC).isoformat()})
            self.resume(native_id)
            self._notify(native_id, "TERM")
        elif state == "created" or (container is None and not here.has(place.STARTING)):
            with here.locked():
                if not here.has(place.EXIT):
                    self._client.remove(starting.name_of(native_id))
                    end = verdict.never_ran(JobState.CANCELED, "canceled before it started")
                    here.write(place.EXIT, kept.to_record(end))

    def forget(self, native_id: NativeId) -> None:
        """Remove container, control group and directory. Raises DriverError while it runs."""
        if not _NAME.match(native_id):
            return
        here, name = Place(self._jobs, native_id), starting.name_of(native_id)
        container = self._client.container(name)
        if container is not None and parse.seen(container).state in _ALIVE:
            raise DriverError(f"job {native_id} still runs: cancel it, and forget it when it has ended")
        self._client.remove(name)
        try:
            starting.secrets_path(native_id).unlink(missing_ok=True)
            if here.directory.exists():
                gone = self._fresh / f"{native_id}.gone.{os.urandom(4).hex()}"
                here.directory.rename(gone)
                tree.remove(gone)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be removed: {error}", transient=True) from error
        self._watch.dismiss(native_id)
        self._tidy()

    def _tidy(self) -> None:
        """Remove control groups of jobs that are no more."""
        if (meter := self._engine.facts().meter) is not None:
            meter.tidy({entry.name for entry in self._jobs.iterdir()})

    # ------------------------------------------------------------------ capabilities

    def suspend(self, native_id: NativeId) -> None:
        """Freeze the container; its wall time stands still meanwhile."""
        here = self._known(native_id)
        if here is None or here.has(place.EXIT):
            return
        container = self._client.container(starting.name_of(native_id))
        if container is None or parse.seen(container).state not in _ALIVE:
            return
        pause = here.read(place.PAUSE) or {"total_s": 0.0, "since": None}
        if pause["since"] is None:
            here.write(place.PAUSE, {**pause, "since": datetime.now(UTC).isoformat()})
        self._client.pause(starting.name_of(native_id))

    def resume(self, native_id: NativeId) -> None:
        """Let the container go on."""
        here = self._known(native_id)
        if here is None or here.has(place.EXIT):
            return
        self._client.unpause(starting.name_of(native_id))
        pause = here.read(place.PAUSE)
        if pause is not None and pause["since"] is not None:
            here.write(place.PAUSE, {"total_s": verdict.stood_s(pause, datetime.now(UTC)), "since": None})

    def signal(self, native_id: NativeId, name: str) -> None:
        """To those of its processes that handle the signal; where none does, to all. Raises DriverError: no such name.

        Without a shell in the image, or while it stands still, only its first process gets it.
        """
        if name not in _SIGNALS:
            raise DriverError(f"there is no signal {name!r} for jobs: {', '.join(_SIGNALS)}")
        here = self._known(native_id)
        if here is not None and not here.has(place.EXIT):
            self._notify(native_id, name)

    def _notify(self, native_id: NativeId, name: str) -> None:
        container = starting.name_of(native_id)
        if self._client.run_inside(container, ["/bin/sh", "-c", SCRIPT, "sh", name]) != 0:
            self._client.kill(container, name)

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """Bytes of ``stdout`` or ``stderr`` as the job wrote them, terminal escapes and all. Raises DriverError."""
        here = self._known(native_id)
        spec = here.spec() if here is not None else None
        if here is None or spec is None or stream not in STREAMS:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r} here")
        file, offset, limit = here.directory / stream, max(0, offset), max(0, limit)
        if not here.has(place.EXIT) and _size(file) < offset + limit:
            container = self._client.container(starting.name_of(native_id))
            if container is not None and here.has(place.STARTING):
                self._watch.fetch(here, spec, stream, parse.seen(container))
        with suppress(FileNotFoundError), file.open("rb") as content:
            content.seek(offset)
            return content.read(limit)
        return b""

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie. They are a stranger's: links may point anywhere and must not be followed.

        Raises DriverError when it is gone.
        """
        here = self._known(native_id)
        if here is None or not here.work.is_dir():
            raise DriverError(f"job {native_id!r} has no working directory here")
        return here.work

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every job with a directory here, and every container of ours, ended or not; the native id is the attempt."""
        self._tidy()
        names = {entry.name for entry in self._jobs.iterdir()}
        for container in self._client.containers(f"{compose.ROOT}={self._options.root}"):
            labels: Mapping[str, Any] = container.get("Labels") or {}
            names.add(str(labels.get(compose.ATTEMPT, "")))
        for name in sorted(names):
            if _NAME.match(name):
                yield NativeId(name), AttemptId(name)

    def load(self, share: Share) -> EngineLoad:
        """By what the running containers of the engine are bound to, ours and others'. Raises DriverError."""
        return in_use(self._client, share)

    def probe_architecture(self) -> Architecture | None:
        """This machine's own, where the owner names an image for probes."""
        return probing.architecture() if self._options.probe_image else None

    def _known(self, native_id: str) -> Place | None:
        here = Place(self._jobs, native_id) if _NAME.match(native_id) else None
        return here if here is not None and here.directory.is_dir() else None


def _lost(reason: str) -> Observation:
    return Observation(state=JobState.QUEUED, reason=reason, lost=True)


def _gone(here: Place, why: str = "") -> Observation:
    """A journalled job without a container that could still end."""
    if not here.has(place.STARTING):
        return _lost("its container was not made: submit it again")
    started = parse.moment((here.read(place.STARTED) or {}).get("started_at"))
    reason = why or "the engine no longer knows its container: it was removed, or the engine was reset"
    return Observation(
        state=JobState.RUNNING,
        started_at=started,
        reason=reason,
        measured=parse.measured(here.read(place.LIVE)),
        lost=True,
    )


def _boot_of(url: str) -> str:
    """What names this start of the machine on which a local engine runs; empty where that cannot be told."""
    if not url.startswith("unix:"):
        return ""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
