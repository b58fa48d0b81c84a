"""Hub and connectors together, nothing played: folders are registered, copied, lost, found, pushed and deleted."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from suanlian.agent.build import opened
from suanlian.agent.config import Home
from suanlian.agent.data.kit import Kit
from suanlian.agent.data.roots import filesystems
from suanlian.agent.data.work import Storekeeper
from suanlian.agent.desk import Identity
from suanlian.crypto.sealing import SealingPair, SealingRing
from suanlian.model.data_protocol import GRANT_TYPE, GrantPage, grant_bound
from suanlian.model.ids import ConnectorId, HubId, PlatformId
from suanlian.model.paths import leads_below
from suanlian.storage.web import Web
from suanlian.testing.fake_driver import FakeDriver
from suanlian.testing.seaweed import Seaweed
from tests.agent.data_bench import FILES, at_once, manifest, read, written
from tests.hub.storing import SUZHOU, WUHU, dataset, states
from tests.hub.world import World, inventory, offer

LAKE, POND = f"{WUHU}/lake", f"{SUZHOU}/pond"
CONFIG = """
hub = "http://127.0.0.1:1"
platform = "{platform}"
connector = "c1"
level = "trade"
[[inventory.sites]]
name = "main"
region = "310000"
[[inventory.flavors]]
name = "f1"
compute_class = "general"
architecture = "x86_64"
node = {{ cpu = "4", memory = "8GiB" }}
[[inventory.shares]]
name = "s1"
site = "main"
flavor = "f1"
capacity = {{ cpu = "2", memory = "4GiB" }}
[policy]
allowed_origins = ["{allowed}"]
"""
POSIX = """
[[inventory.storage]]
name = "{name}"
site = "main"
kind = "posix"
[storage.{name}]
root = "{root}"
peers = ["{peer}"]
register = [{{ entity = "lab", folder = "in" }}]
"""
S3 = """
[[inventory.storage]]
name = "{name}"
site = "main"
kind = "s3"
endpoint = "{endpoint}"
[storage.{name}]
bucket = "{bucket}"
prefix = "{prefix}"
key_id = "file:{keys}/id"
secret = "file:{keys}/secret"
"""


@dataclass
class Place:
    """A platform with its real connector, as far as storage goes."""

    root: Path
    keeper: Storekeeper

    def work(self) -> bool:
        """One round; whether anything was done."""
        self.keeper.poll(0)
        done = self.keeper.tick(at_once)
        return self.keeper.tell() or done


@dataclass
class Both:
    world: World
    lake: Place
    pond: Place

    def settle(self, rounds: int = 40) -> None:
        """Let the hub and both connectors go on until nothing is left to do."""
        quiet = 0
        for _round in range(rounds):
            self.world.hub.settle()
            quiet = 0 if self.lake.work() | self.pond.work() else quiet + 1
            if quiet == 2:
                return

    def ok(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        return self.world.ok("buyer", method, path, body)

    def registered(self, name: str = "reads") -> str:
        written(self.lake.root / "in/raw", FILES)
        self.ok("POST", "/v1/datasets", {"name": name, "level": 1})
        body = {"register": {"storage": LAKE, "folder": "in/raw"}}
        made = self.ok("POST", f"/v1/datasets/{name}/versions", body)
        self.settle()
        return f"{name}@{made['number']}"

    def copied(self, ref: str, to: str = POND) -> dict[str, Any]:
        made = self.ok("POST", f"/v1/datasets/{ref}/replicas", {"to": to})
        self.settle()
        found: dict[str, Any] = self.ok("GET", f"/v1/transfers/{made['id']}")
        return found


@pytest.fixture
def both(world: World, tmp_path: Path) -> Iterator[Both]:
    with ExitStack() as stack:
        places = dict[str, Place]()
        for platform, name, other in ((WUHU, "lake", "pond"), (SUZHOU, "pond", "lake")):
            (tmp_path / other).mkdir(exist_ok=True)
            (tmp_path / name).mkdir(exist_ok=True)
            text = CONFIG.format(platform=platform, allowed="")
            text += POSIX.format(name=name, root=tmp_path / name, peer=tmp_path / other)
            places[name] = _place(stack, world, (platform, tmp_path / name, tmp_path / f"home-{name}"), text)
        yield Both(world, places["lake"], places["pond"])


def _place(stack: ExitStack, world: World, where: tuple[str, Path, Path], text: str) -> Place:
    platform, root, state = where
    connector, home = world.connector(platform), Home(state)
    state.mkdir()
    home.config.write_text(text)
    connector.keypair.save(home.key)
    identity = Identity(
        connector_id=ConnectorId(connector.id),
        platform_id=PlatformId("p"),
        platform=platform,
        hub_id=HubId("h"),
        hub_name="hub",
        hub_url="http://h",
        hub_key=world.hub.key.text,
    )
    home.identity.write_text(identity.model_dump_json())
    desk = stack.enter_context(opened(home, world.clock, FakeDriver(state / "engine")))
    desk = replace(desk, hub=connector.client)
    folders = filesystems(desk.config, "h")
    shares = tuple(
        share.model_copy(update={"filesystem": folders.get(share.name, "")}) for share in desk.config.inventory.storage
    )
    told = inventory().model_copy(update={"storage": shares})
    connector.publish(told, offer(), sealing_key=desk.vault.key.text)
    return Place(root, Storekeeper(Kit(desk, patience_s=0.2)))


def copies(both: Both, ref: str) -> dict[str, Any]:
    return {one["storage"]: one for one in dataset(both.world, ref)["replicas"]}


def test_a_folder_is_registered_and_copied_to_another_site_and_found_whole(both: Both) -> None:
    ref = both.registered()
    assert dataset(both.world, ref)["state"] == "sealed"
    done = both.copied(ref)
    assert (done["state"], done["reason"]) == ("done", "")
    assert states(both.world, ref) == {LAKE: "whole", POND: "whole"}
    (place,) = [path for path in both.pond.root.glob("*/*") if not path.parent.name.startswith(".")]
    assert read(place) == FILES
    assert both.lake.keeper.kit.book.rows() == both.pond.keeper.kit.book.rows() == []


def test_a_copy_that_leaves_is_removed_and_the_registered_folder_stays(both: Both) -> None:
    ref = both.registered()
    both.copied(ref)
    both.world.person("buyer").send("DELETE", f"/v1/datasets/{ref}/replicas/{copies(both, ref)[POND]['id']}")
    both.settle()
    assert read(both.pond.root) == {}
    both.world.person("buyer").send("DELETE", f"/v1/datasets/{ref}")
    both.settle()
    assert read(both.lake.root / "in/raw") == FILES


def test_what_was_changed_in_its_folder_comes_nowhere_and_is_broken(both: Both) -> None:
    ref = both.registered()
    written(both.lake.root / "in/raw", {"a/one.txt": b"changed"})
    failed = both.copied(ref)
    assert failed["state"] in ("failed", "waiting")
    assert states(both.world, ref)[LAKE] == "broken"
    assert [path for path in read(both.pond.root) if "one.txt" in path] == []


def test_a_folder_that_the_owner_did_not_open_is_refused(both: Both) -> None:
    written(both.lake.root / "own", FILES)
    both.ok("POST", "/v1/datasets", {"name": "own", "level": 1})
    body = {"register": {"storage": LAKE, "folder": "own"}}
    made = both.ok("POST", "/v1/datasets/own/versions", body)
    both.settle()
    found = dataset(both.world, f"own@{made['number']}")
    assert found["state"] == "open"
    assert "owner_refuses: register" in found["reason"]


def test_a_copy_is_read_anew_when_somebody_asks(both: Both) -> None:
    ref = both.registered()
    both.copied(ref)
    before = copies(both, ref)[POND]["verified_at"]
    both.world.clock.advance(60)
    both.ok("POST", f"/v1/datasets/{ref}/verify", {})
    both.settle()
    assert copies(both, ref)[POND]["verified_at"] > before
    (file,) = [path for path in both.pond.root.rglob("two.bin") if ".coming" not in path.parts]
    file.write_bytes(bytes(file.stat().st_size))
    both.ok("POST", f"/v1/datasets/{ref}/verify", {})
    both.settle()
    assert states(both.world, ref)[POND] == "broken"


# ---------------------------------------------------------------- by a real S3 server


@pytest.fixture(scope="module")
def seaweed() -> Iterator[Seaweed]:
    with Seaweed() as server:
        server.bucket("pond")
        yield server


@pytest.fixture
def with_s3(world: World, tmp_path: Path, seaweed: Seaweed) -> Iterator[Both]:
    """The second platform's storage is a prefix of a bucket."""
    written(tmp_path / "keys", {"id": seaweed.access_key_id.encode(), "secret": seaweed.secret_access_key.encode()})
    (tmp_path / "lake").mkdir(exist_ok=True)
    with ExitStack() as stack:
        text = CONFIG.format(platform=WUHU, allowed=seaweed.endpoint)
        text += POSIX.format(name="lake", root=tmp_path / "lake", peer=tmp_path / "other")
        lake = _place(stack, world, (WUHU, tmp_path / "lake", tmp_path / "home-lake"), text)
        text = CONFIG.format(platform=SUZHOU, allowed=seaweed.endpoint) + S3.format(
            name="pond", endpoint=seaweed.endpoint, bucket="pond", prefix=tmp_path.name, keys=tmp_path / "keys"
        )
        pond = _place(stack, world, (SUZHOU, tmp_path / "pond", tmp_path / "home-pond"), text)
        yield Both(world, lake, pond)


