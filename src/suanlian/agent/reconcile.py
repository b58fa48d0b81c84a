"""What is to be done next for an attempt, and what follows from what the driver observed? Decisions only. Pure."""

import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from suanlian.agent.row import UNSTARTED, Row, Step
from suanlian.agent.usage import cut, is_due
from suanlian.drivers.contract import Fault, Observation
from suanlian.model.job import ENDED, EndCause, JobState, Outcome
from suanlian.model.protocol import Wish
from suanlian.model.usage import UsageSegment
from suanlian.rules.owner import UNFIT, is_refusal
from suanlian.rules.retries import IMAGE_WORD, cause_of

EVICTED: Final = "evicted by its owner"
MOVED: Final = "moved by its hub"
PAUSED: Final = "the platform's owner paused it before this attempt started"
LOWERED: Final = "the platform's owner lowered the level before this attempt started"
RECALLED: Final = "recalled before it started"
CANCELED: Final = "cancelled before it started"
LOST: Final = "the platform's engine no longer knows the job"
ENDED_OUTSIDE: Final = "ended on the platform by somebody else than its hub or its owner's connector"
STOP_AGAIN_S: Final = 10
LIMITS: Final = frozenset({"memory", "wall-time", "disk", "output", "cpu", "processes"})
_MAX_REASON: Final = 2000
_LONGEST_WAIT_S: Final = 30


class Move(StrEnum):
    """One thing to do."""

    WAIT = "wait"
    ADMIT = "admit"
    STAGE = "stage"
    SUBMIT = "submit"
    GIVE_UP = "give-up"
    """End what has not started."""
    FIND = "find"
    """It may have been started, and it is to end: ask the driver."""
    STOP = "stop"
    SIGNAL = "signal"
    """Tell the program to write its checkpoint and end."""
    SUSPEND = "suspend"
    RESUME = "resume"
    KEEP = "keep"
    """Take a checkpoint while it runs."""
    COLLECT = "collect"
    FORGET = "forget"


def decide(row: Row, *, paused: bool, now: datetime) -> Move:
    """What to do next; ``paused``: the owner starts it no more. Watching what runs goes on besides."""
    if row.step in UNSTARTED and (_unwanted(row) or paused):
        return Move.FORGET if _traceless(row) else Move.GIVE_UP
    if row.step is Step.STARTED:
        return _of_started(row, now)
    if row.not_before is not None and now < row.not_before:
        return Move.WAIT
    if row.step is Step.SUBMITTING and _unwanted(row):
        return Move.FIND
    if row.step in (Step.ENDED, Step.CLOSED) and _traceless(row):
        return Move.FORGET
    return _NEXT[row.step]


_NEXT: Final = {
    Step.RECEIVED: Move.ADMIT,
    Step.STAGING: Move.STAGE,
    Step.SUBMITTING: Move.SUBMIT,
    Step.STARTED: Move.WAIT,
    Step.ENDED: Move.COLLECT,
    Step.CLOSED: Move.WAIT,
    Step.FORGOTTEN: Move.WAIT,
}


def _to_stop(row: Row) -> bool:
    return row.evict or row.abandoned or row.wish in (Wish.CANCEL, Wish.FORGET)


def _unwanted(row: Row) -> bool:
    return _to_stop(row) or row.preempting or row.wish in (Wish.RECALL, Wish.PAUSE)


def _traceless(row: Row) -> bool:
    return row.abandoned or row.wish is Wish.FORGET


def _stop(row: Row, now: datetime) -> Move:
    return Move.STOP if _stop_due(row, now) else Move.WAIT


def _of_started(row: Row, now: datetime) -> Move:
    if _to_stop(row):
        return _stop(row, now)
    if row.not_before is not None and now < row.not_before:
        return Move.WAIT
    return _preempt(row, now) if row.preempting else _live(row, now)


