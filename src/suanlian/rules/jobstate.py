"""In which state is an attempt, the task it belongs to, and the job? States are those of GA4GH TES 1.1.

A connector reports what is true now, so states in between may go unseen: an attempt may be seen QUEUED, next COMPLETE.
"""

from collections.abc import Mapping
from typing import Final

from suanlian.model.job import ENDED, JobState

TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: ENDED | {JobState.INITIALIZING, JobState.RUNNING, JobState.PAUSED, JobState.CANCELING},
    JobState.INITIALIZING: ENDED | {JobState.RUNNING, JobState.PAUSED, JobState.CANCELING},
    JobState.RUNNING: ENDED | {JobState.PAUSED, JobState.CANCELING},
    JobState.PAUSED: ENDED | {JobState.RUNNING, JobState.CANCELING},
    # it may end by itself before the cancellation arrives, so every end is open, but no way leads back
    JobState.CANCELING: ENDED,
    JobState.COMPLETE: frozenset(),
    JobState.EXECUTOR_ERROR: frozenset(),
    JobState.SYSTEM_ERROR: frozenset(),
    JobState.CANCELED: frozenset(),
    JobState.PREEMPTED: frozenset(),
}
"""Where an attempt may go from each state."""

TASK_STATES: Final = frozenset(JobState) - {JobState.PREEMPTED}
"""States in which a task may be: when its attempt is PREEMPTED the task is QUEUED again."""

TASK_ENDED: Final = ENDED - {JobState.PREEMPTED}
"""States in which a task stays."""

_WORST_FIRST: Final = (JobState.SYSTEM_ERROR, JobState.EXECUTOR_ERROR, JobState.CANCELED, JobState.COMPLETE)
_LIVELIEST_FIRST: Final = (JobState.RUNNING, JobState.CANCELING, JobState.PAUSED)


def moves(old: JobState, new: JobState) -> bool:
    """Whether an attempt may go from ``old`` to ``new``; staying is no move."""
    return new in TRANSITIONS[old]


def tally_move(tally: Mapping[JobState, int], old: JobState, new: JobState, n: int = 1) -> dict[JobState, int]:
    """The tally after ``n`` tasks went from ``old`` to ``new``; states with no task are left out.

    Raises ValueError when fewer than ``n`` tasks are in ``old``, ``n`` is negative, or ``new`` is no state of a task.
    """
    if n < 0 or tally.get(old, 0) < n:
        raise ValueError(f"{n} tasks cannot leave {old}: {tally.get(old, 0)} are in it")
    if new not in TASK_STATES:
        raise ValueError(f"a task is never {new}: it goes back to {JobState.QUEUED}")
    moved = dict(tally)
    moved[old] = moved.get(old, 0) - n
    moved[new] = moved.get(new, 0) + n
    return {state: count for state, count in moved.items() if count}


def rollup(tally: Mapping[JobState, int]) -> JobState:
    """The state of the job with so many tasks in each state: ended when all have, then the worst end among them.

    A job of which some tasks have ended and others wait is RUNNING. Raises ValueError for a tally without tasks.
    """
    present = {state for state, count in tally.items() if count > 0}
    if not present or not present <= TASK_STATES or min(tally.values()) < 0:
        raise ValueError(f"no tally of tasks: {dict(tally)}")
    if present <= TASK_ENDED:
        return next(state for state in _WORST_FIRST if state in present)
    for state in _LIVELIEST_FIRST:
        if state in present:
            return state
    if present & TASK_ENDED:
        return JobState.RUNNING
    return JobState.INITIALIZING if JobState.INITIALIZING in present else JobState.QUEUED
