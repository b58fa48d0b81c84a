"""Datasets through real processes: registered, kept in two places by a rule, read by a job, saved, put and fetched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from suanlian.model.party import Role
from suanlian.testing.nodes import NO_PROBES, HubProcess, Slots, agent_toml, make_hub, make_platform
from suanlian.testing.processes import Done, Processes, program, until
from suanlian.testing.seaweed import Seaweed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

FILES: Final = {"a/数据 一.bin": b"x" * 70_000, "a/empty": b"", "z": b"z" * 300}
FOLDER: Final = """
[[inventory.storage]]
name = "disk"
site = "main"
kind = "posix"
[storage.disk]
root = "{root}"
peers = ["{peer}"]
register = [{{ entity = "lab", folder = "in" }}]
"""
BUCKET: Final = """
[[inventory.storage]]
name = "bucket"
site = "main"
kind = "s3"
endpoint = "{endpoint}"
[storage.bucket]
bucket = "lab"
prefix = "suanlian"
key_id = "file:{keys}/id"
secret = "file:{keys}/secret"
"""
JOB: Final = """
name: sizes
resources: {cpu: "1", memory: 64MiB}
wants: {platform: suzhou}
wall_time_s: 120
variants:
  - architecture: x86_64
    environment: python
    command: [python3, -I, -S, sizes.py]
inputs:
  - path: sizes.py
    content: |
      import os, pathlib
      below = pathlib.Path("in")
      found = {str(p.relative_to(below)): p.stat().st_size for p in below.rglob("*") if p.is_file()}
      pathlib.Path("out").mkdir()
      pathlib.Path("out/sizes").write_text("\\n".join(f"{n} {s}" for n, s in sorted(found.items())), "utf-8")
data:
  - {dataset: reads, path: in}
save:
  - {path: out, dataset: sizes, to: suzhou/bucket}
"""


@dataclass(frozen=True)
class World:
    """A hub, two platforms with a folder each on one file system, the second also with a bucket, and somebody."""

    processes: Processes
    hub: HubProcess
    lake: Path
    pond: Path
    key: str

    def suanlian(self, *arguments: object) -> Done:
        """The command of people, in English."""
        env = {"SUANLIAN_HUB": self.hub.url, "SUANLIAN_KEY": self.key, "SUANLIAN_LANG": "en"}
        return self.processes.run([*program("suanlian"), *map(str, arguments)], env=env)

    def ok(self, *arguments: object) -> str:
        """What it prints; it has to go well."""
        done = self.suanlian(*arguments)
        assert done.code == 0, done
        return done.out

    def json(self, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.ok(*arguments, "--json"))

    def whole(self, ref: str) -> set[str]:
        """Where a version is whole."""
        (version,) = self.json("data", "show", ref)["versions"]
        return {copy["storage"] for copy in version["replicas"] if copy["state"] == "whole"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Processes() as started, Seaweed() as seaweed:
        seaweed.bucket("lab")
        keys, lake, pond = (started.root / name for name in ("keys", "lake", "pond"))
        for folder in (keys, lake, pond):
            folder.mkdir()
        (keys / "id").write_text(seaweed.access_key_id)
        (keys / "secret").write_text(seaweed.secret_access_key)
        for secret in keys.iterdir():
            secret.chmod(0o600)
        write(lake / "in" / "raw", FILES)
        hub = make_hub(started, "national")
        slots = Slots(cores=1, probes=NO_PROBES)
        storage = {
            "wuhu": FOLDER.format(root=lake, peer=pond),
            "suzhou": FOLDER.format(root=pond, peer=lake) + BUCKET.format(endpoint=seaweed.endpoint, keys=keys),
        }
        for name, text in storage.items():
            # the bucket's server is on loopback, which a connector calls only where its owner says so
            allowed = f'[policy]\nallowed_origins = ["{seaweed.endpoint}"]\n'
            file = agent_toml(hub.url, name, slots).replace("[policy]\n", allowed) + text
            make_platform(started, hub, name, file=file)
        yield World(started, hub, lake, pond, hub.let_in("lab", Role.BUYER))


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_registered_kept_twice_read_by_a_job_and_what_that_leaves_is_fetched(
    world: World, tmp_path: Path
) -> None:
    out = world.ok("data", "register", "reads", "wuhu/disk:in/raw", "--level", "1", "--wait")
    assert "sealed" in out
    assert world.whole("reads@1") == {"wuhu/disk"}

    world.ok("data", "rule", "add", "reads", "--copies", "1", "--at", "suzhou/disk", "--days", "1")
    until("the rule holds", lambda: "suzhou/disk" in world.whole("reads@1") or None, within_s=90)
    (place,) = {path.parent for path in world.pond.rglob("z")}
    assert read(place) == FILES

    (tmp_path / "job.yaml").write_text(JOB, "utf-8")
    world.ok("submit", tmp_path / "job.yaml", "--wait")
    shown = until("it is kept", lambda: s if "sealed" in (s := world.ok("show", "sizes")) else None, within_s=90)
    assert "lab/reads@1 at in" in shown
    assert "sizes@1" in shown
    until("it is brought", lambda: "suzhou/bucket" in world.whole("sizes@1") or None, within_s=90)
    world.ok("data", "get", "sizes", tmp_path / "got")
    said = (tmp_path / "got" / "sizes").read_text("utf-8").splitlines()
    assert said == [f"{name} {len(data)}" for name, data in sorted(FILES.items())]

    refused = world.suanlian("data", "get", "reads", tmp_path / "no")
    assert (refused.code, "suanlian data cp" in refused.err) == (1, True), refused
    world.ok("data", "verify", "reads@1", "--wait")


def test_what_is_put_is_unchanged_the_second_time_and_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    files = {**FILES, "large": bytes(range(256)) * 4096 * 20}
    write(tmp_path / "mine", files)
    assert "4 files sent" in world.ok("data", "put", tmp_path / "mine", "mine", "--to", "suzhou/bucket", "--level", "1")
    assert "Unchanged" in world.ok("data", "put", tmp_path / "mine", "mine", "--to", "suzhou/bucket")
    world.ok("data", "get", "mine@1", tmp_path / "back")
    assert read(tmp_path / "back") == files
    refused = world.suanlian("data", "put", tmp_path / "mine", "mine", "--to", "wuhu/disk")
    assert (refused.code, "suanlian data register" in refused.err) == (1, True), refused
    world.ok("data", "cp", "mine@1", "suzhou/disk", "--wait")
    world.ok("data", "rm", "mine@1", "--copy", "suzhou/bucket")
    assert world.whole("mine@1") == {"suzhou/disk"}
