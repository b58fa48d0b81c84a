"""The recorded demand replayed: is the queueing policy quicker and fairer than a plain first fit? Tables for the notes.

Four platforms (ITP-4), submissions jittered by less than a second, the same jitter for every strategy. Estimates are
synthetic, for the trace has none. Skip is a plain first fit that lets jobs pass one that waits.
`python -m bench.replay [reference] [jitters] [frontier] [loads] [estimates] [scale] [--seeds N] [--jobs N]`
"""

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from suanlian.rules.queueing.policy import EASY, Policy
from suanlian.twin.metrics import Fairness, fairness, fairness_by_owner
from suanlian.twin.replay import PLATFORMS, guessed, itp4, itp4_world, jittered, portable
from suanlian.twin.results import Results
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace
from suanlian.twin.world import World, sized

SHARES: Final = (1.0, 0.5, 0.25)
OWNERS: Final = tuple(PLATFORMS.values())
FRONTIER: Final = {
    "no headroom": Policy(headroom=0),
    "8 units": Policy(headroom=8, rise=0.0),
    "16 units": Policy(headroom=16, rise=0.0),
    "12 units and half the rise (default)": Policy(),
    "24 units": Policy(headroom=24, rise=0.0),
    "32 units, no brief guests": Policy(headroom=32, rise=0.0, brief_s=0.0),
    "16 units, 1 reservation": Policy(headroom=16, rise=0.0, reservations=1),
    "16 units, 16 reservations": Policy(headroom=16, rise=0.0, reservations=16),
    "first come, one reservation (EASY)": EASY,
}


@dataclass(frozen=True)
class Case:
    """One strategy on one jitter, against each platform alone."""

    wait: float
    moved: float
    whole: Fairness
    owners: list[Fairness]


def case(results: Results, alone: Results, world: World) -> Case:
    """Sum up, and stop where work was lost."""
    if results.unit_seconds != alone.unit_seconds:
        raise AssertionError("accelerator-seconds are not conserved")
    everybody = fairness(results, alone, np.ones(len(results.job), dtype=np.bool_), world.move_s)
    owners = fairness_by_owner(results, alone, world)
    return Case(float(results.wait.mean()), float(results.moved.mean()), everybody, owners)


def row(name: str, cases: list[Case]) -> str:
    """Means over the jitters: wait, moved, late shares, worst lateness, wait by owner."""

    def mean(values: Iterable[float]) -> float:
        return statistics.mean(list(values))

    late = " / ".join(f"{100 * mean(c.owners[n].late for c in cases):.2f}" for n in range(len(OWNERS)))
    worst = " / ".join(f"{mean(c.owners[n].worst for c in cases):,.0f}" for n in range(len(OWNERS)))
    wait = " / ".join(f"{mean(c.owners[n].wait for c in cases):,.0f}" for n in range(len(OWNERS)))
    return (
        f"| {name} | {mean(c.wait for c in cases):,.0f} | {100 * mean(c.moved for c in cases):.1f} | "
        f"{100 * mean(c.whole.late for c in cases):.2f} | {late} | {worst} | {wait} |"
    )


HEAD: Final = (
    "| | mean wait (s) | moved % | late % | late % by owner | worst lateness by owner (s) | mean wait by owner (s) |\n"
    "|---|---|---|---|---|---|---|"
)


def reference(_seeds: int) -> None:
    """Alone, pooled, strict queues and first fit on the trace as it is."""
    print("| rho | alone | pooled | strict, all portable | skip, all portable |\n|---|---|---|---|---|")
    for rho in (0.5, 0.6, 0.7, 0.8):
        world = itp4_world(rho)
        waits = [float(simulate(world, itp4(), s).wait.mean()) for s in Strategy if s is not Strategy.SUANLIAN]
        print(f"| {rho} | " + " | ".join(f"{wait:,.0f}" for wait in waits) + " |", flush=True)
    print("\n| rho 0.7, share portable | strict | skip |\n|---|---|---|")
    for share in (0.0, 0.1, 0.25, 0.5, 1.0):
        trace = portable(itp4(), share)
        waits = [float(simulate(itp4_world(0.7), trace, s).wait.mean()) for s in (Strategy.FIFO, Strategy.SKIP)]
        print(f"| {share} | " + " | ".join(f"{wait:,.0f}" for wait in waits) + " |", flush=True)


def compared(
    rho: float, share: float, seeds: int, policies: dict[str, Policy], guess: Callable[[Trace], Trace]
) -> None:
    """A table of skip and of some policies; with one policy also how often it is no worse than skip."""
    world = itp4_world(rho)
    cases: dict[str, list[Case]] = {"skip": [], **{name: [] for name in policies}}
    for seed in range(seeds):
        trace = portable(jittered(itp4(), seed), share)
        alone = simulate(world, trace, Strategy.ALONE)
        cases["skip"].append(case(simulate(world, trace, Strategy.SKIP), alone, world))
        for name, policy in policies.items():
            found = simulate(world, guess(trace), Strategy.SUANLIAN, policy=policy)
            cases[name].append(case(found, alone, world))
    print(f"\nrho {rho}, {share:.0%} portable, {seeds} jitters\n\n{HEAD}")
    for name, found_cases in cases.items():
        print(row(name, found_cases), flush=True)
    for name in policies:
        print(f"\n{name}: {verdict(cases['skip'], cases[name])}", flush=True)


