"""Signing in through an identity provider: who a token is of, sign-ins under way, invitations.

A sign-in by browser lies with that browser alone until it comes back: a cookie says how it began, the state is that
cookie under the hub's pepper, and nonce and verifier follow from the state. So strangers who begin write nothing here,
a cookie that was changed fits no state, and a stolen database completes no sign-in.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, matches, mint, split
from suanlian.crypto.errors import CryptoCode, IdTokenError, TokenError
from suanlian.crypto.oidc import LEEWAY_S, Expected, Identity, verify_id_token
from suanlian.model.base import Text, plain_text
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, UnauthenticatedError
from suanlian.model.event import EventType
from suanlian.model.party import Caller, EntityKind, NewEntity, Role
from suanlian.model.sign_in import Invitation, LinkedIdentity, NewInvitation
from suanlian.rules.returning import refused_return
from suanlian.services.ports import IdentityProvider, Secrets
from suanlian.store import parties, platforms, sign_in
from suanlian.store.unit import Unit

SIGN_IN_LIFE: Final = timedelta(minutes=10)
_TITLE_CHARS: Final = 200
_SECRET_BYTES: Final = 32
_TODO: Final = "Sign in again; if it stays so, tell the hub's operator."


def identify(provider: IdentityProvider, token: str, now: datetime, *, nonce: str | None = None) -> Identity:
    """Who an ID token is of. May ask the provider for its keys: never inside a unit. Raises UnauthenticatedError."""
    relying = provider.relying
    expected = Expected(relying.issuer, relying.audiences, nonce)
    try:
        try:
            return verify_id_token(token, provider.keys(), expected, now=now)
        except IdTokenError as error:
            if error.code != CryptoCode.TOKEN_KEY_UNKNOWN:
                raise
            # the provider may have changed its keys since we asked
            return verify_id_token(token, provider.keys(anew=True), expected, now=now)
    except IdTokenError as error:
        raise UnauthenticatedError(error.code, f"Not signed in: {error.message}.", todo=_TODO) from error


def principal_of(unit: Unit, identity: Identity) -> str | None:
    """The principal of an identity, if it is known; from now on its token is used. Raises UnauthenticatedError."""
    until = identity.expires_at + timedelta(seconds=LEEWAY_S)
    used = {"key_id": f"oidc {identity.issuer}", "nonce": identity.digest, "expires_at": until}
    if not platforms.remember_nonce(unit, used):
        raise UnauthenticatedError("token_replayed", "This token signed somebody in before.", todo=_TODO)
    row = sign_in.lock_identity(unit, identity.issuer, identity.subject)
    return None if row is None else str(row["principal_id"])


def link(unit: Unit, identity: Identity, principal_id: str) -> None:
    """From now on the principal signs in by this identity, which is nobody's yet."""
    row = {"issuer": identity.issuer, "subject": identity.subject, "principal_id": principal_id}
    sign_in.add_identity(unit, {**row, "linked_at": unit.now})
    unit.record(EventType.IDENTITY_LINKED, principal_id, issuer=identity.issuer)


def link_own(unit: Unit, identity: Identity, caller: Caller) -> None:
    """Let the caller sign in by this identity too. Raises ConflictError ``identity_taken``."""
    known = principal_of(unit, identity)
    if known is not None:
        raise taken()
    link(unit, identity, caller.principal_id)


def taken() -> ConflictError:
    """The identity belongs to somebody already."""
    wrong = "You sign in here already as another principal: one account of the provider is one principal."
    todo = "Erase that one first (suanlian account erase), or use another account of the provider."
    return ConflictError("identity_taken", wrong, todo=todo)


def identities_of(unit: Unit, caller: Caller) -> list[LinkedIdentity]:
    """By which providers the caller signs in."""
    rows = sign_in.identities_of(unit, caller.principal_id)
    return [LinkedIdentity(issuer=row["issuer"], linked_at=row["linked_at"]) for row in rows]


def person(identity: Identity, name: str) -> NewEntity:
    """The entity of somebody who signs in for the first time: a natural person, whom nobody has checked."""
    return NewEntity(name=name, title=_title(identity.name), kind=EntityKind.PERSON)


def _title(said: str) -> Text:
    try:
        return plain_text(said[:_TITLE_CHARS])
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Start:
    """What whoever starts a sign-in by browser says: where to go back to, with which challenge, by which invitation."""

    return_to: str = ""
    challenge: str = ""
    invitation: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that begins: what goes to the provider, and what only this browser knows."""

    state: str = field(repr=False)
    browser: str = field(repr=False)


def check_start(start: Start, provider: IdentityProvider) -> None:
    """Refuse an address that nobody registered, and a return without a challenge. Raises InvalidError."""
    if not start.return_to:
        return
    why = refused_return(start.return_to, provider.relying.return_origins)
    if why is not None:
        todo = "Return to loopback, or let the operator register the origin (SUANLIAN_OIDC_RETURN_ORIGINS)."
        raise InvalidError("redirect_refused", f"Nobody is sent to that address: {why}.", todo=todo, field="return_to")
    if not start.challenge:
        wrong = "A sign-in that returns elsewhere needs a challenge."
        todo = "Send challenge=, the SHA-256 of a secret of yours in base64url; show the secret when you redeem."
        raise InvalidError("field_invalid", wrong, todo=todo, field="challenge")


def begin(secrets: Secrets, start: Start, now: datetime) -> Begun:
    """Begin a sign-in by browser; it is good for ten minutes and once. Writes nothing."""
    until = (now + SIGN_IN_LIFE).timestamp()
    said = [until, start.return_to, start.challenge, start.invitation, _fresh(secrets)]
    browser = _base64url(json.dumps(said).encode())
    return Begun(_hash("state", browser, secrets), browser)


def _fresh(secrets: Secrets) -> str:
    return _base64url(secrets.random_bytes(_SECRET_BYTES))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hash(what: str, text: str, secrets: Secrets) -> str:
    return keyed_hash(f"sign-in {what} {text}", secrets.pepper)


def nonce_of(secrets: Secrets, state: str) -> str:
    """The nonce that the provider puts into this sign-in's token."""
    return _hash("nonce", state, secrets)


