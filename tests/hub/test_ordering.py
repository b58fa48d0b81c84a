"""The queue of the hub decides as the twin does; accounts share what there is; what waits is told how it stands."""

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.decision import Decision, Placed
from suanlian.model.job import JobState
from suanlian.model.levels import USUAL_LEVELS
from suanlian.model.platform import Feature
from suanlian.model.protocol import Instruction
from suanlian.rules.queueing.policy import Policy
from suanlian.services import deciding, placing
from suanlian.services.market import Memory
from suanlian.services.ordering import USUAL, Ordering
from suanlian.store import tables as t
from suanlian.store.unit import Unit
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace
from suanlian.twin.world import sized
from tests.hub.laws import all_laws
from tests.hub.test_dependencies import WUHU, lays_files, told
from tests.hub.world import Stores, Template, World, inventory, job, offer, running

pytestmark = pytest.mark.timeout(600)  # compiles, where nothing has been compiled yet

AT_WUHU = {"platform": WUHU}
SUZHOU = "suzhou-cloud"
OWNERS = {"wuhu-cluster": "wuhu", "suzhou-cloud": "suzhou"}
CORES = (8, 6)
MOVE_S = 20.0
POLICY = Policy(age=1.0, headroom=0, move_s=MOVE_S)
JOB = st.tuples(st.integers(0, 100), st.integers(1, 90), st.integers(1, 4), st.sampled_from([0, 1]))


def apply_to(decision: Decision, unit: Unit) -> bool:
    return placing.apply(unit, decision)


@dataclass
class Replay:
    """Drives the services of a hub through recorded jobs: a look at each arrival, end and reservation that begins."""

    world: World
    jobs: list[tuple[int, int, int, int]]
    began: datetime = field(init=False)
    ordering: Ordering = field(init=False)
    keys: dict[str, str] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    starts: dict[int, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world
        for platform, owner in OWNERS.items():
            body = {"name": f"{owner}-user", "role": "buyer", "entity": owner}
            self.keys[owner] = world.ok("operator", "POST", "/v1/principals", body)["key"]
            cores = str(CORES[list(OWNERS).index(platform)])
            shares = inventory(cores).shares
            features = (Feature.GANG, Feature.FILES)
            world.connector(platform).publish(
                lays_files(features=features).model_copy(update={"shares": shares}), offer()
            )
        world.clock.advance(1 - world.clock().microsecond / 1e6)
        self.began = world.clock()
        self.ordering = Ordering(Memory(USUAL_LEVELS), POLICY, often=timedelta(days=999))

    def run(self) -> None:
        connectors = {platform: self.world.connector(platform) for platform in OWNERS}
        ends, at, wake = list[tuple[float, str, Instruction, str]](), 0, float("inf")
        while at < len(self.jobs) or ends:
            now = min(
                self.jobs[at][0] if at < len(self.jobs) else float("inf"), ends[0][0] if ends else float("inf"), wake
            )
            self.world.clock.advance((self.began + timedelta(seconds=now) - self.world.clock()).total_seconds())
            for connector in connectors.values():
                connector.poll()  # it is heard of
            while ends and ends[0][0] <= now:
                _, _, said, platform = heapq.heappop(ends)
                connectors[platform].report(said, JobState.COMPLETE)
            while at < len(self.jobs) and self.jobs[at][0] <= now:
                self.submit(at)
                at += 1
            placed = self.look()
            for platform, connector in connectors.items():
                for said in connector.poll().instructions:
                    if said.attempt_id in placed:
                        number = self.names[said.job_id]
                        connector.report(said, JobState.RUNNING, started_at=self.world.clock())
                        self.starts[number] = (now, platform)
                        heapq.heappush(ends, (now + self.jobs[number][1], said.attempt_id, said, platform))
            found = self.ordering.next_wake(self.world.clock())
            wake = float("inf") if found is None else (found - self.began).total_seconds()

    def submit(self, number: int) -> None:
        _, duration, units, home = self.jobs[number]
        owner = list(OWNERS.values())[home]
        wanted = job(name=f"job{number}", nodes=units, wall_time_s=duration)
        answer = self.world.hub.person(self.keys[owner]).post("/v1/jobs", wanted)
        assert answer.status_code == 200, answer.text
        self.names[answer.json()["id"]] = number

    def look(self) -> set[str]:
        hub = self.world.hub.running.hub
        with hub.reading() as unit:
            found = deciding.decide(unit, self.ordering, limit=100).decisions
        for decision in found:
            assert hub.writer.run(partial(apply_to, decision))
        made = {one.job_id for one in found if isinstance(one, Placed)}
        with hub.reading() as unit:
            live = select(t.attempt.c.id).where(t.attempt.c.job_id.in_(made), t.attempt.c.ended_at.is_(None))
            return set(unit.connection.execute(live).scalars())


@pytest.fixture
def begin(template: Template, stores: Stores) -> Callable[[], AbstractContextManager[World]]:
    return lambda: running(template, stores)


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(JOB, min_size=1, max_size=14))
def test_the_hub_places_as_the_twin_does(
    begin: Callable[[], AbstractContextManager[World]], jobs: list[tuple[int, int, int, int]]
) -> None:
    wanted = sorted(jobs, key=lambda one: one[0])
    trace = Trace.of(
        job=np.arange(len(wanted)),
        home=np.array([one[3] for one in wanted]),
        submit=np.array([float(one[0]) for one in wanted]),
        duration=np.array([float(one[1]) for one in wanted]),
        units=np.array([one[2] for one in wanted]),
        account=np.array([one[3] for one in wanted]),
        accounts=("wuhu", "suzhou"),
    )
    world = sized(("wuhu-cluster", "suzhou-cloud"), [1, 1], move_s=MOVE_S)
    world.node_units[:] = CORES
    results = simulate(world, trace, Strategy.SUANLIAN, policy=POLICY)
    expected = {n: (float(results.start[n]), world.names[results.ran_at[n]]) for n in range(len(wanted))}
    with begin() as hub:
        replay = Replay(hub, wanted)
        replay.run()
        assert replay.starts == expected
        all_laws(hub.hub)


