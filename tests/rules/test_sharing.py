"""Shares beside their owners' own work: what the market gets, what notice a job needs, who is no place at all."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.demand import Checkpoint
from suanlian.model.load import ShareLoad, ToldLoad, for_the_market
from suanlian.model.placement import Filter
from suanlian.model.platform import USUAL_NOTICE_S, Share, ShareMode
from suanlian.model.quantity import Resources
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, place, resources, spec

MODES = st.sampled_from(ShareMode)
CORES = st.integers(0, 12)


def share(mode: ShareMode, **changes: Any) -> Share:  # noqa: ANN401 - fields of a share
    said = {"name": "cpu", "site": "site", "flavor": "small", "capacity": resources(4000, 8192), "isolated": True}
    return Share.model_validate({**said, "mode": mode, **changes})


def told(others: int | None, in_use: int = 0, ours: int = 0, *, age_s: int = 0, fault: str = "") -> ToldLoad:
    at = NOW - timedelta(seconds=age_s)
    load = ShareLoad(
        share="cpu",
        in_use=resources(in_use * 1000),
        ours=resources(ours * 1000),
        others=None if others is None else resources(others * 1000),
        observed_at=at,
    )
    return ToldLoad(load, fault, load.ttl_s, at)


@given(MODES, CORES)
def test_the_market_gets_what_the_owner_leaves_and_all_of_an_exclusive_one(mode: ShareMode, others: int) -> None:
    left = for_the_market(share(mode), told(others), NOW).cpu
    assert left == (4000 if mode is ShareMode.EXCLUSIVE else max(0, 4000 - others * 1000))


@given(CORES, CORES)
def test_of_a_connector_that_tells_no_others_it_is_what_is_in_use_without_ours(in_use: int, ours: int) -> None:
    left = for_the_market(share(ShareMode.LEFTOVER), told(None, in_use, ours), NOW).cpu
    assert left == max(0, 4000 - max(0, in_use - ours) * 1000)


@pytest.mark.parametrize("load", [None, ToldLoad(None, "broken", 90, NOW), told(0, age_s=91)])
def test_what_is_not_known_is_not_given_away(load: ToldLoad | None) -> None:
    assert for_the_market(share(ShareMode.CAPPED), load, NOW) == Resources()
    assert for_the_market(share(ShareMode.EXCLUSIVE), load, NOW).cpu == 4000


def test_a_fault_leaves_what_was_told_before_until_it_is_old() -> None:
    assert for_the_market(share(ShareMode.LEFTOVER), told(1, age_s=60, fault="broken"), NOW).cpu == 3000


def test_a_leftover_share_has_a_notice_though_none_is_said() -> None:
    assert share(ShareMode.LEFTOVER).notice_s == USUAL_NOTICE_S
    assert share(ShareMode.LEFTOVER, notice_s=0).notice_s == 0
    assert share(ShareMode.CAPPED).notice_s == 0
    again = Share.model_validate_json(share(ShareMode.LEFTOVER, notice_s=7).model_dump_json())
    assert again.notice_s == 7


@given(MODES, st.integers(1, 100), st.integers(0, 100))
def test_a_checkpoint_has_to_fit_into_the_notice(mode: ShareMode, grace_s: int, notice_s: int) -> None:
    job = spec().model_copy(update={"checkpoint": Checkpoint(path="c", grace_s=grace_s)})
    (candidate,) = explain(demand(job), [place(share=share(mode, notice_s=notice_s))], now=NOW).candidates
    misses = [miss for miss in candidate.failed if miss.filter is Filter.NOTICE]
    assert bool(misses) is (mode is ShareMode.LEFTOVER and grace_s > notice_s)


def test_who_lent_it_is_no_place_for_it() -> None:
    asked = replace(demand(), lender="wuhu")
    both = explain(asked, [place("wuhu", "0.01"), place("suzhou", "9.00")], now=NOW)
    assert both.won is not None
    assert both.won.platform == "suzhou"
    alone = explain(asked, [place("wuhu")], now=NOW)
    assert [miss.filter for miss in alone.candidates[0].failed] == [Filter.NOT_AT_HOME]
