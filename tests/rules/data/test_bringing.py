from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import DataUse, StorageKind, StorageShare
from suanlian.model.levels import LevelRules
from suanlian.model.place import Place
from suanlian.model.placement import Filter, Term
from suanlian.model.platform import Site
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.bringing import (
    ASSUMED_MBPS,
    GB,
    Brought,
    CopyAt,
    Network,
    Wanted,
    Way,
    bring,
    local_to,
    moving_for,
    moving_of,
)
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, place, spec

NAMES = ("wuhu", "suzhou", "jiashan", "west")
USE = DataUse(dataset="reads@1", path="in")


def storage(name: str, *, egress: str = "0.5", reachable: bool = True, booked: int = 0, **more: object) -> StoragePlace:
    said = {"name": "lake", "site": "site", "kind": StorageKind.POSIX, "egress_cny_per_gb": egress, "filesystem": "one"}
    share = StorageShare.model_validate(said | more)
    return StoragePlace(
        id=f"id-{name}",
        platform=name,
        platform_id=name,
        entity=name,
        connector_id=f"c-{name}",
        share=share,
        site=Site(name="site", region="340200"),
        check=None,
        live=True,
        reachable=reachable,
        withdrawn=False,
        sealing_key="key",
        booked=booked,
    )


def network(*storages: StoragePlace, ways: Callable[[str, str], Way] = lambda _a, _b: Way()) -> Network:
    return Network({one.ref: one for one in storages}, ways, LevelRules(), NOW)


def wanted(*copies: CopyAt, size: int = 10**9, **more: object) -> Wanted:
    return replace(Wanted(USE, "v1", size, copies), **more)  # type: ignore[arg-type]


def whole(name: str) -> CopyAt:
    return CopyAt(f"{name}/lake", whole=True)


def beside(name: str, rate: str = "0.05", **more: object) -> Place:
    """A place of the connector that has the platform's storage."""
    return place(name, rate, **{"connector_id": f"c-{name}", **more})


def moved(one: Wanted, name: str, there: Network) -> object:
    return moving_of([one], beside(name), there)


def test_what_is_there_costs_nothing_and_what_is_not_costs_egress_and_link() -> None:
    there = network(*map(storage, NAMES), ways=lambda _a, _b: Way(Decimal(1000), Decimal("0.1")))
    assert moved(wanted(whole("wuhu")), "wuhu", there) is None
    found = moving_of([wanted(whole("wuhu"))], beside("suzhou"), there)
    assert found is not None
    assert (found.gb, found.cny_per_gb, found.sources) == (Decimal(1), Decimal("0.6"), "wuhu/lake")
    assert found.hours == pytest.approx(Decimal(8) / 3600, abs=Decimal("1e-6"))


def test_the_cheapest_copy_is_brought_and_the_fastest_of_equal_ones() -> None:
    fast = {"suzhou/site": Way(Decimal(500)), "wuhu/site": Way(Decimal(5000))}
    stores = (storage("wuhu"), storage("suzhou"), storage("jiashan", egress="0.1"), storage("west"))
    there = network(*stores, ways=lambda start, _end: fast.get(start, Way(Decimal(1))))
    found = bring(wanted(*map(whole, ("suzhou", "wuhu"))), [stores[3]], there)
    assert isinstance(found, Brought)
    assert found.source == "wuhu/lake"
    found = bring(wanted(*map(whole, ("suzhou", "wuhu", "jiashan"))), [stores[3]], there)
    assert isinstance(found, Brought)
    assert found.source == "jiashan/lake"


def test_what_is_under_way_counts_with_what_is_left_of_it() -> None:
    there = network(storage("wuhu"), storage("suzhou"))
    found = moving_of([wanted(whole("wuhu"), CopyAt("suzhou/lake", whole=False, left=10**8))], beside("suzhou"), there)
    assert found is not None
    assert (found.gb, found.there_gb) == (Decimal("0.1"), Decimal("0.9"))


