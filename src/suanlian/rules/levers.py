"""Which field of a job could be changed so that a place fits, and to what? One lever for each sort of miss. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final

from suanlian.model.demand import Near, Prefer, West
from suanlian.model.job import JobSpec
from suanlian.model.offer import Tier
from suanlian.model.outlook import Gain, Json
from suanlian.model.place import Place
from suanlian.model.placement import Candidate, Filter
from suanlian.model.quantity import Resources
from suanlian.rules.feasibility import latency_of
from suanlian.rules.pricing import plain

_PREFERRED: Final[Mapping[Prefer, Gain | None]] = {
    Prefer.GREEN: Gain.GREENER,
    Prefer.TIME: Gain.FASTER,
    Prefer.COST: None,
}
_CENT: Final = Decimal("0.01")
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that may bring something: the path of a field, what it is, what it would be, as they are written.

    ``aims``: what alone it is told for; None: a place, or a lower bill.
    """

    field: str
    was: Json
    to: Json
    aims: Gain | None = None


_Propose = Callable[[JobSpec, Place, Candidate, Decimal | None], Proposal | None]


@dataclass(frozen=True, slots=True)
class Lever:
    """``lifts``: the misses that it can lift. ``saves``: whether it is also asked where there is a place already."""

    lifts: frozenset[Filter]
    propose: _Propose
    saves: bool = True


def greener(spec: JobSpec, candidate: Candidate) -> Iterator[Proposal]:
    """A bound on CO2 that leaves the candidate in and what emits more out."""
    was = spec.wants.max_g_co2
    if candidate.g_co2 is not None:
        most = max(Decimal(1), candidate.g_co2.quantize(Decimal(1), ROUND_UP))
        yield Proposal("wants.max_g_co2", None if was is None else plain(was), str(most), Gain.GREENER)


def preferring(spec: JobSpec) -> Iterator[Proposal]:
    """Another word for what it prefers."""
    was = spec.wants.prefer
    for prefer, aims in _PREFERRED.items():
        if prefer is not was:
            yield Proposal("wants.prefer", was.value, prefer.value, aims)


