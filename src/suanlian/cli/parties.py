"""Entities and principals: what the operator does to let people in."""

from typing import Annotated

import typer

from suanlian.cli.arguments import ScopeOptions
from suanlian.cli.entities import install
from suanlian.cli.output import AsJson, record, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.party import NewPrincipal, Role
from suanlian.model.reading import read

commands = nouns()
_entity, _principal = nouns(), nouns()
for _noun, _name, _help in (
    (_entity, "entity", N_("Legal persons: add, list, show, change, check, refuse.")),
    (_principal, "principal", N_("Those who call: add.")),
):
    commands.add_typer(
        _noun,
        name=_name,
        cls=Group,
        options_metavar=OPTIONS,
        subcommand_metavar=COMMAND,
        no_args_is_help=True,
        help=_help,
    )

install(_entity)


@_principal.command(
    "add", cls=Command, options_metavar=OPTIONS, help=N_("Let somebody in and get their API key (operator).")
)
def _add_principal(  # noqa: PLR0913, PLR0917 - a command has as many options as people need
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Their name here."))],
    role: Annotated[Role, typer.Option("--role", metavar="ROLE", help=N_("operator, supervisor, provider or buyer."))],
    entity: Annotated[str, typer.Option("--entity", metavar="NAME", help=N_("The legal person that they act for."))],
    valid_days: Annotated[int, typer.Option("--days", metavar="N", help=N_("How many days the key holds."))] = 365,
    scopes: ScopeOptions = None,
    as_json: AsJson = False,
) -> None:
    asked: dict[str, object] = {"name": name, "role": role, "entity": entity, "valid_days": valid_days}
    if scopes:
        asked["scopes"] = tuple(scopes)
    with open_hub() as hub:
        minted = hub.parties.add_principal(read(NewPrincipal, asked))
    fields = [
        (_("Name"), minted.principal.name),
        (_("Role"), minted.principal.role),
        (_("API key"), minted.key),
        (_("Holds until"), when(minted.expires_at)),
    ]
    record(minted, fields, as_json=as_json)
    if not as_json:
        remark(_("The key is shown this once and kept nowhere: hand it over on a safe way."))


@_principal.callback()
def _principals() -> None:
    """Keep `add` a command below `principal`, though it is the only one."""
