from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from suanlian.rules.hearing import GAP, Hearing, LostTerms, beat, is_deaf, is_silent, reruns_from

START = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = LostTerms()
steps = st.lists(st.integers(1, 29), min_size=1, max_size=60)
moments = st.integers(0, 3600).map(lambda s: START + timedelta(seconds=s))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@given(steps)
def test_who_beats_in_time_hears_without_a_gap(waits: list[int]) -> None:
    heard, now = beat(None, START), START
    for wait in waits:
        now += timedelta(seconds=wait)
        heard = beat(heard, now)
    assert heard == Hearing(now, START, START)


@given(st.integers(-3600, 36_000))
def test_a_gap_or_a_clock_that_is_set_begins_anew(step_s: int) -> None:
    heard, now = beat(beat(None, START), at(step_s)), at(step_s)
    begins_anew = not timedelta(seconds=-2) <= now - START <= GAP
    assert (heard.since == now and heard.since != START) == (begins_anew and step_s != 0)


@given(moments, moments, moments)
def test_nobody_is_silent_for_the_time_in_which_the_hub_could_not_hear(
    seen: datetime, since: datetime, now: datetime
) -> None:
    """However long somebody was not heard: the hub itself must have been there for as long as it takes to be lost."""
    heard = Hearing(now, since, since)
    if is_silent(seen, heard, now, TERMS):
        assert now - seen >= TERMS.after
        assert now - since >= TERMS.after


def test_after_a_start_there_is_room_for_a_long_poll() -> None:
    heard = Hearing(at(0), at(0), at(0))
    assert not is_silent(at(-500), heard, at(89), TERMS)
    assert is_silent(at(-500), heard, at(90), TERMS)
    assert is_silent(at(1), heard, at(61), TERMS)


def test_when_most_fall_silent_at_once_it_is_the_hub() -> None:
    heard, now = Hearing(at(1000), at(0), at(0)), at(1000)
    lively, gone = at(995), at(800)
    assert not is_deaf([lively, gone], heard, now, TERMS)
    assert not is_deaf([lively, lively, gone], heard, now, TERMS)
    assert is_deaf([lively, gone, gone], heard, now, TERMS)
    assert is_deaf([gone, gone], heard, now, TERMS)
    # what has been away for long tells nothing of now
    assert not is_deaf([lively, gone, at(-5000)], heard, now, TERMS)
    assert is_deaf([at(-5000)], heard, now, TERMS)
    assert not is_deaf([], heard, now, TERMS)


def test_the_time_to_come_back_begins_anew_when_the_hub_does() -> None:
    assert reruns_from(at(10), Hearing(at(50), at(0), at(0)), TERMS) == at(610)
    assert reruns_from(at(10), Hearing(at(50), at(40), at(40)), TERMS) == at(640)
    assert reruns_from(at(10), Hearing(at(50), at(0), at(45)), TERMS) == at(645)
