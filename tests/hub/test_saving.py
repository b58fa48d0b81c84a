"""What a job leaves becomes a version: once, beside it, as strict as the job, and brought where it is wanted."""

from typing import Any

import pytest

from suanlian.model.data import StorageKind
from suanlian.model.data_protocol import TaskKind
from suanlian.model.job import JobState
from suanlian.model.platform import Site
from tests.hub.storing import KEY, SUZHOU, WUHU, Keeper, dataset, publish, register, settle, states, storage
from tests.hub.test_bad_input import refused
from tests.hub.test_levels import check, hub_in
from tests.hub.world import Stores, World, inventory, job, offer

DISK, POND = f"{WUHU}/disk", f"{SUZHOU}/pond"
SAVE = {"path": "out", "dataset": "model"}


@pytest.fixture
def two(world: World) -> tuple[Keeper, Keeper]:
    """A folder at the one platform, S3 storage at the other."""
    publish(world, WUHU, storage("disk", StorageKind.POSIX))
    publish(world, SUZHOU, storage("pond"))
    return Keeper(world, WUHU), Keeper(world, SUZHOU)


def done(
    world: World, state: JobState = JobState.COMPLETE, *, without: bool = False, **changes: object
) -> dict[str, Any]:
    """A job at the first platform that has ended; ``without``: its storage is published no more by then."""
    made, told = world.at(WUHU, **changes)
    if without:
        publish(world, WUHU)
    connector = world.connector(WUHU)
    connector.report(told, JobState.RUNNING)
    connector.report(told, state)
    world.hub.settle()
    return made


def test_what_a_job_leaves_is_kept_once_and_brought_where_it_is_wanted(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    disk, pond = two
    made = done(world, save=[{**SAVE, "to": POND}])
    disk.poll()
    keep = disk.of(TaskKind.KEEP)
    assert (keep.path, keep.storage, keep.level) == ("out", "disk", 1)
    version = dataset(world, "model@1")
    assert (version["state"], version["origin"]) == ("open", f"job {made['public_id']}: out")
    for _ in range(3):
        world.clock.advance(60)
        settle(world, disk, pond)
    assert (dataset(world, "model@1")["state"], states(world, "model@1")) == ("sealed", {DISK: "whole", POND: "whole"})
    world.clock.advance(3600)
    settle(world, disk, pond)
    assert len(world.ok("buyer", "GET", "/v1/datasets/model/versions")["items"]) == 1
    done(world, save=[SAVE])
    settle(world, disk, pond)
    assert dataset(world, "model@2")["state"] == "sealed"


@pytest.mark.parametrize("state", [JobState.EXECUTOR_ERROR, JobState.CANCELED])
def test_only_success_leaves_something(world: World, two: tuple[Keeper, Keeper], state: JobState) -> None:
    done(world, state, save=[SAVE])
    settle(world, *two)
    assert world.person("buyer").get("/v1/datasets/model").status_code == 404


def test_it_is_as_strict_as_what_the_job_read(world: World, stores: Stores) -> None:
    with hub_in(world, stores) as made:
        site = Site(name="main", region="340200", protection_grade=3)
        shares = (storage("disk", StorageKind.POSIX),)
        published = inventory().model_copy(update={"sites": (site,), "storage": shares})
        made.connector(WUHU).publish(published, offer(), sealing_key=KEY)
        assert check(made).status_code == 200
        disk = Keeper(made, WUHU)
        ref = register(made, disk, share="disk", residency=["34"], level=2)
        made.ok("buyer", "POST", "/v1/datasets", {"name": "lax", "level": 2})
        saves = [SAVE, {"path": "log", "dataset": "lax"}]
        done(made, data=[{"dataset": ref, "path": "in"}], save=saves)
        settle(made, disk)
        found = made.ok("buyer", "GET", "/v1/datasets/model")
        assert (found["level"], found["residency"], found["versions"][0]["state"]) == (2, ["34"], "sealed")
        # a dataset that may lie anywhere takes nothing that was made of what stays
        assert "stays within 34" in dataset(made, "lax@1")["reason"]


def test_what_cannot_be_kept_says_why(world: World, two: tuple[Keeper, Keeper]) -> None:
    disk, pond = two
    world.ok("buyer", "POST", "/v1/datasets", {"name": "strict", "level": 3})
    done(world, save=[{"path": "out", "dataset": "strict"}])
    assert "it was not kept" in dataset(world, "strict@1")["reason"]
    done(world, without=True, save=[SAVE])
    version = dataset(world, "model@1")
    assert (version["state"], "no storage" in version["reason"]) == ("open", True)
    publish(world, WUHU, storage("disk", StorageKind.POSIX))
    disk.trouble = {TaskKind.KEEP: [("source_gone", False)]}
    done(world, save=[SAVE])
    settle(world, disk, pond)
    world.clock.advance(600)
    settle(world, disk, pond)
    assert dataset(world, "model@2")["reason"].startswith("source_gone")
    done(world, save=[{**SAVE, "to": f"{SUZHOU}/none"}])
    for _ in range(3):
        world.clock.advance(600)
        settle(world, disk, pond)
    version = dataset(world, "model@3")
    assert (version["state"], f"not brought to {SUZHOU}/none" in version["reason"]) == ("sealed", True)


def test_an_array_saves_nothing(world: World) -> None:
    answer = world.person("buyer").post("/v1/jobs", job(array_size=2, save=[SAVE]))
    refused(answer, 422, "field_invalid")
    assert "jobs of one task" in answer.text
