"""Signing in from a terminal: the person opens a page anywhere and types a code (RFC 8628)."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from suanlian.cli.output import remark
from suanlian.cli.session import Login
from suanlian.i18n import _
from suanlian.model.errors import NotFoundError, UnauthenticatedError
from suanlian.model.sign_in import NewSession, ProviderAbout
from suanlian.sdk.client import Client
from suanlian.sdk.oidc import Grant, Metadata, OidcProvider, Pending, Tokens, open_person_client

_SLOWER_S: Final = 5.0


def sign_in(url: str, invitation: str | None) -> Login:
    """The login of whoever answers at the hub's identity provider. Raises SuanlianError as provider and hub refuse."""
    with Client(url) as hub:
        about = offered(hub)
        tokens = tokens_of(about)
        minted = hub.sign_in.open(NewSession(id_token=tokens.id_token, invitation=invitation))
        return Login(
            hub=hub.url,
            key=minted.key,
            expires_at=minted.expires_at,
            issuer=about.issuer,
            client_id=about.client_id,
            refresh_token=tokens.refresh_token,
        )


def offered(hub: Client) -> ProviderAbout:
    """The identity provider of a hub. Raises NotFoundError ``sign_in_not_offered``."""
    about = hub.identifiers.node().sign_in
    if about is None:
        raise NotFoundError(
            "sign_in_not_offered",
            _("{hub} knows no identity provider.").format(hub=hub.url),
            todo=_("Log in with an API key: suanlian login URL"),
        )
    return about


def tokens_of(about: ProviderAbout) -> Tokens:
    """The tokens of a person who answered at the provider. Raises UnauthenticatedError ``sign_in_refused``."""
    provider = OidcProvider(about.issuer, opens=lambda: open_person_client(about.issuer))
    metadata = provider.metadata()
    grant = provider.begin_device(metadata, about.client_id)
    remark(_("Open {url} and type the code {code}").format(url=grant.verification_uri, code=grant.user_code))
    if grant.verification_uri_complete:
        remark(_("or open {url} and compare the code.").format(url=grant.verification_uri_complete))
    return _wait(provider, metadata, (about.client_id, grant))


def _wait(provider: OidcProvider, metadata: Metadata, asked: tuple[str, Grant]) -> Tokens:
    client_id, grant = asked
    until = datetime.now(UTC) + timedelta(seconds=grant.expires_in)
    pause = grant.interval
    while datetime.now(UTC) < until:
        time.sleep(pause)
        try:
            return provider.ask_device(metadata, client_id, grant)
        except Pending as pending:
            pause += _SLOWER_S if pending.slower else 0.0
    raise UnauthenticatedError("sign_in_refused", _("Nobody answered in time."), todo=_("Begin again."))
