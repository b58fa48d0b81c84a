"""Which platforms take nothing new, by whom, since when, until when and why? As whoever waits for one is told. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from suanlian.model.placement import Shut, ShutBy
from suanlian.model.platform import Downtime, Drain, PlatformState


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a platform that bears on its taking anything."""

    name: str
    state: PlatformState
    since: datetime
    drain: Drain | None = None


@dataclass(frozen=True, slots=True)
class Ear:
    """What is known of one of its connectors: when it was heard last (None: never), and what its owner said."""

    seen_at: datetime | None
    heard: bool
    accepting: bool = True
    clearing: bool = False
    drain: Drain | None = None
    downtimes: Sequence[Downtime] = ()


def shut(platform: Standing, ears: Sequence[Ear], now: datetime) -> Iterator[Shut]:
    """All that keeps the platform from taking anything, what comes from the hub first, each thing once."""
    if platform.state is not PlatformState.LIVE:
        yield Shut(platform=platform.name, by=ShutBy.STATE, since=platform.since, why=platform.state.value)
    if platform.drain is not None:
        yield _drained(platform.name, ShutBy.OPERATOR, platform.drain)
    yield from dict.fromkeys(found for ear in ears for found in _of(platform.name, ear, now))


def _of(name: str, ear: Ear, now: datetime) -> Iterator[Shut]:
    if not ear.heard:
        yield Shut(platform=name, by=ShutBy.UNHEARD, since=ear.seen_at)
    if ear.clearing:
        yield Shut(platform=name, by=ShutBy.CLEARING)
    if ear.drain is not None:
        yield _drained(name, ShutBy.OWNER, ear.drain)
    elif ear.heard and not ear.accepting:
        yield Shut(platform=name, by=ShutBy.PAUSED)
    for down in ear.downtimes:
        if down.end > now:
            yield Shut(platform=name, by=ShutBy.DOWNTIME, since=down.start, until=down.end, why=down.note)


def _drained(name: str, by: ShutBy, said: Drain) -> Shut:
    return Shut(platform=name, by=by, since=said.since, until=said.by, why=said.why)
