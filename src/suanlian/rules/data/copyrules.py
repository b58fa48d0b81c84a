"""Which copies do the rules of a version lack, and which may go? Deterministic, and of all its rules at once. Pure.

Copies of a rule lie at different sites, because one fire takes a site. A copy that is doubted counts as one that is
coming until it was read anew, so that a doubt alone moves no bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from suanlian.model.data import NewCopyRule, ReplicaState, Where
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.levels import lies_within


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is there or is coming, and where."""

    replica_id: str
    place: StoragePlace
    state: ReplicaState
    managed: bool = True
    pinned: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """How far one rule holds: copies that count, copies under way, and where further ones are to be made."""

    rule_id: str
    whole: int
    coming: int
    missing: tuple[str, ...] = ()
    lacks: int = 0
    """So many copies are missing for which there is no place."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be done for all rules of a version; ``spare``: copies that no rule needs and whose time is over."""

    rules: tuple[Held, ...]
    spare: tuple[str, ...]


COMING = frozenset({ReplicaState.COMING, ReplicaState.DOUBTED})
COUNTS = COMING | {ReplicaState.WHOLE}


def fits(place: StoragePlace, where: Where) -> bool:
    """Whether a storage is where a rule wants copies."""
    if where.storages and place.ref not in where.storages:
        return False
    if where.regions and (place.site is None or not lies_within(place.site.region, where.regions)):
        return False
    return where.west is None or (place.site is not None and place.site.west is where.west)


def keep(
    rules: Sequence[tuple[str, NewCopyRule]],
    copies: Sequence[Copy],
    places: Sequence[StoragePlace],
    size: int,
    now: datetime,
) -> Kept:
    """What the rules (by id, oldest first) lack and may spare. ``places``: where the data may lie and there is room."""
    there = list(copies)
    held, needed = list[Held](), set[str]()
    for rule_id, rule in rules:
        if rule.until is not None and rule.until <= now:
            continue
        whole = _one_a_site(
            [copy for copy in there if copy.state is ReplicaState.WHOLE and fits(copy.place, rule.where)]
        )
        sites = {copy.place.where for copy in whole}
        coming = [copy for copy in there if copy.state in COMING and fits(copy.place, rule.where)]
        coming = [copy for copy in _one_a_site(coming) if copy.place.where not in sites]
        needed |= {copy.replica_id for copy in [*whole, *coming][: rule.copies]}
        lacking = max(0, rule.copies - len(whole) - len(coming))
        chosen = _choose(lacking, rule.where, there, places, size)
        there += [Copy("", replace(place, booked=place.booked + size), ReplicaState.COMING) for place in chosen]
        missing = tuple(place.id for place in chosen)
        held.append(Held(rule_id, len(whole), len(coming), missing, lacking - len(chosen)))
    spare = [copy for copy in copies if copy.expired and not copy.pinned and copy.replica_id not in needed]
    return Kept(tuple(held), tuple(sorted(copy.replica_id for copy in spare)))


def _one_a_site(copies: Sequence[Copy]) -> list[Copy]:
    """One copy of each site: the one that stays anyway, else the oldest."""
    found = dict[str, Copy]()
    for copy in sorted(copies, key=lambda one: (one.expired, not one.pinned, one.replica_id)):
        found.setdefault(copy.place.where, copy)
    return list(found.values())


def _choose(
    count: int, where: Where, there: Sequence[Copy], places: Sequence[StoragePlace], size: int
) -> list[StoragePlace]:
    """Where further copies are made: other sites, and no storage that has one in whatever state; the cheapest first."""
    taken, chosen = {copy.place.id for copy in there}, list[StoragePlace]()
    sites = {copy.place.where for copy in there if copy.state in COUNTS and fits(copy.place, where)}
    for place in sorted(places, key=lambda one: (one.share.keep_cny_per_gb_month, one.ref)):
        if len(chosen) == count:
            break
        if place.id not in taken and place.where not in sites and place.has_room(size) and fits(place, where):
            chosen.append(place)
            sites.add(place.where)
    return chosen
