"""Jobs that come after others: let go once, when all that they come after has ended well; handed only theirs."""

import base64
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.errors import NotFoundError
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.model.platform import Feature, Inventory
from suanlian.model.protocol import Instruction, LogCall, ObjectCall, OutputCall
from suanlian.store import tables as t
from suanlian.testing.hub import InProcessHub
from tests.hub.laws import all_laws
from tests.hub.test_levels import hub_in
from tests.hub.world import Stores, Template, World, inventory, job, offer, running

WUHU = "wuhu-cluster"
AT_WUHU = {"platform": WUHU}
FILES = [{"output": "out", "path": "in/out"}]
OTHER = [{"output": "out", "path": "other"}]


def lays_files(**flavor: object) -> Inventory:
    """A platform whose connector lays out what other jobs brought."""
    made = inventory()
    can = made.flavors[0].model_copy(update={"features": (Feature.FILES,), **flavor})
    return made.model_copy(update={"flavors": (can,)})


@pytest.fixture
def at_work(world: World) -> World:
    world.connector().publish(lays_files(), offer())
    return world


def told(world: World, ref: str) -> list[Instruction]:
    """What the connector is to run of a job, in the order of tasks."""
    world.hub.settle()
    found = [said for said in world.connector().poll().instructions if said.job_id == ref and said.wish == "run"]
    return sorted(found, key=lambda said: said.task_index)


