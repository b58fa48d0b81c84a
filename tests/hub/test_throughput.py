"""Do ended runs change where the next ones go, each once, bounded, and are they forgotten with their owner?"""

import math
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.ids import FlavorId
from suanlian.model.job import JobState, Outcome
from suanlian.model.performance import Grade, Performance, Precision
from suanlian.model.platform import Chip, Inventory
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.model.throughput import Runs
from suanlian.services import throughput
from suanlian.store import capabilities
from suanlian.store import tables as t
from tests.hub.world import World, inventory, offer

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"
VARIANT = {"architecture": "x86_64", "environment": "python", "command": ["true"]}


def claiming(tera: str) -> Inventory:
    claim = Performance(precision=Precision.FP64, tera_per_s=Decimal(tera), grade=Grade.CLAIMED)
    made = inventory()
    return made.model_copy(update={"flavors": (made.flavors[0].model_copy(update={"performance": (claim,)}),)})


@pytest.fixture
def told_apart(world: World) -> World:
    """Suzhou claims to be ten times as fast as Wuhu, and costs three times as much an hour."""
    world.connector(WUHU).publish(claiming("0.1"), offer("0.10"))
    world.connector(SUZHOU).publish(claiming("1"), offer("0.30"))
    world.clock.advance(1)
    world.hub.settle()
    return world