def there(both: Both) -> dict[str, bytes]:
    storage = both.pond.keeper.kit.stores.open("pond")
    return {one.path: b"".join(storage.read(one.path)) for one in storage.files("") if not one.path.startswith(".")}


def opened_pages(both: Both, grant: dict[str, Any], pair: SealingPair) -> dict[str, str]:
    """What a grant that was asked for says, opened as its holder does."""
    urls = dict[str, str]()
    both.settle()
    for number in range(grant["pages"]):
        page = both.ok("GET", f"/v1/grants/{grant['id']}/pages/{number}")
        text = SealingRing((pair,)).open(page["sealed"], GRANT_TYPE, grant_bound(grant["id"], page["token"]))
        urls |= GrantPage.model_validate_json(text).urls
    assert all(leads_below(url, grant["endpoint"]) for name, url in urls.items() if not name.endswith("//upload"))
    return urls


def test_a_folder_is_pushed_into_an_inbox_taken_over_and_read_by_a_person(with_s3: Both) -> None:
    both, pair = with_s3, SealingPair.generate()
    ref = both.registered()
    done = both.copied(ref)
    assert (done["state"], done["reason"]) == ("done", "")
    assert sorted(there(both).values()) == sorted(FILES.values())
    grant = both.ok("POST", f"/v1/datasets/{ref}/downloads", {"sealing_key": pair.public.text})
    urls = opened_pages(both, grant, pair)
    assert {path: b"".join(Web().read(urls[path], path)) for path in FILES} == FILES
    assert both.pond.keeper.kit.stores.open("pond").stat(f".inbox/{grant['id']}/a/one.txt") is None


