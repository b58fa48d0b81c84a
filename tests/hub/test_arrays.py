"""Large arrays: taken at once, told a spec once, bounded in bytes, cancelled in one go, listed a page at a time."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.job import JobState
from suanlian.model.protocol import KNOWS, MAX_WISHED_BYTES, MAX_WISHES, PollAnswer, PollCall, Wish
from suanlian.services.placing import _MAKES
from suanlian.store import tables as t
from tests.hub.laws import all_laws, counts_are_whole
from tests.hub.test_dependencies import WUHU, bring, told
from tests.hub.world import Stores, Template, World, inventory, offer, running

AT_WUHU = {"platform": WUHU}
SMALL = {"cpu": "0.01", "memory": "1MiB"}


def asked(world: World, revision: int = 0, *, shares: bool) -> PollAnswer:
    return world.connector().client.poll(PollCall(revision=revision, knows=KNOWS if shares else ()))


def all_of_it(world: World, *, shares: bool) -> list[PollAnswer]:
    answers = [asked(world, shares=shares)]
    while answers[-1].more:
        answers.append(asked(world, answers[-1].revision, shares=shares))
    return answers


def test_an_answer_brings_a_spec_once_to_who_can_share_it(world: World) -> None:
    world.connector().publish(inventory("16"), offer())
    made = [world.submit(wants=AT_WUHU, array_size=20, resources=SMALL, name=f"j{n}") for n in range(2)]
    world.hub.settle()
    plain, shared = asked(world, shares=False), asked(world, shares=True)
    assert {said.spec.name for said in plain.instructions if said.spec} == {"j0", "j1"}
    assert not plain.specs
    assert [said.spec for said in shared.instructions] == [None] * 40
    assert {one.job_id for one in shared.specs} == {one["id"] for one in made}
    assert shared.whole().instructions == plain.instructions


def test_an_answer_is_bounded_in_bytes_and_leaves_nothing_out(world: World) -> None:
    world.connector().publish(inventory("16"), offer())
    big = [{"path": f"f{n}", "content": "x" * 500_000} for n in range(3)]
    for _ in range(6):
        world.submit(wants=AT_WUHU, array_size=3, resources=SMALL, inputs=big)
    world.hub.settle()
    shared, plain = all_of_it(world, shares=True), all_of_it(world, shares=False)
    for answers, most in ((shared, 9), (plain, 2)):
        told = [said.attempt_id for answer in answers for said in answer.instructions]
        assert len(told) == len(set(told)) == 18
        assert all(0 < len(answer.instructions) <= most for answer in answers)
        for answer in answers:
            specs = sum(len(one.spec.model_dump_json()) for one in answer.specs)
            specs += sum(len(said.spec.model_dump_json()) for said in answer.instructions if said.spec)
            assert specs <= MAX_WISHED_BYTES


def test_what_runs_of_an_array_is_cancelled_in_one_go_and_each_is_told(world: World) -> None:
    world.connector().publish(inventory("16"), offer())
    made = world.submit(wants=AT_WUHU, array_size=300, resources=SMALL)
    world.hub.settle()
    before = all_of_it(world, shares=True)[-1].revision
    first = told(world, made["id"])[0]
    connector = world.connector()
    connector.report(first, JobState.RUNNING, started_at=world.clock())
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    answers = [asked(world, before, shares=True)]
    while answers[-1].more:
        answers.append(asked(world, answers[-1].revision, shares=True))
    said = [one for answer in answers for one in answer.instructions]
    assert len(said) == len({one.attempt_id for one in said}) == 300
    assert {one.wish for one in said} == {Wish.CANCEL}
    assert max(len(answer.instructions) for answer in answers) == MAX_WISHES
    connector.report_all(said, JobState.CANCELED)
    assert world.job(made["id"])["tally"] == {"CANCELED": 300}
    all_laws(world.hub)


def test_outputs_of_many_tasks_come_a_page_at_a_time_and_are_the_newest(world: World) -> None:
    made = world.submit(wants=AT_WUHU, array_size=4, attempts=3)
    for said in told(world, made["id"]):
        bring(world, said, "out/old", b"old")
        world.connector().run(said, JobState.SYSTEM_ERROR if said.task_index == 1 else JobState.COMPLETE)
    for said in told(world, made["id"]):
        if said.token == 2:
            bring(world, said, "out/b", b"1b")
            bring(world, said, "out/a", b"1a")
            world.connector().run(said)
    path, found, cursor = f"/v1/jobs/{made['id']}/outputs", [], ""
    while cursor is not None:
        page = world.ok("buyer", "GET", f"{path}?limit=2&cursor={cursor}")
        assert len(page["items"]) <= 2
        found += [(row["task_index"], row["path"]) for row in page["items"]]
        cursor = page["next"]
    assert found == [(0, "out/old"), (1, "out/a"), (1, "out/b"), (2, "out/old"), (3, "out/old")]
    assert [row["path"] for row in world.ok("buyer", "GET", f"{path}?index=1")["items"]] == ["out/a", "out/b"]
    assert world.person("buyer").get(path, cursor="x").status_code == 422


Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    return lambda: running(template, stores)


@given(
    size=st.sampled_from([1, 255, 256, 257, _MAKES, 256 + _MAKES, 256 + _MAKES + 1]) | st.integers(1, 2500),
    rounds=st.lists(st.sampled_from([*["COMPLETE"] * 3, "EXECUTOR_ERROR", "PREEMPTED", "cancel"]), max_size=6),
)
@settings(
    max_examples=6,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_task_is_counted_once_with_and_without_a_row(begin: Begin, size: int, rounds: list[str]) -> None:
    with begin() as world:
        world.connector().publish(inventory("16"), offer())
        made = world.submit(wants=AT_WUHU, array_size=size, resources={"cpu": "0.05", "memory": "1MiB"})
        counts_are_whole(world.hub)
        for action in rounds:
            if action == "cancel":
                world.person("buyer").post(f"/v1/jobs/{made['id']}/cancel")
            else:
                world.connector().run_all(told(world, made["id"])[:150], JobState(action))
            counts_are_whole(world.hub)
        seen, cursor = Counter[str](), "-1"
        while cursor is not None:
            page = world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks?limit=200&cursor={cursor}")
            seen.update(task["state"] for task in page["items"])
            cursor = page["next"]
        assert dict(seen) == world.job(made["id"])["tally"]
        all_laws(world.hub)


def test_the_assignment_of_each_task_is_its_own(world: World) -> None:
    made = world.submit(wants=AT_WUHU, array_size=4)
    world.hub.settle()
    for index in range(4):
        assert world.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation?index={index}")["winner"] is not None
    with world.hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.assignment)).mappings().all()
    for row in rows:
        assert f'"id":"{row["id"]}","attempt_id":"{row["attempt_id"]}"' in row["body"]
    assert len({row["id"] for row in rows}) == len({row["attempt_id"] for row in rows}) == 4
