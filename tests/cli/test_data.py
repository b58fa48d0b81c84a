"""Datasets on the command line, against a whole hub at a port of loopback and a storage that a test keeps."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from suanlian.model.data_protocol import TaskKind
from suanlian.testing.hub import ServedHub, SignedConnector, Wire
from tests.hub.hurry import in_a_hurry
from tests.hub.world import Stores, Template, bare, inventory, offer, populated

from .conftest import Suanlian
from .lakes import KEY, Lake, Objects, storage

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"
TO = f"{WUHU}/lake"
PUBLIC = ("--to", TO, "--level", "1")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with in_a_hurry():
        yield Stores(tmp_path_factory.mktemp("hubs"), None)


@pytest.fixture(scope="module")
def template(stores: Stores) -> Template:
    return populated(bare(stores), stores)


@dataclass
class Shore:
    """A hub with two platforms that publish storage, and the connectors that keep it."""

    hub: ServedHub
    objects: Objects
    lake: Lake
    pond: Lake

    def version(self, ref: str, key: str) -> dict[str, Any]:
        """A version as the hub tells it."""
        found: dict[str, Any] = self.hub.person(key).get(f"/v1/datasets/{ref}").json()["versions"][0]
        return found


@pytest.fixture
def shore(
    template: Template,
    stores: Stores,
    environment: None,  # noqa: ARG001 - set up first
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shore]:
    settings = stores.copy(template)
    with ExitStack() as opened:
        hub = opened.enter_context(ServedHub(settings))
        objects = opened.enter_context(Objects())
        wire = Wire(hub.http, hub.url, hub.key, hub.running.hub.clock)
        kept = []
        for platform, share in ((WUHU, "lake"), (SUZHOU, "pond")):
            identity = template.connectors[platform]
            connector = SignedConnector(wire, identity.keypair, identity.id)
            shares = (storage(share, objects.url), storage("disk", "", kind="posix"))
            connector.publish(inventory().model_copy(update={"storage": shares}), offer(), sealing_key=KEY)
            kept.append(opened.enter_context(Lake(connector, objects)))
        monkeypatch.setenv("SUANLIAN_HUB", hub.url)
        monkeypatch.setenv("SUANLIAN_KEY", template.keys["buyer"])
        yield Shore(hub, objects, *kept)
    stores.drop(settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty file, a Chinese name with a space, and one below another."""
    made = tmp_path / "reads"
    (made / "a").mkdir(parents=True)
    (made / "a" / "数据 一.bin").write_bytes(b"x" * 700)
    (made / "a" / "empty").write_bytes(b"")
    (made / "z").write_bytes(b"z" * 300)
    return made


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_put_ls_show_get_and_again(suanlian: Suanlian, shore: Shore, folder: Path, tmp_path: Path) -> None:
    code, out, err = suanlian("data", "put", folder, "reads", "--to", TO, "--level", "1", "--title", "Reads")
    assert (code, "reads@1: 3 files sent (1.0 kB), 0 were there already; sealed." in out) == (0, True), (out, err)
    assert "hashing 3 files" in err
    assert "sending 3 files" in err
    code, out, _err = suanlian("data", "ls")
    assert code == 0
    assert {"reads@1", "sealed", "3", "1.0", TO} <= set(out.split()), out
    code, out, _err = suanlian("data", "ls", "reads@1:a")
    assert (code, "a/数据 一.bin" in out, "z" in out.split()) == (0, True, False)
    code, out, _err = suanlian("data", "show", "reads")
    assert (code, TO in out, "whole" in out, "Reads" in out) == (0, True, True, True)

    sent = len(shore.objects.puts())
    code, out, _err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, out) == (0, "Unchanged: reads@1 has the very same files.\n")
    assert len(shore.objects.puts()) == sent

    into = tmp_path / "fetched"
    code, out, err = suanlian("data", "get", "reads", into)
    assert (code, "3 files fetched (1.0 kB)" in out) == (0, True), (out, err)
    assert read(into) == read(folder)
    gets = len(shore.objects.calls)
    code, out, _err = suanlian("data", "get", "reads@1", into)
    assert (code, "0 files fetched" in out, "3 were there already" in out) == (0, True, True)
    assert len(shore.objects.calls) == gets

    (into / "z").write_text("mine")
    code, _out, err = suanlian("data", "get", "reads", into)
    assert (code, "1 files" in err, "z" in err, "--force" in err) == (1, True, True, True)
    assert (into / "z").read_text() == "mine"
    assert suanlian("data", "get", "reads:z", into, "--force")[0] == 0
    assert read(into) == read(folder)


def test_what_was_interrupted_goes_on_object_by_object(suanlian: Suanlian, shore: Shore, folder: Path) -> None:
    shore.objects.refuse = {"/z": 1000}
    code, _out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, "goes on where it stopped" in err) == (1, True), err
    assert not any(name.endswith("/z") for name in shore.objects.held)
    shore.objects.refuse = {}
    before = len(shore.objects.puts())
    code, out, _err = suanlian("data", "put", folder, "reads", *PUBLIC, "--json")
    told = json.loads(out)
    assert (code, told["outcome"], told["version"]["number"], told["version"]["state"]) == (0, "gone-on", 1, "sealed")
    again = [name.rpartition("/")[2] for name in shore.objects.puts()[before:]]
    assert (told["there"], "数据 一.bin" in again, "z" in again) == (1, False, True)


