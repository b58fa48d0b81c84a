"""Workers: one replica's at a time by its lease; and the table of ARCHITECTURE.md says who follows what."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from suanlian.model.event import EventType
from suanlian.testing.hub import InProcessHub
from suanlian.workers.loop import LeaseLostError, Worker
from tests.hub.laws import all_laws
from tests.hub.world import World

HEADER = "| event | worker | service |"


@pytest.fixture
def replica(world: World) -> Iterator[InProcessHub]:
    """A second process's hub over the same store."""
    with InProcessHub(world.hub.settings, clock=world.clock) as hub:
        yield hub


def placer(hub: InProcessHub) -> Worker:
    return next(worker for worker in hub.running.workers if worker.name == "place")


def test_only_one_replica_places(world: World, replica: InProcessHub) -> None:
    world.submit()
    assert placer(world.hub).turn()
    world.submit()
    assert not placer(replica).turn()
    assert world.hub.rows()["attempt"] == 1
    assert placer(world.hub).turn()
    assert world.hub.rows()["attempt"] == 2


def test_a_worker_whose_replica_is_gone_is_replaced_after_a_while(world: World, replica: InProcessHub) -> None:
    placer(world.hub).turn()
    world.submit()
    world.clock.advance(14)
    assert not placer(replica).turn()
    world.clock.advance(1)
    assert placer(replica).turn()
    assert world.hub.rows()["attempt"] == 1


def test_a_worker_that_lost_its_lease_applies_nothing(world: World, replica: InProcessHub) -> None:
    placer(world.hub).turn()
    world.clock.advance(16)
    placer(replica).turn()
    world.submit()
    # it does not know yet: it goes on with the token that it had
    with pytest.raises(LeaseLostError):
        placer(world.hub).step()
    assert world.hub.rows()["attempt"] == 0
    assert not placer(world.hub).turn()
    assert placer(replica).turn()
    all_laws(world.hub)


def test_a_lease_that_is_given_back_is_anothers_at_once(world: World, replica: InProcessHub) -> None:
    mine = placer(world.hub)
    mine.start()
    world.submit()
    _until(lambda: world.hub.rows()["attempt"] == 1)
    mine.stop()
    world.submit()
    assert placer(replica).turn()


def _until(true: object) -> None:
    assert callable(true)
    waiting = threading.Event()
    for _ in range(200):
        if true():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come true")


def test_two_replicas_that_place_at_once_place_each_task_once(world: World, replica: InProcessHub) -> None:
    for _ in range(3):
        world.submit(array_size=5, resources={"cpu": "0.25", "memory": "64MiB"})

    def turns(hub: InProcessHub) -> None:
        for _ in range(6):
            placer(hub).turn()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(turns, hub) for hub in (world.hub, replica)]:
            done.result()
    assert world.hub.rows()["attempt"] == 15
    all_laws(world.hub)


def test_a_name_that_a_worker_has_is_no_others(world: World) -> None:
    names = [worker.name for worker in world.hub.running.workers]
    assert len(set(names)) == len(names)
    assert all(worker.every_s > 0 for worker in world.hub.running.workers)


def _table() -> dict[str, set[str]]:
    """Event -> workers, as ARCHITECTURE.md has it."""
    text = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert HEADER in text, f"ARCHITECTURE.md has no table with the header {HEADER!r}"
    found: dict[str, set[str]] = {}
    for line in text.split(HEADER, 1)[1].lstrip("\n").splitlines():
        if not line.startswith("|"):
            break
        event, worker, service = (cell.strip() for cell in line.strip("|").split("|"))
        if set(event) <= set("-: "):
            continue
        assert service, line
        for name in re.findall(r"[a-z-]+\.[a-z-]+", event):
            found.setdefault(name, set()).update(re.findall(r"[a-z]+", worker.lower().removeprefix("workers/")))
    return found


def test_the_table_of_events_and_workers_is_that_of_the_code(world: World) -> None:
    table, known = _table(), {kind.value for kind in EventType}
    assert set(table) <= known, "the table names events that there are not"
    followed: dict[str, set[str]] = {}
    for worker in world.hub.running.workers:
        for kind in worker.follows:
            followed.setdefault(kind.value, set()).add(worker.name)
    names = {worker.name for worker in world.hub.running.workers}
    assert {event: workers & names for event, workers in table.items() if workers & names} == followed


def test_one_of_several_that_fails_holds_up_none_of_the_others(world: World) -> None:
    worker, seen = placer(world.hub), list[int]()

    def work(number: int) -> bool:
        if number == 0:
            raise ValueError("a fault of its own")
        seen.append(number)
        return number == 1

    assert worker.each(range(3), work)
    assert seen == [1, 2]
    assert not worker.each([0], work)

    def lost(_number: int) -> bool:
        raise LeaseLostError(worker.name)

    with pytest.raises(LeaseLostError):
        worker.each([1], lost)
