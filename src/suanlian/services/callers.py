"""Who calls? Resolves an API key to a caller, and a connector's signature to a connector."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from suanlian.crypto.apikeys import TokenKind, matches, split
from suanlian.crypto.errors import TokenError
from suanlian.model.errors import UnauthenticatedError
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.party import Caller, Role, Scope, Standing
from suanlian.services.ports import Secrets
from suanlian.store import parties, platforms
from suanlian.store.gates import standing_of
from suanlian.store.unit import Row, Unit

_TODO: Final = "Send 'Authorization: Bearer sl_...' with a key that is valid here; an operator mints one."


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


def connector_key(unit: Unit, connector_id: str) -> str | None:
    """The public key that this connector enrolled with; None when there is no such connector."""
    row = platforms.find_connector(unit, connector_id)
    return None if row is None else str(row["public_key"])


def note_connector(unit: Unit, connector_id: str, nonce: str, expires: datetime) -> None:
    """Remember the nonce of a verified call. Raises UnauthenticatedError when the call was seen before."""
    row = {"key_id": connector_id, "nonce": nonce, "expires_at": expires}
    if not platforms.remember_nonce(unit, row):
        wrong = "This signed call was received before."
        raise UnauthenticatedError("signature_replayed", wrong, todo="Sign each call anew, with a fresh nonce.")
