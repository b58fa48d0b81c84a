"""Laws of the agent's decisions: usage never gaps or overlaps, steps never go back, no decision starts twice."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.loops import LONGEST_BACKOFF_S, backoff_s
from suanlian.agent.reconcile import LIMITS, Move, decide, observed, plain, postponed
from suanlian.agent.row import Row, Step, first_row, told
from suanlian.drivers.contract import Measured, Observation
from suanlian.drivers.local.keeper.spec import Bounded
from suanlian.drivers.local.keeper.verdict import limit_text
from suanlian.model.base import plain_text
from suanlian.model.job import ENDED, JobState
from suanlian.model.protocol import Wish
from suanlian.model.usage import UsageSegment
from tests.agent.bench import START, run, then

ORDER = list(Step)
STARTING = (Move.ADMIT, Move.STAGE, Move.SUBMIT)


def started() -> Row:
    return first_row(run()).with_(step=Step.STARTED, native_id="n")


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 50)), max_size=12),
    st.floats(-50, 50),
    st.integers(1, 120),
    st.booleans(),
)
def test_segments_cover_what_ran_without_gap_or_overlap(
    looks: Sequence[tuple[float, float]],
    last_s: float,
    segment_s: int,
    lost: bool,  # noqa: FBT001 - drawn
) -> None:
    row, now, cpu, cut = started(), START, Decimal(0), list[UsageSegment]()
    for wait_s, cpu_s in looks:
        now, cpu = now + timedelta(seconds=wait_s), cpu + Decimal(cpu_s)
        seen = Observation(JobState.RUNNING, started_at=START, measured=Measured(cpu))
        row, segment = observed(row, seen=seen, asked_at=now, segment_s=segment_s)
        cut += [segment] if segment else []
    ended = Observation(
        JobState.COMPLETE, started_at=START, ended_at=now + timedelta(seconds=last_s), measured=Measured(cpu), lost=lost
    )
    row, segment = observed(row, seen=ended, asked_at=now, segment_s=segment_s)
    cut += [segment] if segment else []
    if not cut:
        assert row.started_at is None
        return
    assert [each.sequence for each in cut] == list(range(len(cut)))
    assert [each.final for each in cut] == [False] * (len(cut) - 1) + [True]
    assert cut[0].started_at == START
    assert cut[-1].ended_at == row.ended_at
    for before, after in pairwise(cut):
        assert before.ended_at == after.started_at
    assert sum(each.cpu_s for each in cut) <= cpu + Decimal("0.0001")


@given(st.floats(0, 300), st.floats(0, 300), st.integers(1, 120))
def test_nothing_is_billed_beyond_an_end_that_is_about_to_be_told(ran_s: float, later_s: float, segment_s: int) -> None:
    end = START + timedelta(seconds=ran_s)
    seen = Observation(JobState.RUNNING, started_at=START, ending=True)
    row, early = observed(started(), seen=seen, asked_at=end + timedelta(seconds=later_s), segment_s=segment_s)
    told_end = Observation(JobState.COMPLETE, started_at=START, ended_at=end)
    row, segment = observed(row, seen=told_end, asked_at=end + timedelta(seconds=later_s), segment_s=segment_s)
    assert early is None
    assert segment is not None
    assert (segment.started_at, segment.ended_at, row.ended_at) == (START, end, end)


@given(
    st.sampled_from([JobState.QUEUED, JobState.INITIALIZING]), st.lists(st.integers(1, 7200), min_size=1, max_size=20)
)
def test_what_an_engine_takes_back_is_not_billed(state: JobState, steps: list[int]) -> None:
    """It said that the job runs, and now that it never began: whatever is true, nobody pays for it meanwhile."""
    row, asked_at = started().with_(state=JobState.RUNNING, started_at=START, seen_at=START), START
    for seconds in steps:
        asked_at += timedelta(seconds=seconds)
        row, segment = observed(row, seen=Observation(state), asked_at=asked_at, segment_s=60)
        assert segment is None
        assert row.state is JobState.RUNNING
        assert row.seen_at == START


@pytest.mark.parametrize("limit", sorted(LIMITS))
def test_every_limit_that_a_keeper_hits_is_told_by_its_name(limit: str) -> None:
    hit = limit_text(limit, Bounded(500, 256, 64, 32, 10, 1000, 2.0)).limit
    seen = Observation(JobState.EXECUTOR_ERROR, started_at=START, ended_at=START, limit=hit)
    row, _segment = observed(started(), seen=seen, asked_at=START, segment_s=60)
    assert row.outcome.limit == limit


@given(st.lists(st.tuples(st.sampled_from(Wish), st.integers(0, 6), st.booleans()), max_size=8))
def test_no_wish_is_taken_back_and_an_old_one_changes_nothing(wishes: Sequence[tuple[Wish, int, bool]]) -> None:
    said = run()
    row = first_row(said)
    for wish, version, ours in wishes:
        before = row
        row = told(row, said.model_copy(update={"wish": wish, "version": version, "token": 7 if ours else 8}))
        assert row.wish_version >= before.wish_version
        assert ours or row == before
        assert told(row, said.model_copy(update={"wish": wish, "version": version})) == row or not ours
        if before.wish in (Wish.CANCEL, Wish.FORGET):
            assert row.wish in (Wish.CANCEL, Wish.FORGET)


FLAGS = st.frozensets(st.sampled_from(["evict", "abandoned", "paused"]))


@given(st.sampled_from(Step), st.sampled_from(Wish), FLAGS, st.sampled_from([0, 60]))
def test_nothing_that_is_called_off_is_started(step: Step, wish: Wish, flags: frozenset[str], ago_s: int) -> None:
    evict, abandoned, paused = ("evict" in flags), ("abandoned" in flags), ("paused" in flags)
    row = first_row(run()).with_(step=step, wish=wish, evict=evict, abandoned=abandoned)
    move = decide(postponed(row, START), paused=paused, now=START + timedelta(seconds=ago_s))
    if wish is not Wish.RUN or evict or abandoned:
        assert move not in STARTING
    if paused:
        assert move not in (Move.ADMIT, Move.STAGE)
    if step in (Step.CLOSED, Step.FORGOTTEN):
        assert move in (Move.WAIT, Move.FORGET)


@given(st.sampled_from(JobState), st.booleans())
def test_an_observation_takes_nothing_back(state: JobState, lost: bool) -> None:  # noqa: FBT001 - drawn
    running = started().with_(state=JobState.RUNNING, started_at=START)
    after, _segment = observed(
        running, seen=Observation(state, ended_at=START, lost=lost), asked_at=START, segment_s=60
    )
    assert ORDER.index(after.step) >= ORDER.index(running.step)
    assert after.state in (JobState.RUNNING, JobState.PAUSED)
    assert (after.step is Step.ENDED) == (lost or state in ENDED)
    again, segment = observed(after.with_(step=Step.CLOSED), seen=Observation(state), asked_at=START, segment_s=1)
    assert again.step is Step.CLOSED
    assert segment is None


@given(st.text())
def test_a_reason_can_steer_no_terminal(text: str) -> None:
    assert len(plain_text(plain(text))) <= 2000


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_bounded_and_never_none_after_a_failure(failures: int, chance: float) -> None:
    wait_s = backoff_s(failures, chance)
    assert wait_s <= LONGEST_BACKOFF_S
    assert (wait_s > 0) == (failures > 0)


def test_a_wish_to_forget_what_was_never_heard_of_leaves_a_tombstone() -> None:
    assert first_row(then(run(), Wish.FORGET)).step is Step.FORGOTTEN
