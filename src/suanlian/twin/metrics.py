"""Who gains and who loses: a simulation against each platform alone."""

from dataclasses import dataclass

import numpy as np

from suanlian.twin.results import Bools, Floats, Results
from suanlian.twin.world import World

GRACE_S = 60.0
"""A job is late that ends later than alone by more than the cost of moving and this (s)."""


@dataclass(frozen=True, slots=True)
class Fairness:
    """Of some jobs: the share that ends late, the worst lateness (s), the mean waits here and alone (s)."""

    jobs: int
    late: float
    worst: float
    wait: float
    alone: float


def lateness(results: Results, alone: Results) -> Floats:
    """Seconds by which each job ends later than it did alone, below zero when earlier; NaN where either never ran."""
    return (results.end + results.delay) - (alone.end + alone.delay)


def fairness(results: Results, alone: Results, chosen: Bools, move_s: float) -> Fairness:
    """Of the jobs ``chosen`` (N,) that ran in both; all NaN where none did."""
    late = lateness(results, alone)
    known = chosen & ~np.isnan(late)
    if not known.any():
        return Fairness(0, np.nan, np.nan, np.nan, np.nan)
    return Fairness(
        jobs=int(known.sum()),
        late=float(np.mean(late[known] > move_s + GRACE_S)),
        worst=float(late[known].max()),
        wait=float(results.wait[known].mean()),
        alone=float(alone.wait[known].mean()),
    )


def fairness_by_owner(results: Results, alone: Results, world: World) -> list[Fairness]:
    """Of each owner's jobs: those submitted at its platforms."""
    return [fairness(results, alone, results.owner == owner, world.move_s) for owner in range(len(world.owners))]
