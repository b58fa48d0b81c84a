"""Where may data lie? Nothing counts but what is both claimed and checked, and no prefix of a region leaks outside."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from suanlian.model.job import Wants
from suanlian.model.levels import Footing, HubRules, LevelRules, SiteCheck
from suanlian.model.place import Demand
from suanlian.model.placement import Filter
from suanlian.model.platform import Site
from suanlian.rules.levels import (
    footing,
    hub_is_outside,
    hub_is_too_low,
    is_bound,
    lies_within,
    narrowed,
    today,
    unfit_at,
)
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, place, spec

grades = st.integers(0, 4)
regions = st.sampled_from(["310000", "310115", "320500", "320508", "340200", "341000", "520100"])
prefixes = st.sampled_from(["31", "310000", "3100", "3101", "310115", "32", "3205", "320500", "34", "3410", "341000"])
days = st.integers(-3, 3).map(lambda n: today(NOW) + timedelta(days=n))
sites = st.builds(Site, name=st.just("s"), region=regions, protection_grade=grades)
wanted = st.builds(
    Wants, data_level=st.integers(1, 4), residency=st.lists(prefixes, max_size=3).map(tuple), protection_min=grades
)


@st.composite
def levels(draw: st.DrawFn) -> LevelRules:
    needed = sorted(draw(st.lists(grades, min_size=4, max_size=4)))
    given = {level: needed[level - 1] for level in draw(st.sets(st.integers(1, 4)))}
    try:
        return LevelRules(grades=given)
    except ValidationError:
        return LevelRules(grades=dict(enumerate(needed, start=1)))


@st.composite
def checks(draw: st.DrawFn) -> SiteCheck:
    said = {"platform": "p", "site": "s", "number": "1", "why": "seen", "checked_by": "op", "checked_at": NOW}
    found = {"grade": draw(grades), "region": draw(regions), "valid_until": draw(days)}
    return SiteCheck.model_validate({**said, **found})


def inside(region: str, allowed: tuple[str, ...]) -> bool:
    """Another way to say it: by whole pairs of digits, where a pair 00 at the end means all."""

    def pairs(code: str) -> list[str]:
        found = [code[n : n + 2] for n in range(0, len(code), 2)]
        while len(found) > 1 and found[-1] == "00":
            found.pop()
        return found

    return not allowed or any(pairs(region + "")[: len(pairs(code))] == pairs(code) for code in allowed)


@given(sites, st.none() | checks())
def test_a_claim_counts_only_as_far_as_a_check_that_holds(site: Site, check: SiteCheck | None) -> None:
    found = footing(site, check, NOW)
    assert found.grade <= site.protection_grade
    if check is None or check.valid_until < today(NOW):
        assert found == Footing()
        return
    assert found.grade <= check.grade
    assert found.grade in (site.protection_grade, check.grade)
    assert found.region == (site.region if site.region == check.region else None)


@given(sites, st.none() | checks(), wanted, levels())
def test_what_fits_is_checked_high_enough_and_lies_within(
    site: Site, check: SiteCheck | None, wants: Wants, rules: LevelRules
) -> None:
    unfit = unfit_at(footing(site, check, NOW), wants, rules)
    if unfit:
        assert is_bound(wants, rules)
        return
    if wants.residency:
        assert check is not None
        assert check.region == site.region
        assert inside(site.region, wants.residency)
    if max(wants.protection_min, rules.needed(wants.data_level)):
        assert check is not None
        assert check.valid_until >= today(NOW)
        needed = max(wants.protection_min, rules.needed(wants.data_level))
        assert min(site.protection_grade, check.grade) >= needed


@given(regions, st.lists(prefixes, max_size=3))
def test_a_region_lies_within_by_whole_pairs_of_digits(region: str, allowed: list[str]) -> None:
    assert lies_within(region, allowed) == inside(region, tuple(allowed))
    assert lies_within(None, allowed) == (not allowed)


footings = st.builds(Footing, region=st.none() | regions, grade=grades, valid_until=st.none() | days)


@given(st.none() | footings, sites, wanted, levels())
def test_whatever_a_hub_says_it_relied_on_a_connector_goes_by_its_own_site(
    said: Footing | None, site: Site, wants: Wants, rules: LevelRules
) -> None:
    found = narrowed(said, site, NOW)
    assert found.grade <= site.protection_grade
    assert found.region in (None, site.region)
    if not unfit_at(found, wants, rules):
        assert site.protection_grade >= max(wants.protection_min, rules.needed(wants.data_level))
        assert inside(site.region, wants.residency)


@given(st.lists(st.tuples(sites, st.none() | checks()), max_size=5), wanted, levels())
def test_no_place_wins_where_the_data_may_not_lie_and_every_miss_is_explained(
    found: list[tuple[Site, SiteCheck | None]], wants: Wants, rules: LevelRules
) -> None:
    places = [place(f"p{n}", site=site, check=check) for n, (site, check) in enumerate(found)]
    demand = Demand(spec(wants=wants), "buyer", levels=rules)
    explanation = explain(demand, places, now=NOW)
    for candidate, (site, check) in zip(explanation.candidates, found, strict=True):
        failed = {miss.filter for miss in candidate.failed}
        assert failed <= {Filter.DATA_LEVEL, Filter.PROTECTION, Filter.RESIDENCY}
        assert bool(failed) == bool(unfit_at(footing(site, check, NOW), wants, rules))
    assert (explanation.won is None) == all(candidate.failed for candidate in explanation.candidates)


def test_a_certificate_holds_through_its_last_day_in_china() -> None:
    last = datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC)
    assert today(last) == date(2026, 6, 30)
    assert today(last + timedelta(seconds=1)) == date(2026, 7, 1)


@pytest.mark.parametrize(
    ("wants", "outside", "needed"),
    [
        ({}, False, 0),
        ({"residency": ["31"]}, False, 0),
        ({"residency": ["310115"]}, True, 0),
        ({"residency": ["32", "31"]}, False, 0),
        ({"residency": ["32"]}, True, 0),
        ({"data_level": 2}, False, 0),
        ({"data_level": 3}, False, 3),
        ({"protection_min": 4}, False, 4),
    ],
)
def test_the_hub_is_a_place_where_data_lies_too(wants: dict[str, object], *, outside: bool, needed: int) -> None:
    hub, asked = HubRules(region="310000", grade=2), Wants.model_validate(wants)
    assert (hub_is_outside(asked, hub), hub_is_too_low(asked, hub)) == (outside, needed)
    if asked.residency:
        assert hub_is_outside(asked, HubRules())


def test_a_policy_may_ask_less_or_more_but_never_less_of_a_higher_level() -> None:
    assert [LevelRules().needed(level) for level in (1, 2, 3, 4)] == [0, 2, 3, 4]
    assert [LevelRules(grades={1: 1, 2: 1}).needed(level) for level in (1, 2, 3)] == [1, 1, 3]
    with pytest.raises(ValidationError, match="needs no lower grade"):
        LevelRules(grades={4: 2})


@pytest.mark.parametrize("bad", [{"data_level": 5}, {"data_level": 0}, {"residency": ["3"]}, {"residency": ["CN-SH"]}])
def test_levels_and_regions_that_cannot_be_meant_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Wants.model_validate(bad)
