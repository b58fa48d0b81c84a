"""The access log of a simulation, and popular copies by it: the rule of the hub, asked every few hours."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from suanlian.rules.data.popular import Bring, Budget, Copies, Proposals, Reading, Sight, propose
from suanlian.twin.data_stores import Copy, Stores
from suanlian.twin.data_ways import Ways
from suanlian.twin.data_world import DataDemand, DataWorld

_LN_2: Final = 0.6931471805599453
_LOOKED_BACK: Final = 4
"""Readings of so many half-lives count."""


@dataclass(frozen=True, slots=True)
class Popular:
    """``every_s``: how often is looked; ``cny``: the money of each look; ``share`` of a site's room may be used."""

    every_s: float = 6 * 3600.0
    cny: float = 100.0
    share: float = 0.8
    half_life_s: float = 86_400.0
    ahead_s: float = 86_400.0


@dataclass(slots=True)
class Log:
    """Readings at the sites where work would have run were all data everywhere."""

    world: DataWorld
    demand: DataDemand
    stores: Stores
    ways: Ways
    popular: Popular
    lines: list[tuple[float, int, int]] = field(default_factory=list)
    _count: dict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))
    _at: dict[tuple[int, int], float] = field(default_factory=dict)
    _hour_cny: float = field(init=False)

    def __post_init__(self) -> None:
        # held and waited for: each is worth an hour of a middling job's accelerators
        self._hour_cny = 2.0 * float(self.demand.units.mean() * self.world.price.mean())

    def read(self, dataset: int, site: int, now: float) -> None:
        """A line more."""
        self.lines.append((now, dataset, site))
        self._count[dataset, site] = self._decayed(dataset, site, now) + 1.0
        self._at[dataset, site] = now

    def worth(self, copy: Copy, now: float) -> float:
        """What a further copy saves in the time ahead for each byte (CNY), as ``rules/data/popular`` has it."""
        others = tuple(site for site in self.stores.whole[copy.dataset] if site != copy.site)
        fetch = self.ways.to(copy.dataset, copy.site, others)
        often = self._decayed(copy.dataset, copy.site, now) * _LN_2 * self.popular.ahead_s / self.popular.half_life_s
        return often * (fetch.cny + fetch.seconds / 3600.0 * self._hour_cny) / max(copy.size, 1)

    def proposals(self, now: float) -> Proposals:
        """What the hub's worker would propose now."""
        since = now - _LOOKED_BACK * self.popular.half_life_s
        self.lines = [line for line in self.lines if line[0] >= since]
        names = self.world.names
        readings = [Reading(str(dataset), names[site], now - at) for at, dataset, site in self.lines]
        read = sorted({(dataset, site) for _at, dataset, site in self.lines})
        brings = [self._bring(dataset, site) for dataset, site in read if site not in self._fixed(dataset)]
        versions = [self._copies(dataset) for dataset in range(len(self.demand.size))]
        sight = Sight(self.popular.half_life_s, self.popular.ahead_s, Decimal(str(round(self._hour_cny, 2))))
        return propose(readings, versions, brings, self._budget(), sight)

    def _decayed(self, dataset: int, site: int, now: float) -> float:
        key = (dataset, site)
        if key not in self._at:
            return 0.0
        return float(self._count[key] * 0.5 ** ((now - self._at[key]) / self.popular.half_life_s))

    def _fixed(self, dataset: int) -> set[int]:
        """Where a copy stays for now: its origin, and where somebody reads it or will."""
        whole = (copy for copy in self.stores.where[dataset].values() if copy.flow is None)
        return {copy.site for copy in whole if copy.is_origin or copy.users or copy.wanted}

    def _copies(self, dataset: int) -> Copies:
        names, where, fixed = self.world.names, self.stores.where[dataset], self._fixed(dataset)
        return Copies(
            str(dataset),
            int(self.demand.size[dataset]),
            fixed=frozenset(names[site] for site in fixed),
            loose=frozenset(names[site] for site in self.stores.whole[dataset] if site not in fixed),
            coming=frozenset(names[site] for site, copy in where.items() if copy.flow is not None),
        )

    def _bring(self, dataset: int, site: int) -> Bring:
        names = self.world.names
        others = tuple(one for one in self.stores.whole[dataset] if one != site)
        fetch = self.ways.to(dataset, site, others)
        hours = Decimal(str(round(fetch.seconds / 3600.0, 6)))
        return Bring(str(dataset), names[site], names[fetch.source], Decimal(str(round(fetch.cny, 6))), hours)

    def _budget(self) -> Budget:
        room: dict[str, int] = {}
        for site, name in enumerate(self.world.names):
            held = (copy for copy in self.stores.copies[site].values() if not copy.is_origin)
            busy = sum(copy.size for copy in held if copy.users or copy.wanted or copy.flow is not None)
            room[name] = max(int(self.world.room[site] * self.popular.share) - busy, 0)
        keep = {name: Decimal(str(self.world.keep_cny[site])) for site, name in enumerate(self.world.names)}
        return Budget(Decimal(str(self.popular.cny)), room, keep)
