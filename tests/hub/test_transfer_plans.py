"""Transfers at the hub go by the plan: over a third place where that is quicker, at night, around a slow link."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import TaskKind, TaskState
from suanlian.model.party import CHINA
from suanlian.model.platform import Site
from suanlian.workers.transfers import AGAIN
from tests.hub.storing import FILES_SORTED, KEY, SUZHOU, WUHU, Keeper, publish, register, settle, states, storage
from tests.hub.world import World, inventory, offer

HERE, THERE = f"{WUHU}/main", f"{SUZHOU}/main"
POND = f"{SUZHOU}/pond"
LARGE = tuple(
    DataFile(path=file.path, size=30 * 10**9 if file.path == "z" else 10, sha256=file.sha256) for file in FILES_SORTED
)
"""NOT REAL: 30 GB are told, none lie anywhere."""


@pytest.fixture
def two(world: World) -> tuple[Keeper, Keeper]:
    """Two platforms with an S3 storage each; what lies at the first is large."""
    publish(world, WUHU, storage("lake"))
    publish(world, SUZHOU, storage("pond"))
    return Keeper(world, WUHU, files=LARGE), Keeper(world, SUZHOU)


def line(world: World, **changes: object) -> None:
    """A link from the one to the other."""
    said = {"name": "line", "start": HERE, "end": THERE, "capacity_mbps": "100", **changes}
    world.ok("provider", "POST", "/v1/links", said)


def asked(world: World, ref: str, **more: object) -> str:
    """Let it come to the pond."""
    return str(world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": POND, **more})["id"])


def now(world: World, transfer: str) -> dict[str, Any]:
    """A transfer as it is."""
    found: dict[str, Any] = world.ok("buyer", "GET", f"/v1/transfers/{transfer}")
    return found


def pass_by(world: World, *keepers: Keeper, seconds: float) -> None:
    """Time passes; connectors call meanwhile, as they do."""
    for step in range(int(seconds // 100) + 1):
        world.clock.advance(min(100.0, seconds - 100 * step))
        for keeper in keepers:
            keeper.poll()


def going(world: World, lake: Keeper, pond: Keeper) -> Any:  # noqa: ANN401 - a task
    """The move, once its grant is minted."""
    world.hub.settle()
    lake.work()
    pond.poll()
    return pond.of(TaskKind.MOVE)


def test_a_sold_link_is_kept_to_and_its_night_is_waited_for(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    hour = world.clock().astimezone(CHINA).hour
    opens, closes = (hour + 3) % 24, (hour + 9) % 24
    line(world, hours=[{"start": f"{opens:02}:00", "end": f"{closes:02}:00"}])
    made = asked(world, register(world, lake))
    world.hub.settle()
    found = now(world, made)
    assert (found["state"], found["code"]) == ("waiting", "planned")
    begins = datetime.fromisoformat(found["begins_at"])
    assert (begins.astimezone(CHINA).hour, begins.minute) == (opens, 0)
    pass_by(world, lake, pond, seconds=(begins - world.clock()).total_seconds() - 30)
    move = going(world, lake, pond)
    assert move.windows[0].start == begins
    assert all(window.mbps <= 100 for window in move.windows)


def test_a_move_tells_what_goes_through_its_link(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    made = asked(world, register(world, lake))
    move = going(world, lake, pond)
    assert move.windows == ()  # nobody sells a link there: it goes as fast as it can
    pass_by(world, lake, pond, seconds=1200)
    pond.do(move)
    world.hub.settle()
    assert now(world, made)["state"] == "done"
    (link,) = [one for one in world.ok("buyer", "GET", "/v1/links")["items"] if one["samples"]]
    assert (link["start"], link["end"], link["mbps_grade"]) == (HERE, THERE, "measured")
    assert float(link["mbps"]) == pytest.approx(30e9 * 8 / 1e6 / 1200, rel=0.01)


def test_hours_that_are_too_short_are_told_anew_with_the_same_token(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    line(world)
    made = asked(world, register(world, lake))
    move = going(world, lake, pond)
    size = move.bytes
    pass_by(world, lake, pond, seconds=2400)
    pond.say(move, TaskState.GOING, bytes_done=size // 10, mbps="40")
    pass_by(world, lake, pond, seconds=AGAIN.total_seconds())
    pond.say(move, TaskState.GOING, bytes_done=size // 8, mbps="40")
    world.hub.settle()
    pond.poll()
    longer = pond.of(TaskKind.MOVE)
    assert (longer.id, longer.token) == (move.id, move.token)
    assert longer.version > move.version
    assert longer.windows[-1].end > move.windows[-1].end
    assert now(world, made)["state"] == "going"


def test_what_was_too_slow_goes_on_where_it_was_and_counts_no_try(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    line(world)
    ref = register(world, lake)
    made = asked(world, ref)
    move = going(world, lake, pond)
    world.clock.advance(60)
    pond.say(move, TaskState.FAILED, code="too_slow", bytes_done=move.bytes // 2, again=True)
    again = going(world, lake, pond)
    assert (again.id, again.token > move.token) == (move.id, True)
    assert now(world, made)["tries"] == 0
    settle(world, lake, pond)
    assert states(world, ref)[POND] == "whole"


def test_a_deadline_that_can_be_kept_is(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    line(world, cny_per_gb="0.1")
    due = world.clock() + timedelta(hours=1)
    made = asked(world, register(world, lake), deadline=due.isoformat())
    going(world, lake, pond)
    found = now(world, made)
    assert datetime.fromisoformat(found["ends_at"]) <= due
    assert float(found["cost_cny"]) == pytest.approx(3.0, rel=0.01)


def third(world: World) -> None:
    """A further site of the first platform, with storage."""
    told = inventory()
    (main,) = told.sites
    sites = (main, Site(name="west", region="640500"))
    shares = (storage("lake"), storage("well", site="west"))
    world.connector(WUHU).publish(told.model_copy(update={"sites": sites, "storage": shares}), offer(), sealing_key=KEY)


def lines(world: World, thin: str) -> None:
    """A thin link directly, wide ones over the third site."""
    line(world, capacity_mbps=thin)
    line(world, name="up", end=f"{WUHU}/west", capacity_mbps="1000")
    line(world, name="down", start=f"{WUHU}/west", capacity_mbps="1000")


def test_a_relay_is_taken_where_it_is_quicker(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    third(world)
    lines(world, thin="10")
    ref = register(world, lake)
    made = asked(world, ref)
    world.hub.settle()
    assert (now(world, made)["via"], now(world, made)["code"]) == (f"{WUHU}/well", "relay")
    settle(world, lake, pond)
    assert states(world, ref) == {f"{WUHU}/lake": "whole", f"{WUHU}/well": "whole", POND: "whole"}


def test_a_transfer_over_a_link_that_degraded_comes_from_another_copy(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    third(world)
    ref = register(world, lake)
    line(world, capacity_mbps="1000")
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": f"{WUHU}/well"})
    settle(world, lake, pond)
    line(world, name="down", start=f"{WUHU}/west", capacity_mbps="900")
    made = asked(world, ref)
    move = going(world, lake, pond)
    assert now(world, made)["source"] == f"{WUHU}/lake"
    pass_by(world, lake, pond, seconds=150)
    pond.say(move, TaskState.GOING, bytes_done=move.bytes // 1000, mbps="3")
    world.hub.settle()
    assert now(world, made)["tries"] == 0
    again = going(world, lake, pond)
    assert again.token > move.token
    assert now(world, made)["source"] == f"{WUHU}/well"
    settle(world, lake, pond)
    assert states(world, ref)[POND] == "whole"