def verifier_of(secrets: Secrets, state: str) -> str:
    """The verifier of this sign-in's code (RFC 7636)."""
    return _hash("verifier", state, secrets)


def challenge_of(verifier: str) -> str:
    """What is told of a verifier beforehand: S256."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


@dataclass(frozen=True, slots=True)
class Arrived:
    """A sign-in that came back: how it began, and under which key it is kept."""

    start: Start
    kept: str


def arrive(unit: Unit, secrets: Secrets, state: str, browser: str) -> Arrived:
    """The sign-in with which a browser came back, used up by it. Raises ForbiddenError ``sign_in_invalid``."""
    if not hmac.compare_digest(state.encode(), _hash("state", browser, secrets).encode()):
        raise _invalid()
    # the state is the hub's own word on this very cookie, so what it says is ours
    until, return_to, challenge, invitation, _unique = json.loads(_bytes(browser))
    expires_at = datetime.fromtimestamp(until, UTC)
    row = {"state": _hash("kept", state, secrets), "challenge": challenge, "return_to": return_to}
    row |= {"expires_at": expires_at, "used_at": unit.now}
    if expires_at <= unit.now or not sign_in.add(unit, row):
        raise _invalid()
    return Arrived(Start(return_to, challenge, invitation), str(row["state"]))


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _invalid() -> ForbiddenError:
    wrong = "This sign-in is unknown, used, over, or was begun in another browser."
    return ForbiddenError("sign_in_invalid", wrong, todo="Begin again.")


def hand_over(unit: Unit, secrets: Secrets, arrived: Arrived, principal_id: str) -> str:
    """A handle by which whoever began the sign-in gets the session, once, with its verifier."""
    handle = _fresh(secrets)
    values = {"handle": _hash("handle", handle, secrets), "principal_id": principal_id}
    sign_in.change(unit, arrived.kept, values)
    return handle


def redeem(unit: Unit, secrets: Secrets, handle: str, verifier: str) -> str:
    """Who signed in under this handle, once. Raises ForbiddenError ``sign_in_invalid``."""
    row = sign_in.find_handle(unit, _hash("handle", handle, secrets))
    right = row is not None and hmac.compare_digest(row["challenge"], challenge_of(verifier))
    if row is None or not right or not sign_in.redeem(unit, row["state"]):
        raise _invalid()
    return str(row["principal_id"])


def invite(unit: Unit, secrets: Secrets, caller: Caller, new: NewInvitation) -> Invitation:
    """A one-time link by which a colleague comes into the caller's entity. Raises ForbiddenError."""
    entity = parties.entity_of(unit, caller.entity_id)
    if entity is None or new.role is not caller.role:
        wrong = f"You are here as {caller.role.value}: you invite as that and nothing else."
        raise ForbiddenError("forbidden", wrong, todo="Ask an operator for a principal of another role.")
    if new.role is Role.OPERATOR:
        wrong = "A further operator comes in by a link of their own."
        raise ForbiddenError("forbidden", wrong, todo="suanlian operator invite NAME --why TEXT")
    if entity["kind"] == EntityKind.PERSON:
        wrong = "A person's account is theirs alone."
        raise ForbiddenError("forbidden", wrong, todo="Ask an operator to register your legal person.")
    token = mint(TokenKind.INVITATION, secrets.random_bytes)
    expires_at = unit.now + timedelta(days=new.valid_days)
    row = {"prefix": token.prefix, "hash": keyed_hash(token.text, secrets.pepper), "entity_id": entity["id"]}
    row |= {"role": new.role.value, "invited_by": caller.principal_id, "expires_at": expires_at}
    sign_in.add_invitation(unit, row)
    unit.record(EventType.ENTITY_INVITED, entity["id"], role=new.role.value, prefix=token.prefix)
    return Invitation(link=token.text, entity=entity["name"], role=new.role, expires_at=expires_at)


@dataclass(frozen=True, slots=True)
class Invited:
    """Into which entity, as what, by whom."""

    entity_id: str
    role: Role
    invited_by: str


def accept(unit: Unit, secrets: Secrets, text: str) -> Invited:
    """Use an invitation up. Raises ForbiddenError ``invitation_invalid``, in the same words for every reason."""
    todo = "Ask your colleague for a fresh one: suanlian account invite"
    refused = ForbiddenError("invitation_invalid", "The invitation is unknown, used or expired.", todo=todo)
    try:
        token = split(text, TokenKind.INVITATION)
    except TokenError as error:
        raise refused from error
    row = sign_in.find_invitation(unit, token.prefix)
    if row is None or not matches(token.text, row["hash"], secrets.pepper):
        raise refused
    if not sign_in.use_invitation(unit, token.prefix):
        raise refused
    return Invited(row["entity_id"], Role(row["role"]), row["invited_by"])


def joined(unit: Unit, invited: Invited, principal_id: str) -> None:
    """Write down who came in by an invitation."""
    by = {"principal": principal_id, "role": invited.role.value, "invited_by": invited.invited_by}
    unit.record(EventType.ENTITY_JOINED, invited.entity_id, **by)