def test_a_person_writes_into_an_inbox_and_what_is_right_is_sealed(with_s3: Both) -> None:
    both, pair = with_s3, SealingPair.generate()
    both.ok("POST", "/v1/datasets", {"name": "up", "level": 1})
    ref = f"up@{both.ok('POST', '/v1/datasets/up/versions', {})['number']}"
    both.ok("POST", f"/v1/datasets/{ref}/files", {"start": 0, "files": [f.model_dump() for f in manifest(FILES)]})
    ask = {"storage": POND, "sealing_key": pair.public.text}
    urls = opened_pages(both, both.ok("POST", f"/v1/datasets/{ref}/uploads", ask), pair)
    for path, content in FILES.items():
        Web().put(urls[path], path, (content,), len(content))
    assert there(both) == {}
    both.ok("POST", f"/v1/datasets/{ref}/seal")
    both.settle()
    assert dataset(both.world, ref)["state"] == "sealed"
    assert sorted(there(both).values()) == sorted(FILES.values())


# ---------------------------------------------------------------- what goes wrong


def worked(place: Place, kind: str) -> None:
    """Let one connector do what it is told until a task of this kind is done."""
    for _round in range(20):
        place.keeper.poll(0)
        at_hand = [row.task.kind for row in place.keeper.kit.book.rows() if row.to_do]
        place.keeper.tick(at_once)
        place.keeper.tell()
        if kind in at_hand:
            return
    raise AssertionError(f"{kind} was never told")


