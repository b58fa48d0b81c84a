from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import AttemptId
from suanlian.model.protocol import Verdict
from suanlian.model.usage import UsageSegment
from suanlian.rules.usage import Bounds, accept, covers
from tests.rules.worlds import NOW, after, resources

GRANTED = resources(cpu=500, memory=256)
BOUNDS = Bounds(granted=GRANTED, attempt_started=NOW, attempt_ended=after(100), now=after(200), tolerance_s=5)


def segment(sequence: int, start: datetime, end: datetime, **changes: object) -> UsageSegment:
    fields = UsageSegment(
        attempt_id=AttemptId("a"),
        sequence=sequence,
        started_at=start,
        ended_at=end,
        granted=GRANTED,
        cpu_s=Decimal(1),
        peak_memory_mib=1,
    )
    return fields.model_copy(update=changes)


def record_all(delivered: Sequence[UsageSegment]) -> tuple[list[UsageSegment], list[Verdict]]:
    """What stands recorded after these arrived one by one, and the verdict on each."""
    recorded: list[UsageSegment] = []
    verdicts = []
    for new in delivered:
        verdicts.append(accept(new, recorded, BOUNDS).verdict)
        recorded += [new] if verdicts[-1] is Verdict.TAKEN else []
    return recorded, verdicts


@st.composite
def cuts(draw: st.DrawFn) -> list[UsageSegment]:
    """The attempt's run, cut at random moments; equal moments make empty segments."""
    moments = sorted([0, *draw(st.lists(st.integers(0, 100), max_size=6)), 100])
    return [segment(n, after(start), after(end)) for n, (start, end) in enumerate(pairwise(moments))]


@given(cuts(), st.data())
def test_segments_doubled_and_in_any_order_are_taken_once_and_cover_the_run(
    whole: list[UsageSegment], data: st.DataObject
) -> None:
    doubled = whole + data.draw(st.lists(st.sampled_from(whole), max_size=6))
    delivered = data.draw(st.permutations(doubled))
    recorded, verdicts = record_all(delivered)
    assert verdicts.count(Verdict.TAKEN) == len(whole)
    assert verdicts.count(Verdict.KNOWN) == len(delivered) - len(whole)
    assert covers(recorded, NOW, after(100))


@given(cuts(), st.data())
def test_a_run_with_a_piece_missing_is_not_covered(whole: list[UsageSegment], data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from([piece for piece in whole if piece.started_at < piece.ended_at]))
    assert not covers([piece for piece in whole if piece != lost], NOW, after(100))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=12))
def test_whatever_arrives_what_is_recorded_is_disjoint(pieces: list[tuple[int, int]]) -> None:
    delivered = [segment(n, after(min(piece)), after(max(piece))) for n, piece in enumerate(pieces)]
    recorded, _ = record_all(delivered)
    for second in range(100):
        assert sum(one.started_at <= after(second) < one.ended_at for one in recorded) <= 1
    seconds = sum((one.ended_at - one.started_at).total_seconds() for one in recorded)
    assert covers(recorded, NOW, after(100)) == (seconds == 100)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (segment(0, NOW, after(10), cpu_s=Decimal(2)), "send a correction"),
        (segment(1, after(9), after(20)), "overlaps with sequence 0"),
        (segment(1, after(10), after(20), granted=resources(cpu=501, memory=256)), "granted differs"),
        (segment(1, after(-6), NOW), "before the attempt did"),
        (segment(1, after(90), after(106)), "after the attempt did"),
        (segment(1, after(90), after(206)), "set the connector's clock"),
    ],
)
def test_what_contradicts_is_refused_with_its_reason(new: UsageSegment, reason: str) -> None:
    answer = accept(new, [segment(0, NOW, after(10))], BOUNDS)
    assert answer.verdict is Verdict.REFUSED
    assert reason in answer.reason


@pytest.mark.parametrize("new", [segment(1, after(-5), NOW), segment(1, after(90), after(105))])
def test_a_clock_within_the_tolerance_is_taken(new: UsageSegment) -> None:
    assert accept(new, [], BOUNDS).verdict is Verdict.TAKEN


def test_before_the_attempts_times_are_known_only_the_future_is_refused() -> None:
    unknown = replace(BOUNDS, attempt_started=None, attempt_ended=None)
    assert accept(segment(0, after(-500), after(150)), [], unknown).verdict is Verdict.TAKEN
    assert accept(segment(0, after(-500), after(206)), [], unknown).verdict is Verdict.REFUSED


def test_segments_of_another_attempt_are_passed_over() -> None:
    other = segment(0, NOW, after(50), attempt_id=AttemptId("b"))
    assert accept(segment(0, NOW, after(50), cpu_s=Decimal(9)), [other], BOUNDS).verdict is Verdict.TAKEN


def test_no_segments_cover_an_empty_run_only() -> None:
    assert covers([], NOW, NOW)
    assert not covers([], NOW, after(1))
    assert not covers([segment(0, NOW, after(2))], NOW, after(1))
