"""What does a task write, and what becomes of it, as it happens? Its streams and its news in one, over all attempts.

A stream is waited for in a thread of its own, with a client of its own; whoever iterates gets everything in one place.
When a task is tried again, the new attempt's output follows; what an older one wrote stays readable by its id.
"""

import queue
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from suanlian.model.errors import SuanlianError
from suanlian.model.job import ENDED, Attempt, Job, JobState, Task
from suanlian.sdk.client import Client

STREAMS: Final = ("stdout", "stderr")
_LOOK_S: Final = 1.0
_FIRST_LOOK_S: Final = 0.2
_TURN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes of one stream of an attempt."""

    stream: str
    data: bytes
    attempt: str


@dataclass(frozen=True, slots=True)
class News:
    """The job and the task, when one of them is no longer as it was."""

    job: Job
    task: Task

    @property
    def attempt(self) -> Attempt | None:
        """The newest attempt."""
        return self.task.attempts[-1] if self.task.attempts else None


Happening = Written | News


@dataclass(slots=True)
class Live:
    """One task as it goes on. ``opens`` gives a client to each thread; ``stop`` ends the iteration from anywhere."""

    opens: Callable[[], Client]
    job: str
    index: int = 0
    streams: Collection[str] = STREAMS
    tail: int | None = None
    _queue: "queue.Queue[Happening | SuanlianError | None]" = field(default_factory=queue.Queue)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[Happening]:
        """Until the task has ended and its streams are through, or ``stop``. Raises SuanlianError."""
        return (happened for happened in self.with_turns() if happened is not None)

    def with_turns(self) -> Iterator[Happening | None]:
        """The same, with None in between when nothing happened for a moment: so that a signal is seen."""
        threads = [self._begin(self._read, stream) for stream in self.streams]
        threads.append(self._begin(self._look))
        left = len(threads)
        while left and not self._stopping.is_set():
            try:
                happened = self._queue.get(timeout=_TURN_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(happened, SuanlianError):
                raise happened
            if happened is None:
                left -= 1
            else:
                yield happened

    def stop(self) -> None:
        """End it; the job goes on."""
        self._stopping.set()

    def _begin(self, work: Callable[..., None], *arguments: str) -> threading.Thread:
        def run() -> None:
            try:
                with self.opens() as hub:
                    work(hub, *arguments)
            except SuanlianError as error:
                self._queue.put(error)
            finally:
                self._queue.put(None)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _read(self, hub: Client, stream: str) -> None:
        for piece in hub.jobs.pieces(self.job, {"index": self.index, "stream": stream}, tail=self.tail):
            if self._stopping.is_set():
                return
            self._queue.put(Written(stream, piece.data, piece.attempt))

    def _look(self, hub: Client) -> None:
        told: tuple[object, ...] = ()
        pause = _FIRST_LOOK_S
        while not self._stopping.is_set():
            job = hub.jobs.get(self.job)
            task = next(iter(hub.jobs.tasks(self.job, self.index)), Task(index=self.index, state=job.state))
            newest = task.attempts[-1] if task.attempts else None
            now = (task.state, job.waiting, newest and (newest.id, newest.state))
            if now != told:
                told = now
                self._queue.put(News(job, task))
            if task.state in ENDED or job.state in ENDED:
                return
            self._stopping.wait(pause)
            pause = min(pause * 1.5, _LOOK_S)


def exit_code(task: Task) -> int | None:
    """The exit code of the task's program, as a shell would have it; None where it did not come to one."""
    outcome = task.attempts[-1].outcome if task.attempts else None
    if outcome is None or outcome.exit_code is None:
        return None
    code = outcome.exit_code
    if task.state is JobState.COMPLETE and code == 0:
        return 0
    return 128 - code if code < 0 else code