def bring(world: World, of: Instruction, path: str, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    text = base64.b64encode(data).decode()
    call = OutputCall(attempt_id=of.attempt_id, token=of.token, path=path, sha256=digest, data=text)
    world.connector().client.output(call)
    return digest


def fetch(world: World, of: Instruction, sha256: str, platform: str = WUHU) -> bytes:
    call = ObjectCall(attempt_id=AttemptId(of.attempt_id), token=of.token, sha256=sha256)
    return base64.b64decode(world.connector(platform).client.fetch_object(call).data)


def end(world: World, ref: str, state: JobState = JobState.COMPLETE) -> None:
    for said in told(world, ref):
        world.connector().run(said, state, exit_code=0 if state is JobState.COMPLETE else 1)
    world.hub.settle()


def after(made: dict[str, Any], **fields: object) -> dict[str, object]:
    return {"job": made["public_id"], **fields}


def owed(world: World) -> int:
    return world.hub.rows()["consequence"]


def test_a_job_waits_for_another_and_is_handed_what_it_brought(at_work: World) -> None:
    first = at_work.submit(name="align", wants=AT_WUHU, outputs=["out"])
    second = at_work.submit(name="call", wants=AT_WUHU, after=[after(first, files=FILES)])
    assert second["waiting"] == "waits for 1 of 1 jobs: align (QUEUED)"
    assert told(at_work, second["id"]) == []
    (said,) = told(at_work, first["id"])
    a, b = bring(at_work, said, "out/a.txt", b"from the first"), bring(at_work, said, "out/b/c", b"deep")
    bring(at_work, said, "outer", b"not in the directory")
    end(at_work, first["id"])
    (got,) = told(at_work, second["id"])
    assert {(one.path, one.sha256) for one in got.passed} == {("in/out/a.txt", a), ("in/out/b/c", b)}
    assert fetch(at_work, got, a) == b"from the first"
    assert owed(at_work) == 0
    all_laws(at_work.hub)


def test_what_is_handed_on_is_for_that_attempt_alone(at_work: World) -> None:
    at_work.connector("suzhou-cloud").publish(lays_files(), offer())
    first = at_work.submit(wants=AT_WUHU, outputs=["out", "more"])
    (said,) = told(at_work, first["id"])
    digest, other = bring(at_work, said, "out", b"mine"), bring(at_work, said, "more", b"not asked for")
    end(at_work, first["id"])
    second = at_work.submit(wants=AT_WUHU, after=[after(first, files=FILES)])
    bystander = at_work.submit(wants=AT_WUHU)
    foreign = at_work.submit("buyer2", wants=AT_WUHU)
    (got,) = told(at_work, second["id"])
    assert fetch(at_work, got, digest) == b"mine"
    with pytest.raises(NotFoundError):
        fetch(at_work, got, other)
    for else_ in (bystander, foreign):
        (stranger,) = told(at_work, else_["id"])
        with pytest.raises(NotFoundError):
            fetch(at_work, stranger, digest)
    with pytest.raises(Exception, match="no such attempt"):
        fetch(at_work, got, digest, "suzhou-cloud")


@pytest.mark.parametrize("by", ["buyer2", "operator", "supervisor"])
def test_nobody_comes_after_a_job_of_another_account(at_work: World, by: str) -> None:
    first = at_work.submit()
    answer = at_work.person(by).post("/v1/jobs", job(after=[{"job": first["id"], "files": FILES}]))
    assert answer.status_code in (403, 404), answer.text
    unknown = at_work.person("buyer").post("/v1/jobs", job(after=[{"job": "CN-JOB-NOTHING"}]))
    assert unknown.json()["code"] == "not_found"
    assert at_work.hub.rows()["edge"] == 0


def test_a_failed_job_cancels_what_comes_after_and_what_comes_after_that(at_work: World) -> None:
    first = at_work.submit(name="align", wants=AT_WUHU)
    second = at_work.submit(name="call", after=[after(first)])
    third = at_work.submit(after=[after(second)])
    always = at_work.submit(wants=AT_WUHU, after=[after(first, on="end"), after(third, on="end")])
    end(at_work, first["id"], JobState.EXECUTOR_ERROR)
    found = at_work.job(second["id"])
    assert (found["state"], found["reason"]) == ("CANCELED", "after_failed: align ended EXECUTOR_ERROR")
    assert at_work.job(third["id"])["reason"] == "after_failed: call ended CANCELED"
    assert len(told(at_work, always["id"])) == 1
    assert owed(at_work) == 0
    all_laws(at_work.hub)


def test_a_job_that_comes_after_what_has_ended(at_work: World) -> None:
    good, bad = at_work.submit(wants=AT_WUHU), at_work.submit(name="bad", wants=AT_WUHU)
    end(at_work, good["id"])
    end(at_work, bad["id"], JobState.EXECUTOR_ERROR)
    assert at_work.submit(after=[after(good)])["waiting"] == "it has not been looked at yet"
    late = at_work.submit(after=[after(good), after(bad)])
    at_work.hub.settle()
    assert at_work.job(late["id"])["reason"] == "after_failed: bad ended EXECUTOR_ERROR"
    assert len(told(at_work, at_work.submit(wants=AT_WUHU, after=[after(bad, on="end")])["id"])) == 1
    all_laws(at_work.hub)


def test_without_what_it_is_to_have_a_job_never_begins(at_work: World) -> None:
    first = at_work.submit(name="align", wants=AT_WUHU, outputs=["out"])
    second = at_work.submit(after=[after(first, on="end", files=FILES)])
    end(at_work, first["id"], JobState.EXECUTOR_ERROR)
    found = at_work.job(second["id"])
    assert (found["state"], found["reason"]) == ("CANCELED", "after_failed: align brought no out")
    all_laws(at_work.hub)


def test_arrays_hand_on_by_index_or_all_to_one(at_work: World) -> None:
    first = at_work.submit(wants=AT_WUHU, array_size=3, outputs=["out"])
    same = at_work.submit(wants=AT_WUHU, array_size=3, resources={"cpu": "0.1", "memory": "8MiB"},
                          after=[after(first, files=FILES)])  # fmt: skip
    every = at_work.submit(wants=AT_WUHU, resources={"cpu": "0.1", "memory": "8MiB"}, after=[after(first, files=FILES)])
    one = [{"output": "out", "path": "x", "index": 2}]
    third = at_work.submit(wants=AT_WUHU, resources={"cpu": "0.1", "memory": "8MiB"}, after=[after(first, files=one)])
    digests = [bring(at_work, said, "out", b"%d" % said.task_index) for said in told(at_work, first["id"])]
    end(at_work, first["id"])
    assert [[(p.path, p.sha256) for p in said.passed] for said in told(at_work, same["id"])] == [
        [("in/out", digest)] for digest in digests
    ]
    (said,) = told(at_work, every["id"])
    assert [(p.path, p.sha256) for p in said.passed] == [(f"in/out/{n}", digest) for n, digest in enumerate(digests)]
    (said,) = told(at_work, third["id"])
    assert [p.sha256 for p in said.passed] == [digests[2]]
    all_laws(at_work.hub)


@pytest.mark.parametrize(
    ("file", "field", "told_"),
    [
        ({"output": "ouy"}, "output", "align declares no output 'ouy'; it brings out, logs/all."),
        ({"output": "outer"}, "output", "align declares no output 'outer'"),
        ({"output": "out", "index": 3}, "index", "align has no task 3: it has 3."),
        ({"output": "out", "index": "same"}, "index", "align has 3 of the 4 tasks"),
    ],
)
def test_what_can_never_be_handed_on_is_refused_at_once(
    at_work: World, file: dict[str, object], field: str, told_: str
) -> None:
    first = at_work.submit(name="align", array_size=3, outputs=["out", "logs/all"])
    files = [{"output": "logs", "path": "ok"}, {"output": "out/deep/file", "path": "too"}, {**file, "path": "x"}]
    spec = job(array_size=4, after=[after(first, files=files)])
    for path, body in (("/v1/jobs", spec), ("/v1/jobs:batch", {"jobs": [spec]})):
        answer = at_work.person("buyer").post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "no_such_output")
        (fault,) = answer.json()["faults"]
        assert fault["field"] == f"after.0.files.2.{field}"
        assert fault["wrong"].startswith(told_)
        assert "align" in fault["todo"] or "both jobs" in fault["todo"]
    assert at_work.hub.rows()["edge"] == 0
    at_work.submit(array_size=4, after=[after(first, files=files[:2])])