def test_a_change_makes_a_further_version_and_what_came_wrong_can_be_put_again(
    suanlian: Suanlian, shore: Shore, folder: Path
) -> None:
    assert suanlian("data", "put", folder, "reads", *PUBLIC)[0] == 0
    (folder / "z").write_bytes(b"other")
    shore.lake.trouble = {TaskKind.TAKE: [("checksum_mismatch", False)]}
    code, _out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, "checksum_mismatch" in err, "reads@2" in err) == (1, True, True), err
    code, out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, "reads@2" in out, "sealed" in out) == (0, True, True), (out, err)
    code, out, _err = suanlian("data", "ls", "reads", "--json")
    assert [(one["number"], one["state"]) for one in json.loads(out)] == [(2, "sealed"), (1, "sealed")]


@pytest.mark.usefixtures("shore")
def test_copies_rules_transfers_and_removal(suanlian: Suanlian, folder: Path) -> None:
    pond = f"{SUZHOU}/pond"
    assert suanlian("data", "put", folder, "reads", *PUBLIC)[0] == 0
    code, out, err = suanlian("data", "cp", "reads@1", pond, "--by", "2099-01-01T00:00+08:00", "--wait")
    assert (code, "done" in out, pond in out) == (0, True, True), (out, err)
    code, out, _err = suanlian("data", "transfers", "--dataset", "reads", "--json")
    (transfer,) = json.loads(out)
    assert (transfer["target"], transfer["state"], transfer["purpose"]) == (pond, "done", "person")
    assert suanlian("data", "transfers", "--dataset", "other", "--json")[1].strip() == "[]"
    assert "done" in suanlian("data", "transfer", "show", transfer["id"])[1]
    code, _out, err = suanlian("data", "cp", "reads@1", pond)
    assert (code, "already" in err) == (1, True)
    code, out, _err = suanlian("data", "verify", "reads@1", "--on", pond, "--wait")
    assert (code, pond in out, "whole" in out) == (0, True, True)

    code, out, _err = suanlian("data", "rule", "add", "reads", "--copies", "2", "--days", "90", "--json")
    (rule,) = json.loads(out)
    assert (code, rule["rule"]["copies"], rule["rule"]["until"] is not None) == (0, 2, True)
    assert "reads" in suanlian("data", "rule", "ls")[1]
    assert suanlian("data", "rule", "rm", rule["id"])[0] == 0
    assert suanlian("data", "rule", "add", "reads", "--days", "1", "--until", "2099-01-01T00:00Z")[0] == 2

    assert suanlian("data", "rm", "reads@1", "--copy", TO)[0] == 0
    code, _out, err = suanlian("data", "rm", "reads@1", "--copy", pond)
    assert (code, "last copy" in err) == (1, True), err
    code, _out, err = suanlian("data", "rm", "reads")
    assert (code, "suanlian data rm reads@1" in err) == (1, True)
    assert suanlian("data", "rm", "reads@1")[0] == 0
    assert suanlian("data", "ls", "reads", "--json")[1].strip() == "[]"


def test_what_lies_there_is_registered(suanlian: Suanlian, shore: Shore) -> None:
    shore.objects.held = {"old/a/b": b"1", "old/c": b"22"}
    code, out, err = suanlian("data", "register", "old", f"{TO}:old", "--level", "1", "--wait")
    assert (code, "sealed" in out, "3 bytes" in out) == (0, True, True), (out, err)
    shore.lake.trouble = {TaskKind.SCAN: [("refused", False)]}
    code, _out, err = suanlian("data", "register", "new", f"{TO}:elsewhere", "--level", "1", "--wait")
    assert (code, "refused" in err, "new@1" in err) == (1, True, True), err


@pytest.mark.usefixtures("shore")
def test_storage_is_listed_with_what_may_go_there(suanlian: Suanlian) -> None:
    code, out, _err = suanlian("storage")
    assert (code, TO in out, f"{SUZHOU}/disk" in out, "posix" in out) == (0, True, True, True)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (f"{WUHU}/disk", "suanlian data register"),
        (f"{WUHU}/none", "suanlian storage"),
        ("none/none", "none"),
        ("none", "PLATFORM/STORAGE"),
    ],
)
def test_where_nothing_can_be_put_is_told_before_anything_is_read(
    suanlian: Suanlian, shore: Shore, folder: Path, to: str, said: str
) -> None:
    code, out, err = suanlian("data", "put", folder, "reads", "--to", to)
    assert (code, said in err, out, "hashing" in err) == (1, True, "", False), err
    assert suanlian("data", "ls", "--json")[1].strip() == "[]"
    assert shore.objects.calls == []


