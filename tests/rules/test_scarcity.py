from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import ShareId
from suanlian.model.market import PRICE_STEP, Market
from suanlian.model.placement import BILLED, Explanation, FailedFilter, Filter, MarketView, Term
from suanlian.model.quantity import ResourceKind
from suanlian.rules.placement import explain, shortened
from tests.rules.worlds import NOW, demand, offer, place

NEAR, FAR = place("near", offer=offer(cpu="0.10")), place("far", offer=offer(cpu="0.104"))
DEAR = place("dear", offer=offer(cpu="0.2"))


def scarce(price: str, detour: str = "0.05") -> Market:
    view = MarketView(tick="t1", at=NOW, prices_hash="h", policy=3)
    return Market({NEAR.share_id: {ResourceKind.CPU: Decimal(price)}}, Decimal(detour), view)


def winner(explanation: Explanation) -> str:
    assert explanation.won is not None
    return explanation.won.platform


def test_what_is_scarce_is_left_to_others_while_the_bill_hardly_grows() -> None:
    assert winner(explain(demand(), [NEAR, FAR, DEAR], now=NOW)) == "near"
    explanation = explain(demand(), [NEAR, FAR, DEAR], now=NOW, market=scarce("0.02"))
    assert winner(explanation) == "far"
    terms = {term.term: term for term in explanation.candidates[0].terms}
    assert terms[Term.SCARCITY].amount == Decimal("0.01")
    assert terms[Term.SCARCITY].how == "(0.5 core x 0.02 CNY/core-hour) x 1 h, a weight, not billed"
    assert explanation.market == scarce("0.02").view


def test_nobody_is_sent_where_the_bill_is_above_the_detour() -> None:
    assert winner(explain(demand(), [NEAR, DEAR], now=NOW, market=scarce("100"))) == "near"
    assert winner(explain(demand(), [NEAR, FAR], now=NOW, market=scarce("100", detour="0.03"))) == "near"
    assert winner(explain(demand(), [NEAR, DEAR], now=NOW, market=scarce("100", detour="1"))) == "dear"


def test_a_scarce_place_is_better_than_none() -> None:
    assert winner(explain(demand(), [NEAR], now=NOW, market=scarce("1000000"))) == "near"


@given(st.decimals(0, 1000, places=6), st.decimals(0, 1, places=3))
def test_prices_only_rank_and_the_bill_is_never_far_from_the_least(price: Decimal, detour: Decimal) -> None:
    places = [NEAR, FAR, DEAR]
    market = Market({NEAR.share_id: {ResourceKind.CPU: price}, ShareId("gone"): {ResourceKind.CPU: price}}, detour)
    found, free = explain(demand(), places, now=NOW, market=market), explain(demand(), places, now=NOW)
    assert [c.failed for c in found.candidates] == [c.failed for c in free.candidates]
    bills = [c.billed for c in found.candidates if c.billed is not None]
    assert found.won is not None
    assert found.won.billed is not None
    assert found.won.billed <= min(bills) * (1 + detour)
    assert bills == [c.cost for c in free.candidates]
    assert (price % PRICE_STEP) == 0


def test_only_rent_and_data_are_billed() -> None:
    assert {Term.RENT, Term.DATA} == BILLED


def test_how_many_places_missed_by_what_is_told_and_kept() -> None:
    closed = [place(f"p{n}", platform_live=False) for n in range(30)]
    explanation = explain(demand(), [*closed, place(offer=None)], now=NOW)
    assert explanation.missed == {Filter.PLATFORM_LIVE: 30, Filter.PRICED: 1}
    assert shortened(explanation).missed == explanation.missed
    assert shortened(explanation).left_out == 7


@pytest.mark.parametrize("known", [False, True])
def test_what_a_newer_hub_says_is_read_as_far_as_it_is_known(known: bool) -> None:  # noqa: FBT001
    text = FailedFilter(filter=Filter.ROOM, wanted="a", had="b").model_dump_json()
    newer = text if known else text.replace('"room"', '"quantum-annealed"').replace("{", '{"more": 1, ', 1)
    assert FailedFilter.model_validate_json(newer).filter is (Filter.ROOM if known else Filter.UNKNOWN)
