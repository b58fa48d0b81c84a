"""Who can bring bytes from one storage to another, and may they lie there at all? Pure.

Who pulls reads the source by a grant of its owner and writes into storage of its own. Who pushes reads storage of its
own and writes into an inbox of the target by a grant; the target's owner then takes it. A connector has no port that
others could call, so between two folders of different machines there is no direct way.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.job import Wants
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.levels import footing, is_bound, level_grade, lies_within

MAX_PUSHED_BYTES: Final = 5 * 1024**3
"""One PUT brings at most so much, by S3's own rule: larger files are pulled, or not moved."""


class Reach(StrEnum):
    """Who moves between two storages."""

    PULL = "pull"
    PUSH = "push"
    NONE = "none"


def reach(source: StorageShare, target: StorageShare, *, same_machine: bool = False) -> Reach:
    """Who moves from ``source`` to ``target``; ``same_machine``: one connector has both."""
    if target.read_only or target.kind is StorageKind.HTTP:
        return Reach.NONE
    if source.kind is not StorageKind.POSIX:
        return Reach.PULL
    if target.kind is StorageKind.S3:
        return Reach.PUSH
    shared = bool(source.filesystem) and source.filesystem == target.filesystem
    return Reach.PULL if shared or same_machine else Reach.NONE


def reach_between(source: StoragePlace, target: StoragePlace, largest: int) -> Reach:
    """The same of two places for a version whose largest file has so many bytes."""
    found = reach(source.share, target.share, same_machine=source.connector_id == target.connector_id)
    return Reach.NONE if found is Reach.PUSH and largest > MAX_PUSHED_BYTES else found


def unfit(place: StoragePlace, level: int, residency: tuple[str, ...], rules: LevelRules, now: datetime) -> str:
    """Why data of this level and residency may not lie at a storage, in words; empty where it may."""
    wants = Wants(data_level=level, residency=residency)
    if not is_bound(wants, rules):
        return ""
    if place.site is None:
        return "its site is published no more"
    found, needed = footing(place.site, place.check, now), level_grade(wants, rules)
    if found.grade < needed:
        return f"data of level {level} needs protection grade {needed}, {found.grade} is checked of its site"
    if not lies_within(found.region, residency):
        return f"it stays within {', '.join(residency)}, the site is {found.region or 'in no region that was checked'}"
    return ""
