"""The twin as it is called: requests run by the real engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from suanlian.model.errors import InvalidError
from suanlian.model.market_policy import MarketPolicy
from suanlian.twin.document import Report
from suanlian.twin.main import run
from suanlian.twin.request import Partner, Request

# the first of these may compile the queue, once a machine; on a busy one that takes minutes
pytestmark = pytest.mark.timeout(600)

SMALL = Request(jobs=400, platforms=3, portable=0.5, strategies=("alone", "fifo", "skip", "suanlian", "pooled"))


def quiet(_done: int, _total: int, _what: str) -> None:
    pass


def test_every_strategy_does_the_same_work(tmp_path: Path) -> None:
    report = run(replace(SMALL, keep=tmp_path / "d.parquet"), quiet, tmp_path / "p.html")
    assert {one.strategy for one in report.runs} == {"alone", "fifo", "skip", "suanlian", "pooled"}
    for one in report.runs:
        assert one.total.ended == 400
        assert one.work == pytest.approx(report.work)
    assert (tmp_path / "p.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    nodes = {site.name: site.nodes for site in report.sites}
    again = run(Request(trace=tmp_path / "d.parquet", nodes=nodes, strategies=SMALL.strategies), quiet)
    assert _waits(again) == pytest.approx(_waits(report)), "a demand that was kept is simulated as before"


def test_a_failure_costs_work_and_it_is_done_again() -> None:
    report = run(replace(SMALL, rho=1.2, what_if=("down:p1=2-8",)), quiet)
    (asked,) = report.what_ifs
    assert asked.after.lost > 0
    assert asked.after.total.ended == 400
    assert asked.after.work == pytest.approx(report.work)


def test_ones_own_queue_by_the_real_engine() -> None:
    recorded = Path(__file__).parent / "recordings" / "sacct-22.05-parsable2.txt"
    report = run(Request(mine=recorded, partner=Partner.GENERATED, jobs=200, nodes={"mine": 2}, node_units=4), quiet)
    assert report.own is not None
    assert report.own.jobs == 12
    assert {site.name for site in report.sites} == {"mine", "p1", "p2", "p3"}


def test_nodes_that_differ_are_pooled_too() -> None:
    recorded = Path(__file__).parent / "recordings" / "sacct-22.05-parsable2.txt"
    report = run(Request(mine=recorded, partner=Partner.RECORDED, nodes={"mine": 2}, node_units=4), quiet)
    pooled, alone = report.run("pooled"), report.run("alone")
    assert pooled is not None
    assert alone is not None
    assert pooled.total.ended == alone.total.ended
    assert pooled.work == pytest.approx(alone.work)


def test_the_hubs_weights_order_what_the_twin_simulates() -> None:
    asked = replace(SMALL, strategies=("alone", "skip", "suanlian"), jobs=3000, portable=0.1, rho=0.9, seed=1)
    usual = run(replace(asked, policy=MarketPolicy()), quiet)
    first_come = run(replace(asked, policy=MarketPolicy(short=0, fair_s=0, reservations=1)), quiet)
    assert (usual.policy, run(asked, quiet).policy) == (MarketPolicy(), None)
    waits = [{one.strategy: one.total.wait.mean for one in report.runs} for report in (usual, first_come)]
    assert waits[0]["skip"] == waits[1]["skip"]
    assert waits[0]["suanlian"] < waits[1]["suanlian"]


def test_what_cannot_be_meant_is_an_error_of_the_house() -> None:
    with pytest.raises(InvalidError) as found:
        run(replace(SMALL, rho=-1.0), quiet)
    assert found.value.code == "trace_invalid"


def _waits(report: Report) -> list[float]:
    return [one.total.wait.mean for one in report.runs]
