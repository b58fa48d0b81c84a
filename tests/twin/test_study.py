from dataclasses import replace

import numpy as np
import pytest

from suanlian.twin.figures import fairness, gap_closed, lateness, run_of, spent
from suanlian.twin.generate import Recipe, generate
from suanlian.twin.places import priced
from suanlian.twin.request import Axis, Request
from suanlian.twin.setting import arranged, recorded, sized_by
from suanlian.twin.simulate import Strategy
from suanlian.twin.study import LOADS, PORTABLE, intervals, study
from suanlian.twin.trace import Trace, TraceError
from suanlian.twin.whatif import changed
from suanlian.twin.world import World, sized
from tests.twin.plain_engine import plain

SMALL = Request(jobs=600, platforms=3, portable=0.6)


def quiet(_done: int, _total: int, _what: str) -> None:
    pass


def two(submit: list[float], duration: list[float], units: list[int], home: list[int]) -> Trace:
    count = len(submit)
    return Trace.of(
        job=np.arange(count),
        home=np.array(home),
        submit=np.array(submit),
        duration=np.array(duration),
        units=np.array(units),
        accounts=("a", "b"),
    )


def test_the_recorded_demand_is_the_replay_of_four_platforms() -> None:
    demand = recorded()
    assert demand.names == ("Qingpu", "Wujiang", "Wuhu", "Zhongwei")
    assert len(demand.trace) == 37_290
    nodes = {rho: sized_by(demand.trace, 4, rho, 8).tolist() for rho in (0.5, 0.6, 0.7, 0.8)}
    assert nodes == {0.5: [123, 64, 29, 22], 0.6: [103, 54, 24, 18], 0.7: [88, 46, 21, 16], 0.8: [77, 40, 18, 14]}


def test_a_report_counts_every_job_once_and_conserves_work() -> None:
    report = study(SMALL, quiet, plain)
    assert report.jobs == 600
    for run in report.runs:
        assert sum(part.jobs for part in run.platforms) == run.total.jobs == run.total.ended == 600
        assert run.work == pytest.approx(report.work)
        assert (run.platforms[0].utilisation is None) == (run.strategy == "pooled")
        assert sum(part.work_in for part in run.platforms) == pytest.approx(run.moved_work)
        assert sum(part.work_out for part in run.platforms) == pytest.approx(run.moved_work)
        assert all(0 <= use <= 1.0001 for row in run.busy for use in row)
        assert run.total.wait.p50 <= run.total.wait.p95 <= run.total.wait.p99 <= run.total.wait.most
    alone = report.run("alone")
    assert alone is not None
    assert (alone.moved, alone.moved_work) == (0, 0.0)
    assert all(owner.later == 0 for owner in alone.fairness)


def test_equal_requests_have_equal_reports() -> None:
    one, other = (study(SMALL, quiet, plain).model_dump(exclude={"made_at"}) for _turn in range(2))
    assert one == other


def test_sweeps_and_questions_are_told_as_they_go_on() -> None:
    request = replace(SMALL, sweep=tuple(Axis), what_if=("p1+64",))
    told: list[tuple[int, int]] = []
    report = study(request, lambda done, total, _what: told.append((done, total)), plain)
    assert [done for done, _total in told] == list(range(len(told)))
    assert told[-1][0] == told[-1][1], "as many simulations as were promised"
    by_axis = {sweep.axis: sweep for sweep in report.sweeps}
    assert {point.value for point in by_axis["load"].points} == set(LOADS)
    assert {point.value for point in by_axis["portability"].points} == set(PORTABLE)
    none = [point for point in by_axis["portability"].points if point.value == 0]
    assert len({point.wait.mean for point in none}) == 1, "where nothing may move all are alike"
    assert by_axis["link"].note == "data"
    moved = [point.moved_share for point in by_axis["move"].points if point.strategy == "suanlian"]
    assert moved[-1] < moved[0], "the dearer a move, the fewer"
    greens = [point.spent.carbon_after_green_kg for point in by_axis["green"].points if point.spent]
    assert greens[0] > greens[-1] == 0
    (question,) = report.what_ifs
    after, before = question.after.platforms[0].utilisation, question.before.platforms[0].utilisation
    assert after is not None
    assert before is not None
    assert after < before


def test_the_share_that_is_in_force_is_swept_too() -> None:
    report = study(replace(SMALL, portable=0.5, sweep=(Axis.PORTABILITY,)), quiet, plain)
    ours = report.run("suanlian")
    assert ours is not None
    (there,) = [one for one in report.sweeps[0].points if (one.value, one.strategy) == (0.5, "suanlian")]
    assert there.wait == ours.total.wait


def test_money_and_carbon_of_a_job_worked_out_by_hand() -> None:
    world = sized(("a", "b"), [1, 1], node_units=4)
    world = replace(
        world,
        price=np.array([[1.0, 3.0], [2.0, 2.0]]),
        carbon=np.array([[0.5], [0.5]]),
        green=np.array([[0.0, 1.0], [0.25, 0.25]]),
        watts=np.array([1000.0, 500.0]),
    )
    # 2 units from 00:30 to 02:30 at a: half an hour at 1, an hour at 3, half an hour at 1
    trace = two([1800.0], [7200.0], [2], [0])
    found = spent(plain(world, trace, Strategy.ALONE), world)
    assert found is not None
    assert found.cost == pytest.approx(2 * (0.5 * 1 + 1 * 3 + 0.5 * 1))
    assert found.kwh == pytest.approx(4.0)
    assert found.carbon_kg == pytest.approx(2.0)
    assert found.green_share == pytest.approx(0.5)
    assert found.carbon_after_green_kg == pytest.approx(1.0)


