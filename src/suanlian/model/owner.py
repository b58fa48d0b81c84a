"""What a platform's owner allows, whatever a hub says: how far it has joined, and the owner's policy."""

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from suanlian.model.base import Name, Value, plain_text
from suanlian.model.job import MAX_WALL_S
from suanlian.model.levels import HIGHEST, Level, LevelRules, ProtectionGrade
from suanlian.model.money import Amount, Rate
from suanlian.model.platform import Downtime
from suanlian.model.probe import ProbeCap
from suanlian.model.quantity import Cards, Cores, ResourceKind, Size

ANYBODY: Final = "*"
"""Stands for everybody's jobs in ``entities``, for everything in ``images`` and ``environments``."""
DAY_MINUTES: Final = 24 * 60


class JoinLevel(StrEnum):
    """How far a connector has joined; its owner chooses, and may go back at any time."""

    OBSERVE = "observe"
    """Identifier, inventory and load are shown; nothing is dispatched."""
    RUN = "run"
    """Jobs of the platform's own entity and of its partners run, without a price."""
    TRADE = "trade"
    """What the offers say is sold to whomever the policy accepts."""


class Weekday(StrEnum):
    """A day of the week, in the order of ``datetime.weekday``."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def minutes(clock: str) -> int:
    """Minutes since midnight of a time as a policy writes it, ``00:00`` to ``24:00``."""
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def _clock(text: str) -> str:
    if text != "24:00":
        time.fromisoformat(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"{name[:60]!r} is no time zone of the IANA list, such as Asia/Shanghai"
        raise ValueError(msg) from error
    return name


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"), AfterValidator(_clock)]
"""A time of the day: 00:00 to 24:00."""

Zone = Annotated[str, StringConstraints(max_length=60), AfterValidator(plain_text), AfterValidator(_zone)]
"""A time zone by its name in the IANA list."""

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(plain_text)]
"""A name in which ``*`` stands for any characters."""


class Window(Value):
    """Hours of a week in which jobs may run. ``until`` at or before ``begin`` lies on the following day."""

    days: tuple[Weekday, ...] = Field(default=tuple(Weekday), min_length=1, max_length=7)
    begin: Clock
    until: Clock
    zone: Zone

    @model_validator(mode="after")
    def _begins_on_a_day(self) -> Self:
        if self.begin == "24:00":
            msg = "a window begins at 00:00 of the following day, not at 24:00"
            raise ValueError(msg)
        return self


class Caps(Value):
    """What jobs of a hub take at most, at once; None: only the share bounds them. ``wall_time_s`` of one job."""

    cpu: Cores | None = None
    memory: Size | None = None
    accelerator: Cards | None = None
    attempts: int | None = Field(default=None, ge=0, le=1_000_000)
    entity_cpu: Cores | None = Field(default=None, description="of one entity's jobs")
    entity_memory: Size | None = Field(default=None, description="of one entity's jobs")
    entity_attempts: int | None = Field(default=None, ge=0, le=1_000_000, description="of one entity")
    wall_time_s: int | None = Field(default=None, ge=1, le=MAX_WALL_S)


class NetworkRule(StrEnum):
    """Whether jobs may have a network."""

    ALLOWED = "allowed"
    NEVER = "never"


class DataRate(Value):
    """At most so many megabits per second, all moves together, within these hours."""

    hours: Window
    mbps: Amount = Field(ge=0, description="0: nothing moves then")


class DataClauses(Value):
    """What the owner allows of storage: whose datasets may lie here, and how fast they may move."""

    entities: tuple[str, ...] | None = Field(
        default=None, max_length=4000, description="whose data may lie here; left out: whose jobs are accepted"
    )
    max_level: Level | None = Field(default=None, description="left out: max_data_level")
    mbps: Amount | None = Field(default=None, ge=0, description="at most, where no hours of `rates` say otherwise")
    rates: tuple[DataRate, ...] = Field(default=(), max_length=64, description="the first whose hours it is holds")


class OwnerPolicy(Value):
    """What the owner allows, checked at the platform whatever a hub says. Every clause must admit a job."""

    own_entity: Name | None = Field(default=None, description="whose platform it is: its jobs need no isolation here")
    partners: tuple[Name, ...] = Field(default=(), max_length=400, description="whose jobs run at level run, too")
    entities: tuple[str, ...] = Field(
        default=(ANYBODY,), max_length=4000, description="whose jobs are accepted; * means anybody's"
    )
    refused: tuple[Name, ...] = Field(default=(), max_length=4000, description="whose jobs are never accepted")
    images: tuple[Pattern, ...] = Field(default=(ANYBODY,), max_length=400, description="names or digests; * stands in")
    environments: tuple[Pattern, ...] = Field(default=(ANYBODY,), max_length=400)
    hours: tuple[Window, ...] = Field(default=(), max_length=64, description="none: at any time")
    caps: Caps = Caps()
    price_floor: tuple[Rate, ...] = Field(default=(), max_length=4, description="nothing is sold below")
    network: NetworkRule = NetworkRule.ALLOWED
    max_data_level: Level = Field(default=HIGHEST, description="1 public, 2 internal, 3 sensitive, 4 regulated")
    level_grades: Mapping[Level, ProtectionGrade] = Field(
        default_factory=dict, description="the protection grade that a data level needs here; else its own number"
    )
    data: DataClauses = DataClauses()
    probes: ProbeCap = ProbeCap()
    allow_unisolated: bool = Field(default=False, description="take other entities' jobs though nothing isolates them")
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="scheme://host:port of inputs that may be read though they are not public addresses"
    )
    downtime: tuple[Downtime, ...] = Field(default=(), max_length=400, description="when the platform is off")
    paused: bool = Field(default=False, description="begin paused; `pause` and `resume` override it")
    max_input_mib: int = Field(default=1024, ge=1, le=1024 * 1024, description="longest input that is fetched by URL")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        kinds = [rate.kind for rate in self.price_floor]
        if len(set(kinds)) != len(kinds):
            msg = "price_floor names a kind of resource twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        LevelRules(grades=self.level_grades)
        return self

    def floors(self) -> dict[ResourceKind, Decimal]:
        """The least price of a unit-hour, by kind."""
        return {rate.kind: rate.per_unit_hour for rate in self.price_floor}