def _wall_time(spec: JobSpec, place: Place, candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    """Ends before the place is to be empty."""
    had = next(miss.had for miss in candidate.failed if miss.filter is Filter.CLOSING)
    seconds = int(had.split(" ", maxsplit=1)[0]) // _MINUTE * _MINUTE
    if place.closing is None or seconds < max(_MINUTE, spec.estimate_s or 0) or seconds >= spec.wall_time_s:
        return None
    return Proposal("wall_time_s", spec.wall_time_s, seconds)


def _less(spec: JobSpec, place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    """Half as many nodes, cards or cores, and half again, until it fits the room there is."""
    if spec.nodes > 1:
        nodes = spec.nodes // 2
        while nodes and not spec.resources.times(nodes).fits(place.free):
            nodes //= 2
        return Proposal("nodes", spec.nodes, nodes) if nodes else None
    kind, least = ("accelerator", 1) if spec.resources.accelerator > 1 else ("cpu", 1000)
    base = {key.value: amount for key, amount in spec.resources.base().items()}
    amount = base[kind] // 2
    while amount >= least and not _fits(less := Resources.of({**base, kind: amount}), place):
        amount //= 2
    if amount < least or not _fits(less := Resources.of({**base, kind: amount}), place):
        return None
    written = less.model_dump(mode="json")[kind]
    return Proposal(f"resources.{kind}", spec.resources.model_dump(mode="json")[kind], written)


def _fits(wanted: Resources, place: Place) -> bool:
    return all(wanted.fits(within) for within in (place.free, place.flavor.node, place.share.capacity))


def _variant(spec: JobSpec, place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    """One variant more: for the instruction set, the chip and the software of the place."""
    flavor, first = place.flavor, spec.variants[0]
    names = [one.name for one in flavor.environments if one.architecture is flavor.architecture]
    environment = first.environment if first.environment in names else next(iter(names), None)
    if environment is None:
        return None
    written: list[Json] = [variant.model_dump(mode="json") for variant in spec.variants]
    further: Json = {
        "architecture": flavor.architecture.value,
        "environment": environment,
        "command": list(first.command),
        **({} if flavor.chip is None or not spec.resources.accelerator else {"chip_family": flavor.chip.family}),
    }
    return Proposal("variants", written, [*written, further])


def _latency(spec: JobSpec, place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    """A longer way to its users."""
    wants = spec.wants
    known = None if wants.user_region is None else latency_of(place.site, wants.user_region)
    if known is None or (wants.near is not None and wants.max_latency_ms is not None):
        return None
    if wants.near is None:
        most = None if wants.max_latency_ms is None else plain(wants.max_latency_ms)
        return Proposal("wants.max_latency_ms", most, plain(known.one_way_ms))
    wider = next((near.value for near in Near if near.one_way_ms >= known.one_way_ms), None)
    return Proposal("wants.near", wants.near.value, wider)


def _west(spec: JobSpec, _place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    return None if spec.wants.west is West.YES else Proposal("wants.west", spec.wants.west.value, West.YES.value)


def _green(spec: JobSpec, place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    return Proposal("wants.green_min", plain(spec.wants.green_min), plain(place.site.green_share))


def _carbon(spec: JobSpec, _place: Place, candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    if spec.wants.max_g_co2 is None or candidate.g_co2 is None:
        return None
    most = str(candidate.g_co2.quantize(Decimal(1), ROUND_UP))
    return Proposal("wants.max_g_co2", plain(spec.wants.max_g_co2), most)


def _tier(spec: JobSpec, place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
    """What may be taken back; a reservation needs a contract first."""
    if place.offer is None or place.offer.tier is not Tier.PREEMPTIBLE:
        return None
    tiers: list[Json] = [tier.value for tier in spec.wants.tiers]
    return Proposal("wants.tiers", tiers, [*tiers, Tier.PREEMPTIBLE.value])


def _money(spec: JobSpec, _place: Place, candidate: Candidate, rest: Decimal | None) -> Proposal | None:
    """More for a task, or for the whole job: whichever of both stands against it alone."""
    most, billed = spec.wants.max_cost, candidate.billed
    if billed is None or (most is None and rest is None):
        return None
    own, whole = most is not None and most < billed, rest is not None and rest < billed
    if own and not whole and most is not None:
        return Proposal("wants.max_cost", plain(most), str(billed.quantize(_CENT, ROUND_UP)))
    if whole and not own and spec.budget is not None and rest is not None:
        needed = spec.budget + (billed - rest).quantize(_CENT, ROUND_UP)
        return Proposal("budget", plain(spec.budget), plain(needed))
    return None


def _anywhere(name: str) -> _Propose:
    def propose(spec: JobSpec, _place: Place, _candidate: Candidate, _rest: Decimal | None) -> Proposal | None:
        return Proposal(f"wants.{name}", getattr(spec.wants, name), None)

    return propose


LEVERS: Final = (
    Lever(frozenset({Filter.CLOSING}), _wall_time, saves=False),
    Lever(frozenset({Filter.ROOM, Filter.NODE_SIZE, Filter.SHARE_SIZE}), _less, saves=False),
    Lever(frozenset({Filter.ARCHITECTURE, Filter.CHIP, Filter.ENVIRONMENT, Filter.STACK}), _variant),
    Lever(frozenset({Filter.LATENCY}), _latency),
    Lever(frozenset({Filter.WEST}), _west),
    Lever(frozenset({Filter.GREEN}), _green),
    Lever(frozenset({Filter.CARBON}), _carbon),
    Lever(frozenset({Filter.TIER}), _tier),
    Lever(frozenset({Filter.MAX_COST}), _money, saves=False),
    Lever(frozenset({Filter.WANTED_PLATFORM}), _anywhere("platform")),
    Lever(frozenset({Filter.WANTED_SITE}), _anywhere("site")),
    Lever(frozenset({Filter.WANTED_FLAVOR}), _anywhere("flavor")),
)
"""In the order in which they are tried. What protects data stands in none of them, nor whose platforms it may have."""
