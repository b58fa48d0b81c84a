"""Signing in through an identity provider (OpenID Connect): what is said on the way, and invitations to an entity."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.party import Role

MAX_TOKEN_CHARS: Final = 16_384

IdToken = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOKEN_CHARS)]
"""An ID token as its provider gave it; a secret until it was used."""
Link = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A one-time text that was handed over."""
Challenge = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""SHA-256 of a verifier in base64url (RFC 7636, S256)."""
Verifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]


class ProviderAbout(Wire):
    """Where people sign in: the issuer, and the name under which a command line asks there (RFC 8628)."""

    issuer: Text
    client_id: Text


class NewSession(Value):
    """An ID token, and the invitation of an entity where the person comes by one."""

    id_token: IdToken
    invitation: Link | None = None


class Redeem(Value):
    """The handle that the browser brought back, and the verifier that only its starter knows."""

    handle: Link
    verifier: Verifier


class NewLink(Value):
    """An ID token whose person is the caller."""

    id_token: IdToken


class LinkedIdentity(Wire):
    """An identity provider's account by which a principal signs in; its subject is not told."""

    issuer: Text
    linked_at: Utc


class NewInvitation(Value):
    """As what a colleague is to come in."""

    role: Role
    valid_days: int = Field(default=7, ge=1, le=30)


class Invitation(Wire):
    """A one-time link into an entity; its text is shown this once."""

    link: str
    entity: Name
    role: Role
    expires_at: Utc
