"""Checks of sites, append-only: the newest of a site counts."""

from collections.abc import Sequence

from sqlalchemy import insert, select

from suanlian.model.levels import SiteCheck
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add_check(unit: Unit, row: Row) -> None:
    """Append a check."""
    unit.connection.execute(insert(t.site_check).values(**row))


def newest_checks(unit: Unit, *, platform_id: str | None = None, site: str | None = None) -> dict[tuple[str, str], Row]:
    """The check that counts of each site, by platform and the site's name."""
    query = select(t.site_check).order_by(t.site_check.c.id)
    if platform_id is not None:
        query = query.where(t.site_check.c.platform_id == platform_id)
    if site is not None:
        query = query.where(t.site_check.c.site == site)
    return {(row["platform_id"], row["site"]): row for row in unit.connection.execute(query).mappings()}


def checks_of(unit: Unit, platform_id: str, *, limit: int) -> Sequence[Row]:
    """The checks of a platform's sites, the newest first."""
    query = select(t.site_check).where(t.site_check.c.platform_id == platform_id)
    return unit.connection.execute(query.order_by(t.site_check.c.id.desc()).limit(limit)).mappings().all()


def check_value(row: Row, platform: str) -> SiteCheck:
    """The check of a row."""
    names = ("site", "grade", "region", "number", "issuer", "valid_until", "why", "checked_by", "checked_at")
    return SiteCheck.model_validate({**{name: row[name] for name in names}, "platform": platform})