def verdict(skip: list[Case], ours: list[Case]) -> str:
    """In how many jitters a policy is no worse than skip, and than alone; by owner where that is asked."""
    pairs = list(zip(skip, ours, strict=True))
    ratio = statistics.mean(o.wait for o in ours) / statistics.mean(s.wait for s in skip)
    quick = sum(o.wait <= 1.02 * s.wait for s, o in pairs)
    late = sum(o.whole.late <= s.whole.late for s, o in pairs)
    by_owner = [sum(o.owners[n].late <= s.owners[n].late for s, o in pairs) for n in range(len(OWNERS))]
    worst = [sum(o.owners[n].worst <= max(s.owners[n].worst, 660.0) for s, o in pairs) for n in range(len(OWNERS))]
    alone = [sum(o.owners[n].wait <= o.owners[n].alone for o in ours) for n in range(len(OWNERS))]
    return (
        f"wait {ratio:.3f} of skip's; of {len(pairs)} jitters no worse: wait {quick}, late {late}, "
        f"late by owner {by_owner}, worst by owner {worst}, wait by owner against alone {alone}"
    )


def jitters(seeds: int) -> None:
    """The targets: rho 0.7, the default policy, exact estimates."""
    for share in SHARES:
        compared(0.7, share, seeds, {"Suanlian": Policy()}, lambda trace: trace)


def frontier(seeds: int) -> None:
    """What is given for what."""
    for share in SHARES:
        compared(0.7, share, max(seeds // 3, 1), FRONTIER, lambda trace: trace)


def loads(seeds: int) -> None:
    """Other loads."""
    for rho in (0.5, 0.6, 0.8):
        for share in (1.0, 0.5):
            compared(rho, share, max(seeds // 3, 1), {"Suanlian": Policy()}, lambda trace: trace)


def estimates(seeds: int) -> None:
    """Synthetic estimates: twice the duration, log-normal errors of sigma 0.5 and 1."""
    errors = {"twice": (2.0, 0.0), "log-normal 0.5": (1.0, 0.5), "log-normal 1": (1.0, 1.0)}
    for share in SHARES:
        for name, (factor, spread) in errors.items():

            def guess(trace: Trace, factor: float = factor, spread: float = spread) -> Trace:
                return guessed(trace, factor=factor, spread=spread, seed=1)

            compared(0.7, share, max(seeds // 3, 1), {f"Suanlian, {name}": Policy()}, guess)


def large(count: int, platforms: int = 100) -> tuple[World, Trace]:
    """Synthetic: bursts of jobs, log-normal durations, platforms of 10 to 50 nodes at loads of 0.6 to 0.95."""
    rng = np.random.default_rng(0)
    units = rng.choice(np.array([1, 2, 4, 8, 16, 32]), count, p=[0.72, 0.05, 0.05, 0.15, 0.02, 0.01])
    duration = np.maximum(60.0, np.exp(rng.normal(8.5, 1.6, count))).round()
    home = rng.choice(platforms, count, p=rng.dirichlet(np.full(platforms, 3.0)))
    work = np.bincount(home, weights=units * duration, minlength=platforms)
    span = float(work.sum()) / (platforms * 30 * 8 * 0.7)
    nodes = np.maximum(np.ceil(work / (8 * span * rng.uniform(0.6, 0.95, platforms))), 8).astype(np.int64)
    bursts = (rng.random(count // 50 + 1) * span)[rng.integers(0, count // 50 + 1, count)]
    submit = np.sort((bursts + rng.random(count) * 1800).round())
    names = tuple(f"p{n}" for n in range(platforms))
    trace = Trace.of(job=np.arange(count), home=home, submit=submit, duration=duration, units=units, accounts=names)
    return sized(names, nodes.tolist()), replace(trace, movable=rng.random(count) < 0.5)


def scale(count: int) -> None:
    """How long many jobs over 100 platforms take, by processor time and by the clock, and the most memory in use."""
    world, trace = large(min(count, 1000))
    for strategy in Strategy:  # compiles
        simulate(world, trace, strategy)
    world, trace = large(count)
    print(f"\n{count:,} jobs, 100 platforms, {int(world.nodes.sum())} nodes\n")
    print("| strategy | processor s | clock s | mean wait (s) | memory MiB |\n|---|---|---|---|---|")
    for strategy in Strategy:
        used, began = time.process_time(), time.perf_counter()
        results = simulate(world, trace, strategy)
        used, began = time.process_time() - used, time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wait = float(np.nanmean(results.wait))
        print(f"| {strategy.value} | {used:.1f} | {began:.1f} | {wait:,.1f} | {memory:,.0f} |", flush=True)


def main() -> None:
    """Print the tables asked for; all without a name."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables = {f.__name__: f for f in (reference, jitters, frontier, loads, estimates)}
    parser.add_argument("tables", nargs="*", choices=[*tables, "scale", []])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, {platform.machine()}")
    wanted = options.tables or [*tables, "scale"]
    for name, table in tables.items():
        if name in wanted:
            print(f"\n## {name}\n", flush=True)
            table(options.seeds)
    if "scale" in wanted:
        scale(options.jobs)


if __name__ == "__main__":
    main()
