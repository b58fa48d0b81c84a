"""Conformance of a platform's connectors: ask for a run and wait for it, or look at what the newest ones found."""

import time
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from suanlian.cli.arguments import PlatformName
from suanlian.cli.output import AsJson, plain, print_json, remark, say, table
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.conformance import finding_lines
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.conformance import ConformanceRun
from suanlian.sdk.client import Client

commands = nouns()
FAILED: Final = 3
_LOOK_S: Final = 0.5


@commands.command(
    "conformance",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show what the newest conformance runs of a platform found, or run it."),
)
def _conformance(
    platform: PlatformName,
    run: Annotated[bool, typer.Option("--run", help=N_("Ask for a run now and wait for its end."))] = False,
    connector: Annotated[
        str | None, typer.Option("--connector", metavar="NAME", help=N_("Only of this connector, by name."))
    ] = None,
    as_json: AsJson = False,
) -> int:
    with open_hub() as hub:
        if run:
            asked = {made.id for made in hub.platforms.ask_conformance(platform, connector)}
            found = _awaited(hub, platform, asked)
        else:
            found = newest(hub.platforms.conformance(platform), connector)
    if as_json:
        print_json([plain(made) for made in found])
    else:
        for made in found:
            tell(made)
        if not found:
            remark(_("There was no run yet; --run asks for one."))
    return FAILED if run and not all(made.passed for made in found) else 0


def _awaited(hub: Client, platform: str, asked: set[str]) -> list[ConformanceRun]:
    while True:
        found = [made for made in hub.platforms.conformance(platform) if made.id in asked]
        if len(found) == len(asked) and all(made.ended_at for made in found):
            return found
        time.sleep(_LOOK_S)


def newest(runs: Iterable[ConformanceRun], connector: str | None) -> list[ConformanceRun]:
    """The newest run of each connector, or of the one named."""
    first: dict[str, ConformanceRun] = {}
    for made in runs:
        if connector in (None, made.connector):
            first.setdefault(made.connector, made)
    return list(first.values())


def tell(run: ConformanceRun) -> None:
    """One run for people: how it ended, and every check."""
    say(f"{run.platform}/{run.connector}  {when(run.ended_at or run.asked_at)}  {_outcome(run)}")
    if run.report is not None:
        lines = finding_lines(run.report)
        columns = [
            (_("Check"), lambda line: line.check),
            (_("Result"), lambda line: line.result),
            (_("Seen, or what to do"), lambda line: line.text),
        ]
        table(lines, columns)


def _outcome(run: ConformanceRun) -> str:
    if run.ended_at is None:
        return _("goes on") if run.started_at else _("waits to begin")
    if not run.passed:
        return _("not passed")
    return _("passed") if run.holds else _("passed, but key or inventory have changed since")
