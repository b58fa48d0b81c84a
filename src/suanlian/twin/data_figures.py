"""Figures of a simulation of work and data: waits, bytes, hits, money, use."""

from dataclasses import dataclass

import numpy as np

from suanlian.twin.data_simulate import DataResults
from suanlian.twin.data_world import GB, DataDemand, DataWorld

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class DataFigures:
    """Times in seconds from submission to the beginning of the work, ``held_mean_s`` of that with a place taken.

    ``moved_gb`` over links; ``hits``: the share of readings that were whole at the site when the job took its place.
    CNY: ``place_cny`` as long as a place is held, ``moving_cny`` egress and links, ``keeping_cny`` further copies.
    ``use``: work over all accelerators until the last end; ``held_idle``: the same of places that wait for data.
    """

    mean_s: float
    p95_s: float
    held_mean_s: float
    moved_gb: float
    hits: float
    place_cny: float
    moving_cny: float
    keeping_cny: float
    use: float
    held_idle: float
    popular: int

    @property
    def cny(self) -> float:
        """All of it."""
        return self.place_cny + self.moving_cny + self.keeping_cny


def data_figures(world: DataWorld, demand: DataDemand, results: DataResults) -> DataFigures:
    """Of all jobs; all of them have ended."""
    waits = results.began - results.submit
    moved = {way: size / GB for way, size in results.carried.items()}
    held = demand.units * (results.began - results.held)
    worked = demand.units * demand.duration
    whole = float(world.units.sum()) * float(results.end.max())
    price = world.price[results.site]
    return DataFigures(
        mean_s=float(waits.mean()),
        p95_s=float(np.quantile(waits, 0.95)),
        held_mean_s=float((results.began - results.held).mean()),
        moved_gb=sum(moved.values()),
        hits=float(results.there.sum()) / sum(len(each) for each in demand.reads),
        place_cny=float(((held + worked) * price).sum()) / _HOUR_S,
        moving_cny=sum(
            gb * float(world.egress_cny[start] + world.link_cny[start, end]) for (start, end), gb in moved.items()
        ),
        keeping_cny=results.kept_cny,
        use=float(worked.sum()) / whole,
        held_idle=float(held.sum()) / whole,
        popular=results.popular,
    )
