"""Jobs as futures: submit, go on, ask for the result later.

A future of a job is a `concurrent.futures.Future`: `concurrent.futures.wait` and `as_completed` take it. One thread
with a client of its own looks after all of them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Final, cast

from suanlian.model.demand import After, AfterWhen, PassedFile
from suanlian.model.errors import NotFoundError, SuanlianError
from suanlian.model.job import ENDED, Job, JobState
from suanlian.sdk.jobs import Jobs

_FIRST_S: Final = 0.2
_LONGEST_S: Final = 2.0
_ONE_BY_ONE: Final = 20
"""Up to so many jobs are asked for singly; more of them by the list."""


class JobFailedError(SuanlianError):
    """The job has ended, and not well; ``job`` is what became of it."""

    def __init__(self, job: Job) -> None:
        """The job as it ended."""
        why = f": {job.reason}" if job.reason else ""
        super().__init__(
            "job_ended",
            f"Job {job.public_id or job.id} ended {job.state}{why}.",
            todo=f"See suanlian show {job.public_id or job.id}.",
        )
        self.job = job


class JobFuture(Future[Job]):
    """A job that was submitted. ``result`` is the job once it is COMPLETE.

    ``result`` raises JobFailedError when it ended otherwise, `concurrent.futures.CancelledError` when it was cancelled.
    """

    def __init__(self, job: Job, cancels: Callable[[str], bool]) -> None:
        """Made by ``Client.submit``."""
        super().__init__()
        self.job = job
        """The job as it was when it was submitted."""
        self._cancels = cancels

    @property
    def id(self) -> str:
        """The job's UUID."""
        return self.job.id

    def after(self, *, end: bool = False, files: Sequence[PassedFile] = ()) -> After:
        """For the ``after`` of another job: it begins when this one is COMPLETE (``end``: has ended in any way)."""
        return After(job=self.id, on=AfterWhen.END if end else AfterWhen.SUCCESS, files=tuple(files))

    def cancel(self) -> bool:
        """Ask the hub to end the job; whether that could be asked. The future is cancelled when the job has ended."""
        return not self.done() and self._cancels(self.id)

    def ended(self, job: Job) -> None:
        """The job has ended like this: whoever waits is told. Once; later calls change nothing."""
        if self.done():
            return
        if job.state is JobState.CANCELED and not job.reason:
            super().cancel()
            self.set_running_or_notify_cancel()
        elif job.state is JobState.COMPLETE:
            self.set_result(job)
        else:
            self.set_exception(JobFailedError(job))


def as_completed(jobs: Iterable[JobFuture], timeout: float | None = None) -> Iterator[JobFuture]:
    """Each of the futures as it is done, those that are done first. Raises TimeoutError after so many seconds."""
    return cast("Iterator[JobFuture]", futures.as_completed(jobs, timeout))


class Watch:
    """Looks after futures in one thread, which begins with the first and ends with the last of them."""

    def __init__(self, opens: Callable[[], AbstractContextManager[Jobs]], poll_s: float = _LONGEST_S) -> None:
        """``opens``: jobs by a client of the thread's own."""
        self._opens = opens
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._open: dict[str, JobFuture] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, future: JobFuture) -> None:
        """Look after this one, too."""
        with self._lock:
            self._open[future.id] = future
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="suanlian-futures", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Look no longer; futures that are not done never will be."""
        self._closing.set()

    def _run(self) -> None:
        pause = min(_FIRST_S, self._poll_s)
        with self._opens() as jobs:
            while not self._closing.wait(pause):
                with self._lock:
                    open_ = dict(self._open)
                    if not open_:
                        self._thread = None
                        return
                ended = self._ended(jobs, open_)
                for job in ended:
                    open_[job.id].ended(job)
                with self._lock:
                    self._open = {ref: future for ref, future in self._open.items() if not future.done()}
                pause = min(_FIRST_S, self._poll_s) if ended else min(pause * 1.5, self._poll_s)

    def _ended(self, jobs: Jobs, open_: dict[str, JobFuture]) -> list[Job]:
        try:
            return [job for job in _look(jobs, open_) if job.state in ENDED]
        except SuanlianError as error:
            if error.transient:
                return []
            for future in open_.values():
                if not future.done():
                    future.set_exception(error)
            return []


def _look(jobs: Jobs, open_: dict[str, JobFuture]) -> Iterator[Job]:
    if len(open_) <= _ONE_BY_ONE:
        for job_id, future in open_.items():
            try:
                yield jobs.get(job_id)
            except NotFoundError as error:
                if not future.done():
                    future.set_exception(error)
        return
    oldest, left = min(open_), set(open_)
    for job in jobs.list():  # newest first, and ids rise with time
        if job.id in left:
            left.discard(job.id)
            yield job
        if not left or job.id < oldest:
            return
