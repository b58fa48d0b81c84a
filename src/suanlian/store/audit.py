"""The audit log over the journal: rows as they are stored, the chain's records, heads and who holds them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, func, insert, select, type_coerce

from suanlian.model.errors import ConflictError
from suanlian.store import tables as t
from suanlian.store.bulk import insert_rows
from suanlian.store.unit import Row, Unit

_PAGE: Final = 1000
_HASH_BYTES: Final = 32


def _stored() -> Select[*tuple[Any, ...]]:
    """The journal's rows with every column as it is stored."""
    columns: list[ColumnElement[object]] = [column for column in t.event.c if column.name != "at"]
    return select(*columns, type_coerce(t.event.c.at, BigInteger).label("at"))


def rows_after(unit: Unit, number: int, limit: int) -> Sequence[Row]:
    """The journal's rows behind this number."""
    query = _stored().where(t.event.c.number > number).order_by(t.event.c.number).limit(limit)
    return unit.connection.execute(query).mappings().all()


def all_rows(unit: Unit) -> Iterator[Row]:
    """The whole journal in the order of its numbers, page by page, from whatever number it begins with."""
    before: int | None = None
    while True:
        query = _stored() if before is None else _stored().where(t.event.c.number > before)
        page = unit.connection.execute(query.order_by(t.event.c.number).limit(_PAGE)).mappings().all()
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1]["number"]


def all_links(unit: Unit) -> Iterator[Row]:
    """The whole chain in the order of the journal's numbers, page by page."""
    before: int | None = None
    while True:
        query = select(t.audit_leaf)
        query = query if before is None else query.where(t.audit_leaf.c.number > before)
        page = unit.connection.execute(query.order_by(t.audit_leaf.c.number).limit(_PAGE)).mappings().all()
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1]["number"]


def last_link(unit: Unit) -> Row | None:
    """The end of the chain."""
    query = select(t.audit_leaf).order_by(t.audit_leaf.c.index.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def find_link(unit: Unit, index: int) -> Row | None:
    """The chain's record at this place."""
    query = select(t.audit_leaf).where(t.audit_leaf.c.index == index)
    return unit.connection.execute(query).mappings().one_or_none()


def subtrees(unit: Unit) -> Callable[[int, int], bytes]:
    """The hash over the 2^level leaves from position * 2^level on, as the chain's records hold it; each is read once.

    What it gives raises ConflictError ``audit_broken`` when a record is missing or too short.
    """
    seen: dict[int, bytes] = {}

    def subtree(level: int, position: int) -> bytes:
        index = ((position + 1) << level) - 1
        if index not in seen:
            row = find_link(unit, index)
            seen[index] = b"" if row is None else bytes(row["leaf"]) + bytes(row["nodes"])
        found = seen[index][level * _HASH_BYTES : (level + 1) * _HASH_BYTES]
        if len(found) != _HASH_BYTES:
            wrong = f"The chain's record {index} is missing or broken."
            raise ConflictError("audit_broken", wrong, todo="suanlian-hub audit verify names what was changed.")
        return found

    return subtree


def links_between(unit: Unit, first: int, last: int, limit: int) -> Sequence[Row]:
    """Rows of the journal by their numbers, both ends included, with their place; chained ones only."""
    query = _stored().add_columns(t.audit_leaf.c.index).join(t.audit_leaf, t.audit_leaf.c.number == t.event.c.number)
    query = query.where(t.event.c.number >= first, t.event.c.number <= last).order_by(t.event.c.number).limit(limit)
    return unit.connection.execute(query).mappings().all()


def add_links(unit: Unit, rows: Sequence[Row]) -> None:
    """Append records to the chain."""
    insert_rows(unit.connection, t.audit_leaf, rows)


def newer_than(unit: Unit, number: int) -> tuple[int, int | None]:
    """How many rows of the journal are behind this number, and when the first of them was written (microseconds)."""
    oldest = func.min(type_coerce(t.event.c.at, BigInteger))
    query = select(func.count(), oldest).select_from(t.event).where(t.event.c.number > number)
    count, at = unit.connection.execute(query).one()
    return int(count), at


def add_head(unit: Unit, row: Row) -> None:
    """Insert a head."""
    unit.connection.execute(insert(t.audit_head).values(**row))


def newest_head(unit: Unit) -> Row | None:
    """The newest head of ours."""
    query = select(t.audit_head).order_by(t.audit_head.c.epoch.desc(), t.audit_head.c.size.desc())
    return unit.connection.execute(query.order_by(t.audit_head.c.id.desc()).limit(1)).mappings().one_or_none()


def all_heads(unit: Unit) -> Sequence[Row]:
    """Every head of ours, in the order in which they were made."""
    return unit.connection.execute(select(t.audit_head).order_by(t.audit_head.c.id)).mappings().all()


def newest_received(unit: Unit, uplink_id: str) -> Row | None:
    """The newest head of ours for which this hub above gave a receipt, with the receipt."""
    query = (
        select(t.audit_head, t.audit_receipt.c.receipt, t.audit_receipt.c.signature.label("receipt_signature"))
        .join(t.audit_receipt, t.audit_receipt.c.head_id == t.audit_head.c.id)
        .where(t.audit_receipt.c.uplink_id == uplink_id)
        .order_by(t.audit_head.c.epoch.desc(), t.audit_head.c.size.desc(), t.audit_head.c.id.desc())
        .limit(1)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def receipts_of(unit: Unit, head_id: str) -> Sequence[Row]:
    """The receipts of one head."""
    query = select(t.audit_receipt).where(t.audit_receipt.c.head_id == head_id).order_by(t.audit_receipt.c.uplink_id)
    return unit.connection.execute(query).mappings().all()


def add_receipt(unit: Unit, row: Row) -> None:
    """Keep a receipt."""
    unit.connection.execute(insert(t.audit_receipt).values(**row))


def add_witnessed(unit: Unit, row: Row) -> None:
    """Keep a head from below, taken or refused."""
    unit.connection.execute(insert(t.audit_witness).values(**row))


def newest_witnessed(unit: Unit, platform_id: str) -> Row | None:
    """The newest head that was taken of this hub below."""
    taken = (t.audit_witness.c.platform_id == platform_id) & t.audit_witness.c.fault.is_(None)
    query = select(t.audit_witness).where(taken)
    query = query.order_by(t.audit_witness.c.epoch.desc(), t.audit_witness.c.size.desc(), t.audit_witness.c.id.desc())
    return unit.connection.execute(query.limit(1)).mappings().one_or_none()


def witnessed(unit: Unit, platform_id: str, digest: str) -> Row | None:
    """The head with this digest, where it was taken before."""
    same = (t.audit_witness.c.platform_id == platform_id) & (t.audit_witness.c.digest == digest)
    query = select(t.audit_witness).where(same, t.audit_witness.c.fault.is_(None)).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def witnessed_at(unit: Unit, platform_id: str, size: int) -> Row | None:
    """The newest head of so many rows that was taken of this hub below."""
    taken = (t.audit_witness.c.platform_id == platform_id) & t.audit_witness.c.fault.is_(None)
    query = select(t.audit_witness).where(taken, t.audit_witness.c.size == size)
    return unit.connection.execute(query.order_by(t.audit_witness.c.id.desc()).limit(1)).mappings().one_or_none()


def last_refused(unit: Unit, platform_id: str) -> Row | None:
    """The head of this hub below that was refused last."""
    refused = (t.audit_witness.c.platform_id == platform_id) & t.audit_witness.c.fault.is_not(None)
    query = select(t.audit_witness).where(refused).order_by(t.audit_witness.c.id.desc()).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()