def placed_in_order(world: World) -> list[str]:
    query = select(t.job.c.name).join(t.attempt, t.attempt.c.job_id == t.job.c.id).order_by(t.attempt.c.revision)
    with world.hub.running.hub.reading() as unit:
        return list(unit.connection.execute(query).scalars())


def run_on(world: World, times: int) -> None:
    """So many times all that has a place runs to its end, and what waits is looked at."""
    for _ in range(times):
        with world.hub.running.hub.reading() as unit:
            live = select(t.attempt.c.job_id).where(t.attempt.c.ended_at.is_(None))
            jobs = list(unit.connection.execute(live).scalars())
        for one in jobs:
            for said in told(world, one):
                world.connector().run(said)
        world.hub.settle()


def test_an_account_that_used_much_comes_after_one_that_used_nothing(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    first = world.submit("buyer", wants=AT_WUHU, wall_time_s=3600)
    (said,) = told(world, first["id"])
    world.connector().report(said, JobState.RUNNING, started_at=world.clock())
    for n in range(2):
        world.submit("buyer", name=f"much-{n}", wants=AT_WUHU)
    for n in range(2):
        world.submit("buyer2", name=f"little-{n}", wants=AT_WUHU)
    world.clock.advance(3000)
    run_on(world, 5)
    assert placed_in_order(world) == ["hello", "little-0", "little-1", "much-0", "much-1"]
    all_laws(world.hub)


def test_shorter_work_goes_first_and_nobody_waits_for_ever(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    first = world.submit(wants=AT_WUHU, wall_time_s=600)
    assert len(told(world, first["id"])) == 1
    world.submit(name="long", wants=AT_WUHU, wall_time_s=600)
    world.submit(name="short", wants=AT_WUHU, wall_time_s=60)
    world.clock.advance(545)
    world.submit(name="too-late", wants=AT_WUHU, wall_time_s=60)
    run_on(world, 4)
    assert placed_in_order(world) == ["hello", "short", "long", "too-late"]


def test_what_waits_is_told_how_it_stands_and_when_it_starts(world: World) -> None:
    world.connector().publish(inventory("1"), offer())
    first = world.submit(wants=AT_WUHU, wall_time_s=600)
    (said,) = told(world, first["id"])
    world.connector().report(said, JobState.RUNNING, started_at=world.clock())
    world.clock.advance(60)
    waits = [world.submit(wants=AT_WUHU, wall_time_s=600) for _ in range(2)]
    world.hub.settle()
    found = [world.ok("buyer", "GET", f"/v1/jobs/{one['id']}/explanation?outlook=true") for one in waits]
    assert [one["queueing"]["place"] for one in found] == [1, 2]
    assert {one["queueing"]["of"] for one in found} == {2}
    assert {one["queueing"]["reserved"] for one in found} == {"wuhu-cluster/s1"}
    starts = [datetime.fromisoformat(one["outlook"]["starts"]) - world.clock() for one in found]
    assert [round(wait.total_seconds()) for wait in starts] == [540, 1140]


def test_the_usual_policy_can_be_meant() -> None:
    USUAL.row()
    assert (USUAL.headroom, USUAL.priority) == (0, 0.0)  # owners say themselves what guests get; priorities are turns


def test_a_share_that_shrinks_to_nothing_while_work_runs_there(world: World) -> None:
    world.connector(SUZHOU).publish(inventory("4"), offer())
    made = world.submit(wants={"platform": SUZHOU}, array_size=4)
    world.hub.settle()
    world.clock.advance(1)
    world.connector(SUZHOU).publish(inventory("0"), offer())
    world.hub.settle()
    assert world.job(made["id"])["tally"] == {"QUEUED": 4}
    other = world.submit(wants=AT_WUHU)
    assert len(told(world, other["id"])) == 1
    all_laws(world.hub)


def test_jobs_that_can_start_nowhere_do_not_keep_those_behind_them(world: World) -> None:
    """Their account pays too little, which is seen only when they are to start."""
    poor = [job(name=f"poor{n}", wants={**AT_WUHU, "max_cost": "0.000001"}, wall_time_s=60) for n in range(700)]
    for first in range(0, len(poor), 100):
        world.ok("buyer", "POST", "/v1/jobs:batch", {"jobs": poor[first : first + 100]})
    good = world.submit("buyer", wants=AT_WUHU, wall_time_s=7200)
    for _ in range(4):
        world.hub.settle()
        world.clock.advance(5)
        world.connector().poll()
    assert len(told(world, good["id"])) == 1


def test_a_price_that_drops_is_looked_at_again_at_once(world: World) -> None:
    world.connector().publish(inventory(), offer("0.10"))
    world.clock.advance(1)
    made = world.submit(wants={**AT_WUHU, "max_cost": "0.05"}, wall_time_s=3600)
    world.hub.settle()
    assert not told(world, made["id"])
    world.connector().publish(inventory(), offer("0.01"))
    world.clock.advance(1)
    world.hub.settle()
    assert len(told(world, made["id"])) == 1


def test_a_job_is_asked_anew_though_the_one_that_asked_before_it_is_gone(world: World) -> None:
    world.clock.advance(200)  # nothing was heard of for long
    one, two = (world.submit(wants=AT_WUHU) for _ in range(2))
    world.hub.settle()
    world.ok("buyer", "POST", f"/v1/jobs/{one['id']}/cancel")
    world.connector().poll()
    world.hub.settle()
    assert len(told(world, two["id"])) == 1


def test_what_waits_on_of_an_array_stays_told(world: World) -> None:
    world.connector().publish(inventory("2"), offer())
    made = world.submit(wants=AT_WUHU, array_size=5)
    world.hub.settle()
    assert world.job(made["id"])["waiting"]
    (first, *_) = told(world, made["id"])
    world.connector().run(first)
    world.hub.settle()
    assert world.job(made["id"])["waiting"]
