"""Signing in through an identity provider, linking one, inviting colleagues."""

from collections.abc import Iterator

from suanlian.model.party import MintedKey
from suanlian.model.sign_in import Invitation, LinkedIdentity, NewInvitation, NewLink, NewSession
from suanlian.sdk.paging import items
from suanlian.sdk.people import Call, Transport


class SignIn:
    """Sessions and identities. A token opens one session, so none of these calls is repeated by itself."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def open(self, new: NewSession) -> MintedKey:
        """A short-lived key for an ID token. Raises UnauthenticatedError with the code of what is wrong with it."""
        content = new.model_dump_json(exclude_none=True).encode()
        return self._transport.act(MintedKey, "/v1/sessions", content, repeatable=False)

    def link(self, id_token: str) -> None:
        """Let the caller sign in by this token's account too. Raises ConflictError ``identity_taken``."""
        content = NewLink(id_token=id_token).model_dump_json().encode()
        self._transport.send(Call("POST", "/v1/me/identities", content=content, repeatable=False))

    def identities(self) -> Iterator[LinkedIdentity]:
        """By which providers the caller signs in."""
        return items(self._transport, LinkedIdentity, "/v1/me/identities")

    def invite(self, new: NewInvitation) -> Invitation:
        """A one-time link into the caller's entity; it is shown this once."""
        return self._transport.act(Invitation, "/v1/invitations", new.model_dump_json().encode(), repeatable=False)