@pytest.mark.parametrize(
    ("one", "store", "said"),
    [
        (wanted(), storage("suzhou"), "no whole copy is reachable now"),
        (wanted(CopyAt("wuhu/lake", whole=False)), storage("suzhou"), "no whole copy is reachable now"),
        (wanted(whole("gone")), storage("suzhou"), "no whole copy is reachable now"),
        (wanted(whole("wuhu"), wrong="it was deleted"), storage("suzhou"), "it was deleted"),
        (wanted(whole("wuhu")), storage("suzhou", capacity=10), "no room for"),
        (wanted(whole("wuhu")), storage("suzhou", reachable=False), "not heard of"),
        (wanted(whole("wuhu")), storage("suzhou", read_only=True), "only read"),
        (wanted(whole("wuhu")), storage("suzhou", shares=("gpu",)), "no storage there"),
        (wanted(whole("wuhu")), storage("suzhou", filesystem="two"), "reached by none"),
        (wanted(whole("wuhu"), level=3), storage("suzhou"), "protection grade"),
        (wanted(whole("wuhu"), residency=("31",)), storage("suzhou"), "stays within 31"),
    ],
)
def test_where_it_cannot_come_the_place_says_why_and_is_never_chosen(
    one: Wanted, store: StoragePlace, said: str
) -> None:
    there, where = network(storage("wuhu"), store), beside("suzhou")
    moving = moving_for([one], [where], there)
    assert said in moving[where.share_id].wrong
    asked = replace(demand(spec().model_copy(update={"data": (USE,)})), moving=moving)
    explanation = explain(asked, [where], now=NOW)
    assert explanation.winner is None
    (miss,) = explanation.candidates[0].failed
    assert (miss.filter, miss.wanted) == (Filter.DATA, "reads@1")
    assert said in miss.had


def test_a_job_goes_to_its_data_where_that_is_cheaper_than_bringing_it() -> None:
    there = network(*map(storage, NAMES))
    dear, cheap = beside("wuhu", rate="0.50"), beside("west", rate="0.05")
    both, one = [dear, cheap], demand(spec().model_copy(update={"data": (USE,)}))
    for size, winner in ((10**7, "west"), (10**10, "wuhu")):
        moving = moving_for([wanted(whole("wuhu"), size=size)], both, there)
        found = explain(replace(one, moving=moving), both, now=NOW)
        assert found.won is not None
        assert found.won.platform == winner
    (term,) = [term for term in found.candidates[1].terms if term.term is Term.DATA]
    assert term.amount == 5
    assert "from wuhu/lake" in term.how
    assert term.how.endswith("h at an assumed rate")
    known = network(*map(storage, NAMES), ways=lambda _a, _b: Way(Decimal(1000)))
    moving = moving_for([wanted(whole("wuhu"), size=10**10)], both, known)
    assert [one.assumed for one in moving.values()] == [False]


def test_storage_of_another_connector_or_site_is_not_local() -> None:
    one = storage("wuhu")
    elsewhere = replace(one, share=one.share.model_copy(update={"name": "far", "site": "other"}))
    there = network(one, elsewhere)
    assert [s.ref for s in local_to(beside("wuhu"), there)] == ["wuhu/lake"]
    assert local_to(beside("wuhu", connector_id="c-other"), there) == ()


rates = st.integers(0, 50).map(lambda n: str(Decimal(n) / 10))
mbps = st.sampled_from([None, Decimal(1), Decimal(100), Decimal(10_000)])


@given(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(rates, st.booleans(), st.booleans()), min_size=1),
    st.dictionaries(st.sampled_from(NAMES), mbps),
    st.integers(0, 10**12),
    st.sampled_from(NAMES),
)
def test_nothing_is_cheaper_than_what_is_taken(
    stores: dict[str, tuple[str, bool, bool]], speeds: dict[str, Decimal | None], size: int, at: str
) -> None:
    """Of all copies by hand; and a further copy never makes it dearer."""
    every = [storage(name, egress=egress, reachable=heard) for name, (egress, heard, _has) in stores.items()]
    there = network(*every, ways=lambda start, _end: Way(speeds.get(start.split("/")[0])))
    copies = [whole(name) for name, (_egress, _heard, has) in stores.items() if has]
    local: Place = beside(at)
    moving = moving_of([wanted(*copies, size=size)], local, there)
    able = {name: Decimal(e) for name, (e, heard, has) in stores.items() if heard and has}
    if at not in stores or not stores[at][1] or not able:
        assert moving is not None
        assert moving.wrong
        return
    if at in able:
        assert moving is None
        return
    assert moving is not None
    assert moving.gb * GB == size
    assert moving.gb * moving.cny_per_gb == pytest.approx(min(able.values()) * Decimal(size) / GB, abs=Decimal("1e-5"))
    slowest = min((speeds.get(name) or ASSUMED_MBPS for name in able), default=ASSUMED_MBPS)
    assert moving.hours <= Decimal(size) / GB * 8000 / slowest / 3600 + Decimal("1e-5")


def test_folders_of_two_machines_are_joined_by_s3_storage_between() -> None:
    """A file of more than 5 GiB is not pushed there."""
    bucket = storage("jiashan", kind="s3", endpoint="https://s3.example")
    there = network(storage("wuhu"), storage("suzhou", filesystem="two"), bucket)
    found = bring(wanted(whole("wuhu")), [there.storages["suzhou/lake"]], there)
    assert isinstance(found, Brought)
    said = bring(wanted(whole("wuhu"), largest=6 * 1024**3), [there.storages["suzhou/lake"]], there)
    assert isinstance(said, str)