def test_where_nothing_is_laid_out_such_a_job_does_not_go(world: World) -> None:
    first = world.submit(wants=AT_WUHU, outputs=["out"])
    (said,) = told(world, first["id"])
    bring(world, said, "out", b"x")
    end(world, first["id"])
    second = world.submit(wants=AT_WUHU, after=[after(first, files=FILES)])
    world.hub.settle()
    assert "the job needs files" in world.job(second["id"])["waiting"]


def test_what_is_handed_on_binds_who_gets_it_as_strictly(at_work: World, stores: Stores) -> None:
    """Sensitive data is kept at a hub that may; who is handed a file of it is bound by its spec from then on."""
    with hub_in(at_work, stores) as keeper:
        keeper.connector().publish(lays_files(), offer())
        wants = {"platform": WUHU, "data_level": 3, "protection_min": 2, "residency": ["34", "3205"]}
        first = keeper.submit(wants=wants, outputs=["out"])
        only_after = keeper.submit(after=[after(first)])
        assert only_after["spec"]["wants"]["data_level"] == 1
        narrow = {"data_level": 2, "residency": ["34", "31"]}
        second = keeper.submit(wants=narrow, outputs=["out"], after=[after(first, files=FILES)])
        bound = second["spec"]["wants"]
        assert (bound["data_level"], bound["protection_min"], bound["residency"]) == (3, 2, ["34"])
        third = keeper.submit(after=[after(second, files=FILES), after(first, files=OTHER)])
        assert third["spec"]["wants"]["data_level"] == 3
        assert third["spec"]["wants"]["residency"] == ["34"]


def test_a_log_goes_on_with_the_next_attempt(world: World) -> None:
    made = world.submit(wants=AT_WUHU)
    (said,) = told(world, made["id"])
    connector = world.connector()
    text = base64.b64encode(b"one").decode()
    connector.client.log(LogCall(attempt_id=said.attempt_id, token=said.token, stream="stdout", offset=0, data=text))
    connector.report(said, JobState.RUNNING, started_at=world.clock())
    connector.report(said, JobState.PREEMPTED)
    path = f"/v1/jobs/{made['id']}/log"

    def look(offset: int, **which: str) -> tuple[bytes, str, str]:
        answer = world.person("buyer").get(path, offset=offset, **which)
        return answer.content, answer.headers["Suanlian-Ended"], answer.headers["Suanlian-Attempt"]

    assert look(0) == (b"one", "false", said.attempt_id)
    assert look(3) == (b"", "false", said.attempt_id)
    assert look(3, attempt=said.attempt_id) == (b"", "true", said.attempt_id)
    again = next(one for one in told(world, made["id"]) if one.attempt_id != said.attempt_id)
    assert look(0) == (b"", "false", again.attempt_id)
    connector.run(again)
    assert look(0) == (b"", "true", again.attempt_id)


def test_cancelling_what_waits_for_another(at_work: World) -> None:
    first = at_work.submit(wants=AT_WUHU)
    second = at_work.submit(after=[after(first)])
    at_work.ok("buyer", "POST", f"/v1/jobs/{second['id']}/cancel")
    end(at_work, first["id"])
    found = at_work.job(second["id"])
    assert (found["state"], found["waiting"], found["reason"]) == ("CANCELED", "", "")
    all_laws(at_work.hub)


ENDS = (JobState.COMPLETE, JobState.COMPLETE, JobState.EXECUTOR_ERROR)
Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    return lambda: running(template, stores)


class Play:
    """Jobs that come after each other, ending as chance has it."""

    def __init__(self, world: World) -> None:
        self.world, self.made, self.cancelled = world, list[dict[str, Any]](), set[str]()
        world.connector().publish(inventory("16"), offer())

    def step(self, action: str, number: int, ons: list[str]) -> None:
        self.world.clock.advance(1)
        if action == "submit":
            chance = random.Random(number)
            chosen = chance.sample(self.made, min(len(self.made), len(ons)))
            edges = [after(made, on=on) for made, on in zip(chosen, ons, strict=False)]
            self.made.append(self.world.submit(name=f"j{len(self.made)}", wants=AT_WUHU, after=edges))
        elif action == "cancel" and self.made:
            ref = self.made[number % len(self.made)]["id"]
            if self.world.person("buyer").post(f"/v1/jobs/{ref}/cancel").status_code == 200:
                self.cancelled.add(ref)
        elif action == "end":
            self.end_some(ENDS[number % 3])
        elif action == "settle":
            self.world.hub.settle()

    def end_some(self, state: JobState) -> bool:
        connector = self.world.connector()
        live = [said for said in connector.poll().instructions if said.wish in ("run", "cancel")]
        for said in live[:2]:
            connector.run(said, JobState.CANCELED if said.wish == "cancel" else state)
        return bool(live)

    def finish(self) -> None:
        self.world.hub.settle()
        while self.end_some(JobState.COMPLETE):
            self.world.clock.advance(1)
            self.world.hub.settle()


