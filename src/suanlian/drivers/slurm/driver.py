"""The Slurm driver: what the agent wishes, in Slurm's terms. The native id of a job is its attempt.

The key of a job is found again after a crash: the batch is on the disk before Slurm is asked, its name is unique, and
the job in Slurm bears it. A number that was given away anew after a reset bears another name: that job is not ours.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

from suanlian.drivers import kept as ends
from suanlian.drivers import probing
from suanlian.drivers.contract import (
    DriverError,
    DriverStatus,
    EngineLoad,
    NativeId,
    Observation,
    Work,
)
from suanlian.drivers.lending import Lender, LendTerms
from suanlian.drivers.slurm import compose, lend, looks, meaning, supply
from suanlian.drivers.slurm.book import Batch, Book
from suanlian.drivers.slurm.options import SlurmOptions
from suanlian.drivers.slurm.records import OURS, JobRecord, Request, SlurmError
from suanlian.drivers.slurm.supply import engine_of
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import ENDED, JobState
from suanlian.model.performance import Architecture
from suanlian.model.platform import Flavor, Share
from suanlian.model.probe import PROBE_ENVIRONMENT

T = TypeVar("T")
_STREAMS: Final = frozenset({"stdout", "stderr"})
_UNKNOWN: Final = Observation(state=JobState.QUEUED, reason="this driver knows no such job", lost=True)
_CANCELED: Final = Observation(state=JobState.CANCELED, reason="canceled before it started")
_CLOCKS_APART_S: Final = 3600
"""By so much the controller's clock may differ from ours."""

__all__ = ["SlurmDriver", "SlurmOptions"]


