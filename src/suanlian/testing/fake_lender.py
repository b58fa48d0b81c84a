"""A queue without an engine, and a hub that lends without a network: what may happen to a job that is away, in memory.

The queue keeps to the law of the real one: a job begins when nobody holds it, and what stands before its body looks at
the mark first. So a test can count how often a body ran, at home and elsewhere.
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import AtHome, Contents, Hook, LentEnd, LocalJob, Phase
from suanlian.model.errors import ConflictError, NotFoundError, UnavailableError
from suanlian.model.ids import AttemptId, JobId
from suanlian.model.job import JobState, Outcome, OutputFile
from suanlian.model.lending import (
    LendCall,
    LendConfirmCall,
    LendKey,
    LentAttempt,
    LentCall,
    LentCancelCall,
    LentLogCall,
    LentOutputCall,
    LentState,
)

Trip = Callable[[str], None]
"""Called before and after every effect; it may raise, as a crash does at that line."""


def never(_at: str) -> None:
    """No crash."""


@dataclass(slots=True)
class QueuedJob:
    """A job at home, and all that ever happened to it."""

    job: LocalJob
    state: AtHome = AtHome.FREE
    held: bool = False
    mark: Phase | None = None
    note: str = ""
    body_runs: int = 0
    told: list[int] = field(default_factory=list)
    end: LentEnd | None = None
    refused_to_run: int = 0

    @property
    def waits(self) -> bool:
        """Whether it has neither begun nor ended."""
        return self.state is AtHome.FREE


class FakeQueue:
    """`Lender` in memory."""

    def __init__(self) -> None:
        """An empty queue; ``trip`` is called around every effect."""
        self.jobs: dict[LendKey, QueuedJob] = {}
        self.spool: dict[LendKey, int] = {}
        self.trip: Trip = never
        self.trouble: DriverError | None = None
        self.off = ""

    # ------------------------------------------------------------------ what happens at home

    def submit(self, job: LocalJob) -> QueuedJob:
        """A user queues a job."""
        self.jobs[job.key] = QueuedJob(job)
        return self.jobs[job.key]

    def schedule(self) -> None:
        """Everything begins that may, and does what it does at once."""
        for key, one in self.jobs.items():
            if one.waits and not one.held:
                self._begin(key, one)

    def _begin(self, key: LendKey, one: QueuedJob) -> None:
        one.state = AtHome.GONE
        if one.mark in (None, Phase.HOME):
            one.body_runs += 1
        elif one.mark is Phase.BACK and key in self.spool:
            one.told.append(self.spool[key])
        else:
            one.refused_to_run += 1

    def cancel(self, key: LendKey) -> None:
        """The user ends it."""
        self.jobs[key].state = AtHome.GONE

    # ------------------------------------------------------------------ Lender

    def _call(self, at: str) -> None:
        self.trip(at)
        if self.trouble is not None:
            raise self.trouble

    def hook(self, directory: Path) -> Hook:
        """Nothing has to be installed into memory."""
        del directory
        return Hook({})

    def fault(self) -> str:
        """As set in ``off``."""
        return self.off

    def lendable(self, limit: int) -> tuple[LocalJob, ...]:
        """What waits and is not marked."""
        self._call("lendable")
        return tuple(one.job for one in self.jobs.values() if one.waits and one.mark is None)[:limit]

    def contents(self, key: LendKey) -> Contents:
        """A script that says which job it is of."""
        self._call("contents")
        return Contents(f"#!/bin/bash\necho {key.native_id}\n".encode())

    def hold(self, key: LendKey) -> bool:
        """Hold and mark; False when it waits no more."""
        self._call("hold")
        one = self.jobs.get(key)
        if one is None or not one.waits:
            return False
        one.held, one.mark = True, one.mark or Phase.HELD
        self.trip("held")
        return True

    def at_home(self, keys: Collection[LendKey]) -> Mapping[LendKey, AtHome]:
        """What is true of each."""
        self._call("at_home")
        return {key: self._at(self.jobs.get(key)) for key in keys}

    def _at(self, one: QueuedJob | None) -> AtHome:
        if one is None or not one.waits:
            return AtHome.GONE
        return AtHome.HELD if one.held and one.mark in (Phase.HELD, Phase.LENT) else AtHome.FREE

    def mark(self, key: LendKey, phase: Phase, note: str) -> None:
        """Write both where it is ours."""
        self._call("mark")
        one = self.jobs.get(key)
        if one is not None and one.waits and one.mark is not None:
            one.mark, one.note = phase, note
            self.trip("marked")

    def release(self, key: LendKey, note: str) -> None:
        """Phase first, then the hold: in between a crash leaves it held."""
        self._call("release")
        one = self.jobs.get(key)
        if one is None or not one.waits or one.mark is None:
            return
        one.mark, one.note = Phase.HOME, note
        self.trip("phase home")
        one.held = False
        self.trip("released")

    def bring_back(self, key: LendKey, end: LentEnd) -> None:
        """Spool first, then the phase, then the hold."""
        self._call("bring_back")
        self.spool[key] = end.exit_code
        self.trip("spooled")
        one = self.jobs.get(key)
        if one is None or not one.waits or one.mark is None:
            return
        one.mark, one.note, one.end = Phase.BACK, end.note, end
        self.trip("phase back")
        one.held = False
        self.trip("let go")

    def marked(self) -> Iterator[tuple[LendKey, Phase]]:
        """What waits with a mark."""
        self._call("marked")
        yield from [(key, one.mark) for key, one in self.jobs.items() if one.waits and one.mark is not None]

    def forget(self, key: LendKey) -> None:
        """Remove its end."""
        self._call("forget")
        self.spool.pop(key, None)


@dataclass(slots=True)
class AwayJob:
    """A lent job at the hub, and how often it really ran."""

    call: LendCall
    confirmed: bool = False
    withdrawn: bool = False
    canceling: bool = False
    state: JobState = JobState.QUEUED
    attempt: LentAttempt | None = None
    runs: int = 0
    """How often its program began elsewhere."""
    counted: int = 0
    """How often it ended there by itself."""

    @property
    def running(self) -> bool:
        """Whether its program may be running elsewhere just now."""
        return self.attempt is not None and self.attempt.ended_at is None


class FakeLendingHub:
    """The lending calls of `ConnectorClient` in memory, and what platforms do with what was lent."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Nothing is lent yet; ``away``: every call fails in passing."""
        self.jobs: dict[LendKey, AwayJob] = {}
        self.ghosts: list[AwayJob] = []
        """What still runs and is forgotten by a hub that was put back."""
        self.trip: Trip = never
        self.away = False
        self.deaf: set[LendKey] = set()
        """Jobs whose place is not heard of: the hub may end them, and nobody has stopped them."""
        self.outputs: dict[str, bytes] = {}
        """What each program writes before it ends."""
        self._clock = clock

    def _call(self, at: str) -> None:
        self.trip(at)
        if self.away:
            raise UnavailableError("hub_unavailable", "The hub is away.")

    def lend(self, call: LendCall) -> Any:  # noqa: ANN401 - an answer
        """Keep the offer."""
        self._call("lend")
        self.jobs.setdefault(call.key, AwayJob(call))
        self.trip("offered")
        return self._answer(call.key)

    def lend_confirm(self, call: LendConfirmCall) -> Any:  # noqa: ANN401 - an answer
        """From now on it may be placed."""
        self._call("confirm")
        one = self.jobs.get(call.key)
        if one is None:
            raise NotFoundError("not_found", "This platform has offered no such job.")
        if one.withdrawn:
            raise ConflictError("state_conflict", "The offer was taken back.")
        one.confirmed = True
        self.trip("confirmed")
        return self._answer(call.key)

    def lent(self, call: LentCall) -> Any:  # noqa: ANN401 - an answer
        """What is true of each."""
        self._call("lent")
        return SimpleNamespace(jobs=tuple(self._state(key) for key in call.keys))

    def lent_cancel(self, call: LentCancelCall) -> Any:  # noqa: ANN401 - an answer
        """Take it back or end it; what runs has to be told so by its place."""
        self._call("cancel")
        one = self.jobs.get(call.key)
        if one is not None and not one.confirmed:
            one.withdrawn, one.state = True, JobState.CANCELED
        elif one is not None and one.state not in _ENDED:
            one.canceling = True
            if not one.running:
                one.state = JobState.CANCELED
        self.trip("cancelled")
        return self._answer(call.key)

    def lent_log(self, call: LentLogCall) -> Any:  # noqa: ANN401 - an answer
        """A log that says which job it is of."""
        self._call("log")
        text = f"{call.key.native_id}\n".encode()[call.offset :]
        return SimpleNamespace(data=base64.b64encode(text).decode(), length=len(text))

    def lent_output(self, call: LentOutputCall) -> Any:  # noqa: ANN401 - an answer
        """One file that its program wrote elsewhere."""
        self._call("output")
        return SimpleNamespace(data=base64.b64encode(self.outputs[call.path]).decode())

    def _answer(self, key: LendKey) -> SimpleNamespace:
        return SimpleNamespace(job=self._state(key))

    def _state(self, key: LendKey) -> LentState:
        one = self.jobs.get(key)
        if one is None:
            return LentState(key=key, known=False)
        ended = one.state in _ENDED
        return LentState(
            key=key,
            known=True,
            confirmed=one.confirmed,
            withdrawn=one.withdrawn,
            job_id=JobId(key.mark) if one.confirmed else None,
            public_id=key.mark if one.confirmed else "",
            state=one.state,
            canceling=one.canceling,
            stopped=one.withdrawn or (ended and not one.running),
            attempt=one.attempt,
        )

    # ------------------------------------------------------------------ what happens elsewhere

    def place(self) -> None:
        """Whatever waits and may begin elsewhere begins."""
        for key, one in self.jobs.items():
            if one.confirmed and one.state is JobState.QUEUED and not one.canceling:
                one.runs += 1
                one.state = JobState.RUNNING
                one.attempt = _attempt(key, one.runs, self._clock())

    def end(self, state: JobState, exit_code: int | None = None) -> None:
        """What runs ends so, as its places tell."""
        for one in [*self.jobs.values(), *self.ghosts]:
            if one.running and one.attempt is not None:
                files = {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in self.outputs.items()}
                outputs = tuple(OutputFile(path=path, size=size, sha256=sha) for path, (size, sha) in files.items())
                now, outcome = self._clock(), Outcome(exit_code=exit_code, outputs=outputs)
                done = {"state": state, "ended_at": now, "outcome": outcome}
                one.attempt = one.attempt.model_copy(update=done)
                one.state = state
                one.counted += state in (JobState.COMPLETE, JobState.EXECUTOR_ERROR)

    def give_up_on_the_silent(self) -> None:
        """The hub ends by itself what runs where it hears nothing: it is over in the books, and runs on."""
        for one in self.jobs.values():
            if one.running:
                one.state = JobState.SYSTEM_ERROR

    def put_back(self) -> None:
        """The hub is restored from a copy of before anything was lent."""
        self.ghosts += [one for one in self.jobs.values() if one.confirmed]
        self.jobs.clear()


_ENDED = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.CANCELED})


def _attempt(key: LendKey, number: int, now: datetime) -> LentAttempt:
    return LentAttempt(
        id=AttemptId(f"{key.mark}-{number}"),
        number=number,
        platform="suzhou",
        site="main",
        state=JobState.RUNNING,
        started_at=now,
    )