def test_addresses_that_lead_elsewhere_are_not_called(
    suanlian: Suanlian, shore: Shore, folder: Path, tmp_path: Path
) -> None:
    with Objects() as elsewhere:
        shore.lake.lead = elsewhere.url
        code, _out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
        assert (code, "does not lead below" in err) == (1, True), err
        assert elsewhere.calls == []
        shore.lake.lead = ""
        assert suanlian("data", "put", folder, "reads", *PUBLIC)[0] == 0
        shore.lake.lead, shore.lake.folder = elsewhere.url, ""
        assert suanlian("data", "get", "reads", tmp_path / "x")[0] == 1
        shore.lake.folder = str(folder)
        code, _out, err = suanlian("data", "get", "reads", tmp_path / "x")
        assert (code, "a folder, where the storage has an address" in err) == (1, True), err
        assert elsewhere.calls == []
    assert not any(read(tmp_path / "x").values())


def test_an_owner_who_gives_no_leave_is_named_with_the_clause(suanlian: Suanlian, shore: Shore, folder: Path) -> None:
    shore.lake.trouble = {TaskKind.GRANT: [("refused", False)]}
    code, _out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, TO in err, "refused" in err) == (1, True, True), err


def test_bytes_that_are_not_as_stated_are_not_kept(
    suanlian: Suanlian, shore: Shore, folder: Path, tmp_path: Path
) -> None:
    assert suanlian("data", "put", folder, "reads", *PUBLIC)[0] == 0
    name = next(name for name in shore.objects.held if name.endswith("/z"))
    shore.objects.held[name] = b"y" * 300
    code, _out, err = suanlian("data", "get", "reads", tmp_path / "x", "--only", "z")
    assert (code, "other bytes" in err, "suanlian data verify" in err) == (1, True, True), err
    assert read(tmp_path / "x") == {}
    code, _out, err = suanlian("data", "get", "reads", tmp_path / "x", "--only", "nothing*")
    assert (code, "nothing*" in err) == (1, True)


@pytest.mark.usefixtures("shore")
def test_links_are_refused_by_name_and_followed_on_demand(suanlian: Suanlian, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "z")
    (folder / "out").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    code, _out, err = suanlian("data", "put", folder, "reads", *PUBLIC)
    assert (code, "3 of what is there" in err, "link -> " in err, "pipe" in err) == (1, True, True, True), err
    (folder / "out").unlink()
    (folder / "pipe").unlink()
    code, out, err = suanlian("data", "put", folder, "reads", *PUBLIC, "--follow-links")
    assert (code, "4 files sent" in out) == (0, True), (out, err)


@pytest.mark.usefixtures("shore")
def test_what_is_said_of_a_dataset_has_to_be_what_holds(suanlian: Suanlian, folder: Path) -> None:
    assert suanlian("data", "put", folder, "reads", "--to", TO, "--level", "1", "--public")[0] == 0
    code, _out, err = suanlian("data", "put", folder, "reads", "--to", TO, "--level", "3")
    assert (code, "level 1" in err) == (1, True), err
    code, _out, err = suanlian("data", "put", folder, "other", "--to", TO, "--public")
    assert (code, "never public" in err) == (1, True), err
    code, _out, err = suanlian("data", "put", folder, "other", "--to", TO)
    assert (code, "level 2" in err, "level 1" in err, "hashing" in err) == (1, True, True, False), err
    code, out, _err = suanlian("data", "ls", "reads", "--json")
    assert json.loads(out)[0]["public"] is True


def test_a_plan_tells_beforehand_and_sends_nothing(
    suanlian: Suanlian, shore: Shore, folder: Path, tmp_path: Path
) -> None:
    code, out, err = suanlian("data", "plan", folder)
    assert (code, TO in out, "unknown" in out, "3 files, 1.0 kB" in err, "--uplink" in err) == (0, *[True] * 4), err
    (tmp_path / "job.yaml").write_text(
        "name: hello\nresources: {cpu: 1, memory: 256MiB}\nwall_time_s: 3600\n"
        "variants: [{architecture: x86_64, environment: python, command: [python]}]\n"
        "data: [{dataset: reads, path: in}]\n"
    )
    (folder / "z").write_bytes(b"z" * 450_000)
    asked = ("data", "plan", folder, "--job", tmp_path / "job.yaml", "--uplink", "0.001", "--json")
    code, out, err = suanlian(*asked)
    assert code == 0, err
    told = json.loads(out)
    assert (told["files"], told["bytes"]) == (3, 450_700)
    assert [one["storage"] for one in told["storages"] if one["refuses"] is None] == [f"{SUZHOU}/pond", TO]
    lake = next(one for one in told["storages"] if one["storage"] == TO)
    # 450,700 bytes at 1,000 bit/s take 3,605.6 s
    assert (round(float(lake["hours"]), 4), float(lake["bringing_cny"])) == (1.0016, 0)
    assert float(lake["job_cny"]) > 0
    assert lake["job_place"] in (f"{WUHU}/main", f"{SUZHOU}/main")
    assert "The job runs at" in suanlian(*asked[:-1])[1]
    assert suanlian("data", "ls", "--json")[1].strip() == "[]"
    assert shore.objects.calls == []
