import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.job import ENDED, JobState
from suanlian.rules.jobstate import (
    TASK_ENDED,
    TASK_STATES,
    TRANSITIONS,
    Cause,
    attempts_used,
    moves,
    rollup,
    tally_move,
    task_state_after,
)

states = st.sampled_from(JobState)
tallies = st.dictionaries(st.sampled_from(sorted(TASK_STATES)), st.integers(0, 50), min_size=1).filter(
    lambda tally: sum(tally.values()) > 0
)


def reachable(start: JobState) -> set[JobState]:
    seen, ahead = {start}, [start]
    while ahead:
        new = TRANSITIONS[ahead.pop()] - seen
        seen |= new
        ahead += new
    return seen


def test_every_state_has_its_row_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(JobState) == reachable(JobState.QUEUED)


@given(states)
def test_an_ended_state_leads_nowhere_and_any_other_to_an_end(state: JobState) -> None:
    assert (not TRANSITIONS[state]) == (state in ENDED)
    assert reachable(state) & ENDED


@given(states, states)
def test_a_move_is_never_a_stay_and_nothing_comes_back_to_the_queue(old: JobState, new: JobState) -> None:
    if moves(old, new):
        assert old is not new
        assert new is not JobState.QUEUED
        assert old not in ENDED


def test_a_cancellation_is_not_taken_back() -> None:
    assert not moves(JobState.CANCELING, JobState.RUNNING)


@given(
    attempt=states,
    made=st.integers(1, 12),
    allowed=st.integers(1, 10),
    cause=st.sampled_from(Cause),
    canceling=st.booleans(),
)
def test_a_task_is_never_preempted_and_waits_again_only_within_its_attempts(
    *, attempt: JobState, made: int, allowed: int, cause: Cause, canceling: bool
) -> None:
    task = task_state_after(attempt, attempts_made=made, attempts_allowed=allowed, cause=cause, canceling=canceling)
    assert task in TASK_STATES
    assert (task in TASK_ENDED) <= (attempt in ENDED)
    if canceling and attempt in ENDED:
        assert task in TASK_ENDED
    if attempt is JobState.SYSTEM_ERROR and made >= allowed:
        assert task in TASK_ENDED


@pytest.mark.parametrize(
    ("attempt", "made", "cause", "canceling", "task"),
    [
        (JobState.PREEMPTED, 9, Cause.PLATFORM, False, JobState.QUEUED),
        (JobState.PREEMPTED, 1, Cause.PLATFORM, True, JobState.CANCELED),
        (JobState.SYSTEM_ERROR, 2, Cause.PLATFORM, False, JobState.QUEUED),
        (JobState.SYSTEM_ERROR, 3, Cause.PLATFORM, False, JobState.SYSTEM_ERROR),
        (JobState.SYSTEM_ERROR, 1, Cause.REQUEST, False, JobState.SYSTEM_ERROR),
        (JobState.SYSTEM_ERROR, 1, Cause.PLATFORM, True, JobState.CANCELED),
        (JobState.EXECUTOR_ERROR, 1, Cause.PLATFORM, False, JobState.EXECUTOR_ERROR),
        (JobState.COMPLETE, 1, Cause.PLATFORM, True, JobState.COMPLETE),
        (JobState.RUNNING, 1, Cause.PLATFORM, False, JobState.RUNNING),
    ],
)
def test_what_the_end_of_an_attempt_means_for_its_task(
    *, attempt: JobState, made: int, cause: Cause, canceling: bool, task: JobState
) -> None:
    assert task_state_after(attempt, attempts_made=made, attempts_allowed=3, cause=cause, canceling=canceling) is task


def test_a_preempted_attempt_is_not_counted() -> None:
    assert attempts_used([JobState.PREEMPTED, JobState.SYSTEM_ERROR, JobState.PREEMPTED]) == 1


@given(tallies, st.data())
def test_moving_tasks_keeps_their_number(tally: dict[JobState, int], data: st.DataObject) -> None:
    old = data.draw(st.sampled_from(sorted(tally)))
    new = data.draw(st.sampled_from(sorted(TASK_STATES)))
    n = data.draw(st.integers(0, tally[old]))
    moved = tally_move(tally, old, new, n)
    assert sum(moved.values()) == sum(tally.values())
    assert min(moved.values()) > 0
    if old is not new:
        assert moved.get(new, 0) == tally.get(new, 0) + n


@given(tallies, st.sampled_from(sorted(TASK_STATES)))
def test_more_tasks_than_are_there_cannot_move(tally: dict[JobState, int], old: JobState) -> None:
    with pytest.raises(ValueError, match="cannot leave"):
        tally_move(tally, old, JobState.COMPLETE, tally.get(old, 0) + 1)


def test_a_task_cannot_move_to_preempted() -> None:
    with pytest.raises(ValueError, match="never PREEMPTED"):
        tally_move({JobState.RUNNING: 1}, JobState.RUNNING, JobState.PREEMPTED)


@given(tallies)
def test_a_job_has_ended_when_and_only_when_all_its_tasks_have(tally: dict[JobState, int]) -> None:
    present = {state for state, count in tally.items() if count}
    assert (rollup(tally) in ENDED) == (present <= TASK_ENDED)
    assert rollup(tally) in present | {JobState.RUNNING}


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        ({JobState.COMPLETE: 3}, JobState.COMPLETE),
        ({JobState.COMPLETE: 3, JobState.CANCELED: 1}, JobState.CANCELED),
        ({JobState.CANCELED: 1, JobState.EXECUTOR_ERROR: 1}, JobState.EXECUTOR_ERROR),
        ({JobState.SYSTEM_ERROR: 1, JobState.EXECUTOR_ERROR: 9}, JobState.SYSTEM_ERROR),
        ({JobState.COMPLETE: 1, JobState.QUEUED: 9}, JobState.RUNNING),
        ({JobState.INITIALIZING: 1, JobState.QUEUED: 9}, JobState.INITIALIZING),
        ({JobState.CANCELING: 1, JobState.CANCELED: 9}, JobState.CANCELING),
        ({JobState.QUEUED: 1, JobState.COMPLETE: 0}, JobState.QUEUED),
    ],
)
def test_the_state_of_a_job(tally: dict[JobState, int], state: JobState) -> None:
    assert rollup(tally) is state


@pytest.mark.parametrize("tally", [{}, {JobState.QUEUED: 0}, {JobState.PREEMPTED: 1}, {JobState.QUEUED: -1}])
def test_what_is_no_tally_is_refused(tally: dict[JobState, int]) -> None:
    with pytest.raises(ValueError, match="no tally"):
        rollup(tally)
