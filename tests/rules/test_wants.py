"""Whose platforms, on which terms, how near, east or west: what a job says, and what the policy says for its class."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from suanlian.data.orderly import orderly
from suanlian.model.demand import JobClass, Near, Owners, West
from suanlian.model.job import JobSpec, Wants
from suanlian.model.market import Market
from suanlian.model.offer import Tier
from suanlian.model.orderly import Assistance, ClassRule, Order, Orderly
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Grade
from suanlian.model.placement import Filter
from suanlian.model.platform import Latency, Site
from suanlian.model.quantity import ResourceKind
from suanlian.model.throughput import Basis
from suanlian.rules.normalising import Known, Ruler
from suanlian.rules.orderly import in_use, order_now
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, offer, place, resources, spec, variant

SHANGHAI = "310000"
CLASSES = orderly().classes


def site(ms: str | None, *, west: bool = False, region: str = "340200") -> Site:
    known = () if ms is None else (Latency(region=SHANGHAI, one_way_ms=Decimal(ms), grade=Grade.CLAIMED),)
    return Site(name="site", region=region, west=west, latencies=known)


def missed(where: Any, job_class: JobClass | None = None, order: Order | None = None, **wants: Any) -> set[Filter]:  # noqa: ANN401 - a place or a site, fields of wants
    there = place(site=where) if isinstance(where, Site) else where
    job = spec(wants=Wants(**wants)).model_copy(update={"job_class": job_class})
    asked = replace(demand(job), order=Order(CLASSES) if order is None else order)
    (candidate,) = explain(asked, [there], now=NOW).candidates
    return {miss.filter for miss in candidate.failed}


owners = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple)


@given(st.sampled_from("abcd"), owners, owners)
def test_only_these_owners_never_those(entity: str, only: tuple[str, ...], never: tuple[str, ...]) -> None:
    if set(only) & set(never):
        with pytest.raises(ValidationError, match="stands in only and in never"):
            Owners(only=only, never=never)
        return
    found = missed(place(entity=entity), owners=Owners(only=only, never=never))
    assert (Filter.OWNERS in found) == ((bool(only) and entity not in only) or entity in never)


@given(st.sampled_from(Tier), st.lists(st.sampled_from(Tier), min_size=1, unique=True).map(tuple))
def test_what_is_sold_on_other_terms_is_only_for_who_allows_them(tier: Tier, tiers: tuple[Tier, ...]) -> None:
    sold = place(offer=offer(cpu="0.01").model_copy(update={"tier": tier}))
    assert (Filter.TIER in missed(sold, tiers=tiers)) == (tier not in tiers)
    assert (Filter.TIER in missed(sold)) == (tier is not Tier.ON_DEMAND)
    own = replace(sold, level=JoinLevel.RUN, entity="buyer")
    assert Filter.TIER not in missed(own)


@given(st.sampled_from([None, *Near]), st.none() | st.integers(0, 30), st.none() | st.integers(0, 30))
def test_near_is_a_latency_and_the_shorter_of_both_holds(near: Near | None, most: int | None, has: int | None) -> None:
    limit = min(
        (x for x in (most, None if near is None else {"city": 1, "region": 5, "hub": 20}[near]) if x is not None),
        default=None,
    )
    asked = None if most is None else Decimal(most)
    found = missed(site(None if has is None else str(has)), user_region=SHANGHAI, near=near, max_latency_ms=asked)
    assert (Filter.LATENCY in found) == (limit is not None and (has is None or has > limit))


def test_near_to_whom_has_to_be_said() -> None:
    with pytest.raises(ValidationError, match="near needs user_region"):
        Wants(near=Near.CITY)


classes = st.sampled_from([None, *JobClass])


@given(classes, st.sampled_from(West), st.booleans(), st.booleans())
def test_the_own_word_of_a_job_goes_before_where_the_policy_allows_that(
    job_class: JobClass | None,
    word: West,
    west: bool,  # noqa: FBT001
    own_word: bool,  # noqa: FBT001
) -> None:
    stays = job_class is JobClass.INFERENCE
    order = Order(tuple(replace(rule, own_word=own_word) for rule in CLASSES))
    found = missed(site(None, west=west), job_class, order, west=word)
    refused = word is West.NO or (stays and not (word is West.YES and own_word))
    assert (Filter.WEST in found) == (west and refused)


@given(classes, st.none() | st.integers(0, 30), st.none() | st.integers(0, 30))
def test_a_class_that_stays_is_within_its_milliseconds_unless_the_job_gives_others(
    job_class: JobClass | None, has: int | None, own: int | None
) -> None:
    asked = None if own is None else Decimal(own)
    found = missed(site(None if has is None else str(has)), job_class, user_region=SHANGHAI, max_latency_ms=asked)
    kept = job_class is JobClass.INFERENCE and own is None and has is not None and has > 5
    assert (Filter.WEST in found) == kept


@given(st.integers(0, 4000), st.integers(0, 4000))
def test_two_clusters_help_each_other_from_a_use_on(east: int, west: int) -> None:
    near, far = site("2", region="310118"), site("30", region="640500", west=True)
    there = [place("east", site=near, free=resources(east)), place("west", site=far, free=resources(west))]
    policy = Orderly(CLASSES, (Assistance(("310118", "64"), Decimal("0.75")),))
    order = order_now(policy, there)
    assert (("310118", "64") in order.helps) == (east <= 1000)
    assert (("64", "310118") in order.helps) == (west <= 1000)
    found = missed(far, JobClass.INFERENCE, order, user_region="310118")
    assert (Filter.WEST in found) == (east > 1000)


def test_what_is_in_use_is_the_scarcer_of_cores_and_cards_and_nothing_of_no_place() -> None:
    assert in_use([]) == 0
    assert in_use([place(free=resources(4000))]) == 0
    both = place().share.model_copy(update={"capacity": resources(4000, accelerator=8)})
    assert in_use([place(share=both, free=resources(4000, accelerator=2))]) == Decimal("0.75")
    # a share that shrank has less than nothing free, and takes nothing from the others
    shrunk = place(free=resources(4000).minus(resources(5000)))
    assert in_use([shrunk, place()]) == Decimal("0.5")


def test_every_class_stands_once_in_the_policy_that_ships() -> None:
    assert sorted(rule.job_class for rule in CLASSES) == sorted(JobClass)
    assert Order(CLASSES).rule(None) is None
    assert ClassRule(JobClass.INFERENCE, west=False, within_ms=Decimal(5)) in CLASSES


@given(st.decimals(0, "0.05", places=3))
def test_a_job_may_be_sent_on_less_of_a_detour_than_the_market_would(own: Decimal) -> None:
    cheap, dear = place("cheap", offer=offer(cpu="0.100")), place("dear", offer=offer(cpu="0.104"))
    market = Market({cheap.share_id: {ResourceKind.CPU: Decimal(100)}})
    found = explain(demand(spec(wants=Wants(detour=own))), [cheap, dear], now=NOW, market=market)
    assert found.won is not None
    assert found.won.platform == ("dear" if own >= Decimal("0.04") else "cheap")


@given(st.integers(1, 7200))
def test_an_estimate_is_what_places_are_compared_by_and_the_wall_time_is_its_bound(seconds: int) -> None:
    fields = spec().model_dump(mode="json") | {"wall_time_s": 3600, "estimate_s": seconds}
    if seconds > 3600:
        with pytest.raises(ValidationError, match="estimate_s is at most wall_time_s"):
            JobSpec.model_validate(fields)
        return
    job = JobSpec.model_validate(fields)
    (candidate,) = explain(demand(job), [place(rate="36")], now=NOW).candidates
    assert candidate.billed == Decimal(seconds) * Decimal("0.005")


def test_an_estimate_is_for_the_slowest_variant_as_the_wall_time_is() -> None:
    job = spec(variant(throughput="4")).model_copy(update={"estimate_s": 1200, "job_class": JobClass.CPU})
    (way,), there = job.variants, place()
    found = Ruler(demand(job), [there], Known(), NOW).expected(there, way)
    assert found is not None
    assert (found.seconds, found.basis) == (Decimal(1200), Basis.THROUGHPUT)
    plain = spec().model_copy(update={"estimate_s": 1200, "job_class": JobClass.CPU})
    found = Ruler(demand(plain), [there], Known(), NOW).expected(there, plain.variants[0])
    assert found is not None
    assert (found.seconds, found.basis) == (Decimal(1200), Basis.ESTIMATE)
