"""Letting people in: the first operator by a one-time link, entities, principals with their keys, revocation."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, mint, split
from suanlian.crypto.errors import TokenError
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AccountId, EntityId, Kind, PrincipalId, new_id, public_id
from suanlian.model.party import (
    SUPERVISING,
    Caller,
    Entity,
    EntityKind,
    KeyAbout,
    Me,
    MintedKey,
    NewEntity,
    NewKey,
    NewPrincipal,
    Principal,
    Role,
    Scope,
    Scopes,
    Standing,
)
from suanlian.rules.entities import read_credit_code
from suanlian.rules.scopes import covers
from suanlian.services.ports import Node, Secrets
from suanlian.store import parties
from suanlian.store.unit import Row, Unit

_LINK_LIFE: Final = timedelta(hours=24)
_OPERATOR_DAYS: Final = 365


def make_link(unit: Unit, secrets: Secrets) -> str:
    """A one-time link token for the first operator, good for a day. Raises ConflictError when there is an operator."""
    if parties.has_operator(unit):
        wrong = "This hub has an operator already."
        raise ConflictError("already_done", wrong, todo="Ask an operator for a key.")
    token = mint(TokenKind.OPERATOR_LINK, secrets.random_bytes)
    row = {"prefix": token.prefix, "hash": keyed_hash(token.text, secrets.pepper), "purpose": TokenKind.OPERATOR_LINK}
    parties.add_one_time(unit, {**row, "subject_id": None, "expires_at": unit.now + _LINK_LIFE})
    return token.text


def claim(unit: Unit, node: Node, secrets: Secrets, link: str, name: str) -> MintedKey:
    """Turn the link into the first operator and its key. Raises ForbiddenError when it is unknown, used or over."""
    refused = ForbiddenError(
        "link_invalid",
        "The one-time link is unknown, used or expired.",
        todo="Whoever was invited asks for a fresh link; the first operator makes one by: suanlian-hub link",
        field="link",
    )
    try:
        token = split(link, TokenKind.OPERATOR_LINK)
    except TokenError as error:
        raise refused from error
    row = parties.find_one_time(unit, token.prefix, TokenKind.OPERATOR_LINK)
    if row is None or row["hash"] != keyed_hash(token.text, secrets.pepper):
        raise refused
    is_first = row["bound_to"] is None
    if (is_first and parties.has_operator(unit)) or not parties.use_one_time(unit, token.prefix, unit.now):
        raise refused
    return _first_operator(unit, node, secrets, name) if row["bound_to"] is None else _invited(unit, secrets, row)


def _first_operator(unit: Unit, node: Node, secrets: Secrets, name: str) -> MintedKey:
    if parties.find_entity(unit, node.name) is None:
        new = NewEntity(name=node.name, title="operator of this hub", kind=EntityKind.OPERATOR)
        entity = register_entity(unit, node, new)
        # nobody is there yet who could check it, and the hub's own jobs are its
        why = {"decided_at": unit.now, "decided_by": "hub", "decided_why": "the hub's own entity"}
        parties.change_entity(unit, entity.id, {"standing": Standing.CHECKED.value, **why})
        unit.record(EventType.ENTITY_CHECKED, entity.id, name=entity.name, why=why["decided_why"])
    return register_principal(unit, secrets, NewPrincipal(name=name, role=Role.OPERATOR, entity=node.name))


def _invited(unit: Unit, secrets: Secrets, link: Row) -> MintedKey:
    """A further operator: of the inviter's entity, with a key that only who opened the link has."""
    inviter = parties.find_principal(unit, link["minted_by"])
    entity = None if inviter is None else parties.entity_of(unit, inviter["entity_id"])
    if inviter is None or entity is None:
        raise NotFoundError("not_found", "Who invited you is not here any more.", todo="Ask for a fresh link.")
    new = NewPrincipal(name=link["bound_to"], role=Role.OPERATOR, entity=entity["name"])
    if parties.principal_named(unit, entity["id"], new.name) is not None:
        raise _name_taken(new.name)
    principal = _add_principal(unit, entity, new, invited_by=inviter["id"])
    return _mint(unit, secrets, principal, _wish(NewKey(valid_days=_OPERATOR_DAYS)))


def _name_taken(name: str) -> ConflictError:
    wrong = f"An operator named {name!r} is here already."
    return ConflictError("duplicate_name", wrong, todo="Choose another name.", field="name")


