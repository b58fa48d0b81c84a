"""What is looked at to judge a job: its record among others, what it left, what Slurm wrote of ended jobs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from suanlian.drivers.contract import DriverError, Measured, Observation
from suanlian.drivers.slurm import meaning, parse, parse_cli
from suanlian.drivers.slurm.book import Batch, Book
from suanlian.drivers.slurm.records import JobRecord
from suanlian.model.job import JobState

_TAIL_BYTES: Final = 2048
_JOBCOMP_BYTES: Final = 256 * 2**20
"""So much of the end of jobcomp's file is looked through."""


def by_job(records: Sequence[JobRecord]) -> Mapping[int, Sequence[JobRecord]]:
    """The records by the number of their job, which is an array's for its tasks."""
    found: dict[int, list[JobRecord]] = {}
    for record in records:
        found.setdefault(record.array_id or record.job_id, []).append(record)
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """The records of one job: a plain one, or those of its tasks, and those in which tasks wait together."""

    tasks: Mapping[int | None, JobRecord]
    waiting: Sequence[tuple[frozenset[int] | None, JobRecord]]

    def of_task(self, place: int | None, began: Callable[[], bool]) -> JobRecord | None:
        """The record of one task, or of a plain job (``place`` None).

        A list of tasks that wait may be cut short by Slurm: then one that has begun is not among them.
        """
        if place in self.tasks:
            return self.tasks[place]
        for waiting, record in self.waiting if place is not None else ():
            if (waiting is None and not began()) or (waiting is not None and place in waiting):
                return record
        return None


def told(records: Sequence[JobRecord], name: str) -> Told:
    """The records of the job of this name: where its number belongs to another by now there are none."""
    ours = [record for record in records if record.name == name]
    return Told(
        tasks={record.task: record for record in ours if record.task is not None or not record.waiting},
        waiting=[(parse.tasks(record.waiting), record) for record in ours if record.waiting and record.task is None],
    )


def own(book: Book, native: str, batch: Batch) -> meaning.Own:
    """What is known of a job besides Slurm's record."""
    said = book.mark(native, "ended")
    ended = None if said is None else meaning.ended(said.decode(errors="replace"))
    return meaning.Own(
        wall_time_s=int(batch.request["time_limit_s"]),
        memory_mib=int(batch.request["memory_mib"]),
        begun=book.mark(native, "begun", limit=1) is not None,
        ended=ended,
        slurm_said=_tail(book, native, "slurm"),
        stderr_tail=_tail(book, native, "stderr") if batch.image and ended else "",
        image=batch.image,
        over=book.flag(native, "over") or "",
        paused=book.flag(native, "paused") is not None,
    )


def _tail(book: Book, native: str, name: str) -> str:
    start = max(0, book.length(native, name) - _TAIL_BYTES)
    return (book.mark(native, name, offset=start, limit=_TAIL_BYTES) or b"").decode(errors="replace")


def times(book: Book, native: str) -> tuple[datetime, datetime]:
    """When a job began and ended, by the times of its marks."""
    return _written(book, native, "begun"), _written(book, native, "ended")


def _written(book: Book, native: str, name: str) -> datetime:
    return datetime.fromtimestamp(book.written(native, name), UTC)


def lost(own_: meaning.Own, book: Book, native: str) -> Observation:
    """A job that nobody knows: it may have run, or never."""
    if not own_.begun:
        return Observation(state=JobState.QUEUED, reason="Slurm has no such job: submit it again", lost=True)
    why = "Slurm has forgotten the job, it is not accounted for, and it left no record of its end"
    began = _written(book, native, "begun")
    return Observation(JobState.RUNNING, started_at=began, reason=why, measured=Measured(), lost=True)


def completed(path: Path, numbers: Collection[int]) -> list[JobRecord]:
    """What jobcomp wrote of these jobs. Raises DriverError."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _JOBCOMP_BYTES))
            wanted = frozenset(numbers)
            return parse_cli.completed(_lines(iter(stream), wanted), wanted, None)
    except OSError as error:
        raise DriverError(f"jobcomp's file {path} cannot be read: {error}", transient=True) from error


def _lines(stream: Iterator[bytes], numbers: Collection[int]) -> Iterator[str]:
    words = tuple(f"JobId={number} ".encode() for number in numbers)
    for line in stream:
        if any(word in line for word in words):  # that finds ArrayJobId=, too
            yield line.decode(errors="replace")
