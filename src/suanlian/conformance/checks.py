"""The checks: courses that wish probes, look at them between pauses, and end with a finding a check.

What a fault of one kind would spoil for others has probes of its own, so that it fails the check of that kind and no
other. Times are the hub's, but for those that a connector reports, which are what the clock check compares.
"""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

from suanlian.conformance.contract import ConnectorUnderTest, Course, Restarts, Wanted
from suanlian.model.conformance import LONGEST_S, PROBES_AT_ONCE, Check, Fault, Finding, Result, Room, Seen
from suanlian.model.ids import AttemptId
from suanlian.model.job import ENDED, JobState
from suanlian.model.probe import Hold, Tick
from suanlian.model.protocol import PROTOCOL_VERSION
from suanlian.model.quantity import Resources

T = TypeVar("T")

START_S: Final = 30.0
"""So long a probe may take until it is reported as running."""
END_S: Final = 10.0
"""So long its end may take to be reported, after it is due."""
USAGE_S: Final = 8.0
"""So long its usage may come after its end."""
SKEW: Final = timedelta(seconds=2)
"""So far a connector's clock may be off."""
WRONG_PROTOCOL: Final = PROTOCOL_VERSION + 98
"""A version that nobody speaks."""
_MEMORY_MIB: Final = 64
_LEAST_PIECES: Final = 2
_BY_OWNER: Final = {"probe_cap": Fault.CAP_TOO_SMALL, "owner_refuses": Fault.OWNER_REFUSES}
"""Codes at the beginning of a reason by which the owner refuses."""
_EVEN: Final = Tick(lines=12, interval_ms=200)
_SHORT: Final = Tick(lines=8, interval_ms=150)
_LONG: Final = Tick(lines=LONGEST_S * 5, interval_ms=200)
_HELD: Final = Hold(hold_ms=3000)


class _OverError(Exception):
    """The check is over before its end: with this finding, but for the name of the check."""

    def __init__(self, why: Fault, seen: Seen | None = None, *, result: Result = Result.FAILED) -> None:
        super().__init__(why.value)
        self.why, self.seen, self.result = why, seen, result

    def finding(self, check: Check) -> Finding:
        """As the report of ``check``."""
        if self.seen is None:
            return Finding(check=check, result=self.result, why=self.why)
        reason, figures = self.seen.outcome.reason, {"attempt": self.seen.attempt_id, "state": self.seen.state.value}
        return Finding(check=check, result=self.result, why=self.why, said=reason, figures=figures)


Steps = Generator[None, None, T]


def small(room: Room) -> Resources:
    """What one probe gets: its part of the cap, at most a quarter of a core."""
    part = int(room.cap.cpu * 1000) // PROBES_AT_ONCE
    return Resources.of({"cpu": min(250, part), "memory": _MEMORY_MIB})


def guarded(checks: tuple[Check, ...], course: Course) -> Course:
    """The course, with what broke it off turned into its findings."""
    try:
        return (yield from course)
    except _OverError as over:
        return tuple(over.finding(check) for check in checks)


def _passed(check: Check, **figures: object) -> tuple[Finding, ...]:
    return (_good(check, **figures),)


def _good(check: Check, **figures: object) -> Finding:
    return Finding(check=check, result=Result.PASSED, figures={name: str(value) for name, value in figures.items()})


def _until(under: ConnectorUnderTest, look: Callable[[], T | None], within_s: float) -> Steps[T | None]:
    """Look again and again, at most so long; what was seen, or None."""
    until = under.now() + timedelta(seconds=within_s)
    while True:
        found = look()
        if found is not None or under.now() >= until:
            return found
        yield


def _started(under: ConnectorUnderTest, wanted: Wanted) -> Steps[AttemptId]:
    """The probe, as soon as the share has room for it."""
    made = yield from _until(under, lambda: under.start(wanted), START_S)
    if made is None:
        raise _OverError(Fault.NO_ROOM, result=Result.SKIPPED)
    return made


def _running(under: ConnectorUnderTest, attempt: AttemptId) -> Steps[Seen]:
    """The probe once it has begun."""

    def look() -> Seen | None:
        seen = under.look(attempt)
        return seen if seen.started_at is not None or seen.state in ENDED else None

    seen = yield from _until(under, look, START_S)
    if seen is None:
        raise _OverError(Fault.NO_START, under.look(attempt))
    if seen.started_at is None:
        raise _refused(seen)
    return seen


def _refused(seen: Seen) -> _OverError:
    """The owner's word is no fault of the connector, and nothing can be said of it then."""
    why = _BY_OWNER.get(seen.outcome.reason.partition(":")[0])
    return _OverError(Fault.NO_START, seen) if why is None else _OverError(why, seen, result=Result.SKIPPED)


