"""What would have become of these jobs and their data by this strategy? One deterministic event simulation.

The hub's queue decides who starts and where; links are shared in equal parts; a job that has its place waits there
until all that it reads is whole, and pays for the place. At one moment flows end first, then jobs, then arrivals come,
then popular copies are looked at, then the queue decides. A job's data gets its room at once or not at all, those that
came first first, so that two jobs never wait for each other's.
"""

from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Final

import numpy as np

from suanlian.rules.queueing.state import NEVER, QUEUED
from suanlian.twin.data_choosing import Choosing
from suanlian.twin.data_links import Links
from suanlian.twin.data_loop import queue_of, turn
from suanlian.twin.data_popular import Log, Popular
from suanlian.twin.data_stores import Copy, Entry, Stores
from suanlian.twin.data_strategy import Choice, DataStrategy, Keep
from suanlian.twin.data_ways import Ways
from suanlian.twin.data_world import DataDemand, DataWorld
from suanlian.twin.results import Floats, Ints

_LEAD: Final = 1.5
"""Data of a job that waits begins to come when its reserved time is so many times its bringing away."""
_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class DataResults:
    """What became of N jobs: arrays (N,), times in seconds. ``held``: when the place was taken; ``began``: the work.

    ``there``: readings of the job whose copy was whole when it took its place. Links by (from, to): bytes ``carried``
    and seconds ``busy``.
    """

    strategy: DataStrategy
    submit: Floats
    held: Floats
    began: Floats
    end: Floats
    site: Ints
    wanted_at: Ints
    there: Ints
    carried: dict[tuple[int, int], float]
    busy: dict[tuple[int, int], float]
    kept_cny: float
    popular: int
    """Copies that were brought because they were popular."""
    journal: tuple[Entry, ...]


def simulate_data(
    world: DataWorld, demand: DataDemand, strategy: DataStrategy, popular: Popular | None = None
) -> DataResults:
    """Run the demand to its end; the same input gives the same result."""
    return _Run.of(world, demand, strategy, popular or Popular()).to_the_end()


