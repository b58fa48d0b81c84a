"""Identifiers: descriptors by version, acts, marks by which doubles are found, transfers, answers of other hubs."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit


def last_descriptor(unit: Unit, platform_id: str, part: str) -> Row | None:
    """The newest version of a part."""
    mine = (t.descriptor.c.platform_id == platform_id) & (t.descriptor.c.part == part)
    query = select(t.descriptor).where(mine).order_by(t.descriptor.c.version.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def descriptor(unit: Unit, platform_id: str, part: str, version: int) -> Row | None:
    """One version of a part."""
    which = (t.descriptor.c.platform_id == platform_id) & (t.descriptor.c.part == part)
    query = select(t.descriptor).where(which & (t.descriptor.c.version == version))
    return unit.connection.execute(query).mappings().one_or_none()


def descriptors(unit: Unit, platform_id: str, *, part: str | None, after: tuple[str, int], limit: int) -> Sequence[Row]:
    """Versions in the order of parts and numbers, behind ``after``."""
    c = t.descriptor.c
    behind = or_(c.part > after[0], (c.part == after[0]) & (c.version > after[1]))
    query = select(t.descriptor).where(c.platform_id == platform_id, behind)
    if part is not None:
        query = query.where(c.part == part)
    return unit.connection.execute(query.order_by(c.part, c.version).limit(limit)).mappings().all()


def parts(unit: Unit, platform_id: str) -> list[str]:
    """The parts that were ever described."""
    query = select(t.descriptor.c.part).where(t.descriptor.c.platform_id == platform_id).distinct()
    return sorted(unit.connection.execute(query).scalars())


def add_descriptor(unit: Unit, row: Row) -> None:
    """Keep a version."""
    unit.connection.execute(insert(t.descriptor).values(**row))


def all_descriptors(unit: Unit) -> Sequence[Row]:
    """Every version of every part: what a hub signs anew when its key changes."""
    return unit.connection.execute(select(t.descriptor)).mappings().all()


def sign_anew(unit: Unit, row: Row, counter: str, counter_signature: str) -> None:
    """Put the hub's signature by another key in the place of the one before."""
    c = t.descriptor.c
    which = (c.platform_id == row["platform_id"]) & (c.part == row["part"]) & (c.version == row["version"])
    unit.connection.execute(
        update(t.descriptor).where(which).values(counter=counter, counter_signature=counter_signature)
    )


def registration(unit: Unit, platform_id: str) -> Row | None:
    """What became of an identifier; None while nothing did."""
    query = select(t.registration).where(t.registration.c.platform_id == platform_id)
    return unit.connection.execute(query).mappings().one_or_none()


def change_registration(unit: Unit, platform_id: str, old: str, row: Row) -> bool:
    """Change the standing if it is still ``old``; ``active`` may stand without a row."""
    first = {"platform_id": platform_id, "standing": "active", "moved_to": "", "since": unit.now}
    insert_new(unit.connection, t.registration, [first])
    which = (t.registration.c.platform_id == platform_id) & (t.registration.c.standing == old)
    values = {**row, "since": unit.now}
    return unit.connection.execute(update(t.registration).where(which).values(**values)).rowcount == 1


def add_act(unit: Unit, row: Row) -> None:
    """Write down what happened to an identifier."""
    unit.connection.execute(insert(t.identifier_act).values(**row))


def acts(unit: Unit, platform_id: str, *, after: int, limit: int) -> Sequence[Row]:
    """What happened to an identifier, in order."""
    c = t.identifier_act.c
    query = select(t.identifier_act).where(c.platform_id == platform_id, c.number > after)
    return unit.connection.execute(query.order_by(c.number).limit(limit)).mappings().all()


def put_marks(unit: Unit, connector: Row, marks: Iterable[tuple[str, str]]) -> None:
    """From now on these are the connector's marks, and no others."""
    wanted = set(marks)
    mine = t.identifier_mark.c.connector_id == connector["id"]
    found = unit.connection.execute(select(t.identifier_mark.c.kind, t.identifier_mark.c.value).where(mine)).all()
    there = {(str(kind), str(value)) for kind, value in found}
    for kind, value in sorted(there - wanted):
        which = mine & (t.identifier_mark.c.kind == kind) & (t.identifier_mark.c.value == value)
        unit.connection.execute(delete(t.identifier_mark).where(which))
    who = {"connector_id": connector["id"], "platform_id": connector["platform_id"], "since": unit.now}
    rows = [{"kind": kind, "value": value, **who} for kind, value in sorted(wanted - there)]
    insert_new(unit.connection, t.identifier_mark, rows)


