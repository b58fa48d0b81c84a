"""May data of this level lie there? Asked by the hub before it places, and again by the connector before a start. Pure.

Nothing but a check that still holds makes a claim count: the grade up to the lower of both, the region where both say
the same. So an owner who claims more, or moves a site, has nothing by it until an operator looked again.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from suanlian.model.job import Wants
from suanlian.model.levels import LOWEST, Footing, HubRules, LevelRules, SiteCheck
from suanlian.model.platform import Site

_CHINA: Final = timedelta(hours=8)
_PAIR: Final = 2


def today(now: datetime) -> date:
    """The day in China at this moment."""
    return (now + _CHINA).date()


def footing(site: Site, check: SiteCheck | None, now: datetime) -> Footing:
    """What is known of a site at this moment."""
    if check is None or check.valid_until < today(now):
        return Footing()
    region = site.region if site.region == check.region else None
    return Footing(region=region, grade=min(site.protection_grade, check.grade), valid_until=check.valid_until)


def is_bound(wants: Wants, rules: LevelRules) -> bool:
    """Whether the job asks for anything of this at all."""
    needed = max(level_grade(wants, rules), wants.protection_min)
    return wants.data_level > LOWEST or bool(wants.residency) or needed > 0


def lies_within(region: str | None, allowed: Sequence[str]) -> bool:
    """Whether a known region lies in one of those that are allowed; all do where none is named."""
    return not allowed or (region is not None and any(region.startswith(_stem(code)) for code in allowed))


def level_grade(wants: Wants, rules: LevelRules) -> int:
    """The protection grade that the job's data level needs."""
    return rules.needed(wants.data_level)


def unfit_at(found: Footing, wants: Wants, rules: LevelRules) -> str:
    """Why a place of which this is known must not have the job, in English words; empty when it may."""
    needed = max(level_grade(wants, rules), wants.protection_min)
    if found.grade < needed:
        return f"data level {wants.data_level} and the job need protection grade {needed}, {found.grade} is checked"
    if not lies_within(found.region, wants.residency):
        region = found.region or "in no region that was checked"
        return f"the job stays within {', '.join(wants.residency)}, the site is {region}"
    return ""


def narrowed(relied: Footing | None, site: Site, now: datetime) -> Footing:
    """What a connector goes by: no more than its own site claims, whatever the hub relied on; nothing once lapsed."""
    if relied is None or relied.valid_until is None or relied.valid_until < today(now):
        return Footing()
    region = site.region if relied.region == site.region else None
    return relied.model_copy(update={"region": region, "grade": min(relied.grade, site.protection_grade)})


def hub_is_outside(wants: Wants, hub: HubRules) -> bool:
    """Whether the hub, where inputs, logs and outputs lie, is outside of the job's regions."""
    return not lies_within(hub.region, wants.residency)


def hub_is_too_low(wants: Wants, hub: HubRules) -> int:
    """The grade that the hub would need to keep the job's data; 0 when it has it."""
    needed = max(level_grade(wants, hub.levels), wants.protection_min)
    return needed if hub.grade < needed else 0


def _stem(code: str) -> str:
    """The part of a code that says something: a code that ends in 00 means the whole above it."""
    while len(code) > _PAIR and code.endswith("00"):
        code = code[:-_PAIR]
    return code
