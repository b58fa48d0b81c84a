"""Is it seen that running work would better go on elsewhere, and does it go only where that was allowed, and once?"""

from typing import Any

import pytest

from suanlian.model.job import JobState
from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.market import DWELL, Acts
from suanlian.model.platform import Feature
from suanlian.model.protocol import Instruction, Wish
from suanlian.testing.hub import SignedConnector
from suanlian.testing.matching import FailingMatching, SolvingMatching
from suanlian.workers.match import Matcher, Matching
from tests.hub.laws import all_laws
from tests.hub.test_lost import at
from tests.hub.test_moving import CHECKPOINT, FILES, made_room, save
from tests.hub.world import World, inventory, offer

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"
TERMS = ["on-demand", "preemptible"]
pytestmark = pytest.mark.timeout(600)  # where nothing is compiled yet the first answer takes long


Running = tuple[World, dict[str, Any], Instruction, SignedConnector]


def publish(world: World, **rates: str) -> None:
    for name, rate in ((WUHU, rates["wuhu"]), (SUZHOU, rates["suzhou"])):
        told = inventory()
        flavor = told.flavors[0].model_copy(update={"features": (Feature.SIGNALS, Feature.SUSPEND)})
        world.connector(name).publish(told.model_copy(update={"flavors": (flavor,)}), offer(rate))
        world.connector(name).poll()
    world.clock.advance(1)
    world.hub.settle()


def begun(world: World, platform: str, **changes: Any) -> tuple[dict[str, Any], Instruction, SignedConnector]:  # noqa: ANN401 - fields of a job
    made = world.submit(**{"wall_time_s": 30_000, **changes})
    world.hub.settle()
    (told,) = at(world, platform, made["id"])
    connector = world.connector(platform)
    connector.report(told, JobState.RUNNING, started_at=world.clock())
    return made, told, connector


@pytest.fixture
def dear(world: World) -> Running:
    """A job that can be saved runs at Suzhou, which is three times as dear; Wuhu has room again."""
    return at_suzhou(world, checkpoint=CHECKPOINT, wants={"tiers": TERMS})


def at_suzhou(world: World, **changes: Any) -> Running:  # noqa: ANN401 - fields of a job
    publish(world, wuhu="0.10", suzhou="0.30")
    _made, filler, there = begun(world, WUHU, resources={"cpu": "4", "memory": "256MiB"})
    made, told, here = begun(world, SUZHOU, **changes)
    if "checkpoint" in changes:
        save(here, told, FILES)
    there.run(filler)
    world.hub.settle()
    return world, made, told, here


def looked(world: World, acts: Acts = Acts.NONE, matching: Matching | None = None) -> list[dict[str, Any]]:
    """Let the matcher look once; what it proposes."""
    tools, writer = world.hub.running.workers[0].tools, world.hub.running.hub.writer
    one = Matcher(tools, writer, USUAL_LEVELS, matching or SolvingMatching(), acts=acts)
    world.clock.advance(16)  # the lease of the one before it is over
    for platform in (WUHU, SUZHOU):
        world.connector(platform).poll()
    one.turn()
    return list(world.ok("operator", "GET", "/v1/market")["moves"])


def wish(world: World, platform: str, made: dict[str, Any]) -> Wish:
    (said,) = at(world, platform, made["id"])
    return said.wish


def test_a_cheaper_place_is_proposed_with_what_it_costs_and_nothing_is_done(
    dear: Running,
) -> None:
    world, made, told, _here = dear
    world.clock.advance(100)
    (one,) = looked(world)
    assert (one["job"], one["index"], one["attempt"], one["told"]) == (made["id"], 0, told.attempt_id, False)
    assert (one["from_platform"], one["to_platform"]) == (SUZHOU, WUHU)
    left_h = (30_000 - 116) / 3600
    assert one["home"] == pytest.approx(0.30 * left_h, rel=0.01)
    assert one["there"] == pytest.approx(0.10 * (left_h + 116 / 3600), rel=0.01)
    assert one["lost_s"] in range(115, 120)
    assert one["moving"] == pytest.approx(0.30 * 120 / 3600, rel=0.01)
    assert wish(world, SUZHOU, made) is Wish.RUN
    assert world.ok("supervisor", "GET", "/v1/market")["moves"] == []


def test_what_may_be_moved_goes_once_and_stays(dear: Running) -> None:
    world, made, told, here = dear
    (one,) = looked(world, Acts.PREEMPTIBLE)
    assert one["told"]
    assert wish(world, SUZHOU, made) is Wish.PREEMPT
    assert looked(world, Acts.PREEMPTIBLE) == []
    made_room(here, told)
    world.hub.settle()
    (again,) = at(world, WUHU, made["id"])
    assert (again.wish, again.restored) == (Wish.RUN, True)
    world.connector(WUHU).report(again, JobState.RUNNING, started_at=world.clock())
    # now it would be cheaper where it came from
    publish(world, wuhu="0.10", suzhou="0.03")
    assert looked(world, Acts.PREEMPTIBLE) == []
    world.clock.advance(DWELL.total_seconds())
    for platform in (WUHU, SUZHOU):
        world.connector(platform).poll()
    (back,) = looked(world)
    assert (back["from_platform"], back["to_platform"]) == (WUHU, SUZHOU)
    all_laws(world.hub)


@pytest.mark.parametrize(
    ("changes", "proposed"),
    [
        ({"checkpoint": CHECKPOINT}, True),  # its terms let nobody move it
        ({"wants": {"tiers": TERMS}}, True),  # it would begin anew
        ({}, False),
    ],
)
def test_what_nobody_allowed_is_not_moved(world: World, changes: dict[str, Any], *, proposed: bool) -> None:
    _world, made, _told, _here = at_suzhou(world, **changes)
    found = looked(world, Acts.PREEMPTIBLE)
    assert [one["told"] for one in found] == [False] * proposed
    assert wish(world, SUZHOU, made) is Wish.RUN


def test_what_a_place_asks_by_now_is_no_matter_for_what_was_sold_before(dear: Running) -> None:
    """It goes on at the price at which it began."""
    world, _made, _told, _here = dear
    assert len(looked(world)) == 1
    publish(world, wuhu="0.10", suzhou="0.90")
    assert looked(world) == []
    publish(world, wuhu="0.10", suzhou="0.30")
    assert len(looked(world)) == 1


def test_work_that_its_owner_sent_somewhere_stays_there(dear: Running) -> None:
    world, made, _told, _here = dear
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {"to": WUHU})
    assert looked(world) == []


def test_a_matcher_that_fails_at_moves_still_keeps_its_tick(dear: Running) -> None:
    world, _made, _told, _here = dear
    assert looked(world, matching=FailingMatching("timeout")) == []
    assert "moves" in world.ok("operator", "GET", "/v1/market")["newest"]["why"]


def test_what_is_proposed_again_is_not_written_again(dear: Running) -> None:
    world, _made, _told, _here = dear
    for _time in range(2):
        assert len(looked(world)) == 1
    assert world.ok("operator", "GET", "/v1/market")["ticks"] == 1
