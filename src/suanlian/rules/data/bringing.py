"""What does it take to bring a job's data to each place? How much of it, from where, at what price, for how long. Pure.

Whole copies that the place's own storage has cost nothing. What is on its way there counts with what is left of it. Of
all other copies the one that is cheapest to bring is taken, the fastest of equal ones. Where data cannot come the place
says why (``Moving.wrong``): work never starts there to fail.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

from suanlian.model.data import DataUse, StorageKind
from suanlian.model.ids import ShareId
from suanlian.model.levels import LOWEST, LevelRules
from suanlian.model.place import Moving, Place
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.reach import Reach, reach_between, unfit

GB: Final = Decimal(10**9)
"""Prices of bytes are for 10^9 of them."""
ASSUMED_MBPS: Final = Decimal(100)
"""As fast a way is taken to be of which nothing is known: our own choice, always said to be assumed."""
_MBIT_S_PER_GB: Final = Decimal(8000)
_HOUR_S: Final = Decimal(3600)
_STEP: Final = Decimal("0.000001")


class Way(NamedTuple):
    """How bytes go from a site to another: megabits per second (None: not known) and the link's price, CNY for a GB."""

    mbps: Decimal | None = None
    cny_per_gb: Decimal = Decimal(0)


AT_HOME: Final = Way(Decimal(10_000))
"""Between storage of one site: no link is crossed."""


