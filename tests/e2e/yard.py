"""A hub and two platforms with storage as real processes, somebody who moves data, and a storm that kills them."""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from suanlian.agent.build import opened
from suanlian.agent.config import Home
from suanlian.agent.data.book import DataBook
from suanlian.agent.data.endings import sweep
from suanlian.agent.data.kit import Kit
from suanlian.agent.ledger import Ledger
from suanlian.crypto.sealing import SealingPair, SealingRing
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import GRANT_TYPE, GrantPage, Window, grant_bound
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.party import Role
from suanlian.sdk.people import Call, Transport
from suanlian.storage.contract import MIB, PosixAt
from suanlian.storage.ends import StoredSource
from suanlian.storage.granted import GrantedTarget, Grants
from suanlian.storage.mover import Move, move
from suanlian.storage.posix import PosixStorage
from suanlian.storage.web import Web
from suanlian.store import tables
from suanlian.store.unit import Row
from suanlian.testing.fake_driver import FakeDriver
from suanlian.testing.nodes import NO_PROBES, AgentProcess, HubProcess, Slots, agent_toml, make_hub, make_platform
from suanlian.testing.processes import Daemon, Processes, until
from suanlian.testing.seaweed import Seaweed

LAKE, SPRING, POND, WELL = "wuhu/lake", "wuhu/spring", "suzhou/pond", "suzhou/well"
"""A folder and a prefix of a bucket of each platform."""
_MBPS: Final = 120
"""The owner's bound for two moves together, so that one takes ten seconds: killed later, nothing is under way."""
_RUNS: Final = "The agent of platform"
"""What an agent says once it works."""
_POSIX: Final = """
[[inventory.storage]]
name = "{name}"
site = "main"
kind = "posix"
[storage.{name}]
root = "{root}"
peers = ["{peer}"]
register = [{{ entity = "lab", folder = "in" }}]
"""
_S3: Final = """
[[inventory.storage]]
name = "{name}"
site = "main"
kind = "s3"
endpoint = "{endpoint}"
[storage.{name}]
bucket = "{name}"
key_id = "file:{keys}/id"
secret = "file:{keys}/secret"
"""


def files_of(chance: random.Random, large_bytes: int = 64 * MIB) -> dict[str, bytes]:
    """What a dataset holds: one large file, forty small ones, an empty one, names of all sorts."""
    data = {f"small {n % 5}/样本 {n:02d}.bin": chance.randbytes(chance.randrange(1, 40_000)) for n in range(40)}
    return data | {"数据 集/大 文件.bin": chance.randbytes(large_bytes), "empty": b"", "数据 集/空 的": b""}


def sha256_of(data: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in data.items()}


def write(folder: Path, data: Mapping[str, bytes]) -> None:
    for path, content in data.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@dataclass
