"""What every table of the matcher shares: instances, a tick later, and time measured beside G in one process.

G is what brokers do, each demand in turn to the pool that is cheapest for it alone, every pool looked at: one compiled
thread (`first_come_match`). Times are of this process's processor, which other work on the machine stretches less than
the clock; ratios to G are what counts.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from suanlian.rules.matching.arrays import Demands, Match, Pools
from suanlian.rules.matching.matching import first_come_match, match
from suanlian.testing.instances import Family, Instance, churned, demands_of, named, pools_of

T = TypeVar("T")
FAMILIES: Final[tuple[Family, ...]] = ("fleet", "frag")


@dataclass(frozen=True)
class Options:
    """What was asked: sizes by name, seeds of each family, runs of each time, seconds that PDLP may take."""

    sizes: tuple[str, ...]
    seeds: int
    runs: int
    pdlp_s: float


@dataclass(frozen=True)
class Case:
    """An instance as the matcher takes it, now and a tick later: 5 % of the demands others, capacities +-4 %."""

    name: str
    demands: Demands
    pools: Pools
    later: tuple[Demands, Pools]


def case(size: str, family: Family, seed: int) -> Case:
    """One of the named instances."""
    instance = named(size, seed, family=family)
    return Case(f"{size} {family} {seed}", *arrays(instance), arrays(churned(instance, seed, family=family)))


def arrays(instance: Instance) -> tuple[Demands, Pools]:
    """Demands and pools."""
    return demands_of(instance), pools_of(instance)


def warm_up() -> None:
    """Compile, or load what was compiled, so that no figure has it inside."""
    demands, pools = arrays(named("1k"))
    made = match(demands, pools)
    match(demands, pools, prices=made.prices)
    first_come_match(demands, pools)


def timed(work: Callable[[], T], runs: int) -> tuple[T, float]:
    """The last result, and the median of processor seconds."""
    took = []
    for _ in range(max(runs, 1)):
        began = time.process_time()
        made = work()
        took.append(time.process_time() - began)
    return made, statistics.median(took)


def excess(made: Match, bound: float) -> float:
    """How much dearer than the bound, as a share of it."""
    return (made.total - bound) / bound


def machine() -> str:
    """One line: what it ran on, and how busy that was."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}, load {load}"


def peak_gib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
