"""Links between sites: offers of carriers, the newest samples of each pair, reservations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, or_, select, update

from suanlian.model.data import StorageShare
from suanlian.model.ids import new_id
from suanlian.model.link import LinkSample, NewLink, Reservation
from suanlian.model.platform import Site
from suanlian.model.version import Subject
from suanlian.store import platforms, published
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

KEPT: Final = 200
"""So many samples of a pair of sites are kept."""
Pair = tuple[str, str]


def add(unit: Unit, row: Row) -> None:
    """Insert a link."""
    unit.connection.execute(insert(t.link).values(**row))


def find(unit: Unit, name: str) -> Row | None:
    """The live link of a name, with the name of its carrier."""
    return unit.connection.execute(_offers().where(t.link.c.name == name)).mappings().one_or_none()


def live(unit: Unit) -> Sequence[Row]:
    """All that are offered, with their carriers' names."""
    return unit.connection.execute(_offers().order_by(t.link.c.start, t.link.c.end, t.link.c.name)).mappings().all()


def _offers() -> Select[Any]:
    return (
        select(*t.link.c, t.entity.c.name.label("carrier"))
        .join(t.entity, t.entity.c.id == t.link.c.entity_id)
        .where(t.link.c.withdrawn_at.is_(None))
    )


def count_of(unit: Unit, entity_id: str) -> int:
    """How many an entity offers."""
    query = select(func.count()).select_from(t.link)
    query = query.where(t.link.c.entity_id == entity_id, t.link.c.withdrawn_at.is_(None))
    return int(unit.connection.execute(query).scalar_one())


def withdraw(unit: Unit, link_id: str) -> None:
    """It is offered no more."""
    unit.connection.execute(update(t.link).where(t.link.c.id == link_id).values(withdrawn_at=unit.now))


def body_of(row: Row) -> NewLink:
    """The link of a row."""
    return NewLink.model_validate_json(row["body"])


def add_sample(unit: Unit, pair: Pair, sample: LinkSample) -> None:
    """Keep a measurement; of those of its pair only the newest stay. One from the future is from now."""
    start, end = pair
    at = min(sample.at, unit.now)
    body = sample.model_copy(update={"at": at}).model_dump_json()
    row = {"id": new_id(), "start": start, "end": end, "at": at, "body": body}
    unit.connection.execute(insert(t.link_sample).values(**row))
    s = t.link_sample.c
    mine = (s.start == start) & (s.end == end)
    over = select(s.id).where(mine).order_by(s.at.desc(), s.id.desc()).offset(KEPT)
    gone = list(unit.connection.execute(over).scalars())
    if gone:
        unit.connection.execute(delete(t.link_sample).where(s.id.in_(gone)))


def newest_samples(unit: Unit, *, each: int) -> dict[Pair, list[LinkSample]]:
    """Of each pair of sites that was measured the newest ``each``."""
    s = t.link_sample.c
    number = func.row_number().over(partition_by=(s.start, s.end), order_by=(s.at.desc(), s.id.desc())).label("number")
    ranked = select(s.start, s.end, s.body, number).subquery()
    query = select(ranked.c.start, ranked.c.end, ranked.c.body).where(ranked.c.number <= each)
    found: dict[Pair, list[LinkSample]] = {}
    for start, end, body in unit.connection.execute(query.order_by(ranked.c.start, ranked.c.end, ranked.c.number)):
        found.setdefault((start, end), []).append(LinkSample.model_validate_json(body))
    return found


def sites(unit: Unit) -> dict[str, Site]:
    """Every site that a platform publishes, as people write it: ``platform/site``."""
    names = {row["id"]: row["name"] for row in platforms.list_all(unit)}
    rows = published.current(unit, subjects=[Subject.SITE.value], at=unit.now)
    return {
        f"{names[row['platform_id']]}/{row['name']}": Site.model_validate_json(row["body"])
        for row in rows
        if not row["withdrawn"] and row["platform_id"] in names
    }


def storage_sites(unit: Unit) -> set[str]:
    """Sites with storage that takes bytes: there a copy can stand between."""
    names = {row["id"]: row["name"] for row in platforms.list_all(unit)}
    found = set()
    for row in published.current(unit, subjects=[Subject.STORAGE.value], at=unit.now):
        share = StorageShare.model_validate_json(row["body"])
        if not row["withdrawn"] and not share.read_only and row["platform_id"] in names:
            found.add(f"{names[row['platform_id']]}/{share.site}")
    return found


def reserve(unit: Unit, row: Row) -> None:
    """Insert a reservation."""
    unit.connection.execute(insert(t.link_reservation).values(**row))


def held_of(unit: Unit, link_id: str, start: datetime, end: datetime) -> Sequence[Row]:
    """Reservations of a link that reach into a time and were not given back."""
    r = t.link_reservation.c
    query = _reservations().where(r.link_id == link_id, r.start_at < end, r.end_at > start, r.ended_at.is_(None))
    return unit.connection.execute(query).mappings().all()


def ahead(unit: Unit, *, link_id: str | None = None, limit: int | None = None) -> Sequence[Row]:
    """Reservations that are not over, of a link or of all, the first to end first."""
    r = t.link_reservation.c
    query = _reservations().where(r.end_at > unit.now, r.ended_at.is_(None)).order_by(r.end_at, r.id)
    if link_id is not None:
        query = query.where(r.link_id == link_id)
    return unit.connection.execute(query if limit is None else query.limit(limit)).mappings().all()


def reservation(unit: Unit, reservation_id: str) -> Row | None:
    """One of them."""
    query = _reservations().where(t.link_reservation.c.id == reservation_id)
    return unit.connection.execute(query).mappings().one_or_none()


def reservations(
    unit: Unit, *, account_id: str | None, entity_id: str | None, before: str, limit: int
) -> Sequence[Row]:
    """Of an account, or on an entity's links, or all; the newest first."""
    query = _reservations().order_by(t.link_reservation.c.id.desc()).limit(limit)
    mine = [t.link_reservation.c.account_id == account_id] if account_id is not None else []
    mine += [t.link.c.entity_id == entity_id] if entity_id is not None else []
    if mine:
        query = query.where(or_(*mine))
    if before:
        query = query.where(t.link_reservation.c.id < before)
    return unit.connection.execute(query).mappings().all()


def give_back(unit: Unit, reservation_id: str) -> bool:
    """End it now; whether it had not ended."""
    r = t.link_reservation
    query = update(r).where(r.c.id == reservation_id, r.c.ended_at.is_(None)).values(ended_at=unit.now)
    return unit.connection.execute(query).rowcount == 1


def _reservations() -> Select[Any]:
    r = t.link_reservation
    return (
        select(*r.c, t.link.c.name.label("link"), t.link.c.entity_id, t.account.c.name.label("account"))
        .join(t.link, t.link.c.id == r.c.link_id)
        .join(t.account, t.account.c.id == r.c.account_id)
    )


def reservation_value(row: Row) -> Reservation:
    """A reservation as its holder and the carrier see it."""
    return Reservation(
        id=row["id"],
        account=row["account"],
        link=row["link"],
        start=row["start_at"],
        end=row["end_at"],
        mbps=row["mbps"],
        cost_cny=row["cost_cny"],
        ended_at=row["ended_at"],
    )
