"""Planning by the hour: how near to the best that is possible, and at what price in time? Tables for the notes.

Excess is what a plan costs above a proven bound; first come is each demand's cheapest start for it alone. Warm: prices
of the plan before, then 5 % of the demands replaced and what is free changed by up to 4 %. Times are processor seconds
of one thread, as ratios to first come in the same process.
`python -m bench.matching.hours [plan] [tight] [--size 100k] [--seeds N] [--families fleet,frag]`
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from bench.matching.cases import Options
from suanlian.rules.matching.arrays import Demands, Floats, Pools
from suanlian.rules.matching.hours import Hours, Plan, first_come_plan, plan
from suanlian.rules.matching.hours_problem import prepare_hours
from suanlian.rules.matching.hours_scan import best_starts
from suanlian.testing import instances_hourly
from suanlian.testing.instances import Family

CHURN: Final = 0.05
JITTER: Final = 0.04


@dataclass(frozen=True)
class Work:
    """What a plan is made of."""

    demands: Demands
    pools: Pools
    hours: Hours
    earliest: Floats

    def plan(self, prices: Floats | None = None) -> Plan:
        """The plan, cold or warm."""
        return plan(self.demands, self.pools, self.hours, earliest=self.earliest, prices=prices)

    def first_come(self) -> Plan:
        """What brokers do."""
        return first_come_plan(self.demands, self.pools, self.hours, earliest=self.earliest)


def work(size: str, seed: int, family: Family) -> Work:
    """A named instance."""
    of = instances_hourly.named(size, seed, family=family)
    demands, pools = instances_hourly.demands_of(of), instances_hourly.pools_of(of)
    return Work(demands, pools, instances_hourly.hours_of(of), of.earliest_h)


def later(of: Work, seed: int) -> Work:
    """The same a little later: some demands are other ones, and what is free has changed."""
    draw = np.random.default_rng((seed, 5))
    n = len(of.demands)
    rows = np.arange(n)
    new = draw.random(n) < CHURN
    rows[new] = draw.integers(0, n, int(new.sum()))
    shorter = np.where(new, draw.uniform(0.7, 1.0, n), 1.0)
    names = [name for name in Demands.__slots__ if name not in {"throughput", "hours"}]
    fields = {name: getattr(of.demands, name)[rows] for name in names if getattr(of.demands, name) is not None}
    demands = replace(of.demands, hours=of.demands.hours[rows] * shorter, **fields)
    free = np.floor(of.hours.capacity * draw.uniform(1 - JITTER, 1 + JITTER, of.hours.capacity.shape))
    return Work(demands, of.pools, replace(of.hours, capacity=free), of.earliest[rows])


def timed(of: Callable[[], Plan]) -> tuple[Plan, float]:
    """What comes out, and processor seconds."""
    began = time.process_time()
    out = of()
    return out, time.process_time() - began


def table_plan(size: str, seeds: int, families: list[Family]) -> None:
    """Excess over the proven bound, and times."""
    warm_up = work("1k", 0, "fleet")
    warm_up.first_come()
    warm_up.plan()
    print("| instance | first come | cold | ratio | warm: first come | warm | ratio | cold time | warm time |")
    print("|---|---|---|---|---|---|---|---|---|")
    for family in families:
        for seed in range(seeds):
            of = work(size, seed, family)
            naive, unit = timed(of.first_come)
            cold, cold_s = timed(of.plan)
            next_work = later(of, seed)
            next_naive, next_unit = timed(next_work.first_come)
            warm, warm_s = timed(lambda at=next_work, prices=cold.prices: at.plan(prices))  # type: ignore[misc]
            excess, next_excess = naive.total / cold.bound - 1, next_naive.total / warm.bound - 1
            print(
                f"| {family} {size} {seed} | {excess:.2%} | {cold.gap:.2%} | 1/{excess / cold.gap:.0f}"
                f" | {next_excess:.2%} | {warm.gap:.2%} | 1/{next_excess / warm.gap:.0f}"
                f" | {cold_s / unit:.1f}x | {warm_s / next_unit:.1f}x |",
                flush=True,
            )


def linear(of: Work) -> float:
    """The bound by a linear program over every start of every demand, by HiGHS."""
    ready = prepare_hours(of.demands, of.pools, of.hours, of.earliest, of.hours.capacity)
    h = ready.hourly
    rows, slots = h.capacity.shape
    n, kept = len(of.demands), rows * slots
    starts, _, _ = best_starts(h, ready.classes, np.zeros(h.capacity.shape), h.capacity, np.arange(n), kept)
    i, at = np.nonzero(starts.pool >= 0)
    j, t, end = starts.pool[i, at], starts.start[i, at], starts.end[i, at]
    held = np.repeat(np.arange(len(i)), end - t)
    slot = np.arange(len(held)) - np.repeat(np.cumsum(end - t) - (end - t), end - t) + t[held]
    line = np.concatenate([i, n + j[held] * slots + slot])
    column = np.concatenate([np.arange(len(i)), held])
    value = np.concatenate([np.ones(len(i)), h.p.demand["units"][i[held]]])
    matrix = coo_array((value, (line, column)), (n + rows * slots, len(i))).tocsr()
    outside = h.p.demand["outside"]
    top = np.concatenate([np.ones(n), h.capacity.ravel()])
    solved = linprog(starts.cost[i, at] - outside[i], A_ub=matrix, b_ub=top, bounds=(0, None), method="highs")
    if not solved.success:
        raise RuntimeError(solved.message)
    return float(solved.fun + outside.sum())


def table_tight(size: str, seeds: int, families: list[Family]) -> None:
    """How far the bound of a plan is below that of the linear program: the rest of the gap is the rounding's."""
    print("| instance | first come over the linear program | plan | bound of the plan |")
    print("|---|---|---|---|")
    for family in families:
        for seed in range(seeds):
            of = work(size, seed, family)
            made, best = of.plan(), linear(of)
            print(
                f"| {family} {size} {seed} | {of.first_come().total / best - 1:.2%} | {made.total / best - 1:.2%}"
                f" | {made.bound / best - 1:+.2%} |",
                flush=True,
            )


def main(options: Options) -> None:
    """Print both tables: plans of the sizes that were asked for, the bound at 1k."""
    families: list[Family] = ["fleet", "frag"]
    for size in options.sizes:
        table_plan(size, options.seeds, families)
    table_tight("1k", options.seeds, families)


def asked_for() -> None:
    """The same by itself, with a choice of tables and families."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=["plan", "tight", []], help="which tables; none: both")
    parser.add_argument("--size", default="100k", choices=sorted(instances_hourly.SIZES))
    parser.add_argument("--small", default="1k", choices=sorted(instances_hourly.SIZES), help="size of `tight`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--families", default="fleet,frag")
    asked = parser.parse_args()
    families: list[Family] = [name for name in ("fleet", "frag") if name in asked.families.split(",")]  # type: ignore[misc]
    if not asked.tables or "plan" in asked.tables:
        table_plan(asked.size, asked.seeds, families)
    if not asked.tables or "tight" in asked.tables:
        table_tight(asked.small, asked.seeds, families)


if __name__ == "__main__":
    asked_for()
