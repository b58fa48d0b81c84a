"""Entities, accounts, projects, principals, their keys and one-time tokens."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from suanlian.model.party import Entity, EntityDetails, Standing, standing_on, today
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit


def add_entity(unit: Unit, row: Row) -> None:
    """Insert an entity."""
    unit.connection.execute(insert(t.entity).values(**row))


def entity_columns(details: EntityDetails) -> dict[str, Any]:
    """What is said of an entity, as columns."""
    row = details.model_dump(mode="json", include=set(EntityDetails.model_fields))
    listed = {name: json.dumps(row[name], ensure_ascii=False) for name in ("contacts", "qualifications")}
    return {**row, **listed}


def entity_value(unit: Unit, row: Row) -> Entity:
    """The entity of a row, with the standing that it has today."""
    listed = {name: json.loads(row[name]) for name in ("contacts", "qualifications")}
    pending = None if row["pending"] is None else json.loads(row["pending"])
    entity = Entity.model_validate({**row, **listed, "pending": pending})
    standing = standing_on(Standing(row["standing"]), entity.qualifications, today(unit.now))
    return entity.model_copy(update={"standing": standing})


def find_entity(unit: Unit, ref: str) -> Row | None:
    """By UUID, public identifier or name."""
    which = or_(t.entity.c.id == ref, t.entity.c.public_id == ref, t.entity.c.name == ref)
    return unit.connection.execute(select(t.entity).where(which)).mappings().one_or_none()


def entity_of(unit: Unit, entity_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.entity).where(t.entity.c.id == entity_id)).mappings().one_or_none()


def list_entities(unit: Unit, *, after: str = "", limit: int | None = None) -> Sequence[Row]:
    """In the order of ids; all of them without a limit."""
    query = select(t.entity).where(t.entity.c.id > after).order_by(t.entity.c.id).limit(limit)
    return unit.connection.execute(query).mappings().all()


def account_of(unit: Unit, entity_id: str) -> Row | None:
    """The entity's account."""
    return unit.connection.execute(select(t.account).where(t.account.c.entity_id == entity_id)).mappings().one_or_none()


def add_account(unit: Unit, row: Row) -> None:
    """Insert an account."""
    unit.connection.execute(insert(t.account).values(**row))


def first_project(unit: Unit, account_id: str) -> Row | None:
    """The account's oldest project."""
    query = select(t.project).where(t.project.c.account_id == account_id).order_by(t.project.c.id).limit(1)
    return unit.connection.execute(query).mappings().one_or_none()


def add_project(unit: Unit, row: Row) -> None:
    """Insert a project."""
    unit.connection.execute(insert(t.project).values(**row))


def add_principal(unit: Unit, row: Row) -> None:
    """Insert a principal."""
    unit.connection.execute(insert(t.principal).values(**row))


def find_principal(unit: Unit, principal_id: str) -> Row | None:
    """By UUID."""
    query = select(t.principal).where(t.principal.c.id == principal_id)
    return unit.connection.execute(query).mappings().one_or_none()


def principal_named(unit: Unit, entity_id: str, name: str) -> Row | None:
    """By name within its entity."""
    query = select(t.principal).where(t.principal.c.entity_id == entity_id, t.principal.c.name == name)
    return unit.connection.execute(query).mappings().one_or_none()


def person_of(unit: Unit, principal_id: str) -> str:
    """Who stands behind a principal: whoever minted its first key holds it too, and so on to the first of them."""
    at, seen = principal_id, {principal_id}
    while (row := find_principal(unit, at)) is not None and row["minted_by"] and row["minted_by"] not in seen:
        at = row["minted_by"]
        seen.add(at)
    return at


def change_entity(unit: Unit, entity_id: str, values: Row) -> None:
    """Change an entity."""
    unit.connection.execute(update(t.entity).where(t.entity.c.id == entity_id).values(**values))


def entity_with_code(unit: Unit, credit_code: str) -> Row | None:
    """The entity that has this unified social credit code."""
    query = select(t.entity).where(t.entity.c.credit_code == credit_code)
    return unit.connection.execute(query).mappings().one_or_none()


def has_operator(unit: Unit) -> bool:
    """Whether anybody operates this hub yet."""
    query = select(t.principal.c.id).where(t.principal.c.role == "operator").limit(1)
    return unit.connection.execute(query).one_or_none() is not None


def add_key(unit: Unit, row: Row) -> None:
    """Insert an API key's hash."""
    unit.connection.execute(insert(t.api_key).values(**row))


def find_key(unit: Unit, prefix: str) -> Row | None:
    """The key with its principal."""
    query = (
        select(
            t.api_key, t.principal.c.role, t.principal.c.entity_id, t.principal.c.account_id, t.principal.c.project_id
        )
        .join(t.principal, t.principal.c.id == t.api_key.c.principal_id)
        .where(t.api_key.c.prefix == prefix)
    )
    return unit.connection.execute(query).mappings().one_or_none()


def keys_of(unit: Unit, principal_id: str, *, after: str = "", limit: int | None = None) -> Sequence[Row]:
    """A principal's own keys, in the order of their prefixes."""
    query = select(t.api_key).where(t.api_key.c.principal_id == principal_id, t.api_key.c.prefix > after)
    return unit.connection.execute(query.order_by(t.api_key.c.prefix).limit(limit)).mappings().all()


def revoke_key(unit: Unit, prefix: str, *, principal_id: str | None = None) -> bool:
    """Whether it was there and not yet revoked; only among a principal's own keys where one is named."""
    which = (t.api_key.c.prefix == prefix) & t.api_key.c.revoked_at.is_(None)
    if principal_id is not None:
        which &= t.api_key.c.principal_id == principal_id
    return unit.connection.execute(update(t.api_key).where(which).values(revoked_at=unit.now)).rowcount == 1


def add_one_time(unit: Unit, row: Row) -> None:
    """Insert a one-time token's hash."""
    unit.connection.execute(insert(t.one_time).values(**row))


def find_one_time(unit: Unit, prefix: str, purpose: str) -> Row | None:
    """By prefix and purpose."""
    query = select(t.one_time).where(t.one_time.c.prefix == prefix, t.one_time.c.purpose == purpose)
    return unit.connection.execute(query).mappings().one_or_none()


def use_one_time(unit: Unit, prefix: str, now: datetime) -> bool:
    """Use it up; false when somebody else was first or its time is over."""
    which = (t.one_time.c.prefix == prefix) & t.one_time.c.used_at.is_(None) & (t.one_time.c.expires_at > now)
    return unit.connection.execute(update(t.one_time).where(which).values(used_at=now)).rowcount == 1
