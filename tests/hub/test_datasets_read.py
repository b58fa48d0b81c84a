"""Datasets read by others: by the standard DRS, by jobs and attempts; and what an erased account had."""

import hashlib
from typing import Any
from urllib.parse import quote

from sqlalchemy import select

from suanlian.model.data import StorageKind
from suanlian.store import datasets as dataset_rows
from suanlian.store import replicas as replica_rows
from suanlian.store import tables
from suanlian.store.unit import Row, Unit
from tests.hub.storing import FILES_SORTED, WUHU, Keeper, dataset, publish, register, settle, storage
from tests.hub.test_bad_input import refused
from tests.hub.test_datasets import LAKE, copied, two
from tests.hub.world import World

__all__ = ["two"]


def test_a_version_is_read_by_drs_as_a_bundle_of_its_files(world: World) -> None:
    publish(world, WUHU, storage("web", StorageKind.HTTP), storage("lake", prefixes=["s3://bucket/lake/"]))
    lake = Keeper(world, WUHU)
    register(world, lake, "open", share="web", public=True)
    copied(world, "open@1", LAKE)
    settle(world, lake)
    version = dataset(world, "open@1")
    assert world.person("nobody").get("/ga4gh/drs/v1/service-info").json()["type"]["artifact"] == "drs"
    bundle = world.ok("buyer2", "GET", f"/ga4gh/drs/v1/objects/{version['id']}")
    assert [one["name"] for one in bundle["contents"]] == [file.path for file in FILES_SORTED]
    joined = "".join(sorted(file.sha256 for file in FILES_SORTED))
    assert bundle["checksums"][0]["checksum"] == hashlib.sha256(joined.encode()).hexdigest()
    blob = world.ok("buyer2", "GET", f"/ga4gh/drs/v1/objects/{bundle['contents'][1]['id']}")
    assert (blob["size"], blob["checksums"][0]["checksum"]) == (FILES_SORTED[1].size, FILES_SORTED[1].sha256)
    urls = {method["type"]: method["access_url"]["url"] for method in blob["access_methods"]}
    assert urls["https"] == f"https://web.example/open/raw/{quote(FILES_SORTED[1].path)}"
    assert urls["s3"].startswith(f"s3://bucket/lake/{version['id']}/")
    first = blob["access_methods"][0]
    path = f"/ga4gh/drs/v1/objects/{blob['id']}/access/{first['access_id']}"
    assert world.ok("buyer2", "GET", path) == first["access_url"]
    refused(world.person("buyer2").get(f"/ga4gh/drs/v1/objects/{version['id']}:99"), 404, "not_found")
    register(world, lake, "closed", share="web")
    hidden = dataset(world, "closed@1")["id"]
    refused(world.person("buyer2").get(f"/ga4gh/drs/v1/objects/{hidden}"), 404, "not_found")


def test_what_a_job_names_is_not_deleted_and_what_an_attempt_reads_stays(
    world: World, two: tuple[Keeper, Keeper]
) -> None:
    lake, pond = two
    ref = register(world, lake)
    copied(world, ref)
    settle(world, lake, pond)
    version = dataset(world, ref)
    copy = next(copy["id"] for copy in version["replicas"] if copy["storage"] == LAKE)
    made, told = world.at(WUHU)
    writer, connector = world.hub.running.hub.writer, world.connector(WUHU)

    def place(unit: Unit) -> None:
        dataset_rows.lock(unit, version["id"])
        dataset_rows.name_by_job(unit, made["id"], [version["id"]])
        replica_rows.use(unit, copy, replica_rows.ATTEMPT, told.attempt_id)

    writer.run(place)
    buyer = world.person("buyer")
    answer = buyer.send("DELETE", f"/v1/datasets/{ref}")
    refused(answer, 409, "dataset_in_use")
    assert made["public_id"] in answer.json()["detail"]
    refused(buyer.send("DELETE", f"/v1/datasets/{ref}/replicas/{copy}"), 409, "dataset_in_use")
    connector.run(told)
    assert buyer.send("DELETE", f"/v1/datasets/{ref}/replicas/{copy}").status_code == 204
    assert buyer.send("DELETE", f"/v1/datasets/{ref}").status_code == 204


def test_what_an_erased_account_had_goes(world: World, two: tuple[Keeper, Keeper]) -> None:
    lake, pond = two
    copied(world, register(world, lake))
    settle(world, lake, pond)
    account = world.ok("buyer", "GET", "/v1/me")["account_id"]
    world.hub.running.hub.writer.run(lambda unit: dataset_rows.erase(unit, account, "erased"))
    settle(world, lake, pond)
    world.clock.advance(31)
    settle(world, lake, pond)
    assert {row["state"] for row in rows_of(world, tables.replica)} == {"gone"}
    assert rows_of(world, tables.dataset_file) == []
    assert [(row["name"], row["title"]) for row in rows_of(world, tables.dataset)] == [("erased-0", "")]
    assert world.ok("buyer", "GET", "/v1/datasets")["items"] == []


def rows_of(world: World, table: Any) -> list[Row]:  # noqa: ANN401 - a table
    with world.hub.running.hub.reading() as unit:
        return list(unit.connection.execute(select(table)).mappings())
