"""Two platforms on the bench, each with storage of its own, at one fake hub; agents that may crash at any line."""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from suanlian.agent.build import opened
from suanlian.agent.config import Home
from suanlian.agent.data.kit import Kit
from suanlian.agent.data.work import Storekeeper
from suanlian.agent.desk import Desk, Identity
from suanlian.crypto.keys import KeyPair
from suanlian.drivers.contract import Driver
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction, StorageTask, TaskKind, TaskReport, TaskWish
from suanlian.model.ids import new_id
from suanlian.testing.fake_driver import FakeDriver, Script, complete_at_once
from suanlian.testing.fake_hub import FakeHub
from tests.agent.bench import CONFIG

POSIX = """
[[inventory.storage]]
name = "lake"
site = "s1"
kind = "posix"

[storage.lake]
root = "{root}"
peers = ["{peer}"]
register = [{{ entity = "e1", folder = "in" }}]
"""
FILES = {
    "a/one.txt": b"one" * 1000,
    "a/two.bin": bytes(range(256)) * 300,
    "b/nothing": b"",
    "数据 集/第 一.txt": "内容".encode() * 50,
}


def at_once(work: Callable[[], None]) -> bool:
    work()
    return True


def now() -> datetime:
    return datetime.now(UTC)


def manifest(files: Mapping[str, bytes]) -> list[DataFile]:
    return [
        DataFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    ]


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {
        str((Path(where) / name).relative_to(folder)): (Path(where) / name).read_bytes()
        for where, _folders, names in os.walk(folder)
        for name in names
    }


@dataclass
class Side:
    """One platform: ``keeper()`` begins a new process over the same state directory."""

    home: Home
    lake: Path
    connector: str
    engine: Driver
    stack: ExitStack
    desks: list[Desk] = field(default_factory=list)

    def desk(self) -> Desk:
        desk: Desk = self.stack.enter_context(opened(self.home, now, self.engine))
        self.desks.append(desk)
        return desk

    def keeper(self, desk: Desk | None = None) -> Storekeeper:
        return Storekeeper(Kit(desk or self.desk(), patience_s=0.2))


class DataBench:
    """The hub, and the platforms ``a`` and ``b``."""

    def __init__(
        self,
        root: Path,
        storage: Callable[["DataBench", str], str] | None = None,
        script: Script = complete_at_once,
        policy: str = "",
    ) -> None:
        self._policy = policy
        self.root, self.hub, self._stack = root, FakeHub(), ExitStack()
        self._storage, self._script = storage or posix, script
        self.sides: dict[str, Side] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self.hub)
        for name in ("a", "b"):
            (self.root / name / "lake").mkdir(parents=True)
        for name in ("a", "b"):
            self.sides[name] = self._side(name)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
        assert self.hub.faults == []

    @property
    def a(self) -> Side:
        return self.sides["a"]

    @property
    def b(self) -> Side:
        return self.sides["b"]

    def _side(self, name: str) -> Side:
        home = Home(self.root / name / "home")
        home.root.mkdir()
        text = CONFIG.format(hub=self.hub.url, policy=self._policy, top="") + self._storage(self, name)
        home.config.write_text(text)
        keypair = KeyPair.generate()
        keypair.save(home.key)
        identity = Identity(
            connector_id=self.hub.know(keypair),
            platform_id=self.hub.platform_id,
            platform="p1",
            hub_id=self.hub.id,
            hub_name="fake",
            hub_url=self.hub.url,
            hub_key=self.hub.keypair.public_text,
        )
        home.identity.write_text(identity.model_dump_json())
        engine = FakeDriver(self.root / name / "engine", script=self._script)
        return Side(home, self.root / name / "lake", identity.connector_id, engine, self._stack)

    def wish(self, side: Side, said: StorageTask, files: Mapping[str, bytes] | None = None) -> StorageTask:
        return self.hub.data.wish(side.connector, said, manifest(files or {}))

    def ended(self, task: StorageTask, *keepers: Storekeeper, rounds: int = 30) -> TaskReport:
        """Rounds of these until the task has ended."""
        for _round in range(rounds):
            for keeper in keepers:
                keeper.poll(0)
                keeper.tick(at_once)
                keeper.tell()
            if (end := self.hub.data.end(task.id)) is not None:
                return end
        message = f"{task.kind} has not ended: {self.hub.data.reports[task.id]}"
        raise AssertionError(message)

    def grant(self, side: Side, reader: Side, files: Mapping[str, bytes], **changes: object) -> StorageTask:
        """Let the other read (or write) files that lie at a replica's place."""
        said = task(TaskKind.GRANT, sealing_key=reader.desks[-1].vault.key.text).model_copy(update=changes)
        return self.wish(side, said, files)

    def forget(self, said: StorageTask, *keepers: Storekeeper) -> None:
        self.hub.data.again(said.id, wish=TaskWish.FORGET)
        for keeper in keepers:
            keeper.poll(0)
            keeper.tick(at_once)


def posix(bench: DataBench, name: str) -> str:
    other = "b" if name == "a" else "a"
    return POSIX.format(root=bench.root / name / "lake", peer=bench.root / other / "lake")


def task(kind: TaskKind, **changes: object) -> StorageTask:
    version, replica = new_id(), new_id()
    said = StorageTask(
        id=new_id(), kind=kind, token=1, storage="lake", entity="e1", version_id=version, replica_id=replica,
        place=f"{version}/{replica}",
    )  # fmt: skip
    return said.model_copy(update=changes)


def at(said: StorageTask) -> dict[str, object]:
    """What says that another task is about the same replica."""
    return {name: getattr(said, name) for name in ("version_id", "replica_id", "place")}


def pull(grant: StorageTask, **changes: object) -> StorageTask:
    """Bring what is granted to a new replica."""
    said = task(TaskKind.MOVE, grant_task=grant.id, grant_token=grant.token, direction=Direction.READ)
    place = f"{grant.version_id}/{said.replica_id}"
    return said.model_copy(update={"version_id": grant.version_id, "place": place, **changes})
