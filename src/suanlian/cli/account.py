"""One's own account: by which sign-in one comes in, who comes in besides, and how one leaves."""

from decimal import Decimal
from itertools import islice
from typing import Annotated, Final

import typer

from suanlian.cli.device import offered, tokens_of
from suanlian.cli.output import AsJson, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import money, when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.party import Me, Role
from suanlian.model.sign_in import NewInvitation
from suanlian.sdk.client import Client
from suanlian.settings import PersonSettings

commands = nouns()
_LOOKED_AT: Final = 5000
_account = nouns()
commands.add_typer(
    _account,
    name="account",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("Your own account: invite, link, erase."),
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
    "erase", cls=Command, options_metavar=OPTIONS, help=N_("Erase yourself here, with all that your jobs were.")
)
def _erase(
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help=N_("Your name here, to mean it; else it is asked for."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        me = hub.parties.me()
        if name is None:
            _warn(hub, me)
            name = str(typer.prompt(_("Your name here, to go on"))).strip()
        made = hub.parties.erase(name)
    PersonSettings().login_file.unlink(missing_ok=True)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        say(_("You are shut out now. The rest goes as soon as what ran has ended."))


def _warn(hub: Client, me: Me) -> None:
    running = sum(
        1 for job in islice(hub.jobs.list(), _LOOKED_AT) if job.ended_at is None and job.account_id == me.account_id
    )
    owed = sum(
        ((c.payable or c.cost).amount for c in hub.jobs.charges(None) if c.account_id == me.account_id), Decimal(0)
    )
    remark(_("You are {name} of {entity}.").format(name=me.name, entity=me.entity))
    remark(_("Jobs that have not ended: {n}. They are cancelled.").format(n=running))
    remark(_("Charges in all: {sum}. They stay owed.").format(sum=money(owed)))
    remark(
        _("Gone: name, sign-ins, keys; and where the account is yours alone, uploads, logs, outputs, what jobs were.")
    )
    remark(
        _("Kept: ids, times and amounts of usage and charges, the journal of acts with the addresses they came from.")
    )


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
