"""Who takes part: entities, principals and their keys, and the first operator's claim."""

from collections.abc import Iterator

from suanlian.model.base import Name, Value
from suanlian.model.onboarding import OperatorInvitation
from suanlian.model.party import (
    Decision,
    Entity,
    EntityChange,
    Erasure,
    Farewell,
    KeyAbout,
    Me,
    MintedKey,
    NewEntity,
    NewKey,
    NewPrincipal,
)
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport


class _Claim(Value):
    link: str
    name: Name


class _Invited(Decision):
    name: Name


class Parties:
    """Entities and principals. What mints a key is never repeated by itself: each answer shows its key once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def me(self) -> Me:
        """Who calls, and with which key. Raises UnauthenticatedError."""
        return self._transport.read(Me, "/v1/me")

    def keys(self) -> Iterator[KeyAbout]:
        """Every key of the caller's own."""
        return items(self._transport, KeyAbout, "/v1/keys")

    def add_key(self, key: NewKey) -> MintedKey:
        """A further key of the caller's own; it is shown this once. Raises ForbiddenError ``scope_missing``."""
        return self._transport.act(MintedKey, "/v1/keys", key.model_dump_json().encode(), repeatable=False)

    def claim(self, link: str, name: str = "operator") -> MintedKey:
        """Become the first operator by the one-time link. Raises ``link_invalid`` when it is used or over."""
        content = _Claim(link=link, name=name).model_dump_json().encode()
        return self._transport.act(MintedKey, "/v1/operators/claim", content, repeatable=False)

    def add_entity(self, entity: NewEntity) -> Entity:
        """Register a legal person (operator)."""
        return self._transport.create(Entity, "/v1/entities", entity)

    def entities(self) -> Iterator[Entity]:
        """Every entity (operator)."""
        return items(self._transport, Entity, "/v1/entities")

    def entity(self, entity: str) -> Entity:
        """One entity: one's own, or any for who sees all."""
        return self._transport.read(Entity, f"/v1/entities/{part(entity)}")

    def change_entity(self, entity: str, change: EntityChange) -> Entity:
        """State it anew; what was checked stands until an operator has looked."""
        content = change.model_dump_json(exclude_unset=True).encode()
        return self._transport.act(Entity, f"/v1/entities/{part(entity)}/change", content)

    def check_entity(self, entity: str, decision: Decision) -> Entity:
        """It is who it says (operator)."""
        content = decision.model_dump_json().encode()
        return self._transport.act(Entity, f"/v1/entities/{part(entity)}/check", content)

    def refuse_entity(self, entity: str, decision: Decision) -> Entity:
        """It is not (operator)."""
        content = decision.model_dump_json().encode()
        return self._transport.act(Entity, f"/v1/entities/{part(entity)}/refuse", content)

    def invite(self, name: str, decision: Decision) -> OperatorInvitation:
        """A one-time link for a further operator (operator); never repeated by itself."""
        content = _Invited(name=name, **decision.model_dump()).model_dump_json().encode()
        return self._transport.act(OperatorInvitation, "/v1/operators/invite", content, repeatable=False)

    def add_principal(self, principal: NewPrincipal) -> MintedKey:
        """Let somebody in; the key is shown this once (operator)."""
        content = principal.model_dump_json().encode()
        return self._transport.act(MintedKey, "/v1/principals", content, repeatable=False)

    def erase(self, name: str) -> Erasure:
        """Erase the caller, whose name here this is. Raises InvalidError, ConflictError."""
        content = Farewell(name=name).model_dump_json().encode()
        return self._transport.act(Erasure, "/v1/me/erase", content, repeatable=False)

    def revoke_key(self, prefix: str) -> None:
        """Make an own key worthless at once, or anybody's (operator). Raises NotFoundError the second time."""
        self._transport.send(Call("POST", f"/v1/keys/{part(prefix)}/revoke", content=b"{}"))
