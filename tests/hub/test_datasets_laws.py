"""Whatever is asked, reported, lost and said twice: no last copy goes, none that is read, nothing is booked twice.

Two connectors with storage are played. Each may fall silent, forget what it was told, fail, and repeat old reports.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from suanlian.model.data import TRANSFER_ENDED, StorageKind, StorageShare
from suanlian.model.data_protocol import DataReportCall, TaskKind, TaskReport, TaskState
from suanlian.model.errors import SuanlianError
from suanlian.services import replicas as copies
from suanlian.store import replicas as replica_rows
from suanlian.store import tables as t
from suanlian.store.unit import Row
from suanlian.testing.hub import InProcessHub
from tests.hub.storing import KEY, SIZE, SUZHOU, WUHU, Keeper, dataset, publish, register, settle, states, storage
from tests.hub.world import Stores, Template, World, running

Begin = Callable[[], AbstractContextManager[World]]
STORAGE: Final = {
    WUHU: (storage("lake"), storage("disk", StorageKind.POSIX), storage("cup", capacity=SIZE + 1)),
    SUZHOU: (storage("pond", capacity=2 * SIZE), storage("shelf", StorageKind.POSIX)),
}
REFS: Final = tuple(f"{platform}/{one.name}" for platform, shares in STORAGE.items() for one in shares)
CODES: Final = (
    "checksum_mismatch",
    "source_gone",
    "target_full",
    "grant_expired",
    "unreachable",
    "refused",
    "too_slow",
)
NAMES: Final = ("a", "b")


def rows(hub: InProcessHub, table: Any) -> list[Row]:  # noqa: ANN401 - a table
    with hub.running.hub.reading() as unit:
        return list(unit.connection.execute(select(table)).mappings())


def copies_hold(hub: InProcessHub) -> None:
    """A sealed version has a copy that may be read; one that is lost has one that broke, and none that left as last."""
    there = rows(hub, t.replica)
    for version in rows(hub, t.dataset_version):
        mine = Counter(row["state"] for row in there if row["version_id"] == version["id"])
        if version["state"] == "sealed":
            assert mine["whole"] + mine["doubted"] > 0, version["number"]
        if version["state"] == "lost":
            assert mine["whole"] + mine["doubted"] == 0
            assert mine["broken"] > 0
    live = [(row["version_id"], row["storage_id"]) for row in there if row["state"] != "gone"]
    assert len(set(live)) == len(live)
    assert len({row["place"] for row in there if row["managed"]}) == sum(bool(row["managed"]) for row in there)


def none_leaves_that_is_read(hub: InProcessHub) -> None:
    """What leaves is read by no attempt, no transfer that goes on, and by nobody who has leave."""
    leaving = [row["id"] for row in rows(hub, t.replica) if row["state"] in ("leaving", "gone")]
    with hub.running.hub.reading() as unit:
        assert replica_rows.used(unit, leaving) == {}


def room_is_not_given_twice(hub: InProcessHub) -> None:
    """What the market keeps or expects of a storage is within what its owner opens."""
    sizes = Counter[str]()
    for row in rows(hub, t.replica):
        if row["managed"] and row["state"] != "gone":
            sizes[row["storage_id"]] += row["bytes"]
    for row in rows(hub, t.published):
        if row["subject"] == "storage":
            capacity = StorageShare.model_validate_json(row["body"]).capacity
            assert capacity is None or sizes[row["id"]] <= capacity


def transfers_are_one_thing(hub: InProcessHub) -> None:
    """One that goes on has a copy that comes; one that ended has no open task and reads nothing."""
    by_id = {row["id"]: row for row in rows(hub, t.replica)}
    tasks = [row for row in rows(hub, t.storage_task) if row["ended_at"] is None]
    open_ = Counter(row["transfer_id"] for row in tasks if row["transfer_id"])
    targets = Counter[str]()
    for row in rows(hub, t.data_transfer):
        if row["state"] in TRANSFER_ENDED:
            assert open_[row["id"]] == 0
            assert row["ended_at"] is not None
            assert row["state"] != "done" or by_id[row["replica_id"]]["verified_at"] is not None
        else:
            targets[row["replica_id"]] += 1
            assert by_id[row["replica_id"]]["state"] == "coming"
    assert all(count == 1 for count in targets.values())
    moving = Counter(row["replica_id"] for row in tasks if row["kind"] == "move")
    assert all(count == 1 for count in moving.values())


def all_laws(hub: InProcessHub) -> None:
    copies_hold(hub)
    none_leaves_that_is_read(hub)
    room_is_not_given_twice(hub)
    transfers_are_one_thing(hub)


class Play(RuleBasedStateMachine):
    """One random history of data."""

    begin: Begin

    def __init__(self) -> None:
        super().__init__()
        self._context = type(self).begin()
        self.world = self._context.__enter__()
        for platform, shares in STORAGE.items():
            publish(self.world, platform, *shares)
        self.keepers = [Keeper(self.world, platform) for platform in STORAGE]
        self.said: list[tuple[Keeper, TaskReport]] = []

    def teardown(self) -> None:
        try:
            self._heals()
        finally:
            self._context.__exit__(None, None, None)

    def _heals(self) -> None:
        """Once nothing fails any more, all that goes on comes to an end."""
        for _ in range(14):
            self.world.clock.advance(55)
            for keeper in self.keepers:
                keeper.trouble = {}
                keeper.poll()
            settle(self.world, *self.keepers, rounds=6)
            all_laws(self.world.hub)
        hub = self.world.hub
        assert [row["state"] for row in rows(hub, t.data_transfer) if row["ended_at"] is None] == []
        still = {row["state"] for row in rows(hub, t.replica)}
        assert still <= {"whole", "broken", "gone"}, still
        for keeper in self.keepers:
            keeper.poll()
            kinds = {task.kind for task in keeper.tasks.values()}
            assert kinds <= {TaskKind.GRANT}  # leave that a person has

    @initialize()
    def first(self) -> None:
        register(self.world, self.keepers[0], "a", share="lake")
        register(self.world, self.keepers[0], "b", share="disk")
        self._post("/v1/datasets/a/replicas", {"to": f"{SUZHOU}/pond"})
        settle(self.world, *self.keepers)
        assert set(states(self.world, "a@1").values()) == {"whole"}

    @invariant()
    def laws(self) -> None:
        all_laws(self.world.hub)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        found: dict[str, Any] = self.world.person("buyer").post(path, body).json()
        return found

    def _version(self, name: str) -> dict[str, Any] | None:
        answer = self.world.person("buyer").get(f"/v1/datasets/{name}")
        found = answer.json()["versions"] if answer.status_code == 200 else []
        return found[0] if found else None

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, 1), share=st.integers(0, 1))
    def begin_version(self, name: str, which: int, share: int) -> None:
        platform = (WUHU, SUZHOU)[which]
        self._post("/v1/datasets", {"name": name, "level": 1})
        ref = f"{platform}/{STORAGE[platform][share].name}"
        self._post(f"/v1/datasets/{name}/versions", {"register": {"storage": ref, "folder": name}})

    @rule(name=st.sampled_from(NAMES), to=st.sampled_from(REFS))
    def copy(self, name: str, to: str) -> None:
        self._post(f"/v1/datasets/{name}/replicas", {"to": to})

    @rule(to=st.sampled_from(REFS))
    def copy_both(self, to: str) -> None:
        for name in NAMES:
            self.copy(name, to)
        self.world.hub.settle()

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, 5))
    def drop(self, name: str, number: int) -> None:
        version = self._version(name)
        if version is not None and version["replicas"]:
            copy = version["replicas"][number % len(version["replicas"])]["id"]
            self.world.person("buyer").send("DELETE", f"/v1/datasets/{version['id']}/replicas/{copy}")

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        version = self._version(name)
        if version is not None:
            self.world.person("buyer").send("DELETE", f"/v1/datasets/{name}@{version['number']}")

    @rule(name=st.sampled_from(NAMES))
    def verify(self, name: str) -> None:
        self._post(f"/v1/datasets/{name}/verify", {})

    @rule(name=st.sampled_from(NAMES))
    def read(self, name: str) -> None:
        self._post(f"/v1/datasets/{name}/downloads", {"sealing_key": KEY})

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 2))
    def keep(self, name: str, count: int) -> None:
        self._post("/v1/copy-rules", {"dataset": name, "rule": {"copies": count}})

    @rule()
    def end_rules(self) -> None:
        for found in self.world.ok("buyer", "GET", "/v1/copy-rules")["items"]:
            self.world.person("buyer").send("DELETE", f"/v1/copy-rules/{found['id']}")

    @rule(act=st.sampled_from(("cancel", "retry")), number=st.integers(0, 5))
    def change(self, act: str, number: int) -> None:
        found = self.world.ok("buyer", "GET", "/v1/transfers")["items"]
        if found:
            self._post(f"/v1/transfers/{found[number % len(found)]['id']}/{act}", None)

    @rule(seconds=st.sampled_from((1, 30, 61, 130, 700)), hears=st.booleans())
    def wait(self, seconds: int, hears: bool) -> None:  # noqa: FBT001 - drawn
        self.world.clock.advance(seconds)
        if hears:
            for keeper in self.keepers:
                keeper.poll()

    @rule()
    def settle(self) -> None:
        self.world.hub.settle()

    @rule(which=st.integers(0, 1))
    def work(self, which: int) -> None:
        self.keepers[which].work()

    @rule(rounds=st.integers(1, 4))
    def all_work(self, rounds: int) -> None:
        settle(self.world, *self.keepers, rounds=rounds)

    @rule(which=st.integers(0, 1), number=st.integers(0, 5), code=st.sampled_from(CODES), again=st.booleans())
    def fail(self, which: int, number: int, code: str, again: bool) -> None:  # noqa: FBT001 - drawn
        self._report(which, number, {"state": TaskState.FAILED, "code": code, "again": again})

    @rule(which=st.integers(0, 1), number=st.integers(0, 5), size=st.integers(0, SIZE))
    def go_on(self, which: int, number: int, size: int) -> None:
        self._report(which, number, {"state": TaskState.GOING, "bytes_done": size})

    def _report(self, which: int, number: int, said: dict[str, object]) -> None:
        keeper = self.keepers[which]
        keeper.poll()
        tasks = sorted(keeper.tasks.values(), key=lambda task: task.id)
        if tasks:
            task = tasks[number % len(tasks)]
            report = TaskReport.model_validate({"task_id": task.id, "token": task.token, **said})
            self.said.append((keeper, report))
            keeper.client.data_report(DataReportCall(reports=(report,)))

    @rule(number=st.integers(0, 20))
    def say_again(self, number: int) -> None:
        if self.said:
            keeper, report = self.said[number % len(self.said)]
            keeper.client.data_report(DataReportCall(reports=(report,)))

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        self.keepers[which].tasks.clear()
        self.keepers[which].mark = ""


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    """Makes a world of its own for each example."""
    return lambda: running(template, stores)


@pytest.mark.timeout(600)
def test_the_laws_hold_whatever_happens(begin: Begin) -> None:
    made = type("Played", (Play,), {"begin": staticmethod(begin)})
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=4,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate),  # each example is a hub: shrinking would take minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )


def test_of_two_who_take_a_copy_each_away_at_once_one_is_refused(world: World) -> None:
    for platform, shares in STORAGE.items():
        publish(world, platform, *shares)
    keepers = [Keeper(world, platform) for platform in STORAGE]
    ref = register(world, keepers[0])
    world.ok("buyer", "POST", f"/v1/datasets/{ref}/replicas", {"to": f"{SUZHOU}/pond"})
    settle(world, *keepers)
    version = dataset(world, ref)
    assert set(states(world, ref).values()) == {"whole"}
    with InProcessHub(world.hub.settings, clock=world.clock) as other:
        gate = threading.Barrier(2)

        def leave(rival: tuple[InProcessHub, str]) -> bool:
            hub, replica_id = rival
            gate.wait()
            with suppress(SuanlianError):
                hub.running.hub.writer.run(lambda unit: copies.leave(unit, version["id"], replica_id))
                return True
            return False

        rivals = list(zip((world.hub, other), (copy["id"] for copy in version["replicas"]), strict=True))
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, rivals)) == [False, True]
    all_laws(world.hub)


def test_of_two_who_want_the_last_room_at_once_one_gets_it(world: World) -> None:
    for platform, shares in STORAGE.items():
        publish(world, platform, *shares)
    keeper = Keeper(world, WUHU)
    refs = [register(world, keeper, name) for name in ("one", "two")]
    with InProcessHub(world.hub.settings, clock=world.clock) as other:
        gate = threading.Barrier(2)
        people = [world.person("buyer"), other.person(world.template.keys["buyer"])]

        def ask(number: int) -> int:
            gate.wait()
            path = f"/v1/datasets/{refs[number]}/replicas"
            return people[number].post(path, {"to": f"{WUHU}/cup"}).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(ask, range(2))) == [200, 409]
    all_laws(world.hub)
