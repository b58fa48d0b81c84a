"""Datasets at the hub: from a folder or an upload to a sealed version, its copies, rules, faults and refusals."""

from typing import Any

import pytest

from suanlian.model.data import StorageKind, manifest_digest
from suanlian.model.data_protocol import DataFilesCall, DataGrantsCall, TaskKind, TaskState, TaskWish
from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from tests.hub.storing import (
    FILES_SORTED,
    KEY,
    SIZE,
    SUZHOU,
    WUHU,
    Keeper,
    dataset,
    publish,
    register,
    settle,
    states,
    storage,
)
from tests.hub.test_bad_input import refused
from tests.hub.test_trace import rows
from tests.hub.world import World

LAKE, POND = f"{WUHU}/lake", f"{SUZHOU}/pond"


@pytest.fixture
def two(world: World) -> tuple[Keeper, Keeper]:
    """Two platforms with an S3 storage each."""
    publish(world, WUHU, storage("lake"))
    publish(world, SUZHOU, storage("pond", capacity=10_000))
    return Keeper(world, WUHU), Keeper(world, SUZHOU)


def copied(world: World, ref: str, to: str = POND) -> dict[str, Any]:
    found: dict[str, Any] = world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": to})
    return found


def transfer(world: World, of: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = world.ok("buyer", "GET", f"/v1/transfers/{of['id']}")
    return found


@pytest.mark.usefixtures("two")
def test_storage_is_published_like_shares_and_listed(world: World) -> None:
    found = world.ok("buyer", "GET", "/v1/storages")["items"]
    assert [(row["body"]["name"], row["version"]) for row in found] == [("lake", 1), ("pond", 1)]
    publish(world, WUHU)
    assert [row["body"]["name"] for row in world.ok("buyer", "GET", "/v1/storages")["items"]] == ["pond"]


def test_a_registered_folder_becomes_a_sealed_version(world: World, two: tuple[Keeper, Keeper]) -> None:
    ref = register(world, two[0])
    found = dataset(world, ref)
    assert (found["state"], found["files"], found["bytes"]) == ("sealed", 3, SIZE)
    assert found["digest"] == manifest_digest(FILES_SORTED)
    (copy,) = found["replicas"]
    assert (copy["storage"], copy["state"], copy["managed"]) == (LAKE, "whole", False)
    page = world.ok("buyer", "GET", f"/v1/datasets/{ref}/files?limit=2")
    assert ([file["path"] for file in page["files"]], page["next"]) == ([f.path for f in FILES_SORTED[:2]], 2)
    # what was told of it is forgotten at the next look
    assert two[0].tasks == {}


def test_a_copy_is_pulled_by_a_grant_that_the_hub_cannot_read(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    made = copied(world, ref)
    assert copied(world, ref)["id"] == made["id"]
    world.hub.settle()
    assert pond.poll() == []  # its grant is not minted yet
    lake.work()
    pond.poll()
    move = pond.of(TaskKind.MOVE)
    assert (move.other, move.other_endpoint) == (LAKE, "https://lake.example")
    page = pond.client.data_grants(DataGrantsCall(task_id=move.grant_task, token=move.grant_token, page=0))
    assert page.sealed == f"sealed-{move.grant_task}-1"
    assert pond.client.data_files(DataFilesCall(task_id=move.id, token=move.token, start=0)).files == FILES_SORTED
    pond.say(move, TaskState.GOING, bytes_done=400, files_done=1)
    assert (transfer(world, made)["state"], transfer(world, made)["bytes_done"]) == ("going", 400)
    assert states(world, ref) == {LAKE: "whole", POND: "coming"}
    assert pond.say(move, TaskState.DONE) == ()
    assert states(world, ref) == {LAKE: "whole", POND: "whole"}
    assert transfer(world, made)["state"] == "done"
    assert pond.say(move, TaskState.DONE) == (move.id,)
    settle(world, lake, pond)
    assert (lake.tasks, pond.tasks) == ({}, {})


def test_a_stranger_gets_neither_grant_nor_files(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    copied(world, register(world, lake))
    world.hub.settle()
    lake.poll()
    grant = lake.of(TaskKind.GRANT)
    with pytest.raises(ConflictError, match="No task of this connector"):
        lake.client.data_grants(DataGrantsCall(task_id=grant.id, token=grant.token, page=0))
    with pytest.raises(ConflictError, match="mints no such grant"):
        pond.mint(grant)
    with pytest.raises(ConflictError, match="no such task"):
        pond.client.data_files(DataFilesCall(task_id=grant.id, token=grant.token, start=0))
    assert pond.say(grant, TaskState.DONE) == (grant.id,)


def test_a_grant_that_ran_out_is_minted_anew_once(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    copied(world, register(world, lake))
    world.hub.settle()
    lake.work()
    pond.poll()
    move = pond.of(TaskKind.MOVE)
    world.clock.advance(3601)
    for _ in range(2):
        call = DataGrantsCall(task_id=move.grant_task, token=move.grant_token, page=0)
        answer = pond.client.data_grants(call)
        assert answer.sealed is None
    lake.work()
    pond.poll()
    assert (pond.of(TaskKind.MOVE).grant_token, pond.of(TaskKind.MOVE).token) == (2, move.token)


def test_a_folder_pushes_into_an_inbox_that_its_owner_takes(world: World) -> None:
    publish(world, WUHU, storage("disk", StorageKind.POSIX))
    publish(world, SUZHOU, storage("pond"))
    disk, pond = Keeper(world, WUHU), Keeper(world, SUZHOU)
    ref = register(world, disk, share="disk")
    copied(world, ref)
    world.hub.settle()
    pond.work()
    assert pond.of(TaskKind.GRANT).source_place.startswith(".inbox/")
    assert TaskKind.TAKE not in {task.kind for task in pond.tasks.values()}
    disk.work()
    assert states(world, ref)[POND] == "coming"
    pond.poll()
    take = pond.of(TaskKind.TAKE)
    assert take.source_place == f".inbox/{take.id}"
    assert take.place == f"{take.version_id}/{take.replica_id}"
    pond.do(take)
    assert states(world, ref)[POND] == "whole"


def test_two_folders_of_different_machines_go_over_a_third_place(world: World) -> None:
    publish(world, WUHU, storage("disk", StorageKind.POSIX), storage("lake"))
    publish(world, SUZHOU, storage("shelf", StorageKind.POSIX))
    disk, shelf = Keeper(world, WUHU), Keeper(world, SUZHOU)
    ref = register(world, disk, share="disk")
    made = copied(world, ref, f"{SUZHOU}/shelf")
    settle(world, disk, shelf)
    told = transfer(world, made)
    assert (told["state"], told["via"], told["source"]) == ("done", LAKE, LAKE)
    assert states(world, ref) == {f"{WUHU}/disk": "whole", LAKE: "whole", f"{SUZHOU}/shelf": "whole"}
    # the copy between is needed by nobody after a day
    world.clock.advance(86_500)
    disk.poll()
    shelf.poll()
    settle(world, disk, shelf)
    assert LAKE not in states(world, ref)


def test_without_a_way_a_transfer_fails_and_says_so(world: World) -> None:
    publish(world, WUHU, storage("disk", StorageKind.POSIX))
    publish(world, SUZHOU, storage("shelf", StorageKind.POSIX))
    disk = Keeper(world, WUHU)
    ref = register(world, disk, share="disk")
    made = copied(world, ref, f"{SUZHOU}/shelf")
    world.hub.settle()
    told = transfer(world, made)
    assert (told["state"], told["code"]) == ("failed", "no_way")
    assert "neither side can call the other" in told["reason"]


def test_what_differs_is_fetched_elsewhere_and_its_source_is_read_anew(world: World) -> None:
    publish(world, WUHU, storage("lake"), storage("brook", egress_cny_per_gb="1"))
    publish(world, SUZHOU, storage("pond"))
    lake, pond = Keeper(world, WUHU), Keeper(world, SUZHOU)
    ref = register(world, lake)
    copied(world, ref, f"{WUHU}/brook")
    settle(world, lake, pond)
    pond.trouble = {TaskKind.MOVE: [("checksum_mismatch", False)]}
    made = copied(world, ref)
    world.hub.settle()
    lake.work()
    pond.work()
    assert states(world, ref)[LAKE] == "doubted"
    world.hub.settle()
    lake.poll()
    lake.say(lake.of(TaskKind.VERIFY), TaskState.FAILED, code="checksum_mismatch", path="z")
    assert states(world, ref)[LAKE] == "broken"
    settle(world, lake, pond)
    assert (transfer(world, made)["state"], transfer(world, made)["source"]) == ("done", f"{WUHU}/brook")


def test_a_version_is_lost_with_its_last_copy_and_found_again(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    pond.trouble = {TaskKind.MOVE: [("checksum_mismatch", False)]}
    lake.trouble = {TaskKind.VERIFY: [("changed_in_place", False)]}
    made = copied(world, ref)
    settle(world, lake, pond)
    assert transfer(world, made)["code"] == "checksum_mismatch"
    assert dataset(world, ref)["state"] == "lost"
    refused(world.person("buyer").post(f"/v1/datasets/{ref}/replicas", {"to": POND}), 409, "state_conflict")
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/verify", {})
    settle(world, lake, pond)
    assert (dataset(world, ref)["state"], states(world, ref)[LAKE]) == ("sealed", "whole")


def test_a_target_that_is_full_ends_it_and_nothing_is_left(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    pond.trouble = {TaskKind.MOVE: [("target_full", False)]}
    made = copied(world, ref)
    settle(world, lake, pond)
    assert (transfer(world, made)["state"], transfer(world, made)["code"]) == ("failed", "target_full")
    assert states(world, ref) == {LAKE: "whole"}
    again = world.ok("buyer", "POST", f"/v1/transfers/{made['id']}/retry")
    settle(world, lake, pond)
    assert transfer(world, again)["state"] == "done"


def test_what_passes_is_tried_again_after_a_while(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    pond.trouble = {TaskKind.MOVE: [("unreachable", True)]}
    made = copied(world, ref)
    world.hub.settle()
    lake.work()
    pond.work()
    world.hub.settle()
    told = transfer(world, made)
    assert (told["state"], told["code"], told["tries"]) == ("waiting", "unreachable", 1)
    world.clock.advance(6)
    settle(world, lake, pond)
    assert transfer(world, made)["state"] == "done"


def test_a_mover_that_fell_silent_goes_on_when_it_is_back(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    made = copied(world, ref)
    world.hub.settle()
    lake.work()
    pond.poll()
    before = pond.of(TaskKind.MOVE)
    pond.say(before, TaskState.GOING, bytes_done=10)
    for _ in range(3):
        world.clock.advance(61)
        lake.poll()
    world.hub.settle()
    assert (transfer(world, made)["state"], transfer(world, made)["tries"]) == ("waiting", 0)
    assert pond.say(before, TaskState.DONE) == (before.id,)
    settle(world, lake, pond)
    assert transfer(world, made)["state"] == "done"
    assert [task_id.split(".")[0] for kind, task_id in pond.done if kind is TaskKind.MOVE] == [before.id]


def test_who_wants_it_no_more_cancels_it_and_the_mover_is_told(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    made = copied(world, ref)
    world.hub.settle()
    lake.work()
    pond.poll()
    world.ok("buyer", "POST", f"/v1/transfers/{made['id']}/cancel")
    assert transfer(world, made)["state"] == "canceling"
    pond.poll()
    assert pond.of(TaskKind.MOVE).wish is TaskWish.STOP
    settle(world, lake, pond)
    assert transfer(world, made)["state"] == "canceled"
    assert states(world, ref) == {LAKE: "whole"}
    refused(world.person("buyer").post(f"/v1/transfers/{made['id']}/cancel"), 409, "state_conflict")


def test_the_last_copy_never_leaves_but_with_the_version(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    copied(world, ref)
    settle(world, lake, pond)
    ids = {copy["storage"]: copy["id"] for copy in dataset(world, ref)["replicas"]}
    buyer = world.person("buyer")
    assert buyer.send("DELETE", f"/v1/datasets/{ref}/replicas/{ids[LAKE]}").status_code == 204
    assert states(world, ref) == {POND: "whole"}
    refused(buyer.send("DELETE", f"/v1/datasets/{ref}/replicas/{ids[POND]}"), 409, "last_copy")
    assert buyer.send("DELETE", f"/v1/datasets/{ref}").status_code == 204
    settle(world, lake, pond)
    assert ("delete", True) in {(kind.value, True) for kind, _ in pond.done}
    assert ("delete", True) not in {(kind.value, True) for kind, _ in lake.done}  # it was never ours
    refused(buyer.get(f"/v1/datasets/{ref}/files"), 404, "not_found")


def test_an_upload_is_told_written_sealed_and_taken(world: World, two: tuple[Keeper, Keeper]) -> None:
    pond = two[1]
    world.ok("buyer", "POST", "/v1/datasets", {"name": "mine", "level": 1})
    world.ok("buyer", "POST", "/v1/datasets/mine/versions", {})
    pages = [{"start": n, "files": [f.model_dump(mode="json")]} for n, f in enumerate(FILES_SORTED)]
    for page in (*pages, pages[1]):
        world.ok("buyer", "POST", "/v1/datasets/mine/files", page)
    refused(world.person("buyer").post("/v1/datasets/mine/files", pages[0] | {"start": 3}), 422, "manifest_invalid")
    grant = world.ok("buyer", "POST", "/v1/datasets/mine/uploads", {"storage": POND, "sealing_key": KEY})
    assert (grant["files"], grant["pages"], grant["direction"]) == (3, 1, "write")
    assert world.ok("buyer", "GET", f"/v1/grants/{grant['id']}/pages/0")["sealed"] is None
    pond.work()
    assert world.ok("buyer", "GET", f"/v1/grants/{grant['id']}/pages/0")["sealed"].startswith("sealed-")
    refused(world.person("buyer2").get(f"/v1/grants/{grant['id']}/pages/0"), 404, "not_found")
    told = world.ok("buyer", "POST", "/v1/datasets/mine/seal")
    assert (told["state"], told["digest"]) == ("open", manifest_digest(FILES_SORTED))
    refused(world.person("buyer").post("/v1/datasets/mine/files", pages[0]), 409, "state_conflict")
    settle(world, pond)
    found = dataset(world, "mine@1")
    assert (found["state"], found["bytes"], states(world, "mine@1")) == ("sealed", SIZE, {POND: "whole"})


def test_an_upload_that_is_not_as_stated_may_be_made_anew(world: World, two: tuple[Keeper, Keeper]) -> None:
    pond = two[1]
    world.ok("buyer", "POST", "/v1/datasets", {"name": "mine", "level": 1})
    world.ok("buyer", "POST", "/v1/datasets/mine/versions", {})
    page = {"start": 0, "files": [f.model_dump(mode="json") for f in FILES_SORTED]}
    world.ok("buyer", "POST", "/v1/datasets/mine/files", page)
    pond.trouble = {TaskKind.TAKE: [("checksum_mismatch", False)]}
    for _ in range(2):
        world.ok("buyer", "POST", "/v1/datasets/mine/uploads", {"storage": POND, "sealing_key": KEY})
        settle(world, pond)
        world.ok("buyer", "POST", "/v1/datasets/mine/seal")
        settle(world, pond)
    assert dataset(world, "mine@1")["state"] == "sealed"


def test_reading_is_granted_from_s3_and_refused_from_a_folder(world: World) -> None:
    publish(world, WUHU, storage("lake"), storage("disk", StorageKind.POSIX))
    lake = Keeper(world, WUHU)
    ref = register(world, lake)
    grant = world.ok("buyer", "POST", f"/v1/datasets/{ref}/downloads", {"sealing_key": KEY})
    lake.work()
    assert world.ok("buyer", "GET", f"/v1/grants/{grant['id']}/pages/0")["sealed"]
    other = register(world, lake, "local", share="disk")
    answer = world.person("buyer").post(f"/v1/datasets/{other}/downloads", {"sealing_key": KEY})
    refused(answer, 409, "storage_unfit")
    assert "Copy it to S3 storage" in answer.json()["todo"]
    # it is read: it does not leave; when its time is over, it may
    ids = {copy["storage"]: copy["id"] for copy in dataset(world, ref)["replicas"]}
    refused(world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{ids[LAKE]}"), 409, "dataset_in_use")
    world.clock.advance(3601)
    lake.poll()
    world.hub.settle()
    refused(world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{ids[LAKE]}"), 409, "last_copy")


def test_rules_are_kept_true_and_their_copies_go_with_them(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    rule = world.ok("buyer", "POST", "/v1/copy-rules", {"dataset": "reads", "rule": {"copies": 2}})
    settle(world, lake, pond)
    assert states(world, ref) == {LAKE: "whole", POND: "whole"}
    (told,) = world.ok("buyer", "GET", "/v1/copy-rules")["items"]
    assert (told["whole"], told["coming"], told["reason"]) == (2, 0, "")
    assert world.person("buyer").send("DELETE", f"/v1/copy-rules/{rule['id']}").status_code == 204
    settle(world, lake, pond)
    assert states(world, ref) == {LAKE: "whole"}


def test_a_rule_that_cannot_hold_says_why(world: World, two: tuple[Keeper, Keeper]) -> None:
    ref = register(world, two[0])
    world.ok("buyer", "POST", "/v1/copy-rules", {"dataset": ref, "rule": {"copies": 2, "where": {"west": True}}})
    settle(world, *two)
    (told,) = world.ok("buyer", "GET", "/v1/copy-rules")["items"]
    assert told["reason"].startswith("2 of the copies have no place")


def test_room_is_booked_before_anything_moves(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    publish(world, SUZHOU, storage("pond", capacity=SIZE + 10))
    first, second = register(world, lake), register(world, lake, "more")
    copied(world, first)
    refused(world.person("buyer").post(f"/v1/datasets/{second}/replicas", {"to": POND}), 409, "storage_full")
    settle(world, lake, pond)
    world.person("buyer").send("DELETE", f"/v1/datasets/{first}")
    settle(world, lake, pond)
    copied(world, second)


@pytest.mark.usefixtures("two")
def test_data_of_a_level_goes_where_it_may(world: World) -> None:
    world.ok("buyer", "POST", "/v1/datasets", {"name": "secret", "level": 3})
    body = {"register": {"storage": LAKE, "folder": "secret"}}
    answer = world.person("buyer").post("/v1/datasets/secret/versions", body)
    refused(answer, 409, "storage_unfit")
    assert "protection grade 3" in answer.json()["detail"]


def test_what_is_public_is_read_by_all_and_changed_by_none_but_its_owner(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    register(world, two[0], "open", public=True)
    register(world, two[0], "closed")
    other = world.person("buyer2")
    assert other.get("/v1/datasets/lab:open").json()["versions"][0]["state"] == "sealed"
    assert [row["name"] for row in other.get("/v1/datasets").json()["items"]] == ["open"]
    refused(other.get("/v1/datasets/lab:closed"), 404, "not_found")
    for path in ("seal", "verify", "replicas"):
        body = {"to": POND} if path == "replicas" else {}
        refused(other.post(f"/v1/datasets/lab:open@1/{path}", body), 404, "not_found")
    refused(other.send("DELETE", "/v1/datasets/lab:open"), 404, "not_found")
    answer = world.person("buyer").post("/v1/datasets", {"name": "x", "level": 2, "public": True})
    refused(answer, 422, "field_invalid")


def test_a_scan_that_was_refused_says_why_and_one_that_changed_is_read_anew(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    lake = two[0]
    lake.trouble = {TaskKind.SCAN: [("refused", False)]}
    ref = register(world, lake)
    assert (dataset(world, ref)["state"], dataset(world, ref)["reason"]) == ("open", "refused: as the test wants")
    assert states(world, ref) == {}
    body = {"register": {"storage": LAKE, "folder": "reads/raw"}}
    world.ok("buyer", "POST", "/v1/datasets/reads/versions", body)
    world.hub.settle()
    lake.poll()
    task = lake.of(TaskKind.SCAN)
    lake.tell(task, reading=1)
    lake.files = FILES_SORTED[:2]
    lake.tell(task, reading=2)
    with pytest.raises(ConflictError, match="read anew"):
        lake.tell(task, reading=1)
    digest, size = manifest_digest(lake.files), sum(file.size for file in lake.files)
    assert lake.say(task, TaskState.DONE, files=2, bytes=size, digest=digest) == ()
    assert dataset(world, "reads@2")["files"] == 2


def test_versions_that_were_forgotten_or_expired_are_deleted(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake = two[0]
    soon = (world.clock().timestamp()) + 1000
    register(world, lake, "brief", expires_at=soon)
    world.ok("buyer", "POST", "/v1/datasets", {"name": "begun"})
    world.ok("buyer", "POST", "/v1/datasets/begun/versions", {})
    world.clock.advance(1001)
    world.hub.settle()
    refused(world.person("buyer").get("/v1/datasets/brief@1/files"), 404, "not_found")
    assert dataset(world, "begun")["state"] == "open"
    world.clock.advance(7 * 86_400)
    world.hub.settle()
    assert world.ok("buyer", "GET", "/v1/datasets/begun")["versions"] == []


def test_a_name_that_is_used_again_goes_on_with_its_numbers(world: World, two: tuple[Keeper, Keeper]) -> None:
    assert register(world, two[0]) == "reads@1"
    refused(world.person("buyer").post("/v1/datasets", {"name": "reads"}), 409, "duplicate_name")
    world.person("buyer").send("DELETE", "/v1/datasets/reads")
    settle(world, two[0])
    assert register(world, two[0]) == "reads@2"
    refused(world.person("buyer").get("/v1/datasets/reads@1/files"), 404, "not_found")


def test_each_act_leaves_its_row(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    ref = register(world, lake)
    world.ok("buyer", "POST", f"/v1/transfers/{copied(world, ref)['id']}/cancel")
    settle(world, lake, pond)
    copied(world, ref)
    settle(world, lake, pond)
    copy = next(copy["id"] for copy in dataset(world, ref)["replicas"] if copy["storage"] == POND)
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas/{copy}/pin", {"until": None})
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/verify", {})
    grant = world.ok("buyer", "POST", f"/v1/datasets/{ref}/downloads", {"sealing_key": KEY})
    world.person("buyer").send("DELETE", f"/v1/grants/{grant['id']}")
    rule = world.ok("buyer", "POST", "/v1/copy-rules", {"dataset": ref, "rule": {"copies": 1}})
    world.person("buyer").send("DELETE", f"/v1/copy-rules/{rule['id']}")
    world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{copy}")
    world.person("buyer").send("DELETE", "/v1/datasets/reads")
    settle(world, lake, pond)
    wanted = {kind for kind in EventType if kind.split(".")[0] in ("dataset", "replica", "data", "copy-rule")}
    wanted |= {EventType.VERSION_OPENED, EventType.VERSION_SEALED, EventType.VERSION_DELETED}
    assert wanted <= {row["type"] for row in rows(world)}