def released_once(play: Play) -> None:
    """What waited was let go exactly once after all that it waited for, or ended for a reason that is true."""
    with play.world.hub.running.hub.reading() as unit:
        jobs = {row["id"]: row for row in unit.connection.execute(select(t.job)).mappings()}
        edges = unit.connection.execute(select(t.edge)).mappings().all()
        attempts = unit.connection.execute(select(t.attempt)).mappings().all()
        events = unit.connection.execute(select(t.event.c.subject).where(t.event.c.type == "job.released")).scalars()
        told = Counter(events)
    began = {row["job_id"] for row in attempts}
    for made in play.made:
        row, mine = jobs[made["id"]], [edge for edge in edges if edge["job_id"] == made["id"]]
        assert row["ended_at"] is not None
        assert all(edge["met_at"] is not None for edge in mine)
        failed = [e for e in mine if e["on_"] == "success" and jobs[e["upstream_id"]]["state"] != "COMPLETE"]
        assert (row["reason"] != "") <= bool(failed)
        if failed:
            assert (row["state"], made["id"] in began) == ("CANCELED", False)
        elif made["id"] not in play.cancelled:
            assert made["id"] in began
            assert all(jobs[edge["upstream_id"]]["ended_at"] <= row["ended_at"] for edge in mine)
        assert told[made["id"]] <= 1
    for attempt in attempts:
        upstream = [jobs[edge["upstream_id"]] for edge in edges if edge["job_id"] == attempt["job_id"]]
        assert all(one["ended_at"] <= attempt["created_at"] for one in upstream)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["submit", "submit", "submit", "end", "cancel", "settle"]),
            st.integers(0, 50),
            st.lists(st.sampled_from(["success", "end"]), max_size=3),
        ),
        min_size=8,
        max_size=24,
    )
)
@settings(
    max_examples=5,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_ends_when_each_is_let_go_once(begin: Begin, steps: list[tuple[str, int, list[str]]]) -> None:
    with begin() as world:
        play = Play(world)
        for action, number, ons in steps:
            play.step(action, number, ons)
        play.finish()
        released_once(play)
        assert owed(world) == 0
        all_laws(world.hub)


@pytest.fixture
def replica(world: World) -> Iterator[InProcessHub]:
    with InProcessHub(world.hub.settings, clock=world.clock) as hub:
        yield hub


def test_who_submits_while_another_ends_is_let_go_all_the_same(world: World, replica: InProcessHub) -> None:
    """Two processes over one store: in one a job ends, in the other jobs are bound to it at that moment."""
    there = world.person("buyer").__class__(replica.http, world.template.keys["buyer"])
    for _ in range(6):
        first = world.submit(wants=AT_WUHU)
        (said,) = told(world, first["id"])

        def bind(_n: int, first: dict[str, Any] = first) -> str:
            answer = there.post(
                "/v1/jobs", job(wants=AT_WUHU, after=[after(first)], resources={"cpu": "0.1", "memory": "1MiB"})
            )
            assert answer.status_code == 200, answer.text
            return str(answer.json()["id"])

        with ThreadPoolExecutor(4) as pool:
            ending = pool.submit(world.connector().run, said)
            bound = list(pool.map(bind, range(6)))
            ending.result()
        world.hub.settle()
        assert all(told(world, ref) for ref in bound)
        for ref in bound:
            end(world, ref)
    assert owed(world) == 0
    all_laws(world.hub)


def test_two_replicas_let_go_once(world: World, replica: InProcessHub) -> None:
    first = world.submit(wants=AT_WUHU)
    bound = [world.submit(after=[after(first)], wants=AT_WUHU)["id"] for _ in range(10)]
    (said,) = told(world, first["id"])
    world.connector().run(said)

    def turns(hub: InProcessHub) -> None:
        for worker in hub.running.workers:
            if worker.name == "release":
                for _ in range(5):
                    worker.turn()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(turns, hub) for hub in (world.hub, replica)]:
            done.result()
    with world.hub.running.hub.reading() as unit:
        events = unit.connection.execute(select(t.event.c.subject).where(t.event.c.type == "job.released")).scalars()
        assert Counter(events) == Counter(bound)
    all_laws(world.hub)
