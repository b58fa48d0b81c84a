"""Signing in through an identity provider: by a token that one has, by a browser, and by an invitation.

Where the provider is asked, no unit of work is open: look, ask, apply.
"""

from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Cookie, Depends, Query, Response
from starlette.responses import RedirectResponse

from suanlian.api.deps import Hub, May, TheHub, may, write
from suanlian.api.listing import Listing
from suanlian.crypto.oidc import Identity
from suanlian.model.base import Value, Wire
from suanlian.model.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from suanlian.model.ids import new_id
from suanlian.model.party import Caller, MintedKey, Role
from suanlian.model.sign_in import (
    Challenge,
    Invitation,
    Link,
    LinkedIdentity,
    NewInvitation,
    NewLink,
    NewSession,
    Redeem,
)
from suanlian.services import parties, sign_in
from suanlian.services.ports import IdentityProvider
from suanlian.services.sign_in import Start
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["sign-in"])
_COOKIE: Final = "suanlian-sign-in"
_PATH: Final = "/v1/sign-in"
_NO_REFERRER: Final = {"Referrer-Policy": "no-referrer"}
_UNIQUE: Final = 12


class Starting(Value):
    """How a sign-in by browser begins."""

    return_to: Annotated[str, Query(max_length=400)] = ""
    challenge: Challenge | None = None
    invitation: Link | None = None


class Returning(Wire):
    """What the provider sends the browser back with (RFC 6749, 4.1.2; RFC 9207)."""

    state: Annotated[str, Query(max_length=200)] = ""
    code: Annotated[str, Query(max_length=4000)] = ""
    iss: Annotated[str, Query(max_length=400)] = ""
    error: Annotated[str, Query(max_length=200)] = ""


def _provider(hub: Hub) -> IdentityProvider:
    if hub.provider is None:
        todo = "Use an API key, or ask the operator to set SUANLIAN_OIDC_ISSUER."
        raise NotFoundError("sign_in_not_offered", "This hub knows no identity provider.", todo=todo)
    return hub.provider


def _enter(unit: Unit, hub: Hub, identity: Identity, invitation: str) -> str:
    """The principal of an identity: the known one, one more of an entity that invited, else a new person."""
    known = sign_in.principal_of(unit, identity)
    if known is not None and invitation:
        raise sign_in.taken()
    if known is not None:
        return known
    name = f"person-{new_id().replace('-', '')[-_UNIQUE:]}"
    if invitation:
        invited = sign_in.accept(unit, hub.secrets, invitation)
        made = parties.add_member(unit, invited.entity_id, invited.role, name)
        sign_in.joined(unit, invited, made)
    elif _provider(hub).relying.sign_up:
        entity = parties.register_entity(unit, hub.node, sign_in.person(identity, name))
        made = parties.add_member(unit, entity.id, Role.BUYER, name)
    else:
        wrong = "Nobody comes in here without an invitation."
        raise ForbiddenError("sign_up_closed", wrong, todo="Ask a colleague for one: suanlian account invite")
    sign_in.link(unit, identity, made)
    return made


@router.post("/sessions", dependencies=[Depends(May("session.open"))])
def open_session(hub: TheHub, body: NewSession) -> MintedKey:
    """Sign in by an ID token of the hub's provider; answers a short-lived key, which is shown this once."""
    provider = _provider(hub)
    identity = sign_in.identify(provider, body.id_token, hub.now())

    def work(unit: Unit) -> MintedKey:
        principal = _enter(unit, hub, identity, body.invitation or "")
        return parties.open_session(unit, hub.secrets, principal, provider.relying.session)

    return write(hub, None, work)


