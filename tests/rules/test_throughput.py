"""Do runs that were seen correct the estimate as much as they are worth, and no more? Laws of the model."""

import math
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import FlavorId
from suanlian.model.throughput import Runs, Seen
from suanlian.rules.throughput import OFF_BY, Shift, fit, within_factor

A, B, C = (FlavorId(name) for name in "abc")
PRIOR: Mapping[FlavorId, Shift] = {
    A: Shift(0, OFF_BY**2),
    B: Shift(-math.log(2), OFF_BY**2),
    C: Shift(-math.log(4), OFF_BY**2),
}
lengths = st.floats(0.01, 10**5)
many = st.lists(lengths, min_size=1, max_size=12)


def runs(flavor: FlavorId, seconds: Sequence[float]) -> Runs:
    logs = [math.log(one) for one in seconds]
    return Runs(flavor, len(logs), sum(logs), sum(log * log for log in logs))


def seen(**of: Sequence[float]) -> Seen:
    return Seen(tuple(runs(FlavorId(flavor), seconds) for flavor, seconds in of.items()))


def seconds_on(flavor: FlavorId, what: Seen) -> tuple[float, float]:
    found = fit(PRIOR, what)
    assert found is not None
    log, variance = found.log_seconds(flavor)
    return math.exp(log), variance


def test_nothing_seen_says_nothing() -> None:
    assert fit(PRIOR, Seen()) is None
    assert fit(PRIOR, Seen((Runs(FlavorId("elsewhere"), 3, 3.0, 3.0),))) is None


def test_one_run_on_one_flavor_gives_its_size_and_by_the_figures_that_of_the_others() -> None:
    what = seen(b=[100])
    assert math.isclose(seconds_on(B, what)[0], 100)
    assert math.isclose(seconds_on(A, what)[0], 200)
    assert math.isclose(seconds_on(C, what)[0], 50)
    # what was never seen there is the less sure
    assert seconds_on(B, what)[1] < seconds_on(A, what)[1]


def test_many_runs_replace_what_figures_say() -> None:
    """By the figures B is twice as fast as A; it is seen to be no faster at all."""
    few, lots = (seen(a=[100] * n, b=[100] * n) for n in (1, 1000))
    for flavor in (A, B):
        assert abs(math.log(seconds_on(flavor, lots)[0] / 100)) < 0.01
    assert 100 < seconds_on(A, few)[0] < 145
    assert 69 < seconds_on(B, few)[0] < 100
    # and the third is thought to be as much off as they are on average
    assert seconds_on(C, lots)[0] > 25


@given(many, many, st.floats(0.001, 1000))
def test_it_has_no_unit(a: list[float], b: list[float], unit: float) -> None:
    """Seconds, hours or ticks: the estimate is in the unit of what was seen, and the factor has none."""
    what, other = seen(a=a, b=b), seen(a=[one * unit for one in a], b=[one * unit for one in b])
    for flavor in PRIOR:
        (here, sure), (there, as_sure) = seconds_on(flavor, what), seconds_on(flavor, other)
        assert math.isclose(there, here * unit, rel_tol=1e-6)
        assert math.isclose(sure, as_sure, rel_tol=1e-5, abs_tol=1e-7)


@given(many, many, st.floats(1.01, 10))
def test_a_longer_run_never_makes_any_estimate_shorter(a: list[float], b: list[float], times: float) -> None:
    """All runs on one flavor longer by the same factor: that flavor and the others are expected to take longer."""
    before, after = seen(a=a, b=b), seen(a=[one * times for one in a], b=b)
    assert seconds_on(A, after)[0] > seconds_on(A, before)[0]
    assert seconds_on(C, after)[0] >= seconds_on(C, before)[0] * (1 - 1e-9)


@given(many, st.integers(1, 20))
def test_the_same_runs_once_more_make_it_surer_never_less(a: list[float], times: int) -> None:
    once, often = seen(a=a), seen(a=a * (times + 1))
    spread = max(a) / min(a)
    if spread < 1.2:  # else the first look held the spread for smaller than it is
        assert seconds_on(A, often)[1] < seconds_on(A, once)[1]
    assert within_factor(seconds_on(A, often)[1]) >= 1


@given(many, many)
def test_an_estimate_lies_between_what_was_seen_and_what_was_thought(a: list[float], b: list[float]) -> None:
    what = seen(a=a, b=b)
    found = fit(PRIOR, what)
    assert found is not None
    for flavor, lengths_there in ((A, a), (B, b)):
        mean = sum(map(math.log, lengths_there)) / len(lengths_there)
        thought = found.size + PRIOR[flavor].mean
        low, high = sorted((mean, thought))
        assert low - 1e-9 <= found.log_seconds(flavor)[0] <= high + 1e-9


def test_the_array_itself_sets_the_size_and_its_tasks_are_not_counted_twice() -> None:
    """Jobs of the name took 100 s; this array takes 1,000 s on A: so it will on B, in the relation that was learnt."""
    other, own = [100.0] * 50, [1000.0] * 3
    named = (runs(A, other + own), runs(B, other))
    found = fit(PRIOR, Seen(named, (runs(A, own),)))
    assert found is not None
    assert math.isclose(math.exp(found.log_seconds(A)[0]), 1000, rel_tol=0.02)
    assert math.isclose(math.exp(found.log_seconds(B)[0]), 1000, rel_tol=0.1)
    alone = fit(PRIOR, Seen((runs(A, own),), (runs(A, own),)))
    assert alone is not None
    once = fit(PRIOR, Seen((runs(A, own),)))
    assert once is not None
    assert math.isclose(alone.log_seconds(A)[1], once.log_seconds(A)[1])
