"""From when is a place to be empty? By its owner's calendar, by the owner's drain, by an operator's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.job import JobSpec
from suanlian.model.platform import LEAD_S, Downtime, Drain

WORTH_S: Final = 600
"""A job that can be moved begins where it has so many seconds before it would have to move."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Whether nothing new comes now, and from when on a place is to be empty."""

    closed: bool = False
    at: datetime | None = None


def closing(drains: Iterable[Drain], downtimes: Sequence[Downtime], now: datetime) -> Closing:
    """What drains and a calendar come to."""
    said = tuple(drains)
    closed = any(drain.by is None or drain.by <= now for drain in said)
    closed = closed or any(down.start <= now < down.end for down in downtimes)
    ahead = [drain.by for drain in said if drain.by is not None and drain.by > now]
    ahead += [down.start for down in downtimes if down.start > now]
    return Closing(closed, min(ahead, default=None))


def needed_s(spec: JobSpec) -> int:
    """For how long a place must stay open for a job, in seconds: one that can be moved needs little."""
    movable = 0 if spec.checkpoint is None else WORTH_S + LEAD_S + spec.checkpoint.grace_s
    return min(spec.wall_time_s, movable) if movable else spec.wall_time_s


def ends_before(spec: JobSpec, at: datetime | None, now: datetime) -> bool:
    """Whether it would be out of a place that closes then."""
    return at is None or now + timedelta(seconds=needed_s(spec)) <= at