def _preempt(row: Row, now: datetime) -> Move:
    """Its program is told, has its time, then it is ended; what stands still goes on first, to hear it."""
    if row.checkpoint is None:
        return _stop(row, now)
    if row.suspended:
        return Move.RESUME
    if row.signalled_at is None or not row.signal_sent:
        return Move.SIGNAL
    over = row.signalled_at + timedelta(seconds=row.checkpoint.grace_s)
    return Move.WAIT if now < over else _stop(row, now)


def _live(row: Row, now: datetime) -> Move:
    if row.wish is Wish.PAUSE:
        return Move.WAIT if row.suspended else Move.SUSPEND
    if row.suspended:
        return Move.RESUME
    every_s = None if row.checkpoint is None else row.checkpoint.every_s
    since = row.kept_at or row.started_at
    if every_s is None or since is None or row.state is not JobState.RUNNING:
        return Move.WAIT
    return Move.KEEP if now - since >= timedelta(seconds=every_s) else Move.WAIT


def _stop_due(row: Row, now: datetime) -> bool:
    return row.stop_asked_at is None or now - row.stop_asked_at >= timedelta(seconds=STOP_AGAIN_S)


def staged(row: Row, *, paused: bool) -> Row:
    """The journalled intent to start; unchanged where it was called off while its inputs were laid out."""
    if row.step is not Step.STAGING or _unwanted(row) or paused:
        return row
    return row.with_(step=Step.SUBMITTING, tries=0, not_before=None)


def given_up(row: Row, now: datetime, halted: str = PAUSED) -> Row:
    """The end of an attempt that was never started; ``halted``: why the owner starts it no more."""
    if row.wish is Wish.CANCEL:
        return row.closed(JobState.CANCELED, Outcome(reason=CANCELED), now)
    if row.evict:
        reason = EVICTED
    elif row.preempting:
        reason = _room(row)
    else:
        reason = RECALLED if row.wish in (Wish.RECALL, Wish.PAUSE) else halted or PAUSED
    cause = _room_cause(row) if row.preempting and not row.evict else EndCause.PREEMPTED
    return row.closed(JobState.PREEMPTED, Outcome(reason=reason, cause=cause), now)


_BEGUN: Final = (JobState.RUNNING, JobState.PAUSED)


def observed(row: Row, *, seen: Observation, asked_at: datetime, segment_s: int) -> tuple[Row, UsageSegment | None]:
    """What follows from an observation that was asked for at ``asked_at``: the row, and a segment where one is cut.

    A running attempt is cut at ``asked_at``, not later: the engine answered afterwards, so it ran until then at least.
    One that is ending is not cut: its end may lie before.
    """
    if row.step is not Step.STARTED:
        return row, None
    if seen.lost:
        return _lost(row, seen)
    began = row.started_at or seen.started_at
    if seen.state in ENDED:
        return _ended(row.with_(started_at=began), seen, asked_at)
    # what was reported as begun is never taken back, whatever an engine says in between; but only what it says
    # that it runs is billed
    runs = seen.state in _BEGUN
    unsure = seen.ending or (row.state in _BEGUN and not runs)
    state = seen.state if runs else row.state
    after = row.with_(state=state, started_at=began, seen_at=row.seen_at if unsure else asked_at)
    if (after.state, after.started_at) != (row.state, row.started_at):
        after = after.with_(report_version=row.report_version + 1)
    if not unsure and is_due(after, asked_at, segment_s):
        return cut(after, seen.measured, asked_at, final=False)
    # seen_at alone is no reason to write: a crash loses at most what a segment would have billed
    return (after.with_(seen_at=row.seen_at), None) if after.started_at == row.started_at else (after, None)


def _ended(row: Row, seen: Observation, asked_at: datetime) -> tuple[Row, UsageSegment | None]:
    end, reason, cause = _end(row, seen, asked_at)
    outcome = Outcome(exit_code=seen.exit_code, reason=plain(reason), limit=_limit(seen.limit), cause=cause)
    if row.started_at is None:
        return row.with_(step=Step.ENDED, end=end, outcome=outcome, tries=0, not_before=None), None
    after, segment = cut(row, seen.measured, seen.ended_at or asked_at, final=True)
    # a clock that was set back must not part the reported end from the billed one
    changes = {"step": Step.ENDED, "end": end, "outcome": outcome, "ended_at": segment.ended_at}
    return after.with_(**changes, tries=0, not_before=None), segment


