"""One's own account: by which sign-in one comes in."""

from typing import Annotated

import typer

from suanlian.cli.device import offered, tokens_of
from suanlian.cli.output import AsJson, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.party import Role
from suanlian.model.sign_in import NewInvitation

commands = nouns()
_account = nouns()
commands.add_typer(
    _account,
    name="account",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("Your own account: invite, link."),
)


@_account.command(
    "link", cls=Command, options_metavar=OPTIONS, help=N_("Sign in through the identity provider from now on too.")
)
def _link(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        tokens = tokens_of(offered(hub))
        hub.sign_in.link(tokens.id_token)
    if as_json:
        print_json({"linked": True})
    else:
        say(_("Linked: `suanlian login --oidc` brings you here."))


@_account.command(
    "invite", cls=Command, options_metavar=OPTIONS, help=N_("Make a one-time link that lets a colleague in.")
)
def _invite(
    role: Annotated[
        Role | None, typer.Option("--role", metavar="ROLE", help=N_("buyer or provider; your own if left out."))
    ] = None,
    valid_days: Annotated[int, typer.Option("--days", metavar="N", help=N_("How many days the link holds."))] = 7,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        made = hub.sign_in.invite(NewInvitation(role=role or hub.parties.me().role, valid_days=valid_days))
    fields = [
        (_("Invitation"), made.link),
        (_("Entity"), made.entity),
        (_("Role"), made.role),
        (_("Holds until"), when(made.expires_at)),
    ]
    record(made, fields, as_json=as_json)
    if not as_json:
        remark(_("Your colleague signs in with it once: suanlian login URL --oidc --invitation LINK"))
