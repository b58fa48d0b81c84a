"""Who takes part: entities, principals and their keys, and the first operator's claim."""

from collections.abc import Iterator

from suanlian.model.base import Name, Value
from suanlian.model.party import Entity, MintedKey, NewEntity, NewPrincipal, Principal
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport


class _Claim(Value):
    link: str
    name: Name


class Parties:
    """Entities and principals. What mints a key is never repeated by itself: each answer shows its key once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def me(self) -> Principal:
        """Who calls. Raises UnauthenticatedError."""
        return self._transport.read(Principal, "/v1/me")

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

    def add_principal(self, principal: NewPrincipal) -> MintedKey:
        """Let somebody in; the key is shown this once (operator)."""
        content = principal.model_dump_json().encode()
        return self._transport.act(MintedKey, "/v1/principals", content, repeatable=False)

    def revoke_key(self, prefix: str) -> None:
        """Make the key with this prefix worthless at once (operator). A second time is no error."""
        self._transport.send(Call("POST", f"/v1/keys/{part(prefix)}/revoke", content=b"{}"))
