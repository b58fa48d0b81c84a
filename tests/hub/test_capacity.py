"""The capacity law: never more held of a share than it has, whoever asks at once and whatever the owner does."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.app import utc_now
from suanlian.model.job import ENDED, JobState
from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.owner import JoinLevel
from suanlian.model.protocol import Instruction, PollAnswer, ReportCall, Wish
from suanlian.services import deciding, placing
from suanlian.services.market import Memory
from suanlian.services.ordering import Ordering
from suanlian.services.placing import Placed
from suanlian.store import market
from suanlian.store import tables as t
from suanlian.testing.hub import FrozenClock, InProcessHub, SignedConnector
from tests.hub.laws import all_laws, never_over_committed
from tests.hub.world import Stores, Template, World, inventory, job, offer, running

WUHU = "wuhu-cluster"


def capacity_of(world: World, platform: str = WUHU) -> dict[str, Any]:
    rows = world.ok("buyer", "GET", "/v1/capacity")["items"]
    found: dict[str, Any] = next(row for row in rows if row["platform"] == platform)
    return found


def test_a_share_that_its_owner_shrinks_drains(world: World) -> None:
    world.submit(array_size=4, wants={"platform": WUHU})
    world.hub.settle()
    connector = world.connector()
    told = connector.poll().instructions
    assert (capacity_of(world)["used"]["cpu"], capacity_of(world)["draining"]) == ("4", False)
    world.clock.advance(1)
    assert connector.publish(inventory("2"), offer()) == 1
    shown = capacity_of(world)
    assert (shown["capacity"]["cpu"], shown["used"]["cpu"], shown["draining"]) == ("2", "4", True)
    waiting = world.submit(wants={"platform": WUHU})
    for number, one in enumerate(told[:3]):
        world.clock.advance(1)
        world.hub.settle()
        assert world.job(waiting["id"])["tally"] == {"QUEUED": 1}
        assert world.job(waiting["id"])["waiting"]
        assert capacity_of(world)["draining"] == (number < 2)
        connector.run(one)
    world.hub.settle()
    assert world.job(waiting["id"])["waiting"] == ""
    all_laws(world.hub)


def test_what_was_held_stays_readable_and_is_released_once(world: World) -> None:
    _, told = world.at(WUHU)
    placed = world.clock()
    world.clock.advance(5)
    connector, ended = world.connector(), world.clock()
    connector.run(told)
    world.clock.advance(5)
    connector.report(told, JobState.COMPLETE)
    with world.hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.capacity).order_by(t.capacity.c.kind)).mappings().all()
    assert [(row["kind"], row["quantity"], row["start_at"], row["end_at"]) for row in rows] == [
        ("cpu", 1000, placed, ended),
        ("memory", 256, placed, ended),
    ]


def decisions(hub: InProcessHub) -> Sequence[Placed]:
    with hub.running.hub.reading() as unit:
        found = deciding.decide(unit, Ordering(Memory(USUAL_LEVELS)), limit=100).decisions
    return [decision for decision in found if isinstance(decision, Placed)]


def test_of_many_who_want_the_last_slot_one_gets_it(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    wants = {"platform": WUHU}
    with InProcessHub(world.hub.settings, clock=world.clock) as other:
        world.submit(wants=wants)
        rivals = [(world.hub, decisions(world.hub)[0])]
        for hub in (other, world.hub, other, world.hub, other):
            # each looked at a moment at which the slot was free and only its own job was there
            made = world.submit(wants=wants)
            mine = [d for d in decisions_alone(hub, made["id"]) if d.job_id == made["id"]]
            rivals.append((hub, mine[0]))
        gate = threading.Barrier(len(rivals))

        def claim(rival: tuple[InProcessHub, Placed]) -> bool:
            hub, decision = rival
            gate.wait()
            return hub.running.hub.writer.run(lambda unit: placing.apply(unit, decision))

        with ThreadPoolExecutor(len(rivals)) as pool:
            won = list(pool.map(claim, rivals))
    assert sum(won) == 1
    assert world.hub.rows()["attempt"] == 1
    all_laws(world.hub)


def decisions_alone(hub: InProcessHub, job_id: str) -> Sequence[Placed]:
    """What would be decided were the job the only one that waits."""
    with hub.running.hub.reading() as unit:
        alone = [row for row in market.waiting(unit, limit=100) if row["id"] == job_id]
        with patch.object(market, "waiting", lambda _unit, limit: alone[:limit]):
            found = deciding.decide(unit, Ordering(Memory(USUAL_LEVELS)), limit=100).decisions
    return [decision for decision in found if isinstance(decision, Placed)]


def test_a_decision_that_no_longer_fits_is_not_applied(world: World) -> None:
    made = world.submit(wants={"platform": WUHU})
    (decision,) = decisions(world.hub)
    writer = world.hub.running.hub.writer
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/suspend", {"why": "test"})
    assert not writer.run(lambda unit: placing.apply(unit, decision))
    world.ok("operator2", "POST", f"/v1/platforms/{WUHU}/lift", {"why": "test"})
    world.connector().publish(inventory("0.5"), offer())
    assert not writer.run(lambda unit: placing.apply(unit, decision))
    world.connector().publish(inventory("4"), offer())
    assert writer.run(lambda unit: placing.apply(unit, decision))
    assert not writer.run(lambda unit: placing.apply(unit, decision))
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    assert not writer.run(lambda unit: placing.apply(unit, decision))
    assert world.hub.rows()["attempt"] == 1
    all_laws(world.hub)


class Mirror:
    """A connector that knows only what its polls brought, from the revision that each handed on."""

    def __init__(self, connector: SignedConnector) -> None:
        self.connector = connector
        self.known: dict[str, Instruction] = {}
        self.revision = 0

    def poll(self) -> None:
        """Take what changed; revisions and versions only rise."""
        answer: PollAnswer = self.connector.poll(self.revision)
        assert answer.revision >= self.revision
        assert not answer.instructions or answer.revision > self.revision
        for told in answer.instructions:
            before = self.known.get(told.attempt_id)
            assert before is None or told.version > before.version
            self.known[told.attempt_id] = told
        self.revision = answer.revision

    def live(self) -> dict[str, tuple[int, Wish]]:
        """What it believes is wished of what is not to be forgotten."""
        return {a: (i.version, i.wish) for a, i in self.known.items() if i.wish is not Wish.FORGET}

    def told_at_once(self) -> dict[str, tuple[int, Wish]]:
        """What one that knew nothing would be told."""
        return {i.attempt_id: (i.version, i.wish) for i in self.connector.poll().instructions}


class Play:
    """One random history of the hub."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mirrors = [Mirror(world.connector(name)) for name in ("wuhu-cluster", "suzhou-cloud")]
        self.jobs: list[str] = []

    def step(self, action: str, number: int) -> None:
        """Do one thing, a second later."""
        self.world.clock.advance(1)
        getattr(self, f"do_{action}")(number)

    def do_submit(self, number: int) -> None:
        cores = ("0.5", "1", "1.5", "3")[number % 4]
        spec = job(array_size=1 + number % 3, resources={"cpu": cores, "memory": "1GiB"})
        answer = self.world.person("buyer").post("/v1/jobs", spec)
        if answer.status_code == 200:
            self.jobs.append(answer.json()["id"])
        else:
            assert answer.json()["code"] == "job_too_large"

    def do_settle(self, _number: int) -> None:
        self.world.hub.settle()

    def do_poll(self, number: int) -> None:
        self.mirrors[number % 2].poll()

    def _pick(self, number: int) -> tuple[Mirror, Instruction] | None:
        mirror = self.mirrors[number % 2]
        told = [i for i in mirror.known.values() if i.wish is not Wish.FORGET]
        return (mirror, told[number % len(told)]) if told else None

    def do_start(self, number: int) -> None:
        if picked := self._pick(number):
            picked[0].connector.report(picked[1], JobState.RUNNING, started_at=self.world.clock())

    def do_end(self, number: int) -> None:
        if picked := self._pick(number):
            ends = sorted(ENDED)
            picked[0].connector.report(picked[1], ends[number % len(ends)])

    def do_cancel(self, number: int) -> None:
        if self.jobs:
            self.world.person("buyer").post(f"/v1/jobs/{self.jobs[number % len(self.jobs)]}/cancel")

    def do_resize(self, number: int) -> None:
        self.mirrors[number % 2].connector.publish(inventory(("1", "2", "3", "6")[number % 4]), offer())

    def do_pause(self, number: int) -> None:
        self.mirrors[number % 2].connector.client.report(ReportCall(level=JoinLevel.TRADE, accepting=number % 3 > 0))

    def do_suspend(self, number: int) -> None:
        who, verb = (("operator", "suspend"), ("operator2", "lift"))[number % 2]
        self.world.person(who).post(f"/v1/platforms/{WUHU}/{verb}", {"why": "test"})