def register_entity(unit: Unit, node: Node, new: NewEntity) -> Entity:
    """Register a legal person, with its account and project ``default``. Raises ConflictError ``duplicate_name``."""
    if parties.find_entity(unit, new.name) is not None:
        wrong = f"An entity named {new.name!r} is registered already."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name.", field="name")
    columns = parties.entity_columns(_with_code(unit, new))
    entity_id = EntityId(new_id())
    row = {
        "id": entity_id,
        "public_id": public_id(node.prefix, Kind.ENTITY, entity_id),
        "name": new.name,
        "created_at": unit.now,
        "standing": Standing.REGISTERED.value,
        **columns,
    }
    parties.add_entity(unit, row)
    account_id = AccountId(new_id())
    account = {"id": account_id, "entity_id": entity_id, "name": new.name, "held_bytes": 0, "created_at": unit.now}
    parties.add_account(unit, account)
    parties.add_project(unit, {"id": new_id(), "account_id": account_id, "name": "default"})
    unit.record(EventType.ENTITY_REGISTERED, entity_id, name=new.name, of_kind=new.kind.value)
    found = parties.entity_of(unit, entity_id)
    assert found is not None  # noqa: S101 - it was inserted above
    return parties.entity_value(unit, found)


def _with_code(unit: Unit, new: NewEntity) -> NewEntity:
    """The same with the credit code as it is kept. Raises InvalidError, ConflictError ``credit_code_taken``."""
    if new.credit_code is None:
        return new
    code = read_credit_code(new.credit_code)
    if parties.entity_with_code(unit, code) is not None:
        wrong = f"An entity with the credit code {code} is registered already."
        raise ConflictError("credit_code_taken", wrong, todo="suanlian entity list shows it.", field="credit_code")
    return new.model_copy(update={"credit_code": code})


def register_principal(unit: Unit, secrets: Secrets, new: NewPrincipal) -> MintedKey:
    """Let somebody in; a principal of this name gets one more key.

    Raises NotFoundError, ConflictError, InvalidError ``role_not_of_kind``.
    """
    entity = parties.find_entity(unit, new.entity)
    if entity is None:
        wrong = f"No entity is named {new.entity!r}."
        raise NotFoundError("not_found", wrong, todo="Register it first: suanlian entity add", field="entity")
    if new.role is Role.SUPERVISOR and EntityKind(entity["kind"]) not in SUPERVISING:
        wrong = f"{new.entity!r} is of the kind {entity['kind']}: nobody of it reads what is everybody's."
        todo = "Register the regulator as an entity of the kind supervisor."
        raise InvalidError("role_not_of_kind", wrong, todo=todo, field="role")
    row = parties.principal_named(unit, entity["id"], new.name)
    if row is None:
        row = _add_principal(unit, entity, new, minted_by=None if unit.caller is None else unit.caller.principal_id)
    elif new.role is Role.OPERATOR and unit.caller is not None and unit.caller.principal_id != row["id"]:
        wrong = f"{new.name!r} operates this hub: a key that you mint would be yours too."
        raise ForbiddenError("same_person", wrong, todo="Let them mint their own.", field="name")
    if row["role"] != new.role.value:
        wrong = f"{new.name!r} of {new.entity!r} has the role {row['role']}."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name for another role.", field="role")
    return _mint(unit, secrets, row, _wish(NewKey(scopes=new.scopes, valid_days=new.valid_days)))


def add_member(unit: Unit, entity_id: str, role: Role, name: str) -> str:
    """Let somebody who signed in into an entity, under a name that says nothing of them. Raises NotFoundError."""
    entity = parties.entity_of(unit, entity_id)
    if entity is None:
        raise NotFoundError("not_found", "There is no such entity.")
    return str(_add_principal(unit, entity, NewPrincipal(name=name, role=role, entity=entity["name"]))["id"])


def _add_principal(
    unit: Unit, entity: Row, new: NewPrincipal, *, minted_by: str | None = None, invited_by: str | None = None
) -> Row:
    account = parties.account_of(unit, entity["id"])
    project = None if account is None else parties.first_project(unit, account["id"])
    if account is None or project is None:
        raise NotFoundError("not_found", f"{new.entity!r} has no account.", todo="Register the entity anew.")
    row = {
        "id": new_id(),
        "name": new.name,
        "role": new.role.value,
        "entity_id": entity["id"],
        "account_id": account["id"],
        "project_id": project["id"],
        "minted_by": minted_by,
        "invited_by": invited_by,
    }
    parties.add_principal(unit, row)
    return row


