"""Is all that waits matched, do its prices rank places, and does nothing depend on them?"""

from decimal import Decimal
from typing import Any

import pytest

from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.market import LASTING, TickState
from suanlian.model.money import Rate
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Grade
from suanlian.model.platform import Chip, Inventory
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.services import market
from suanlian.services.market import KEPT
from suanlian.store import market as ticks
from suanlian.store.places import Places
from suanlian.testing.matching import FailingMatching, FixedMatching
from suanlian.workers.match import Matcher, Matching
from tests.hub.world import World, inventory, job, offer

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"


@pytest.fixture
def full(world: World) -> World:
    """Wuhu is a little cheaper; both are full of work, and a job of the buyer's waits for either."""
    world.connector(WUHU).publish(inventory(), offer("0.100"))
    world.connector(SUZHOU).publish(inventory(), offer("0.104"))
    world.clock.advance(1)
    world.hub.settle()
    heard(world)
    for _ in range(9):
        world.ok("buyer", "POST", "/v1/jobs", job(wall_time_s=7200))
    world.hub.settle()
    return world


def heard(world: World) -> None:
    for platform in (WUHU, SUZHOU):
        world.connector(platform).poll()


def matcher(world: World, matching: Matching) -> Matcher:
    return Matcher(world.hub.running.workers[0].tools, world.hub.running.hub.writer, USUAL_LEVELS, matching)


def prices(world: World, **of: float) -> list[float]:
    """A price for each place, in the order of places."""
    named = {WUHU: of.get("wuhu", 0.0), SUZHOU: of.get("suzhou", 0.0)}
    with world.hub.running.workers[0].tools.reading() as unit:
        return [named[place.platform] for place in Places(unit).all()]


def seen(world: World) -> dict[str, Any]:
    return dict(world.ok("operator", "GET", "/v1/market"))


def test_what_waits_is_asked_with_all_places_and_what_comes_free(full: World) -> None:
    fixed = FixedMatching(prices(full, wuhu=0.5))
    matcher(full, fixed).turn()
    (problem,) = fixed.asked
    assert len(problem.demands) == 1
    assert problem.demands.units[0] == 1
    # 4 cores, all held for 2 hours of the 24
    assert problem.pools.capacity[:, 0] == pytest.approx([4 * 22, 4 * 22], rel=0.01)
    told = seen(full)
    newest = told["newest"]
    assert (newest["state"], newest["jobs"], newest["places"], newest["unserved"]) == ("ok", 1, 2, 1)
    assert newest["gap"] == pytest.approx(10 / 90)
    assert told["fresh"]
    assert [(p["platform"], p["kind"], p["price"]) for p in told["scarce"]] == [(WUHU, "cpu", "0.500000")]


def test_the_next_batch_begins_with_the_last_prices(full: World) -> None:
    fixed = FixedMatching(prices(full, wuhu=0.5))
    one = matcher(full, fixed)
    one.turn()
    one.turn()
    assert fixed.asked[0].prices is None
    assert fixed.asked[1].prices is not None
    assert fixed.asked[1].prices[:, 0].tolist() == prices(full, wuhu=0.5)


def test_places_are_compared_by_the_prices_and_the_job_says_by_which(full: World) -> None:
    def winner() -> dict[str, Any]:
        told = full.ok("buyer", "POST", "/v1/jobs:estimate", job(wants={"max_latency_ms": None}))
        return {**told, "won": told["candidates"][told["nearest"] if told["winner"] is None else told["winner"]]}

    assert winner()["won"]["platform"] == WUHU
    assert winner()["market"] is None
    matcher(full, FixedMatching(prices(full, wuhu=0.5))).turn()
    told = winner()
    assert told["won"]["platform"] == SUZHOU
    assert told["market"]["tick"] == seen(full)["newest"]["id"]
    assert told["market"]["prices_hash"] == seen(full)["newest"]["prices_hash"]