OFTEN = ("submit", "settle", "poll", "end")
ACTIONS = (*OFTEN, *OFTEN, "start", "cancel", "resize", "pause", "suspend")
Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    """Makes a world of its own for each example."""
    return lambda: running(template, stores)


@given(steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 11)), min_size=12, max_size=24))
@settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # each example is a hub: shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_laws_hold_whatever_happens(begin: Begin, steps: list[tuple[str, int]]) -> None:
    with begin() as world:
        play = Play(world)
        for action, number in steps:
            play.step(action, number)
            never_over_committed(world.hub)
        world.hub.settle()
        all_laws(world.hub)
        for mirror in play.mirrors:
            mirror.poll()
            assert mirror.live() == mirror.told_at_once()


def work(connector: SignedConnector, chance: random.Random, until: threading.Event) -> None:
    """A connector that runs what it is told, sometimes badly, and says some things twice."""
    revision, seen = 0, set[str]()
    ends = [JobState.COMPLETE] * 6 + [JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.PREEMPTED]
    while not until.is_set():
        answer = connector.poll(revision, wait_s=1)
        revision = answer.revision
        for told in answer.instructions:
            if told.wish is Wish.RUN and told.attempt_id not in seen:
                seen.add(told.attempt_id)
                connector.run(told, chance.choice(ends))
                connector.report(told, JobState.RUNNING, version=1)
            elif told.wish is Wish.CANCEL:
                connector.report(told, JobState.CANCELED)


