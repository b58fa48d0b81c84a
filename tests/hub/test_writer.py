"""The one writer: many units share a commit, one that fails takes nobody with it, and what was answered is durable."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from suanlian.model.errors import ConflictError, UnavailableError
from suanlian.model.event import EventType
from suanlian.store import tables as t
from suanlian.store.engine import Store
from suanlian.store.unit import Unit
from suanlian.store.writer import MAX_WAITING, Writer
from tests.hub.world import World, job


@contextmanager
def held(writer: Writer) -> Iterator[None]:
    """Keep the writer at work, so that what is submitted meanwhile shares the next commit."""
    busy, go = threading.Event(), threading.Event()

    def wait(_unit: Unit) -> None:
        busy.set()
        go.wait(60)

    first = writer.submit(wait)
    assert busy.wait(60)
    try:
        yield
    finally:
        go.set()
        first.result(20)


@pytest.fixture
def commits(world: World) -> Iterator[list[int]]:
    """One entry a commit of the writing connection."""
    engine, seen = world.hub.running.hub.store.writing, list[int]()

    def committed(_connection: object) -> None:
        seen.append(1)

    event.listen(engine, "commit", committed)
    yield seen
    event.remove(engine, "commit", committed)


@pytest.fixture
def writer(world: World) -> Writer:
    return world.hub.running.hub.writer


def keep(name: str) -> Callable[[Unit], str]:
    """Write a row that can be there once only."""

    def work(unit: Unit) -> str:
        unit.connection.execute(insert(t.lease).values(name=name, holder="", token=0, until=unit.now))
        return name

    return work


def kept(world: World) -> set[str]:
    with world.hub.running.hub.reading() as unit:
        return set(unit.connection.execute(select(t.lease.c.name)).scalars())


def test_units_share_a_commit_and_each_has_its_own_answer(world: World, writer: Writer, commits: list[int]) -> None:
    with held(writer):
        answers = [writer.submit(keep(f"u{n}")) for n in range(50)]
    assert [answer.result(20) for answer in answers] == [f"u{n}" for n in range(50)]
    assert len(commits) == 2
    assert kept(world) >= {f"u{n}" for n in range(50)}


def refuse(unit: Unit) -> None:
    keep("refused")(unit)
    raise ConflictError("state_conflict", "No.")


def test_a_unit_that_is_refused_leaves_nothing_and_takes_nobody_with_it(
    world: World, writer: Writer, commits: list[int]
) -> None:
    with held(writer):
        units: tuple[Callable[[Unit], object], ...] = (keep("before"), refuse, keep("after"))
        answers = [writer.submit(unit) for unit in units]
    assert answers[0].result(20) == "before"
    with pytest.raises(ConflictError):
        answers[1].result(20)
    assert answers[2].result(20) == "after"
    assert kept(world) == {"before", "after"}
    assert len(commits) == 2


def test_a_row_that_the_database_refuses_fails_its_own_unit_alone(world: World, writer: Writer) -> None:
    with held(writer):
        answers = [writer.submit(keep(name)) for name in ("a", "b", "a", "c")]
    assert [answers[n].result(20) for n in (0, 1, 3)] == ["a", "b", "c"]
    with pytest.raises(IntegrityError):
        answers[2].result(20)
    assert kept(world) == {"a", "b", "c"}


def test_units_run_again_after_a_commit_that_failed(world: World, writer: Writer) -> None:
    engine, failing = world.hub.running.hub.store.writing, [True]

    def fail(_connection: object) -> None:
        if failing:
            failing.clear()
            raise OperationalError("COMMIT", {}, Exception("the disk was full for a moment"))

    runs: list[str] = []

    def counted(name: str) -> Callable[[Unit], str]:
        def work(unit: Unit) -> str:
            runs.append(name)
            return keep(name)(unit)

        return work

    with held(writer):
        answers = [writer.submit(counted(name)) for name in ("a", "b")]
        # the unit that keeps the writer busy fails with them or before them: it is run again as well
        event.listen(engine, "commit", fail)
    assert [answer.result(20) for answer in answers] == ["a", "b"]
    failing.append(True)
    assert writer.run(counted("c")) == "c"
    event.remove(engine, "commit", fail)
    assert runs.count("c") == 2
    assert kept(world) == {"a", "b", "c"}


def test_nobody_is_woken_before_it_is_durable_nor_for_what_was_refused(world: World, writer: Writer) -> None:
    woken = world.hub.running.hub.wakeups.follow([EventType.ENTITY_REGISTERED.value])

    def refused(unit: Unit) -> None:
        unit.record(EventType.ENTITY_REGISTERED, "x")
        raise ConflictError("state_conflict", "No.")

    with pytest.raises(ConflictError):
        writer.run(refused)
    assert not woken.is_set()

    def recorded(unit: Unit) -> None:
        unit.record(EventType.ENTITY_REGISTERED, "x")
        assert not woken.is_set()

    writer.run(recorded)
    assert woken.wait(60)


def test_a_hub_that_has_too_much_to_write_says_so(world: World, writer: Writer) -> None:
    with held(writer):
        waiting = [writer.submit(lambda _unit: None) for _ in range(MAX_WAITING)]
        with pytest.raises(UnavailableError) as caught:
            writer.submit(lambda _unit: None)
        assert caught.value.code == "hub_unavailable"
        answer = world.person("operator").post("/v1/entities", {"name": "late"})
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
            503,
            "hub_unavailable",
            "1",
        )
        # who only reads is served
        assert world.person("buyer").get("/v1/jobs").status_code == 200
    for future in waiting:
        future.result(20)
    assert world.person("operator").post("/v1/entities", {"name": "late"}).status_code == 200


def test_a_writer_that_is_stopped_finishes_what_waits(world: World) -> None:
    store: Store = world.hub.running.hub.store
    other = Writer(store, clock=world.clock, on_commit=lambda _topics: None)
    answers = [other.submit(keep(f"u{n}")) for n in range(20)]
    other.stop()
    assert all(answer.done() for answer in answers)
    assert kept(world) >= {f"u{n}" for n in range(20)}


def test_a_batch_is_taken_whole_or_not_at_all(world: World) -> None:
    before = world.hub.rows()
    spec, good = {"path": "a", "object": True, "sha256": "0" * 64}, job()
    answer = world.person("buyer").post("/v1/jobs:batch", {"jobs": [good, {**good, "inputs": [spec]}, good]})
    assert answer.status_code == 404
    assert world.hub.rows() == before
    many = world.ok("buyer", "POST", "/v1/jobs:batch", {"jobs": [good] * 1000})["jobs"]
    assert len({one["id"] for one in many}) == 1000
    assert world.hub.rows()["job"] == 1000
    assert world.person("buyer").post("/v1/jobs:batch", {"jobs": [good] * 1001}).status_code == 422
    assert world.person("buyer").post("/v1/jobs:batch", {"jobs": []}).status_code == 422


def test_a_list_gives_every_job_once_page_by_page(world: World) -> None:
    made = [one["id"] for one in world.ok("buyer", "POST", "/v1/jobs:batch", {"jobs": [job()] * 25})["jobs"]]
    seen, cursor = list[str](), ""
    while True:
        page = world.person("buyer").get("/v1/jobs", limit=10, cursor=cursor).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == sorted(made, reverse=True)
