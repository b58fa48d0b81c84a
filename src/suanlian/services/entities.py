"""Who an entity is, looked at by an operator: change, check, refuse; the checked version stands until the next is."""

from typing import Any

from suanlian.model.errors import ConflictError, ForbiddenError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.party import (
    Caller,
    Decision,
    Entity,
    EntityChange,
    EntityDetails,
    EntityKind,
    Role,
    Standing,
    expired,
    today,
)
from suanlian.rules.entities import changed_fields, needs_check, read_credit_code
from suanlian.store import parties
from suanlian.store.gates import entities_of
from suanlian.store.unit import Row, Unit


def find(unit: Unit, caller: Caller, ref: str) -> Row:
    """The entity's row, for itself and those who see all. Raises NotFoundError for others."""
    row = parties.find_entity(unit, ref)
    if row is None or (row["id"] != caller.entity_id and not caller.sees_all):
        raise NotFoundError("not_found", f"You know no entity {ref[:80]!r}.", todo="suanlian whoami tells yours.")
    return row


def get(unit: Unit, caller: Caller, ref: str) -> Entity:
    """One entity; whom to reach there is told to itself and to operators alone."""
    return shown(parties.entity_value(unit, find(unit, caller, ref)), caller)


def shown(entity: Entity, caller: Caller) -> Entity:
    """The entity as the caller may see it."""
    if caller.role is Role.OPERATOR or caller.entity_id == entity.id:
        return entity
    pending = None if entity.pending is None else entity.pending.model_copy(update={"contacts": ()})
    return entity.model_copy(update={"contacts": (), "pending": pending})


def change(unit: Unit, caller: Caller, ref: str, asked: EntityChange) -> Entity:
    """Say it anew. What an operator checks waits for its check where a check stands; the rest holds at once.

    Raises NotFoundError, InvalidError ``credit_code_invalid``, ConflictError ``credit_code_taken``.
    """
    row = find(unit, caller, ref)
    entity = parties.entity_value(unit, row)
    now = _details(entity)
    base = entity.pending or now
    said = {name: getattr(asked, name) for name in asked.model_fields_set if getattr(asked, name) is not None}
    if "credit_code" in said:
        said["credit_code"] = _free_code(unit, said["credit_code"], entity)
    wanted = base.model_copy(update=said)
    changed = changed_fields(base, wanted)
    if not changed:
        return entity
    values = _kept(row, now, wanted)
    parties.change_entity(unit, entity.id, values)
    after = parties.entity_value(unit, {**row, **values})
    # of persons: which fields, never what stands in them
    unit.record(EventType.ENTITY_CHANGED, entity.id, name=entity.name, fields=changed, waits=after.pending is not None)
    return after


def _details(entity: Entity) -> EntityDetails:
    return EntityDetails.model_validate({name: getattr(entity, name) for name in EntityDetails.model_fields})


def _kept(row: Row, now: EntityDetails, wanted: EntityDetails) -> dict[str, Any]:
    """The columns that change: at once where nothing was checked, else contacts at once and the rest as pending."""
    if Standing(row["standing"]) is Standing.CHECKED:
        at_once = now.model_copy(update={"contacts": wanted.contacts})
        waits = needs_check(changed_fields(at_once, wanted))
        pending = wanted.model_dump_json() if waits else None
        return {**parties.entity_columns(at_once), "pending": pending}
    return {**parties.entity_columns(wanted), "standing": Standing.REGISTERED.value, "pending": None}


def _free_code(unit: Unit, text: str, entity: Entity) -> str:
    code = read_credit_code(text)
    other = parties.entity_with_code(unit, code)
    if other is not None and other["id"] != entity.id:
        wrong = f"Another entity has the credit code {code}."
        raise ConflictError("credit_code_taken", wrong, todo="Compare it with your licence.", field="credit_code")
    return code


def check(unit: Unit, caller: Caller, ref: str, decision: Decision) -> Entity:
    """An operator has looked: it is who it says. What waited for a check holds from now on.

    Raises ForbiddenError ``own_entity``, ConflictError ``entity_incomplete`` or ``qualification_expired``.
    """
    row = _decidable(unit, caller, ref)
    entity = parties.entity_value(unit, row)
    details = entity.pending or _details(entity)
    _complete(entity.name, details)
    _holds(unit, details)
    if details.credit_code is not None:
        _free_code(unit, details.credit_code, entity)
    columns = {**parties.entity_columns(details), "standing": Standing.CHECKED.value, "pending": None}
    return _decided(unit, row, columns, decision, EventType.ENTITY_CHECKED)


def _complete(name: str, details: EntityDetails) -> None:
    if details.kind is EntityKind.PERSON:
        return
    lacking = [field for field in ("credit_code", "region") if getattr(details, field) is None]
    if not (details.title or details.title_zh):
        lacking.append("title")
    if lacking:
        wrong = f"{name!r} cannot be checked without {', '.join(lacking)}."
        raise ConflictError("entity_incomplete", wrong, todo=f"suanlian entity change {name}", field=lacking[0])


def _holds(unit: Unit, details: EntityDetails) -> None:
    over = expired(details.qualifications, today(unit.now))
    if over:
        wrong = f"The qualification {over[0].kind!r} ran out on {over[0].valid_until}."
        raise ConflictError("qualification_expired", wrong, todo="Show one that holds.", field="qualifications")


def refuse(unit: Unit, caller: Caller, ref: str, decision: Decision) -> Entity:
    """An operator has looked, and it is not so. A change that waited is dropped and what was checked stands.

    Raises ForbiddenError ``own_entity``.
    """
    row = _decidable(unit, caller, ref)
    columns = {"pending": None} if row["pending"] is not None else {"standing": Standing.REFUSED.value}
    return _decided(unit, row, columns, decision, EventType.ENTITY_REFUSED)


def _decidable(unit: Unit, caller: Caller, ref: str) -> Row:
    row = find(unit, caller, ref)
    if row["id"] in entities_of(unit, caller):
        wrong = f"You belong to {row['name']!r}."
        raise ForbiddenError("own_entity", wrong, todo="Let an operator of another entity look at it.")
    return row


def _decided(unit: Unit, row: Row, columns: dict[str, Any], decision: Decision, kind: EventType) -> Entity:
    who = "hub" if unit.caller is None else unit.caller.principal_id
    values = {**columns, "decided_at": unit.now, "decided_by": who, "decided_why": decision.why}
    parties.change_entity(unit, row["id"], values)
    after = parties.entity_value(unit, {**row, **values})
    change = {"before": row["standing"], "after": after.standing.value, "reference": decision.reference}
    unit.record(kind, row["id"], name=row["name"], why=decision.why, **change)
    return after