def test_the_matcher_weighs_carbon_as_an_explanation_does(world: World) -> None:
    for platform, region in ((WUHU, "640500"), (SUZHOU, "510100")):
        world.connector(platform).publish(with_cards(region), carded())
    world.clock.advance(1)
    world.hub.settle()
    heard(world)
    asks = {"resources": {"cpu": "1", "memory": "1GiB", "accelerator": "2"}, "wall_time_s": 3600}
    for _ in range(3):
        world.ok("buyer", "POST", "/v1/jobs", job(**asks, name="waits", wants={"prefer": "green"}))
    world.hub.settle()
    told = world.ok("buyer", "POST", "/v1/jobs:estimate", job(**asks, wants={"prefer": "green"}))["candidates"]
    carbon = {one["share_id"]: float(t["amount"]) for one in told for t in one["terms"] if t["term"] == "carbon"}
    assert len(set(carbon.values())) == 2
    fixed = FixedMatching(prices(world))
    matcher(world, fixed).turn()
    demands = fixed.asked[0].demands
    assert demands.further is not None
    assert demands.further_row is not None
    assert demands.further_times is not None
    weighed = demands.further_times[0] * demands.further[demands.further_row[0]]
    with world.hub.running.workers[0].tools.reading() as unit:
        assert weighed == pytest.approx([carbon[place.share_id] for place in Places(unit).all()])


def with_cards(region: str) -> Inventory:
    made = inventory()
    node = Resources.model_validate({"cpu": "4", "memory": "8GiB", "disk": "20GiB", "accelerator": "2"})
    card = Chip(family="nvidia", model="NVIDIA A100", grade=Grade.CLAIMED)
    flavor = made.flavors[0].model_copy(update={"node": node, "chip": card})
    share = made.shares[0].model_copy(update={"capacity": node})
    site = made.sites[0].model_copy(update={"region": region})
    return Inventory(sites=(site,), flavors=(flavor,), shares=(share,))


def carded() -> NewOffer:
    rates = [Rate(kind=kind, per_unit_hour=Decimal(1)) for kind in (ResourceKind.CPU, ResourceKind.ACCELERATOR)]
    return NewOffer(name="o1", share="s1", rates=tuple(rates))


def test_old_prices_rank_nothing(full: World) -> None:
    matcher(full, FixedMatching(prices(full, wuhu=0.5))).turn()
    with full.hub.running.workers[0].tools.reading() as unit:
        assert market.current(unit).scarcity
    full.clock.advance(LASTING.total_seconds() + 1)
    with full.hub.running.workers[0].tools.reading() as unit:
        assert not market.current(unit).scarcity
    assert not seen(full)["fresh"]


@pytest.mark.parametrize("state", ["timeout", "died", "refused"])
def test_a_matcher_that_fails_is_told_of_and_rests(full: World, state: str) -> None:
    matcher(full, FixedMatching(prices(full, wuhu=0.5))).turn()
    failing = FailingMatching(state)
    full.clock.advance(16)  # the lease of the one before it is over
    heard(full)
    one = matcher(full, failing)
    for _ in range(3):
        one.turn()
    assert failing.asked == 1
    told = seen(full)
    assert (told["newest"]["state"], told["failed"], told["ticks"]) == (state, 1, 2)
    assert told["scarce"], "the prices before it hold on for a while"
    full.hub.settle()


def test_what_is_found_again_is_not_written_again(full: World) -> None:
    one = matcher(full, FixedMatching(prices(full, wuhu=0.5)))
    for _ in range(3):
        one.turn()
    assert seen(full)["ticks"] == 1
    full.clock.advance(61)
    heard(full)
    one.turn()
    assert seen(full)["ticks"] == 2


def test_once_nothing_waits_nothing_is_scarce(full: World) -> None:
    one = matcher(full, FixedMatching(prices(full, wuhu=0.5)))
    one.turn()
    for made in full.ok("buyer", "GET", "/v1/jobs?limit=50")["items"]:
        full.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    full.hub.settle()
    one.turn()
    told = seen(full)
    assert (told["newest"]["demands"], told["scarce"]) == (0, [])
    assert told["ticks"] == 2


def test_ticks_are_forgotten_and_what_a_job_went_by_is_not(full: World) -> None:
    one = matcher(full, FixedMatching(prices(full, wuhu=0.5)))
    one.turn()
    full.clock.advance(KEPT.total_seconds() + 1)
    heard(full)
    one.turn()
    with full.hub.running.workers[0].tools.reading() as unit:
        assert [row["state"] for row in ticks.since(unit, unit.now - 2 * KEPT)] == [TickState.OK]


def test_a_hub_without_work_or_places_has_no_ticks(world: World) -> None:
    one = matcher(world, FixedMatching([]))
    one.turn()
    assert seen(world) == {
        **seen(world),
        "newest": None,
        "fresh": False,
        "scarce": [],
        "ticks": 0,
        "failed": 0,
        "gap_median": None,
    }
