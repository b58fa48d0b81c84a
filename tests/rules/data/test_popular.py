"""Popular copies: no budget is passed, no last copy goes, and more of a budget never saves less."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.rules.data.popular import Bring, Budget, Copies, Proposals, Reading, Sight, expected, propose

SITES = ("east", "north", "south", "west")
NAMES = tuple(f"d{number}" for number in range(6))
SIGHT = Sight(half_life_s=3600.0, ahead_s=3600.0, hour_cny=Decimal(2))
KEEP = dict.fromkeys(SITES, Decimal("0.1"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Reading], list[Copies], list[Bring]]:
    versions = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        where = draw(st.lists(st.sampled_from(SITES), min_size=1, unique=True))
        cut = draw(st.integers(0, len(where)))
        coming = set(draw(st.lists(st.sampled_from(SITES), unique=True))) - set(where)
        versions.append(
            Copies(
                name,
                draw(st.integers(0, 40)) * 10**9,
                frozenset(where[:cut]),
                frozenset(where[cut:]),
                frozenset(coming),
                draw(st.integers(0, 3)),
            )
        )
    brings = [
        Bring(v.dataset, site, min((v.fixed | v.loose) - {site}, default=""), Decimal(draw(st.integers(0, 9))), hours)
        for v in versions
        for site in SITES
        for hours in [Decimal(draw(st.integers(0, 30))) / 10]
    ]
    reading = st.builds(Reading, st.sampled_from(NAMES), st.sampled_from(SITES), st.floats(0, 20_000))
    return draw(st.lists(reading, max_size=60)), versions, brings


AMOUNT = st.integers(0, 60).map(Decimal)
BYTES = st.fixed_dictionaries({site: st.integers(0, 90).map(lambda gb: gb * 10**9) for site in SITES})


def used(found: Proposals, site: str) -> int:
    return sum(one.size for one in (*found.bring, *found.stay) if one.site == site)


@settings(max_examples=120, deadline=None)
@given(worlds(), AMOUNT, BYTES)
def test_no_budget_is_passed_and_no_copy_goes_that_is_needed(
    world: tuple[list[Reading], list[Copies], list[Bring]], cny: Decimal, room: dict[str, int]
) -> None:
    readings, versions, brings = world
    found = propose(readings, versions, brings, Budget(cny, room, KEEP), SIGHT)
    assert found == propose(readings[::-1], versions[::-1], brings[::-1], Budget(cny, room, KEEP), SIGHT)
    assert found.cost <= cny
    assert all(used(found, site) <= room[site] for site in SITES)
    assert all(one.net > 0 for one in (*found.bring, *found.stay))
    for version in versions:
        gone = {one.site for one in found.go if one.dataset == version.dataset}
        new = {one.site for one in found.bring if one.dataset == version.dataset}
        stay = {one.site for one in (*found.stay, *found.held) if one.dataset == version.dataset}
        assert gone <= version.loose
        assert gone | stay == version.loose
        assert not gone & stay
        assert not new & (version.fixed | version.loose | version.coming)
        left = (version.fixed | version.loose) - gone
        assert len(left) >= min(max(version.least, 1), len(version.fixed | version.loose))
        sources = {one.source for one in brings if one.dataset == version.dataset and one.site in new}
        assert not gone & sources


@settings(max_examples=120, deadline=None)
@given(worlds(), AMOUNT, BYTES, AMOUNT, BYTES)
def test_a_larger_budget_never_saves_less(
    world: tuple[list[Reading], list[Copies], list[Bring]],
    cny: Decimal,
    room: dict[str, int],
    more_cny: Decimal,
    more_room: dict[str, int],
) -> None:
    less = propose(*world, Budget(cny, room, KEEP), SIGHT)
    wider = {site: room[site] + more_room[site] for site in SITES}
    more = propose(*world, Budget(cny + more_cny, wider, KEEP), SIGHT)
    assert more.saved >= less.saved * (1 - Decimal("1e-7"))


def test_a_dataset_that_is_read_far_from_it_is_copied_there_and_one_that_nobody_reads_goes() -> None:
    far = Bring("hot", "west", "east", Decimal(5), Decimal(1))
    cold = Copies("cold", 10**9, frozenset({"east"}), frozenset({"west"}))
    hot = Copies("hot", 10**10, frozenset({"east"}))
    readings = [Reading("hot", "west", 60.0 * n) for n in range(10)]
    room = Budget(Decimal(100), {"west": 10**10}, KEEP)
    found = propose(readings, [hot, cold], [far], room, SIGHT)
    assert [(one.dataset, one.site) for one in found.bring] == [("hot", "west")]
    assert [(one.dataset, one.site) for one in found.go] == [("cold", "west")]
    assert found.saved > 0
    assert not propose(readings, [replace(hot, coming=frozenset({"west"}))], [far], room, SIGHT).bring
    assert not propose(readings, [hot], [far], replace(room, cny=Decimal(4)), SIGHT).bring
    assert not propose(readings, [hot], [far], replace(room, bytes={"west": 10**10 - 1}), SIGHT).bring


def test_the_set_that_saves_most_is_taken_and_not_the_densest_first() -> None:
    # one of 6 GB is denser than each of two of 5 GB that fill the room together
    versions = [Copies(name, size * 10**9, frozenset({"east"})) for name, size in (("a", 6), ("b", 5), ("c", 5))]
    brings = [
        Bring(v.dataset, "west", "east", Decimal(cny), Decimal(0))
        for v, cny in zip(versions, (70, 50, 50), strict=True)
    ]
    readings = [Reading(v.dataset, "west", 0.0) for v in versions for _ in range(4)]
    found = propose(readings, versions, brings, Budget(Decimal(1000), {"west": 10 * 10**9}), SIGHT)
    assert {one.dataset for one in found.bring} == {"b", "c"}


def test_readings_count_half_after_a_half_life_and_a_steady_rate_is_expected_to_stay() -> None:
    steady = [Reading("d", "west", 60.0 * n) for n in range(20_000)]
    assert expected(steady, SIGHT)["d", "west"] == pytest.approx(60, rel=0.02)
    once, half = (expected([Reading("d", "west", age)], SIGHT)["d", "west"] for age in (0.0, 3600.0))
    assert half == pytest.approx(once / 2)
