"""What is to be expected of a job that has no place, and what its buyer could change: part of an explanation."""

from enum import StrEnum
from typing import Self

from pydantic import Field, JsonValue

from suanlian.model.base import Name, Text, Utc, Wire
from suanlian.model.ids import ShareId
from suanlian.model.money import Amount

Json = JsonValue
"""Anything that JSON can say."""


class Gain(StrEnum):
    """What a change brings."""

    STARTS = "starts"
    """It has a place, where it has none as it is."""
    CHEAPER = "cheaper"
    GREENER = "greener"
    FASTER = "faster"
    UNKNOWN = "unknown"
    """One that a newer hub has and this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


class Effect(Wire):
    """Where and when the job would start with the change, at what bill and what it emits, by the same estimates."""

    gain: Gain
    share_id: ShareId
    platform: Name
    share: Name
    simulated: bool
    starts: Utc
    billed: Amount | None = Field(default=None, description="of one task, CNY")
    more: Amount | None = Field(default=None, description="above the bill without the change; below zero: less")
    part: Amount | None = Field(default=None, description="of the bill, of CO2 or of time that is saved, 0 to 1")
    g_co2: Amount | None = None
    takes_s: Amount | None = Field(default=None, description="how long a task takes, where that is told apart")


class Change(Wire):
    """One change of a job and what it brings. ``field``: its path in the job, ``start`` where time alone does it."""

    field: Text
    was: JsonValue
    to: JsonValue
    effect: Effect


class Verdict(StrEnum):
    """What becomes of the job as things stand."""

    STARTS = "starts"
    WAITS = "waits"
    NEVER = "never"
    """No place could ever run it, however long it waited."""
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


class Outlook(Wire):
    """What is to be expected, as of the asking; by estimates, no promise."""

    verdict: Verdict
    changes: tuple[Change, ...] = Field(default=(), description="what a buyer could change, the best first")
    starts: Utc | None = Field(default=None, description="by estimates of what runs, if nobody else takes it")
    tasks: int = Field(default=1, ge=1, description="so many tasks wait, or would be submitted")
    room: int = Field(default=0, ge=0, description="so many of them have room now")
    waiting: int = Field(default=0, ge=0, description="so many other jobs wait: what is free may be kept for them")
