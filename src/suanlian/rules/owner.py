"""Does the platform's owner admit this job? One small check a clause; a job is admitted when every clause admits it.

Pure, and open to both towers: the hub asks ``level_admits`` before it places, the connector asks all clauses before it
starts, whatever the hub says. The time and what is taken already are arguments. That a job is of the entity that the
hub names is the hub's word: a connector can bound what a hub may do to it, not find out for whom the hub asks.

Hours that a change of the clocks makes doubtful (skipped, or passed twice) are closed when a window begins or ends in
them.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from suanlian.model.money import Rate
from suanlian.model.owner import ANYBODY, DAY_MINUTES, JoinLevel, NetworkRule, OwnerPolicy, Weekday, Window, minutes
from suanlian.model.probe import PROBE_ENVIRONMENT, Purpose
from suanlian.model.quantity import BASE_PER_UNIT, ResourceKind, Resources, total

REFUSED: Final = "owner_refuses"
"""The code of a refusal; behind it stands the clause, never what the policy says."""
UNFIT: Final = "engine_refuses"
"""The code of an engine's refusal: what was asked for can never run at this place; behind it stand its own words."""


FIRST_REST: Final = timedelta(minutes=5)
"""For so long the place of a first refusal is not tried again with the same task; each further one doubles it."""
_LONGEST_REST: Final = timedelta(hours=2)


class Clause(StrEnum):
    """What a job must pass, by the name that is told to the hub."""

    LEVEL = "level"
    ENTITY = "entity"
    ISOLATION = "isolation"
    ENVIRONMENT = "environment"
    IMAGE = "image"
    HOURS = "hours"
    CAPS = "caps"
    PRICE = "price"
    NETWORK = "network"
    DATA_LEVEL = "data-level"
    PROBES = "probes"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job asks of the platform. ``rates``: what it is sold at; none when it is not sold."""

    entity: str
    granted: Resources
    wall_time_s: int
    environment: str | None = None
    image: str | None = None
    network: bool = False
    data_level: int = 1
    rates: tuple[Rate, ...] = ()
    probe: Purpose | None = None
    movable: bool = False
    """It writes a checkpoint when it is told to, and goes on from it elsewhere."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a job holds that was admitted before, or what ``count`` jobs of one entity hold together."""

    entity: str
    granted: Resources
    probe: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What it is held against: the owner's word, the time, and what is taken. ``probes``: admitted in the last day."""

    level: JoinLevel
    policy: OwnerPolicy
    isolated: bool
    now: datetime
    taken: Sequence[Taken] = ()
    probes: int = 0


def refusals(asked: Asked, standing: Standing) -> tuple[Clause, ...]:
    """The clauses that refuse, in the order of ``Clause``; none when the owner admits the job."""
    return tuple(clause for clause in Clause if not CLAUSES[clause](asked, standing))


def is_refusal(reason: str) -> bool:
    """Whether an attempt ended because the owner's policy, or the engine there, refused it."""
    return reason.partition(":")[0] in (REFUSED, UNFIT)


def rests(refused_at: Sequence[datetime], now: datetime) -> bool:
    """Whether a place that refused a task at these moments is left alone by that task: else the two would loop."""
    if not refused_at:
        return False
    doubled: int = 1 << min(len(refused_at) - 1, 16)
    return now < max(refused_at) + min(_LONGEST_REST, FIRST_REST * doubled)


def level_admits(level: JoinLevel, entity: str, own: str | None, partners: Collection[str]) -> bool:
    """Whether ordinary jobs of the entity may run at a platform of this level, whose entity is ``own``."""
    if level is JoinLevel.RUN:
        return entity == own or entity in partners
    return level is JoinLevel.TRADE


def is_open(hours: Sequence[Window], start: datetime, end: datetime) -> bool:
    """Whether [start, end) lies within the windows, which may follow on each other; without windows it does."""
    if not hours:
        return True
    reached = start
    for begin, until in sorted(span for window in hours for span in _spans(window, start, end)):
        if begin > reached:
            break
        reached = max(reached, until)
    return reached >= end