class RunningClock(FrozenClock):
    """The time of this machine."""

    def __call__(self) -> datetime:
        return utc_now()


def test_the_laws_hold_in_a_storm(template: Template, stores: Stores) -> None:
    settings_ = stores.copy(template)
    calm, chance = threading.Event(), random.Random(7)
    with InProcessHub(settings_) as hub:
        world = World(hub, RunningClock(), template)
        for worker in hub.running.workers:
            worker.start()
        connectors = [world.connector(name) for name in ("wuhu-cluster", "suzhou-cloud")]
        with ThreadPoolExecutor(8) as pool:
            running_ = [pool.submit(work, c, random.Random(n), calm) for n, c in enumerate(connectors)]
            try:
                sent = [pool.submit(_send, world, chance.randrange(3) + 1, n) for n in range(14)]
                for size in ("2", "1", "4"):
                    time.sleep(0.2)
                    world.connector().publish(inventory(size), offer())
                refs = [future.result() for future in sent]
                _until_ended(world, refs)
            finally:
                calm.set()
            for future in running_:
                future.result()
        for worker in hub.running.workers:
            worker.stop()
        all_laws(hub)
    stores.drop(settings_)


def _send(world: World, tasks: int, number: int) -> str:
    made: str = world.person("buyer").post("/v1/jobs", job(array_size=tasks, attempts=10)).json()["id"]
    if number % 6 == 0:
        world.person("buyer").post(f"/v1/jobs/{made}/cancel")
    return made


def _until_ended(world: World, refs: Sequence[str]) -> None:
    deadline = time.monotonic() + 60
    waiting = list(refs)
    while waiting:
        assert time.monotonic() < deadline, [world.job(ref) for ref in waiting]
        waiting = [ref for ref in waiting if world.job(ref)["ended_at"] is None]
        time.sleep(0.1)
