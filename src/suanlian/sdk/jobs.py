"""What a buyer does with jobs: estimate, submit, watch, ask why, cancel, pay. Logs and outputs: `results`."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from suanlian.model.base import Value
from suanlian.model.charge import Charge
from suanlian.model.job import ENDED, MAX_BATCH, Job, JobSpec, JobState, Task
from suanlian.model.moving import Move, Which
from suanlian.model.placement import Explanation
from suanlian.model.usage import UsageSegment
from suanlian.sdk.answers import JobNotEndedError, JobRef, JobRefs
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Transport
from suanlian.sdk.results import Results

_POLL_FIRST_S: Final = 0.1
_POLL_GROWTH: Final = 1.5
_ALL: Final = Which()


class _Batch(Value):
    jobs: tuple[JobSpec, ...]


class Jobs(Results):
    """Jobs by UUID or public identifier. A reading call may be repeated; a creating one never creates twice."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._transport = transport

    def submit(self, spec: JobSpec, *, idempotency_key: str = "") -> Job:
        """Submit one job. ``idempotency_key``: yours, to submit the same job again after a crash; else a fresh one."""
        return self._transport.create(Job, "/v1/jobs", spec, idempotency_key=idempotency_key)

    def submit_many(self, specs: Sequence[JobSpec]) -> tuple[JobRef, ...]:
        """Submit many, ``MAX_BATCH`` a call; a batch is taken whole or not at all, an earlier batch stays taken."""
        batches = (specs[start : start + MAX_BATCH] for start in range(0, len(specs), MAX_BATCH))
        answers = (
            self._transport.create(JobRefs, "/v1/jobs:batch", _Batch(jobs=tuple(batch))).jobs for batch in batches
        )
        return tuple(chain.from_iterable(answers))

    def estimate(self, spec: JobSpec) -> Explanation:
        """Where the job would go now and what it would cost. Places nothing; an estimate, no promise."""
        content = spec.model_dump_json(exclude_none=True).encode()
        return self._transport.act(Explanation, "/v1/jobs:estimate", content)

    def plan(self, spec: JobSpec) -> Explanation:
        """As ``estimate``, with when it would start and what could be changed (``outlook``). Reserves nothing."""
        content = spec.model_dump_json(exclude_none=True).encode()
        return self._transport.act(Explanation, "/v1/jobs:plan", content)

    def get(self, job: str) -> Job:
        """One job, its spec included. Raises NotFoundError."""
        return self._transport.read(Job, _path(job))

    def list(self, state: JobState | None = None, name: str | None = None) -> Iterator[Job]:
        """Your jobs, or all of them for an operator or supervisor; without their specs."""
        return items(self._transport, Job, "/v1/jobs", {"state": state, "name": name})

    def tasks(self, job: str, index: int | None = None) -> Iterator[Task]:
        """The job's tasks with their attempts, or the one at ``index``."""
        found = items(self._transport, Task, f"{_path(job)}/tasks", {"index": index})
        if index is None:
            return found
        # a hub may give them all
        return islice((task for task in found if task.index == index), 1)

    def tasks_from(self, job: str, index: int) -> Iterator[Task]:
        """The job's tasks from this index on."""
        return items(self._transport, Task, f"{_path(job)}/tasks", {"cursor": index - 1})

    def why(self, job: str, index: int = 0, *, outlook: bool = False) -> Explanation:
        """Why the task went where it is, or why it waits; with ``outlook`` also what could be changed, if it waits."""
        asked = {"index": index, "outlook": outlook} if outlook else {"index": index}
        return self._transport.read(Explanation, f"{_path(job)}/explanation", asked)

    def cancel(self, job: str) -> Job:
        """Ask for an end. A job that is being cancelled already stays so. Raises ConflictError ``job_ended``."""
        return self._transport.act(Job, f"{_path(job)}/cancel")

    def move(self, job: str, asked: Move) -> Job:
        """Let what has a place save, end and go elsewhere. Raises ConflictError ``no_checkpoint`` and others."""
        return self._transport.act(Job, f"{_path(job)}/move", asked.model_dump_json().encode(), repeatable=False)

    def pause(self, job: str, which: Which = _ALL) -> Job:
        """Let what runs stand still. Raises ConflictError ``not_possible_there``, ``state_conflict``."""
        return self._transport.act(Job, f"{_path(job)}/pause", which.model_dump_json().encode(), repeatable=False)

    def resume(self, job: str, which: Which = _ALL) -> Job:
        """Let what stands still go on. Raises ConflictError ``state_conflict``."""
        return self._transport.act(Job, f"{_path(job)}/resume", which.model_dump_json().encode(), repeatable=False)

    def charges(self, job: str | None = None) -> Iterator[Charge]:
        """What the job cost, or all of the account's charges."""
        return items(self._transport, Charge, f"{_path(job)}/charges" if job else "/v1/charges")

    def usage(self, job: str) -> Iterator[UsageSegment]:
        """What the job used, segment by segment."""
        return items(self._transport, UsageSegment, f"{_path(job)}/usage")

    def wait(
        self,
        job: str,
        timeout_s: float | None = None,
        *,
        poll_s: float = 2,
        on_answer: Callable[[Job], None] | None = None,
    ) -> Job:
        """The job once it has ended, however it ended; asks again at most every ``poll_s`` seconds.

        ``on_answer``: told the job after each time it was asked for, the last included.
        Raises JobNotEndedError ``state_conflict`` when it has not ended after ``timeout_s``.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = min(_POLL_FIRST_S, poll_s)
        while (seen := self._asked_for(job, on_answer)).state not in ENDED:
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise _not_ended(seen, timeout_s or 0)
            time.sleep(min(pause, left))
            pause = min(pause * _POLL_GROWTH, poll_s)
        return seen

    def _asked_for(self, job: str, on_answer: Callable[[Job], None] | None) -> Job:
        seen = self.get(job)
        if on_answer is not None:
            on_answer(seen)
        return seen


def _path(job: str) -> str:
    return f"/v1/jobs/{part(job)}"


def _not_ended(job: Job, timeout_s: float) -> JobNotEndedError:
    return JobNotEndedError(
        "state_conflict",
        f"Job {job.public_id or job.id} is {job.state} and has not ended within {timeout_s:g} s.",
        todo="It runs on: wait again, or ask why it waits.",
    )
