"""Connectors with storage, played by tests: they keep what they are told, do it when the test says so, and say so."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from suanlian.crypto.sealing import SealingPair
from suanlian.model.data import DataFile, StorageKind, StorageShare, manifest_digest
from suanlian.model.data_protocol import (
    MAX_GRANT_ITEMS,
    DataFilesCall,
    DataGrantsCall,
    DataPollCall,
    DataReportCall,
    StorageTask,
    TaskKind,
    TaskReport,
    TaskState,
    TaskWish,
)
from suanlian.model.errors import ConflictError
from suanlian.testing.hub import SignedConnector
from tests.hub.world import World, inventory, offer

WUHU: Final = "wuhu-cluster"
SUZHOU: Final = "suzhou-cloud"
KEY: Final = SealingPair.generate().public.text
FILES: Final = tuple(
    DataFile(path=path, size=size, sha256=hashlib.sha256(path.encode()).hexdigest())
    for path, size in (("a/数据 一.bin", 700), ("a/b.txt", 0), ("z", 300))
)
FILES_SORTED: Final = tuple(sorted(FILES, key=lambda file: file.path))
SIZE: Final = sum(file.size for file in FILES)


def storage(name: str = "lake", kind: StorageKind = StorageKind.S3, **changes: object) -> StorageShare:
    """Storage of a platform's site ``main``."""
    endpoint = "" if kind is StorageKind.POSIX else f"https://{name}.example"
    said = {"name": name, "site": "main", "kind": kind, "endpoint": endpoint, "read_only": kind is StorageKind.HTTP}
    return StorageShare.model_validate({**said, **changes})


def publish(world: World, platform: str, *shares: StorageShare) -> SignedConnector:
    """Let a platform publish storage beside what it has."""
    connector = world.connector(platform)
    connector.publish(inventory().model_copy(update={"storage": shares}), offer(), sealing_key=KEY)
    return connector


@dataclass
class Keeper:
    """A connector that does what it is told of its storage. ``trouble``: codes by which kinds fail, the next first."""

    world: World
    platform: str
    tasks: dict[str, StorageTask] = field(default_factory=dict)
    mark: str = ""
    trouble: dict[TaskKind, list[tuple[str, bool]]] = field(default_factory=dict)
    files: tuple[DataFile, ...] = FILES_SORTED
    done: list[tuple[TaskKind, str]] = field(default_factory=list)

    @property
    def client(self) -> Any:  # noqa: ANN401 - the shipped client
        """The shipped client."""
        return self.world.connector(self.platform).client

    def poll(self) -> list[StorageTask]:
        """Ask, and keep what is wished."""
        answer = self.client.data_poll(DataPollCall(seen=self.mark))
        self.mark = answer.mark
        for task in answer.tasks:
            if task.wish is TaskWish.FORGET:
                self.tasks.pop(task.id, None)
            else:
                self.tasks[task.id] = task
        return list(answer.tasks)

    def of(self, kind: TaskKind) -> StorageTask:
        """The one task of a kind."""
        (found,) = [task for task in self.tasks.values() if task.kind is kind]
        return found

    def say(self, task: StorageTask, state: TaskState, **more: object) -> tuple[str, ...]:
        """Report; which reports count no more."""
        said = TaskReport.model_validate({"task_id": task.id, "token": task.token, "state": state, **more})
        stale: tuple[str, ...] = self.client.data_report(DataReportCall(reports=(said,))).stale
        return stale

    def work(self) -> int:
        """Poll and do all that is there; how many tasks were done."""
        self.poll()
        fresh = [task for task in self.tasks.values() if task.kind is not TaskKind.GRANT or not self._minted(task)]
        for task in sorted(fresh, key=lambda one: one.kind is not TaskKind.GRANT):
            with suppress(ConflictError):  # what was done before in this very round made it nobody's
                self.do(task)
        return len(fresh)

    def _minted(self, task: StorageTask) -> bool:
        return (task.kind, f"{task.id}.{task.token}") in self.done

    def do(self, task: StorageTask) -> tuple[str, ...]:
        """Do one task, or fail it as the test wants."""
        self.done.append((task.kind, f"{task.id}.{task.token}"))
        if task.wish is TaskWish.STOP:
            return self.say(task, TaskState.FAILED, code="stopped")
        if self.trouble.get(task.kind):
            code, again = self.trouble[task.kind].pop(0)
            return self.say(task, TaskState.FAILED, code=code, reason="as the test wants", again=again)
        if task.kind is TaskKind.GRANT:
            self.mint(task)
        if task.kind in (TaskKind.SCAN, TaskKind.KEEP):
            self.tell(task)
            size, digest = sum(file.size for file in self.files), manifest_digest(self.files)
            return self.say(task, TaskState.DONE, files=len(self.files), bytes=size, digest=digest)
        return self.say(task, TaskState.DONE, bytes_done=task.bytes, files_done=task.files)

    def mint(self, task: StorageTask, life_s: float = 3600) -> None:
        """Tell every page of a grant."""
        clock = self.world.clock
        expires = clock() if life_s <= 0 else clock().replace(microsecond=0)
        for page in range(max(1, -(-task.files // MAX_GRANT_ITEMS))):
            call = {"task_id": task.id, "token": task.token, "page": page, "sealed": f"sealed-{task.id}-{task.token}"}
            until = (expires.timestamp() + life_s) if life_s > 0 else expires.timestamp()
            self.client.data_grants(DataGrantsCall.model_validate({**call, "expires_at": until}))

    def tell(self, task: StorageTask, reading: int = 1) -> None:
        """Tell a manifest."""
        call = DataFilesCall(task_id=task.id, token=task.token, start=0, reading=reading, files=self.files)
        self.client.data_files(call)


def settle(world: World, *keepers: Keeper, rounds: int = 12) -> None:
    """Let hub and connectors go on until nothing is left to do."""
    for _ in range(rounds):
        world.hub.settle()
        if not sum(keeper.work() for keeper in keepers):
            return


def register(world: World, keeper: Keeper, name: str = "reads", *, share: str = "lake", **changes: Any) -> str:  # noqa: ANN401
    """A sealed dataset of the buyer that lies, registered, in a platform's storage; the reference of its version."""
    if world.person("buyer").get(f"/v1/datasets/{name}").status_code == 404:
        world.ok("buyer", "POST", "/v1/datasets", {"name": name, "level": 1, **changes})
    body = {"register": {"storage": f"{keeper.platform}/{share}", "folder": f"{name}/raw"}}
    made = world.ok("buyer", "POST", f"/v1/datasets/{name}/versions", body)
    settle(world, keeper)
    return f"{name}@{made['number']}"


def dataset(world: World, ref: str, by: str = "buyer") -> dict[str, Any]:
    """A version as it is now."""
    found: dict[str, Any] = world.ok(by, "GET", f"/v1/datasets/{ref}")["versions"][0]
    return found


def states(world: World, ref: str) -> dict[str, str]:
    """The copies of a version, by storage."""
    return {copy["storage"]: copy["state"] for copy in dataset(world, ref)["replicas"]}
