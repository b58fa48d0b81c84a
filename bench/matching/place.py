"""One order at a time: the desk's own latency, and a model of each order solved by PuLP's CBC beside it.

Targets: p99 at most 3 times p50; at least 500 times as fast as a model per order. The model is the order's own choice
among the pools that could take it, its cost there and their room, as a script that calls a solver would have it.
"""

import importlib
import time
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import LinearConstraint, milp

from bench.matching.cases import FAMILIES, Case, Options, case
from suanlian.rules.matching.matching import match
from suanlian.rules.matching.placing import Desk
from suanlian.rules.matching.problem import prepare
from suanlian.rules.matching.scan import Prices, best

PULP: Final[Any] = importlib.import_module("pulp") if find_spec("pulp") else None
PLACED: Final = 20_000
MODELS: Final = 60
LISTED: Final = 64


def main(options: Options) -> None:
    """The table, by size."""
    print(
        "\n| instance | p50 us | p99 us | p99 / p50 | once: p50 | p99 | orders/s | solver | model per order ms |"
        " times as fast |"
    )
    print("|" + "---|" * 10)
    for size in options.sizes:
        for family in FAMILIES:
            of = case(size, family, 0)
            us, once = _placed(of)
            half, most = np.quantile(us, [0.5, 0.99])
            once_half, once_most = np.quantile(once, [0.5, 0.99])
            solver, ms = _models(of)
            print(
                f"| {of.name} | {half:.1f} | {most:.1f} | {most / half:.2f} | {once_half:.1f} |"
                f" {once_most:.1f} | {1e6 / once.mean():,.0f} | {solver} |"
                f" {ms:.1f} | {1000 * ms / half:,.0f} |",
                flush=True,
            )


def _placed(of: Case) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Microseconds of each placement by the prices of a match: the least of three rounds, and the first round alone.

    A round is the same orders from the same start: the least of three is what placing takes, not what else ran.
    """
    prices = match(of.demands, of.pools, effort="fast").prices
    count = min(PLACED, len(of.demands))
    took = np.full((3, count), np.inf)
    for turn in took:
        desk = Desk(of.pools, prices)
        orders = desk.orders(of.demands)
        desk.place(orders, 0)
        for n in range(count):
            began = time.perf_counter_ns()
            desk.place(orders, n)
            turn[n] = time.perf_counter_ns() - began
    return took.min(axis=0) / 1000, took[0] / 1000


def _models(of: Case) -> tuple[str, float]:
    """Which solver, and the median of milliseconds of wall time for a model of one order."""
    problem, classes, _ = prepare(of.demands, of.pools)
    free = Prices(np.zeros(problem.capacity.shape), np.zeros(len(problem.quota_limit)))
    lines, _, _ = best(problem, classes, free, np.arange(MODELS * 3), LISTED)
    solver, solve = ("CBC (PuLP)", _cbc) if PULP else ("HiGHS (scipy)", _highs)
    took = []
    for row in range(MODELS * 3):
        there = lines.pool[row] >= 0
        if there.sum() > 1 and len(took) < MODELS:
            cost, used = lines.cost[row][there], lines.used[row][there]
            room = problem.capacity[lines.pool[row][there], 0]
            began = time.perf_counter()
            solve(cost, used, room)
            took.append(time.perf_counter() - began)
    return solver, 1000 * float(np.median(took))


def _cbc(cost: Any, used: Any, room: Any) -> None:  # noqa: ANN401 - vectors
    model = PULP.LpProblem("order", PULP.LpMinimize)
    to = [PULP.LpVariable(f"x{n}", cat="Binary") for n in range(len(cost))]
    model += PULP.lpSum(float(c) * x for c, x in zip(cost, to, strict=True))
    model += PULP.lpSum(to) == 1
    for a, c, x in zip(used, room, to, strict=True):
        model += float(a) * x <= float(c)
    model.solve(PULP.PULP_CBC_CMD(msg=False))


def _highs(cost: Any, used: Any, room: Any) -> None:  # noqa: ANN401 - vectors
    rows = np.vstack([np.ones(len(cost)), np.diag(used)])
    limits = LinearConstraint(rows, ub=np.append(1.0, room), lb=np.append(1.0, np.full(len(cost), -np.inf)))
    milp(cost, integrality=np.ones(len(cost)), bounds=(0, 1), constraints=limits)
