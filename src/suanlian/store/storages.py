"""The storage of one moment: what is published of it, where it lies, whether it is heard of, what is booked there."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from suanlian.model.data import StorageShare
from suanlian.model.platform import PlatformState, Site
from suanlian.model.transfer_plan import StoragePlace
from suanlian.model.version import Subject
from suanlian.store import levels, parties, platforms, published
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

UNHEARD: Final = timedelta(seconds=120)
"""Storage whose connector was not heard of for this long is not reached."""
_SUBJECTS: Final = (Subject.SITE, Subject.STORAGE)


def is_heard(connector: Row | None, unit: Unit) -> bool:
    """Whether a connector called a short while ago."""
    if connector is None or connector["lost_since"] is not None or connector["seen_at"] is None:
        return False
    return bool(connector["seen_at"] > unit.now - UNHEARD)


class Storages:
    """Every storage share that was ever published, by id and by how people write it."""

    def __init__(self, unit: Unit) -> None:
        """Read everything in one go."""
        rows = published.current(unit, subjects=_SUBJECTS, at=unit.now)
        owners = {row["id"]: row for row in platforms.list_all(unit)}
        entities = {row["id"]: row["name"] for row in parties.list_entities(unit)}
        connectors = {row["id"]: row for row in platforms.all_connectors(unit)}
        checks = levels.newest_checks(unit)
        sites = {(row["platform_id"], row["name"]): row for row in rows if row["subject"] == Subject.SITE}
        booked = booked_all(unit)
        self.by_id = dict[str, StoragePlace]()
        for row in rows:
            if row["subject"] != Subject.STORAGE:
                continue
            platform, connector = owners[row["platform_id"]], connectors.get(row["connector_id"])
            share = StorageShare.model_validate_json(row["body"])
            site = sites.get((platform["id"], share.site))
            check = checks.get((platform["id"], share.site))
            self.by_id[row["id"]] = StoragePlace(
                id=row["id"],
                platform=platform["name"],
                platform_id=platform["id"],
                entity=entities[platform["entity_id"]],
                connector_id=str(row["connector_id"] or ""),
                share=share,
                site=None if site is None or site["withdrawn"] else Site.model_validate_json(site["body"]),
                check=None if check is None else levels.check_value(check, platform["name"]),
                live=platform["state"] == PlatformState.LIVE,
                reachable=is_heard(connector, unit) and not row["withdrawn"],
                withdrawn=bool(row["withdrawn"]),
                sealing_key="" if connector is None else str(connector["sealing_key"] or ""),
                booked=booked.get(row["id"], 0),
            )
        self.by_ref = {place.ref: place for place in self.by_id.values()}

    def open(self) -> list[StoragePlace]:
        """Those that take copies, in the order of how people write them."""
        found = [place for place in self.by_id.values() if place.live and place.reachable and not place.share.read_only]
        return sorted(found, key=lambda place: place.ref)


def booked_all(unit: Unit, storage_ids: Collection[str] = ()) -> dict[str, int]:
    """Bytes of copies that are not gone and that the market keeps, by storage; what was registered is its owner's."""
    counts = (t.replica.c.state != "gone") & t.replica.c.managed.is_(True)
    query = select(t.replica.c.storage_id, func.sum(t.replica.c.bytes)).where(counts).group_by(t.replica.c.storage_id)
    if storage_ids:
        query = query.where(t.replica.c.storage_id.in_(list(storage_ids)))
    return {storage_id: int(size) for storage_id, size in unit.connection.execute(query)}


def refs_of(unit: Unit, storage_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """How these storages are written, and the site of each."""
    found = dict[str, tuple[str, str]]()
    names = {row["id"]: row["name"] for row in platforms.list_all(unit)}
    for storage_id in set(storage_ids):
        row = published.find(unit, storage_id)
        if row is not None:
            site = StorageShare.model_validate_json(row["body"]).site
            found[storage_id] = (f"{names[row['platform_id']]}/{row['name']}", site)
    return found
