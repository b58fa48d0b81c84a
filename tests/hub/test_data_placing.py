"""Jobs and their data at the hub: exact versions, places by what bringing costs, waiting, taking back, deletion."""

from typing import Any

import pytest

from suanlian.model.data_protocol import TaskKind
from suanlian.model.job import JobState
from suanlian.model.platform import Site
from suanlian.model.protocol import Instruction
from suanlian.services import bringing
from tests.hub.storing import KEY, SIZE, SUZHOU, WUHU, Keeper, publish, register, settle, states, storage
from tests.hub.test_bad_input import refused
from tests.hub.test_levels import check, hub_in
from tests.hub.test_lost import at
from tests.hub.world import Stores, World, inventory, job, offer

LAKE, POND = f"{WUHU}/lake", f"{SUZHOU}/pond"
DEAR = "90000"
"""CNY for a GB: so little data costs more to move than the work."""


@pytest.fixture
def two(world: World) -> tuple[Keeper, Keeper]:
    """Two platforms with an S3 storage each; from Suzhou bytes are dear."""
    publish(world, WUHU, storage("lake"))
    publish(world, SUZHOU, storage("pond", egress_cny_per_gb=DEAR))
    return Keeper(world, WUHU), Keeper(world, SUZHOU)


def reading(ref: str, **changes: object) -> dict[str, Any]:
    return {"data": [{"dataset": ref, "path": "in/reads"}], **changes}


def told(world: World, ref: str) -> dict[str, Instruction]:
    found = {name: at(world, name, ref) for name in (WUHU, SUZHOU)}
    return {name: said[0] for name, said in found.items() if said}


def term(candidate: dict[str, Any]) -> str:
    found = [one["how"] for one in candidate["terms"] if one["term"] == "data"]
    return found[0] if found else ""


def test_a_job_goes_to_its_data_and_the_explanation_says_so(world: World, two: tuple[Keeper, Keeper]) -> None:
    """Both places cost the same; without data the first by name wins, with it the one that has it."""
    plain = world.submit()
    world.hub.settle()
    ref = register(world, two[1], share="pond")
    made = world.submit(**reading(ref))
    world.hub.settle()
    (where, said) = next(iter(told(world, made["id"]).items()))
    assert where == SUZHOU
    assert next(iter(told(world, plain["id"]))) in (WUHU, SUZHOU)
    (data,) = said.data
    assert (data.path, data.storage, data.bytes, data.files) == ("in/reads", "pond", SIZE, 3)
    explained = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    other = next(one for one in explained["candidates"] if one["platform"] == WUHU)
    assert f"from {POND}" in term(other)


def test_a_reference_becomes_an_exact_version_and_stays_it(world: World, two: tuple[Keeper, Keeper]) -> None:
    first = register(world, two[0])
    made = world.submit(**reading("reads"))
    register(world, two[0])
    spec = world.job(made["id"])["spec"]
    (use,) = spec["data"]
    assert use["dataset"].endswith(f"/{first}")
    later = world.job(world.submit(**reading("reads"))["id"])["spec"]["data"][0]["dataset"]
    assert later.endswith("/reads@2")


def test_a_job_is_as_strict_as_its_data(world: World, stores: Stores) -> None:
    with hub_in(world, stores, hub_region="340200") as there:
        site = Site(name="main", region="340200", protection_grade=3)
        told = inventory().model_copy(update={"sites": (site,), "storage": (storage("lake"),)})
        there.connector(WUHU).publish(told, offer(), sealing_key=KEY)
        assert check(there).status_code == 200
        register(there, Keeper(there, WUHU), residency=["34"], level=2)
        made = there.submit(**reading("reads", wants={"residency": ["3402", "31"]}))
        wants = there.job(made["id"])["spec"]["wants"]
        assert (wants["data_level"], wants["residency"]) == (2, ["3402"])
        refused(
            there.person("buyer").post("/v1/jobs", job(**reading("reads", wants={"residency": ["3403"]}))),
            422,
            "residency_excludes_hub",
        )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), (), ()),
        (("31",), (), ("31",)),
        (("310000",), ("3101",), ("3101",)),
        (("31", "32"), ("3205", "33"), ("3205",)),
        (("31",), ("32",), ()),
    ],
)
def test_regions_in_common(one: tuple[str, ...], other: tuple[str, ...], both: tuple[str, ...]) -> None:
    assert bringing.common(one, other) == bringing.common(other, one)
    assert {code[:4] for code in bringing.common(one, other)} == {code[:4] for code in both}