class SlurmDriver:
    """One cluster, one directory that its nodes see. Capabilities: all but those of lending."""

    def __init__(self, options: SlurmOptions) -> None:
        """Make the directories. Raises DriverError when that cannot be done, or a user is mapped who may not be."""
        self._options = options
        probes = {PROBE_ENVIRONMENT: options.probe_user} if options.probe_user else {}
        self._users = supply.checked_users({**options.users, **probes})
        self._engine = engine_of(options, self._users)
        try:
            self._book = Book(options.root)
        except OSError as error:
            raise DriverError(f"{options.root} cannot be used for jobs: {error}") from error

    def probe(self) -> DriverStatus:
        """Whether the controller answers, and what keeps jobs apart."""
        isolated, isolation = supply.isolation(self._options)
        features = supply.features(self._options)
        try:
            said = self._engine.ping()
        except SlurmError as error:
            return DriverStatus(False, isolated, isolation, str(error), features)  # noqa: FBT003 - ready
        return DriverStatus(True, isolated, isolation, said, features)  # noqa: FBT003 - ready

    def describe(self) -> Sequence[Flavor]:
        """The owner's flavors, else one for each kind of node."""
        return self._options.flavors or supply.flavors(_told(self._engine.nodes))

    # ------------------------------------------------------------------ submit

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        """Submit new keys, as one array where they are many; keys that were submitted stay as they are.

        Raises DriverError: unmapped entity, unknown environment, image without a runtime, what Slurm refuses for good.
        """
        plan = compose.plan(work, self._options, self._users)
        known = {attempt: place for attempt in keys.values() if (place := self._book.place(attempt)) is not None}
        fresh = {index: attempt for index, attempt in keys.items() if attempt not in known}
        try:
            for name in dict.fromkeys(batch for batch, _place in known.values()):
                self._again(name, plan)
            for part in compose.parts(fresh, self._options.max_array):
                self._send(self._written(work, plan, part), plan)
        except OSError as error:
            raise DriverError(f"the job cannot be set up: {error}", transient=True) from error
        return {index: NativeId(attempt) for index, attempt in keys.items()}

    def _written(self, work: Work, plan: compose.Plan, tasks: Sequence[tuple[int, AttemptId]]) -> Batch:
        """Keep a batch and lay its attempts out, before Slurm hears of it."""
        batch = Batch(
            name=new_id(),
            user=plan.user,
            tasks=tuple((index, str(attempt)) for index, attempt in tasks),
            request=asdict(plan.request),
            created=int(time.time()),
            stream_bytes=work.limits.stream_bytes,
            image=work.image is not None,
            secrets=tuple(sorted(work.secret_env)),
        )
        self._book.add_batch(batch, compose.script_text(plan, str(self._book.here(batch.name))))
        for place, (index, attempt) in enumerate(tasks):
            at = (batch.name, place, index)
            self._book.add(attempt, at, work.staged.get(attempt), plan.owner, plan.extra)
        return batch

    def _again(self, name: str, plan: compose.Plan) -> None:
        """Submit what a crash may have kept from Slurm; where Slurm has it, or it has run, nothing is done."""
        batch = self._book.batch(name)
        if batch is None or self._book.number(name) is not None or not self._unbegun(batch):
            return
        found = _told(lambda: self._engine.named(_job_name(name)))
        if found:
            self._book.keep_number(name, found[0].array_id or found[0].job_id)
            return
        self._send(batch, plan)

    def _send(self, batch: Batch, plan: compose.Plan) -> None:
        if set(batch.secrets) - set(plan.secret_names):
            raise DriverError("the job needs its secrets to start")
        array = compose.span(self._unbegun(batch)) if batch.is_array else ""
        named = {"name": _job_name(batch.name), "array": array, "script": self._book.script(batch.name)}
        here = self._book.here(batch.name)
        output = f"{here}/{'%a' if batch.is_array else '0'}/slurm"
        request = Request(**{**batch.request, **named, "directory": str(here), "output": output})
        try:
            number = self._engine.submit(request, batch.user)
        except SlurmError as error:
            if not error.transient and not error.unsure:
                self._book.drop_batch(batch.name)  # then nothing was started, and nothing is left
            raise DriverError(str(error), transient=error.transient or error.unsure) from error
        self._book.keep_number(batch.name, number)

    def _unbegun(self, batch: Batch) -> list[int]:
        return [
            place
            for place, (_index, attempt) in enumerate(batch.tasks)
            if self._book.place(attempt) == (batch.name, place) and self._book.mark(attempt, "begun") is None
        ]

    # ------------------------------------------------------------------ observe

    def observe(self, ids: Collection[NativeId]) -> Mapping[NativeId, Observation]:
        """What is true of each. Slurm is asked once for all; an end is kept when it is first seen."""
        try:
            seen = {native: self._remembered(native) for native in ids}
            open_ids = [native for native, found in seen.items() if found is None]
            return {native: found for native, found in seen.items() if found} | self._asked(open_ids)
        except OSError as error:
            raise DriverError(f"the jobs cannot be read: {error}", transient=True) from error

    def _remembered(self, native: NativeId) -> Observation | None:
        if self._book.place(native) is None:
            return _UNKNOWN
        kept = self._book.seen(native)
        return None if kept is None else ends.from_record(kept)

    def _asked(self, ids: Sequence[NativeId]) -> dict[NativeId, Observation]:
        numbers = {native: self._number(native) for native in ids}
        wanted = sorted({number for number in numbers.values() if number is not None})
        records = looks.by_job(_told(lambda: self._engine.jobs(wanted))) if wanted else {}
        found, gone = dict[NativeId, Observation](), list[NativeId]()
        told = self._by_batch(records)
        for native, number in numbers.items():
            record = None if number is None else self._record(native, told)
            if record is None:
                gone.append(native)
            else:
                found[native] = self._judged(native, record)
        return found | self._forgotten({native: numbers[native] for native in gone})

    def _by_batch(self, records: Mapping[int, Sequence[JobRecord]]) -> Callable[[str], looks.Told]:
        """The records of a batch, put in order once."""
        known: dict[str, looks.Told] = {}

        def of(batch: str) -> looks.Told:
            if batch not in known:
                known[batch] = looks.told(records.get(self._book.number(batch) or 0, ()), _job_name(batch))
            return known[batch]

        return of

    def _number(self, native: NativeId) -> int | None:
        place = self._book.place(native)
        return None if place is None else self._book.number(place[0])

    def _record(self, native: NativeId, told: Callable[[str], looks.Told]) -> JobRecord | None:
        """The record of this attempt among those of its batch."""
        batch, place = self._whole(native)
        return told(batch.name).of_task(place if batch.is_array else None, lambda: self._has_begun(native))

    def _judged(self, native: NativeId, record: JobRecord) -> Observation:
        if meaning.is_idle(record):
            return meaning.observation(record, meaning.Own())  # nothing of it lies anywhere
        own = looks.own(self._book, native, self._whole(native)[0])
        unwanted = meaning.is_requeued(record, own) or meaning.is_hopeless(record)
        if unwanted:
            self._end(native)
        if record.state == "RUNNING" and not own.over:
            self._bound_streams(native)
        seen = meaning.observation(record, own)
        if meaning.is_over(record) or unwanted:
            self._book.keep_seen(native, ends.to_record(seen))
        return seen

    def _forgotten(self, gone: Mapping[NativeId, int | None]) -> dict[NativeId, Observation]:
        """Jobs that the controller does not know: by accounting, else by their own record, else lost."""
        numbers = {number for number in gone.values() if number is not None}
        told = self._by_batch(self._accounted(numbers, gone))
        return {native: self._by_account(native, told) for native in gone}

    def _accounted(self, numbers: Collection[int], gone: Collection[NativeId]) -> Mapping[int, Sequence[JobRecord]]:
        if not numbers:
            return {}
        since = min(self._whole(native)[0].created for native in gone) - _CLOCKS_APART_S
        records: list[JobRecord] = []
        if self._options.slurmdbd:
            records += _told(lambda: self._engine.accounted(numbers, since))
        if self._options.jobcomp is not None:
            records += looks.completed(self._options.jobcomp, numbers)
        return looks.by_job(records)

    def _by_account(self, native: NativeId, told: Callable[[str], looks.Told]) -> Observation:
        batch, _place = self._whole(native)
        record = self._record(native, told)
        if record is not None and meaning.is_over(record):
            return self._judged(native, record)
        own = looks.own(self._book, native, batch)
        if own.ended is not None:
            seen = meaning.by_own_word(own, *looks.times(self._book, native))
            self._book.keep_seen(native, ends.to_record(seen))
            return seen
        return looks.lost(own, self._book, native)

    def _bound_streams(self, native: NativeId) -> None:
        """End a job that writes more than it may. Why is kept before: Slurm will only say CANCELLED."""
        bound = self._whole(native)[0].stream_bytes
        if max(self._book.length(native, stream) for stream in _STREAMS) > bound:
            self._book.flag(native, "over", f"output limit of {bound} bytes reached; the job was ended")
            self._end(native)

    # ------------------------------------------------------------------ cancel, forget, suspend, signal

    def cancel(self, native_id: NativeId) -> None:
        """Slurm sends SIGTERM, and SIGKILL after its KillWait. What Slurm was never asked for will never begin."""
        if self._book.place(native_id) is None or self._book.seen(native_id) is not None:
            return
        try:
            if self._number(native_id) is None and self._book.forbid(native_id):
                self._book.keep_seen(native_id, ends.to_record(_CANCELED))
                return
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be cancelled: {error}", transient=True) from error
        if self._is_still_ours(native_id):
            self._end(native_id)

    def forget(self, native_id: NativeId) -> None:
        """Remove its files. Raises DriverError while Slurm may still run it."""
        if self._book.place(native_id) is None:
            return
        seen = self.observe([native_id])[native_id]
        if seen.state not in ENDED and not seen.lost:
            raise DriverError(f"job {native_id} is {seen.state} in Slurm: cancel it, and forget it when it has ended")
        try:
            self._book.drop(native_id)
        except OSError as error:
            raise DriverError(f"job {native_id} cannot be removed: {error}", transient=True) from error

    def suspend(self, native_id: NativeId) -> None:
        """Stop its processes by SIGSTOP: it keeps what it was given, and Slurm's time limit goes on."""
        if self._send_signal(native_id, "STOP"):
            self._book.flag(native_id, "paused", "paused\n")

    def resume(self, native_id: NativeId) -> None:
        """Let them go on."""
        if self._book.place(native_id) is not None and self._book.flag(native_id, "paused"):
            self._send_signal(native_id, "CONT")
            self._book.flag(native_id, "paused", "")

    def signal(self, native_id: NativeId, name: str) -> None:
        """To every process of the job."""
        self._send_signal(native_id, name)

    def _send_signal(self, native_id: NativeId, name: str) -> bool:
        """False where there is nothing to send it to."""
        if self._book.place(native_id) is None or self._book.seen(native_id) is not None:
            return False
        if (job := self._job(native_id)) is None or not self._is_still_ours(native_id):
            return False
        _told(lambda: self._engine.signal(job, name, self._whole(native_id)[0].user))
        return True

    def _is_still_ours(self, native_id: NativeId) -> bool:
        """Whether Slurm has the job under its number: numbers begin anew when Slurm's state is lost, names do not."""
        batch, _place = self._whole(native_id)
        number = self._book.number(batch.name)
        if number is None:
            return False
        return any(record.name == _job_name(batch.name) for record in _told(lambda: self._engine.jobs([number])))

    def _end(self, native_id: NativeId) -> None:
        """End it; only where it has just been seen under its name."""
        job = self._job(native_id)
        if job is not None:
            _told(lambda: self._engine.cancel(job, self._whole(native_id)[0].user))

    # ------------------------------------------------------------------ capabilities

    def read_log(self, native_id: NativeId, stream: str, offset: int, limit: int) -> bytes:
        """Bytes of ``stdout`` or ``stderr`` as the job wrote them, up to its bound. Raises DriverError."""
        if self._book.place(native_id) is None or stream not in _STREAMS:
            raise DriverError(f"there is no stream {stream!r} of job {native_id!r} here")
        offset = max(0, offset)
        room = self._whole(native_id)[0].stream_bytes - offset
        try:
            return self._book.mark(native_id, stream, offset=offset, limit=max(0, min(limit, room))) or b""
        except OSError as error:
            raise DriverError(f"{stream} of job {native_id} cannot be read: {error}", transient=True) from error

    def working_directory(self, native_id: NativeId) -> Path:
        """Where the job's files lie. They are a stranger's: links may point anywhere and must not be followed."""
        if self._book.place(native_id) is None:
            raise DriverError(f"job {native_id!r} has no working directory here")
        return self._book.work(native_id)

    def known(self) -> Iterator[tuple[NativeId, AttemptId]]:
        """Every attempt with a directory here, ended or not."""
        for attempt in self._book.known():
            yield NativeId(attempt), AttemptId(attempt)

    def load(self, share: Share) -> EngineLoad:
        """By the nodes of the share's partition: what is not free there for anybody. Raises DriverError."""
        partition = supply.place_of(self._options, share.name).partition
        nodes, queue = _told(self._engine.nodes), _told(lambda: self._engine.queue(partition))
        in_use = supply.in_use(share.capacity, nodes, partition)
        return EngineLoad(in_use, queue.running, queue.queued, queue.waiting)

    def probe_architecture(self) -> Architecture | None:
        """This machine's own, where the owner lets probes run: the nodes are taken to be of the same kind."""
        return probing.architecture() if self._options.probes else None

    def lender(self, terms: LendTerms) -> Lender:
        """The lending side of the cluster. Raises DriverError where Slurm's commands are not on this machine."""
        return lend.lender(terms, self._options)

    # ------------------------------------------------------------------ within

    def _whole(self, native: str) -> tuple[Batch, int]:
        place = self._book.place(native)
        batch = None if place is None else self._book.batch(place[0])
        if place is None or batch is None:
            raise DriverError(f"the batch of job {native} is gone from {self._book.root}")
        return batch, place[1]

    def _job(self, native: NativeId) -> str | None:
        """The job in Slurm's words, ``17`` or ``17_3``."""
        batch, place = self._whole(native)
        number = self._book.number(batch.name)
        return None if number is None else f"{number}_{place}" if batch.is_array else str(number)

    def _has_begun(self, native: NativeId) -> bool:
        return self._book.mark(native, "begun") is not None


def _job_name(batch: str) -> str:
    return f"{OURS}{batch}"


def _told(ask: Callable[[], T]) -> T:
    """What Slurm answers. Raises DriverError in place of SlurmError."""
    try:
        return ask()
    except SlurmError as error:
        raise DriverError(str(error), transient=error.transient) from error
