"""What becomes of an identifier: frozen, thawed, revoked, moved, given to another entity; its history; doubles."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from suanlian.model.descriptor import Act, Duplicate, HistoryEntry, IdentifierStanding, MarkKind, Move, Reason, Transfer
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import SCHEME, new_id
from suanlian.model.party import Caller
from suanlian.rules.identifiers import BY_ANOTHER, FOLLOWS
from suanlian.store import identifiers, onboarding, parties, platforms
from suanlian.store.unit import Row, Unit

TRANSFER_LIFE: Final = timedelta(days=7)
_EVENTS: Final = {
    Act.FROZEN: EventType.IDENTIFIER_FROZEN,
    Act.THAWED: EventType.IDENTIFIER_THAWED,
    Act.REVOKED: EventType.IDENTIFIER_REVOKED,
    Act.MOVED: EventType.IDENTIFIER_MOVED,
}


def act(unit: Unit, caller: Caller, platform: Row, what: Act, reason: Reason) -> None:
    """Freeze, thaw, revoke or move an identifier.

    Raises ConflictError ``state_conflict``, ForbiddenError ``same_person`` for what takes another person than the one
    who froze it, InvalidError where the new identifier is malformed or its own.
    """
    moved_to, why = reason.to if isinstance(reason, Move) else "", reason.why
    if what is Act.MOVED:
        SCHEME.parse(moved_to)
        if moved_to == platform["public_id"]:
            raise InvalidError("field_invalid", "It cannot move to itself.", todo="Name the new one.", field="to")
    row = identifiers.registration(unit, platform["id"])
    before = IdentifierStanding("active" if row is None else row["standing"])
    allowed, after = FOLLOWS[what]
    if what in BY_ANOTHER and before in allowed:
        _check_other(unit, caller, platform)
    values = {"standing": after.value, "moved_to": moved_to}
    if before not in allowed or not identifiers.change_registration(unit, platform["id"], before.value, values):
        wrong = f"{platform['public_id']} is {before.value}: it cannot be {what.value}."
        raise ConflictError("state_conflict", wrong, todo="suanlian identifier history tells what became of it.")
    _write(unit, caller, platform, what, why)
    more = {"to": moved_to} if moved_to else {}
    unit.record(_EVENTS[what], platform["public_id"], before=before.value, after=after.value, why=why, **more)


def _check_other(unit: Unit, caller: Caller, platform: Row) -> None:
    frozen = [row for row in _all_acts(unit, platform["id"]) if row["act"] == Act.FROZEN.value]
    if frozen and parties.person_of(unit, frozen[-1]["actor"]) == parties.person_of(unit, caller.principal_id):
        wrong = "Who froze it decides no further."
        raise ForbiddenError("same_person", wrong, todo="Let another operator do it.")


def _all_acts(unit: Unit, platform_id: str) -> Sequence[Row]:
    return identifiers.acts(unit, platform_id, after=0, limit=100_000)


def _write(unit: Unit, caller: Caller, platform: Row, what: Act, why: str) -> None:
    row = {"platform_id": platform["id"], "act": what.value, "why": why, "actor": caller.principal_id, "at": unit.now}
    identifiers.add_act(unit, row)


def history(unit: Unit, caller: Caller | None, platform: Row, *, after: int, limit: int) -> list[HistoryEntry]:
    """What happened to an identifier; who did it and why is shown to its owner and to those who see all."""
    inside = caller is not None and (caller.sees_all or caller.entity_id == platform["entity_id"])
    return [
        HistoryEntry(
            number=row["number"],
            identifier=platform["public_id"],
            act=Act(row["act"]),
            at=row["at"],
            part=row["part"],
            version=row["version"],
            why=row["why"] if inside else "",
            actor=row["actor"] if inside else "",
        )
        for row in identifiers.acts(unit, platform["id"], after=after, limit=limit)
    ]


def duplicates(unit: Unit, limit: int) -> list[Duplicate]:
    """What stands under several identifiers; the serial numbers themselves are nobody's to read."""
    by_mark: dict[tuple[str, str], list[Row]] = {}
    for row in identifiers.doubled_marks(unit, limit):
        by_mark.setdefault((row["kind"], row["value"]), []).append(row)
    return [
        Duplicate(
            kind=MarkKind(kind),
            identifiers=tuple(row["public_id"] for row in rows),
            entities=tuple(sorted({row["entity"] for row in rows})),
            found_at=max(row["since"] for row in rows),
        )
        for (kind, _value), rows in by_mark.items()
    ]


def propose_transfer(unit: Unit, caller: Caller, platform: Row, to: str, why: str) -> Transfer:
    """Propose that an identifier goes to another entity. Raises NotFoundError, ConflictError, InvalidError."""
    entity = parties.find_entity(unit, to)
    if entity is None:
        raise NotFoundError("not_found", f"No entity is named {to!r}.", todo="Register it first.", field="to")
    if entity["id"] == platform["entity_id"]:
        raise InvalidError("field_invalid", f"It is {to!r}'s already.", todo="Name another entity.", field="to")
    row = identifiers.registration(unit, platform["id"])
    if row is not None and row["standing"] != IdentifierStanding.ACTIVE.value:
        wrong = f"{platform['public_id']} is {row['standing']}."
        raise ConflictError("state_conflict", wrong, todo="Only an active identifier is given on.")
    if _open(unit, platform["id"]) is not None:
        wrong = "A transfer of this identifier is on its way."
        raise ConflictError("state_conflict", wrong, todo="Decline that one first.")
    new: dict[str, Any] = {"id": new_id(), "platform_id": platform["id"], "from_entity": platform["entity_id"]}
    new |= {"to_entity": entity["id"], "why": why, "proposed_by": caller.principal_id, "proposed_at": unit.now}
    identifiers.add_transfer(unit, new)
    unit.record(EventType.TRANSFER_PROPOSED, platform["public_id"], transfer=new["id"], to=entity["public_id"], why=why)
    return _transfer(unit, new["id"])