_FAULTS: Final = {
    Fault.PREEMPTED: (JobState.PREEMPTED, "preempted", EndCause.PREEMPTED),
    Fault.NODE: (JobState.SYSTEM_ERROR, "engine_failed", EndCause.PLATFORM),
    Fault.IMAGE: (JobState.SYSTEM_ERROR, IMAGE_WORD, EndCause.IMAGE),
    # another place may take it: this one is left alone for a while, as after a refusal by its owner
    Fault.REQUEST: (JobState.PREEMPTED, UNFIT, EndCause.REFUSED),
}
"""What an engine's fault is to the hub: state, the word before ':' of its reason, cause."""


def _room(row: Row) -> str:
    """Why it made room, for its owner to read."""
    if is_refusal(row.room_for):  # this share is left alone by the task for a while, so that the two do not circle
        return row.room_for
    return f"made room: {row.room_for}" if row.room_for else MOVED


def _room_cause(row: Row) -> EndCause:
    return EndCause.REFUSED if is_refusal(row.room_for) else EndCause.PREEMPTED


def _after_signal(row: Row, seen: Observation, asked_at: datetime) -> bool:
    """Whether it ended after its program was told to; engines tell times in whole seconds."""
    return row.signalled_at is not None and (seen.ended_at or asked_at) >= row.signalled_at - timedelta(seconds=1)


def _end(row: Row, seen: Observation, asked_at: datetime) -> tuple[JobState, str, EndCause | None]:
    is_wished = row.wish is Wish.CANCEL or row.abandoned or row.wish is Wish.FORGET
    is_told = _after_signal(row, seen, asked_at)
    if is_wished and (seen.state is JobState.CANCELED or is_told):
        return JobState.CANCELED, seen.reason, None
    if seen.fault is not None and not is_wished:
        state, word, cause = _FAULTS[seen.fault]
        return state, f"{word}: {seen.reason or 'the engine gave no reason'}", cause
    if row.preempting and (is_told or seen.state is JobState.CANCELED):
        # whatever its exit code: it was told to save and to end, and the next attempt goes on from there
        return JobState.PREEMPTED, _room(row), _room_cause(row)
    if seen.state is JobState.CANCELED:
        return _ended_by_others(row)
    return seen.state, seen.reason, cause_of(seen.state, Outcome(reason=plain(seen.reason), limit=_limit(seen.limit)))


def _ended_by_others(row: Row) -> tuple[JobState, str, EndCause]:
    if row.evict:
        return JobState.PREEMPTED, EVICTED, EndCause.PREEMPTED
    return JobState.SYSTEM_ERROR, ENDED_OUTSIDE, EndCause.PLATFORM


def _lost(row: Row, seen: Observation) -> tuple[Row, UsageSegment | None]:
    outcome = Outcome(reason=plain(f"{LOST}. {seen.reason}".strip()), cause=EndCause.PLATFORM)
    changes = {"step": Step.ENDED, "end": JobState.SYSTEM_ERROR, "outcome": outcome, "tries": 0, "not_before": None}
    if row.started_at is None:
        return row.with_(**changes), None
    # billed until it was last known to run, no longer
    after, segment = cut(row, seen.measured, row.seen_at or row.usage_cut or row.started_at, final=True)
    return after.with_(**changes, ended_at=segment.ended_at), segment


def _limit(given: str | None) -> str | None:
    return given if given in LIMITS else None


def postponed(row: Row, now: datetime) -> Row:
    """The row to be tried again: 1, 2, 4 ... seconds later, at most half a minute."""
    wait_s = min(2 ** min(row.tries, 10), _LONGEST_WAIT_S)
    return row.with_(tries=row.tries + 1, not_before=now + timedelta(seconds=wait_s))


def plain(text: str) -> str:
    """A reason in which nothing can steer a terminal: control characters become spaces, and it is cut at 2,000."""
    clean = "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)
    return clean[:_MAX_REASON].strip()
