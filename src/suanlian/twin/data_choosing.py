"""What each site costs a job, in seconds: its price, the wait for room there, and bringing its data."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from suanlian.rules.queueing.state import QUEUED, State
from suanlian.twin.data_links import Links
from suanlian.twin.data_stores import Stores
from suanlian.twin.data_strategy import Choice
from suanlian.twin.data_ways import Ways
from suanlian.twin.data_world import DataDemand, DataWorld
from suanlian.twin.results import Floats

_HOUR_S = 3600.0


class Weighed(NamedTuple):
    """Where a job queues, what each site costs it beyond that one (S,) (s), and where it would run were no data."""

    home: int
    cost: Floats
    wanted_at: int


class Brings(NamedTuple):
    """By site (S,): until all data is there (s), how much later that of others comes for it (s), CNY."""

    seconds: Floats
    others_s: Floats
    cny: Floats


@dataclass(slots=True)
class Choosing:
    """An hour of waiting is worth an hour of the job's accelerators at the mean price: money and time add up so."""

    world: DataWorld
    demand: DataDemand
    state: State
    stores: Stores
    links: Links
    ways: Ways
    choice: Choice
    _turnover_s: float = field(init=False)
    """Where all room is in use, data waits about as long as a job takes."""

    def __post_init__(self) -> None:
        self._turnover_s = float(self.demand.duration.mean())

    def weighed(self, job: int, now: float, home: int = -1) -> Weighed:
        """For a job that comes, or that waits at ``home`` already."""
        wait = self._waits(job, now)
        dear = self._dear(job)
        plain = wait + dear
        wanted_at = int(np.argmin(plain))
        if self.choice is Choice.COMPUTE:
            return self._from(plain, dear, wanted_at, home)
        if self.choice is Choice.DATA:
            there = self._bytes_there(job)
            most = there == there.max()
            return self._from(np.where(most, plain, np.inf), np.where(most, dear, np.inf), wanted_at, home)
        brought = self.bringing(job, now)
        extra = dear + brought.others_s + brought.cny / self._hour_cny(job) * _HOUR_S
        paid = 1.0 + self.world.price / self.world.price.mean()  # who holds a place waits, and pays for it
        held = np.maximum(brought.seconds - wait, 0.0)  # while it queues its data comes
        return self._from(wait + held * paid + extra, brought.seconds * paid + extra, wanted_at, home)

    @staticmethod
    def _from(whole: Floats, cost: Floats, wanted_at: int, home: int) -> Weighed:
        at = int(np.argmin(whole)) if home < 0 else home
        cost = np.where(np.arange(len(cost)) == at, np.where(np.isfinite(cost[at]), cost[at], 0.0), cost)
        return Weighed(at, cost - cost[at], wanted_at)

    def bringing(self, job: int, now: float) -> Brings:
        """What bringing all that a job reads to each site takes, with what goes on the links now.

        What comes one after another over one link adds up, as in ``rules/data/bringing``.
        """
        sites = len(self.world.names)
        found = Brings(np.zeros(sites), np.zeros(sites), np.zeros(sites))
        lacking = [0] * sites
        for dataset in self.demand.reads[job]:
            where, whole = self.stores.where[dataset], self.stores.whole[dataset]
            for site in range(sites):
                copy = where.get(site)
                if copy is None:
                    fetch = self.ways.to(dataset, site, whole)
                    beside = self.links.beside(fetch.source, site)
                    found.seconds[site] += fetch.seconds * (1 + beside)
                    found.others_s[site] += fetch.seconds * beside
                    found.cny[site] += fetch.cny
                    lacking[site] += int(self.demand.size[dataset])
                elif copy.flow is not None:
                    link = self.links.links[copy.flow.source, site]
                    found.seconds[site] += self.links.left(copy.flow, now) * link.going / link.rate
        for site, size in enumerate(lacking):
            if size > self.stores.free[site] and size > self.stores.to_be_had(site):
                found.seconds[site] += self._turnover_s
        return found

    def _hour_cny(self, job: int) -> float:
        return float(self.demand.units[job] * self.world.price.mean())

    def _dear(self, job: int) -> Floats:
        """What a site's price is above the least one, in seconds of waiting."""
        price = self.world.price
        dear: Floats = (price - price.min()) * self.demand.duration[job] / price.mean()
        return dear

    def _waits(self, job: int, now: float) -> Floats:
        """About how long it takes until a site has room: what waits and runs there, over all its accelerators."""
        s = self.state
        units = self.world.units
        queued = s.queue[: s.counters[QUEUED]]
        sites = len(units)
        ahead = np.bincount(s.home[queued], s.units[queued] * s.estimate[queued], sites)
        running = np.flatnonzero(s.status == 2)  # noqa: PLR2004 - RUNNING
        left = s.units[running] * np.maximum(s.ends[running] - now, 0.0)
        work = ahead + np.bincount(s.pool[running], left, sites)
        waits: Floats = np.where((s.free >= s.units[job]) & (ahead == 0), 0.0, work / units)
        return waits

    def _bytes_there(self, job: int) -> Floats:
        there = np.zeros(len(self.world.names))
        for dataset in self.demand.reads[job]:
            for site in self.stores.whole[dataset]:
                there[site] += self.demand.size[dataset]
        return there