@dataclass(slots=True)
class _Run:
    world: DataWorld
    demand: DataDemand
    strategy: DataStrategy
    popular: Popular
    links: Links
    stores: Stores
    choosing: Choosing
    log: Log
    held: Floats
    began: Floats
    ended: Floats
    wanted_at: Ints
    there: Ints
    claims: list[list[int]]
    """By site: jobs that have their place and no room for their data yet, in order."""
    lacking: dict[int, int] = field(default_factory=dict)
    """Jobs that have their place and wait for so many copies."""
    expecting: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """By (site, dataset): those jobs."""
    fetched: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    """Jobs that wait and for which data was brought ahead: where, and which datasets."""
    ends: list[tuple[float, int]] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
    """Datasets of which copies came or went since the last look."""
    brought: int = 0

    @classmethod
    def of(cls, world: DataWorld, demand: DataDemand, strategy: DataStrategy, popular: Popular) -> "_Run":
        links, ways, count = Links(world.mbps), Ways(world, demand), len(demand)
        stores = Stores.at_origin(world, demand, links)
        state = queue_of(world, demand)
        return cls(
            world,
            demand,
            strategy,
            popular,
            links,
            stores,
            Choosing(world, demand, state, stores, links, ways, strategy.choice),
            Log(world, demand, stores, ways, popular),
            held=np.full(count, np.nan),
            began=np.full(count, np.nan),
            ended=np.full(count, np.nan),
            wanted_at=np.zeros(count, dtype=np.int64),
            there=np.zeros(count, dtype=np.int64),
            claims=[[] for _ in world.names],
        )

    def to_the_end(self) -> DataResults:
        submit, state = self.demand.submit, self.choosing.state
        out, woken = np.empty(len(submit), dtype=np.int64), np.full(1, NEVER)
        arrived, look = 0, self.popular.every_s
        while arrived < len(submit) or state.counters[QUEUED] or self.ends or self.lacking or any(self.claims):
            now = min(submit[arrived] if arrived < len(submit) else NEVER, float(woken[0]), self.links.next_end())
            now = min(now, self.ends[0][0] if self.ends else NEVER)
            if self.strategy.keep is Keep.POPULAR and now > look:
                now = look
            self._flows_end(now)
            done = self._jobs_end(now)
            first = arrived
            while arrived < len(submit) and submit[arrived] <= now:
                self._arrives(arrived, now)
                arrived += 1
            if now >= look:
                look += self.popular.every_s
                if self.strategy.keep is Keep.POPULAR:
                    self._look(now)
            self._reprice(now)
            came = np.arange(first, arrived) if arrived > first else _NONE
            count = int(turn(state, now, done, came, out, woken))
            for job in out[:count].tolist():
                self._starts(job, now)
            if self.strategy.prefetch:
                self._prefetch(now)
        return self._results()

    def _flows_end(self, now: float) -> None:
        for flow in self.links.ended(now):
            copy = self.stores.arrived(flow, now)
            self.changed.add(copy.dataset)
            for job in self.expecting.pop((copy.site, copy.dataset), []):
                self.lacking[job] -= 1
                if not self.lacking[job]:
                    self._begins(job, now)
            self._settle(self.stores.where[copy.dataset].get(flow.source), now)
            self._settle(copy, now)

    def _jobs_end(self, now: float) -> Ints:
        done: list[int] = []
        while self.ends and self.ends[0][0] <= now:
            job = heappop(self.ends)[1]
            done.append(job)
            self.ended[job] = now
            site = int(self.choosing.state.pool[job])
            for dataset in self.demand.reads[job]:
                copy = self.stores.copies[site][dataset]
                copy.users -= 1
                copy.used_at = now
                self._settle(copy, now)
            self._grant(site, now)
        return np.array(done, dtype=np.int64)

    def _arrives(self, job: int, now: float) -> None:
        state, found = self.choosing.state, self.choosing.weighed(job, now)
        state.home[job] = found.home
        state.cost[job] = found.cost
        self.wanted_at[job] = found.wanted_at
        for dataset in self.demand.reads[job]:
            self.log.read(dataset, found.wanted_at, now)

    def _reprice(self, now: float) -> None:
        """What sites cost those that wait is another where copies came or went: links and room are others then."""
        state = self.choosing.state
        if self.changed and self.strategy.choice is not Choice.COMPUTE:
            for job in state.queue[: state.counters[QUEUED]].tolist():
                if self.strategy.choice is Choice.BOTH or not self.changed.isdisjoint(self.demand.reads[job]):
                    state.cost[job] = self.choosing.weighed(job, now, int(state.home[job])).cost
                    state.touched[state.home[job]] = True
        self.changed.clear()

    def _starts(self, job: int, now: float) -> None:
        """A job has its place."""
        self.held[job] = now
        site = int(self.choosing.state.pool[job])
        for dataset in self.demand.reads[job]:
            self.there[job] += site in self.stores.whole[dataset]
        self._unwant(job, now, site)
        self.claims[site].append(job)
        self._grant(site, now)

    def _grant(self, site: int, now: float) -> None:
        """Those that have their place get room for their data, in order."""
        line = self.claims[site]
        while line and self._claim(line[0], site, now):
            line.pop(0)

    def _claim(self, job: int, site: int, now: float) -> bool:
        reads, copies = self.demand.reads[job], self.stores.copies[site]
        mine = [copies[dataset] for dataset in reads if dataset in copies]
        for copy in mine:
            copy.users += 1
            copy.used_at = now
        missing = [dataset for dataset in reads if dataset not in copies]
        if not self._room(site, missing, now, gently=False):
            for copy in mine:
                copy.users -= 1
            return False
        for dataset in missing:
            copy = self._come(dataset, site, now)
            copy.users += 1
            mine.append(copy)
        coming = [copy for copy in mine if copy.flow is not None]
        for copy in coming:
            self.expecting.setdefault((site, copy.dataset), []).append(job)
        self.lacking[job] = len(coming)
        if not coming:
            self._begins(job, now)
        return True

    def _begins(self, job: int, now: float) -> None:
        del self.lacking[job]
        self.began[job] = now
        heappush(self.ends, (now + float(self.demand.duration[job]), job))

    def _come(self, dataset: int, site: int, now: float) -> Copy:
        fetch = self.choosing.ways.to(dataset, site, self.stores.whole[dataset])
        self.changed.add(dataset)
        return self.stores.come(dataset, fetch.source, site, int(self.demand.size[dataset]), now)

    def _room(self, site: int, datasets: list[int], now: float, *, gently: bool) -> bool:
        size = sum(int(self.demand.size[dataset]) for dataset in datasets)

        def worth(copy: Copy) -> float:
            return self.log.worth(copy, now) if self.strategy.keep is Keep.POPULAR else copy.used_at

        gone = self.stores.make_room(site, size, now, worth, gently=gently)
        self.changed.update(copy.dataset for copy in gone or ())
        return gone is not None

    def _settle(self, copy: Copy | None, now: float) -> None:
        """Where nothing is kept, a copy that nobody reads goes."""
        if copy is None or self.strategy.keep is not Keep.NONE or copy.is_origin or copy.users or copy.wanted:
            return
        if copy.flow is None:
            self.stores.go(copy, now)
            self.changed.add(copy.dataset)

    def _prefetch(self, now: float) -> None:
        """Data of jobs that hold a reservation comes while they queue."""
        state = self.choosing.state
        for job in state.queue[: state.counters[QUEUED]].tolist():
            if job in self.fetched or state.reserved[job] >= NEVER:
                continue
            site = int(state.home[job])
            missing = [dataset for dataset in self.demand.reads[job] if dataset not in self.stores.copies[site]]
            if not missing:
                continue
            seconds = self.choosing.bringing(job, now).seconds[site]
            if state.reserved[job] - now > _LEAD * seconds or not self._room(site, missing, now, gently=True):
                continue
            for dataset in missing:
                self._come(dataset, site, now).wanted += 1
            self.fetched[job] = (site, tuple(missing))

    def _unwant(self, job: int, now: float, started_at: int) -> None:
        site, datasets = self.fetched.pop(job, (-1, ()))
        for dataset in datasets:
            copy = self.stores.copies[site].get(dataset)
            if copy is not None and copy.wanted:
                copy.wanted -= 1
                if site != started_at:
                    self._settle(copy, now)

    def _look(self, now: float) -> None:
        """Copies that are worth it are brought, where there is room for them or others are worth less."""
        for pair in self.log.proposals(now).bring:
            dataset, site = int(pair.dataset), self.world.names.index(pair.site)
            if dataset not in self.stores.copies[site] and self._room(site, [dataset], now, gently=True):
                self._come(dataset, site, now)
                self.brought += 1

    def _results(self) -> DataResults:
        last = float(np.nanmax(self.ended))
        kept = sum(self.stores.keeping(copy, last) for at in self.stores.copies for copy in at.values())
        links = self.links.links
        return DataResults(
            replace(self.strategy),
            self.demand.submit,
            self.held,
            self.began,
            self.ended,
            self.choosing.state.pool.copy(),
            self.wanted_at,
            self.there,
            {key: link.carried for key, link in links.items()},
            {key: link.busy_s for key, link in links.items()},
            self.stores.kept_cny + kept,
            self.brought,
            tuple(self.stores.journal),
        )