@router.get("/sign-in", dependencies=[Depends(May("session.begin"))], status_code=303)
def begin(hub: TheHub, asked: Annotated[Starting, Query()]) -> Response:
    """Begin a sign-in in this browser: on to the provider (code flow, PKCE S256)."""
    provider = _provider(hub)
    start = Start(asked.return_to, asked.challenge or "", asked.invitation or "")
    sign_in.check_start(start, provider)
    begun = sign_in.begin(hub.secrets, start, hub.now())
    challenge = sign_in.challenge_of(sign_in.verifier_of(hub.secrets, begun.state))
    url = provider.authorization_url(begun.state, sign_in.nonce_of(hub.secrets, begun.state), challenge)
    answer = RedirectResponse(url, status_code=303, headers=_NO_REFERRER)
    secure = urlsplit(hub.node.url).scheme == "https"
    age = int(sign_in.SIGN_IN_LIFE.total_seconds())
    answer.set_cookie(_COOKIE, begun.browser, max_age=age, path=_PATH, secure=secure, httponly=True, samesite="lax")
    return answer


@router.get("/sign-in/callback", dependencies=[Depends(May("session.return"))], response_model=MintedKey)
def arrive(
    hub: TheHub,
    came: Annotated[Returning, Query()],
    browser: Annotated[str, Cookie(alias=_COOKIE, max_length=4000)] = "",
) -> Response:
    """Where the provider sends the browser back to. Answers the session, or goes on to where the sign-in began."""
    provider, secrets = _provider(hub), hub.secrets
    arrived = write(hub, None, lambda unit: sign_in.arrive(unit, secrets, came.state, browser))
    if came.error or not came.code or came.iss not in ("", provider.relying.issuer):
        wrong = f"The identity provider answered {came.error or 'without a code of its own'}."
        raise UnauthenticatedError("sign_in_refused", wrong, todo="Begin again.")
    token = provider.redeem(came.code, sign_in.verifier_of(secrets, came.state))
    identity = sign_in.identify(provider, token, hub.now(), nonce=sign_in.nonce_of(secrets, came.state))

    def work(unit: Unit) -> Response:
        principal = _enter(unit, hub, identity, arrived.start.invitation)
        back = arrived.start.return_to
        if back:
            handle = sign_in.hand_over(unit, secrets, arrived, principal)
            join = "&" if "?" in back else "?"
            return RedirectResponse(f"{back}{join}{urlencode({'sign_in': handle})}", 303, _NO_REFERRER)
        session = parties.open_session(unit, secrets, principal, provider.relying.session)
        return Response(session.model_dump_json(), media_type="application/json")

    answer = write(hub, None, work)
    answer.delete_cookie(_COOKIE, path=_PATH)
    return answer


@router.post("/sessions/redeem", dependencies=[Depends(May("session.redeem"))])
def redeem(hub: TheHub, body: Redeem) -> MintedKey:
    """The session of a sign-in that came back to its starter, for the verifier of its challenge."""
    life = _provider(hub).relying.session

    def work(unit: Unit) -> MintedKey:
        principal = sign_in.redeem(unit, hub.secrets, body.handle, body.verifier)
        return parties.open_session(unit, hub.secrets, principal, life)

    return write(hub, None, work)


@router.get("/me/identities")
def identities(hub: TheHub, caller: Annotated[Caller, Depends(may("identity.list"))]) -> Listing[LinkedIdentity]:
    """By which accounts of providers the caller signs in."""
    with hub.reading(caller) as unit:
        return Listing[LinkedIdentity](items=sign_in.identities_of(unit, caller))


@router.post("/me/identities", status_code=204)
def link(hub: TheHub, body: NewLink, caller: Annotated[Caller, Depends(may("identity.link"))]) -> None:
    """From now on the caller signs in by the provider too; the token shows whose account it is."""
    identity = sign_in.identify(_provider(hub), body.id_token, hub.now())
    write(hub, caller, lambda unit: sign_in.link_own(unit, identity, caller))


@router.post("/invitations")
def invite(hub: TheHub, body: NewInvitation, caller: Annotated[Caller, Depends(may("entity.invite"))]) -> Invitation:
    """A one-time link by which a colleague comes into the caller's entity, to share its account."""
    return write(hub, caller, lambda unit: sign_in.invite(unit, hub.secrets, caller, body))
