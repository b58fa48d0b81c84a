"""Work and data placed together, against fetching afterwards and against going to the data. Tables for the notes.

Each strategy runs the same demand; figures are medians over seeds. `python -m bench.datasets [main] [sweep] [--seeds N]
[--jobs N] [--chart FILE]`; exits 1 where ours moves no fewer bytes or starts no sooner than both, in any seed.
HiGHS writes lines of its own to the same place while popular copies are chosen; the tables come after them.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from suanlian.twin.data_figures import DataFigures, data_figures
from suanlian.twin.data_simulate import simulate_data
from suanlian.twin.data_strategy import (
    COMPUTE_FIRST,
    OURS,
    OURS_LRU,
    STRATEGIES,
    TO_DATA,
    TO_DATA_LRU,
    DataStrategy,
)
from suanlian.twin.data_world import DataRecipe, draw

SWEPT: Final = (COMPUTE_FIRST, TO_DATA, TO_DATA_LRU, OURS_LRU, OURS)
POINTS: Final = {
    "links 4 Gbit/s": {"gbps": 4.0},
    "links 10 Gbit/s, skew 1": {},
    "links 40 Gbit/s": {"gbps": 40.0},
    "skew 0.5": {"skew": 0.5},
    "skew 1.5": {"skew": 1.5},
    "load 0.5": {"rho": 0.5},
    "one dataset a job": {"second": 0.0},
    "room for all datasets": {"room": 1.0},
}
Found = dict[str, list[DataFigures]]


def runs(recipe: DataRecipe, seeds: int, strategies: Sequence[DataStrategy]) -> Found:
    """The figures of each strategy, seed by seed."""
    found: Found = {one.name: [] for one in strategies}
    for seed in range(seeds):
        world, demand = draw(replace(recipe, seed=seed))
        for one in strategies:
            found[one.name].append(data_figures(world, demand, simulate_data(world, demand, one)))
    return found


def middle(figures: Iterable[DataFigures], of: Callable[[DataFigures], float]) -> float:
    """The median of one figure."""
    return statistics.median(of(one) for one in figures)


def won(found: Found, other: str) -> tuple[int, int]:
    """In how many seeds ours moves fewer bytes, and starts sooner on average, than another."""
    pairs = list(zip(found[OURS.name], found[other], strict=True))
    return sum(a.moved_gb < b.moved_gb for a, b in pairs), sum(a.mean_s < b.mean_s for a, b in pairs)


def main_table(found: Found) -> None:
    """All strategies at the usual recipe."""
    print(
        "| strategy | bytes over links (TB) | mean time to start (min) | P95 (min) | mean with a place (min) | hits | "
        "money (kCNY) | of it moving | of it copies | use | held idle | popular copies |"
    )
    print("|" + "---|" * 12)
    for name, each in found.items():
        cells = [
            f"{middle(each, lambda f: f.moved_gb) / 1000:.1f}",
            f"{middle(each, lambda f: f.mean_s) / 60:.1f}",
            f"{middle(each, lambda f: f.p95_s) / 60:.1f}",
            f"{middle(each, lambda f: f.held_mean_s) / 60:.2f}",
            f"{100 * middle(each, lambda f: f.hits):.1f} %",
            f"{middle(each, lambda f: f.cny) / 1000:.1f}",
            f"{middle(each, lambda f: f.moving_cny) / 1000:.1f}",
            f"{middle(each, lambda f: f.keeping_cny) / 1000:.2f}",
            f"{100 * middle(each, lambda f: f.use):.1f} %",
            f"{100 * middle(each, lambda f: f.held_idle):.2f} %",
            f"{middle(each, lambda f: f.popular):.0f}",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()
    seeds = len(found[OURS.name])
    for name in found:
        if name != OURS.name:
            fewer, sooner = won(found, name)
            print(f"ours against {name}: fewer bytes in {fewer}, sooner in {sooner} of {seeds} seeds")


def sweep_table(found: dict[str, Found]) -> None:
    """Bytes and mean time to start by strategy, a row a point."""
    print(
        "\n| | "
        + " | ".join(f"{one.name}: TB, min" for one in SWEPT)
        + " | ours has fewer bytes, is sooner than both |"
    )
    print("|" + "---|" * (len(SWEPT) + 2))
    for point, each in found.items():
        cells = [
            f"{middle(each[one.name], lambda f: f.moved_gb) / 1000:.1f}, "
            f"{middle(each[one.name], lambda f: f.mean_s) / 60:.1f}"
            for one in SWEPT
        ]
        seeds = len(each[OURS.name])
        both = [won(each, one.name) for one in (COMPUTE_FIRST, TO_DATA)]
        print(
            f"| {point} | "
            + " | ".join(cells)
            + f" | {min(b[0] for b in both)} and {min(b[1] for b in both)} of {seeds} |"
        )


def chart(found: Found, file: Path) -> None:
    """Bytes against the mean time to start, a point a seed."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for (name, each), mark in zip(found.items(), "osD^vP*X", strict=False):
        moved, waits = [one.moved_gb / 1000 for one in each], [one.mean_s / 60 for one in each]
        axes.scatter(moved, waits, marker=mark, label=name, s=60 if name == OURS.name else 34, alpha=0.85)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("bytes over links (TB)")
    axes.set_ylabel("mean time to start (min)")
    axes.grid(visible=True, color="#e4eaf0")
    axes.legend(fontsize=8)
    figure.savefig(file, format="svg", metadata={"Date": None})


def main() -> int:
    """Print the tables asked for; both without a name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=["main", "sweep", []])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    wanted = options.tables or ["main", "sweep"]
    recipe, began = DataRecipe(jobs=options.jobs), time.perf_counter()
    found = runs(recipe, options.seeds, STRATEGIES) if "main" in wanted else {}
    swept = {}
    if "sweep" in wanted:
        swept = {point: runs(replace(recipe, **more), options.seeds, SWEPT) for point, more in POINTS.items()}
    print(f"\nPython {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"{options.jobs} jobs, {options.seeds} seeds, {time.perf_counter() - began:.0f} s\n")
    if swept:
        sweep_table(swept)
    if not found:
        return 0
    main_table(found)
    if options.chart:
        chart(found, options.chart)
    both = [won(found, one.name) for one in (COMPUTE_FIRST, TO_DATA)]
    return int(any(min(each) < options.seeds for each in both))


if __name__ == "__main__":
    raise SystemExit(main())
