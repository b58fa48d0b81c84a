"""What is known of a way, by what; which way is better; and that capacity is never promised twice."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.data.network import estimated, places
from suanlian.model.link import Hours, LinkClass, LinkGrade, LinkSample, LinkView, NewLink, PathWhy
from suanlian.rules.links.classes import latency_class, shares
from suanlian.rules.links.paths import as_link, path
from suanlian.rules.links.reserving import Held, cost, is_open, left
from suanlian.rules.links.views import MAX_AGE, Declared, Guess, seen, views

NOW = datetime(2026, 5, 4, 1, 20, tzinfo=UTC)
A, B, C, D = "a/one", "b/two", "c/three", "d/four"
GUESS = Guess(Decimal("16.9"), "estimate")
_moments = st.integers(0, 48).map(lambda hours: NOW + timedelta(hours=hours))


def sample(rtt: str | None = None, mbps: str | None = None, *, hours: float = 0, loss: str | None = None) -> LinkSample:
    return LinkSample.model_validate(
        {"at": NOW - timedelta(hours=hours), "rtt_ms": rtt, "mbps": mbps, "loss": loss, "bytes": 0}
    )


def link(**more: object) -> NewLink:
    return NewLink.model_validate({"name": "line", "start": A, "end": B, "capacity_mbps": "1000", **more})


def wire(start: str, end: str, mbps: str | None, price: str = "0.1", ms: str | None = "5") -> LinkView:
    return LinkView.model_validate({"start": start, "end": end, "mbps": mbps, "cny_per_gb": price, "one_way_ms": ms})


def test_estimates_are_by_place_and_say_so() -> None:
    near = estimated("310118", "320509")
    assert near is not None
    assert (near.rtt_ms, near.km, near.coarse) == (Decimal("1.6"), 46, False)
    far = estimated("310000", "640500")
    assert far is not None
    assert far.rtt_ms == Decimal("38.8")
    coarse = estimated("320100", "310000")  # Nanjing counts as the place of its province
    assert coarse is not None
    assert coarse.coarse
    assert estimated("320100", "320509") is None
    assert estimated("110000", "310000") is None
    assert len(places()) == 12
    assert all(estimated(a.ljust(6, "0"), b.ljust(6, "0")) for a in places() for b in places())


def test_the_best_of_each_figure_counts() -> None:
    (declared,) = views((A, B), [Declared("carrier", link(one_way_ms="4"))], [], GUESS, NOW)
    assert (declared.one_way_ms, declared.latency_grade) == (Decimal(4), LinkGrade.DECLARED)
    assert (declared.mbps, declared.mbps_grade, declared.source) == (Decimal(1000), LinkGrade.DECLARED, "carrier")
    (guessed,) = views((A, B), [Declared("carrier", link())], [], GUESS, NOW)
    assert (guessed.latency_grade, guessed.latency_class) == (LinkGrade.ESTIMATED, LinkClass.HUB)
    (known,) = views((A, B), [Declared("carrier", link())], [sample("9", "300")], GUESS, NOW)
    assert (known.one_way_ms, known.latency_grade) == (Decimal("4.5"), LinkGrade.MEASURED)
    assert (known.mbps, known.mbps_grade, known.source) == (Decimal(300), LinkGrade.MEASURED, "")
    (bounded,) = views((A, B), [Declared("carrier", link())], [sample(mbps="1500")], None, NOW)
    assert bounded.mbps == Decimal(1000)


def test_without_a_link_there_is_what_was_measured_or_estimated_or_nothing() -> None:
    assert views((A, B), [], [], None, NOW) == ()
    (guessed,) = views((A, B), [], [], GUESS, NOW)
    assert (guessed.name, guessed.mbps, guessed.source) == (None, None, "estimate")
    courier = Declared("carrier", link(courier_hours="20", courier_bytes=10**14))
    road, way = views((A, B), [courier], [sample("9")], None, NOW)
    assert (road.courier, road.mbps, road.one_way_ms) == (True, Decimal(1000), None)
    assert way.one_way_ms == Decimal("4.5")


def test_newer_samples_weigh_more_and_old_ones_are_history() -> None:
    old = [sample("100", hours=24 + n) for n in range(3)]
    assert seen([*old, sample("10"), sample("12", hours=1)], NOW).one_way_ms == Decimal(6)
    assert seen([sample("10", hours=MAX_AGE.days * 24 + 1)], NOW).one_way_ms is None
    assert seen([sample(loss="0"), sample(loss="0.5")], NOW).loss == Decimal("0.25")
    assert seen([sample("10", hours=-5)], NOW).one_way_ms == Decimal(5)  # a clock that is fast


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 200)), min_size=1))
def test_a_median_is_one_of_the_figures_that_count(figures: list[tuple[int, int]]) -> None:
    found = seen([sample(mbps=str(value), hours=hours) for value, hours in figures], NOW).mbps
    recent = [value for value, hours in figures if hours <= MAX_AGE.days * 24]
    assert (found is None and not recent) or found in {Decimal(value) for value in recent}


def test_classes_end_at_their_bounds() -> None:
    bounds = {
        "1": LinkClass.CITY,
        "1.001": LinkClass.REGION,
        "5": LinkClass.REGION,
        "20": LinkClass.HUB,
        "21": LinkClass.FAR,
    }
    assert {text: latency_class(Decimal(text)) for text in bounds} == bounds


def test_only_measured_pairs_count_within_a_class() -> None:
    measured = wire(A, B, None, ms="3").model_copy(update={"latency_grade": LinkGrade.MEASURED})
    guessed = wire(A, C, None, ms="0.5").model_copy(update={"latency_grade": LinkGrade.ESTIMATED})
    word = wire(C, D, None, ms="0.5").model_copy(update={"latency_grade": LinkGrade.DECLARED})
    told = shares([measured, guessed, word], 12)
    assert (told.pairs, told.measured, told.estimated) == (12, 1, 1)
    assert told.within == {LinkClass.CITY: 0, LinkClass.REGION: 1, LinkClass.HUB: 1}


def test_a_relay_is_better_where_a_copy_over_it_is_quicker_or_cheaper() -> None:
    legs = [wire(A, C, "1000"), wire(C, B, "1000")]
    quick = path(A, B, [wire(A, B, "100"), *legs], [C])
    assert (quick.relay, quick.why, quick.relay_mbps, quick.relay_copy_mbps) == (
        C,
        PathWhy.QUICKER,
        Decimal(1000),
        Decimal(500),
    )
    assert (quick.relay_one_way_ms, quick.relay_cny_per_gb) == (Decimal(10), Decimal("0.2"))
    # a stream would be quicker over C, a copy that has to be whole there first is not
    assert path(A, B, [wire(A, B, "600"), *legs], [C]).why is PathWhy.DIRECT
    assert path(A, B, [wire(A, B, "100"), *legs], []).why is PathWhy.DIRECT
    assert path(A, B, legs, [C]).why is PathWhy.ONLY_WAY
    cheap = path(A, B, [wire(A, B, "600", "1"), *legs], [C])
    assert (cheap.relay, cheap.why) == (C, PathWhy.CHEAPER)
    assert path(A, B, [wire(A, B, "600", "1"), *legs], [C], {C: Decimal(5)}).why is PathWhy.DIRECT
    assert path(A, B, [], [C]).why is PathWhy.UNKNOWN


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D])).filter(lambda two: two[0] != two[1]),
        st.tuples(st.integers(1, 1000), st.integers(0, 9)),
    )
)
def test_no_relay_that_is_left_out_would_be_quicker(rates: dict[tuple[str, str], tuple[int, int]]) -> None:
    told = path(A, B, [wire(a, b, str(mbps), str(price)) for (a, b), (mbps, price) in rates.items()], [A, B, C, D])
    copied = [
        1 / (1 / rates[A, site][0] + 1 / rates[site, B][0])
        for site in (C, D)
        if (A, site) in rates and (site, B) in rates
    ]
    if told.why in {PathWhy.QUICKER, PathWhy.ONLY_WAY} and told.relay_copy_mbps is not None:
        assert float(told.relay_copy_mbps) == pytest.approx(max(copied), abs=0.001)
    elif (A, B) in rates:
        assert max(copied, default=0) <= rates[A, B][0] * 1.2 + 0.001


def test_a_view_becomes_a_link_of_the_planner() -> None:
    courier = link(courier_hours="20", courier_bytes=10**14)
    (road,) = views((A, B), [Declared("carrier", courier)], [], None, NOW)
    planned = as_link(road)
    assert planned is not None
    assert planned.courier is not None
    assert planned.name == "line"
    assert as_link(wire(A, B, None)) is None
    assumed = as_link(wire(A, B, None), 50.0)
    assert assumed is not None
    assert (assumed.name, assumed.mbps) == ("a/one>b/two", 50.0)


@given(st.lists(st.tuples(_moments, _moments, st.integers(1, 60)), max_size=20))
def test_capacity_is_never_promised_twice(asked: list[tuple[datetime, datetime, int]]) -> None:
    held: list[Held] = []
    for start, end, mbps in asked:
        if start < end and left(Decimal(100), held, start, end) >= mbps:
            held.append(Held(start, end, Decimal(mbps)))
    for hour in range(49):
        at = NOW + timedelta(hours=hour)
        assert sum(one.mbps for one in held if one.start <= at < one.end) <= 100


def test_a_reservation_costs_what_would_pass() -> None:
    priced = link(cny_per_gb="0.5")
    assert cost(priced, NOW, NOW + timedelta(hours=1), Decimal(80)) == Decimal(18)  # 36 GB


@pytest.mark.parametrize(
    ("hours", "start", "long", "told"),
    [
        ([], 0, 99, True),
        ([("09:00", "18:00")], 0, 8, True),  # from 9:20 in China
        ([("09:00", "18:00")], 0, 9, False),
        ([("10:00", "18:00")], 0, 1, False),
        ([("22:00", "06:00")], 13, 7, True),
        ([("22:00", "06:00")], 13, 8, False),
        ([("09:00", "21:00"), ("21:00", "09:00")], 0, 300, True),
        ([("09:00", "21:00"), ("20:00", "08:00")], 0, 22, True),
        ([("09:00", "21:00"), ("20:00", "08:00")], 0, 23, False),
    ],
)
def test_a_link_is_open_throughout_or_not(hours: list[tuple[str, str]], start: int, long: int, *, told: bool) -> None:
    spans = [Hours(start=time.fromisoformat(a), end=time.fromisoformat(b)) for a, b in hours]
    begin = NOW + timedelta(hours=start)
    assert is_open(spans, begin, begin + timedelta(hours=long)) is told