def begun(both: Both, ref: str) -> str:
    """A copy that was granted by the lake and not begun by the pond; its transfer."""
    made = both.ok("POST", f"/v1/datasets/{ref}/replicas", {"to": POND})
    both.world.hub.settle()
    worked(both.lake, "grant")
    return str(made["id"])


def ended(both: Both, transfer: str) -> tuple[str, str]:
    """How a transfer ends that is tried again and again; its state and code."""
    for _wait in range(12):
        both.settle()
        found = both.ok("GET", f"/v1/transfers/{transfer}")
        if found["state"] in ("done", "failed"):
            break
        both.world.clock.advance(30)
    return found["state"], found["code"]


def nothing_at(place: Place) -> None:
    """No file lies there, seen or unseen."""
    assert read(place.root) == {}


def test_a_source_that_vanishes_after_it_was_granted_is_broken_and_nothing_of_it_is_seen(both: Both) -> None:
    ref = both.registered()
    transfer = begun(both, ref)
    shutil.rmtree(both.lake.root / "in")
    shutil.rmtree(both.lake.root / ".grants", ignore_errors=True)
    assert ended(both, transfer) == ("failed", "source_gone")
    assert states(both.world, ref) == {LAKE: "broken"}
    assert dataset(both.world, ref)["state"] == "lost"
    nothing_at(both.pond)


def test_bytes_that_changed_unseen_below_their_registration_come_nowhere(both: Both) -> None:
    ref = both.registered()
    file = both.lake.root / "in/raw/a/two.bin"
    before = file.stat()
    file.write_bytes(bytes(before.st_size))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    made = both.ok("POST", f"/v1/datasets/{ref}/replicas", {"to": POND})
    assert ended(both, made["id"]) == ("failed", "checksum_mismatch")
    assert "a/two.bin" in both.ok("GET", f"/v1/transfers/{made['id']}")["reason"]
    assert states(both.world, ref) == {LAKE: "broken"}
    nothing_at(both.pond)
    # once it is as it was, reading it anew mends it
    file.write_bytes(FILES["a/two.bin"])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    both.ok("POST", f"/v1/datasets/{ref}/verify", {})
    both.settle()
    assert states(both.world, ref)[LAKE] == "whole"
    assert both.copied(ref)["state"] == "done"


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system that has room for the bytes, and not for the files: so it is full in the midst of a move."""
    root = tmp_path / "lake"
    root.mkdir()
    if not mounted("mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=8", "tmpfs", str(root)):
        pytest.skip("only root mounts a small file system")
    try:
        yield root
    finally:
        assert mounted("umount", "-l", str(root))


def mounted(name: str, *arguments: str) -> bool:
    """Whether a command about mounts went well."""
    found = shutil.which(name)
    return found is not None and subprocess.run([found, *arguments], check=False, capture_output=True).returncode == 0


def test_a_target_that_fills_up_midway_is_said_to_be_full_and_keeps_nothing(tiny: Path, with_s3: Both) -> None:
    both, pair = with_s3, SealingPair.generate()
    both.ok("POST", "/v1/datasets", {"name": "up", "level": 1})
    ref = f"up@{both.ok('POST', '/v1/datasets/up/versions', {})['number']}"
    both.ok("POST", f"/v1/datasets/{ref}/files", {"start": 0, "files": [f.model_dump() for f in manifest(FILES)]})
    ask = {"storage": POND, "sealing_key": pair.public.text}
    urls = opened_pages(both, both.ok("POST", f"/v1/datasets/{ref}/uploads", ask), pair)
    for path, content in FILES.items():
        Web().put(urls[path], path, (content,), len(content))
    both.ok("POST", f"/v1/datasets/{ref}/seal")
    both.settle()
    made = both.ok("POST", f"/v1/datasets/{ref}/replicas", {"to": LAKE})
    assert ended(both, made["id"]) == ("failed", "target_full")
    assert states(both.world, ref) == {POND: "whole"}
    assert read(tiny) == {}
    assert mounted("mount", "-o", "remount,nr_inodes=100", str(tiny))
    made = both.ok("POST", f"/v1/datasets/{ref}/replicas", {"to": LAKE})
    assert ended(both, made["id"]) == ("done", "")
