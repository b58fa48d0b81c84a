from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import AttemptId
from suanlian.model.money import CHARGE_STEP, Rate, round_charge
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Architecture
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.model.usage import UsageCorrection, UsageSegment
from suanlian.rules.pricing import (
    QUANTITY_STEP,
    charge_lines,
    corrected,
    expected_hours,
    expected_rent,
    length_s,
    lines_for,
    plain,
    rent_text,
    unpriced,
)
from tests.rules.worlds import NOW, after, offer, resources, spec, variant

grants = st.builds(
    resources, st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**4)
)
prices = st.decimals(0, 1000, places=12)
offers = st.dictionaries(st.sampled_from(ResourceKind), prices, min_size=1).map(
    lambda rates: NewOffer(
        name="o", share="s", rates=tuple(Rate(kind=kind, per_unit_hour=rate) for kind, rate in rates.items())
    )
)
microseconds = st.integers(0, 10**12)


def segment(granted: Resources, seconds: float = 0, *, microseconds: int = 0) -> UsageSegment:
    ended = after(seconds + microseconds / 10**6) if seconds or microseconds else NOW
    return UsageSegment(
        attempt_id=AttemptId("a"),
        sequence=1,
        started_at=NOW,
        ended_at=ended,
        granted=granted,
        cpu_s=Decimal(0),
        peak_memory_mib=0,
    )


def test_an_example_that_anybody_can_work_out() -> None:
    lines = charge_lines(segment(resources(cpu=250, memory=512, disk=1024), 1800), offer(cpu="0.05", memory="0.01"))
    assert [(line.kind, line.quantity, line.cost) for line in lines] == [
        (ResourceKind.CPU, Decimal("0.125"), Decimal("0.006250")),
        (ResourceKind.MEMORY, Decimal("0.25"), Decimal("0.002500")),
    ]


@given(grants, offers)
def test_no_time_costs_nothing(granted: Resources, of: NewOffer) -> None:
    assert all(line.cost == 0 == line.quantity for line in charge_lines(segment(granted), of))


@given(grants, microseconds, offers)
def test_a_line_is_its_own_product_never_negative_and_the_same_again(
    granted: Resources, length: int, of: NewOffer
) -> None:
    piece = segment(granted, microseconds=length)
    lines = charge_lines(piece, of)
    assert lines == charge_lines(piece, of)
    rates = {rate.kind: rate.per_unit_hour for rate in of.rates}
    assert [line.kind for line in lines] == [kind for kind in ResourceKind if kind in rates and granted.base()[kind]]
    for line in lines:
        assert line.rate == rates[line.kind]
        assert line.cost == round_charge(line.quantity * line.rate) >= 0
        exponent = line.quantity.as_tuple().exponent
        assert isinstance(exponent, int)
        assert exponent >= -12


@given(grants, st.lists(microseconds, min_size=1, max_size=8), offers)
def test_the_parts_cost_as_much_as_the_whole_up_to_one_rounding_a_line(
    granted: Resources, parts: list[int], of: NewOffer
) -> None:
    lengths = [Decimal(part).scaleb(-6) for part in parts]
    whole = lines_for(granted, sum(lengths, start=Decimal(0)), of)
    pieces = [lines_for(granted, length, of) for length in lengths]
    for n, line in enumerate(whole):
        step = (CHARGE_STEP + QUANTITY_STEP * line.rate) / 2
        difference = abs(line.cost - sum((piece[n].cost for piece in pieces), start=Decimal(0)))
        assert difference <= step * (len(parts) + 1)


@given(grants, st.lists(st.decimals(-(10**4), 10**4, places=6), max_size=5), microseconds)
def test_corrections_of_this_segment_count_and_no_others_and_it_never_falls_below_zero(
    granted: Resources, seconds: list[Decimal], length: int
) -> None:
    piece = segment(granted, microseconds=length)
    mine = [UsageCorrection(attempt_id=AttemptId("a"), sequence=1, corrected_s=s, reason="r") for s in seconds]
    others = [correction.model_copy(update={"sequence": 2}) for correction in mine]
    wanted = length_s(piece) + sum(seconds, start=Decimal(0))
    assert corrected(piece, [*others, *mine]) == max(wanted, Decimal(0))
    assert corrected(piece, others) == length_s(piece)


def test_a_length_below_zero_is_not_rated() -> None:
    with pytest.raises(ValueError, match="below zero"):
        lines_for(resources(cpu=1), Decimal(-1), offer(cpu="1"))


def test_cores_and_cards_must_be_priced_when_wanted_memory_and_disk_may_be_free() -> None:
    wanted = resources(1, 1, 1, 1)
    assert unpriced(wanted, offer(memory="1")) == (ResourceKind.CPU, ResourceKind.ACCELERATOR)
    assert unpriced(resources(cpu=1, disk=1), offer(cpu="0")) == ()


def test_the_wall_time_is_for_the_slowest_variant_and_less_for_a_faster_one() -> None:
    slow, fast, unknown = variant(throughput="2"), variant(Architecture.AARCH64, "8"), variant(Architecture.WASM32)
    job = spec(slow, fast, unknown)
    assert [expected_hours(job, one) for one in (slow, fast, unknown)] == [1, Decimal("0.25"), 1]
    assert rent_text(job, fast, offer(cpu="0.05")) == (
        "(0.5 core x 0.05 CNY/core-hour) x 0.25 h (4 times the slowest variant), estimate"
    )
    assert expected_rent(job, fast, offer(cpu="0.05")) == Decimal("0.00625")


def test_an_estimate_at_an_absurd_price_stays_an_amount() -> None:
    assert expected_rent(spec(memory=2**53), variant(), offer(memory="1000000")) == Decimal(10) ** 15


@given(st.decimals(-(10**9), 10**9, places=6))
def test_a_plain_number_reads_back_as_itself(number: Decimal) -> None:
    assert Decimal(plain(number)) == number
    assert "E" not in plain(number)
