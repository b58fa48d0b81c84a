"""Identities of providers, sign-ins under way, invitations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from suanlian.store import tables as t
from suanlian.store.dialect import insert_new, lock_name
from suanlian.store.unit import Row, Unit


def lock_identity(unit: Unit, issuer: str, subject: str) -> Row | None:
    """Whose identity it is, if anybody's; no second sign-in of it goes on until this unit ends."""
    lock_name(unit.connection, f"identity {issuer} {subject}")
    query = select(t.identity).where(t.identity.c.issuer == issuer, t.identity.c.subject == subject)
    return unit.connection.execute(query).mappings().one_or_none()


def add_identity(unit: Unit, row: Row) -> None:
    """Insert an identity of a principal."""
    unit.connection.execute(insert(t.identity).values(**row))


def identities_of(unit: Unit, principal_id: str) -> Sequence[Row]:
    """By which accounts of providers a principal signs in."""
    query = select(t.identity).where(t.identity.c.principal_id == principal_id)
    return unit.connection.execute(query.order_by(t.identity.c.linked_at)).mappings().all()


def add(unit: Unit, row: Row) -> bool:
    """Keep a sign-in that came back; false when it did before."""
    return insert_new(unit.connection, t.sign_in, [row]) == 1


def find_handle(unit: Unit, handle: str) -> Row | None:
    """By the hash of its handle."""
    return unit.connection.execute(select(t.sign_in).where(t.sign_in.c.handle == handle)).mappings().one_or_none()


def redeem(unit: Unit, state: str) -> bool:
    """Give its session out, once; false when somebody was first or its time is over."""
    first = t.sign_in.c.redeemed_at.is_(None) & (t.sign_in.c.expires_at > unit.now)
    which = (t.sign_in.c.state == state) & first
    return unit.connection.execute(update(t.sign_in).where(which).values(redeemed_at=unit.now)).rowcount == 1


def change(unit: Unit, state: str, values: Mapping[str, Any]) -> None:
    """Update a sign-in."""
    unit.connection.execute(update(t.sign_in).where(t.sign_in.c.state == state).values(**values))


def sweep(unit: Unit, sessions_before: datetime) -> int:
    """Forget sign-ins that are over, and keys of sessions that ended before."""
    gone = unit.connection.execute(delete(t.sign_in).where(t.sign_in.c.expires_at < unit.now)).rowcount
    over = t.api_key.c.session.is_(True) & (t.api_key.c.expires_at < sessions_before)
    return gone + unit.connection.execute(delete(t.api_key).where(over)).rowcount


def add_invitation(unit: Unit, row: Row) -> None:
    """Insert an invitation's hash."""
    unit.connection.execute(insert(t.invitation).values(**row))


def find_invitation(unit: Unit, prefix: str) -> Row | None:
    """By prefix."""
    query = select(t.invitation).where(t.invitation.c.prefix == prefix)
    return unit.connection.execute(query).mappings().one_or_none()


def use_invitation(unit: Unit, prefix: str) -> bool:
    """Use it up; false when somebody was first or its time is over."""
    which = (
        (t.invitation.c.prefix == prefix) & t.invitation.c.used_at.is_(None) & (t.invitation.c.expires_at > unit.now)
    )
    return unit.connection.execute(update(t.invitation).where(which).values(used_at=unit.now)).rowcount == 1
