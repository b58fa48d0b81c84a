"""What is a job to the queue? Where it may run, what that costs it in seconds, and where it is at home.

The queue counts one kind of resource of each share: cards for jobs that want cards, else cores. So every place is two
pools. That is what reservations are made of; whether all of a job fits is asked when it is to start.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.owner import JoinLevel
from suanlian.model.place import Demand, Place
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind, Resources
from suanlian.rules.admitting import Admissions, Sizes, closes_too_soon
from suanlian.rules.queueing.line import Room, Stands, Starts

CARD_WORTH: Final = 32.0
"""In fair share a card-hour counts as so many core-hours."""
KINDS: Final = (ResourceKind.CPU, ResourceKind.ACCELERATOR)
"""The pools of each place, in this order."""
_LEAST_PART: Final = 20
_HOUR_S: Final = 3600.0
_TIES: Final = 0.5
"""What the dearest pool costs a job more than the cheapest (s): it tells pools apart, and makes nobody wait."""


def rooms_of(places: Sequence[Place]) -> list[Room]:
    """Two pools for each place: its cores and its cards."""
    worth = {ResourceKind.CPU: 1.0 / BASE_PER_UNIT[ResourceKind.CPU], ResourceKind.ACCELERATOR: CARD_WORTH}
    found = []
    for place in places:
        sizes, free = place.share.capacity.base(), place.free.base()
        for kind in KINDS:
            size = sizes.get(kind, 0)
            left = max(0, min(free.get(kind, 0), size))
            found.append(Room((place.share_id, kind), size, left, worth[kind], BASE_PER_UNIT[kind]))
    return found or [Room((), 0, 0)]


def place_of(start: Starts) -> int:
    """The number of the place where it is to start."""
    return place_of_pool(start.pool)


def place_of_pool(pool: int) -> int:
    """The number of the place of a pool."""
    return pool // len(KINDS)


def pool_at(start: Starts, place: int) -> int:
    """The pool of its kind at the place of this number."""
    return place * len(KINDS) + start.pool % len(KINDS)


def worth_of(taken: Resources) -> float:
    """What is counted of it in fair share: its cores, and its cards as so many more."""
    base = taken.base()
    cores = base.get(ResourceKind.CPU, 0) / BASE_PER_UNIT[ResourceKind.CPU]
    return base.get(ResourceKind.ACCELERATOR, 0) * CARD_WORTH + cores


def estimate_of(spec: JobSpec) -> float:
    """How long the queue takes a task to run (s): by the job's own word, but no less than a part of its limit."""
    return max(float(spec.expected_s), spec.wall_time_s / _LEAST_PART)


def takes_of(spec: JobSpec, granted: Resources, place: int) -> tuple[tuple[int, int], ...]:
    """The pools of the place of this number (-1: none) that an attempt takes of, and how much of each.

    The one that it queued for comes first.
    """
    if place < 0:
        return ()
    base, first = granted.base(), _kind(spec)
    kinds = sorted(KINDS, key=lambda kind: kind is not first)
    return tuple((place * len(KINDS) + KINDS.index(kind), base[kind]) for kind in kinds if base.get(kind))


def numbers_of(places: Sequence[Place]) -> Mapping[ShareId, int]:
    """The number of each place, by its share."""
    return {place.share_id: n for n, place in enumerate(places)}


class Standing:
    """The places of one moment, and what jobs are to the queue there. ``move_s``: what leaving home costs (s)."""

    def __init__(self, places: Sequence[Place], admissions: Admissions, now: datetime, move_s: float) -> None:
        self._places = places
        self._admissions = admissions
        self._now = now
        self._move_s = move_s
        self._sizes = Sizes.of(places)

    def of(self, demand: Demand, account: str) -> Stands | None:
        """What it takes, where it may run and what that costs; None where it could run nowhere, were it empty."""
        spec, kind = demand.spec, _kind(demand.spec)
        may = (self._admissions.of([demand], self._places, self._now)[0] != 0) & self._sizes.hold(spec)
        may[closes_too_soon(demand, self._places, self._now)] = False
        for n, place in enumerate(self._places):
            if place.share_id in demand.moving and demand.moving[place.share_id].wrong:
                may[n] = False
        if not may.any():
            return None
        rent = np.array([_rent(place, spec) for place in self._places])
        at = KINDS.index(kind)
        cost = np.full(len(self._places) * len(KINDS), np.inf)
        cost[at :: len(KINDS)] = np.where(may, _TIES * (rent - rent[may].min()) / max(rent[may].max(), 1e-9), np.inf)
        own = [n for n in np.flatnonzero(may).tolist() if self._places[n].entity == demand.entity]
        home = max(own, key=lambda n: (self._places[n].share.capacity.base().get(kind, 0), -n), default=None)
        if home is not None:
            away = np.ones(len(cost), dtype=np.bool_)
            away[[n * len(KINDS) + at for n in own]] = False
            cost[away] += self._move_s
            cost[home * len(KINDS) + at] = 0.0
        for n, place in enumerate(self._places):
            if place.share_id in demand.moving:  # until its data is there it only holds what it was given
                cost[n * len(KINDS) + at] += float(demand.moving[place.share_id].hours) * _HOUR_S
        return Stands(
            account=account,
            units=max(1, spec.total.base().get(kind, 0)),
            estimate=estimate_of(spec),
            cost=cost,
            home=None if home is None else home * len(KINDS) + at,
        )

    def barred(self, spec: JobSpec, stands: Stands | None) -> tuple[int, ...]:
        """The pools where it may run, but now lacks something else than what it queues for."""
        if stands is None:
            return ()
        kind = _kind(spec)
        other = spec.total.model_copy(update={kind.value: 0})
        pools = np.flatnonzero(~self._sizes.have_room_for(other)) * len(KINDS) + KINDS.index(kind)
        return tuple(pools[np.isfinite(stands.cost[pools])].tolist())


def alike(one: Stands | None, other: Stands | None) -> bool:
    """Whether a job stands as it did."""
    if one is None or other is None:
        return one is other
    return one.home == other.home and bool(np.array_equal(one.cost, other.cost))


def _kind(spec: JobSpec) -> ResourceKind:
    """Which kind of a share's resources the job queues for."""
    return ResourceKind.ACCELERATOR if spec.total.base().get(ResourceKind.ACCELERATOR, 0) else ResourceKind.CPU


def _rent(place: Place, spec: JobSpec) -> float:
    """About what it costs there an hour (CNY)."""
    offer = place.offer if place.level is JoinLevel.TRADE else None
    wanted = spec.total.base()
    rates = () if offer is None else offer.rates
    return sum(float(rate.per_unit_hour) * wanted.get(rate.kind, 0) / BASE_PER_UNIT[rate.kind] for rate in rates)
