"""Links between storage are measured: by a grant, each pair once an hour, never two at one connector at a time."""

from decimal import Decimal
from typing import Any

import pytest

from suanlian.model.data import StorageKind
from suanlian.model.data_protocol import TaskKind, TaskState
from suanlian.services import link_probes
from suanlian.workers.links import Links
from suanlian.workers.loop import Tools
from tests.hub.storing import KEY, SUZHOU, WUHU, Keeper, publish, storage
from tests.hub.world import World

HERE, THERE = f"{WUHU}/main", f"{SUZHOU}/main"


@pytest.fixture
def two(world: World) -> tuple[Keeper, Keeper]:
    """A platform with S3 storage, and one with a folder: only the first can be read from afar."""
    publish(world, WUHU, storage("lake"))
    publish(world, SUZHOU, storage("disk", StorageKind.POSIX))
    return Keeper(world, WUHU), Keeper(world, SUZHOU)


def worker(world: World) -> Links:
    hub = world.hub.running.hub
    return Links(Tools(hub.store, hub.wakeups, world.clock), hub.writer)


def measured(world: World) -> list[dict[str, Any]]:
    return [one for one in world.ok("buyer", "GET", "/v1/links")["items"] if one["samples"]]


def test_a_link_is_measured_by_a_grant_and_not_again_within_the_hour(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, disk = two
    links = worker(world)
    links.turn()
    assert disk.poll() == []  # its grant is not minted yet
    lake.poll()
    leave = lake.of(TaskKind.GRANT)
    assert (leave.source_place, leave.version_id, leave.storage, leave.sealing_key) == (".probe", "", "lake", KEY)
    links.turn()
    assert len(lake.poll()) <= 1  # one at a time
    lake.mint(leave)
    lake.say(leave, TaskState.DONE)
    disk.poll()
    probe = disk.of(TaskKind.PROBE)
    assert (probe.storage, probe.other, probe.other_endpoint) == ("disk", f"{WUHU}/lake", "https://lake.example")
    told = {"rtt_ms": "12.5", "jitter_ms": "0.4", "loss": "0", "mbps": "812", "bytes_done": 8 * 1024**2}
    assert disk.say(probe, TaskState.DONE, **told) == ()
    (link,) = measured(world)
    assert (link["start"], link["end"], link["mbps_grade"]) == (HERE, THERE, "measured")
    assert (Decimal(link["mbps"]), Decimal(link["one_way_ms"])) == (Decimal(812), Decimal("6.25"))
    for keeper in two:
        keeper.poll()
        assert keeper.tasks == {}
    fresh = worker(world)
    for turner in (links, fresh):  # a hub that began anew knows it by its rows
        turner.turn()
        assert lake.poll() == []
    world.clock.advance(link_probes.EVERY.total_seconds() + 1)
    for keeper in two:
        keeper.poll()
    fresh.turn()
    lake.poll()
    assert lake.of(TaskKind.GRANT).id != leave.id


def test_what_fails_or_is_never_told_is_given_up(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, disk = two
    links = worker(world)
    links.turn()
    lake.work()
    disk.poll()
    assert disk.say(disk.of(TaskKind.PROBE), TaskState.FAILED, code="unreachable") == ()
    (link,) = measured(world)
    assert Decimal(link["loss"]) == 1
    assert link["mbps_grade"] != "measured"
    world.clock.advance(link_probes.EVERY.total_seconds() + 1)
    for keeper in two:
        keeper.poll()
    links.turn()
    lake.poll()
    assert lake.of(TaskKind.GRANT).kind is TaskKind.GRANT
    world.clock.advance(link_probes.LONGEST.total_seconds() + 1)
    links.turn()
    for keeper in two:
        keeper.poll()
        assert keeper.tasks == {}
