"""Secrets of one's account: what they say is read from standard input or asked for, never from the command line."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from suanlian.cli.output import AsJson, listing, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.reading import read
from suanlian.model.secret import NewSecret

commands = nouns()
_secret = nouns()
commands.add_typer(
    _secret,
    name="secret",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One secret: set, rm."),
)
SecretName = Annotated[
    str, typer.Argument(metavar="NAME", help=N_("The secret's name: a-z, 0-9, dot, dash, underscore."))
]


@commands.command("secrets", cls=Command, options_metavar=OPTIONS, help=N_("List the names of your secrets."))
def _secrets(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.secrets.list(),
            [
                (_("Name"), lambda one: one.name),
                (_("Set first"), lambda one: when(one.created_at)),
                (_("Set last"), lambda one: when(one.changed_at)),
            ],
            as_json=as_json,
        )


@_secret.command(
    "set",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Set a secret: what it says is read from standard input, or asked for at a terminal."),
)
def _set(name: SecretName, as_json: AsJson = False) -> None:
    new = read(NewSecret, {"value": _asked() if sys.stdin.isatty() else _given()})
    with open_hub() as hub:
        made = hub.secrets.set(name, new)
    record(made, [(_("Name"), made.name), (_("Set last"), when(made.changed_at))], as_json=as_json)
    if not as_json:
        remark(
            _(
                "Nobody is told it again, you neither. The hub keeps it sealed; the platform that runs a job which "
                "names it can read it, and so can its owner. Logs are masked, output files are not."
            )
        )


def _asked() -> str:
    return getpass(_("The secret (it is not shown): "))


def _given() -> str:
    """All of it; where it is one line, the end of the line is no part of it."""
    text = sys.stdin.read()
    return text.removesuffix("\n") if text.count("\n") == 1 else text


@_secret.command(
    "rm", cls=Command, options_metavar=OPTIONS, help=N_("Remove a secret: jobs that name it do not start.")
)
def _rm(name: SecretName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        hub.secrets.remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        say(_("The secret {name} is removed.").format(name=name))