@dataclass(frozen=True, slots=True)
class _Wish:
    label: str
    scopes: Scopes
    life: timedelta
    session: bool = False


def _wish(new: NewKey) -> _Wish:
    return _Wish(new.label, new.scopes, timedelta(days=new.valid_days))


def _mint(unit: Unit, secrets: Secrets, principal: Row, wish: _Wish) -> MintedKey:
    token = mint(TokenKind.API_KEY, secrets.random_bytes)
    expires_at = unit.now + wish.life
    row = {"prefix": token.prefix, "hash": keyed_hash(token.text, secrets.pepper), "principal_id": principal["id"]}
    row |= {"created_at": unit.now, "expires_at": expires_at, "session": wish.session}
    parties.add_key(unit, {**row, "label": wish.label, "scopes": " ".join(wish.scopes)})
    unit.record(
        EventType.KEY_MINTED,
        principal["id"],
        prefix=token.prefix,
        scopes=list(wish.scopes),
        expires_at=expires_at,
        session=wish.session,
    )
    return MintedKey(principal=_principal(principal), key=token.text, expires_at=expires_at, scopes=wish.scopes)


def open_session(unit: Unit, secrets: Secrets, principal_id: str, life: timedelta) -> MintedKey:
    """A short-lived key for somebody who has just signed in. Raises NotFoundError."""
    wish = _Wish("session", (Scope.ALL,), life, session=True)
    return _mint(unit, secrets, _found(unit, principal_id), wish)


def _found(unit: Unit, principal_id: str) -> Row:
    row = parties.find_principal(unit, principal_id)
    if row is None:
        raise NotFoundError("not_found", "There is no such principal.")
    return row


def mint_own(unit: Unit, secrets: Secrets, caller: Caller, new: NewKey) -> MintedKey:
    """A further key for the caller, which opens no more than the one that they call with. Raises ForbiddenError."""
    if not covers(caller.scopes, new.scopes):
        wrong = f"This key has {', '.join(sorted(caller.scopes))}; it cannot hand on {', '.join(new.scopes)}."
        raise ForbiddenError("scope_missing", wrong, todo="Ask for fewer scopes, or use a key that has them.")
    return _mint(unit, secrets, _found(unit, caller.principal_id), _wish(new))


def keys_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> list[KeyAbout]:
    """The caller's own keys; those that no longer open anything too."""
    return [_about(row) for row in parties.keys_of(unit, caller.principal_id, after=after, limit=limit)]


def _about(row: Row) -> KeyAbout:
    columns = ("prefix", "label", "created_at", "expires_at", "revoked_at", "session")
    return KeyAbout.model_validate({**{c: row[c] for c in columns}, "scopes": tuple(row["scopes"].split())})


def _principal(row: Row) -> Principal:
    return Principal(
        id=PrincipalId(row["id"]),
        name=row["name"],
        role=Role(row["role"]),
        entity_id=EntityId(row["entity_id"]),
        account_id=AccountId(row["account_id"]),
    )


def me(unit: Unit, caller: Caller) -> Me:
    """Who a caller is, for which entity, with which key. Raises NotFoundError."""
    row, key = parties.find_principal(unit, caller.principal_id), parties.find_key(unit, caller.key_prefix)
    entity = None if row is None else parties.entity_of(unit, row["entity_id"])
    if row is None or entity is None or key is None:
        raise NotFoundError("not_found", "There is no such principal.")
    return Me(**_principal(row).model_dump(), entity=entity["name"], key=_about(key))


def list_entities(unit: Unit, *, after: str, limit: int) -> list[Entity]:
    """Entities in the order in which they were registered."""
    return [parties.entity_value(unit, row) for row in parties.list_entities(unit, after=after, limit=limit)]


def revoke_key(unit: Unit, caller: Caller, prefix: str) -> None:
    """From now on the key opens nothing. Raises NotFoundError when the caller has no valid key of this prefix."""
    whose = None if caller.sees_all else caller.principal_id
    if not parties.revoke_key(unit, prefix, principal_id=whose):
        wrong = f"There is no valid key with the prefix {prefix[:80]!r} that you may revoke."
        todo = "suanlian keys lists yours; the prefix is the part of the key between the first two underscores."
        raise NotFoundError("not_found", wrong, todo=todo)
    unit.record(EventType.KEY_REVOKED, prefix)
