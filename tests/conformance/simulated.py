"""A connector with its hub, simulated on a clock that is set by hand: it keeps the protocol, but for one fault."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from suanlian.conformance.contract import Wanted
from suanlian.model.conformance import Room, Seen, Staged
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import ENDED, JobState, Outcome
from suanlian.model.probe import Hold, ProbeCap, Tick
from suanlian.model.quantity import Resources
from suanlian.model.usage import UsageSegment

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOM = Room(
    share="s1",
    capacity=Resources.of({"cpu": 4000, "memory": 4096}),
    node=Resources.of({"cpu": 4000, "memory": 8192}),
    cap=ProbeCap(),
)


class Wrong(StrEnum):
    """What a connector does that no connector may do."""

    TAKES_ANY_VERSION = "takes any version"
    RUNS_AGAIN = "runs what is delivered twice"
    CLOCK_AHEAD = "has a clock that is ahead"
    CLOCK_BEHIND = "has a clock that is behind"
    STARTS_CANCELLED = "starts what was cancelled before"
    DROPS_CANCELLED = "never tells the end of what was cancelled before"
    IGNORES_CANCEL = "runs on when it is cancelled"
    CALLS_IT_COMPLETE = "tells a cancelled end as a complete one"
    LOG_AT_THE_END = "sends the log at the end"
    LOSES_LINES = "loses lines of the log"
    LOSES_USAGE = "never sends usage"
    LEAVES_GAPS = "accounts for a part only"
    OVERCOMMITS = "starts more than there is"
    OBEYS_ANY_TOKEN = "does what an older token says"
    FORGETS = "forgets at a restart what ran"


@dataclass
class Run:
    """One probe."""

    wanted: Wanted
    made_at: datetime
    state: JobState = JobState.QUEUED
    begun: datetime | None = None
    ended: datetime | None = None
    wish_cancel: bool = False
    reason: str = ""
    starts: int = 0
    log: list[str] = field(default_factory=list)
    pieces: int = 0
    accounted: bool = False


@dataclass
class Answer:
    """An answer that is put in its way."""

    protocol: int | None
    stale: str | None = None
    told: int | None = None
    asked: int | None = None


class Simulated:
    """See the module. ``delays`` are seconds from wish to start and from what happened until it is told."""

    def __init__(self, *wrong: Wrong, delays: tuple[float, float] = (0.4, 0.4), overcap: bool = False) -> None:
        self._wrong = frozenset(wrong)
        self._delays = [timedelta(seconds=seconds) for seconds in delays]
        self._overcap = overcap
        self._now = START
        self._runs: dict[str, Run] = {}
        self._answers: dict[str, Answer] = {}
        self._news: list[str] = []
        self._revision = 0

    def has(self, wrong: Wrong) -> bool:
        return wrong in self._wrong

    # ------------------------------------------------------------------ what the checks ask

    def now(self) -> datetime:
        return self._now

    def start(self, wanted: Wanted) -> AttemptId | None:
        name = AttemptId(new_id())
        self._runs[name] = Run(wanted, self._now, wish_cancel=wanted.cancelled)
        self._tell(name)
        return name

    def cancel(self, attempt_id: AttemptId) -> None:
        self._runs[attempt_id].wish_cancel = True
        self._tell(attempt_id)

    def tell_again(self, attempt_id: AttemptId) -> None:
        self._tell(attempt_id)

    def tell_stale(self, attempt_id: AttemptId) -> str:
        self._revision += 1
        return self._stage(Answer(None, stale=attempt_id))

    def answer_in(self, protocol: int) -> str:
        return self._stage(Answer(protocol))

    def staged(self, answer: str) -> Staged:
        found = self._answers[answer]
        return Staged(told_revision=found.told, asked_revision=found.asked)

    def look(self, attempt_id: AttemptId) -> Seen:
        run, told = self._runs[attempt_id], self._delays[1]
        begun = run.begun is not None and self._now >= run.begun + told
        over = run.state in ENDED and (run.ended is None or self._now >= run.ended + told)
        state = run.state if over else JobState.RUNNING if begun else JobState.QUEUED
        return Seen(
            at=self._now,
            attempt_id=attempt_id,
            state=JobState.CANCELING if run.wish_cancel and not over else state,
            made_at=run.made_at,
            started_at=self._skewed(run.begun) if begun else None,
            ended_at=self._skewed(run.ended) if over else None,
            outcome=Outcome(reason=run.reason),
            stdout="".join(f"{line}\n" for line in run.log).encode(),
            pieces=run.pieces,
            segments=tuple(self._segments(attempt_id, run)) if over else (),
        )

    def restart(self) -> None:
        for run in self._runs.values() if self.has(Wrong.FORGETS) else ():
            if (
                run.state is JobState.RUNNING
                and run.wanted.task == Tick(lines=12, interval_ms=200)
                and len(run.log) < 6
            ):
                self._end(run, JobState.SYSTEM_ERROR)

    # ------------------------------------------------------------------ what happens meanwhile

    def forward(self, seconds: float) -> None:
        """Time passes: the connector polls, starts, logs, ends."""
        self._now += timedelta(seconds=seconds)
        for name in self._polled():
            self._take(name)
        for run in self._runs.values():
            self._go_on(run)

    def _tell(self, name: str) -> None:
        self._revision += 1
        self._news.append(name)

    def _stage(self, answer: Answer) -> str:
        name = new_id()
        self._answers[name] = answer
        return name

    def _polled(self) -> list[str]:
        """What one poll brings."""
        for answer in self._answers.values():
            if answer.told is not None and answer.asked is None:
                believed = answer.protocol is None or self.has(Wrong.TAKES_ANY_VERSION)
                answer.asked = answer.told if believed else answer.told - 1
        news = self._news
        waiting = next((a for a in self._answers.values() if a.told is None and (news or a.protocol is None)), None)
        if waiting is not None:
            waiting.told = self._revision
            if waiting.protocol is not None and not self.has(Wrong.TAKES_ANY_VERSION):
                return []
            if waiting.stale is not None and self.has(Wrong.OBEYS_ANY_TOKEN):
                self._end(self._runs[waiting.stale], JobState.CANCELED)
        self._news = []
        return news

    def _take(self, name: str) -> None:
        run = self._runs[name]
        if run.wish_cancel:
            self._cancelled(run)
        elif run.starts and self.has(Wrong.RUNS_AGAIN):
            run.starts += 1
            run.log.append("begin again")
        elif not run.starts:
            self._admit(run)

    def _admit(self, run: Run) -> None:
        held = sum(r.wanted.granted.memory for r in self._runs.values() if r.state is JobState.RUNNING)
        if self._overcap:
            run.reason = "probe_cap: no more today"
            self._end(run, JobState.PREEMPTED)
        elif held + run.wanted.granted.memory > ROOM.capacity.memory and not self.has(Wrong.OVERCOMMITS):
            run.reason = "no room"
            self._end(run, JobState.PREEMPTED)
        else:
            self._begin(run)

    def _begin(self, run: Run) -> None:
        run.starts, run.begun, run.state = 1, self._now + self._delays[0], JobState.RUNNING
        if isinstance(run.wanted.task, Tick):
            run.log.append("begin 1")

    def _cancelled(self, run: Run) -> None:
        if run.state is JobState.QUEUED:
            if self.has(Wrong.STARTS_CANCELLED):
                self._begin(run)
                self._end(run, JobState.CANCELED)
            elif not self.has(Wrong.DROPS_CANCELLED):
                self._end(run, JobState.CANCELED)
        elif run.state is JobState.RUNNING and not self.has(Wrong.IGNORES_CANCEL):
            self._end(run, JobState.COMPLETE if self.has(Wrong.CALLS_IT_COMPLETE) else JobState.CANCELED)

    def _end(self, run: Run, state: JobState) -> None:
        if run.state not in ENDED:
            run.state, run.ended = state, max(self._now, run.begun or self._now)

    def _go_on(self, run: Run) -> None:
        if run.state is not JobState.RUNNING or run.begun is None or self._now < run.begun:
            return
        task, ran = run.wanted.task, self._now - run.begun
        length = timedelta(milliseconds=task.hold_ms if isinstance(task, Hold) else task.lines * task.interval_ms)
        if isinstance(task, Tick):
            self._log(
                run, task, min(task.lines, ran // timedelta(milliseconds=task.interval_ms)), is_over=ran >= length
            )
        if ran >= length:
            self._end(run, JobState.COMPLETE)

    def _log(self, run: Run, task: Tick, lines: int, *, is_over: bool) -> None:
        if self.has(Wrong.LOG_AT_THE_END) and not is_over:
            return
        there = sum(line.startswith("tick") for line in run.log)
        fresh = [f"tick {number}" for number in range(there + 1, lines + 1)]
        is_lossy = self.has(Wrong.LOSES_LINES) and task.lines == 12 and is_over
        run.log += fresh[:-1] if is_lossy else fresh
        run.pieces += bool(fresh)

    def _skewed(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        return moment + timedelta(seconds=20 * self.has(Wrong.CLOCK_AHEAD) - 20 * self.has(Wrong.CLOCK_BEHIND))

    def _segments(self, name: AttemptId, run: Run) -> Iterator[UsageSegment]:
        begun, ended = self._skewed(run.begun), self._skewed(run.ended)
        if begun is None or ended is None or self.has(Wrong.LOSES_USAGE):
            return
        begin = begun + (ended - begun) * 0.8 if self.has(Wrong.LEAVES_GAPS) else begun
        for number in range(run.starts):
            yield UsageSegment(
                attempt_id=name,
                sequence=number,
                started_at=begin,
                ended_at=ended,
                granted=run.wanted.granted,
                cpu_s=Decimal(0),
                peak_memory_mib=1,
                final=True,
            )