def _spans(window: Window, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The times at which the window is open around [start, end), in UTC."""
    zone, begin, until = ZoneInfo(window.zone), minutes(window.begin), minutes(window.until)
    until += DAY_MINUTES if until <= begin else 0
    day, last = start.astimezone(zone).date() - timedelta(days=2), end.astimezone(zone).date()
    while day <= last:
        if tuple(Weekday)[day.weekday()] in window.days:
            yield max(_moments(day, begin, zone)), min(_moments(day, until, zone))
        day += timedelta(days=1)


def _moments(day: date, minute: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the clocks show so many minutes after midnight: two moments where they are set back, or skip it."""
    wall = datetime.combine(day, time.min) + timedelta(minutes=minute)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _level(asked: Asked, standing: Standing) -> bool:
    policy = standing.policy
    if asked.probe is not None:
        return standing.level is not JoinLevel.OBSERVE
    return level_admits(standing.level, asked.entity, policy.own_entity, policy.partners)


def _entity(asked: Asked, standing: Standing) -> bool:
    policy = standing.policy
    if asked.probe is not None or asked.entity == policy.own_entity:
        return True
    accepted = ANYBODY in policy.entities or asked.entity in policy.entities or asked.entity in policy.partners
    return accepted and asked.entity not in policy.refused


def _isolation(asked: Asked, standing: Standing) -> bool:
    at_home = asked.probe is not None or asked.entity == standing.policy.own_entity
    return at_home or standing.isolated or standing.policy.allow_unisolated


def _environment(asked: Asked, standing: Standing) -> bool:
    name = asked.environment
    return name is None or asked.probe is not None or _matched(standing.policy.environments, (name,))


def _image(asked: Asked, standing: Standing) -> bool:
    if asked.image is None:
        return True
    name, _at, digest = asked.image.partition("@")
    return _matched(standing.policy.images, (asked.image, name, digest))


def _matched(patterns: Sequence[str], names: Sequence[str]) -> bool:
    forms = [".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns]
    return any(re.fullmatch(form, name) for form in forms for name in names)


def _hours(asked: Asked, standing: Standing) -> bool:
    """Within the hours, and not into a downtime; what can be moved may begin before one."""
    end = standing.now + timedelta(seconds=0 if asked.movable else asked.wall_time_s)
    if any(down.start <= end and standing.now < down.end for down in standing.policy.downtime):
        return False
    return is_open(standing.policy.hours, standing.now, standing.now + timedelta(seconds=asked.wall_time_s))


def _caps(asked: Asked, standing: Standing) -> bool:
    caps, every = standing.policy.caps, [Taken(asked.entity, asked.granted), *standing.taken]
    mine = [taken for taken in every if taken.entity == asked.entity]
    together, of_entity = total(taken.granted for taken in every), total(taken.granted for taken in mine)
    return all(
        cap is None or amount <= cap
        for amount, cap in (
            (together.cpu, caps.cpu),
            (together.memory, caps.memory),
            (together.accelerator, caps.accelerator),
            (sum(taken.count for taken in every), caps.attempts),
            (of_entity.cpu, caps.entity_cpu),
            (of_entity.memory, caps.entity_memory),
            (sum(taken.count for taken in mine), caps.entity_attempts),
            (asked.wall_time_s, caps.wall_time_s),
        )
    )


def _price(asked: Asked, standing: Standing) -> bool:
    """At level trade nothing of others runs without a price, nor below the floor."""
    at_home = asked.probe is not None or asked.entity == standing.policy.own_entity
    if at_home or standing.level is not JoinLevel.TRADE:
        return True
    return bool(asked.rates) and not below_floor(asked.granted, asked.rates, standing.policy)


def below_floor(granted: Resources, rates: Sequence[Rate], policy: OwnerPolicy) -> tuple[ResourceKind, ...]:
    """The kinds of which something is granted and that are sold below the owner's floor, or not priced at all."""
    sold, floors, amounts = {rate.kind: rate.per_unit_hour for rate in rates}, policy.floors(), granted.base()
    return tuple(
        kind for kind in ResourceKind if amounts[kind] and kind in floors and sold.get(kind, -1) < floors[kind]
    )


def _network(asked: Asked, standing: Standing) -> bool:
    return not asked.network or standing.policy.network is NetworkRule.ALLOWED


def _data_level(asked: Asked, standing: Standing) -> bool:
    return asked.data_level <= standing.policy.max_data_level


def _probes(asked: Asked, standing: Standing) -> bool:
    """A probe takes no more than its cap and nothing but its own environment, which nobody else may use."""
    if asked.probe is None:
        return asked.environment != PROBE_ENVIRONMENT
    cap, cores = standing.policy.probes, BASE_PER_UNIT[ResourceKind.CPU]
    held = sum(taken.granted.cpu for taken in standing.taken if taken.probe)
    return (
        asked.environment == PROBE_ENVIRONMENT
        and asked.image is None
        and not asked.network
        and asked.wall_time_s <= cap.seconds
        and asked.granted.cpu + held <= cap.cpu * cores
        and standing.probes < cap.per_day
    )


CLAUSES: Final[Mapping[Clause, Callable[[Asked, Standing], bool]]] = {
    Clause.LEVEL: _level,
    Clause.ENTITY: _entity,
    Clause.ISOLATION: _isolation,
    Clause.ENVIRONMENT: _environment,
    Clause.IMAGE: _image,
    Clause.HOURS: _hours,
    Clause.CAPS: _caps,
    Clause.PRICE: _price,
    Clause.NETWORK: _network,
    Clause.DATA_LEVEL: _data_level,
    Clause.PROBES: _probes,
}
"""How each clause is asked; True admits."""
