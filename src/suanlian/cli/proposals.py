"""What two persons must want: list what is proposed, confirm it, decline it; let a further operator in."""

from typing import Annotated

import typer

from suanlian.cli.arguments import Reference, Why
from suanlian.cli.onboarding import tell_moved
from suanlian.cli.output import AsJson, listing, record, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.party import Decision
from suanlian.model.reading import read

commands = nouns()
_proposal, _operator = nouns(), nouns()
for _noun, _name, _help in (
    (_proposal, "proposal", N_("What two persons must want: confirm, decline.")),
    (_operator, "operator", N_("Those who run the hub: invite.")),
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

_Id = Annotated[str, typer.Argument(metavar="ID", help=N_("The proposal's UUID."))]


@commands.command("proposals", cls=Command, options_metavar=OPTIONS, help=N_("List what waits for a second operator."))
def _proposals(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.platforms.proposals(),
            [
                (_("Act"), lambda one: one.act),
                (_("Of"), lambda one: one.name),
                (_("Proposed by"), lambda one: one.proposed_by),
                (_("When"), lambda one: when(one.proposed_at)),
                (_("Why"), lambda one: one.why),
                (_("Lapses"), lambda one: when(one.expires_at)),
                ("UUID", lambda one: one.id),
            ],
            as_json=as_json,
        )


@_proposal.command("confirm", cls=Command, options_metavar=OPTIONS, help=N_("Want it too (a second operator)."))
def _confirm(proposal: _Id, why: Why, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        tell_moved(hub.platforms.confirm(proposal, read(Decision, {"why": why})), as_json=as_json)


@_proposal.command(
    "decline",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Do not want it; of a suspension or freeze: lift it (a second operator)."),
)
def _decline(proposal: _Id, why: Why, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        tell_moved(hub.platforms.decline(proposal, read(Decision, {"why": why})), as_json=as_json)


@_operator.callback()
def _operators() -> None:
    """Keep `invite` a command below `operator`, though it is the only one."""


@_operator.command(
    "invite",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Get a one-time link for a further operator; from the third on two operators must want it."),
)
def _invite(
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Their name here."))],
    why: Why,
    reference: Reference = "",
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        made = hub.parties.invite(name, read(Decision, {"why": why, "reference": reference}))
        url = hub.url
    fields = [
        (_("Name"), made.name),
        (_("Link"), made.link),
        (_("Holds until"), when(made.expires_at)),
        (_("Proposal"), made.proposal.id if made.proposal else ""),
    ]
    record(made, fields, as_json=as_json)
    if as_json:
        return
    if made.link:
        remark(_("Hand it over unopened; they type: suanlian claim {url} {link}").format(url=url, link=made.link))
    else:
        remark(_("A second operator types the same command, and is shown the link."))
