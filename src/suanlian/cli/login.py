"""Logging in to a hub, and becoming its first operator."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.output import AsJson, print_json, record, remark
from suanlian.cli.session import Login, keep
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
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
    as_json: AsJson = False,
) -> None:
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