def test_a_price_table_repeats_and_parts_add_up() -> None:
    world, demand = generate(Recipe(jobs=50, platforms=2))
    world = priced(world)
    assert world.price is not None
    flat = replace(world, price=np.full((2, 24), 2.0))
    results = plain(world, demand.trace, Strategy.ALONE)
    found = spent(results, flat)
    assert found is not None
    assert found.cost == pytest.approx(2.0 * float(np.sum(demand.trace.duration * demand.trace.units)) / 3600)


def test_later_is_later_by_more_than_moving_and_a_minute() -> None:
    world = sized(("a", "b"), [1, 1], node_units=4)
    trace = two([0.0, 0.0, 0.0], [100.0, 100.0, 100.0], [1, 1, 1], [0, 0, 1])
    alone = plain(world, trace, Strategy.ALONE)
    late = replace(
        alone, end=alone.end + np.array([660.0, 661.0, -5.0]), start=alone.start + np.array([660.0, 661.0, -5.0])
    )
    assert lateness(late, alone).tolist() == [660, 661, -5]
    one, other = fairness(late, alone, world)
    assert (one.jobs, one.later, one.later_most) == (2, 1, 661)
    assert (other.jobs, other.later, other.mean_change) == (1, 0, -5)


def test_a_job_that_no_longer_ends_is_later() -> None:
    world = sized(("a", "b"), [1, 1], node_units=4)
    trace = two([0.0], [100.0], [1], [0])
    alone = plain(world, trace, Strategy.ALONE)
    never = replace(alone, ran_at=np.array([-1]), start=np.array([np.nan]), end=np.array([np.nan]))
    assert fairness(never, alone, world)[0].later == 1
    assert run_of(never, world, intervals(trace), alone, None).total.ended == 0


def test_gap_closed_is_a_share_of_the_way_to_pooled() -> None:
    world = sized(("a", "b"), [1, 1], node_units=4)
    trace = two([0.0], [100.0], [1], [0])
    base = plain(world, trace, Strategy.ALONE)
    waits = [replace(base, start=base.start + wait) for wait in (100.0, 20.0, 40.0)]
    assert gap_closed(waits[2], waits[0], waits[1]) == pytest.approx(0.75)
    assert gap_closed(base, base, base) is None
    # of a few seconds one move makes minus a thousand per cent
    assert gap_closed(waits[0], replace(base, start=base.start + 10.0), base) is None


@pytest.fixture(scope="module")
def asked() -> tuple[World, Trace]:
    setting = arranged(SMALL)
    return setting.world, setting.trace


def test_a_planner_asks_in_cards_links_green_power_and_load(asked: tuple[World, Trace]) -> None:
    world, trace = asked
    assert (changed(world, trace, "P2+500")[0].units - world.units).tolist() == [0, 504, 0]
    assert (changed(world, trace, "p2-8")[0].units - world.units).tolist() == [0, -8, 0]
    gbps = changed(world, trace, "link:p1*2")[0].gbps
    assert gbps is not None
    assert world.gbps is not None
    assert (gbps / world.gbps).tolist() == [[2, 2, 2], [2, 1, 1], [2, 1, 1]]
    pair = changed(world, trace, "link:p1-p3*3")[0].gbps
    assert pair is not None
    assert (pair / world.gbps).tolist() == [[1, 1, 3], [1, 1, 1], [3, 1, 1]]
    green = changed(world, trace, "green:p3=0.9")[0].green
    assert green is not None
    assert green[2].tolist() == [0.9]
    assert changed(world, trace, "load*2")[1].submit[-1] == trace.submit[-1] / 2
    assert not changed(world, trace, "portable=0")[1].movable.any()
    (outage,) = changed(world, trace, "down:p2=24-48.5")[0].outages
    assert (outage.platform, outage.at, outage.until, outage.node) == (1, 86_400, 174_600, -1)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "p1",
        "nowhere+5",
        "p1+",
        "p1*2",
        "link:p1+2",
        "green:p1=2",
        "p1-100000",
        "link:p1*0",
        "portable=3",
        "load*0",
        "down:p1=5-5",
        "down:p9=1-2",
    ],
)
def test_a_question_that_is_none_is_named(asked: tuple[World, Trace], wrong: str) -> None:
    with pytest.raises(TraceError) as found:
        changed(*asked, wrong)
    assert found.value.code == "what_if"


@pytest.mark.parametrize(
    "wrong", [{"rho": 0.0}, {"portable": 2.0}, {"gbps": 0.0}, {"move_s": -1.0}, {"nodes": {"x": 3}}]
)
def test_figures_that_cannot_be_meant_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(TraceError):
        arranged(replace(Request(), **wrong))  # type: ignore[arg-type]