def same_marks(unit: Unit, platform_id: str, kind: str, values: Sequence[str]) -> Sequence[Row]:
    """The same marks at other platforms that are not withdrawn, with their owner."""
    c, p = t.identifier_mark.c, t.platform.c
    query = (
        select(t.identifier_mark, p.entity_id, p.public_id)
        .join(t.platform, p.id == c.platform_id)
        .where(c.kind == kind, c.value.in_(values), c.platform_id != platform_id, p.state != "withdrawn")
        .order_by(c.value, c.platform_id)
    )
    return unit.connection.execute(query).mappings().all() if values else []


def doubled_marks(unit: Unit, limit: int) -> Sequence[Row]:
    """Marks that stand at more than one platform that is not withdrawn, a row a platform."""
    c, p = t.identifier_mark.c, t.platform.c
    live = select(c.kind, c.value).join(t.platform, p.id == c.platform_id).where(p.state != "withdrawn")
    twice = live.group_by(c.kind, c.value).having(func.count(c.platform_id.distinct()) > 1)
    twice = twice.order_by(c.kind, c.value).limit(limit)
    pairs = [tuple(pair) for pair in unit.connection.execute(twice).all()]
    found: list[Row] = []
    for kind, value in pairs:
        query = (
            select(c.kind, c.value, func.min(c.since).label("since"), p.public_id, t.entity.c.public_id.label("entity"))
            .join(t.platform, p.id == c.platform_id)
            .join(t.entity, t.entity.c.id == p.entity_id)
            .where(c.kind == kind, c.value == value, p.state != "withdrawn")
            .group_by(c.kind, c.value, p.public_id, t.entity.c.public_id)
            .order_by(p.public_id)
        )
        found += unit.connection.execute(query).mappings().all()
    return found


def add_transfer(unit: Unit, row: Row) -> None:
    """Write a proposed transfer."""
    unit.connection.execute(insert(t.transfer).values(**row))


def find_transfer(unit: Unit, transfer_id: str) -> Row | None:
    """One transfer, locked until the unit ends."""
    query = select(t.transfer).where(t.transfer.c.id == transfer_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def open_transfer(unit: Unit, platform_id: str) -> Row | None:
    """The transfer of this platform that is on its way."""
    c = t.transfer.c
    query = select(t.transfer).where(c.platform_id == platform_id, c.ended_at.is_(None)).order_by(c.id.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def transfers(unit: Unit, platform_id: str) -> Sequence[Row]:
    """Every transfer of a platform, newest first."""
    query = select(t.transfer).where(t.transfer.c.platform_id == platform_id).order_by(t.transfer.c.id.desc())
    return unit.connection.execute(query).mappings().all()


def change_transfer(unit: Unit, transfer_id: str, values: dict[str, Any]) -> None:
    """Change a transfer."""
    unit.connection.execute(update(t.transfer).where(t.transfer.c.id == transfer_id).values(**values))


def give_platform(unit: Unit, platform_id: str, entity_id: str) -> None:
    """From now on the platform is this entity's."""
    unit.connection.execute(update(t.platform).where(t.platform.c.id == platform_id).values(entity_id=entity_id))


def cached(unit: Unit, identifier: str) -> Row | None:
    """What another hub answered last."""
    query = select(t.resolution).where(t.resolution.c.identifier == identifier)
    return unit.connection.execute(query).mappings().one_or_none()


def keep_answer(unit: Unit, row: Row) -> None:
    """Keep what another hub answered."""
    if not insert_new(unit.connection, t.resolution, [row]):
        which = t.resolution.c.identifier == row["identifier"]
        unit.connection.execute(update(t.resolution).where(which).values(**row))


def forget_answers(unit: Unit, prefix: str) -> None:
    """Drop what was answered for identifiers below a prefix: whoever is in charge of them has changed."""
    c = t.resolution.c.identifier
    below = or_(c.startswith(prefix + "-", autoescape=True), c.startswith(prefix + ".", autoescape=True))
    unit.connection.execute(delete(t.resolution).where(below))


def sweep_answers(unit: Unit, keep: int) -> int:
    """Forget the oldest answers beyond so many."""
    newest = select(t.resolution.c.identifier).order_by(t.resolution.c.fetched_at.desc()).offset(keep)
    return unit.connection.execute(delete(t.resolution).where(t.resolution.c.identifier.in_(newest))).rowcount