class Yard:
    """``content`` of each dataset that was made: the SHA-256 of each file, by path."""

    processes: Processes
    seaweed: Seaweed
    hub: HubProcess
    wuhu: AgentProcess
    suzhou: AgentProcess
    key: str
    content: dict[str, dict[str, str]] = field(default_factory=dict)

    def root(self, name: str) -> Path:
        return self.processes.root / name

    def victims(self) -> list[Daemon]:
        return [self.hub.daemon, self.wuhu.daemon, self.suzhou.daemon]

    # ------------------------------------------------------------ what people do

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """One call of the person who owns the data."""
        content = None if body is None else json.dumps(body).encode()
        with closing(Transport(self.hub.url, self.key, retry_wait_s=0.2)) as transport:
            answer = transport.send(Call(method, path, content=content, repeatable=method != "POST")).content
        return json.loads(answer) if answer else None

    def soon(self, what: str, path: str, look: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - JSON
        """Ask until it is as wished, whether or not the hub is there just now."""

        def seen() -> Any:  # noqa: ANN401 - JSON
            try:
                found = self.ask("GET", path)
            except UnavailableError:
                return None
            return found if look(found) else None

        return until(what, seen, within_s=300, every_s=0.3)

    def make(self, name: str, data: Mapping[str, bytes]) -> None:
        self.ask("POST", "/v1/datasets", {"name": name, "level": 1})
        self.content[name] = sha256_of(data)

    def register(self, name: str) -> None:
        """A folder of the lake becomes a version; it is not sealed yet."""
        self.ask("POST", f"/v1/datasets/{name}/versions", {"register": {"storage": LAKE, "folder": f"in/{name}"}})

    def copy(self, name: str, to: str) -> str:
        """Begin a copy of the newest version; the transfer."""
        return str(self.ask("POST", f"/v1/datasets/{name}/replicas", {"to": to})["id"])

    def open(self, name: str, folder: Path, to: str, pair: SealingPair) -> dict[str, Any]:
        """Tell the files of a new version and ask for leave to write them; the grant."""
        told = [file.model_dump() for file in self.told(name, folder)]
        self.ask("POST", f"/v1/datasets/{name}/versions", {})
        self.ask("POST", f"/v1/datasets/{name}/files", {"start": 0, "files": told})
        grant = self.ask("POST", f"/v1/datasets/{name}/uploads", {"storage": to, "sealing_key": pair.public.text})
        assert isinstance(grant, dict)
        return grant

    def put(self, grant: Mapping[str, Any], name: str, folder: Path, pair: SealingPair) -> None:
        """Write a folder by a grant, as one who is far away; what breaks off is gone on with."""

        def page(number: int, _stale: GrantPage | None) -> GrantPage:
            found = self.soon("a page", f"/v1/grants/{grant['id']}/pages/{number}", lambda one: one["sealed"])
            text = SealingRing((pair,)).open(found["sealed"], GRANT_TYPE, grant_bound(grant["id"], found["token"]))
            return GrantPage.model_validate_json(text)

        with closing(PosixStorage(PosixAt(folder.parent))) as storage:
            source, target = StoredSource(storage, folder.name), GrantedTarget(Grants(page), Web())
            far = Window(start=datetime.now(UTC), end=_next_week(), mbps=Decimal(_MBPS) / 2)
            files, journal = self.told(name, folder), self.root(f"journal-{name}")
            assert move(Move(files, source, target, journal, name, windows=(far,)))

    def told(self, name: str, folder: Path) -> list[DataFile]:
        """The manifest of a folder whose content is known."""
        sizes = {path: (folder / path).stat().st_size for path in self.content[name]}
        return [DataFile(path=p, size=sizes[p], sha256=sha256) for p, sha256 in sorted(self.content[name].items())]

    # ------------------------------------------------------------ what is seen

    def transfer(self, transfer_id: str) -> Row:
        """A transfer, read from the store itself."""
        return next(row for row in self.hub.rows(tables.data_transfer) if row["id"] == transfer_id)

    def version(self, name: str) -> Row:
        """The version of a dataset, read from the store itself."""
        (dataset,) = [row for row in self.hub.rows(tables.dataset) if row["name"] == name]
        return next(row for row in self.hub.rows(tables.dataset_version) if row["dataset_id"] == dataset["id"])

    def under_way(self) -> str:
        """What is under way just now, for the table of kills; empty: nothing is."""
        for row in self.hub.rows(tables.data_transfer):
            if row["ended_at"] is None:
                share = 100 * row["bytes_done"] // max(1, row["bytes"])
                return f"{row['state']} {share} %"
        return next((row["state"] for row in self.hub.rows(tables.dataset_version) if row["state"] == "open"), "")

    def verified(self, name: str) -> list[dict[str, Any]]:
        """Let every copy be read anew; the copies, once all were."""
        asked = datetime.now(UTC)
        self.ask("POST", f"/v1/datasets/{name}/verify", {})

        def all_read(copies: Any) -> bool:  # noqa: ANN401 - JSON
            times = [datetime.fromisoformat(copy["verified_at"] or "2000-01-01T00:00:00Z") for copy in copies["items"]]
            return all(time > asked for time in times)

        found = self.soon(f"all copies of {name} are read", f"/v1/datasets/{name}/replicas", all_read)
        return list(found["items"])

    def settled(self) -> bool:
        """Whether nobody has anything to do any more, nor anything to be told."""
        tasks = [row for row in self.hub.rows(tables.storage_task) if row["kind"] != "probe"]
        return not tasks and not self.hub.rows(tables.replica_use) and not any(map(_kept, (self.wuhu, self.suzhou)))

    def swept(self) -> None:
        """End both agents and sweep as they would in eight days."""
        for agent in (self.wuhu, self.suzhou):
            agent.daemon.terminate()
            with opened(Home(agent.home), _next_week, FakeDriver(self.root(f"engine-{agent.platform}"))) as desk:
                sweep(Kit(desk))

    def stored(self) -> dict[str, str]:
        """The SHA-256 of all that lies on any storage, by ``NAME/PATH``; what was registered and probes apart."""
        found = dict[str, str]()
        for name in ("lake", "pond"):
            root = self.root(name)
            for where, folders, names in os.walk(root):
                folders[:] = [folder for folder in folders if Path(where, folder) not in (root / "in", root / ".probe")]
                for path in (Path(where, entry) for entry in names):
                    found[f"{name}/{path.relative_to(root)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        client = self.seaweed.client()
        for name in ("spring", "well"):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
                for entry in page.get("Contents", ()):
                    if not entry["Key"].startswith(".probe/"):
                        content = client.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
                        found[f"{name}/{entry['Key']}"] = hashlib.sha256(content).hexdigest()
        return found

    def expected(self) -> dict[str, str]:
        """What has to lie there: every copy that is whole, file by file, and nothing else."""
        places = {row["id"]: row["place"] for row in self.hub.rows(tables.replica) if row["managed"]}
        return {
            f"{copy['storage'].partition('/')[2]}/{places[copy['id']]}/{path}": digest
            for name, digests in self.content.items()
            for copy in self.ask("GET", f"/v1/datasets/{name}/replicas")["items"]
            if copy["id"] in places
            for path, digest in digests.items()
        }

    def uploads(self) -> list[str]:
        """Uploads in parts that nobody completed or gave up."""
        client = self.seaweed.client()
        pages = [client.list_multipart_uploads(Bucket=name) for name in ("spring", "well")]
        return [upload["Key"] for page in pages for upload in page.get("Uploads", ())]

    def pieces(self) -> list[str]:
        """Whatever still lies where things come, are written or granted."""
        hidden = [self.root(name) / where for name in ("lake", "pond") for where in (".coming", ".inbox", ".grants")]
        return [str(entry) for folder in hidden if folder.is_dir() for entry in folder.iterdir()]


def _next_week() -> datetime:
    return datetime.now(UTC) + timedelta(days=8)


def _kept(agent: AgentProcess) -> bool:
    with closing(Ledger(Home(agent.home).ledger)) as ledger:
        rows = DataBook(ledger, lambda: datetime.now(UTC)).rows()
        return any(row.task.kind != "probe" for row in rows)


@contextmanager
def yard(processes: Processes, seaweed: Seaweed, *, mbps: int = _MBPS) -> Iterator[Yard]:
    """Both platforms live, nothing moved yet."""
    hub = make_hub(processes, "national")
    write(processes.root / "keys", {"id": seaweed.access_key_id.encode(), "secret": seaweed.secret_access_key.encode()})
    agents = []
    for platform, folder, bucket, other in (("wuhu", "lake", "spring", "pond"), ("suzhou", "pond", "well", "lake")):
        root, peer = processes.root / folder, processes.root / other
        for path in (root, peer):
            path.mkdir(exist_ok=True)
        seaweed.bucket(bucket)
        storage = _POSIX.format(name=folder, root=root, peer=peer)
        storage += _S3.format(name=bucket, endpoint=seaweed.endpoint, keys=processes.root / "keys")
        text = agent_toml(hub.url, platform, Slots(cores=1, probes=NO_PROBES, share=storage))
        policy = f'[policy]\nallowed_origins = ["{seaweed.endpoint}"]\ndata = {{ mbps = {mbps} }}\n'
        agents.append(make_platform(processes, hub, platform, file=text.replace("[policy]\n", policy)))
    wuhu, suzhou = agents
    yield Yard(processes, seaweed, hub, wuhu, suzhou, hub.let_in("lab", Role.BUYER))


@dataclass
class Storm:
    """Kills hub or agent at random moments while something moves, and starts it again; use in a ``with``.

    ``killed``: who, during what, and how far that was.
    """

    yard: Yard
    chance: random.Random
    most: int
    way: str = ""
    killed: list[tuple[str, str, str]] = field(default_factory=list)
    _calm: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _fault: list[BaseException] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._rage, name="storm")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()
        if self._fault:
            raise self._fault[0]

    @property
    def done(self) -> bool:
        """Whether all kills have happened."""
        return len(self.killed) >= self.most or bool(self._fault)

    @contextmanager
    def calm(self) -> Iterator[None]:
        """The hub is there meanwhile: for calls that nobody may repeat."""
        with self._calm:
            yield

    @contextmanager
    def during(self, way: str) -> Iterator[None]:
        """Something moves meanwhile."""
        self.way = way
        try:
            yield
        finally:
            self.way = ""

    def _rage(self) -> None:
        bag: list[Daemon] = []
        try:
            while not self.done and not self._over.wait(self.chance.uniform(0.2, 5)):
                bag = bag or self.chance.sample(self.yard.victims(), 3)
                if self.way and (state := self.yard.under_way()):
                    self._strike(bag.pop(), state)
        except (AssertionError, SuanlianError, OSError) as error:
            self._fault.append(error)

    def _strike(self, victim: Daemon, state: str) -> None:
        with self._calm:
            way = self.way
            if not way:
                return
            victim.kill()
            self.killed.append((victim.name, way, state))
            time.sleep(self.chance.uniform(0, 0.8))
            if victim is self.yard.hub.daemon:
                self.yard.hub.start()
                return
            lives = victim.said().count(_RUNS)
            victim.start()
            # on a machine that is slow to start them, they would else be killed before they did anything
            victim.until(f"{victim.name} runs", lambda: victim.said().count(_RUNS) > lives)
