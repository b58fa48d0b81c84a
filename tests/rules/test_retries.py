import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.job import ENDED, EndCause, JobSpec, JobState, Outcome
from suanlian.rules.jobstate import TASK_ENDED, TASK_STATES
from suanlian.rules.retries import MAX_PREEMPTED, cause_of, may_rerun, next_try, tries_in_all

P, X, S = JobState.PREEMPTED, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR
causes = st.sampled_from(EndCause)
pasts = st.lists(causes, max_size=30)
outcomes = st.builds(
    Outcome,
    exit_code=st.none() | st.integers(0, 255),
    limit=st.none() | st.just("memory"),
    cause=st.none() | causes,
    reason=st.sampled_from(["", "lost: x", "checksum_mismatch: x", "image_unusable: x", "owner_refuses: hours"]),
)


def spec(attempts: int = 3, **retries: object) -> JobSpec:
    variant = {"architecture": "x86_64", "environment": "python", "command": ["true"]}
    job = {"name": "j", "resources": {"cpu": "1", "memory": "1GiB"}, "variants": [variant]}
    return JobSpec.model_validate({**job, "attempts": attempts, "retries": retries})


specs = st.builds(
    spec,
    attempts=st.integers(1, 10),
    program=st.integers(0, 10),
    lost=st.integers(0, 10),
    backoff_s=st.integers(0, 3600),
    exit_codes=st.lists(st.integers(1, 255), max_size=3),
)


@given(st.sampled_from(JobState), outcomes, pasts, specs, st.booleans())
def test_a_task_never_stays_preempted_and_a_cancelled_one_never_waits(
    state: JobState,
    outcome: Outcome,
    before: list[EndCause],
    spec: JobSpec,
    canceling: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    after = next_try(state, outcome, before=before, spec=spec, canceling=canceling)
    assert after.state in TASK_STATES
    assert (after.state in TASK_ENDED) <= (state in ENDED)
    assert 0 <= after.wait_s <= 3600
    if canceling and state in ENDED:
        assert after.state in TASK_ENDED
    if state in (JobState.COMPLETE, JobState.CANCELED):
        assert after.state is state


@given(outcomes, specs, st.data())
def test_every_budget_comes_to_an_end(outcome: Outcome, spec: JobSpec, data: st.DataObject) -> None:
    """Whatever ends come: the tries of a task are bounded by the sum of its budgets, refusals apart."""
    before: list[EndCause] = []
    while True:
        state = data.draw(st.sampled_from([X, S, P]))
        cause = cause_of(state, outcome)
        assert cause is not None
        after = next_try(state, outcome, before=before, spec=spec)
        if after.state is not JobState.QUEUED or cause is EndCause.REFUSED:
            break
        before.append(cause)
        assert len(before) <= spec.retries.program + spec.attempts + MAX_PREEMPTED


@given(st.data(), specs)
def test_the_tries_that_are_told_of_are_those_that_there_are(data: st.DataObject, spec: JobSpec) -> None:
    """After each end the number told is never below what comes, and is exact once all further ends are alike."""
    before: list[EndCause] = []
    while True:
        state, outcome = data.draw(st.sampled_from([X, S, P])), data.draw(outcomes)
        cause = cause_of(state, outcome)
        assert cause is not None
        after = next_try(state, outcome, before=before, spec=spec)
        before.append(cause)
        told = tries_in_all(before, len(before), spec)
        if after.state is not JobState.QUEUED or cause is EndCause.REFUSED or len(before) > 30:
            break
        assert told is not None
        assert told > len(before)
    if cause is EndCause.REFUSED:
        assert told is None
    elif after.state is not JobState.QUEUED and cause is not EndCause.PROGRAM:
        assert told == len(before)
    assert tries_in_all((), 0, spec) is None


@given(st.sampled_from([X, S, P]), outcomes)
def test_no_connector_says_that_it_is_lost(state: JobState, outcome: Outcome) -> None:
    assert cause_of(state, outcome) not in (None, EndCause.LOST)


@given(outcomes, pasts, specs)
def test_what_a_program_takes_too_much_of_is_not_tried_again(
    outcome: Outcome, before: list[EndCause], spec: JobSpec
) -> None:
    hit = outcome.model_copy(update={"limit": "memory", "cause": None})
    assert next_try(X, hit, before=before, spec=spec).state is X


@pytest.mark.parametrize(
    ("state", "cause", "before", "code", "after"),
    [
        (S, EndCause.PLATFORM, "", None, JobState.QUEUED),
        (S, EndCause.PLATFORM, "platform image", None, S),
        (S, EndCause.IMAGE, "platform", None, JobState.QUEUED),
        (S, EndCause.PLATFORM, "program program lost lost lost preempted", None, JobState.QUEUED),
        (S, EndCause.REQUEST, "", None, S),
        (X, EndCause.PROGRAM, "", 7, JobState.QUEUED),
        (X, EndCause.PROGRAM, "", 8, X),
        (X, EndCause.PROGRAM, "program program", 7, X),
        (X, EndCause.PROGRAM, "platform platform program", 7, JobState.QUEUED),
        (P, EndCause.PREEMPTED, "preempted " * 19, None, JobState.QUEUED),
        (P, EndCause.PREEMPTED, "preempted " * 20, None, S),
        (P, EndCause.REFUSED, "refused " * 50, None, JobState.QUEUED),
    ],
)
def test_each_cause_has_its_own_budget(
    state: JobState, cause: EndCause, before: str, code: int | None, after: JobState
) -> None:
    of = spec(program=2, exit_codes=[7])
    past = [EndCause(word) for word in before.split()]
    assert next_try(state, Outcome(cause=cause, exit_code=code), before=past, spec=of).state is after


def test_waits_double() -> None:
    of = spec(attempts=10, backoff_s=100)
    ends = Outcome(cause=EndCause.PLATFORM)
    waits = [next_try(S, ends, before=[EndCause.PLATFORM] * n, spec=of).wait_s for n in range(8)]
    assert waits == [100, 200, 400, 800, 1600, 3200, 3600, 3600]


def test_a_task_without_tries_for_a_lost_place_waits_for_it() -> None:
    assert may_rerun([], spec())
    assert not may_rerun([EndCause.LOST] * 3, spec())
    assert not may_rerun([], spec(lost=0))
