"""How sensitive is a job's data, and what is a place known to be fit for? Levels, protection grades, regions, checks.

A site's grade and region are its owner's claim. They count only up to what an operator has checked, by a certificate
with a number and a last day.
"""

from collections.abc import Mapping
from datetime import date
from enum import IntEnum
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from suanlian.model.base import LongText, Name, Region, Text, Utc, Value, Wire


class DataLevel(IntEnum):
    """How sensitive data is."""

    PUBLIC = 1
    INTERNAL = 2
    SENSITIVE = 3
    REGULATED = 4


LOWEST: Final = DataLevel.PUBLIC.value
HIGHEST: Final = DataLevel.REGULATED.value

Level = Annotated[int, Field(ge=LOWEST, le=HIGHEST)]
"""A data level, 1 to 4: public, internal, sensitive, regulated."""

ProtectionGrade = Annotated[int, Field(ge=0, le=4)]
"""A grade of classified protection, 1 to 4; 0 where nothing is known."""

RegionPrefix = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]([0-9]{2}){0,2}$")]
"""A GB/T 2260 code or the beginning of one: 31 or 310000 for all of Shanghai, 3205 for all of Suzhou."""


class LevelRules(Value):
    """Which protection grade each data level needs; what is left out needs the grade of its own number.

    Level 1 is public: it needs none unless a rule says so.
    """

    grades: Mapping[Level, ProtectionGrade] = Field(default_factory=dict)

    def needed(self, level: int) -> int:
        """The grade that the level needs."""
        return self.grades.get(level, 0 if level == LOWEST else level)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        needed = [self.needed(level) for level in range(LOWEST, HIGHEST + 1)]
        if needed != sorted(needed):
            msg = f"a higher data level needs no lower grade, but levels 1-4 need {needed}"
            raise ValueError(msg)
        return self


USUAL_LEVELS: Final = LevelRules()
"""The rules where an operator says nothing else."""


class HubRules(Value):
    """What the operator says of data at this hub: the rules, and where and how well the hub itself keeps it."""

    levels: LevelRules = LevelRules()
    region: Region | None = Field(default=None, description="where the hub's store lies; unknown: within no region")
    grade: ProtectionGrade = 0


class NewSiteCheck(Value):
    """What an operator found when looking at a site's certificate of classified protection and at where it lies."""

    grade: ProtectionGrade
    region: Region
    number: Text = Field(min_length=1, description="of the certificate or filing")
    issuer: Text = ""
    valid_until: date = Field(description="its last day, in China's time")
    why: LongText = Field(min_length=1, description="what was looked at")


class SiteCheck(Value):
    """A check of a site; the newest one counts."""

    platform: Name
    site: Name
    grade: ProtectionGrade
    region: Region
    number: Text
    issuer: Text = ""
    valid_until: date
    why: LongText
    checked_by: str
    checked_at: Utc


class Footing(Wire):
    """What a hub relied on when it gave an attempt its place: the site's region and grade as checked, and how long."""

    region: Region | None = None
    grade: ProtectionGrade = 0
    valid_until: date | None = None