def test_what_nobody_has_or_is_not_sealed_is_refused(world: World, two: tuple[Keeper, Keeper]) -> None:
    buyer = world.person("buyer")
    refused(buyer.post("/v1/jobs", job(**reading("nothing"))), 404, "not_found")
    register(world, two[0])
    refused(buyer.post("/v1/jobs", job(**reading("reads@7"))), 404, "not_found")
    world.ok("buyer", "POST", "/v1/datasets/reads/versions", {})
    refused(buyer.post("/v1/jobs", job(**reading("reads@2"))), 409, "state_conflict")


def test_data_comes_to_where_the_job_was_sent_and_nothing_is_brought_twice(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    lake, pond = two
    ref = register(world, lake)
    jobs = [world.submit(**reading(ref, wants={"platform": SUZHOU})) for _ in range(3)]
    world.hub.settle()
    assert states(world, ref) == {LAKE: "whole", POND: "coming"}
    settle(world, lake, pond)
    assert states(world, ref) == {LAKE: "whole", POND: "whole"}
    moved = [kind for kind, _task in pond.done if kind is TaskKind.MOVE]
    assert len(moved) == 1
    places = {told(world, made["id"])[SUZHOU].data[0].place for made in jobs}
    assert len(places) == 1


def test_a_dataset_that_a_waiting_job_names_is_not_deleted(world: World, two: tuple[Keeper, Keeper]) -> None:
    ref = register(world, two[0])
    made = world.submit(**reading(ref))
    said = refused(world.person("buyer").send("DELETE", f"/v1/datasets/{ref}"), 409, "dataset_in_use")
    assert world.job(made["id"])["public_id"] in str(said)
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    settle(world, *two)
    assert world.person("buyer").send("DELETE", f"/v1/datasets/{ref}").status_code in (204, 409)


def test_a_copy_that_an_attempt_reads_does_not_leave(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": POND})
    settle(world, lake, pond)
    made = world.submit(**reading(ref, wants={"platform": SUZHOU}))
    world.hub.settle()
    copy = next(
        one for one in world.ok("buyer", "GET", f"/v1/datasets/{ref}/replicas")["items"] if one["storage"] == POND
    )
    refused(world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{copy['id']}"), 409, "dataset_in_use")
    said = told(world, made["id"])[SUZHOU]
    connector = world.connector(SUZHOU)
    connector.report(said, JobState.RUNNING, started_at=world.clock())
    connector.report(said, JobState.COMPLETE, ended_at=world.clock(), exit_code=0)
    world.hub.settle()
    assert world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{copy['id']}").status_code == 204


def test_without_a_way_it_waits_and_says_why(world: World, two: tuple[Keeper, Keeper]) -> None:
    publish(world, SUZHOU)  # its storage is withdrawn
    ref = register(world, two[0])
    made = world.submit(**reading(ref, wants={"platform": SUZHOU}))
    world.hub.settle()
    explained = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    (miss,) = [one for c in explained["candidates"] if c["platform"] == SUZHOU for one in c["failed"]]
    assert (miss["filter"], "no storage there" in miss["had"]) == ("data", True)


def test_where_data_could_not_be_brought_the_job_is_taken_back_and_goes_elsewhere(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    lake, pond = two
    ref = register(world, lake)
    pond.trouble = {TaskKind.MOVE: [("target_full", False)]}
    made = world.submit(**reading(ref, wants={"platform": SUZHOU}))
    settle(world, lake, pond)
    connector = world.connector(SUZHOU)
    (said,) = at(world, SUZHOU, made["id"])
    assert said.wish == "recall"
    connector.report(said, JobState.PREEMPTED, ended_at=world.clock(), reason="recalled before it started")
    world.clock.advance(30)
    world.hub.settle()
    explained = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    misses = [one["had"] for c in explained["candidates"] if c["platform"] == SUZHOU for one in c["failed"]]
    assert any("could not be brought" in had for had in misses)
    world.clock.advance(700)
    connector.poll()
    world.connector(WUHU).poll()
    pond.poll()
    lake.poll()
    settle(world, lake, pond)
    assert states(world, ref)[POND] == "whole"


def test_a_plan_says_what_bringing_its_data_costs(world: World, two: tuple[Keeper, Keeper]) -> None:
    ref = register(world, two[0])
    found = world.ok("buyer", "POST", "/v1/jobs:plan", job(**reading(ref)))
    assert "GB x" in term(next(one for one in found["candidates"] if one["platform"] == SUZHOU))
    assert not term(next(one for one in found["candidates"] if one["platform"] == WUHU))


def test_data_comes_ahead_to_the_place_that_is_reserved(world: World, two: tuple[Keeper, Keeper]) -> None:
    ref = register(world, two[0])
    world.connector(SUZHOU).publish(
        inventory("1").model_copy(update={"storage": (storage("pond"),)}), offer(), sealing_key=KEY
    )
    first = world.submit(wants={"platform": SUZHOU}, wall_time_s=600)
    world.hub.settle()
    (said,) = at(world, SUZHOU, first["id"])
    world.connector(SUZHOU).report(said, JobState.RUNNING, started_at=world.clock())
    made = world.submit(**reading(ref, wants={"platform": SUZHOU}, wall_time_s=600))
    world.hub.settle()
    explained = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    assert explained["queueing"]["reserved"].startswith(SUZHOU)
    (brought,) = world.ok("buyer", "GET", "/v1/transfers")["items"]
    assert (brought["target"], brought["wanted_by"]) == (POND, [f"prefetch {made['id']}"])
    settle(world, *two)
    assert states(world, ref)[POND] == "whole"
    assert not at(world, SUZHOU, made["id"])


def test_a_copy_that_is_read_anew_is_neither_read_nor_brought_anew(world: World, two: tuple[Keeper, Keeper]) -> None:
    """The place says so; once the copy is whole again the job starts there."""
    lake, pond = two
    ref = register(world, lake)
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": POND})
    settle(world, lake, pond)
    gone = world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{_copy(world, ref, POND)}")
    assert gone.status_code == 204
    made = world.submit(**reading(ref, wants={"platform": SUZHOU}))
    world.hub.settle()
    explained = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation")
    (miss,) = [one for c in explained["candidates"] if c["platform"] == SUZHOU for one in c["failed"]]
    assert "is read anew, or leaves" in miss["had"]
    settle(world, lake, pond)
    assert states(world, ref)[POND] == "whole"
    assert SUZHOU in told(world, made["id"])


def _copy(world: World, ref: str, storage_ref: str) -> str:
    found = world.ok("buyer", "GET", f"/v1/datasets/{ref}/replicas")["items"]
    return str(next(one["id"] for one in found if one["storage"] == storage_ref))


def test_what_leaves_a_dataset_goes_where_that_can_be_kept(world: World) -> None:
    """Without storage beside any place it waits, and says why."""
    publish(world, SUZHOU, storage("pond"))
    publish(world, WUHU)
    world.ok("buyer", "POST", "/v1/datasets", {"name": "made", "level": 1})
    made = world.submit(save=[{"path": "out", "dataset": "made"}])
    world.hub.settle()
    assert SUZHOU in told(world, made["id"])
    publish(world, SUZHOU)
    waits = world.submit(save=[{"path": "out", "dataset": "made"}])
    world.hub.settle()
    assert told(world, waits["id"]) == {}
    explained = world.ok("buyer", "GET", f"/v1/jobs/{waits['id']}/explanation")
    misses = {(one["filter"], one["wanted"]) for c in explained["candidates"] for one in c["failed"]}
    assert misses == {("data", "made")}


def test_a_submission_that_is_repeated_gets_its_first_answer_whatever_became_of_its_data(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    lake, pond = two
    ref = register(world, lake)
    buyer, body, key = world.person("buyer"), job(**reading(ref)), {"Idempotency-Key": "once"}
    first = buyer.post("/v1/jobs", body, headers=key).json()
    world.ok("buyer", "POST", f"/v1/jobs/{first['id']}/cancel")
    settle(world, lake, pond)
    assert buyer.send("DELETE", f"/v1/datasets/{ref}").status_code == 204
    assert buyer.post("/v1/jobs", body, headers=key).json()["id"] == first["id"]
    refused(buyer.post("/v1/jobs", body), 404, "not_found")


def test_while_its_data_is_not_reached_a_job_waits(world: World, two: tuple[Keeper, Keeper]) -> None:
    """That may pass: a plan does not say that it never starts."""
    ref = register(world, two[0])
    publish(world, WUHU)
    found = world.ok("buyer", "POST", "/v1/jobs:plan", job(**reading(ref)))
    assert found["outlook"]["verdict"] == "waits"
