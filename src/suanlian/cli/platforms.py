"""Platforms: list them; one of them: show, apply, connectors; how it comes in stands in ``cli/onboarding.py``."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.arguments import PlatformName
from suanlian.cli.moving import drain_fields
from suanlian.cli.moving import install as install_drain
from suanlian.cli.onboarding import install
from suanlian.cli.output import AsJson, listing, record
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when, yes_no
from suanlian.cli.specfile import parse
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.platform import NewPlatform, Platform, PlatformKind
from suanlian.model.reading import read

commands = nouns()
_platform = nouns()
commands.add_typer(
    _platform,
    name="platform",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One platform: apply, come in step by step, show, connectors."),
)
install(_platform)
install_drain(_platform)


@commands.command("platforms", cls=Command, options_metavar=OPTIONS, help=N_("List platforms."))
def _platforms(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.platforms.list(),
            [
                (_("Name"), lambda platform: platform.name),
                (_("Title"), _title),
                (_("Kind"), lambda platform: platform.kind),
                (_("State"), lambda platform: platform.state),
                (_("Live since"), lambda platform: when(platform.live_at)),
                (_("Identifier"), lambda platform: platform.public_id),
            ],
            as_json=as_json,
        )


@_platform.command("show", cls=Command, options_metavar=OPTIONS, help=N_("Show one platform."))
def _show(platform: PlatformName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.platforms.get(platform)
        fields = [] if as_json else list(drain_fields(hub.platforms.drained(platform)))
    record(found, [*_fields(found), *fields], as_json=as_json)


@_platform.command(
    "apply", cls=Command, options_metavar=OPTIONS, help=N_("Apply for a platform of yours to be let in (provider).")
)
def _apply(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("Its name: a-z, 0-9, dot, dash, underscore."))],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help=N_("Its title in English."))] = "",
    title_zh: Annotated[str, typer.Option("--title-zh", metavar="TEXT", help=N_("Its title in Chinese."))] = "",
    kind: Annotated[
        PlatformKind | None,
        typer.Option("--kind", metavar="KIND", help=N_("compute, or hub for a hub below this one.")),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="LABEL", help=N_("The label of the prefix that a hub below asks for.")),
    ] = None,
    connectors: Annotated[
        list[str] | None,
        typer.Option("--connector", metavar="NAME", help=N_("A connector by name, several times; else NAME-1 alone.")),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help=N_("The application as YAML or JSON, with up to 400 connectors.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    said = {"title": title, "title_zh": title_zh, "kind": kind, "label": label}
    asked = {
        **({} if file is None else parse(file)),
        **{key: value for key, value in said.items() if value},
        "name": name,
    }
    if connectors:
        asked["connectors"] = [{"name": one} for one in connectors]
    with open_hub() as hub:
        _tell(hub.platforms.apply(read(NewPlatform, asked)), as_json=as_json)


@_platform.command("connectors", cls=Command, options_metavar=OPTIONS, help=N_("List the platform's connectors."))
def _connectors(platform: PlatformName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.platforms.connectors(platform),
            [
                (_("Name"), lambda connector: connector.name),
                (_("Level"), lambda connector: connector.level),
                (_("Takes work"), lambda connector: yes_no(connector.accepting)),
                (_("Revision"), lambda connector: connector.revision),
                (_("Enrolled"), lambda connector: when(connector.enrolled_at)),
                (_("Seen"), lambda connector: when(connector.seen_at)),
                (_("Admitted"), lambda connector: when(connector.admitted_at)),
                ("UUID", lambda connector: connector.id),
            ],
            as_json=as_json,
        )


def _tell(platform: Platform, *, as_json: bool) -> None:
    record(platform, _fields(platform), as_json=as_json)


def _fields(platform: Platform) -> list[tuple[str, object]]:
    return [
        (_("Name"), platform.name),
        (_("Title"), _title(platform)),
        (_("Kind"), platform.kind),
        (_("State"), platform.state),
        (_("Applied"), when(platform.applied_at)),
        (_("State since"), when(platform.state_since)),
        (_("Documents checked"), when(platform.documents_at)),
        (_("Live since"), when(platform.live_at)),
        (_("Identifier"), platform.public_id),
        ("UUID", platform.id),
    ]


def _title(platform: Platform) -> str:
    return " / ".join(title for title in (platform.title_zh, platform.title) if title)