def _ended(under: ConnectorUnderTest, attempt: AttemptId, within_s: float) -> Steps[Seen]:
    """The probe once it has ended."""

    def look() -> Seen | None:
        seen = under.look(attempt)
        return seen if seen.state in ENDED else None

    seen = yield from _until(under, look, within_s)
    if seen is None:
        raise _OverError(Fault.NO_END, under.look(attempt))
    return seen


def _complete(under: ConnectorUnderTest, attempt: AttemptId, task: Tick | Hold) -> Steps[Seen]:
    seen = yield from _ended(under, attempt, task.seconds + END_S)
    if seen.state is not JobState.COMPLETE:
        raise _OverError(Fault.WRONG_END, seen)
    return seen


def _lines(seen: Seen) -> list[str]:
    return seen.stdout.decode(errors="replace").splitlines()


def _whole(task: Tick, seen: Seen) -> bool:
    """Whether the log is that of one run of this task, from its first line to its last."""
    first, *others = _lines(seen) or [""]
    return first.startswith("begin ") and others == [f"tick {number}" for number in range(1, task.lines + 1)]


# ---------------------------------------------------------------- the checks


def versions(under: ConnectorUnderTest, room: Room) -> Course:
    """An answer that says it speaks another version brings instructions: the connector asks for them again."""
    del room
    answer = under.answer_in(WRONG_PROTOCOL)

    def look() -> int | None:
        return under.staged(answer).asked_revision

    asked = yield from _until(under, look, START_S)
    told = under.staged(answer).told_revision
    if asked is None or told is None:
        raise _OverError(Fault.NO_POLL)
    if asked >= told:
        raise _OverError(Fault.VERSION_TAKEN)
    return _passed(Check.VERSIONS, spoken=PROTOCOL_VERSION, refused=WRONG_PROTOCOL)


def doubled(under: ConnectorUnderTest, room: Room) -> Course:
    """The same instruction comes again when it was taken and again while it runs: one run, one log, usage once."""
    attempt = yield from _started(under, Wanted(_SHORT, small(room)))
    yield from _until(under, lambda: under.look(attempt).state is not JobState.QUEUED or None, START_S)
    under.tell_again(attempt)
    began = yield from _running(under, attempt)
    under.tell_again(attempt)
    seen = yield from _complete(under, attempt, _SHORT)
    if began.started_at != seen.started_at or not _whole(_SHORT, seen) or _over_billed(seen):
        raise _OverError(Fault.RAN_TWICE, seen)
    return _passed(Check.DOUBLED, deliveries=3, runs=1)


def _over_billed(seen: Seen) -> bool:
    if seen.started_at is None or seen.ended_at is None:
        return False
    return _length(seen) > seen.ended_at - seen.started_at + SKEW


def cancel_queued(under: ConnectorUnderTest, room: Room) -> Course:
    """What is cancelled before it was told of never starts, and is reported CANCELED."""
    attempt = yield from _started(under, Wanted(_LONG, small(room), cancelled=True))
    try:
        seen = yield from _ended(under, attempt, START_S)
    except _OverError as over:
        raise _OverError(Fault.CANCEL_IGNORED, over.seen) from over
    if seen.started_at is not None:
        raise _OverError(Fault.RAN_CANCELLED, seen)
    if seen.state is not JobState.CANCELED:
        raise _OverError(Fault.WRONG_END, seen)
    return _passed(Check.CANCEL_QUEUED, after_s=_seconds(seen.at - seen.made_at))


def cancel_running(under: ConnectorUnderTest, room: Room) -> Course:
    """What runs and is cancelled ends soon, and is reported CANCELED."""
    attempt = yield from _started(under, Wanted(_LONG, small(room)))
    yield from _running(under, attempt)
    under.cancel(attempt)
    asked = under.now()
    try:
        seen = yield from _ended(under, attempt, END_S)
    except _OverError as over:
        raise _OverError(Fault.CANCEL_IGNORED, over.seen) from over
    if seen.state is not JobState.CANCELED:
        raise _OverError(Fault.CANCEL_IGNORED, seen)
    return _passed(Check.CANCEL_RUNNING, after_s=_seconds(seen.at - asked))


def steady(under: ConnectorUnderTest, room: Room) -> Course:
    """One job from start to end: how its log came, when it says it began, and whether all of it is accounted for."""
    attempt = yield from _started(under, Wanted(_EVEN, small(room)))
    began = yield from _running(under, attempt)
    done = yield from _complete(under, attempt, _EVEN)

    def look() -> Seen | None:
        seen = under.look(attempt)
        return seen if any(part.final for part in seen.segments) else None

    accounted = yield from _until(under, look, USAGE_S)
    return (_log(done), _clock(began), _usage(accounted or under.look(attempt)))


