"""Who moves bytes between two storages, and the simplest way of a transfer."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import StorageKind
from suanlian.model.levels import USUAL_LEVELS, SiteCheck
from suanlian.model.transfer_plan import NoWay, Planned, Source, StoragePlace, WaitingTransfer
from suanlian.rules.data.reach import MAX_PUSHED_BYTES, Reach, reach_between, unfit
from suanlian.rules.data.ways import plan_simply
from tests.rules.data.places import place

S3, POSIX, HTTP = StorageKind.S3, StorageKind.POSIX, StorageKind.HTTP
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        (S3, S3, Reach.PULL),
        (S3, POSIX, Reach.PULL),
        (HTTP, S3, Reach.PULL),
        (HTTP, POSIX, Reach.PULL),
        (POSIX, S3, Reach.PUSH),
        (POSIX, POSIX, Reach.NONE),
        (S3, HTTP, Reach.NONE),
    ],
)
def test_who_moves(source: StorageKind, target: StorageKind, way: Reach) -> None:
    assert reach_between(place("a", kind=source), place("b", kind=target), 1) is way


def test_folders_of_one_file_system_or_one_connector_are_pulled() -> None:
    one, other = place("a", kind=POSIX, filesystem="nfs1"), place("b", kind=POSIX, filesystem="nfs1")
    assert reach_between(one, other, 1) is Reach.PULL
    assert reach_between(one, place("b", kind=POSIX, connector_id="c-a"), 1) is Reach.PULL
    assert reach_between(one, place("b", kind=POSIX, filesystem="nfs2"), 1) is Reach.NONE


def test_what_is_only_read_is_no_target_and_what_is_too_large_is_not_pushed() -> None:
    assert reach_between(place("a"), place("b", read_only=True), 1) is Reach.NONE
    assert reach_between(place("a", kind=POSIX), place("b"), MAX_PUSHED_BYTES) is Reach.PUSH
    assert reach_between(place("a", kind=POSIX), place("b"), MAX_PUSHED_BYTES + 1) is Reach.NONE


def waiting(target: StoragePlace, *sources: StoragePlace, relays: tuple[StoragePlace, ...] = ()) -> WaitingTransfer:
    return WaitingTransfer(
        id="t",
        version_id="v",
        bytes=10**9,
        largest=10**9,
        files=1,
        priority=0,
        deadline=None,
        created_at=NOW,
        target=target,
        sources=tuple(Source(f"r-{source.platform}", source) for source in sources),
        relays=relays,
    )


def test_it_comes_from_where_it_costs_least() -> None:
    dear, cheap = place("a", egress_cny_per_gb="0.5"), place("b", egress_cny_per_gb="0.2")
    (found,) = plan_simply([waiting(place("z"), dear, cheap)], NOW)
    assert isinstance(found, Planned)
    assert (found.source_replica_id, str(found.cost_cny)) == ("r-b", "0.200000")


def test_what_is_not_heard_of_is_waited_for_and_what_has_no_way_is_told() -> None:
    (silent,) = plan_simply([waiting(place("z"), place("a", reachable=False))], NOW)
    assert isinstance(silent, NoWay)
    assert (silent.code, silent.over) == ("unreachable", False)
    (none,) = plan_simply([waiting(place("z", kind=POSIX), place("a", kind=POSIX))], NOW)
    assert isinstance(none, NoWay)
    assert (none.code, none.over) == ("no_way", True)
    (gone,) = plan_simply([waiting(place("z"))], NOW)
    assert isinstance(gone, NoWay)
    assert (gone.code, gone.over) == ("source_gone", True)


def test_between_two_folders_it_goes_over_s3_that_has_room() -> None:
    full, free = place("m", capacity=1), place("n")
    target, source = place("z", kind=POSIX), place("a", kind=POSIX)
    (found,) = plan_simply([waiting(target, source, relays=(full, free))], NOW)
    assert isinstance(found, Planned)
    assert (found.via, found.push) == (free.id, True)


KINDS = st.sampled_from([S3, POSIX, HTTP])


@given(kinds=st.lists(KINDS, max_size=4), target=KINDS, relays=st.lists(KINDS, max_size=2), heard=st.booleans())
def test_a_way_is_always_one_that_can_be_gone(
    kinds: list[StorageKind], target: StorageKind, relays: list[StorageKind], *, heard: bool
) -> None:
    sources = [place(f"s{number}", kind=kind, reachable=heard) for number, kind in enumerate(kinds)]
    between = tuple(place(f"m{number}", kind=kind) for number, kind in enumerate(relays))
    asked = waiting(place("z", kind=target), *sources, relays=between)
    (found,) = plan_simply([asked], NOW)
    assert (found,) == tuple(plan_simply([asked], NOW))
    if isinstance(found, Planned):
        start = next(one.place for one in asked.sources if one.replica_id == found.source_replica_id)
        end = next((one for one in between if one.id == found.via), asked.target)
        assert start.reachable
        assert reach_between(start, end, asked.largest) is (Reach.PUSH if found.push else Reach.PULL)
        assert not found.via or reach_between(end, asked.target, asked.largest) is not Reach.NONE


def test_where_data_may_lie_is_asked_of_what_was_checked() -> None:
    check = SiteCheck(
        platform="a",
        site="main",
        grade=2,
        region="340200",
        number="1",
        valid_until=NOW.date(),
        why="seen",
        checked_by="o",
        checked_at=NOW,
    )
    bare = place("a")
    assert unfit(bare, 1, (), USUAL_LEVELS, NOW) == ""
    assert "grade 2" in unfit(bare, 2, (), USUAL_LEVELS, NOW)
    site = bare.site.model_copy(update={"protection_grade": 3}) if bare.site else None
    fit = replace(bare, site=site, check=check)
    for level, residency in product((1, 2), ((), ("34",))):
        assert unfit(fit, level, residency, USUAL_LEVELS, NOW) == ""
    assert "stays within 31" in unfit(fit, 1, ("31",), USUAL_LEVELS, NOW)
    assert "published no more" in unfit(replace(bare, site=None), 2, (), USUAL_LEVELS, NOW)
