"""What an identifier names, and who the hub is."""

from typing import Annotated

import typer

from suanlian.cli.output import AsJson, record, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when, yes_no
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns

commands = nouns()


@commands.command(
    "resolve",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Tell what a public identifier names, asking from hub to hub."),
)
def _resolve(
    identifier: Annotated[str, typer.Argument(metavar="ID", help=N_("The public identifier."))],
    as_json: AsJson = False,
) -> None:
    tell_resolution(identifier, as_json=as_json)


def tell_resolution(identifier: str, *, as_json: bool) -> None:
    """Resolve it and show what came of it."""
    with open_hub() as hub:
        resolved = hub.identifiers.ask(identifier.strip())
    answer = resolved.resolution
    fields = [
        (_("Identifier"), answer.identifier),
        (_("Kind"), answer.kind.name.lower()),
        (_("Name"), answer.name),
        (_("State"), answer.state),
        (_("Validity"), answer.status),
        (_("Moved to"), answer.moved_to),
        (_("Issued by"), answer.issuer),
        (_("Registered"), when(answer.registered_at)),
        (_("Asked"), " -> ".join(resolved.asked)),
        (_("Answered"), when(resolved.fetched_at)),
    ]
    record(resolved, fields, as_json=as_json)
    if resolved.stale:
        text = _("The answer is {age} s old and may no longer hold, because no fresh one was got: {why}")
        remark(text.format(age=resolved.age_s, why=resolved.why))


@commands.command("node", cls=Command, options_metavar=OPTIONS, help=N_("Show who the hub is."))
def _node(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        about = hub.identifiers.node()
    fields = [
        (_("Name"), about.name),
        (_("Identifier"), about.public_id),
        (_("Prefix"), about.prefix),
        (_("Prefix is provisional"), yes_no(about.provisional)),
        (_("Hub above"), about.upstream),
        (_("Public key"), about.public_key),
        (_("Protocol"), about.protocol),
        (_("Version"), about.version),
    ]
    record(about, fields, as_json=as_json)
