import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.job import ENDED, JobState
from suanlian.rules.jobstate import (
    TASK_ENDED,
    TASK_STATES,
    TRANSITIONS,
    moves,
    rollup,
    tally_move,
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
