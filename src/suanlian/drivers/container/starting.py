"""Bring one job to life: its image judged, its container made and started, once, whatever crashes in between."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from suanlian.drivers import kept
from suanlian.drivers.container import compose, engine, parse, place, verdict
from suanlian.drivers.container.client import RefusedError
from suanlian.drivers.container.options import ContainerEnvironment
from suanlian.drivers.container.place import Place, Spec
from suanlian.drivers.contract import DriverError, Fault, Observation, Work
from suanlian.model.job import JobState
from suanlian.model.probe import PROBE_ENVIRONMENT

_DENIED = ("unauthorized", "denied", "authentication required")
"""Words of registries for who may not read."""
_TRIES = 5
"""So often an engine may fail to start a container before the place is told to have failed."""


def name_of(attempt: str) -> str:
    """The container of an attempt."""
    return f"suanlian-{attempt}"


class Refusal(Exception):  # noqa: N818 - an end, not an error of ours
    """The job ends here before it began, for this reason."""

    def __init__(self, end: Observation) -> None:
        """Keep the end."""
        super().__init__(end.reason)
        self.end = end


class Starter:
    """Starts the jobs of one driver."""

    def __init__(self, known: engine.Engine) -> None:
        """Over one engine."""
        self._engine, self._client, self._options = known, known.client, known.options

    def environment(self, work: Work) -> ContainerEnvironment:
        """The image of the work. Raises DriverError when there is none."""
        image = self._options.probe_image
        return compose.environment(work, self._options, engine.probe_environment(image) if image else None)

    def start(self, work: Work, here: Place, spec: Spec) -> None:
        """Make and start the container of a journalled job, unless that was done. Raises DriverError.

        What can never run ends at once with its reason. The caller is alone with this job.
        """
        if here.has(place.EXIT):
            return
        try:
            self._start(work, here, spec)
        except Refusal as refusal:
            here.write(place.EXIT, kept.to_record(refusal.end))
            with suppress(DriverError):  # else `forget` removes it
                self._client.remove(name_of(here.attempt))

    def _start(self, work: Work, here: Place, spec: Spec) -> None:
        name = name_of(here.attempt)
        container = self._client.container(name)
        if container is None:
            if here.has(place.STARTING):
                return  # it may have run: what the engine forgot is not run twice
            self._create(work, here, spec)
        elif parse.seen(container).state != "created":
            return
        here.write(place.STARTING, {})
        try:
            self._client.start(name)
        except RefusedError as error:
            self._judge(here, spec, error)

    def _create(self, work: Work, here: Place, spec: Spec) -> None:
        chosen = self.environment(work)
        self._judge_image(work, chosen.image)
        user, uid = self._engine.user(zlib.crc32(here.attempt.encode()))
        here.lay_out(work)
        if uid is not None:
            here.give(uid)
        facts = self._engine.facts()
        with self._devices(work) as devices:
            given = compose.Given(
                spec=spec,
                environment=chosen,
                work=here.work,
                user=user,
                log_driver=facts.log_driver,
                cgroup_parent=facts.meter.make(here.attempt) if facts.meter else None,
                devices=devices,
                secrets=_write_secrets(here.attempt, work, uid) if work.secret_env else None,
                binds=engine.probe_binds() if work.environment == PROBE_ENVIRONMENT else (),
            )
            try:
                self._client.create(name_of(here.attempt), compose.container(work, self._options, given))
            except RefusedError as error:
                self._judge(here, spec, error)

    # ------------------------------------------------------------------ what cannot be

    def _judge(self, here: Place, spec: Spec, error: RefusedError) -> None:
        """What a refusal to make or start the container means. Raises Refusal, or the error to be tried again."""
        if error.absent:
            raise _image(f"not found: the engine has no image {spec.image}") from error
        if (cannot := parse.cannot_start(error.words)) is not None:
            reason = f"cannot start {spec.command!r}: {cannot[1]}"
            raise Refusal(verdict.never_ran(JobState.EXECUTOR_ERROR, reason, exit_code=cannot[0])) from error
        tries = int((here.read("tries.json") or {}).get("tries", 0)) + 1
        here.write("tries.json", {"tries": tries})
        if error.transient and tries < _TRIES:
            raise error
        raise Refusal(verdict.never_ran(JobState.SYSTEM_ERROR, str(error), fault=Fault.NODE)) from error

    def _judge_image(self, work: Work, reference: str) -> None:
        """Whether the image may and can be used. Raises Refusal with one of three reasons, or DriverError."""
        if work.image is not None and not any(fnmatchcase(reference, each) for each in self._options.images):
            raise _image(f"not allowed: the owner of this place takes no image {reference}")
        found = self._client.image(reference)
        if found is None and self._options.pull:
            try:
                self._client.pull(reference)
            except RefusedError as error:
                denied = any(word in error.words.lower() for word in _DENIED)
                what = "not allowed" if denied else "not found"
                raise _image(f"{what}: {reference} cannot be fetched: {error.words}") from error
            found = self._client.image(reference)
        if found is None:
            raise _image(f"not found: the engine has no image {reference}, and fetches none")
        has, wanted = parse.architecture(found.get("Architecture")), self._engine.expected(work.flavor)
        if has is not None and wanted is not None and has is not wanted:
            raise _image(f"wrong architecture: {reference} is for {has.value}, this place is {wanted.value}")

    # ------------------------------------------------------------------ devices

    @contextmanager
    def _devices(self, work: Work) -> Iterator[tuple[int, ...]]:
        """Numbers of free accelerators, nobody else's until the container is made. Raises Refusal, DriverError."""
        wanted, own = work.granted.accelerator, self._options.accelerators
        if not wanted:
            yield ()
            return
        if wanted > len(own):
            reason = f"this place has {len(own)} accelerators, {wanted} are asked for"
            raise Refusal(verdict.never_ran(JobState.SYSTEM_ERROR, reason, fault=Fault.REQUEST))
        descriptor = os.open(self._options.root / "devices.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            taken = self._taken()
            free = [number for number in range(len(own)) if number not in taken]
            if len(free) < wanted:
                raise DriverError(f"{len(free)} of {len(own)} accelerators are free, {wanted} wanted", transient=True)
            yield tuple(free[:wanted])
        finally:
            os.close(descriptor)

    def _taken(self) -> set[int]:
        """Accelerators of containers that run or are about to."""
        listed = self._client.containers(compose.DEVICES)
        words = [
            str((each.get("Labels") or {}).get(compose.DEVICES, ""))
            for each in listed
            if parse.word(each.get("State")) != "exited"
        ]
        return {int(number) for text in words for number in text.split(",") if number.isdecimal()}


def _image(reason: str) -> Refusal:
    return Refusal(verdict.never_ran(JobState.SYSTEM_ERROR, reason, fault=Fault.IMAGE))


def secrets_path(attempt: str) -> Path:
    """Where the secrets of a job wait for its start: in memory, never on a disk."""
    return Path(f"/dev/shm/suanlian-{os.getuid()}") / attempt  # noqa: S108 - private, and made so


def _write_secrets(attempt: str, work: Work, uid: int | None) -> Path:
    path = secrets_path(attempt)
    path.parent.mkdir(mode=0o711, exist_ok=True)
    if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
        raise DriverError(f"{path.parent} belongs to somebody else: remove it")
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(compose.secrets_file(work.secret_env))
        if uid is not None:
            os.fchown(stream.fileno(), uid, uid)
    return path
