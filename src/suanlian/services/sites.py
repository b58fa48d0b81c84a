"""Looking at a site's certificate: what an operator checks counts, what an owner claims does not by itself."""

from suanlian.model.errors import ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.levels import NewSiteCheck, SiteCheck
from suanlian.model.party import Caller
from suanlian.model.version import Subject
from suanlian.rules.levels import today
from suanlian.store import levels, platforms, published
from suanlian.store.gates import entities_of
from suanlian.store.unit import Row, Unit


def check(unit: Unit, caller: Caller, ref: str, site: str, new: NewSiteCheck) -> SiteCheck:
    """Note what was found at a site; it counts from now on, in place of what was found before.

    Raises NotFoundError, InvalidError ``qualification_expired``, ForbiddenError ``own_platform``.
    """
    platform = _platform(unit, ref)
    if platform["entity_id"] in entities_of(unit, caller):
        wrong = f"{platform['name']!r} belongs to your own entity."
        raise ForbiddenError("own_platform", wrong, todo="Let an operator of another entity look at it.")
    if not any(row["name"] == site for row in _sites(unit, platform)):
        wrong = f"{platform['name']!r} publishes no site named {site[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian sites lists them.", field="site")
    if new.valid_until < today(unit.now):
        wrong = f"The certificate ran out on {new.valid_until}."
        todo = "Ask the owner for the one that is in force."
        raise InvalidError("qualification_expired", wrong, todo=todo, field="valid_until")
    before = levels.newest_checks(unit, platform_id=platform["id"], site=site).get((platform["id"], site))
    row = {
        **new.model_dump(),
        "id": new_id(),
        "platform_id": platform["id"],
        "site": site,
        "checked_by": caller.principal_id,
        "checked_at": unit.now,
    }
    levels.add_check(unit, row)
    unit.record(
        EventType.SITE_CHECKED,
        platform["id"],
        site=site,
        before=None if before is None else _told(before),
        after=_told(row),
        why=new.why,
    )
    return levels.check_value(row, platform["name"])


def checks(unit: Unit, ref: str, *, limit: int) -> list[SiteCheck]:
    """The checks of a platform's sites, the newest first; of each site the first counts. Raises NotFoundError."""
    platform = _platform(unit, ref)
    return [levels.check_value(row, platform["name"]) for row in levels.checks_of(unit, platform["id"], limit=limit)]


def _platform(unit: Unit, ref: str) -> Row:
    row = platforms.find(unit, ref)
    if row is None:
        wrong = f"No platform has the name or identifier {ref[:80]!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="platform")
    return row


def _sites(unit: Unit, platform: Row) -> list[Row]:
    rows = published.current(unit, platform_id=platform["id"], subjects=[Subject.SITE], at=unit.now)
    return [row for row in rows if not row["withdrawn"]]


def _told(row: Row) -> dict[str, object]:
    return {name: str(row[name]) for name in ("grade", "region", "number", "valid_until")}
