"""Plans against what is exact: the fluid of equal parts for the baseline, a model with every choice for the plan."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from scipy.optimize import Bounds, LinearConstraint, milp

from suanlian.rules.transfers.baseline import baseline
from suanlian.rules.transfers.book import NEVER
from suanlian.rules.transfers.grid import GB
from suanlian.rules.transfers.plan import plan
from suanlian.rules.transfers.problem import Link, Problem, Source, Transfer, Weights
from suanlian.rules.transfers.ready import Ready, prepare
from tests.rules.transfers.problems import NOW, hours_after, problems


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems())
def test_the_baseline_is_the_fluid_of_equal_parts(problem: Problem) -> None:
    """Each ends in the slot in which it does where all that run get the same, followed moment by moment."""
    ready = prepare(problem)
    found = baseline(ready)
    for link in {int(row) for row in found.row if row >= 0}:
        members = [n for n in range(len(ready.jobs)) if found.row[n] == link]
        for n, end in zip(members, _fluid(ready, link, members), strict=True):
            told = int(found.ends[n])
            assert told == end or abs(_slot(ready, told) - _slot(ready, end)) <= 1


def _slot(ready: Ready, end: int) -> int:
    return len(ready.grid) + 1 if end == NEVER else int(np.searchsorted(ready.grid.ends, end))


def _fluid(ready: Ready, link: int, members: list[int]) -> list[int]:
    left = {n: float(ready.jobs[n].size) for n in members}
    ends = dict.fromkeys(members, NEVER)
    for slot in range(len(ready.grid)):
        free = float(ready.room.free[link, slot])
        while free > 1e-6 and (
            runs := [n for n in members if left[n] > 0 and ready.jobs[n].ready <= ready.grid.starts[slot]]
        ):
            step = min(free / len(runs), *(left[n] for n in runs))
            free -= step * len(runs)
            for n in runs:
                left[n] = 0.0 if left[n] - step < 1e-3 else left[n] - step
                if not left[n]:
                    ends[n] = int(ready.grid.ends[slot])
    return [ends[n] for n in members]


def small(seed: int) -> Problem:
    """Three to five transfers that compete for two to four links, whose prices differ by the hour."""
    rng = np.random.default_rng(seed)
    factors = tuple(float(rng.choice([0.5, 1.0, 1.5])) for _ in range(24))
    prices = rng.uniform(0.05, 0.5, 4)
    links = tuple(
        Link(f"link-{n}", f"s/{n % 2}", "t/t", float(rng.uniform(30, 90)), float(prices[n]), factors=factors)
        for n in range(int(rng.integers(2, 5)))
    )
    transfers = tuple(
        Transfer(
            f"transfer-{n}",
            int(rng.uniform(20, 60) * GB),
            "t/t",
            tuple(Source(f"s/{m}", float(rng.choice([0.0, 0.1]))) for m in range(2)),
            deadline=hours_after(float(rng.uniform(3, 9))),
        )
        for n in range(int(rng.integers(3, 6)))
    )
    return Problem(transfers, links, NOW, weights=Weights(early=0.0))


def cheapest(problem: Problem) -> float:
    """CNY of the best plan in which all are in time, by a model with a binary for each route (HiGHS)."""
    ready = prepare(problem)
    slots = len(ready.grid)
    routes = [(job, route) for job in ready.jobs for route in job.routes]
    count = len(routes)
    cost, upper = np.zeros(count * (slots + 1)), np.full(count * (slots + 1), np.inf)
    for n, (job, route) in enumerate(routes):
        span = slice(count + n * slots, count + (n + 1) * slots)
        cost[span] = route.legs[0].egress + ready.room.price[route.legs[0].link]
        upper[span] = np.where(ready.grid.ends <= job.due, np.inf, 0.0)
        upper[n] = 1
    rows, low, high = [], [], []
    for job in ready.jobs:
        rows.append(np.concatenate([[float(owner is job) for owner, _route in routes], np.zeros(count * slots)]))
        low.append(1.0)
        high.append(1.0)
    for n, (job, _route) in enumerate(routes):
        row = np.zeros(len(cost))
        row[n], row[count + n * slots : count + (n + 1) * slots] = -job.size / GB, 1.0
        rows.append(row)
        low.append(0.0)
        high.append(0.0)
    for link in range(len(problem.links)):
        for slot in range(slots):
            row = np.zeros(len(cost))
            for n, (_job, route) in enumerate(routes):
                row[count + n * slots + slot] = float(route.legs[0].link == link)
            rows.append(row)
            low.append(0.0)
            high.append(ready.room.free[link, slot] / GB)
    whole = np.concatenate([np.ones(count), np.zeros(count * slots)])
    found = milp(
        cost, constraints=LinearConstraint(np.array(rows), low, high), integrality=whole, bounds=Bounds(0, upper)
    )
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("seed", range(12))
def test_small_plans_are_nearly_as_cheap_as_the_exact_model(seed: int) -> None:
    problem = small(seed)
    exact, made = cheapest(problem), plan(problem)
    assert made.late == ()
    assert exact - 1e-6 <= made.cost_cny <= exact * 1.1


def test_on_the_whole_they_are_within_two_parts_of_a_hundred() -> None:
    exact = sum(cheapest(small(seed)) for seed in range(12, 24))
    made = sum(plan(small(seed)).cost_cny for seed in range(12, 24))
    assert made <= exact * 1.02