def _log(seen: Seen) -> Finding:
    """The output came in pieces while the job ran, and at the end it was there, whole and in order."""
    if not _whole(_EVEN, seen):
        return _OverError(Fault.LOG_WRONG, seen).finding(Check.LOG)
    if seen.pieces < _LEAST_PIECES:
        return _OverError(Fault.LOG_LATE, seen).finding(Check.LOG)
    return _good(Check.LOG, pieces=seen.pieces, lines=_EVEN.lines)


def _clock(seen: Seen) -> Finding:
    """The start that is reported lies between the wish and the moment at which it was heard of."""
    began = seen.started_at or seen.made_at
    ahead, behind = began - seen.at, seen.made_at - began
    if max(ahead, behind) > SKEW:
        why, figures = (
            Fault.CLOCK_AHEAD if ahead > SKEW else Fault.CLOCK_BEHIND,
            {"at_least_s": _seconds(max(ahead, behind))},
        )
        return Finding(check=Check.CLOCK, result=Result.FAILED, why=why, figures=figures)
    return _good(Check.CLOCK, begun_after_s=_seconds(-behind), heard_after_s=_seconds(-ahead))


def _seconds(length: timedelta) -> str:
    return f"{max(0.0, length.total_seconds()):.1f}"


def _usage(seen: Seen) -> Finding:
    """From the reported start to the reported end every moment is accounted for, once, and the last part says so."""
    if not any(part.final for part in seen.segments):
        return _OverError(Fault.USAGE_MISSING, seen).finding(Check.USAGE)
    if not _covered(seen):
        return _OverError(Fault.USAGE_GAP, seen).finding(Check.USAGE)
    return _good(Check.USAGE, segments=len(seen.segments), covered_s=_seconds(_length(seen)))


def _covered(seen: Seen) -> bool:
    parts = sorted(seen.segments, key=lambda part: part.sequence)
    is_one = all(_near(before.ended_at, after.started_at) for before, after in pairwise(parts))
    return is_one and _near(parts[0].started_at, seen.started_at) and _near(parts[-1].ended_at, seen.ended_at)


def _near(one: datetime, other: datetime | None) -> bool:
    return other is not None and abs(one - other) <= timedelta(seconds=1)


def _length(seen: Seen) -> timedelta:
    return sum(((part.ended_at - part.started_at) for part in seen.segments), timedelta())


def overcommit(under: ConnectorUnderTest, room: Room) -> Course:
    """While one probe holds some memory of the share, another asks for all of it: it is not started."""
    holder = yield from _started(under, Wanted(_HELD, small(room)))
    yield from _running(under, holder)
    much = Resources.of({"cpu": small(room).cpu, "memory": room.capacity.memory - _MEMORY_MIB + 1})
    asked = yield from _started(under, Wanted(_SHORT, much, overcommit=True))
    seen = yield from _ended(under, asked, START_S)
    if seen.started_at is not None or seen.state is JobState.COMPLETE:
        raise _OverError(Fault.OVERCOMMITTED, seen)
    if seen.outcome.reason.partition(":")[0] in _BY_OWNER:
        raise _refused(seen)
    refused = _good(Check.OVERCOMMIT, asked_mib=much.memory, capacity_mib=room.capacity.memory)
    return (refused.model_copy(update={"said": seen.outcome.reason}),)


def token(under: ConnectorUnderTest, room: Room) -> Course:
    """An instruction to cancel that carries an older fencing token comes while the job runs: it runs to its end."""
    attempt = yield from _started(under, Wanted(_EVEN, small(room)))
    yield from _running(under, attempt)
    answer = under.tell_stale(attempt)
    seen = yield from _ended(under, attempt, _EVEN.seconds + END_S)
    if under.staged(answer).asked_revision is None:
        raise _OverError(Fault.NO_POLL, seen)
    if seen.state is not JobState.COMPLETE:
        raise _OverError(Fault.STALE_OBEYED, seen)
    return _passed(Check.TOKEN, ended=seen.state.value)


def restart(under: ConnectorUnderTest, room: Room) -> Course:
    """The connector ends while a job runs and begins again: the job goes on, and is told of once and whole."""
    if not isinstance(under, Restarts):
        raise _OverError(Fault.NO_PROBES, result=Result.SKIPPED)
    attempt = yield from _started(under, Wanted(_EVEN, small(room)))
    yield from _running(under, attempt)
    under.restart()
    try:
        seen = yield from _complete(under, attempt, _EVEN)
    except _OverError as over:
        raise _OverError(Fault.LOST, over.seen) from over
    if not _whole(_EVEN, seen):
        raise _OverError(Fault.RAN_TWICE, seen)
    return _passed(Check.RESTART, ended=seen.state.value)
