"""Logging in to a hub, and becoming its first operator."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.device import sign_in
from suanlian.cli.output import AsJson, print_json, record, remark, say
from suanlian.cli.session import Login, keep, read_login
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import SuanlianError
from suanlian.model.party import Principal
from suanlian.sdk.client import Client
from suanlian.settings import PersonSettings

commands = nouns()

Address = Annotated[str, typer.Argument(metavar="URL", help=N_("Address of the hub: https, or http on this machine."))]


@commands.command("login", cls=Command, options_metavar=OPTIONS, help=N_("Log in to a hub: check the key and keep it."))
def _login(
    url: Address,
    key_file: Annotated[
        str | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help=N_("Read the key from this file, - for standard input; else it is asked for."),
        ),
    ] = None,
    oidc: Annotated[
        bool, typer.Option("--oidc", help=N_("Sign in through the hub's identity provider instead of by a key."))
    ] = False,
    invitation: Annotated[
        str | None, typer.Option("--invitation", metavar="LINK", help=N_("A colleague's invitation, iv_...."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    if oidc:
        login = sign_in(url, invitation)
        _keep(login)
        with Client(login.hub, login.key) as hub:
            _tell(hub.parties.me(), hub.url, as_json=as_json)
        return
    key = _read_key(key_file)
    with Client(url, key) as hub:
        me = hub.parties.me()
        _keep(Login(hub=hub.url, key=key))
    _tell(me, hub.url, as_json=as_json)


@commands.command(
    "claim",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Become a hub's first operator by the one-time link that its init printed."),
)
def _claim(
    url: Address,
    link: Annotated[
        str, typer.Argument(metavar="LINK", help=N_("The one-time link, - to read it from standard input."))
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help=N_("Your name here."))] = "operator",
    as_json: AsJson = False,
) -> None:
    with Client(url) as hub:
        minted = hub.parties.claim(sys.stdin.readline().strip() if link == "-" else link, name)
        _keep(Login(hub=hub.url, key=minted.key))
    if as_json:
        print_json(minted.model_dump(mode="json"))
        return
    _tell(minted.principal, hub.url, as_json=False)
    remark(_("The key holds until {until}.").format(until=when(minted.expires_at)))
    remark(_("Going live takes two operators; one lets the next in by: suanlian operator invite NAME --why TEXT"))


@commands.command(
    "logout", cls=Command, options_metavar=OPTIONS, help=N_("Forget the login; the key of a sign-in ends at once.")
)
def _logout(as_json: AsJson = False) -> None:
    path = PersonSettings().login_file
    login = read_login(path)
    if login is not None and login.refresh_token:
        # the key may be over already, or the hub away: the login is forgotten all the same
        with suppress(SuanlianError), Client(login.hub, login.key) as hub:
            hub.parties.revoke_key(login.key.split("_")[1])
    path.unlink(missing_ok=True)
    if as_json:
        print_json({"logged_out": login is not None})
    else:
        say(_("Logged out.") if login is not None else _("You were not logged in."))


def _read_key(key_file: str | None) -> str:
    if key_file is None:
        return str(typer.prompt(_("API key"), hide_input=True)).strip()
    return (sys.stdin.readline() if key_file == "-" else Path(key_file).read_text("utf-8")).strip()


def _keep(login: Login) -> None:
    path = PersonSettings().login_file
    keep(login, path)
    remark(_("Kept in {path}, readable by you only.").format(path=path))


def _tell(me: Principal, url: str, *, as_json: bool) -> None:
    record(me, [(_("Hub"), url), (_("Name"), me.name), (_("Role"), me.role)], as_json=as_json)