def _open(unit: Unit, platform_id: str) -> Row | None:
    row = identifiers.open_transfer(unit, platform_id)
    if row is not None and row["proposed_at"] + TRANSFER_LIFE < unit.now:
        identifiers.change_transfer(unit, row["id"], {"ended_at": row["proposed_at"] + TRANSFER_LIFE})
        return None
    return row


def _found(unit: Unit, transfer_id: str) -> tuple[Row, Row]:
    row = identifiers.find_transfer(unit, transfer_id)
    platform = None if row is None else platforms.find(unit, row["platform_id"])
    if row is None or platform is None:
        raise _no_transfer(transfer_id)
    return row, platform


def _no_transfer(transfer_id: str) -> NotFoundError:
    wrong = f"There is no transfer {transfer_id[:80]!r} that you may see."
    return NotFoundError("not_found", wrong, todo="suanlian identifier transfers lists them.")


def _still_open(unit: Unit, row: Row) -> None:
    if row["ended_at"] is not None or row["proposed_at"] + TRANSFER_LIFE < unit.now:
        raise ConflictError("state_conflict", "The transfer is over.", todo="Propose it anew.")


def second_transfer(unit: Unit, caller: Caller, transfer_id: str) -> Transfer:
    """Another operator agrees. Raises ForbiddenError ``same_person``, ConflictError when it is over."""
    row, platform = _found(unit, transfer_id)
    _still_open(unit, row)
    if parties.person_of(unit, row["proposed_by"]) == parties.person_of(unit, caller.principal_id):
        raise ForbiddenError("same_person", "Who proposed it cannot second it.", todo="Let another operator do it.")
    identifiers.change_transfer(unit, row["id"], {"seconded_by": caller.principal_id})
    unit.record(EventType.TRANSFER_SECONDED, platform["public_id"], transfer=row["id"])
    return _settled(unit, caller, row["id"], platform)


def accept_transfer(unit: Unit, caller: Caller, transfer_id: str) -> Transfer:
    """The new owner accepts. Raises NotFoundError for everybody else, ConflictError when it is over."""
    row, platform = _found(unit, transfer_id)
    if row["to_entity"] != caller.entity_id:
        raise _no_transfer(transfer_id)
    _still_open(unit, row)
    identifiers.change_transfer(unit, row["id"], {"accepted_by": caller.principal_id})
    unit.record(EventType.TRANSFER_ACCEPTED, platform["public_id"], transfer=row["id"])
    return _settled(unit, caller, row["id"], platform)


def decline_transfer(unit: Unit, caller: Caller, transfer_id: str) -> Transfer:
    """An operator, the old or the new owner ends it. Raises NotFoundError for others, ConflictError when it is over."""
    row, platform = _found(unit, transfer_id)
    if not caller.sees_all and caller.entity_id not in (row["from_entity"], row["to_entity"]):
        raise _no_transfer(transfer_id)
    _still_open(unit, row)
    identifiers.change_transfer(unit, row["id"], {"ended_at": unit.now})
    unit.record(EventType.TRANSFER_DECLINED, platform["public_id"], transfer=row["id"])
    return _transfer(unit, row["id"])


def _settled(unit: Unit, caller: Caller, transfer_id: str, platform: Row) -> Transfer:
    """Once all three have agreed the platform is the new owner's, from the same moment for everybody."""
    row, _platform = _found(unit, transfer_id)
    if row["seconded_by"] is None or row["accepted_by"] is None:
        return _transfer(unit, transfer_id)
    if platform["entity_id"] != row["from_entity"]:
        raise ConflictError("state_conflict", "It has another owner meanwhile.", todo="Propose it anew.")
    identifiers.give_platform(unit, platform["id"], row["to_entity"])
    onboarding.void_all_tokens(unit, platform["id"])  # the owner before speaks for it no more
    identifiers.change_transfer(unit, transfer_id, {"done_at": unit.now, "ended_at": unit.now})
    _write(unit, caller, platform, Act.TRANSFERRED, row["why"])
    before, after = parties.entity_of(unit, row["from_entity"]), parties.entity_of(unit, row["to_entity"])
    unit.record(
        EventType.IDENTIFIER_TRANSFERRED,
        platform["public_id"],
        transfer=transfer_id,
        before=before and before["public_id"],
        after=after and after["public_id"],
    )
    return _transfer(unit, transfer_id)


def _transfer(unit: Unit, transfer_id: str) -> Transfer:
    row, platform = _found(unit, transfer_id)
    return _shown(unit, row, platform)


def _shown(unit: Unit, row: Row, platform: Row) -> Transfer:
    entity = parties.entity_of(unit, row["to_entity"])
    fields = {name: row[name] or "" for name in ("id", "why", "proposed_by", "seconded_by", "accepted_by")}
    return Transfer(
        **fields,
        identifier=platform["public_id"],
        to="" if entity is None else entity["name"],
        proposed_at=row["proposed_at"],
        done_at=row["done_at"],
        ended_at=row["ended_at"],
    )


def transfers(unit: Unit, caller: Caller, platform: Row) -> list[Transfer]:
    """The transfers of a platform that the caller has to do with."""
    rows = identifiers.transfers(unit, platform["id"])
    seen = [row for row in rows if caller.sees_all or caller.entity_id in (row["from_entity"], row["to_entity"])]
    return [_shown(unit, row, platform) for row in seen]