@dataclass(frozen=True, slots=True)
class CopyAt:
    """A copy of a version: on which storage (by ref), whether it is whole, how many bytes of it are still to come."""

    storage: str
    whole: bool
    left: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that a job reads: as it names it, its size, where copies are, who may have it."""

    use: DataUse
    version_id: str
    size: int
    copies: tuple[CopyAt, ...]
    level: int = LOWEST
    residency: tuple[str, ...] = ()
    largest: int = 0
    """Bytes of its largest file."""
    wrong: str = ""
    """Why it is to be had nowhere: deleted, lost, not sealed."""
    failed: frozenset[str] = frozenset()
    """Storage to which it could not be brought a short while ago."""
    unsettled: frozenset[str] = frozenset()
    """Storage with a copy that leaves, is broken, or is read anew: no other comes there meanwhile."""


class Brought(NamedTuple):
    """One version for one place: the storage where it will lie, and what is brought from where."""

    wanted: Wanted
    target: str
    source: str | None
    bytes: int
    cny: Decimal
    hours: Decimal
    assumed: bool = False
    """Nobody knows a rate of its way."""


Ways = Callable[[str, str], Way]
"""From a site to another, each as ``platform/site``."""


@dataclass(frozen=True, slots=True)
class Network:
    """Storage by ref, and the ways between sites."""

    storages: Mapping[str, StoragePlace]
    ways: Ways
    levels: LevelRules
    now: datetime

    def reaches(self, source: StoragePlace, target: StoragePlace, largest: int) -> bool:
        """Whether a version can come from the one to the other, directly or over S3 storage between."""
        return reach_between(source, target, largest) is not Reach.NONE or any(
            relay.share.kind is StorageKind.S3
            and relay.reachable
            and reach_between(source, relay, largest) is not Reach.NONE
            and reach_between(relay, target, largest) is not Reach.NONE
            for relay in self.storages.values()
        )


def local_to(place: Place, network: Network) -> tuple[StoragePlace, ...]:
    """Storage that work at this place reads: of the same connector, at the same site; in the order of names."""
    found = (
        one
        for one in network.storages.values()
        if one.platform == place.platform
        and one.connector_id == place.connector_id
        and one.share.site == place.site.name
        and (not one.share.shares or place.share.name in one.share.shares)
    )
    return tuple(sorted(found, key=lambda one: one.ref))


def bring(wanted: Wanted, local: Sequence[StoragePlace], network: Network) -> Brought | str:
    """How one version comes to work that reads this storage; or why it cannot, in English words."""
    name = wanted.use.dataset
    if wanted.wrong:
        return f"{name}: {wanted.wrong}"
    if not local:
        return f"{name}: no storage there that its work reads"
    copies = {copy.storage: copy for copy in wanted.copies}
    for one in local:
        copy = copies.get(one.ref)
        if copy is not None and copy.whole and one.reachable:
            return Brought(wanted, one.ref, None, 0, Decimal(0), Decimal(0))
    sources = [network.storages[ref] for ref, copy in sorted(copies.items()) if copy.whole and ref in network.storages]
    sources = [source for source in sources if source.reachable]
    if not sources:
        return f"{name}: no whole copy is reachable now"
    tried = [_onto(wanted, target, copies.get(target.ref), sources, network) for target in local]
    ways = [one for one in tried if isinstance(one, Brought)]
    if not ways:
        return f"{name}: {next(one for one in tried if isinstance(one, str))}"
    return min(ways, key=lambda one: (one.cny, one.hours, one.target, one.source or ""))


def _onto(
    wanted: Wanted, target: StoragePlace, there: CopyAt | None, sources: Sequence[StoragePlace], network: Network
) -> Brought | str:
    if wrong := unwelcome(wanted, target, there, network):
        return wrong
    size = wanted.size if there is None else there.left
    ways = [
        _priced(wanted, source, target, size, network)
        for source in sources
        if source.ref != target.ref and network.reaches(source, target, wanted.largest)
    ]
    if not ways:
        return f"{target.ref} is reached by none of its copies ({', '.join(one.ref for one in sources[:4])})"
    return min(ways, key=lambda one: (one.cny, one.hours, one.source or ""))


def unwelcome(wanted: Wanted, target: StoragePlace, there: CopyAt | None, network: Network) -> str:
    """Why a copy of it must not come onto this storage; empty where it may."""
    ref = target.ref
    reasons = (
        (target.share.read_only, f"{ref} is only read"),
        (not target.reachable, f"the connector of {ref} is not heard of"),
        (ref in wanted.unsettled, f"its copy at {ref} is read anew, or leaves"),
        (ref in wanted.failed, f"it could not be brought to {ref} a short while ago"),
        (there is None and not target.has_room(wanted.size), f"{ref} has no room for {wanted.size} bytes"),
    )
    wrong = unfit(target, wanted.level, wanted.residency, network.levels, network.now)
    return next((said for holds, said in reasons if holds), f"{ref}: {wrong}" if wrong else "")


def _priced(wanted: Wanted, source: StoragePlace, target: StoragePlace, size: int, network: Network) -> Brought:
    way = AT_HOME if source.where == target.where else network.ways(source.where, target.where)
    gb = Decimal(size) / GB
    price = source.share.egress_cny_per_gb + way.cny_per_gb if source.where != target.where else Decimal(0)
    hours = gb * _MBIT_S_PER_GB / max(way.mbps or ASSUMED_MBPS, Decimal("0.001")) / _HOUR_S
    return Brought(
        wanted,
        target.ref,
        source.ref,
        size,
        (gb * price).quantize(_STEP, ROUND_HALF_EVEN),
        hours.quantize(_STEP, ROUND_HALF_EVEN),
        assumed=way.mbps is None,
    )


def moving_of(wanted: Sequence[Wanted], place: Place, network: Network) -> Moving | None:
    """All of a job's data, for one place; None where all of it is there.

    Versions come one after another, as over one link, so their hours add up.
    """
    local = local_to(place, network)
    found = [bring(one, local, network) for one in wanted]
    if wrong := [one for one in found if isinstance(one, str)]:
        return Moving(Decimal(0), Decimal(0), wrong=wrong[0][:200])
    brought = [one for one in found if isinstance(one, Brought) and one.source is not None]
    size, whole = sum(one.bytes for one in brought), sum(one.size for one in wanted)
    if not size and not brought:
        return None
    gb, cny = Decimal(size) / GB, sum((one.cny for one in brought), Decimal(0))
    sources = ", ".join(dict.fromkeys(one.source for one in brought if one.source))
    return Moving(
        gb=gb,
        cny_per_gb=cny / gb if gb else Decimal(0),
        hours=sum((one.hours for one in brought), Decimal(0)),
        sources=sources,
        there_gb=Decimal(whole - size) / GB,
        assumed=any(one.assumed for one in brought),
    )


def keeps(place: Place, network: Network) -> Moving | None:
    """None where what a job leaves can be kept beside this place; else why not."""
    if any(not one.share.read_only for one in local_to(place, network)):
        return None
    return Moving(Decimal(0), Decimal(0), wrong="no storage there that keeps what it leaves")


def moving_for(wanted: Sequence[Wanted], places: Sequence[Place], network: Network) -> dict[ShareId, Moving]:
    """The same for every place; places where all of it is already are left out."""
    if not wanted:
        return {}
    found = ((place.share_id, moving_of(wanted, place, network)) for place in places)
    return {share: moving for share, moving in found if moving is not None}