def estimated(world: World, **changes: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - fields of a job
    body = {"name": "hello", "resources": {"cpu": "1", "memory": "256MiB"}, "variants": [VARIANT], "wall_time_s": 3600}
    heard(world)
    told = world.ok("buyer", "POST", "/v1/jobs:estimate", {**body, "job_class": "cpu", **changes})
    found = {candidate["platform"]: candidate for candidate in told["candidates"]}
    return {**found, "winner": told["candidates"][told["winner"]]}


def heard(world: World) -> None:
    """Both connectors call, so that neither counts as silent."""
    for platform in (WUHU, SUZHOU):
        world.connector(platform).poll()


def end(world: World, told: Instruction, seconds: float, state: JobState = JobState.COMPLETE) -> None:
    connector = next(c for name in (WUHU, SUZHOU) if (c := world.connector(name)).id and _is_of(world, c.id, told))
    started = world.clock()
    assert connector.report(told, JobState.RUNNING, started_at=started).verdict == "taken"
    world.clock.advance(seconds)
    heard(world)
    assert connector.report(told, state, outcome=Outcome(exit_code=0)).verdict == "taken"
    world.hub.settle()


def _is_of(world: World, connector_id: str, told: Instruction) -> bool:
    with world.hub.running.hub.reading() as unit:
        query = select(t.attempt.c.connector_id).where(t.attempt.c.id == told.attempt_id)
        return bool(unit.connection.execute(query).scalar_one() == connector_id)


def ran(world: World, platform: str, seconds: float, **changes: Any) -> None:  # noqa: ANN401 - fields of a job
    heard(world)
    _made, told = world.at(platform, **{"job_class": "cpu", "wall_time_s": 3600, **changes})
    end(world, told, seconds)


def rows(world: World) -> list[dict[str, Any]]:
    with world.hub.running.hub.reading() as unit:
        return [dict(row) for row in unit.connection.execute(select(t.seen_runs)).mappings()]


def test_a_class_makes_the_faster_place_the_cheaper_one(told_apart: World) -> None:
    assert estimated(told_apart, job_class=None)["winner"]["platform"] == WUHU
    found = estimated(told_apart)
    assert found["winner"]["platform"] == SUZHOU
    assert found[SUZHOU]["expected"] == {
        "seconds": "360.000000",
        "basis": "figures",
        "faster": "10.0000",
        "precision": "FP64",
        "grade": "claimed",
        "here": 0,
        "elsewhere": 0,
        "factor": "1.6842",
    }
    assert (Decimal(found[WUHU]["cost"]), Decimal(found[SUZHOU]["cost"])) == (Decimal("0.1"), Decimal("0.03"))
    made = told_apart.submit(job_class="cpu")
    told_apart.hub.settle()
    assert told_apart.job(made["id"])["state"] == "QUEUED"
    assert [i.job_id for i in told_apart.connector(SUZHOU).poll().instructions] == [made["id"]]


def test_runs_that_were_seen_move_the_next_job_and_say_how_many_they_were(told_apart: World) -> None:
    for _run in range(6):
        ran(told_apart, SUZHOU, 1200)
        ran(told_apart, WUHU, 600)
    found = estimated(told_apart)
    assert found["winner"]["platform"] == WUHU
    wuhu = found[WUHU]["expected"]
    assert math.isclose(float(wuhu["seconds"]), 600, rel_tol=0.1)
    assert (wuhu["basis"], wuhu["here"], wuhu["elsewhere"]) == ("runs", 6, 6)
    assert 1 < float(wuhu["factor"]) < 1.3
    # neither another name, nor another size, nor another account, nor a job that does not ask
    assert estimated(told_apart, name="other")[WUHU]["expected"]["basis"] == "wall-time" or (
        estimated(told_apart, name="other")[WUHU]["expected"]["here"] == 0
    )
    assert estimated(told_apart, resources={"cpu": "2", "memory": "256MiB"})[WUHU]["expected"]["here"] == 0
    assert estimated(told_apart, job_class=None)[WUHU]["expected"] is None
    told = told_apart.person("buyer2").post(
        "/v1/jobs:estimate",
        {"name": "hello", "resources": {"cpu": "1", "memory": "256MiB"}, "variants": [VARIANT], "job_class": "cpu"},
    )
    assert {candidate["expected"]["here"] for candidate in told.json()["candidates"]} == {0}


def test_only_whole_runs_that_ended_well_of_jobs_that_ask_count_and_each_once(told_apart: World) -> None:
    ran(told_apart, WUHU, 100)
    (row,) = rows(told_apart)
    assert (row["count"], row["sum_log"]) == (1, pytest.approx(math.log(100)))
    ran(told_apart, WUHU, 100, job_class=None)
    _made, told = told_apart.at(WUHU, job_class="cpu", wall_time_s=3600)
    end(told_apart, told, 50, JobState.EXECUTOR_ERROR)
    assert rows(told_apart) == [row]
    # a look at the journal that is made again finds nothing new
    told_apart.hub.running.hub.writer.run(throughput.observe)
    assert rows(told_apart) == [row]


def test_the_tasks_of_an_array_teach_those_that_wait(told_apart: World) -> None:
    ran(told_apart, WUHU, 10)
    made = told_apart.submit(job_class="cpu", wall_time_s=3600, array_size=12)
    told_apart.hub.settle()
    placed = [i for name in (WUHU, SUZHOU) for i in told_apart.connector(name).poll().instructions]
    placed = [i for i in placed if i.job_id == made["id"]]
    assert len(placed) == 8
    end(told_apart, placed[0], 1000)  # its place is given away before the look at its end
    end(told_apart, placed[1], 1000)
    why = told_apart.ok("buyer", "GET", f"/v1/jobs/{made['id']}/tasks?limit=200")["items"]
    late = max(task["index"] for task in why if task["attempts"])
    told = told_apart.ok("buyer", "GET", f"/v1/jobs/{made['id']}/explanation?index={late}")
    expected = told["candidates"][told["winner"]]["expected"]
    assert expected["basis"] == "runs"
    assert 500 < float(expected["seconds"]) <= 3600
    counts = {"array": 0.0, "name": 0.0}
    for row in rows(told_apart):
        counts[row["scope"].partition(":")[0]] += row["count"]
    assert counts == {"array": 2, "name": 3}


def test_what_a_connector_measured_counts_before_what_its_owner_claims(told_apart: World) -> None:
    hub = told_apart.hub.running.hub
    with hub.reading() as unit:
        flavor = unit.connection.execute(
            select(t.published).where(t.published.c.subject == "flavor").order_by(t.published.c.written_at.desc())
        ).mappings()
        ids = {row["platform_id"]: row["id"] for row in flavor}
        platforms = unit.connection.execute(select(t.platform.c.id, t.platform.c.name)).all()
    flavor_id = next(ids[platform_id] for platform_id, name in platforms if name == SUZHOU)
    platform_id = next(platform_id for platform_id, name in platforms if name == SUZHOU)
    for n, (grade, value) in enumerate((("self-measured", "0.6"), ("verified", "0.16"), ("verified", "0.2"))):
        row = {"id": f"c{n}", "platform_id": platform_id, "flavor_id": flavor_id, "metric": "matmul"}
        row |= {"precision": "FP64", "grade": grade, "value": Decimal(value), "unit": "T/s", "evidence": "{}"}
        row |= {"source": "test", "at": told_apart.clock(), "claim": Decimal(1)}
        hub.writer.run(partial(capabilities.add, rows=[row]))
        told_apart.clock.advance(1)
    found = estimated(told_apart)[SUZHOU]["expected"]
    # 0.2 of four cores against 0.8 of a claim of 0.1
    assert (found["grade"], found["faster"]) == ("verified", "2.5000")


def test_a_chip_of_the_table_is_told_apart_though_its_owner_states_no_figure(world: World) -> None:
    node = Resources.model_validate({"cpu": "4", "memory": "8GiB", "disk": "20GiB", "accelerator": "2"})
    for platform, model in ((WUHU, "Huawei Ascend 910B4"), (SUZHOU, "Huawei Ascend 910C")):
        made = inventory()
        chip = Chip(family="ascend", model=model, grade=Grade.CLAIMED)
        flavor = made.flavors[0].model_copy(update={"chip": chip, "node": node})
        share = made.shares[0].model_copy(update={"capacity": node})
        changed = made.model_copy(update={"flavors": (flavor,), "shares": (share,)})
        priced = offer().model_copy(
            update={"rates": (*offer().rates, offer().rates[0].model_copy(update={"kind": ResourceKind.ACCELERATOR}))}
        )
        world.connector(platform).publish(changed, priced)
    world.clock.advance(1)
    found = estimated(
        world, job_class="training", resources={"cpu": "1", "memory": "256MiB", "accelerator": "1"}, variants=[VARIANT]
    )
    expected = found[SUZHOU]["expected"]
    assert (expected["precision"], expected["grade"]) == ("FP16", "claimed")
    assert Decimal(expected["faster"]) == (Decimal(800) / 280).quantize(Decimal("0.0001"))


def test_it_is_forgotten_with_the_account_and_after_long(told_apart: World) -> None:
    ran(told_apart, WUHU, 100)
    assert len(rows(told_apart)) == 1
    told_apart.clock.advance(181 * 86_400)
    told_apart.hub.settle()
    assert rows(told_apart) == []


def test_a_variant_of_chips_and_software_that_go_together_nowhere_is_refused(world: World) -> None:
    wrong = {**VARIANT, "chip_family": "ascend", "stack": {"name": "cuda"}}
    body = {"name": "x", "resources": {"cpu": "1", "memory": "1GiB"}, "variants": [VARIANT, wrong]}
    before = world.hub.rows()
    answer = world.person("buyer").post("/v1/jobs", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "variant_contradicts")
    assert answer.json()["faults"][0]["field"] == "variants.1.stack"
    assert world.hub.rows() == before


@given(st.lists(st.floats(0.01, 10**5), min_size=1, max_size=800))
def test_however_many_runs_are_seen_their_number_is_bounded_and_the_mean_is_one_of_theirs(seconds: list[float]) -> None:
    runs = Runs(FlavorId("f"), 0, 0, 0)
    for one in seconds:
        runs = throughput.with_one(runs, math.log(one))
    assert runs.count <= 257
    mean = runs.sum_log / runs.count
    assert math.log(min(seconds)) - 1e-6 <= mean <= math.log(max(seconds)) + 1e-6
    assert runs.sum_log_squared / runs.count >= mean**2 - 1e-6 * max(1, mean**2)
