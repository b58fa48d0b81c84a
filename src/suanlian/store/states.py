"""The newest load of each share, and how far connectors have joined."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update

from suanlian.model.ids import PlatformId, ShareId
from suanlian.model.load import ShareFact, ToldLoad
from suanlian.model.place import is_simulated
from suanlian.model.version import Subject
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.loads import told as loads_told
from suanlian.store.places import Places
from suanlian.store.unit import Row, Unit


def set_level(unit: Unit, connector_id: str, values: Mapping[str, Any]) -> None:
    """Change level or partners of a connector."""
    unit.connection.execute(update(t.connector).where(t.connector.c.id == connector_id).values(**values))


def shares_of(unit: Unit, connector_id: str, names: Sequence[str]) -> dict[str, str]:
    """The ids of the shares of these names that the connector publishes."""
    query = (
        select(t.published.c.name, t.published.c.id)
        .where(t.published.c.connector_id == connector_id, t.published.c.subject == "share")
        .where(t.published.c.name.in_(names), t.published.c.version == 1)
    )
    return {str(name): str(share_id) for name, share_id in unit.connection.execute(query)}


def put(unit: Unit, share_id: str, row: Row) -> None:
    """Write the newest of one share; columns that ``row`` leaves out stay as they are."""
    which = t.share_state.c.share_id == share_id
    if unit.connection.execute(update(t.share_state).where(which).values(**row)).rowcount == 0:
        insert_new(unit.connection, t.share_state, [{"share_id": share_id, **row}])


def facts(unit: Unit) -> list[ShareFact]:
    """Every share that is published, with what is kept of its load, by the names of platform and share."""
    places, told = Places(unit), loads_told(unit)
    shares = (row for row in places.rows.values() if row["subject"] == Subject.SHARE)
    found = (_fact(places, row, told.get(row["id"])) for row in shares)
    return sorted(found, key=lambda fact: (fact.platform, fact.share))


def _fact(places: Places, row: Row, told: ToldLoad | None) -> ShareFact:
    share, platform = places.body(row), places.platforms[row["platform_id"]]
    flavor = places.flavor_of(row)
    return ShareFact(
        share_id=ShareId(row["id"]),
        platform_id=PlatformId(platform["id"]),
        entity_id=platform["entity_id"],
        platform=platform["name"],
        share=share.name,
        level=places.level(row),
        capacity=share.capacity,
        simulated=flavor is not None and is_simulated(flavor),
        told=told,
    )
