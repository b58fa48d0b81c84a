"""Is a connector lost, and since when may its work run elsewhere? Silence counts only while the hub itself could hear.

A hub that was down, cut off from its store or set to another time has heard nobody: that is no fault of theirs. And
when most connectors fall silent at once, it is the hub's own line that is to be doubted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.protocol import MAX_POLL_S

GAP: Final = timedelta(seconds=30)
"""A hub that did not beat for so long could not hear, either; a replica takes over within less."""
_BACK: Final = timedelta(seconds=2)
"""Clocks of replicas may differ by so much; one that is set back by more is a gap."""
_ROOM: Final = timedelta(seconds=MAX_POLL_S)


@dataclass(frozen=True, slots=True)
class LostTerms:
    """What the operator says: after how much silence a connector is lost, and how long its work then waits for it."""

    after: timedelta = timedelta(seconds=60)
    for_: timedelta = timedelta(seconds=600)

    @classmethod
    def of(cls, after_s: int, for_s: int) -> "LostTerms":
        """From settings, in seconds."""
        return cls(timedelta(seconds=after_s), timedelta(seconds=for_s))


@dataclass(frozen=True, slots=True)
class Hearing:
    """The hub's own ears: it last beat ``at``, hears without a gap ``since``, and heard most of them ``sure_since``."""

    at: datetime
    since: datetime
    sure_since: datetime


def beat(before: Hearing | None, now: datetime) -> Hearing:
    """The hub is there now; after a gap, or at another time than before, it hears anew."""
    if before is None or not before.at - _BACK <= now <= before.at + GAP:
        return Hearing(now, now, now)
    return replace(before, at=max(now, before.at))


def is_silent(seen_at: datetime, hearing: Hearing, now: datetime, terms: LostTerms) -> bool:
    """Whether a connector that was last heard at ``seen_at`` is lost by now."""
    if seen_at >= hearing.since:
        return now - seen_at >= terms.after
    # not heard since the hub is back: a long poll may be under way, and whoever waits longer between tries comes yet
    return now - hearing.since >= terms.after + _ROOM


def is_deaf(seen: Sequence[datetime], hearing: Hearing, now: datetime, terms: LostTerms) -> bool:
    """Whether most of the connectors that were heard a short while ago are silent, or none was: then it is the hub.

    Those that have been away for long are not asked: they tell nothing of this moment.
    """
    window = terms.after + terms.for_ + _ROOM
    lately = [moment for moment in seen if now - moment <= window]
    silent = sum(is_silent(moment, hearing, now, terms) for moment in lately)
    return 2 * silent > len(lately) or (bool(seen) and not lately)


def reruns_from(lost_since: datetime, hearing: Hearing, terms: LostTerms) -> datetime:
    """From when what a lost connector holds may run elsewhere, as things are now."""
    return max(lost_since, hearing.since, hearing.sure_since) + terms.for_
