"""From where is a dataset best brought to a site, at what price, for how long? By the rule that places work."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from suanlian.model.data import DataUse, StorageKind, StorageShare
from suanlian.model.levels import LevelRules
from suanlian.model.platform import Site
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.bringing import Brought, CopyAt, Network, Wanted, Way, bring
from suanlian.twin.data_world import DataDemand, DataWorld

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Fetch(NamedTuple):
    """From which site, for how much (CNY), and how long over an empty link (s)."""

    source: int
    cny: float
    seconds: float


@dataclass(slots=True)
class Ways:
    """Answers are kept: they depend on where whole copies are and on nothing else."""

    world: DataWorld
    demand: DataDemand
    _network: Network = field(init=False)
    _known: dict[tuple[int, int, tuple[int, ...]], Fetch] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        world, number = self.world, {f"{name}/site": n for n, name in enumerate(self.world.names)}

        def way(start: str, end: str) -> Way:
            a, b = number[start], number[end]
            return Way(Decimal(str(round(world.mbps[a, b], 3))), Decimal(str(world.link_cny[a, b])))

        stores = {one.ref: one for one in map(self._storage, range(len(world.names)))}
        self._network = Network(stores, way, LevelRules(), _EPOCH)

    def _storage(self, site: int) -> StoragePlace:
        name, egress = self.world.names[site], Decimal(str(self.world.egress_cny[site]))
        share = StorageShare(
            name="lake",
            site="site",
            kind=StorageKind.S3,
            endpoint=f"https://{name}.example.org",
            egress_cny_per_gb=egress,
        )
        return StoragePlace(
            id=name,
            platform=name,
            platform_id=name,
            entity=name,
            connector_id=name,
            share=share,
            site=Site(name="site", region="340200"),
            check=None,
            live=True,
            reachable=True,
            withdrawn=False,
            sealing_key="",
            booked=0,
        )

    def to(self, dataset: int, site: int, whole: tuple[int, ...]) -> Fetch:
        """How a dataset comes to a site where it is not, from sites where it is whole."""
        key = (dataset, site, whole)
        if key not in self._known:
            names = self.world.names
            copies = tuple(CopyAt(f"{names[one]}/lake", whole=True) for one in whole if one != site)
            use = DataUse(dataset=f"d{dataset}", path="in")
            wanted = Wanted(use, use.dataset, int(self.demand.size[dataset]), copies)
            found = bring(wanted, [self._network.storages[f"{names[site]}/lake"]], self._network)
            if not isinstance(found, Brought) or found.source is None:
                raise AssertionError(f"dataset {dataset} cannot come to site {site}: {found}")
            source = names.index(found.source.split("/")[0])
            seconds = float(self.demand.size[dataset]) * 8e-6 / self.world.mbps[source, site]
            self._known[key] = Fetch(source, float(found.cny), float(seconds))
        return self._known[key]
