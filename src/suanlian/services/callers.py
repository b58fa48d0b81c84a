"""Who calls? Resolves an API key to a caller, and a connector's signature to a connector."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from suanlian.crypto.apikeys import TokenKind, matches, split
from suanlian.crypto.errors import TokenError
from suanlian.model.errors import UnauthenticatedError
from suanlian.model.event import EventType
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.party import Caller, Role, Scope, Standing
from suanlian.services.ports import Secrets
from suanlian.store import keys, parties, platforms
from suanlian.store.gates import standing_of
from suanlian.store.unit import Row, Unit

UNDER_WAY: Final = timedelta(seconds=60)
"""A call that was signed before the key changed may still arrive."""
_TODO: Final = (
    "Log in again: suanlian login URL; an operator mints a key. Programs send 'Authorization: Bearer sl_...'."
)


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """A caller, and until when its key holds."""

    caller: Caller
    expires_at: datetime


def caller_of(unit: Unit, key: str, secrets: Secrets) -> KnownCaller:
    """The caller of an API key. Raises UnauthenticatedError, in the same words for every reason."""
    refused = UnauthenticatedError(
        "unauthenticated", "The API key is missing, unknown, expired or revoked.", todo=_TODO
    )
    try:
        token = split(key, TokenKind.API_KEY)
    except TokenError as error:
        raise refused from error
    row = parties.find_key(unit, token.prefix)
    if row is None or not matches(token.text, row["hash"], secrets.pepper) or not _valid(row, unit.now):
        raise refused
    caller = Caller(
        principal_id=PrincipalId(row["principal_id"]),
        role=Role(row["role"]),
        entity_id=EntityId(row["entity_id"]),
        account_id=AccountId(row["account_id"]),
        project_id=ProjectId(row["project_id"]),
        key_prefix=row["prefix"],
        checked=standing_of(unit, parties.entity_of(unit, row["entity_id"])) is Standing.CHECKED,
        scopes=frozenset(Scope(name) for name in row["scopes"].split()),
    )
    return KnownCaller(caller, row["expires_at"])


def _valid(row: Row, now: datetime) -> bool:
    return row["revoked_at"] is None and row["expires_at"] > now


@dataclass(frozen=True, slots=True)
class KnownConnector:
    """By which keys a connector may sign now, the one in use first, and the highest protocol that it has spoken."""

    keys: tuple[str, ...]
    protocol: int


def connector_of(unit: Unit, connector_id: str) -> KnownConnector | None:
    """What is known of a connector; None when there is no such connector."""
    row = platforms.find_connector(unit, connector_id)
    if row is None:
        return None
    more = [key for key in keys.connector_keys(unit, connector_id) if key["until"] is None or key["until"] > unit.now]
    texts = (row["public_key"], *(key["public_key"] for key in more))
    return KnownConnector(tuple(dict.fromkeys(texts)), row["protocol"])


def take_up(unit: Unit, connector_id: str, key: str) -> None:
    """The next key has signed a call: from now on it is the connector's, and the one before holds a moment longer."""
    row = platforms.find_connector(unit, connector_id)
    known = {one["public_key"]: one for one in keys.connector_keys(unit, connector_id)}
    if row is None or row["public_key"] == key or known[key]["used_at"] is not None:
        return  # another call was first, or it is the one before, of a call that was under way
    for one in known.values():
        if one["public_key"] != key and one["until"] is None:
            keys.change_connector_key(unit, connector_id, one["key_id"], {"until": unit.now + UNDER_WAY})
    keys.change_connector_key(unit, connector_id, known[key]["key_id"], {"used_at": unit.now})
    keys.change_connector(unit, connector_id, {"public_key": key})
    unit.record(EventType.CONNECTOR_REKEYED, connector_id, before=row["public_key"], after=key, by="rekey")


def speaks(unit: Unit, connector_id: str, protocol: int) -> None:
    """Remember the highest version of the protocol that the connector has spoken."""
    keys.change_connector(unit, connector_id, {"protocol": protocol})


def keep_nonce(unit: Unit, connector_id: str, nonce: str, expires: datetime) -> None:
    """Remember the nonce of a verified call that was refused; one that is kept already stays."""
    platforms.remember_nonce(unit, {"key_id": connector_id, "nonce": nonce, "expires_at": expires})


def note_connector(unit: Unit, connector_id: str, nonce: str, expires: datetime) -> None:
    """Remember the nonce of a verified call. Raises UnauthenticatedError when the call was seen before."""
    row = {"key_id": connector_id, "nonce": nonce, "expires_at": expires}
    if not platforms.remember_nonce(unit, row):
        wrong = "This signed call was received before."
        raise UnauthenticatedError("signature_replayed", wrong, todo="Sign each call anew, with a fresh nonce.")
