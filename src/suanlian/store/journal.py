"""The event journal, idempotency keys, and supervision reports that were sent and received."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from suanlian.model.party import Caller
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def events(unit: Unit, caller: Caller, *, after: int, limit: int, kind: str | None = None) -> Sequence[Row]:
    """Events in order; a caller who does not see all sees those of its own account."""
    query = select(t.event).where(t.event.c.number > after)
    if not caller.sees_all:
        query = query.where(t.event.c.account_id == caller.account_id)
    if kind is not None:
        query = query.where(t.event.c.type == kind)
    return unit.connection.execute(query.order_by(t.event.c.number).limit(limit)).mappings().all()


def find_answer(unit: Unit, principal_id: str, key: str) -> Row | None:
    """What was answered under this idempotency key."""
    query = select(t.idempotency).where(t.idempotency.c.principal_id == principal_id, t.idempotency.c.key == key)
    return unit.connection.execute(query).mappings().one_or_none()


def keep_answer(unit: Unit, row: Row) -> None:
    """Keep what was answered, in the transaction that did it."""
    unit.connection.execute(insert(t.idempotency).values(**row))


def sweep_answers(unit: Unit, before: datetime) -> int:
    """Forget answers that are older than their promise."""
    return unit.connection.execute(delete(t.idempotency).where(t.idempotency.c.written_at < before)).rowcount


def add_report_sent(unit: Unit, row: Row) -> None:
    """Insert a report that is to go up."""
    unit.connection.execute(insert(t.report_sent).values(**row))


def reports_without_receipt(unit: Unit, limit: int = 20) -> Sequence[Row]:
    """Reports for which no receipt came yet, oldest first, with their uplink."""
    query = (
        select(t.report_sent, t.uplink.c.url, t.uplink.c.hub_key, t.uplink.c.connector_id)
        .join(t.uplink, t.uplink.c.id == t.report_sent.c.uplink_id)
        .where(t.report_sent.c.receipt.is_(None))
        .order_by(t.report_sent.c.id)
        .limit(limit)
    )
    return unit.connection.execute(query).mappings().all()


def find_reports_sent(unit: Unit, ids: Sequence[str]) -> Sequence[Row]:
    """These reports, with their receipts where they came."""
    query = select(t.report_sent).where(t.report_sent.c.id.in_(ids)).order_by(t.report_sent.c.id)
    return unit.connection.execute(query).mappings().all()


def keep_receipt(unit: Unit, report_id: str, receipt: str, signature: str) -> None:
    """The hub above has it."""
    values = {"receipt": receipt, "receipt_signature": signature}
    unit.connection.execute(update(t.report_sent).where(t.report_sent.c.id == report_id).values(**values))


def report_received(unit: Unit, platform_id: str, digest: str) -> Row | None:
    """A report that came before with the very same bytes."""
    query = select(t.report_received).where(
        t.report_received.c.platform_id == platform_id, t.report_received.c.digest == digest
    )
    return unit.connection.execute(query).mappings().one_or_none()


def find_report_received(unit: Unit, report_id: str) -> Row | None:
    """By the id of its receipt, with the name of the hub below that sent it."""
    query = (
        select(t.report_received, t.platform.c.name)
        .join(t.platform, t.platform.c.id == t.report_received.c.platform_id)
        .where(t.report_received.c.id == report_id)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def add_report_received(unit: Unit, row: Row) -> None:
    """Insert a report from below with the receipt that was given."""
    unit.connection.execute(insert(t.report_received).values(**row))


def reports_received(unit: Unit, *, before: str, limit: int) -> Sequence[Row]:
    """Reports from below, newest first."""
    query = select(t.report_received)
    if before:
        query = query.where(t.report_received.c.id < before)
    return unit.connection.execute(query.order_by(t.report_received.c.id.desc()).limit(limit)).mappings().all()
